//! Failures that have one cause: what the server said, apart from the tenant's own name. One decision can serve all of
//! them.

use super::job::{Outcome, TenantOutcome};
use crate::text::sanitise;

/// Columns of the words of a cause.
const WORDS: usize = 60;

/// A cause, and whom it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The server's code; empty where there is none.
    pub code: String,
    /// The words, safe, with `...` for the tenant's schema.
    pub words: String,
    /// How many tenants: those of [`of`] in the order of the results.
    pub count: usize,
}

/// Whether a result wants a decision.
#[must_use]
pub const fn wants_decision(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::Blocked | Outcome::Unknown => true,
        Outcome::Running | Outcome::Pending | Outcome::LeftOut | Outcome::Skipped | Outcome::Done => false,
    }
}

/// Whether a lock kept a tenant's step out.
#[must_use]
pub fn waits_for_lock(outcome: &TenantOutcome) -> bool {
    match outcome.outcome {
        Outcome::Blocked => true,
        Outcome::Failed => outcome.failure.as_ref().is_some_and(|failure| failure.sqlstate.as_deref() == Some("55P03")),
        Outcome::Unknown
        | Outcome::Running
        | Outcome::Pending
        | Outcome::LeftOut
        | Outcome::Skipped
        | Outcome::Done => false,
    }
}

/// The cause of one result, where it wants a decision.
#[must_use]
pub fn of(outcome: &TenantOutcome) -> Option<(String, String)> {
    let failure = outcome.failure.as_ref().filter(|_| wants_decision(outcome.outcome))?;
    let mut words = failure.message.raw().to_owned();
    if !outcome.schema.is_empty() {
        words = words.replace(outcome.schema.raw(), "...");
    }
    let code = failure.sqlstate.as_deref().map(sanitise).unwrap_or_default();
    Some((code, crate::text::fit(&sanitise(&words), WORDS)))
}

/// All causes, most frequent first.
#[must_use]
pub fn all(outcomes: &[TenantOutcome]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for (code, words) in outcomes.iter().filter_map(of) {
        match causes.iter_mut().find(|cause| cause.code == code && cause.words == words) {
            Some(cause) => cause.count += 1,
            None => causes.push(Cause { code, words, count: 1 }),
        }
    }
    // Stable: among equals the first of the results comes first.
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes
}

/// The schemas of all results with the cause of this one, itself included, in the order of the results.
#[must_use]
pub fn same(outcomes: &[TenantOutcome], one: &TenantOutcome) -> Vec<String> {
    let Some(cause) = of(one) else { return vec![one.schema.raw().to_owned()] };
    let mut schemas: Vec<String> = outcomes
        .iter()
        .filter(|outcome| of(outcome).as_ref() == Some(&cause))
        .map(|outcome| outcome.schema.raw().to_owned())
        .collect();
    if !schemas.iter().any(|schema| schema == one.schema.raw()) {
        schemas.insert(0, one.schema.raw().to_owned());
    }
    schemas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::StepFailure;

    fn failed(schema: &str, code: &str, message: &str, outcome: Outcome) -> TenantOutcome {
        TenantOutcome {
            key: None,
            slug: schema.into(),
            schema: schema.into(),
            outcome,
            version: None,
            failure: Some(StepFailure {
                version: None,
                sqlstate: Some(code.to_owned()),
                message: message.into(),
                statement: None,
                stays: false,
                blocker: None,
                tries: 1,
            }),
            note: None,
            steps: (0, 1),
            duration_ms: None,
        }
    }

    #[test]
    fn a_cause_does_not_depend_on_the_tenants_name() {
        let outcomes = [
            failed("t_a", "42P07", "relation \"t_a.users\" already exists", Outcome::Failed),
            failed("t_b", "55P03", "lock timeout", Outcome::Blocked),
            failed("t_c", "42P07", "relation \"t_c.users\" already exists", Outcome::Failed),
            failed("t_d", "55P03", "lock timeout", Outcome::Done),
        ];
        let causes: Vec<(String, usize)> = all(&outcomes).into_iter().map(|cause| (cause.code, cause.count)).collect();
        assert_eq!(causes, [("42P07".to_owned(), 2), ("55P03".to_owned(), 1)]);
        assert_eq!(same(&outcomes, &outcomes[2]), ["t_a", "t_c"]);
        assert_eq!(same(&outcomes, &outcomes[3]), ["t_d"], "what is done wants no decision");
        assert_eq!(same(&[], &outcomes[0]), ["t_a"]);
    }
}
