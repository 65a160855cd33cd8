//! What a failure card says: what happened, what is known of it, and the report for the clipboard.

use super::card_keys::Asked;
use super::failure_card::FailureCard;
use crate::model::job::{Outcome, StepFailure};
use crate::model::job_words::{and_skipped, done};
use crate::text::{counted, grouped, sanitise};
use crate::tui::widgets::wrap;

impl FailureCard {
    /// What happened, in one sentence.
    pub(super) fn headline(&self) -> String {
        let outcome = &self.outcome;
        let slug = outcome.slug.safe();
        let at = outcome
            .version
            .as_ref()
            .map_or_else(|| "without a version".to_owned(), |v| format!("at {}", v.untrusted().safe()));
        let step = outcome.failure.as_ref().and_then(|failure| failure.version.as_ref());
        let step = step.map_or_else(|| "a step".to_owned(), |version| format!("step {}", version.untrusted().safe()));
        match outcome.outcome {
            Outcome::Failed if outcome.failure.as_ref().is_some_and(|failure| failure.stays) => {
                format!("{slug} stays {at}: {step} failed, and what it did until then is not taken back.")
            }
            Outcome::Failed => format!("{slug} stays {at}: {step} failed, rolled back."),
            Outcome::Blocked => format!("{slug} stays {at}: a lock kept {step} out; nothing was changed."),
            Outcome::Unknown => format!(
                "{slug}: it is not known whether {step} took effect. It runs outside a transaction, and looking \
                 afterwards did not tell. Nothing more is done to {slug} until you decide."
            ),
            Outcome::LeftOut => format!("{slug} stays {at}: it was left out of the plan."),
            Outcome::Running | Outcome::Pending | Outcome::Skipped | Outcome::Done => {
                format!("{slug} stands {at}: {}.", outcome.outcome.word())
            }
        }
    }

    /// The counts of the job's other tenants.
    fn others(&self) -> String {
        let job = &self.job;
        let (done, failed, skipped) = (done(job), job.failed.saturating_sub(1), and_skipped(job));
        format!("Others: {done} done, {failed} failed{skipped}, {} waiting.", job.pending)
    }

    /// The report for the clipboard: safe lines.
    pub(super) fn report(&self) -> String {
        let mut lines = vec![
            format!(
                "job {} ({} {}), tenant {}, schema {}",
                self.job.id,
                self.job.kind.word(),
                self.job.what.safe(),
                self.outcome.slug.safe(),
                self.outcome.schema.safe()
            ),
            self.headline(),
        ];
        if let Some(failure) = &self.outcome.failure {
            let code = failure.sqlstate.as_deref().map(sanitise).unwrap_or_default();
            lines.push(format!("{code} {}", failure.message.safe()).trim().to_owned());
            if let Some(blocker) = &failure.blocker {
                lines.push(format!("blocker: {}", blocker.safe()));
            }
            lines.extend(statement(failure).map(|statement| format!("statement {statement}")));
            lines.push(format!("tried {}", counted(failure.tries, "time")));
        }
        lines.join("\n")
    }

    /// The report, then the log's lines about this tenant.
    pub(super) fn full_log(&self) -> String {
        let mut text = self.report();
        text.push_str("\n\n");
        if self.log.is_empty() {
            text.push_str(
                "No lines of the log are known here: the job ran in another process, or before this one began.",
            );
        }
        text.push_str(&self.log.join("\n"));
        text
    }

    /// The lines below the message: label and value.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        let Some(failure) = &self.outcome.failure else {
            return vec![("Job", self.others())];
        };
        if let Some(blocker) = &failure.blocker {
            facts.push(("Blocker", blocker.safe().into()));
        }
        if let Some(statement) = statement(failure) {
            let label = if self.outcome.outcome == Outcome::Unknown { "What ran" } else { "Statement" };
            facts.push((label, statement));
        }
        let times = if failure.tries == 1 { "once".to_owned() } else { format!("{} times", failure.tries) };
        let last = self.last.as_ref().map(|last| format!(", last {last}")).unwrap_or_default();
        facts.push(("Tried", format!("{times}{last}.  {}", self.others())));
        if self.same.len() > 1 {
            let others = match self.same.len() - 1 {
                1 => "1 other stands".to_owned(),
                many => format!("{} others stand", grouped(many as u64)),
            };
            let serves = match (self.can_skip(), self.can_wait()) {
                (true, true) => {
                    format!(
                        "; {} and {} can serve all",
                        self.keys.of_asked(Asked::Skip),
                        self.keys.of_asked(Asked::RetryWhenFree)
                    )
                }
                (true, false) => format!("; {} can serve all", self.keys.of_asked(Asked::Skip)),
                (false, _) => String::new(),
            };
            facts.push(("Same", format!("{others} here for this reason{serves}.")));
        }
        facts
    }

    pub(super) fn message(&self, room: usize) -> Vec<String> {
        let Some(failure) = &self.outcome.failure else { return vec!["No failure was recorded.".to_owned()] };
        let code = failure.sqlstate.as_deref().map(|code| format!("{}  ", sanitise(code))).unwrap_or_default();
        let mut lines = wrap(&format!("{code}{}", failure.message.safe()), room);
        if lines.len() > 6 {
            lines.truncate(5);
            lines.push("(cut; y copies all of it)".to_owned());
        }
        lines
    }
}

/// Rows of a fact; a statement may be a page long.
const FACT: usize = 4;

/// Long values go on below, under where they begin.
pub(super) fn wrapped(facts: Vec<(&'static str, String)>, room: usize) -> Vec<(&'static str, String)> {
    let rows = |(label, value): (&'static str, String)| {
        let mut rows = wrap(&value, room);
        if rows.len() > FACT {
            rows.truncate(FACT - 1);
            rows.push("(cut; l and y have all of it)".to_owned());
        }
        rows.into_iter().enumerate().map(move |(row, value)| (if row == 0 { label } else { "" }, value))
    };
    facts.into_iter().flat_map(rows).collect()
}

/// `2 of 4, line 7: alter table users ...`.
fn statement(failure: &StepFailure) -> Option<String> {
    let statement = failure.statement.as_ref()?;
    Some(format!("{} of {}, line {}: {}", statement.number, statement.of, statement.line, statement.text.safe()))
}
