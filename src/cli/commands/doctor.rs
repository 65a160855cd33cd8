//! `doctor`: what works, what does not, what to do.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use super::grants::GIVE_AWAY;
use super::{cache_checks, layout_checks, ledger_checks, server_checks};
use crate::cli::args;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::config::{self, Source};
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::init::{self, InitStatus};
use crate::postgres::session::{Patience, Reader};
use crate::text::{self, Untrusted};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and something should be known.
    Warn,
    /// It does not work.
    Fail,
    /// Not used or not configured.
    Off,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Off => "off",
        }
    }
}

/// One line.
#[derive(Debug, Serialize)]
struct Check {
    database: String,
    area: &'static str,
    result: Verdict,
    found: String,
    advice: Option<String>,
}

#[derive(Serialize)]
struct Document {
    checks: Vec<Check>,
}

/// The checks of one database.
#[derive(Debug)]
pub struct Examination {
    database: String,
    checks: Vec<Check>,
    status: Status,
}

impl Examination {
    /// Nothing was found yet.
    #[must_use]
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned(), checks: Vec::new(), status: Status::Done }
    }

    /// Area and verdict of the last check.
    #[cfg(test)]
    pub fn last(&self) -> Option<(&'static str, Verdict)> {
        self.checks.last().map(|check| (check.area, check.result))
    }

    /// Adds a check: what was found, and what to do about it.
    pub fn add(&mut self, area: &'static str, result: Verdict, found: impl Into<String>, advice: Option<&str>) {
        let (found, advice) = (found.into(), advice.map(str::to_owned));
        self.checks.push(Check { database: self.database.clone(), area, result, found, advice });
    }

    /// Adds a check that could not be made; its status counts for the command.
    pub fn fail(&mut self, area: &'static str, failure: &Failure) {
        self.add(area, Verdict::Fail, failure.message.clone(), None);
        self.status = self.status.and(failure.status);
    }
}

/// Examines all chosen databases.
///
/// # Errors
/// When the output cannot be written. A database that is down is a check that failed, and exit 3.
pub async fn run(session: &Session, arguments: args::Doctor) -> Outcome<Status> {
    if arguments.grants {
        return super::grants::run(session, arguments.format).await;
    }
    let all = join_all(session.databases.iter().map(|database| examine(session, database))).await;
    let mut status = Status::Done;
    let mut checks = Vec::new();
    for one in all {
        status = status.and(one.status);
        checks.extend(one.checks);
    }
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document { checks })?,
        Style::Csv => output::data(&table(&checks).csv()?)?,
        Style::Text => output::data(&lines(&checks, session.has_several(), output::room()))?,
    }
    Ok(status)
}

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new(&["database", "area", "result", "found", "what to do"]);
    for check in checks {
        table.row(vec![
            check.database.as_str().into(),
            check.area.into(),
            check.result.word().into(),
            check.found.as_str().into(),
            check.advice.clone().into(),
        ]);
    }
    table
}

/// Where what was found begins.
const INDENT: usize = 18;

/// A line for each check and one for what to do: both can be longer than any column, and go on below it on a terminal of so
/// many columns.
fn lines(checks: &[Check], several: bool, room: usize) -> String {
    let indented = |head: &str, words: &str| {
        let lines = text::wrap(&text::sanitise(words), room.saturating_sub(INDENT).max(20));
        let below = format!("\n{:<INDENT$}", "");
        format!("{head:<INDENT$}{}\n", lines.join(&below))
    };
    let mut out = String::new();
    let mut database = None;
    for check in checks {
        if several && database != Some(&check.database) {
            let gap = if database.is_some() { "\n" } else { "" };
            out.push_str(&format!("{gap}{}\n", text::sanitise(&check.database)));
            database = Some(&check.database);
        }
        out.push_str(&indented(&format!("{:<6}{:<12}", check.result.word(), check.area), &check.found));
        if let Some(advice) = &check.advice {
            out.push_str(&indented("", &format!("-> {advice}")));
        }
    }
    out
}

async fn examine(session: &Session, database: &Arc<config::Database>) -> Examination {
    let mut found = Examination::new(&database.name);
    configuration(session, database, &mut found);
    let target = match session.target(database) {
        Ok(target) => target,
        Err(failure) => {
            found.fail("link", &failure);
            return found;
        }
    };
    let asked = Timestamp::now();
    match Reader::open(&target, Patience::Foreground).await {
        Err(error) => {
            found.fail("link", &error.into());
            return found;
        }
        Ok(reader) => {
            let took = Timestamp::now().duration_since(asked).as_millis();
            let facts = reader.facts();
            let line = format!("PostgreSQL {} as {} in {took} ms", facts.version, target.address_of(facts.host).safe());
            found.add("link", Verdict::Ok, line, None);
            server_checks::examine(&target, &reader, &mut found).await;
            privileges(&reader, &mut found).await;
            clocks(&reader, &mut found).await;
            record(&reader, &mut found).await;
            audit(&reader, &mut found).await;
        }
    }
    let options = ReadOptions { cache: true, ..ReadOptions::default() };
    match crate::fleet::read_once(&target, &options).await {
        Err(error) => found.fail("layout", &error.into()),
        Ok(reading) => {
            fleet(database, &reading, &mut found).await;
            layout_checks::roles(&target, &reading, &mut found).await;
            match Reader::open(&target, Patience::Foreground).await {
                Ok(reader) => {
                    layout_checks::ownership(&reader, database.migrations.runs_as(), &reading, &mut found).await;
                    layout_checks::owner_of_new(&target, &reader, &mut found).await;
                }
                Err(error) => found.fail("privileges", &error.into()),
            }
        }
    }
    found
}

fn configuration(session: &Session, database: &config::Database, found: &mut Examination) {
    let source = match &session.config.source {
        Source::File(path) => path.display().to_string(),
        Source::Url => "--url".to_owned(),
        Source::DatabaseUrl => "DATABASE_URL".to_owned(),
        Source::Libpq => "libpq's environment variables".to_owned(),
        Source::Memory => "memory".to_owned(),
    };
    let read_only = if database.read_only { ", read-only" } else { "" };
    found.add("config", Verdict::Ok, format!("{source}: {}{read_only}", database.environment), None);
}

/// What the role may do besides reading; what it may not read is told with the tenants.
async fn privileges(reader: &Reader, found: &mut Examination) {
    let facts = reader.facts();
    let user = facts.user.safe();
    acts_as(reader, found).await;
    if facts.superuser {
        let advice = "a small role is enough: `tenantui doctor --grants` prints it";
        found.add("privileges", Verdict::Warn, format!("{user} is a superuser"), Some(advice));
        return;
    }
    let sql = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";
    match reader.rows(sql).await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(rows) if rows.first().is_some_and(|row| row.is_true(0)) => {
            found.add("privileges", Verdict::Ok, format!("{user} may create schemas; it is no superuser"), None);
        }
        Ok(_) => {
            let words = format!("{user} may not create schemas: it can make no tenant, and no schema tenantui");
            let advice = "right for reading; for writing, `tenantui doctor --grants` prints what is needed";
            found.add("privileges", Verdict::Ok, words, Some(advice));
        }
    }
}

/// A role that is set for the one that logs in: grants are for the one, taking another role is for the other.
async fn acts_as(reader: &Reader, found: &mut Examination) {
    match reader.rows("SELECT pg_catalog.quote_ident(SESSION_USER) WHERE SESSION_USER <> CURRENT_USER").await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(rows) => {
            if let Some(login) = rows.first().and_then(|row| row.text(0)) {
                let user = reader.facts().user.safe();
                let words = format!(
                    "{login} logs in and acts as {user} (ALTER ROLE .. SET role): what it may is what {user} may, and the \
                     owner's role of run_as = \"owner\" is taken by {login}"
                );
                found.add("privileges", Verdict::Ok, words, None);
            }
        }
    }
}

/// The difference is shown and never used: no decision compares the two.
async fn clocks(reader: &Reader, found: &mut Examination) {
    let before = Timestamp::now();
    let sql = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::pg_catalog.int8";
    let server = match reader.rows(sql).await {
        Ok(rows) => rows.first().and_then(|row| row.parse::<i64>(0).ok().flatten()),
        Err(error) => {
            found.fail("clocks", &error.into());
            return;
        }
    };
    let after = Timestamp::now();
    let Some(server) = server else { return };
    let here = i64::midpoint(before.as_millisecond(), after.as_millisecond());
    let difference = server - here;
    let words = format!(
        "the server's clock is {} ms {} ours",
        difference.abs(),
        if difference < 0 { "behind" } else { "ahead of" }
    );
    if difference.abs() > 5_000 {
        found.add("clocks", Verdict::Warn, words, Some("nothing depends on it, but times of logs will not agree"));
    } else {
        found.add("clocks", Verdict::Ok, words, None);
    }
}

async fn record(reader: &Reader, found: &mut Examination) {
    match init::status(reader).await {
        Err(error) => found.fail("jobs", &error.into()),
        Ok(InitStatus::Current) => found.add("jobs", Verdict::Ok, "the schema tenantui is current", None),
        Ok(InitStatus::Missing) => {
            found.add(
                "jobs",
                Verdict::Off,
                "there is no schema tenantui",
                Some("run `tenantui init` before the first job"),
            );
        }
        Ok(InitStatus::Older(version)) => {
            let words = format!("the schema tenantui is of version {version}");
            found.add("jobs", Verdict::Warn, words, Some("run `tenantui init` to upgrade it"));
        }
        Ok(InitStatus::Newer(version)) => {
            let words = format!("the schema tenantui has version {version}, which is newer than this program");
            found.add("jobs", Verdict::Fail, words, Some("use the newer tenantui; this one will not write"));
        }
    }
}

/// Whether the operator's own role could change the audit: its owner, a member of the owner, a superuser.
async fn audit(reader: &Reader, found: &mut Examination) {
    let sql = "SELECT pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_has_role(c.relowner, 'USAGE') \
               OR pg_catalog.pg_has_role(n.nspowner, 'USAGE'), \
               pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') \
               FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
               WHERE c.oid = pg_catalog.to_regclass('tenantui.audit')";
    let rows = match reader.rows(sql).await {
        Err(error) => return found.fail("audit", &error.into()),
        Ok(rows) => rows,
    };
    let Some(row) = rows.first() else { return };
    let user = reader.facts().user.safe();
    if !row.is_true(1) && !row.is_true(2) {
        found.add("audit", Verdict::Ok, format!("{user} can read it or add to it, and not change it"), None);
        return;
    }
    let owner = row.text(0).unwrap_or_default();
    let words = format!("{user} could change or delete what is audited (the owner of tenantui.audit is {owner})");
    let advice = if reader.facts().superuser {
        "work as a small role, which cannot: `tenantui doctor --grants` prints it".to_owned()
    } else if row.is_true(1) {
        format!("{GIVE_AWAY}; `tenantui doctor --grants` then prints what writing needs")
    } else {
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON tenantui.audit FROM {user}, or from whom it has these")
    };
    found.add("audit", Verdict::Warn, words, Some(&advice));
}

async fn fleet(database: &config::Database, reading: &Reading, found: &mut Examination) {
    layout_checks::examine(reading, found);
    ledger_checks::examine(database, reading, found);
    match &reading.context.folder {
        None => {
            let advice = layout_checks::folder_advice(&reading.context.layout);
            found.add("migrations", Verdict::Off, "no folder is configured", Some(&advice));
        }
        Some(folder) => {
            let refused =
                folder.files.iter().filter(|file| file.findings.iter().any(|finding| finding.refuses)).count();
            let words = format!(
                "{} of {} in {}",
                text::counted(folder.files.len(), "file"),
                folder.tool,
                folder.path.display()
            );
            if refused == 0 {
                found.add("migrations", Verdict::Ok, words, None);
            } else {
                let advice = "`tenantui migrations` names the rules; `allow` lifts one for an old file";
                found.add("migrations", Verdict::Warn, format!("{words}; {refused} would be refused"), Some(advice));
            }
        }
    }
    if let Some(why) = &reading.context.read_only_why {
        found.add("writing", Verdict::Off, why.raw(), None);
    }
    if let Some(view) = reading.snapshot.databases.first() {
        cache_checks::examine(database, reading, &view.cache, found).await;
        let of_shared: Vec<Untrusted> = reading
            .snapshot
            .shared
            .iter()
            .filter_map(|shared| shared.trouble())
            .map(|trouble| trouble.line())
            .collect();
        let known = |words: &&Untrusted| !found.checks.iter().any(|check| check.found == words.raw());
        let told =
            view.warnings.iter().filter(|warning| !server_checks::is_of_role(warning) && !of_shared.contains(warning));
        let news: Vec<Untrusted> = view.error.iter().chain(told.filter(known)).cloned().collect();
        for words in news {
            found.add("database", Verdict::Warn, words.raw(), None);
        }
    }
}
