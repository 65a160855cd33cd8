//! A rehearsal: the files of one tenant with their ledger rows, guard and verify files, one after the other in one
//! transaction, which is rolled back whatever came of it (docs/adr/0010).

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::guard;
use super::ledger::{Before, Way};
use super::opening::{self, Opened};
use super::run::{self, Fault, FileEnd, FileRun};
use super::step::{self, BOOKKEEPING, StepEnd, StepOrder, classify, roll_back};
use super::wire::{self, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::QualifiedName;

/// What came of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The time of each file that ran to its end, in order.
    pub times: Vec<Duration>,
    /// How it ended: done where all of them did. What stopped it is of the file behind them.
    pub end: StepEnd,
}

/// A value that was added to an enumeration cannot be used before its transaction is committed.
const NEW_VALUE: &str = "55P04";

/// Runs these files and takes them back. `order` is the order of the first.
pub async fn run(client: &Client, order: &StepOrder<'_>, files: &[&MigrationFile]) -> Rehearsal {
    let started = Instant::now();
    let mut times = Vec::with_capacity(files.len());
    let Opened { guard, ledger_present, .. } = match opening::open(client, order, true).await {
        Ok(opened) => opened,
        Err(end) => return Rehearsal { times, end: step::left(client, end).await },
    };
    let table = match order.ledger.table(order.schema) {
        Ok(table) => table,
        Err(error) => return Rehearsal { times, end: StepEnd::Failed(Fault::ours(error.to_string())) },
    };
    let mut create = if ledger_present { String::new() } else { order.ledger.create_sql(&table) };
    for (index, file) in files.iter().enumerate() {
        let began = Instant::now();
        let from = index.checked_sub(1).map(|before| &files[before].version);
        let way = if index == 0 { order.way } else { Way::Up { from } };
        let next = StepOrder { file, way, ..order.clone() };
        if index > 0 {
            match look(client, &next, &table).await {
                Ok(true) => {}
                Ok(false) => {
                    times.push(began.elapsed());
                    continue;
                }
                Err(end) => return Rehearsal { times, end: back(client, end).await },
            }
        }
        let before = format!("{}{}", std::mem::take(&mut create), order.ledger.before_sql(&table));
        let after = after_sql(&next, &guard, &table);
        let run = FileRun { before, front: String::new(), file, verify: next.verify(), after };
        match run::file(client, &run, order.limits.patience()).await {
            FileEnd::Ran => times.push(began.elapsed()),
            FileEnd::Refused(fault) => {
                return Rehearsal { times, end: back(client, classify(in_one_transaction(fault))).await };
            }
            FileEnd::Escaped(fault) => return Rehearsal { times, end: StepEnd::Escaped(fault) },
            FileEnd::Lost(why) => return Rehearsal { times, end: StepEnd::Lost(why) },
        }
    }
    Rehearsal { times, end: back(client, StepEnd::Done { took: started.elapsed() }).await }
}

/// Whether the ledger lacks the file still.
async fn look(client: &Client, order: &StepOrder<'_>, table: &QualifiedName) -> Result<bool, StepEnd> {
    let rows = match wire::ask(client, &order.ledger.read_sql(table), BOOKKEEPING).await {
        Ok(rows) => rows,
        Err(Trouble::Lost(why)) => return Err(StepEnd::Lost(why)),
        Err(trouble @ Trouble::Server(_)) => return Err(classify(Fault::server(&trouble))),
    };
    let rows = rows.first().map(Vec::as_slice).unwrap_or_default();
    match order.ledger.judge(rows, &order.file.version, order.way) {
        Ok(Before::Free) => Ok(true),
        Ok(Before::Already) => Ok(false),
        Ok(Before::Moved(words) | Before::Locked(words)) => Err(StepEnd::Failed(Fault::ours(words))),
        Err(error) => Err(StepEnd::Failed(Fault::ours(error.to_string()))),
    }
}

/// Behind a file: the guard, what a COMMIT would check, the ledger's row, and the search path for the next file.
fn after_sql(order: &StepOrder<'_>, guard: &guard::Guard, table: &QualifiedName) -> String {
    format!(
        "{} SET CONSTRAINTS ALL IMMEDIATE; SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); {} \
         {}",
        guard.sql(),
        order.ledger.after_sql(table, order.file, order.way),
        guard::set_path_sql(&guard.path),
    )
}

async fn back(client: &Client, end: StepEnd) -> StepEnd {
    match (end, roll_back(client).await) {
        (end, Ok(())) => end,
        (_, Err(trouble)) => StepEnd::Lost(trouble.message().clone()),
    }
}

/// What fails only because several files share a transaction says so.
fn in_one_transaction(fault: Fault) -> Fault {
    if fault.sqlstate.as_deref() != Some(NEW_VALUE) {
        return fault;
    }
    let words = format!(
        "{}; a rehearsal runs all files in one transaction, where this cannot work: each in its own it may",
        fault.message.raw()
    );
    Fault { message: words.into(), ..fault }
}
