//! What leaves the dashboard: lists as CSV and JSON, names and rows for the clipboard.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::nav;
use super::server::ServerTab;
use super::state::{Screen, State, TenantTab};
use crate::migrations::folder::MigrationFile;
use crate::model::export::vitals::{CatalogRow, LockRow, SessionRow, TransactionRow};
use crate::model::export::{self, AuditRow, Job, ResultRow, Row, TenantRow};
use crate::model::vitals::Vitals;
use crate::text::{Untrusted, json_for_terminal, width};

/// A list as data: what it is, its columns, its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// A word for the file's name.
    pub name: &'static str,
    /// The columns, named as in the command's JSON.
    pub columns: Vec<&'static str>,
    /// One value per column.
    pub rows: Vec<Vec<Value>>,
}

/// The form in which a list leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With a heading, for spreadsheets.
    Csv,
    /// The command's contract.
    Json,
    /// A table to read.
    Text,
}

impl Form {
    /// The sheet in this form.
    ///
    /// # Errors
    /// When a writer refuses, in words.
    pub fn of(self, sheet: &Sheet) -> Result<String, String> {
        match self {
            Self::Csv => sheet.csv(),
            Self::Json => Ok(sheet.json()),
            Self::Text => Ok(sheet.text()),
        }
    }

    /// The ending of its file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Text => "txt",
        }
    }
}

impl Sheet {
    /// The sheet as a table with a heading, columns aligned; unknown is `-`. Unsafe characters are visible escapes.
    #[must_use]
    pub fn text(&self) -> String {
        let heading = self.columns.iter().map(|column| column.to_uppercase()).collect();
        let shown = |value: &Value| if value.is_null() { "-".to_owned() } else { cell(value) };
        let rows = self.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>());
        let lines: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        let widest = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max();
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| widest(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, of)| format!("{cell}{}", " ".repeat(of - width(cell))));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// The sheet as JSON: a list of objects; unknown is null. Unsafe characters are escaped, values unchanged.
    #[must_use]
    pub fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                Value::Object(self.columns.iter().map(|column| (*column).to_owned()).zip(row.iter().cloned()).collect())
            })
            .collect();
        let document = json!({ self.name: rows });
        // Writing to memory values made here cannot fail; an empty file would be told as such.
        let mut text =
            serde_json::to_string_pretty(&document).map_or_else(|_| String::new(), |t| json_for_terminal(&t));
        text.push('\n');
        text
    }

    /// All values of a row, for finding words in it.
    #[must_use]
    pub fn row_words(&self, row: usize) -> String {
        self.rows.get(row).map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).unwrap_or_default()
    }

    /// The sheet as CSV with a heading; unknown is empty. Unsafe characters are visible escapes.
    ///
    /// # Errors
    /// When the writer refuses, in words.
    pub fn csv(&self) -> Result<String, String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(|error| error.to_string())?;
        for row in &self.rows {
            writer.write_record(row.iter().map(cell)).map_err(|error| error.to_string())?;
        }
        let bytes = writer.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }
}

/// A cell that a terminal may get.
pub(super) fn cell(value: &Value) -> String {
    Untrusted::new(export::cell(value)).safe().to_string()
}

fn text(value: Option<&Untrusted>) -> Value {
    value.map_or(Value::Null, |value| Value::from(value.raw()))
}

/// Rows of the contract.
fn rows<R: Row>(name: &'static str, rows: impl IntoIterator<Item = R>) -> Sheet {
    Sheet { name, columns: R::COLUMNS.to_vec(), rows: rows.into_iter().map(|row| row.values()).collect() }
}

/// The list in front, as it is shown: filtered and sorted.
#[must_use]
pub fn sheet(state: &State) -> Sheet {
    match state.screen {
        Screen::Tenants => {
            let shown = state.tenants.shown.iter().filter_map(|index| state.snapshot.tenants.get(*index));
            rows("tenants", shown.map(|tenant| TenantRow::from(&**tenant)))
        }
        Screen::Migrations => Sheet {
            name: "migrations",
            columns: vec!["database", "version", "name", "tenants", "failed", "notes"],
            rows: state
                .migrations
                .groups
                .iter()
                .map(|group| {
                    vec![
                        Value::from(&*group.database),
                        group.version.as_ref().map_or(Value::Null, |version| Value::from(version.raw())),
                        text(group.name.as_ref()),
                        Value::from(group.tenants.len()),
                        Value::from(group.failed),
                        Value::from(group.notes.iter().map(|note| Value::from(note.raw())).collect::<Vec<_>>()),
                    ]
                })
                .collect(),
        },
        Screen::Jobs => rows("jobs", state.shown_jobs().map(Job::from)),
        Screen::JobResult => results(state),
        Screen::Server => {
            let unread = Vitals::unread(&"".into());
            let tab = state.server.tab;
            let all = server_sheet(super::server::vitals(state).unwrap_or(&unread), tab);
            let shown = &state.server.shown[tab.place()];
            Sheet { rows: shown.iter().filter_map(|row| all.rows.get(*row).cloned()).collect(), ..all }
        }
        Screen::Audit => rows("audit", state.audit.shown().iter().map(AuditRow::from)),
        Screen::Messages => Sheet {
            name: "messages",
            columns: vec!["at", "text"],
            rows: state
                .messages
                .iter()
                .rev()
                .map(|message| vec![Value::from(message.at.to_string()), Value::from(message.text.raw())])
                .collect(),
        },
        Screen::Tenant => tab(state),
    }
}

/// A list of the Server screen, all of it, as it was read.
#[must_use]
pub fn server_sheet(vitals: &Vitals, tab: ServerTab) -> Sheet {
    match tab {
        ServerTab::Sessions => rows("sessions", vitals.sessions.iter().map(SessionRow::from)),
        ServerTab::Locks => rows("locks", vitals.locks.iter().map(LockRow::from)),
        ServerTab::Transactions => rows("transactions", vitals.transactions.iter().map(TransactionRow::from)),
        ServerTab::Catalogs => rows("catalogs", vitals.catalogs.iter().map(CatalogRow::from)),
    }
}

fn results(state: &State) -> Sheet {
    let database = state.jobs.result_of.as_ref().map_or("", |(database, _)| &**database);
    rows("results", nav::outcomes(state).iter().map(|outcome| ResultRow::of(database, outcome)))
}

fn tab(state: &State) -> Sheet {
    let empty = |name| Sheet { name, columns: Vec::new(), rows: Vec::new() };
    let Some(open) = &state.tenant else { return empty("tenant") };
    let detail = nav::detail(state);
    match open.tab {
        TenantTab::Tables => Sheet {
            name: "tables",
            columns: vec!["name", "rows_estimate", "total_bytes", "table_bytes", "index_bytes", "toast_bytes"],
            rows: open
                .tables_shown
                .iter()
                .filter_map(|index| detail.and_then(|detail| detail.tables.get(*index)))
                .map(|table| {
                    vec![
                        Value::from(table.name.raw()),
                        json!(table.rows_estimate),
                        json!(table.total_bytes),
                        json!(table.table_bytes),
                        json!(table.index_bytes),
                        json!(table.toast_bytes),
                    ]
                })
                .collect(),
        },
        TenantTab::Migrations => Sheet {
            name: "migrations",
            columns: vec!["version", "name", "applied_at", "state", "checksum_ok"],
            rows: detail
                .map(|detail| detail.migrations.as_slice())
                .unwrap_or_default()
                .iter()
                .map(|migration| {
                    vec![
                        Value::from(migration.version.raw()),
                        text(migration.name.as_ref()),
                        text(migration.applied_at.as_ref()),
                        Value::from(migration.state.word()),
                        json!(migration.checksum_ok),
                    ]
                })
                .collect(),
        },
        TenantTab::Cache => Sheet {
            name: "cache",
            columns: vec!["prefix", "keys"],
            rows: detail
                .map(|detail| detail.cache_by_prefix.as_slice())
                .unwrap_or_default()
                .iter()
                .map(|(prefix, keys)| vec![Value::from(prefix.raw()), Value::from(*keys)])
                .collect(),
        },
        TenantTab::Jobs => {
            rows("jobs", open.jobs_shown.iter().filter_map(|index| state.jobs.jobs.get(*index)).map(Job::from))
        }
    }
}

/// The row of the list in front on which the cursor is.
#[must_use]
pub fn cursor_row(state: &State) -> usize {
    match state.screen {
        Screen::Tenants => state.tenants.list.at,
        Screen::Migrations => state.migrations.list.at,
        Screen::Jobs => state.jobs.list.at,
        Screen::JobResult => state.jobs.result.at,
        Screen::Messages => state.messages_list.at,
        Screen::Audit => state.audit.list.at,
        Screen::Server => state.server.list().at,
        Screen::Tenant => state.tenant.as_ref().map_or(0, |open| match open.tab {
            TenantTab::Tables => open.tables.at,
            TenantTab::Migrations => open.migrations.at,
            TenantTab::Cache => open.cache.at,
            TenantTab::Jobs => open.jobs.at,
        }),
    }
}

/// The row under the cursor, its cells apart by tabs.
#[must_use]
pub fn row_text(state: &State) -> Option<String> {
    let sheet = sheet(state);
    sheet.rows.get(cursor_row(state)).map(|row| row.iter().map(cell).collect::<Vec<_>>().join("\t"))
}

/// The name of what the cursor is on: of the tenant on the tenant's screens.
#[must_use]
pub fn name_text(state: &State) -> Option<String> {
    let safe = |text: &Untrusted| text.safe().to_string();
    match state.screen {
        Screen::Tenants => state.cursor_tenant().map(|tenant| safe(&tenant.slug)),
        Screen::Tenant => {
            let open = state.tenant.as_ref()?;
            let detail = nav::detail(state);
            let of_row = match open.tab {
                TenantTab::Tables => open.tables.cursor.as_ref().filter(|_| detail.is_some()).map(safe),
                TenantTab::Migrations => open.migrations.cursor.as_ref().map(|version| safe(&version.untrusted())),
                TenantTab::Cache => open.cache.cursor.as_ref().map(safe),
                TenantTab::Jobs => open.jobs.cursor.as_ref().map(|(_, job)| job.to_string()),
            };
            of_row.or_else(|| state.open_tenant().map(|tenant| safe(&tenant.slug)))
        }
        Screen::Migrations => {
            state.cursor_group().and_then(|group| group.version.as_ref()).map(|version| safe(&version.untrusted()))
        }
        Screen::Jobs => state.cursor_job().map(|job| job.id.to_string()),
        Screen::JobResult => nav::cursor_outcome(state).map(|outcome| safe(&outcome.slug)),
        Screen::Messages => message_text(state),
        Screen::Server => {
            let (vitals, at) = (super::server::vitals(state)?, super::server::cursor_row(state)?);
            match state.server.tab {
                ServerTab::Sessions => vitals.sessions.get(at).map(|group| safe(&group.role)),
                ServerTab::Locks => vitals.locks.get(at).map(|session| session.pid.to_string()),
                ServerTab::Transactions => vitals.transactions.get(at).map(|open| safe(&open.id)),
                ServerTab::Catalogs => vitals.catalogs.get(at).map(|catalog| safe(&catalog.name)),
            }
        }
        Screen::Audit => super::audit::cursor_line(state).map(|line| super::audit::name(line).safe().to_string()),
    }
}

fn message_text(state: &State) -> Option<String> {
    let place = state.messages.len().checked_sub(state.messages_list.at + 1)?;
    state.messages.get(place).map(|message| message.text.safe().to_string())
}

/// The error of what the cursor is on, else the last message.
#[must_use]
pub fn error_text(state: &State) -> Option<String> {
    let tenant = match state.screen {
        Screen::Tenants => state.cursor_tenant(),
        Screen::Tenant => state.open_tenant(),
        Screen::Migrations | Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit | Screen::Server => {
            None
        }
    };
    if let Some(tenant) = tenant {
        let mut out = String::new();
        if let Some(step) = &tenant.failed_step {
            let version = step.version.as_ref().map(|v| v.untrusted().safe().to_string()).unwrap_or_default();
            let code = step.sqlstate.as_deref().unwrap_or_default();
            let _ = write!(out, "{} {version} {code} {}", tenant.slug.safe(), step.message.safe());
        }
        for problem in &tenant.problems {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(problem.safe().as_str());
        }
        if !out.is_empty() {
            return Some(out);
        }
    }
    if state.screen == Screen::JobResult
        && let Some(outcome) = nav::cursor_outcome(state)
        && let Some(failure) = &outcome.failure
    {
        let code = failure.sqlstate.as_deref().unwrap_or_default();
        return Some(format!("{} {code} {}", outcome.slug.safe(), failure.message.safe()));
    }
    if state.screen == Screen::Messages {
        return message_text(state);
    }
    state.messages.back().map(|message| message.text.safe().to_string())
}

/// A name for the file of an export: letters, digits, `-` and `.` only.
#[must_use]
pub fn file_name(sheet: &Sheet, at: jiff::Timestamp, ending: &str) -> String {
    let time = at.strftime("%Y%m%d-%H%M%S");
    format!("tenantui-{}-{time}.{ending}", sheet.name)
}

/// The name of a dump of the screen: `screen-tenants-20260214-103000.250.txt`.
#[must_use]
pub fn dump_name(state: &State) -> String {
    let screen = state.screen.word().to_ascii_lowercase().replace(' ', "-");
    format!("screen-{screen}-{}.txt", state.now.wall.strftime("%Y%m%d-%H%M%S%.3f"))
}

/// A migration to read: its text, and below it what undoes it where there is such a part.
#[must_use]
pub fn file_text(file: &MigrationFile) -> String {
    let mut text = file.sql.to_string();
    if let Some(down) = &file.down {
        let name = down.path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let _ = write!(text, "\n\n-- down: {name}\n{}", down.sql);
    }
    text
}
