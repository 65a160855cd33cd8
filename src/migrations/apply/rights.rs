//! Whose rights the files of a transaction run with: those of the session's own role, or those of the owner of the
//! tenant's schema (`run_as = "owner"`). What they make then belongs to the owner, as if its own tool had made it. Our
//! record is written as the session's role again: the owner has no business with it.
//!
//! It keeps what is made where it belongs. It is no wall: SQL that knows of it can take the session's role back, and the
//! guard only finds that afterwards.

use crate::model::ident::{SchemaName, literal};

/// Whether a setting ends with its transaction, or with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// With the transaction.
    Transaction,
    /// With the session: for a statement that runs outside of transactions, on a session that is closed behind it.
    Session,
}

impl Lasting {
    const fn is_local(self) -> bool {
        match self {
            Self::Transaction => true,
            Self::Session => false,
        }
    }
}

/// Two statements: the first answers with the role to go back to, the second takes the owner's.
#[must_use]
pub fn take_sql(schema: &SchemaName, lasting: Lasting) -> String {
    format!(
        "SELECT pg_catalog.current_setting('role'); SELECT pg_catalog.set_config('role', \
         pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text, {}) FROM pg_catalog.pg_namespace AS n \
         WHERE n.nspname OPERATOR(pg_catalog.=) {}::pg_catalog.name;",
        lasting.is_local(),
        literal(schema.raw()),
    )
}

/// The expression that gives it back: `role` is what the first statement of [`take_sql`] said.
#[must_use]
pub fn give_back(role: &str, lasting: Lasting) -> String {
    format!("pg_catalog.set_config('role', {}, {})", literal(role), lasting.is_local())
}

/// What is told behind the server's words where the role may not be taken.
pub const ADVICE: &str = "run_as = \"owner\" needs it: where the owner is no superuser, GRANT it to the role that tenantui logs \
     in as (`tenantui doctor` prints the statement), or leave run_as out";
