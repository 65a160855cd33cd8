//! The statements of an import.

use super::SOURCE;
use super::form::{How, ImportTable};
use crate::model::ident::{Ident, SchemaName, literal};

/// `"schema"."table"`. Names of both come from the catalog.
pub(super) fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(table))
}

pub(super) fn quoted(name: &str) -> String {
    // The catalog holds no name that is none; one that the record was given by hand is refused by the server.
    Ident::new(name).map_or_else(|_| "\"\"".to_owned(), |name| name.quoted())
}

/// The table of one of the schemas, as its rows are asked for.
pub(super) fn rows_of(schema: &str, table: &ImportTable) -> String {
    format!("{}{}", if table.own_rows { "ONLY " } else { "" }, qualified(schema, &table.name))
}

/// One row: the rows in the source, and in the tenant where the table is there before.
pub(super) fn count_sql(schema: &SchemaName, how: How, table: &ImportTable) -> String {
    let target = if how == How::Copy || table.replaces {
        format!("(SELECT pg_catalog.count(*) FROM {})", rows_of(schema.raw(), table))
    } else {
        "NULL::bigint".to_owned()
    };
    format!("SELECT (SELECT pg_catalog.count(*) FROM {}), {target}", rows_of(SOURCE, table))
}

/// The rows of one table, as they are.
pub(super) fn insert_sql(schema: &str, table: &ImportTable) -> String {
    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let values: Vec<String> = table
        .columns
        .iter()
        .map(|column| match &column.own_type {
            // The two schemas have a type each: by its text the value goes from one to the other.
            Some(own) => format!("{}::text::{}{own}", quoted(&column.name), quoted(schema)),
            None => quoted(&column.name),
        })
        .collect();
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}",
        qualified(schema, &table.name),
        names.join(", "),
        values.join(", "),
        rows_of(SOURCE, table)
    )
}

/// The tenant's sequences go on where the source's are, and behind every value that was copied and that they could give:
/// above it, or below it where they count down. None goes back.
pub(super) fn sequences_sql(schema: &str, table: &ImportTable) -> String {
    let mut sql = String::new();
    let last = |sequence: &str| format!("(SELECT s.last_value FROM {sequence} AS s WHERE s.is_called)");
    for column in &table.columns {
        let Some(sequence) = &column.sequence else { continue };
        let counted = column.source_sequence.as_deref().map_or_else(|| "NULL::bigint".to_owned(), last);
        let own = last(sequence);
        let values = |most: &str| match column.worded {
            true => "NULL::bigint".to_owned(),
            false => format!(
                "(SELECT pg_catalog.{most}(t.{name})::bigint FROM {table} AS t WHERE t.{name} BETWEEN q.seqmin AND q.seqmax)",
                name = quoted(&column.name),
                table = qualified(schema, &table.name),
            ),
        };
        sql.push_str(&format!(
            " SELECT pg_catalog.setval(v.sequence, v.last, true) FROM (SELECT q.seqrelid AS sequence, CASE WHEN q.seqincrement > 0 \
             THEN GREATEST({max}, {counted}, {own}) ELSE LEAST({min}, {counted}, {own}) END AS last \
             FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = {sequence}::pg_catalog.regclass) AS v WHERE v.last IS NOT NULL;",
            max = values("max"),
            min = values("min"),
            sequence = literal(sequence),
        ));
    }
    sql
}
