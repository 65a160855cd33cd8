//! Judgement: from what was read of a tenant to its state. Pure; the order of the states is product.md's, and a state
//! is never guessed.

use crate::migrations::plan::Standing;
use crate::model::ledger::{LedgerReading, LedgerState, Tool, Version};
use crate::model::tenant::TenantState;
use crate::text::Untrusted;

/// What decides the state of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Two rows point at its schema.
    pub conflict: bool,
    /// Its schema exists.
    pub schema_exists: bool,
    /// There is a registry row.
    pub has_row: bool,
    /// Whether there is one is not known: it may be hidden.
    pub row_hidden: bool,
    /// The role may look into the schema.
    pub schema_readable: bool,
    /// Its ledger.
    pub ledger: &'a LedgerState,
    /// Where the ledger stands against the reference.
    pub standing: &'a Standing,
    /// There are files, or siblings that were migrated.
    pub reference_exists: bool,
    /// Its tool is migrating it at this moment.
    pub live: bool,
}

/// The first state that holds.
#[must_use]
pub fn state(facts: Facts<'_>) -> TenantState {
    if facts.schema_exists && no_access(facts) {
        return TenantState::NoAccess;
    }
    if facts.conflict {
        return TenantState::Conflict;
    }
    if !facts.schema_exists {
        return TenantState::MissingSchema;
    }
    if !facts.has_row {
        return TenantState::OrphanSchema;
    }
    match facts.ledger {
        LedgerState::Unread | LedgerState::DatabaseWide { .. } => TenantState::Unknown,
        LedgerState::NoAccess(_) => TenantState::NoAccess,
        LedgerState::Unreadable { .. } => TenantState::UnknownTool,
        LedgerState::Absent if facts.live => TenantState::Locked,
        LedgerState::Absent if facts.reference_exists => TenantState::NeverMigrated,
        LedgerState::Absent => TenantState::Ok,
        LedgerState::Read(reading) if reading.dirty => TenantState::Dirty,
        LedgerState::Read(reading) if reading.locked.is_some() || facts.live => TenantState::Locked,
        LedgerState::Read(_) => by_standing(facts),
    }
}

fn no_access(facts: Facts<'_>) -> bool {
    if facts.row_hidden {
        return true;
    }
    match facts.ledger {
        LedgerState::NoAccess(_) => true,
        // Without USAGE the catalog still shows whether there is a ledger; without one the folder decides.
        LedgerState::Absent | LedgerState::Unread => !facts.schema_readable && !facts.reference_exists,
        LedgerState::Read(_) | LedgerState::DatabaseWide { .. } | LedgerState::Unreadable { .. } => false,
    }
}

fn by_standing(facts: Facts<'_>) -> TenantState {
    let standing = facts.standing;
    if standing.applied == Some(0) && facts.reference_exists {
        return TenantState::NeverMigrated;
    }
    let count = |versions: &Option<std::sync::Arc<[_]>>| versions.as_ref().map_or(0, |list| list.len());
    if count(&standing.ahead) > 0 {
        TenantState::Ahead
    } else if count(&standing.pending) > 0 {
        TenantState::Behind
    } else if standing.pending.is_none() {
        // Nothing tells whether anything is pending: files of another tool, or heads without their files.
        TenantState::Unknown
    } else {
        TenantState::Ok
    }
}

/// What a ledger's state says to the operator, in words; nothing where it was read or is merely absent.
#[must_use]
pub fn problem(ledger: &LedgerState) -> Option<Untrusted> {
    match ledger {
        LedgerState::NoAccess(why) | LedgerState::DatabaseWide { why, .. } | LedgerState::Unreadable { why, .. } => {
            Some(why.clone())
        }
        LedgerState::Read(reading) if reading.dirty => {
            Some(format!("{} recorded a failed migration in {}", reading.tool, reading.table).into())
        }
        LedgerState::Read(reading) if reading.locked.is_some() => reading.locked.clone(),
        LedgerState::Read(reading) => several_heads(reading),
        LedgerState::Unread | LedgerState::Absent => None,
    }
}

/// A ledger of heads with more than one: branches that nobody merged.
fn several_heads(reading: &LedgerReading) -> Option<Untrusted> {
    let heads: Vec<&str> = reading.applied.versions.iter().map(Version::raw).collect();
    (reading.tool == Tool::Alembic && heads.len() > 1).then(|| {
        let (tool, count) = (reading.tool, heads.len());
        format!("{tool}'s ledger has {count} heads ({}): merge them with `alembic merge`", heads.join(", ")).into()
    })
}

/// Why it is not known what is pending although the ledger was read.
#[must_use]
pub fn undecided(ledger: &LedgerState, standing: &Standing, files: Option<Tool>) -> Option<Untrusted> {
    let reading = ledger.reading().filter(|_| standing.pending.is_none())?;
    let tool = reading.tool;
    let words = match (files, standing.ahead.as_ref().and_then(|ahead| ahead.first())) {
        (Some(_), Some(head)) => {
            format!("{} is no file here: what lies before it, and what is pending, is not known", head.raw())
        }
        (Some(files), None) => {
            format!("its ledger is of {tool}, the files are of {files}: what is pending is not known")
        }
        (None, _) => format!(
            "{tool} keeps only where a schema stands, and siblings stand elsewhere: which is newer is known from the files \
             alone; set path in [database.migrations]"
        ),
    };
    Some(words.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::ledger::AppliedSet;

    fn ledger(dirty: bool, locked: bool) -> LedgerState {
        LedgerState::Read(LedgerReading {
            tool: Tool::Migratus,
            table: "schema_migrations".into(),
            applied: Arc::new(AppliedSet::default()),
            dirty,
            locked: locked.then(|| "left behind".into()),
        })
    }

    fn standing(pending: usize, ahead: usize) -> Standing {
        let versions = |count| Some((0..count).map(|n| Version::new(&n.to_string())).collect());
        Standing { applied: Some(1), pending: versions(pending), ahead: versions(ahead), ..Standing::default() }
    }

    fn with<'a>(ledger: &'a LedgerState, standing: &'a Standing) -> Facts<'a> {
        Facts {
            conflict: false,
            schema_exists: true,
            has_row: true,
            row_hidden: false,
            schema_readable: true,
            ledger,
            standing,
            reference_exists: true,
            live: false,
        }
    }

    #[test]
    fn the_first_state_that_holds_wins() {
        let everything = ledger(true, true);
        let behind_and_ahead = standing(1, 1);
        let all = with(&everything, &behind_and_ahead);
        assert_eq!(state(Facts { conflict: true, schema_exists: false, has_row: false, ..all }), TenantState::Conflict);
        assert_eq!(state(Facts { schema_exists: false, has_row: false, ..all }), TenantState::MissingSchema);
        assert_eq!(state(Facts { has_row: false, ..all }), TenantState::OrphanSchema);
        assert_eq!(state(all), TenantState::Dirty);
        assert_eq!(state(Facts { ledger: &ledger(false, true), ..all }), TenantState::Locked);
        assert_eq!(state(Facts { ledger: &ledger(false, false), live: true, ..all }), TenantState::Locked);
        assert_eq!(state(Facts { ledger: &ledger(false, false), ..all }), TenantState::Ahead);
        assert_eq!(state(with(&ledger(false, false), &standing(1, 0))), TenantState::Behind);
        assert_eq!(state(with(&ledger(false, false), &standing(0, 0))), TenantState::Ok);
    }

    #[test]
    fn what_may_not_be_read_comes_before_everything_and_is_never_guessed() {
        let denied = LedgerState::NoAccess("why".into());
        let nothing = Standing::default();
        assert_eq!(state(Facts { conflict: true, ..with(&denied, &nothing) }), TenantState::NoAccess);
        assert_eq!(state(with(&LedgerState::Unread, &nothing)), TenantState::Unknown);
        let hidden = Facts { row_hidden: true, has_row: false, ..with(&LedgerState::Absent, &nothing) };
        assert_eq!(state(hidden), TenantState::NoAccess);
    }

    #[test]
    fn without_a_ledger_it_depends_on_files_and_siblings() {
        let empty = Standing { applied: Some(0), ..standing(2, 0) };
        assert_eq!(state(with(&LedgerState::Absent, &empty)), TenantState::NeverMigrated);
        assert_eq!(state(with(&ledger(false, false), &empty)), TenantState::NeverMigrated);
        let none = Facts { reference_exists: false, ..with(&LedgerState::Absent, &empty) };
        assert_eq!(state(none), TenantState::Ok);
    }
}
