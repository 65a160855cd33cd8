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

/// From PostgreSQL 16 on each membership says by itself whether the role may be taken (SET) and whether its rights are had
/// (INHERIT); before, being a member is enough for the one, and the other is said by the member.
const BY_MEMBERSHIP: &str =
    "pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 160000";

/// The expression that says whether this role (SESSION_USER, CURRENT_USER) may take another.
///
/// SET ROLE asks for the role that logged in, whatever it acts as (`ALTER ROLE .. SET role`); what is made for another
/// role (`AUTHORIZATION`) asks for the one that it acts as.
#[must_use]
pub fn may_take_sql(who: &str, role: &str) -> String {
    format!("pg_catalog.pg_has_role({who}, {role}, CASE WHEN {BY_MEMBERSHIP} THEN 'SET' ELSE 'MEMBER' END)")
}

/// The expression of the statement after which this role may take another, and has its rights.
#[must_use]
pub fn membership_sql(who: &str, role: &str) -> String {
    format!(
        "(SELECT CASE WHEN {BY_MEMBERSHIP} THEN pg_catalog.format('GRANT %I TO %I WITH INHERIT TRUE, SET TRUE', taken.rolname, taker.rolname) \
         ELSE pg_catalog.concat_ws('; ', CASE WHEN taker.rolinherit OR NOT pg_catalog.pg_has_role(taker.oid, taken.oid, 'MEMBER') \
         THEN pg_catalog.format('GRANT %I TO %I', taken.rolname, taker.rolname) END, \
         CASE WHEN NOT taker.rolinherit THEN pg_catalog.format('ALTER ROLE %I INHERIT', taker.rolname) END) END \
         FROM pg_catalog.pg_roles AS taken, pg_catalog.pg_roles AS taker WHERE taken.oid = {role} AND taker.rolname = {who})"
    )
}

/// The expression that says whether CURRENT_USER is a member of a role, and does not have its rights.
#[must_use]
pub fn lacks_rights_sql(role: &str) -> String {
    format!("(pg_catalog.pg_has_role({role}, 'MEMBER') AND NOT pg_catalog.pg_has_role({role}, 'USAGE'))")
}

/// What is told behind the server's words where the role may not be taken.
pub const ADVICE: &str = "run_as = \"owner\" needs it: where the owner is no superuser, GRANT it to the role that tenantui logs \
     in as (`tenantui doctor` prints the statement), or leave run_as out";
