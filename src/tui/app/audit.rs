//! `:audit`: what operators did, of the whole fleet, of one job or of one tenant. The lines are read when the view is
//! opened and with `r`; they are never guessed from what this dashboard did itself.

use super::App;
use super::command::Command;
use super::derive::settle;
use super::nav::View;
use super::state::{List, Screen, State, TenantTab};
use crate::jobs::service::ServiceCommand;
use crate::model::audit::{AuditFilter, AuditLine};
use crate::model::export::audit as words;
use crate::model::job::JobId;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

/// Lines that are read of each database.
const LINES: u32 = 500;

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
    /// The lines, newest first.
    pub lines: Vec<AuditLine>,
    /// The reading position: by database and number.
    pub list: List<(DatabaseName, i64)>,
    /// Somebody moved it: until then it is on the newest, whichever database answers last.
    pub moved: bool,
    /// An answer has come.
    pub read: bool,
}

impl AuditState {
    /// A view of which nothing was read yet.
    #[must_use]
    pub fn of(scope: AuditScope) -> Self {
        Self { scope, ..Self::default() }
    }
}

/// The identity of a line.
#[must_use]
pub fn key(line: &AuditLine) -> (DatabaseName, i64) {
    (line.database.clone(), line.id)
}

/// The line under the cursor.
#[must_use]
pub fn cursor_line(state: &State) -> Option<&AuditLine> {
    state.audit.lines.get(state.audit.list.at)
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

/// The questions that the view asks: one to each database it is of.
#[must_use]
pub fn questions(state: &State) -> Vec<Command> {
    let scope = &state.audit.scope;
    let of = match scope {
        AuditScope::All => None,
        AuditScope::Job(database, _) => Some(database),
        AuditScope::Tenant(key, _) => Some(&key.database),
    };
    let of = of.or(state.only_database.as_ref());
    let databases = state.latest.databases.iter().map(|view| &view.name);
    databases
        .filter(|name| of.is_none_or(|only| only == *name))
        .map(|name| Command::Service { database: name.clone(), command: ServiceCommand::ReadAudit(filter(scope)) })
        .collect()
}

/// An answer came. One to another question than that of the view in front is too late.
pub fn told(state: &mut State, database: &DatabaseName, asked: &AuditFilter, lines: Vec<AuditLine>) {
    if *asked != filter(&state.audit.scope) {
        return;
    }
    let all = &mut state.audit.lines;
    all.retain(|line| line.database != *database);
    all.extend(lines);
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.id.cmp(&a.id)));
    let keys: Vec<_> = all.iter().map(key).collect();
    if !state.audit.moved {
        state.audit.list = List::default();
    }
    settle(&mut state.audit.list, keys.len(), |row| keys.get(row));
    state.audit.read = true;
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
