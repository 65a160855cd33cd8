//! What points at a tenant's registry row, and what becomes of it when the row goes: its domains go with it; what the
//! database removes along is told; what keeps the row from going is found before anything else of the tenant is removed.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::jobs::params::RegistryRef;
use crate::layout::{Domains, Layout};
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName, literal};
use crate::postgres::bind::bind;
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::counted;

const KEYS: &str = include_str!("../../../assets/sql/pointing_keys.sql");
/// Tables that one question counts in, each with a lock of its own.
const AT_ONCE: usize = 50;

/// What the record keeps of the table of domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainsRef {
    /// Its schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column with the registry's id.
    pub tenant: String,
    /// The column of the domain.
    pub domain: String,
}

impl DomainsRef {
    pub(super) fn of(domains: &Domains) -> Self {
        Self {
            schema: domains.table.schema.raw().to_owned(),
            table: domains.table.name.raw().to_owned(),
            tenant: domains.tenant.raw().to_owned(),
            domain: domains.domain.raw().to_owned(),
        }
    }

    fn table(&self) -> Result<QualifiedName, IdentError> {
        Ok(QualifiedName { schema: SchemaName::existing(&self.schema)?, name: Ident::new(&self.table)? })
    }

    /// The condition by which its domains are known. The registry's row must still be the tenant's: an id alone may be
    /// another's by now.
    fn rows_sql(&self, registry: &RegistryRef, id: &str, row: &str) -> Result<String, IdentError> {
        Ok(format!(
            "{} = {} AND EXISTS (SELECT 1 FROM {} WHERE {row})",
            Ident::new(&self.tenant)?.quoted(),
            literal(id),
            registry.table()?.quoted()
        ))
    }

    /// What removes them, ahead of the row.
    ///
    /// # Errors
    /// When the record holds a name that is no identifier.
    pub(super) fn delete_sql(&self, registry: &RegistryRef, id: &str, row: &str) -> Result<String, IdentError> {
        Ok(format!("DELETE FROM {} WHERE {}", self.table()?.quoted(), self.rows_sql(registry, id, row)?))
    }

    /// What the deleted rows are told by.
    ///
    /// # Errors
    /// As [`Self::delete_sql`].
    pub(super) fn returning_sql(&self) -> Result<String, IdentError> {
        Ok(format!("RETURNING {}::pg_catalog.text", Ident::new(&self.domain)?.quoted()))
    }
}

/// What points at a row.
#[derive(Debug, Default)]
pub(super) struct Pointing {
    /// Its domains, which go with it.
    pub(super) domains: u64,
    /// Why the row could not go, and what to do.
    pub(super) refusal: Option<String>,
    /// Rows that the database itself removes along.
    pub(super) along: Vec<String>,
}

/// Rows that go, and by which they are known.
struct Going {
    table: QualifiedName,
    rows: String,
}

/// A foreign key.
struct Key {
    table: QualifiedName,
    /// Rows of its table that point at those that go.
    rows: String,
    columns: String,
    /// As the catalog has it.
    on_delete: char,
    readable: bool,
}

/// Reads what points at a tenant's row, and at what goes with that. `schema_oid`: the schema that goes before; what is in
/// it keeps nothing.
///
/// # Errors
/// When something could not be read.
pub(super) async fn read(
    reader: &Reader,
    layout: &Layout,
    (id, row): (Option<&str>, &str),
    schema_oid: u32,
) -> Result<Pointing, QueryError> {
    let mut pointing = Pointing::default();
    let Some(registry) = RegistryRef::of(layout) else { return Ok(pointing) };
    let table = registry.table().map_err(unexpected)?;
    let mut going = vec![Going { table, rows: row.to_owned() }];
    let own = match (&layout.domains, id) {
        (Some(domains), Some(id)) => {
            let rows = DomainsRef::of(domains).rows_sql(&registry, id, row).map_err(unexpected)?;
            Some(Going { table: domains.table.clone(), rows })
        }
        (Some(_), None) | (None, _) => None,
    };
    let own_table = own.as_ref().map(|own| own.table.quoted());
    if let Some(own) = own {
        domains(reader, &own, &mut pointing).await?;
        going.push(own);
    }
    let mut seen = HashSet::new();
    while let Some(gone) = going.pop() {
        let values = [("table", &*gone.table.quoted()), ("schema", &*schema_oid.to_string())];
        let mut keys = Vec::new();
        for found in reader.rows(&bind(KEYS, &values)).await? {
            let is_domains = |key: &Key| own_table.as_ref() == Some(&key.table.quoted());
            match key(&found, &gone)?.filter(|key| !is_domains(key)) {
                Some(key) if seen.insert(found.text(0).unwrap_or_default().to_owned()) => keys.push(key),
                Some(_) | None => {}
            }
        }
        heed(reader, keys, &mut going, &mut pointing).await?;
    }
    Ok(pointing)
}

fn unexpected(error: impl std::fmt::Display) -> QueryError {
    QueryError::Unexpected { what: error.to_string().into() }
}

/// Its domains: how many, and whether they may be removed.
async fn domains(reader: &Reader, own: &Going, pointing: &mut Pointing) -> Result<(), QueryError> {
    let table = own.table.quoted();
    let sql = format!(
        "SELECT pg_catalog.count(*), pg_catalog.has_table_privilege({}, 'DELETE') FROM {table} WHERE {}",
        literal(&table),
        own.rows
    );
    let rows = reader.rows(&sql).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    pointing.domains = row.parse(0)?.unwrap_or_default();
    if pointing.domains > 0 && !row.is_true(1) {
        let user = grantee(reader);
        pointing.refusal =
            Some(format!("its domains could not be removed: GRANT DELETE ON {table} TO {user} is missing"));
    }
    Ok(())
}

fn grantee(reader: &Reader) -> String {
    let user = reader.facts().user.raw();
    Ident::new(user).map_or_else(|_| user.to_owned(), |user| user.quoted())
}

/// One of the catalog's; `None`: its rows are gone by then, or it leads them elsewhere.
fn key(row: &TextRow, gone: &Going) -> Result<Option<Key>, QueryError> {
    let text = |column: usize| row.text(column).unwrap_or_default();
    let on_delete = text(3).chars().next().unwrap_or('a');
    if row.is_true(7) || matches!(on_delete, 'n' | 'd') {
        return Ok(None);
    }
    let names = |column: usize| -> Result<String, QueryError> {
        let names: Vec<String> = serde_json::from_str(text(column)).map_err(unexpected)?;
        let quoted: Result<Vec<String>, IdentError> =
            names.iter().map(|name| Ident::new(name).map(|name| name.quoted())).collect();
        Ok(quoted.map_err(unexpected)?.join(", "))
    };
    let table = QualifiedName {
        schema: SchemaName::existing(text(1)).map_err(unexpected)?,
        name: Ident::new(text(2)).map_err(unexpected)?,
    };
    let (columns, of) = (names(4)?, names(5)?);
    let mut rows = format!("({columns}) IN (SELECT {of} FROM {} WHERE {})", gone.table.quoted(), gone.rows);
    if table == gone.table {
        // A row that points at itself, or at another that goes, keeps nothing.
        rows.push_str(&format!(" AND NOT ({})", gone.rows));
    }
    Ok(Some(Key { table, rows, columns, on_delete, readable: row.is_true(6) }))
}

/// Counts the rows that point: what goes along is told and looked at in turn, what does not is in the way.
async fn heed(
    reader: &Reader,
    keys: Vec<Key>,
    going: &mut Vec<Going>,
    pointing: &mut Pointing,
) -> Result<(), QueryError> {
    let (readable, closed): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| key.readable);
    for key in closed {
        let table = key.table.quoted();
        if key.on_delete == 'c' {
            pointing.along.push(format!("the rows of {table} that point at it (how many may not be read)"));
            continue;
        }
        pointing.refusal.get_or_insert(format!(
            "rows of {table} may point at its registry row, and then it cannot go: GRANT SELECT ON {table} TO {} is missing \
             to know it",
            grantee(reader)
        ));
    }
    let mut counts = Vec::with_capacity(readable.len());
    for some in readable.chunks(AT_ONCE) {
        let count = |(place, key): (usize, &Key)| {
            format!("SELECT {place} AS place, pg_catalog.count(*) FROM {} WHERE {}", key.table.quoted(), key.rows)
        };
        let counting: Vec<String> = some.iter().enumerate().map(count).collect();
        for row in reader.rows(&format!("{} ORDER BY place", counting.join(" UNION ALL "))).await? {
            counts.push(row.parse::<u64>(1)?.unwrap_or_default());
        }
    }
    for (key, count) in readable.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
        let what = format!("{} of {}", counted(count, "row"), key.table.quoted());
        if key.on_delete == 'c' {
            pointing.along.push(what);
            going.push(Going { table: key.table, rows: key.rows });
        } else {
            pointing.refusal.get_or_insert(format!(
                "{what} ({}) {} at its registry row or at what goes with it, and the database keeps the row for that: \
                 remove them or let them point elsewhere first",
                key.columns,
                if count == 1 { "points" } else { "point" }
            ));
        }
    }
    Ok(())
}
