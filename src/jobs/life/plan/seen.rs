//! What a plan looks at besides the schema: the registry's row and what points at it, keys that let the tenant in, and
//! whether it is in the trash.

use super::uses::Uses;
use super::{LifeRequest, Subject};
use crate::jobs::life::access::{self, InForce};
use crate::jobs::life::pointing::{self, Pointing};
use crate::jobs::life::{trash, writes};
use crate::jobs::params::RegistryRef;
use crate::model::ident::literal;
use crate::model::life::{LifeKind, LifePlan, Repair, Trashed};
use crate::postgres::hidden::hidden_rows;
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::Untrusted;

/// What is there beside the schema.
#[derive(Default)]
pub(super) struct Seen {
    /// Of a schema of which no row is seen, and of a role of such: that rows may be hidden.
    pub(super) hidden: Option<String>,
    /// The registry's row.
    pub(super) row: Option<Row>,
    /// Of a schema in the trash: one of the name that it had is there again, and with it another tenant, whose row and
    /// whose cache keys these are.
    pub(super) made_anew: bool,
    /// Keys that let it in.
    pub(super) in_force: InForce,
    /// Sessions of its role in this database, where they are to be ended.
    pub(super) role_sessions: usize,
    /// Why they cannot be.
    pub(super) cannot_end: Option<String>,
    /// Who uses the schema.
    pub(super) uses: Uses,
    /// Of a tenant without its schema: where that is in the trash.
    pub(super) trashed: Option<Trashed>,
    /// What points at the registry's row, where it is to go.
    pub(super) pointing: Pointing,
    /// Tables of other schemas that its tables are partitions or children of, and how many of it: who reads those reads
    /// its rows.
    pub(super) part_of: Vec<(Untrusted, u64)>,
}

/// The registry's row as it is now.
pub(super) struct Row {
    pub(super) name: Option<String>,
}

/// Looks.
pub(super) async fn look_beside(reader: &Reader, request: &LifeRequest, plan: &LifePlan) -> Result<Seen, QueryError> {
    let mut seen = Seen { hidden: hidden(reader, request).await?, ..Seen::default() };
    if let (Subject::Tenant(tenant), None) = (&request.subject, plan.schema_oid) {
        let all = trash::list(reader, &plan.database).await?;
        seen.trashed = all.into_iter().find(|trashed| trashed.is_of(tenant));
    }
    // A drop promises what the purge will do.
    if let (Some(access), LifeKind::Drop, Some(original)) = (&request.layout.access, plan.kind, &plan.original) {
        seen.in_force = access::in_force(reader, access, original.raw()).await?;
    }
    if let (Subject::Trash(_), Some(original)) = (&request.subject, &plan.original) {
        let name = literal(original.raw());
        let sql = format!("SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {name}::name");
        seen.made_anew = !reader.rows(&sql).await?.is_empty();
        // Where the tenant was made anew, they are the new one's.
        if let (Some(access), LifeKind::Purge, false) = (&request.layout.access, plan.kind, seen.made_anew) {
            seen.in_force = access::in_force(reader, access, original.raw()).await?;
        }
    }
    if let (LifeKind::Drop | LifeKind::Purge, Some(oid)) = (plan.kind, plan.schema_oid) {
        seen.part_of = part_of(reader, oid).await?;
    }
    look_at_row(reader, request, plan, &mut seen).await?;
    Ok(seen)
}

/// The wholes outside a schema that its tables are parts of.
async fn part_of(reader: &Reader, oid: u32) -> Result<Vec<(Untrusted, u64)>, QueryError> {
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, p.relname), pg_catalog.count(*) FROM pg_catalog.pg_inherits AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace \
         WHERE c.relnamespace = {oid} AND p.relnamespace <> {oid} AND c.relkind IN ('r', 'p', 'f') GROUP BY 1 ORDER BY 1"
    );
    let whole =
        |row: &TextRow| Ok((Untrusted::new(row.text(0).unwrap_or_default()), row.parse(1)?.unwrap_or_default()));
    reader.rows(&sql).await?.iter().map(whole).collect()
}

/// Asked anew, whatever the list of tenants says: a row that is hidden is a tenant's all the same.
async fn hidden(reader: &Reader, request: &LifeRequest) -> Result<Option<String>, QueryError> {
    let now = async || Ok(hidden_rows(reader, &request.layout).await?.map(|hidden| hidden.words()));
    match &request.subject {
        Subject::Tenant(tenant) if tenant.key.local.starts_with("r:") => Ok(None),
        Subject::Tenant(tenant) => {
            let before =
                || tenant.key.is_hidden().then(|| "rows were hidden when it was last read; look again".to_owned());
            Ok(now().await?.or_else(before))
        }
        Subject::Role(_) => now().await,
        Subject::Trash(_) | Subject::Shared(_) => Ok(None),
    }
}

/// Reads the tenant's row, where there is one and a table of them, and what points at it where it is to go.
async fn look_at_row(
    reader: &Reader,
    request: &LifeRequest,
    plan: &LifePlan,
    seen: &mut Seen,
) -> Result<(), QueryError> {
    let (Some(registry), Ok(columns)) = (RegistryRef::of(&request.layout), writes::columns(&request.layout)) else {
        return Ok(());
    };
    if !plan.tenant.key.local.starts_with("r:") {
        return Ok(());
    }
    let unexpected = |error: crate::model::ident::IdentError| QueryError::Unexpected { what: error.to_string().into() };
    let id = plan.tenant.id.as_ref().map(Untrusted::raw);
    let schema = plan.original.as_ref().map_or("", Untrusted::raw);
    let row = registry.row_sql(id, plan.tenant.slug.raw(), schema).map_err(unexpected)?;
    let sql = format!(
        "SELECT {} FROM {} WHERE {row} LIMIT 1",
        columns.name.as_ref().map_or_else(|| "NULL".to_owned(), |column| format!("{}::text", column.name.quoted())),
        registry.table().map_err(unexpected)?.quoted(),
    );
    let rows = reader.rows(&sql).await?;
    seen.row = rows.first().map(|row| Row { name: row.text(0).map(str::to_owned) });
    let goes = match plan.kind {
        LifeKind::Purge => !seen.made_anew,
        LifeKind::Repair => request.repair == Some(Repair::Forget) && seen.trashed.is_none(),
        LifeKind::Rename
        | LifeKind::Suspend
        | LifeKind::Activate
        | LifeKind::Archive
        | LifeKind::Drop
        | LifeKind::Undrop => false,
    };
    if goes && seen.row.is_some() {
        let schema_oid = plan.schema_oid.unwrap_or_default();
        seen.pointing = pointing::read(reader, &request.layout, (id, &row), schema_oid).await?;
    }
    Ok(())
}
