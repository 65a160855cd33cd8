//! The audit as it leaves the program.

use serde::Serialize;
use serde_json::Value;

use super::{Row, raw};
use crate::model::audit::AuditLine;
use crate::text::Untrusted;

/// A line of the audit. `before` and `after` are JSON as the record has them.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct AuditRow {
    pub database: String,
    pub id: i64,
    pub at: String,
    pub actor: String,
    pub os_user: Option<String>,
    pub action: String,
    pub target: Option<String>,
    pub job: Option<i32>,
    pub outcome: String,
    pub before: Value,
    pub after: Value,
}

impl Row for AuditRow {
    const COLUMNS: &'static [&'static str] =
        &["database", "id", "at", "actor", "os_user", "action", "target", "job", "outcome", "before", "after"];
}

impl From<&AuditLine> for AuditRow {
    fn from(line: &AuditLine) -> Self {
        Self {
            database: line.database.to_string(),
            id: line.id,
            at: line.at.to_string(),
            actor: line.actor.raw().to_owned(),
            os_user: raw(line.os_user.as_ref()),
            action: line.action.raw().to_owned(),
            target: raw(line.target.as_ref()),
            job: line.job.map(|job| job.0),
            outcome: line.outcome.raw().to_owned(),
            before: value(line.before.as_ref()),
            after: value(line.after.as_ref()),
        }
    }
}

/// What the record keeps is JSON; were it ever not, it is passed on as the text that it is.
fn value(json: Option<&Untrusted>) -> Value {
    json.map_or(Value::Null, |json| {
        serde_json::from_str(json.raw()).unwrap_or_else(|_| Value::String(json.raw().to_owned()))
    })
}

/// Who did it: `ana@ops` (the operating system's user, the role), or the role alone.
#[must_use]
pub fn who(line: &AuditLine) -> String {
    match &line.os_user {
        Some(user) if !user.is_empty() => format!("{}@{}", user.raw(), line.actor.raw()),
        Some(_) | None => line.actor.raw().to_owned(),
    }
}

/// What changed, in a few words: `state running`, `version 0042, seq 3`. Keys without a value are left out; of a
/// change both sides are shown.
#[must_use]
pub fn change(line: &AuditLine) -> String {
    let (before, after) = (value(line.before.as_ref()), value(line.after.as_ref()));
    let mut parts = Vec::new();
    let was = match (&before, &after) {
        (Value::Object(before), Value::Object(after)) => {
            before.iter().filter(|(key, value)| after.get(*key) != Some(value)).collect::<Vec<_>>()
        }
        (Value::Object(before), _) => before.iter().collect(),
        (_, _) => Vec::new(),
    };
    for (key, value) in was.into_iter().filter(|(_, value)| !value.is_null()) {
        parts.push(format!("{key} was {}", words(value)));
    }
    if let Value::Object(after) = &after {
        let mut now: Vec<_> = after.iter().filter(|(_, value)| !value.is_null()).collect();
        now.sort_by_key(|(key, value)| weight(key, value));
        parts.extend(now.into_iter().map(|(key, value)| format!("{key} {}", words(value))));
    }
    if parts.is_empty() {
        parts.extend([&before, &after].into_iter().filter(|value| !value.is_null() && !value.is_object()).map(words));
    }
    parts.join(", ")
}

/// What says most comes first; what has parts of its own comes last.
fn weight(key: &str, value: &Value) -> usize {
    const FIRST: [&str; 7] = ["note", "what", "version", "sqlstate", "message", "reason", "state"];
    let place = FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    if value.is_object() { FIRST.len() + 1 } else { place }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !value.is_null() && value.as_i64() != Some(0))
                .map(|(key, value)| format!("{key} {}", words(value)))
                .collect();
            format!("({})", fields.join(", "))
        }
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::JobId;

    fn line(before: Option<&str>, after: Option<&str>) -> AuditLine {
        AuditLine {
            database: "eu-1".into(),
            id: 4,
            at: jiff::Timestamp::UNIX_EPOCH,
            actor: "ops".into(),
            os_user: Some("ana".into()),
            action: "skip".into(),
            target: Some("tenant_acme".into()),
            job: Some(JobId(17)),
            before: before.map(Into::into),
            after: after.map(Into::into),
            outcome: "skipped".into(),
        }
    }

    #[test]
    fn a_line_is_told_in_a_few_words() {
        assert_eq!(who(&line(None, None)), "ana@ops");
        assert_eq!(who(&AuditLine { os_user: None, ..line(None, None) }), "ops");
        let skipped = line(Some(r#"{"sqlstate": "55P03"}"#), Some(r#"{"note": "their clean-up runs", "steps": 2}"#));
        assert_eq!(change(&skipped), "sqlstate was 55P03, note their clean-up runs, steps 2");
        assert_eq!(change(&line(Some(r#"{"version": 1}"#), Some(r#"{"version": 2}"#))), "version was 1, version 2");
        assert_eq!(
            change(&line(None, Some(r#"{"reason": null, "progress": {"done": 3, "failed": 0}}"#))),
            "progress (done 3)"
        );
        assert_eq!(change(&line(None, None)), "");
        assert_eq!(change(&line(None, Some("not JSON"))), "not JSON");
    }

    #[test]
    fn the_columns_are_the_fields_and_json_stays_json() {
        let row = AuditRow::from(&line(None, Some(r#"{"steps": 2}"#)));
        assert_eq!(row.after["steps"], 2);
        let Value::Object(fields) = serde_json::to_value(&row).expect("a row") else { panic!("a row is an object") };
        let mut columns: Vec<&str> = AuditRow::COLUMNS.to_vec();
        columns.sort_unstable();
        assert_eq!(columns, fields.keys().map(String::as_str).collect::<Vec<_>>());
    }
}
