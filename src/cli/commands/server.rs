//! `server`: is the database well? What the dashboard's Server screen shows, once.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use crate::cli::args::Server;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Cell, Style, Table};
use crate::cli::session::Session;
use crate::fleet;
use crate::model::export::vitals::ServerRow;
use crate::model::vitals::{LockSession, Vitals};
use crate::text::{self, Untrusted, grouped, human_bytes, sanitise, short_age};

/// The widest that a statement gets in a table.
const QUERY: usize = 60;

/// A database that could not be asked, or could.
#[derive(Serialize)]
struct Asked {
    name: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Document {
    databases: Vec<Asked>,
    servers: Vec<ServerRow>,
}

/// Tells how the servers of all chosen databases are.
///
/// # Errors
/// When the output cannot be written. A database that is down is told, and exit 3.
pub async fn run(session: &Session, arguments: &Server) -> Outcome<Status> {
    let over = arguments.pace.map(|seconds| Duration::from_secs(seconds.into()));
    let all = join_all(session.databases.iter().map(|database| async {
        let target = session.target(database)?;
        Outcome::Ok(fleet::read_server(&target, over).await?)
    }))
    .await;
    let mut status = Status::Done;
    for (database, read) in session.databases.iter().zip(&all) {
        if let Err(failure) = read {
            output::note(format!("{}: {}", database.name, failure.message));
            status = status.and(failure.status);
        }
    }
    let servers: Vec<&Vitals> = all.iter().filter_map(|read| read.as_ref().ok()).collect();
    match Style::from(arguments.format) {
        Style::Json => output::json(&document(session, &all))?,
        Style::Csv => output::data(&Table::of(servers.iter().map(|vitals| ServerRow::from(*vitals))).csv()?)?,
        Style::Text => {
            let parts: Vec<String> = servers.iter().map(|vitals| page(vitals)).collect();
            output::data(&parts.join("\n"))?;
        }
    }
    Ok(status)
}

fn document(session: &Session, all: &[Result<Vitals, Failure>]) -> Document {
    let error = |read: &Result<Vitals, Failure>| read.as_ref().err().map(|failure| failure.message.clone());
    let databases = session.databases.iter().zip(all);
    Document {
        databases: databases.map(|(one, read)| Asked { name: one.name.to_string(), error: error(read) }).collect(),
        servers: all.iter().filter_map(|read| read.as_ref().ok()).map(ServerRow::from).collect(),
    }
}

/// Everything of one server, for reading.
fn page(vitals: &Vitals) -> String {
    let mut out = String::new();
    let facts = &vitals.facts;
    let about = if facts.sees_all { "" } else { "at most " };
    let standby = if facts.standby { ", standby" } else { "" };
    let up = facts.uptime_seconds.map(|seconds| format!(", up {}", short_age(seconds))).unwrap_or_default();
    let mut line = |title: &str, words: String| {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{title:<13}{}", sanitise(&words));
    };
    line("database", format!("{}{standby}{up}, answers in {} ms", vitals.database, vitals.latency_ms));
    line("schemas", grouped(facts.schemas));
    let (used, usable) = (grouped(facts.connections), grouped(facts.usable_connections()));
    line("connections", format!("{about}{used} of {usable}, {} more are reserved", facts.reserved_connections));
    line("lock table", format!("{} of about {} locks", grouped(facts.locks_held), grouped(facts.lock_room)));
    if let Some(pace) = vitals.pace {
        let hit = pace.hit_percent.map(|percent| format!(", {percent}% from memory")).unwrap_or_default();
        let words = format!(
            "{} commits, {} rollbacks, {} rows read, {} written per second{hit}",
            grouped(pace.commits),
            grouped(pace.rollbacks),
            grouped(pace.rows_read),
            grouped(pace.rows_written)
        );
        line("pace", words);
    }
    match &vitals.cache {
        Some(Ok(cache)) => {
            let limit = cache.max_bytes.map_or_else(
                || "no limit is set".to_owned(),
                |max| format!("limit {}, {}", human_bytes(max), cache.policy.raw()),
            );
            let used = human_bytes(cache.used_bytes);
            line(
                "cache",
                format!(
                    "{used}, {limit}, {}, {} evicted",
                    text::counted(cache.keys, "key"),
                    grouped(cache.evicted_keys)
                ),
            );
        }
        Some(Err(why)) => line("cache", why.raw().to_owned()),
        None => {}
    }
    for alarm in vitals.alarms() {
        line(alarm.severity.word(), alarm.words.raw().to_owned());
    }
    for problem in &vitals.problems {
        line("note", problem.raw().to_owned());
    }
    for table in [sessions(vitals), locks(vitals), transactions(vitals), catalogs(vitals)] {
        if !table.is_empty() {
            out.push('\n');
            out.push_str(&output::fitted(&table));
        }
    }
    out
}

fn age(seconds: Option<u64>) -> Cell {
    seconds.map(|seconds| Cell::Right(short_age(seconds))).unwrap_or(Cell::None)
}

fn query(query: Option<&Untrusted>) -> Cell {
    let words = query.map(|query| query.raw().split_whitespace().collect::<Vec<_>>().join(" "));
    words.map(|words| text::fit(&sanitise(&words), QUERY)).into()
}

fn sessions(vitals: &Vitals) -> Table {
    let mut table = Table::new(&["role", "application", "state", "sessions", "since", "in database"]);
    for group in &vitals.sessions {
        table.row(vec![
            (&group.role).into(),
            (&group.application).into(),
            group.state.as_ref().map_or_else(|| "hidden".to_owned(), |state| state.raw().to_owned()).into(),
            Cell::Number(group.count),
            age(group.oldest_seconds),
            (&group.database).into(),
        ]);
    }
    table
}

fn locks(vitals: &Vitals) -> Table {
    let mut table = Table::new(&["pid", "application", "state", "waits", "open", "waits for", "query"]);
    for session in &vitals.locks {
        table.row(vec![
            pid(session).into(),
            session.application.as_ref().into(),
            session.state.as_ref().into(),
            age(session.waits.as_ref().and_then(|wait| wait.seconds)),
            age(session.open_seconds),
            session.waits.as_ref().map_or_else(|| "(in the way)".to_owned(), |wait| wait.words()).into(),
            query(session.query.as_ref()),
        ]);
    }
    table
}

/// The pid, deeper with each that stands in its way.
fn pid(session: &LockSession) -> String {
    let pid = if session.pid == 0 { "prepared".to_owned() } else { session.pid.to_string() };
    format!("{}{pid}", "  ".repeat(session.depth))
}

fn transactions(vitals: &Vitals) -> Table {
    let mut table = Table::new(&["transaction", "kind", "application", "state", "open", "keeps", "query"]);
    for open in &vitals.transactions {
        table.row(vec![
            (&open.id).into(),
            open.kind.word().into(),
            open.application.as_ref().into(),
            open.state.as_ref().into(),
            age(open.open_seconds),
            open.xmin_age.into(),
            query(open.query.as_ref()),
        ]);
    }
    table
}

fn catalogs(vitals: &Vitals) -> Table {
    let mut table = Table::new(&["catalog", "size", "rows", "dead", "vacuum at", "last vacuum"]);
    for catalog in &vitals.catalogs {
        table.row(vec![
            (&catalog.name).into(),
            Cell::Right(human_bytes(catalog.total_bytes)),
            catalog.live_rows.into(),
            catalog.dead_rows.into(),
            Cell::Number(catalog.trigger_rows),
            age(catalog.vacuumed_seconds),
        ]);
    }
    table
}
