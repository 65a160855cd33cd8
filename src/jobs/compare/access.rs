//! Who may use the schemas of most siblings and not those that were made: the application would find its new tenant and be
//! refused. Roles that may use one sibling alone are that tenant's own.

use crate::jobs::gate;
use crate::jobs::orders::OrderError;
use crate::postgres::session::WriterSession;
use crate::text::{Untrusted, counted};

/// The note; `None` where nobody is missed, or one sibling alone cannot say.
pub(super) async fn missed(
    session: &WriterSession,
    siblings: &[u32],
    made: &[u32],
) -> Result<Option<String>, OrderError> {
    if siblings.len() < 2 || made.is_empty() {
        return Ok(None);
    }
    let list = |oids: &[u32]| oids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT r.rolname, EXISTS (SELECT 1 FROM pg_catalog.pg_default_acl AS d CROSS JOIN LATERAL \
         pg_catalog.aclexplode(d.defaclacl) AS x WHERE d.defaclnamespace IN ({siblings}) AND x.grantee = r.oid) FROM (SELECT x.grantee FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL \
         pg_catalog.aclexplode(COALESCE(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS x \
         WHERE n.oid IN ({siblings}) AND x.privilege_type = 'USAGE' GROUP BY x.grantee \
         HAVING pg_catalog.count(DISTINCT n.oid) * 2 > {all}) AS may JOIN pg_catalog.pg_roles AS r ON r.oid = may.grantee \
         WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS m WHERE m.oid IN ({made}) \
         AND NOT pg_catalog.has_schema_privilege(r.oid, m.oid, 'USAGE')) ORDER BY 1",
        siblings = list(siblings),
        all = siblings.len(),
        made = list(made),
    );
    let rows = gate::ask(session, &sql).await?;
    let roles: Vec<String> =
        rows.iter().flatten().filter_map(|row| Some(Untrusted::new(row.text(0)?).safe().to_string())).collect();
    // What is granted in a schema goes for what is there; what is made later has it by these alone.
    let later = if rows.iter().flatten().any(|row| row.is_true(1)) {
        ", and ALTER DEFAULT PRIVILEGES IN SCHEMA as they have them there"
    } else {
        ""
    };
    Ok((!roles.is_empty()).then(|| {
        let new = if made.len() == 1 { "the new one".to_owned() } else { counted(made.len(), "new one") };
        format!(
            "{} may use the schemas of most siblings and not {new}: GRANT USAGE ON SCHEMA, and what they have on its tables{later}; \
             named in grant_to of [database.tenants], they get it with the next",
            roles.join(", ")
        )
    }))
}
