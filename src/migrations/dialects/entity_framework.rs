//! Entity Framework Core: a row per applied migration id (a stamp and a name), with the version of EF that applied it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, leading_digits, rows,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::EntityFramework,
    shapes: &[
        Shape::exactly(&["__EFMigrationsHistory"], &[("MigrationId", "varchar*"), ("ProductVersion", "varchar*")]),
        // Where the application has all its names in snake_case.
        Shape::exactly(&["__EFMigrationsHistory"], &[("migration_id", "varchar*"), ("product_version", "varchar*")]),
    ],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(3, classify)),
    writing: None,
};

/// The migration, by whichever column the ledger has.
const ID: &str = "coalesce(to_jsonb(l) ->> 'MigrationId', to_jsonb(l) ->> 'migration_id')";

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg({ID}, '{SEPARATOR}') FROM {ledger} l")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::Text, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT {ID}, NULL, NULL, false, NULL FROM {ledger} l ORDER BY {ID} COLLATE \"C\"")
}

/// `20250101120000_CreateUsers.cs`; the designer's part beside it is the same migration.
fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "cs") {
        return Class::Other;
    }
    match leading_digits(stem).and_then(|(_, rest)| rest.strip_prefix('_')) {
        Some(name) if !name.is_empty() && !name.contains('.') => Class::Code(FileName::new(stem, name)),
        Some(_) | None => Class::Other,
    }
}

/// `[Migration("20250101120000_CreateUsers")]`, which stands in the designer's part; else the file's name.
pub(super) fn list(_: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut found: BTreeMap<String, (bool, Listed)> = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| entry.below.ends_with(".cs")) {
        let text: Arc<str> = read_text(&entry.path)?.into();
        let said = said(&text);
        let is_designer = entry.below.ends_with(".Designer.cs");
        let id = match (said, classify(&entry.below)) {
            (Some(id), _) => id,
            (None, Class::Code(file)) if text.contains("Migration") => file.version,
            (
                None,
                Class::Code(_) | Class::Up(_) | Class::Down(_) | Class::Settings(_) | Class::Other | Class::Strange(_),
            ) => {
                continue;
            }
        };
        let name = id.split_once('_').map_or(id.as_str(), |(_, name)| name).to_owned();
        let listed = Listed::code(&id, &name, entry, text);
        // The program itself is what people want to read.
        let is_better = found.get(&id).is_none_or(|(known_is_designer, _)| *known_is_designer && !is_designer);
        if is_better {
            found.insert(id, (is_designer, listed));
        }
    }
    Ok(Listing { files: found.into_values().map(|(_, listed)| listed).collect(), ..Listing::default() })
}

/// The id in the attribute.
fn said(text: &str) -> Option<String> {
    let rest = text.split("[Migration(\"").nth(1)?;
    let (id, _) = rest.split_once('"')?;
    (!id.is_empty()).then(|| id.to_owned())
}
