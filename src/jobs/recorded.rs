//! What tenantui itself made and applied: the SHA-256 of each file, kept with the step that ran it. For ledgers without
//! checksums it is the only witness that a file is still what was applied. What a tool's own command ran, tenantui did not
//! read: of that it is no witness.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::model::ident::literal;
use crate::model::job::JobId;
use crate::model::ledger::Version;
use crate::model::tenant::Tenant;
use crate::postgres::session::{QueryError, Reader};

/// The SHA-256 of a file.
pub type Hash = [u8; 32];

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// By schema the versions whose last done step ran another file than this one. What was undone since, what was only
/// rehearsed, and what was done in a schema that was dropped since do not count. A database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn changed(reader: &Reader, files: &[(Version, Hash)]) -> Result<HashMap<String, Vec<Version>>, QueryError> {
    if files.is_empty() {
        return Ok(HashMap::new());
    }
    let values: Vec<String> =
        files.iter().map(|(version, hash)| format!("({}, '{}')", literal(version.raw()), hex(hash))).collect();
    let sql = format!(
        "SELECT newest.schema_name, newest.version FROM (SELECT DISTINCT ON (s.schema_name, s.version) s.schema_name, \
         s.version, s.action, pg_catalog.encode(s.file_sha256, 'hex') AS hash FROM tenantui.step AS s \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name AND n.oid = COALESCE(s.schema_oid, n.oid) \
         WHERE s.state = 'done' AND s.file_sha256 IS NOT NULL AND s.action IN ('migrate', 'rollback') \
         ORDER BY s.schema_name, s.version, s.job_id DESC, s.seq DESC) AS newest \
         JOIN (VALUES {}) AS files (version, hash) ON files.version = newest.version \
         WHERE newest.action = 'migrate' AND files.hash <> newest.hash ORDER BY 1, 2",
        values.join(", ")
    );
    let mut changed: HashMap<String, Vec<Version>> = HashMap::new();
    for row in reader.rows(&sql).await? {
        if let (Some(schema), Some(version)) = (row.text(0), row.text(1)) {
            changed.entry(schema.to_owned()).or_default().push(Version::new(version));
        }
    }
    Ok(changed)
}

/// Names of schemas that were made as tenants', whole, and are there still. A database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn made(reader: &Reader) -> Result<Vec<String>, QueryError> {
    let sql = "SELECT DISTINCT s.schema_name FROM tenantui.step AS s \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name AND n.oid = s.schema_oid \
         WHERE s.action = 'schema' AND s.state = 'done' AND NOT EXISTS (SELECT FROM tenantui.step AS r \
         WHERE r.job_id = s.job_id AND r.schema_name = s.schema_name AND r.state <> 'done')";
    Ok(reader.rows(sql).await?.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
}

/// The newest jobs with steps of this tenant, newest first, at most so many: by the name of its schema, and by the names
/// that its drops gave it. Steps of another tenant that had the same name do not count. A database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn touching(reader: &Reader, tenant: &Tenant, limit: u32) -> Result<Vec<JobId>, QueryError> {
    let Some(schema) = &tenant.schema else { return Ok(Vec::new()) };
    let oid = tenant.schema_oid.map_or_else(|| "NULL".to_owned(), |oid| oid.to_string());
    let own =
        format!("(s.tenant_key IS NULL OR s.tenant_key = {} OR s.schema_oid = {oid})", literal(&tenant.key.local));
    // Both ways by the index of names: a fleet has many steps, a tenant has few.
    let sql = format!(
        "WITH named AS (SELECT DISTINCT s.job_id FROM tenantui.step AS s WHERE s.schema_name = {} AND {own}), \
         dropped AS (SELECT DISTINCT s.job_id FROM named JOIN tenantui.audit AS a ON a.job_id = named.job_id \
         AND a.action = 'drop' JOIN tenantui.step AS s ON s.schema_name = a.after->>'schema' AND {own}) \
         SELECT job_id FROM named UNION SELECT job_id FROM dropped ORDER BY job_id DESC LIMIT {limit}",
        literal(schema.raw())
    );
    let rows = reader.rows(&sql).await?;
    Ok(rows
        .iter()
        .map(|row| row.parse::<i32>(0))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .map(JobId)
        .collect())
}

/// What was applied in one schema: the last done step of each version, as hexadecimal text.
///
/// # Errors
/// When the record cannot be read.
async fn hashes(reader: &Reader, schema: &str) -> Result<HashMap<String, String>, QueryError> {
    let sql = format!(
        "SELECT version, hash FROM (SELECT DISTINCT ON (s.version) s.version, s.action, \
         pg_catalog.encode(s.file_sha256, 'hex') AS hash FROM tenantui.step AS s \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name AND n.oid = COALESCE(s.schema_oid, n.oid) \
         WHERE s.schema_name = {} AND s.state = 'done' AND s.file_sha256 IS NOT NULL \
         AND s.action IN ('migrate', 'rollback') ORDER BY s.version, s.job_id DESC, s.seq DESC) AS newest \
         WHERE action = 'migrate'",
        literal(schema)
    );
    let rows = reader.rows(&sql).await?;
    let pair = |row: &crate::postgres::session::TextRow| Some((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
    Ok(rows.iter().filter_map(pair).collect())
}

/// Whether these files of one schema are still what tenantui applied; a version that it did not apply is not in the
/// answer.
///
/// # Errors
/// When the record cannot be read.
pub async fn checked(
    reader: &Reader,
    schema: &str,
    files: impl IntoIterator<Item = (Version, Hash)>,
) -> Result<HashMap<Version, bool>, QueryError> {
    let recorded = hashes(reader, schema).await?;
    let verdict = |(version, hash): (Version, Hash)| {
        let same = *recorded.get(version.raw())? == hex(&hash);
        Some((version, same))
    };
    Ok(files.into_iter().filter_map(verdict).collect())
}
