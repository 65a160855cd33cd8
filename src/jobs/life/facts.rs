//! What is read of a tenant before something is done to it as a whole: who uses its schema, which role is its own, what
//! the record knows of it.

use crate::jobs::record::epoch;
use crate::layout::Layout;
use crate::layout::naming::fold;
use crate::model::ident::{SchemaName, literal};
use crate::model::life::TenantRole;
use crate::postgres::bind::bind;
use crate::postgres::membership::rights_sql;
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::{Untrusted, clock};

const SESSIONS: &str = include_str!("../../../assets/sql/tenant_sessions.sql");
const ROLE: &str = include_str!("../../../assets/sql/tenant_role.sql");
const OUTSIDE: &str = include_str!("../../../assets/sql/role_outside.sql");

/// The question for sessions that use a schema now, or are of its tenant's role.
pub(super) fn sessions_sql(schema_oid: u32, role: Option<&str>) -> String {
    bind(SESSIONS, &[("oid", &schema_oid.to_string()), ("role", role.unwrap_or_default()), ("writing", "false")])
}

/// The question for sessions that write into a schema now, or change it. All applications read what tenants share, all
/// the time.
pub(super) fn writing_sessions_sql(schema_oid: u32) -> String {
    bind(SESSIONS, &[("oid", &schema_oid.to_string()), ("role", ""), ("writing", "true")])
}

/// One of them, in words.
pub(super) fn session(row: &TextRow) -> Result<Untrusted, QueryError> {
    let text = |column: usize| row.text(column).unwrap_or_default();
    let open = row.parse::<u64>(5)?.map(|seconds| format!(", transaction open {}", clock(seconds))).unwrap_or_default();
    let at = row.text(3).map(|address| format!("@{address}")).unwrap_or_default();
    Ok(Untrusted::new(match row.text(0) {
        Some(pid) => format!("pid {pid} {}{at} ({}) {}{open}", text(1), text(2), text(4)),
        None => text(2).to_owned(),
    }))
}

/// Sessions that use a schema now, or are of its tenant's role.
pub(super) async fn sessions(
    reader: &Reader,
    schema_oid: u32,
    role: Option<&str>,
) -> Result<Vec<Untrusted>, QueryError> {
    reader.rows(&sessions_sql(schema_oid, role)).await?.iter().map(session).collect()
}

/// Sessions that use a schema now and are of another role.
pub(super) async fn sessions_besides(
    reader: &Reader,
    schema_oid: u32,
    role: &str,
) -> Result<Vec<Untrusted>, QueryError> {
    let rows = reader.rows(&sessions_sql(schema_oid, None)).await?;
    rows.iter().filter(|row| row.text(1) != Some(role)).map(session).collect()
}

/// Sessions that write into a schema now, or change it.
pub(super) async fn writing_sessions(reader: &Reader, schema_oid: u32) -> Result<Vec<Untrusted>, QueryError> {
    reader.rows(&writing_sessions_sql(schema_oid)).await?.iter().map(session).collect()
}

/// Sessions that a role has in this database: what a plan counts, and what is ended.
pub(super) fn role_sessions_sql(role: &str) -> String {
    format!(
        "SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE a.usename = {}::name AND a.datid = \
         (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) \
         AND a.pid <> pg_catalog.pg_backend_pid()",
        literal(role)
    )
}

/// Why the sessions of a role cannot be ended by us; `None`: they can, or there is no such role.
pub(super) async fn cannot_end(reader: &Reader, role: &str) -> Result<Option<String>, QueryError> {
    let sql = format!(
        "SELECT pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') OR pg_catalog.pg_has_role(r.oid, 'USAGE'), {helps} \
         FROM pg_catalog.pg_roles AS r WHERE r.rolname = {role}::name",
        helps = rights_sql("CURRENT_USER", "'pg_signal_backend'::pg_catalog.regrole"),
        role = literal(role)
    );
    let rows = reader.rows(&sql).await?;
    let user = reader.facts().user.raw();
    Ok(rows.first().filter(|row| !row.is_true(0)).map(|row| {
        let helps = row.text(1).unwrap_or("GRANT pg_signal_backend");
        format!("{user} may not end the sessions of the role {role}: {helps} is missing")
    }))
}

/// Why a role cannot be removed by us; `None`: it can, or there is no such role. Behind a removed schema it is too late to
/// find that out. From PostgreSQL 16 on who makes roles removes its own alone.
pub(super) async fn cannot_remove(reader: &Reader, role: &str) -> Result<Option<String>, QueryError> {
    let sql = format!(
        "SELECT me.rolsuper OR me.rolcreaterole, me.rolsuper OR pg_catalog.current_setting('server_version_num')::int < 160000 \
         OR pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS me \
         WHERE r.rolname = {}::name AND me.rolname = current_user",
        literal(role)
    );
    let rows = reader.rows(&sql).await?;
    let user = reader.facts().user.raw();
    let lacks = match rows.first().map(|row| (row.is_true(0), row.is_true(1))) {
        None | Some((true, true)) => return Ok(None),
        Some((false, _)) => format!("ALTER ROLE {user} CREATEROLE"),
        Some((true, false)) => format!("GRANT {role} TO {user} WITH ADMIN OPTION"),
    };
    Ok(Some(format!("{user} may not remove the role {role}: {lacks} is missing; nothing was begun")))
}

/// What a tenant's role is called.
enum Called {
    /// By the layout's rule. `None`: the rule gives it no name.
    Exactly(Option<String>),
    /// There is no rule: words of its name are the tenant's.
    ByWords,
}

impl Called {
    fn of(layout: &Layout, slug: &str, schema: &str) -> Self {
        let Some(role) = &layout.role else { return Self::ByWords };
        let name = SchemaName::existing(schema).ok().and_then(|schema| role.rule.name_of(slug, &schema).ok());
        Self::Exactly(name.map(|name| name.raw().to_owned()))
    }

    /// The name, where it is known.
    fn exactly(&self) -> Option<&str> {
        match self {
            Self::Exactly(name) => name.as_deref(),
            Self::ByWords => None,
        }
    }
}

/// The role that is this tenant's, as far as can be told, and why it is left alone where it may be somebody else's, too.
/// A role is only the tenant's where it is surely so: it is called as the layout says, and has nothing outside of the
/// schema. `removal`: whether it would be removed, and not only its sessions ended.
pub(super) async fn role(
    reader: &Reader,
    layout: &Layout,
    schema_oid: u32,
    (slug, schema): (&str, &str),
    removal: bool,
) -> Result<Option<TenantRole>, QueryError> {
    let shared = layout.shared_schema.as_ref().map_or("public", |schema| schema.raw());
    let called = Called::of(layout, slug, schema);
    let values =
        [("oid", &*schema_oid.to_string()), ("shared", shared), ("name", called.exactly().unwrap_or_default())];
    let rows = reader.rows(&bind(ROLE, &values)).await?;
    let Some(found) = pick(&rows, &called, slug, schema) else { return Ok(None) };
    let Some(oid) = found.row.parse::<u32>(0)? else { return Ok(None) };
    let rows = reader.rows(&outside_sql(schema_oid, oid)).await?;
    let kept = found.kept.or_else(|| rows.first().and_then(|row| kept(row, removal)));
    let name = Untrusted::new(found.row.text(1).unwrap_or_default());
    Ok(Some(TenantRole { name, kept: kept.map(Untrusted::from) }))
}

/// One of the candidates.
struct Picked<'a> {
    row: &'a TextRow,
    /// Why its name does not do.
    kept: Option<String>,
}

/// The one of the right name; else the only one that has nothing to do with another tenant's schema, to say why it is
/// left alone. Where two roles fit none is meant.
fn pick<'a>(rows: &'a [TextRow], called: &Called, slug: &str, schema: &str) -> Option<Picked<'a>> {
    let exact = |row: &&TextRow| called.exactly().is_some() && row.text(1) == called.exactly();
    if let Some(row) = rows.iter().find(exact) {
        return Some(Picked { row, kept: None });
    }
    let mut alone = rows.iter().filter(|row| !row.is_true(2));
    let (Some(row), None) = (alone.next(), alone.next()) else { return None };
    let kept = match called {
        // In a database of one tenant the application's own role has rights on one schema only, too.
        Called::Exactly(Some(name)) => {
            Some(format!("it may be the application's: by the layout's rule the tenant's own is called {name}"))
        }
        Called::ByWords if is_named_after(row.text(1)?, slug, schema) => None,
        Called::Exactly(None) | Called::ByWords => {
            Some("its name does not say that it is this tenant's alone".to_owned())
        }
    };
    Some(Picked { row, kept })
}

/// The question for what a role has outside of a schema.
pub(super) fn outside_sql(schema_oid: u32, role_oid: u32) -> String {
    bind(OUTSIDE, &[("oid", &schema_oid.to_string()), ("role", &role_oid.to_string())])
}

/// Why a role is left alone, by what it has outside of the tenant's schema.
pub(super) fn kept(row: &TextRow, removal: bool) -> Option<String> {
    if let Some(databases) = row.text(0) {
        return Some(format!("it owns the database {databases}"));
    }
    if let Some(objects) = row.text(1) {
        return Some(format!("it owns {objects}"));
    }
    if let Some(databases) = row.text(2) {
        return Some(format!("roles are of the whole server, and it has rights in {databases} too"));
    }
    if let Some(objects) = row.text(3) {
        return Some(format!("it has rights outside of the schema: on {objects}"));
    }
    if let Some(groups) = row.text(4) {
        return Some(format!("it is a member of {groups}"));
    }
    let databases = row.text(5).filter(|_| removal)?;
    Some(format!("it has a session open in {databases}"))
}

/// Whether whole words of a role's name are the tenant's: `acme`, `acme_user`, `tenant_acme_rw`; not `acmeserver`.
pub(super) fn is_named_after(role: &str, slug: &str, schema: &str) -> bool {
    let role = format!("_{}_", fold(role));
    [slug, schema].iter().any(|name| !name.is_empty() && role.contains(&format!("_{}_", fold(name))))
}

/// The end of the last backup of a schema, as the record has it.
pub(super) async fn last_backup(reader: &Reader, schema: &str) -> Result<Option<jiff::Timestamp>, QueryError> {
    last(reader, schema, "backup").await
}

/// When something was last done to a schema, as the record has it.
pub(super) async fn last(reader: &Reader, schema: &str, action: &str) -> Result<Option<jiff::Timestamp>, QueryError> {
    let sql = format!(
        "SELECT {} FROM tenantui.audit AS a WHERE a.action = {} AND a.outcome = 'done' AND a.target = {}",
        epoch("pg_catalog.max(a.at)"),
        literal(action),
        literal(schema),
    );
    let rows = reader.rows(&sql).await?;
    let milliseconds = rows.first().map(|row| row.parse::<i64>(0)).transpose()?.flatten();
    Ok(milliseconds.and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_of_its_name_say_whose_it_is() {
        for name in ["acme", "acme_user", "tenant_acme_rw", "ACME-app"] {
            assert!(is_named_after(name, "acme", "tenant_acme"), "{name}");
        }
        assert!(is_named_after("tenant_acme_corp", "acme-corp", "tenant_acme_corp"));
        for name in ["app", "web", "", "acmeserver", "myacme", "my_acmes_app"] {
            assert!(!is_named_after(name, "acme", "tenant_acme"), "{name}");
        }
        assert!(!is_named_after("app", "", "") && !is_named_after("_", "", ""));
    }

    fn candidate(name: &str, elsewhere: bool) -> TextRow {
        TextRow::new(
            [Some("1"), Some(name), Some(if elsewhere { "t" } else { "f" })].map(|cell| cell.map(Into::into)).into(),
        )
    }

    #[test]
    fn with_a_rule_only_that_name_is_the_tenants() {
        let rule = Called::Exactly(Some("tenant_acme".to_owned()));
        let of = |rows: &[TextRow], called: &Called| {
            pick(rows, called, "acme", "tenant_acme").map(|found| (found.row.text(1).map(str::to_owned), found.kept))
        };
        let own = candidate("tenant_acme", false);
        assert_eq!(of(&[own.clone(), candidate("web", false)], &rule), Some((Some("tenant_acme".into()), None)));
        // What it has elsewhere is told as the reason, and is no cause to say nothing of it.
        assert_eq!(of(&[candidate("tenant_acme", true)], &rule), Some((Some("tenant_acme".into()), None)));
        for name in ["acme", "acme_user", "myacmeserver"] {
            let (_, kept) = of(&[candidate(name, false)], &rule).expect("it is told");
            assert!(kept.is_some_and(|why| why.contains("tenant_acme")), "{name}");
        }
        assert_eq!(of(&[candidate("acme", true)], &rule), None);
        // Without a rule: whole words, and two are none.
        let kept = |name: &str| of(&[candidate(name, false)], &Called::ByWords).expect("a role").1;
        assert!(kept("acme_user").is_none() && kept("myacmeserver").is_some());
        assert_eq!(of(&[own.clone(), candidate("acme", false)], &Called::ByWords), None);
        // A rule that gives no name is no leave to guess.
        assert!(of(&[own], &Called::Exactly(None)).expect("a role").1.is_some());
    }

    #[test]
    fn anything_outside_of_the_schema_keeps_it() {
        let with = |column: usize, what: &str| {
            let mut cells: [Option<Box<str>>; 6] = Default::default();
            cells[column] = Some(what.into());
            TextRow::new(cells.into())
        };
        for column in 0..5 {
            for removal in [true, false] {
                let why = kept(&with(column, "other.x"), removal).unwrap_or_default();
                assert!(why.contains("other.x"), "{column}: {why}");
            }
        }
        assert_eq!(kept(&TextRow::new(<[Option<Box<str>>; 6]>::default().into()), true), None);
        // A session elsewhere is no reason to spare those that are here.
        assert!(kept(&with(5, "other"), true).is_some() && kept(&with(5, "other"), false).is_none());
    }
}
