//! The plan of something that is done to a tenant as a whole: as text, and as JSON.

use serde::Serialize;

use crate::config;
use crate::model::life::{CacheFact, LifePlan};
use crate::text::{Untrusted, counted, human_bytes, sanitise};

/// The plan in JSON. Unknown is null.
#[derive(Debug, Serialize)]
pub struct LifeDocument {
    database: String,
    action: &'static str,
    repair: Option<&'static str>,
    tenant: String,
    name: Option<String>,
    status: Option<String>,
    schema: Option<String>,
    original_schema: Option<String>,
    becomes: Option<String>,
    tables: Option<u32>,
    size_bytes: Option<u64>,
    rows_estimate: Option<u64>,
    dependants: Vec<String>,
    sessions: Option<Vec<String>>,
    role: Option<String>,
    role_kept: Option<String>,
    last_backup: Option<String>,
    cache_keys: Option<u64>,
    steps: Vec<LifeStepDocument>,
    sql: Vec<String>,
    notes: Vec<String>,
    nothing: Option<String>,
    refusal: Option<String>,
    confirm: Option<String>,
}

#[derive(Debug, Serialize)]
struct LifeStepDocument {
    step: &'static str,
    what: String,
}

/// The plan as JSON.
pub fn document(plan: &LifePlan) -> LifeDocument {
    let text = |value: &Option<Untrusted>| value.as_ref().map(|value| value.raw().to_owned());
    let all = |values: &[Untrusted]| values.iter().map(|value| value.raw().to_owned()).collect::<Vec<_>>();
    LifeDocument {
        database: plan.database.to_string(),
        action: plan.kind.word(),
        repair: plan.repair.map(|repair| repair.word()),
        tenant: plan.tenant.slug.raw().to_owned(),
        name: text(&plan.tenant.name),
        status: text(&plan.tenant.status),
        schema: text(&plan.schema),
        original_schema: text(&plan.original),
        becomes: text(&plan.becomes),
        tables: plan.tables,
        size_bytes: plan.size_bytes,
        rows_estimate: plan.rows_estimate,
        dependants: all(&plan.dependants),
        sessions: plan.sessions.as_deref().map(all),
        role: plan.role.as_ref().map(|role| role.name.raw().to_owned()),
        role_kept: plan.role.as_ref().and_then(|role| text(&role.kept)),
        last_backup: plan.last_backup.map(|at| at.to_string()),
        cache_keys: match plan.cache {
            CacheFact::Keys(keys) => keys,
            CacheFact::NotConfigured | CacheFact::NoPattern | CacheFact::RowsHidden => None,
        },
        steps: plan
            .steps
            .iter()
            .map(|(step, what)| LifeStepDocument { step: step.word(), what: what.clone() })
            .collect(),
        sql: plan.sql.clone(),
        notes: all(&plan.notes),
        nothing: text(&plan.nothing),
        refusal: text(&plan.refusal),
        confirm: plan.word_to_type().map(|word| word.raw().to_owned()),
    }
}

/// The plan as text.
pub fn words(plan: &LifePlan, database: &config::Database) -> String {
    let mut out = format!("[{}] {}: {}\n", database.environment.badge(), plan.database, plan.head());
    // Statements hold names as they are.
    let mut line = |label: &str, value: &str| out.push_str(&format!("  {label:<11} {}\n", sanitise(value)));
    let safe = |text: &Untrusted| text.safe().to_string();
    if let Some(name) = &plan.tenant.name {
        line("name", &safe(name));
    }
    if let Some(status) = &plan.tenant.status {
        let since =
            plan.tenant.status_since.map(|at| format!(", since {}", at.strftime("%Y-%m-%d"))).unwrap_or_default();
        line("status", &format!("{}{since}", status.safe()));
    }
    if let Some(schema) = &plan.schema {
        line(
            "schema",
            &format!("{}{}", schema.safe(), if plan.schema_oid.is_some() { "" } else { " (does not exist)" }),
        );
    }
    if let Some(original) = plan.original.as_ref().filter(|original| plan.schema.as_ref() != Some(original)) {
        line("was", &safe(original));
    }
    if let Some(tables) = plan.tables {
        let size = plan.size_bytes.map_or_else(|| "size not measured".to_owned(), human_bytes);
        let rows = plan.rows_estimate.map_or_else(String::new, |rows| format!(", about {}", counted(rows, "row")));
        line("holds", &format!("{}, {size}{rows}", counted(tables, "table")));
        let backup = plan.last_backup.map_or_else(
            || "unknown: none is seen from here".to_owned(),
            |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        );
        line("last backup", &backup);
    }
    if let Some(sessions) = &plan.sessions {
        line("sessions", &sessions.len().to_string());
        for session in sessions {
            line("", &safe(session));
        }
    }
    if let Some(role) = &plan.role {
        line("role", &safe(&role.name));
    }
    for (index, object) in plan.dependants.iter().enumerate() {
        line(if index == 0 { "depend on it" } else { "" }, &safe(object));
    }
    for (index, (_, what)) in plan.steps.iter().enumerate() {
        line(&format!("step {}", index + 1), what);
    }
    for (index, sql) in plan.sql.iter().enumerate() {
        line(if index == 0 { "sql" } else { "" }, sql);
    }
    for note in &plan.notes {
        line("note", &safe(note));
    }
    out
}
