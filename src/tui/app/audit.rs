//! `:audit`: what operators did, of the whole fleet, of one job or of one tenant. The newest lines are read when the view
//! is opened and with `r`, older ones when the cursor comes near the end; they are never guessed from what this dashboard
//! did itself.

use std::collections::BTreeSet;

use super::App;
use super::command::Command;
use super::derive::settle;
use super::nav::View;
use super::state::{List, Screen, State, TenantTab};
use crate::jobs::service::ServiceCommand;
use crate::model::audit::{AuditFilter, AuditLine};
use crate::model::export::audit as words;
use crate::model::fleet::DatabaseView;
use crate::model::job::JobId;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

/// Lines that are read of each database at once.
const LINES: u32 = 500;

/// So many lines before the end the next ones are asked for.
const NEAR: usize = 50;

/// What the audit is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuditScope {
    /// The fleet, or the one database that is shown.
    #[default]
    All,
    /// One job.
    Job(DatabaseName, JobId),
    /// One tenant: its key, and its schema.
    Tenant(TenantKey, Untrusted),
}

/// The view.
#[derive(Debug, Clone, Default)]
pub struct AuditState {
    /// What it is of.
    pub scope: AuditScope,
    /// The lines that were read, newest first.
    pub lines: Vec<AuditLine>,
    /// How many of them are shown: down to where each database was read, because between lines of one there may be lines
    /// of another.
    pub shown: usize,
    /// The databases that have older lines.
    pub more: BTreeSet<DatabaseName>,
    /// Those that older lines were asked of.
    pub asked: BTreeSet<DatabaseName>,
    /// The reading position: by database and number.
    pub list: List<(DatabaseName, i64)>,
    /// Somebody moved it: until then it is on the newest, whichever database answers last.
    pub moved: bool,
    /// It was moved since older lines were looked for.
    pub looks_for_more: bool,
    /// An answer has come.
    pub read: bool,
}

impl AuditState {
    /// A view of which nothing was read yet.
    #[must_use]
    pub fn of(scope: AuditScope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// The lines that are shown.
    #[must_use]
    pub fn shown(&self) -> &[AuditLine] {
        &self.lines[..self.shown]
    }

    /// The number of the oldest line that was read of a database.
    fn oldest(&self, database: &DatabaseName) -> Option<i64> {
        self.lines.iter().filter(|line| line.database == *database).map(|line| line.id).min()
    }

    /// Puts the newest lines of a database in: behind them what was read before stays, unless lines are missing between.
    fn newest(&mut self, database: &DatabaseName, lines: Vec<AuditLine>) {
        let full = is_full(&lines);
        let from = lines.iter().map(|line| line.id).min().filter(|_| full);
        let meets = |line: &AuditLine| line.database == *database && from.is_some_and(|from| line.id >= from);
        let kept = from.filter(|_| self.lines.iter().any(meets));
        self.lines.retain(|line| line.database != *database || kept.is_some_and(|from| line.id < from));
        if kept.is_none() {
            self.has_more(database, full);
        }
        self.lines.extend(lines);
    }

    fn has_more(&mut self, database: &DatabaseName, more: bool) {
        if more {
            self.more.insert(database.clone());
        } else {
            self.more.remove(database);
        }
    }

    /// Puts them in order, and finds how many may be shown.
    fn arrange(&mut self) {
        self.lines.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.id.cmp(&a.id)));
        let ends =
            self.more.iter().filter_map(|database| self.lines.iter().rposition(|line| line.database == *database));
        self.shown = ends.min().map_or(self.lines.len(), |end| end + 1);
    }
}

fn is_full(lines: &[AuditLine]) -> bool {
    u32::try_from(lines.len()).is_ok_and(|lines| lines >= LINES)
}

/// The identity of a line.
#[must_use]
pub fn key(line: &AuditLine) -> (DatabaseName, i64) {
    (line.database.clone(), line.id)
}

/// The line under the cursor.
#[must_use]
pub fn cursor_line(state: &State) -> Option<&AuditLine> {
    state.audit.shown().get(state.audit.list.at)
}

/// What a line is called: its target, else its job, else its action.
#[must_use]
pub fn name(line: &AuditLine) -> Untrusted {
    let job = || line.job.map(|job| Untrusted::new(format!("job {job}")));
    line.target.clone().or_else(job).unwrap_or_else(|| line.action.clone())
}

/// What `audit-here` means where one is: the open tenant (its job, in the tab of jobs), the job of the row.
///
/// # Errors
/// When there is neither.
pub fn here(state: &State) -> Result<AuditScope, String> {
    let in_jobs = state.tenant.as_ref().is_some_and(|open| open.tab == TenantTab::Jobs && open.jobs.cursor.is_some());
    if state.screen == Screen::Tenant && !in_jobs {
        let tenant = state.open_tenant().ok_or("the tenant is not there any more")?;
        let schema = tenant.schema.clone().ok_or("the tenant has no schema: nothing was ever done to one")?;
        return Ok(AuditScope::Tenant(tenant.key.clone(), schema));
    }
    let job = super::allowed::job_in_question(state).ok_or("there is no job under the cursor")?;
    Ok(AuditScope::Job(job.database.clone(), job.id))
}

fn filter(scope: &AuditScope) -> AuditFilter {
    let all = AuditFilter { limit: LINES, ..AuditFilter::default() };
    match scope {
        AuditScope::All => all,
        AuditScope::Job(_, job) => AuditFilter { job: Some(*job), ..all },
        AuditScope::Tenant(_, schema) => AuditFilter { target: Some(schema.raw().to_owned()), ..all },
    }
}

/// The databases that the view is of.
fn databases(state: &State) -> impl Iterator<Item = &DatabaseView> {
    let of = match &state.audit.scope {
        AuditScope::All => None,
        AuditScope::Job(database, _) => Some(database),
        AuditScope::Tenant(key, _) => Some(&key.database),
    };
    let of = of.or(state.only_database.as_ref());
    state.latest.databases.iter().filter(move |view| of.is_none_or(|only| *only == view.name))
}

fn question(database: &DatabaseName, filter: AuditFilter) -> Command {
    Command::Service { database: database.clone(), command: ServiceCommand::ReadAudit(filter) }
}

/// The questions that the view asks: one for the newest lines of each database it is of.
#[must_use]
pub fn questions(state: &State) -> Vec<Command> {
    databases(state).map(|view| question(&view.name, filter(&state.audit.scope))).collect()
}

/// The questions for older lines, where the cursor has come near the end of those that were read.
pub fn older(state: &mut State) -> Vec<Command> {
    let looks = std::mem::take(&mut state.audit.looks_for_more);
    if !looks || state.screen != Screen::Audit || state.audit.list.at + NEAR < state.audit.shown {
        return Vec::new();
    }
    let audit = &state.audit;
    let asks = databases(state).filter(|view| view.link.is_up() && !audit.asked.contains(&view.name));
    let of: Vec<_> = asks
        .filter(|view| audit.more.contains(&view.name))
        .filter_map(|view| audit.oldest(&view.name).map(|before| (view.name.clone(), before)))
        .collect();
    state.audit.asked.extend(of.iter().map(|(database, _)| database.clone()));
    let all = filter(&state.audit.scope);
    of.iter().map(|(name, before)| question(name, AuditFilter { before: Some(*before), ..all.clone() })).collect()
}

/// An answer came. One to another question than that of the view in front is too late.
pub fn told(state: &mut State, database: &DatabaseName, asked: &AuditFilter, lines: Vec<AuditLine>) {
    if (AuditFilter { before: None, ..asked.clone() }) != filter(&state.audit.scope) {
        return;
    }
    let audit = &mut state.audit;
    match asked.before {
        None => audit.newest(database, lines),
        Some(before) if audit.oldest(database) == Some(before) => {
            audit.has_more(database, is_full(&lines));
            audit.lines.extend(lines);
        }
        Some(_) => return,
    }
    audit.asked.remove(database);
    audit.arrange();
    let keys: Vec<_> = audit.shown().iter().map(key).collect();
    if !audit.moved {
        audit.list = List::default();
    }
    settle(&mut audit.list, keys.len(), |row| keys.get(row));
    audit.read = true;
}

/// A line with all that is known of it, for reading.
#[must_use]
pub fn in_full(line: &AuditLine, state: &State) -> (String, String) {
    let mut text = vec![
        format!("when       {}", line.at.to_zoned(state.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z")),
        format!("who        {}", words::who(line)),
        format!("action     {}", line.action.raw()),
        format!("outcome    {}", line.outcome.raw()),
    ];
    text.extend(line.target.as_ref().map(|target| format!("target     {}", target.raw())));
    text.extend(line.job.map(|job| format!("job        {job}")));
    text.push(format!("database   {}", line.database));
    for (title, json) in [("before", &line.before), ("after", &line.after)] {
        text.push(String::new());
        match json {
            None => text.push(format!("{title}     nothing was recorded")),
            Some(json) => {
                text.push(title.to_owned());
                text.extend(pretty(json.raw()).lines().map(|row| format!("  {row}")));
            }
        }
    }
    // Line ends within a value stay visible instead of making lines of their own.
    let safe: Vec<String> = text.iter().map(|row| crate::text::sanitise(row)).collect();
    (format!("Audit {}: {}", line.id, line.action.raw()), safe.join("\n"))
}

fn pretty(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}

impl App {
    /// Opens the view and asks for its lines.
    pub(super) fn open_audit(&mut self, scope: AuditScope) -> Vec<Command> {
        self.travel_to(View { screen: Screen::Audit, audit: Some(scope), ..View::default() });
        questions(&self.state)
    }
}
