//! Prisma: a row per attempt. One that neither finished nor was rolled back blocks every run (P3009). It is read here
//! and driven through its own command: only Prisma knows what its schema file wants next.

use sha2::{Digest, Sha256};

use super::rows::{self, Columns};
use super::{
    Class, Dialect, FileName, FileRules, Gap, LedgerTables, Order, Reading, Shape, ToolLock, implicit_transaction,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Prisma,
    shapes: &[Shape::exactly(
        &["_prisma_migrations"],
        &[
            ("id", "varchar*"),
            ("checksum", "varchar*"),
            ("finished_at", "timestamptz"),
            ("migration_name", "varchar*"),
            ("logs", "text"),
            ("rolled_back_at", "timestamptz"),
            ("started_at", "timestamptz"),
            ("applied_steps_count", "int4"),
        ],
    )],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::Database(|_| 72_707_369),
    reading: Reading {
        sql,
        parse: |rows, interner| {
            let columns = Columns { checksums: true, dirty: Some(1), ..Columns::default() };
            Ok(rows::parsed(rows, interner, Order::Text, columns))
        },
        history,
        checksum: Some(checksum),
        position_only: false,
    },
    files: Some(FileRules {
        depth: 2,
        classify,
        pieces: split::whole,
        transactional: implicit_transaction,
        down_pieces: None,
    }),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    let versions = rows::with_checksums("migration_name", "checksum");
    format!(
        "SELECT {versions} FILTER (WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL), \
         bool_or(finished_at IS NULL AND rolled_back_at IS NULL) FROM {ledger}"
    )
}

/// The newest attempt of each that was not rolled back.
fn history(ledger: &str) -> String {
    format!(
        "SELECT DISTINCT ON (migration_name COLLATE \"C\") migration_name, NULL, finished_at, finished_at IS NULL, \
         checksum FROM {ledger} WHERE rolled_back_at IS NULL ORDER BY migration_name COLLATE \"C\", started_at DESC"
    )
}

/// SHA-256 of the file's bytes.
fn checksum(file: &MigrationFile) -> String {
    Sha256::digest(file.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A migration is a folder, and its whole name is the version.
fn classify(path: &str) -> Class {
    match path.split_once('/') {
        Some((folder, "migration.sql")) => {
            let name = folder.split_once('_').map_or("", |(_, name)| name);
            Class::Up(FileName::new(folder, name))
        }
        Some(_) | None => Class::Other,
    }
}
