//! What leaves the dashboard: lists as CSV and JSON, names and rows for the clipboard.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::nav;
use super::state::{Screen, State, TenantTab};
use crate::model::job::JobView;
use crate::model::tenant::Tenant;
use crate::text::{Untrusted, json_for_terminal};

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

impl Sheet {
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

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => Untrusted::new(value).safe().to_string(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Object(_) => Untrusted::new(value.to_string()).safe().to_string(),
    }
}

fn text(value: Option<&Untrusted>) -> Value {
    value.map_or(Value::Null, |value| Value::from(value.raw()))
}

/// The columns of a tenant, named as in `tenants --json`.
const TENANT: &[&str] = &[
    "database",
    "id",
    "slug",
    "name",
    "status",
    "schema",
    "state",
    "tool",
    "version",
    "applied",
    "pending",
    "ahead",
    "dirty",
    "locked",
    "tables",
    "size_bytes",
    "size_exact",
    "cache_keys",
    "created_at",
    "problems",
];

fn tenant(tenant: &Tenant) -> Vec<Value> {
    let reading = tenant.ledger.reading();
    vec![
        Value::from(&*tenant.key.database),
        text(tenant.id.as_ref()),
        Value::from(tenant.slug.raw()),
        text(tenant.name.as_ref()),
        text(tenant.status.as_ref()),
        text(tenant.schema.as_ref()),
        Value::from(tenant.state.word()),
        reading.map_or(Value::Null, |reading| Value::from(reading.tool.word())),
        tenant.version().map_or(Value::Null, |version| Value::from(version.raw())),
        json!(tenant.applied),
        json!(tenant.pending.as_ref().map(|versions| versions.len())),
        json!(tenant.ahead.as_ref().map(|versions| versions.len())),
        json!(reading.map(|reading| reading.dirty)),
        json!(reading.map(|reading| reading.locked.is_some())),
        json!(tenant.tables),
        json!(tenant.size_bytes),
        Value::from(tenant.size_exact),
        json!(tenant.cache_keys),
        text(tenant.created_at.as_ref()),
        Value::from(tenant.problems.iter().map(|problem| Value::from(problem.raw())).collect::<Vec<_>>()),
    ]
}

const JOB: &[&str] = &[
    "database",
    "id",
    "kind",
    "what",
    "state",
    "reason",
    "attempt",
    "total",
    "done",
    "failed",
    "blocked",
    "pending",
    "created_by",
    "created_at",
    "worker",
];

fn job(job: &JobView) -> Vec<Value> {
    vec![
        Value::from(&*job.database),
        Value::from(job.id.0),
        Value::from(job.kind.word()),
        Value::from(job.what.raw()),
        Value::from(job.state.word()),
        text(job.reason.as_ref()),
        Value::from(job.attempt),
        Value::from(job.total),
        Value::from(job.done),
        Value::from(job.failed),
        Value::from(job.blocked),
        Value::from(job.pending),
        Value::from(job.created_by.raw()),
        Value::from(job.created_at.to_string()),
        text(job.worker.as_ref()),
    ]
}

/// The list in front, as it is shown: filtered and sorted.
#[must_use]
pub fn sheet(state: &State) -> Sheet {
    match state.screen {
        Screen::Tenants => Sheet {
            name: "tenants",
            columns: TENANT.to_vec(),
            rows: state
                .tenants
                .shown
                .iter()
                .filter_map(|index| state.snapshot.tenants.get(*index))
                .map(|one| tenant(one))
                .collect(),
        },
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
        Screen::Jobs => Sheet { name: "jobs", columns: JOB.to_vec(), rows: state.jobs.jobs.iter().map(job).collect() },
        Screen::JobResult => results(state),
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

fn results(state: &State) -> Sheet {
    let rows = nav::outcomes(state)
        .iter()
        .map(|outcome| {
            let failure = outcome.failure.as_ref();
            vec![
                Value::from(outcome.slug.raw()),
                Value::from(outcome.schema.raw()),
                Value::from(outcome.outcome.word()),
                outcome.version.as_ref().map_or(Value::Null, |version| Value::from(version.raw())),
                json!(failure.and_then(|failure| failure.sqlstate.clone())),
                text(failure.map(|failure| &failure.message)),
                json!(outcome.duration_ms),
            ]
        })
        .collect();
    let columns = vec!["tenant", "schema", "result", "version", "sqlstate", "message", "duration_ms"];
    Sheet { name: "results", columns, rows }
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
        TenantTab::Jobs => Sheet {
            name: "jobs",
            columns: JOB.to_vec(),
            rows: open.jobs_shown.iter().filter_map(|index| state.jobs.jobs.get(*index)).map(job).collect(),
        },
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
        Screen::Migrations | Screen::Jobs | Screen::JobResult | Screen::Messages => None,
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
