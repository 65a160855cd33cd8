//! Changelogs in YAML and JSON: one form, written in two ways.

use serde_json::Value;

use super::{ChangeSet, Item};

/// What a changelog holds; `Ok(None)` where the file is none.
pub(super) fn items(text: &str, read: impl Fn(&str) -> Result<Value, String>) -> Result<Option<Vec<Item>>, String> {
    if !text.contains("databaseChangeLog") {
        return Ok(None);
    }
    let document = read(text)?;
    let Some(log) = document.get("databaseChangeLog") else { return Ok(None) };
    let Some(entries) = log.as_array() else { return Err("databaseChangeLog is no list".to_owned()) };
    let path = entries.iter().find_map(|entry| entry.get("logicalFilePath")).and_then(Value::as_str);
    Ok(Some(entries.iter().filter_map(|entry| item(entry, path)).collect()))
}

fn item(entry: &Value, path: Option<&str>) -> Option<Item> {
    let flag = |value: &Value, name: &str| value.get(name).is_some_and(|flag| flag == true || flag == "true");
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(set) = entry.get("changeSet") {
        return Some(Item::Set(ChangeSet {
            id: word(set.get("id")?)?,
            author: word(set.get("author")?)?,
            path: text(set, "logicalFilePath").or_else(|| path.map(str::to_owned)),
            text: serde_json::to_string_pretty(set).unwrap_or_default(),
            is_sql: false,
            transactional: !set.get("runInTransaction").is_some_and(|flag| flag == false || flag == "false"),
        }));
    }
    if let Some(include) = entry.get("include") {
        return Some(Item::File {
            path: text(include, "file")?,
            is_relative: flag(include, "relativeToChangelogFile"),
        });
    }
    let all = entry.get("includeAll")?;
    Some(Item::Folder { path: text(all, "path")?, is_relative: flag(all, "relativeToChangelogFile") })
}

/// An id may be written as a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
