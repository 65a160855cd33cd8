//! The roles that `doctor --grants` prints, as far as they are there already, and whose the audit is.

use super::{Facts, Owner};
use crate::cli::exit::Outcome;
use crate::config::RunAs;
use crate::model::ident::literal;
use crate::postgres::session::{Reader, TextRow};

/// The names of the roles that are printed; an administrator changes them at will.
pub(super) const READER: &str = "tenantui_reader";
pub(super) const WRITER: &str = "tenantui_writer";
/// What a new role needs besides.
pub(super) const PASSWORD: &str = "set a password (\\password in psql), or use another way of logging in";

/// One of them that is there.
pub(super) struct Role {
    name: String,
    login: bool,
    inherits: bool,
    makes_roles: bool,
    superuser: bool,
}

/// Which of them are there. Roles are of the whole server: another database's administrator may have made them.
pub(super) async fn there(reader: &Reader) -> Outcome<Vec<Role>> {
    let sql = format!(
        "SELECT r.rolname, r.rolcanlogin, r.rolinherit, r.rolcreaterole, r.rolsuper FROM pg_catalog.pg_roles AS r \
         WHERE r.rolname IN ({}, {})",
        literal(READER),
        literal(WRITER)
    );
    let rows = reader.rows(&sql).await?;
    let role = |row: &TextRow| Role {
        name: row.text(0).unwrap_or_default().to_owned(),
        login: row.is_true(1),
        inherits: row.is_true(2),
        makes_roles: row.is_true(3),
        superuser: row.is_true(4),
    };
    Ok(rows.iter().map(role).collect())
}

/// What makes a role, and a note where it is there: it gets what it lacks, and nothing is taken from it.
pub(super) fn made(name: &str, makes_roles: bool, facts: &Facts) -> (Vec<String>, Option<String>) {
    let Some(role) = facts.there.iter().find(|role| role.name == name) else {
        let makes = if makes_roles { "CREATEROLE" } else { "NOCREATEROLE" };
        return (vec![format!("CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB {makes}")], None);
    };
    let lacks = [
        (!role.login, "LOGIN"),
        (!role.inherits && !facts.by_membership, "INHERIT"),
        (makes_roles && !role.makes_roles, "CREATEROLE"),
    ];
    let lacks: Vec<&str> = lacks.into_iter().filter_map(|(lacks, word)| lacks.then_some(word)).collect();
    let statement = (!lacks.is_empty()).then(|| format!("ALTER ROLE {name} {}", lacks.join(" ")));
    let superuser = if role.superuser { ", and is a superuser, which a small role is not" } else { "" };
    let note = format!("{name} is there already{superuser}: it gets what it lacks, and nothing is taken from it");
    (statement.into_iter().collect(), Some(note))
}

/// What a membership has to say where it says by itself what comes with it.
pub(super) const fn with_all(facts: &Facts) -> &'static str {
    if facts.by_membership { " WITH INHERIT TRUE, SET TRUE" } else { "" }
}

/// As [`with_all`], of a role of the server's own: its rights are had, and nobody acts as it.
pub(super) const fn with_rights(facts: &Facts) -> &'static str {
    if facts.by_membership { " WITH INHERIT TRUE" } else { "" }
}

/// The grant on the audit, which grows and is read: only its owner could change it. Where the writer is its owner, or gets
/// the owner's rights, no grant says less, and that is told.
pub(super) fn of_audit(facts: &Facts) -> Result<String, String> {
    let owner = facts.audit_owner.as_deref().unwrap_or_default();
    let how = if owner == WRITER {
        "which could change it".to_owned()
    } else if facts.owners.iter().any(|known| !known.superuser && known.name.raw() == owner) {
        format!("whose rights {WRITER} gets, and so could change it")
    } else {
        return Ok(format!("GRANT SELECT, INSERT ON tenantui.audit TO {WRITER}"));
    };
    Err(format!("tenantui.audit belongs to {owner}, {how}: {GIVE_AWAY}, and print this again"))
}

/// The default privileges by which the application may use what migrations make, and what is to be known of that.
pub(super) fn of_makers(facts: &Facts) -> (Vec<String>, Option<String>) {
    let ordinary: Vec<&Owner> = facts.owners.iter().filter(|owner| !owner.superuser && !owner.is_member).collect();
    match (facts.run_as, ordinary.as_slice()) {
        (_, []) => (Vec::new(), None),
        (RunAs::Owner, [_, ..]) => (
            Vec::new(),
            Some("what migrations make belongs to the owner of the tenant's schema (run_as = \"owner\")".to_owned()),
        ),
        (RunAs::Login, [one]) => {
            let owner = one.name.quoted();
            let grant = |kind| format!("ALTER DEFAULT PRIVILEGES FOR ROLE {WRITER} GRANT ALL ON {kind} TO {owner}");
            let note = format!(
                "what migrations make belongs to {WRITER}; the default privileges let the application use it as {owner}, which \
                 cannot change it. With run_as = \"owner\" in [database.migrations] it belongs to {owner}"
            );
            (["TABLES", "SEQUENCES", "SCHEMAS"].map(grant).to_vec(), Some(note))
        }
        (RunAs::Login, [_, _, ..]) => (
            Vec::new(),
            Some(format!(
                "what migrations make belongs to {WRITER}: say by ALTER DEFAULT PRIVILEGES FOR ROLE {WRITER} who else may use \
                 it, or set run_as = \"owner\" in [database.migrations]"
            )),
        ),
    }
}

/// How the audit becomes one that those who work cannot change.
pub(in crate::cli::commands) const GIVE_AWAY: &str = "ALTER SCHEMA tenantui OWNER TO a role that nobody works with, and \
    ALTER TABLE tenantui.audit OWNER TO the same";
