//! The names that are taken: all of them when tenants are ordered and when their job begins, and behind the lock of each new
//! tenant those that may collide with its own.

use crate::jobs::gate::{self, Asks};
use crate::jobs::orders::OrderError;
use crate::layout::naming::fold;
use crate::layout::{CheckedName, TakenNames};
use crate::model::ident::{Ident, QualifiedName, literal};
use crate::postgres::session::TextRow;

/// Every slug of the registry and every schema of the database, as they are now.
pub(in crate::jobs) async fn taken(
    session: &impl Asks,
    table: Option<&QualifiedName>,
    slug: Option<&Ident>,
) -> Result<TakenNames, OrderError> {
    let rows = session.ask(&taken_sql(table, slug)).await?;
    Ok(taken_names(&rows))
}

/// Two SELECTs: slugs, schemas.
pub(in crate::jobs) fn taken_sql(table: Option<&QualifiedName>, slug: Option<&Ident>) -> String {
    let slugs = match (table, slug) {
        (Some(table), Some(slug)) => format!("SELECT {}::text FROM {};", slug.quoted(), table.quoted()),
        (Some(_) | None, _) => "SELECT NULL::text WHERE false;".to_owned(),
    };
    format!("{slugs} SELECT n.nspname FROM pg_catalog.pg_namespace AS n;")
}

/// The same two SELECTs, of names only that may collide with this one: a plain one that folds alike, and every one with
/// other letters than ASCII's, whose folding the server does not know. Of what is known to be free, those that are newer.
pub(in crate::jobs) fn taken_like_sql(
    registry: Option<(&QualifiedName, &Ident)>,
    name: &CheckedName,
    known: Option<&KnownNames>,
) -> String {
    // Asked behind a lock for each new tenant, of every name there is: what costs little is looked at first.
    let newer = known.filter(|known| known.taken.check(name).is_ok());
    let like = |column: &str, name: &str, xmin: Option<&str>| {
        let folded = fold(name);
        let newer = newer.zip(xmin).map(|(known, xmin)| known.newer_sql(xmin)).unwrap_or_default();
        format!(
            "{newer}(pg_catalog.octet_length({column}) <> pg_catalog.length({column}) \
             OR (pg_catalog.getdatabaseencoding() <> 'UTF8' AND {column} COLLATE \"C\" ~ '[^ -~]') \
             OR (pg_catalog.octet_length({column}) = {bytes} \
             AND pg_catalog.lower(pg_catalog.replace({column}, '-', '_') COLLATE \"C\") = {name}))",
            bytes = folded.len(),
            name = literal(&folded),
        )
    };
    let slugs = match registry {
        Some((table, column)) => {
            let column = format!("t.{}::text", column.quoted());
            let xmin = newer.filter(|known| known.registry_is_table).map(|_| "t.xmin");
            format!("SELECT {column} FROM {} AS t WHERE {};", table.quoted(), like(&column, &name.slug, xmin))
        }
        None => "SELECT NULL::text WHERE false;".to_owned(),
    };
    let schemas = like("n.nspname::text", name.schema.raw(), Some("n.xmin"));
    format!("{slugs} SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE {schemas};")
}

/// What the answers to [`taken_sql`] and [`taken_like_sql`] say.
pub(in crate::jobs) fn taken_names(rows: &[Vec<TextRow>]) -> TakenNames {
    let names = |set: usize| -> Vec<String> {
        rows.get(set)
            .map(|rows| rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    TakenNames { slugs: names(0), schemas: names(1), ..TakenNames::default() }
}

/// Every name there was at one moment. The look for names that are like a new one costs some 0.4 us for each that there is,
/// twice, and reading them less: so they are read once, outside of the transactions, and then rows only that came later.
pub(in crate::jobs) struct KnownNames {
    taken: TakenNames,
    /// The oldest transaction that was in progress before they were read: what they lack was written by it or a later one.
    since: String,
    /// The registry's rows say which transaction wrote them. Those of a view do not.
    registry_is_table: bool,
}

impl KnownNames {
    /// Reads them.
    ///
    /// # Errors
    /// When the server refuses or the link is lost.
    pub(in crate::jobs) async fn read(
        session: &impl Asks,
        registry: Option<(&QualifiedName, &Ident)>,
    ) -> Result<Self, OrderError> {
        let (table, slug) = registry.unzip();
        let kind = table.map_or_else(
            || "SELECT false;".to_owned(),
            |table| {
                let table = literal(&table.quoted());
                format!(
                    "SELECT c.relkind = 'r' FROM pg_catalog.pg_class AS c WHERE c.oid = {table}::pg_catalog.regclass;"
                )
            },
        );
        // A number of 64 bits, of which rows carry the lower 32.
        let since = "SELECT (pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) % 4294967296)::text;";
        let rows = session.ask(&format!("{since} {kind} {}", taken_sql(table, slug))).await?;
        let [since, kind, names @ ..] = rows.as_slice() else {
            return Err(gate::refused("the server's answer about the names that are taken has an unexpected form"));
        };
        let since = since.first().and_then(|row| row.text(0)).unwrap_or_default().to_owned();
        let registry_is_table = kind.first().is_some_and(|row| row.is_true(0));
        Ok(Self { taken: taken_names(names), since, registry_is_table })
    }

    /// The condition on a row's xmin. A row so old that its age has come round looks newer: it is looked at once more.
    fn newer_sql(&self, xmin: &str) -> String {
        format!("pg_catalog.age({xmin}) <= pg_catalog.age({}::pg_catalog.xid) AND ", literal(&self.since))
    }
}
