//! `migrations`: the files, and how many tenants stand at each version.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tenants::databases;
use crate::cli::args;
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::{self, Session};
use crate::fleet::ReadOptions;
use crate::migrations::sequence::Sequence;
use crate::model::export::{Database, Shared, raw};
use crate::model::fleet::{SharedSchema, Snapshot};
use crate::model::ledger::Version;
use crate::model::times::StepTime;
use crate::text::Untrusted;

#[derive(Serialize)]
struct Document {
    databases: Vec<Database>,
    migrations: Vec<Row>,
    shared: Vec<Shared>,
}

/// A version: of a file, of ledgers, or both. `version` null: the tenants without any.
#[derive(Debug, Serialize)]
struct Row {
    database: String,
    version: Option<String>,
    name: Option<String>,
    has_file: bool,
    has_down: bool,
    /// Tenants whose newest version it is.
    standing: u64,
    /// Tenants whose ledger has it.
    applied: u64,
    /// Tenants that still lack it; null without a folder.
    pending: Option<u64>,
    /// How long it took here before, over so many runs; null where it never ran.
    mean_seconds: Option<u64>,
    runs: u32,
    notes: Vec<String>,
}

#[derive(Default)]
struct Counts {
    name: Option<Untrusted>,
    has_file: bool,
    has_down: bool,
    standing: u64,
    applied: u64,
    pending: u64,
    notes: Vec<Untrusted>,
}

/// Lists the migrations of all chosen databases, newest first.
///
/// # Errors
/// When the output cannot be written.
pub async fn run(session: &Session, arguments: &args::Migrations) -> Outcome<Status> {
    let reads = session.read(&ReadOptions::default()).await;
    let status = session::tell_down(&reads);
    let readings = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    let shared: Vec<SharedSchema> =
        readings.clone().flat_map(|(_, reading)| reading.snapshot.shared.iter().cloned()).collect();
    let migrations: Vec<Row> = readings.flat_map(|(_, reading)| rows(&reading.snapshot)).collect();
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document {
            databases: databases(&reads),
            migrations,
            shared: shared.iter().map(Shared::from).collect(),
        })?,
        Style::Csv => output::data(&csv(&migrations).csv()?)?,
        Style::Text => {
            output::table(&text(&migrations, session.has_several()))?;
            for shared in &shared {
                if let Some(trouble) = shared.trouble() {
                    output::note(format!("{}: {}", shared.database, trouble.line().raw()));
                }
            }
        }
    }
    Ok(status)
}

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let Some(database) = snapshot.databases.first() else { return Vec::new() };
    let mut versions: BTreeMap<Version, Counts> = BTreeMap::new();
    for file in database.files.iter().flat_map(|files| files.iter()) {
        let counts = versions.entry(file.version.clone()).or_default();
        (counts.name, counts.has_file, counts.has_down) = (Some(file.name.clone()), true, file.has_down);
        counts.notes = file.notes.clone();
    }
    let mut without = 0;
    // As everywhere: what no row names is not migrated, and not counted.
    for tenant in snapshot.tenants.iter().filter(|tenant| tenant.is_listed()) {
        match tenant.ledger.reading() {
            Some(reading) => {
                for version in &reading.applied.versions {
                    versions.entry(version.clone()).or_default().applied += 1;
                }
            }
            None if tenant.applied == Some(0) => {}
            None => continue,
        }
        match tenant.version() {
            Some(version) => versions.entry(version.clone()).or_default().standing += 1,
            None => without += 1,
        }
        for version in tenant.pending.iter().flat_map(|pending| pending.iter()) {
            versions.entry(version.clone()).or_default().pending += 1;
        }
    }
    let has_files = database.files.is_some();
    let name = database.name.to_string();
    // Newest first.
    let files = database.files.iter().flat_map(|files| files.iter()).map(|file| &file.version);
    let sequence = Sequence::new(database.tool, files, snapshot.tenants.iter().map(|tenant| &tenant.ledger));
    let mut versions: Vec<(Version, Counts)> = versions.into_iter().collect();
    versions.sort_by(|(a, _), (b, _)| sequence.compare(b, a));
    let mut rows: Vec<Row> = versions
        .into_iter()
        .map(|(version, counts)| Row {
            mean_seconds: database.times.of(&version).map(StepTime::seconds),
            runs: database.times.of(&version).map_or(0, |time| time.runs),
            database: name.clone(),
            version: Some(version.raw().to_owned()),
            name: raw(counts.name.as_ref()),
            has_file: counts.has_file,
            has_down: counts.has_down,
            standing: counts.standing,
            applied: counts.applied,
            pending: has_files.then_some(counts.pending),
            notes: counts.notes.iter().map(|note| note.raw().to_owned()).collect(),
        })
        .collect();
    if without > 0 {
        rows.push(Row {
            database: name,
            version: None,
            name: None,
            has_file: false,
            has_down: false,
            standing: without,
            applied: 0,
            pending: None,
            mean_seconds: None,
            runs: 0,
            notes: vec!["no migrations".to_owned()],
        });
    }
    rows
}

fn text(migrations: &[Row], several: bool) -> Table {
    let mut heads = vec!["version", "name", "tenants", "applied", "pending", "note"];
    if several {
        heads.insert(0, "database");
    }
    let mut table = Table::new(&heads).giving_way(&["applied", "pending"]).wrapping(&["note"]);
    for row in migrations {
        let mut notes = row.notes.clone();
        if row.version.is_some() && !row.has_file && row.pending.is_some() {
            notes.push("no file".to_owned());
        }
        let mut cells = vec![
            row.version.as_deref().unwrap_or("none").into(),
            row.name.clone().into(),
            row.standing.into(),
            row.applied.into(),
            row.pending.into(),
            notes.join("; ").into(),
        ];
        if several {
            cells.insert(0, row.database.as_str().into());
        }
        table.row(cells);
    }
    table
}

fn csv(migrations: &[Row]) -> Table {
    let mut table = Table::new(&[
        "database",
        "version",
        "name",
        "has_file",
        "has_down",
        "standing",
        "applied",
        "pending",
        "mean_seconds",
        "runs",
        "notes",
    ]);
    for row in migrations {
        table.row(vec![
            row.database.as_str().into(),
            row.version.clone().into(),
            row.name.clone().into(),
            row.has_file.into(),
            row.has_down.into(),
            row.standing.into(),
            row.applied.into(),
            row.pending.into(),
            row.mean_seconds.into(),
            row.runs.into(),
            row.notes.join("; ").into(),
        ]);
    }
    table
}
