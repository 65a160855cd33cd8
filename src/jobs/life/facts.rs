//! What is read of a tenant before something is done to it as a whole: who uses its schema, which role is its own, what
//! the record knows of it.

use crate::jobs::record::epoch;
use crate::layout::naming::fold;
use crate::model::ident::literal;
use crate::model::life::TenantRole;
use crate::postgres::bind::bind;
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::{Untrusted, clock};

const SESSIONS: &str = include_str!("../../../assets/sql/tenant_sessions.sql");
const ROLE: &str = include_str!("../../../assets/sql/tenant_role.sql");

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

/// Sessions that write into a schema now, or change it.
pub(super) async fn writing_sessions(reader: &Reader, schema_oid: u32) -> Result<Vec<Untrusted>, QueryError> {
    reader.rows(&writing_sessions_sql(schema_oid)).await?.iter().map(session).collect()
}

/// The question for the role of one tenant alone.
pub(super) fn role_sql(schema_oid: u32, shared: &str) -> String {
    bind(ROLE, &[("oid", &schema_oid.to_string()), ("shared", shared)])
}

/// A role that is this tenant's alone, as far as can be told, and why it is kept. Where two roles fit none is meant.
pub(super) fn role(rows: &[TextRow], slug: &str, schema: &str) -> Option<TenantRole> {
    let [row] = rows else { return None };
    let name = row.text(0)?;
    let kept = if !is_named_after(name, slug, schema) {
        // In a database of one tenant the application's own role has rights on one schema only, too.
        Some("its name does not say that it is this tenant's alone".to_owned())
    } else if let Some(databases) = row.text(4) {
        Some(format!("it owns the database {databases}"))
    } else if let Some(objects) = row.text(2) {
        Some(format!("it owns {objects}"))
    } else {
        row.text(3).map(|databases| format!("roles are of the whole server, and it has rights in {databases} too"))
    };
    Some(TenantRole { name: Untrusted::new(name), kept: kept.map(Untrusted::from) })
}

/// Whether a role's name holds the tenant's: `acme`, `acme_user`, `tenant_acme_rw`.
fn is_named_after(role: &str, slug: &str, schema: &str) -> bool {
    let role = fold(role);
    [slug, schema].iter().any(|name| !name.is_empty() && role.contains(&fold(name)))
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
    fn a_role_is_only_taken_for_the_tenants_where_its_name_says_so() {
        for name in ["acme", "acme_user", "tenant_acme_rw", "ACME-app"] {
            assert!(is_named_after(name, "acme", "tenant_acme"), "{name}");
        }
        assert!(is_named_after("tenant_acme_corp", "acme-corp", "tenant_acme_corp"));
        for name in ["app", "web", ""] {
            assert!(!is_named_after(name, "acme", "tenant_acme"), "{name}");
        }
        assert!(!is_named_after("app", "", ""));
    }

    #[test]
    fn two_roles_are_none_and_rights_elsewhere_keep_one() {
        let row = |cells: [Option<&str>; 5]| TextRow::new(cells.map(|cell| cell.map(Into::into)).into());
        let one = row([Some("acme"), Some("t"), None, None, None]);
        let kept = |row: &TextRow| role(std::slice::from_ref(row), "acme", "t_acme").expect("a role").kept;
        assert_eq!(kept(&one), None);
        assert!(role(&[one.clone(), one], "acme", "t_acme").is_none());
        for (column, what) in [(2, "table other.x"), (3, "other_db"), (4, "other_db")] {
            let mut cells = [Some("acme"), Some("t"), None, None, None];
            cells[column] = Some(what);
            assert!(kept(&row(cells)).is_some_and(|why| why.raw().contains(what)));
        }
    }
}
