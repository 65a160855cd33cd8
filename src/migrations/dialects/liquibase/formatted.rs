//! Formatted SQL: `--liquibase formatted sql`, and `--changeset author:id` before each piece.

use super::{ChangeSet, Item};

/// The changesets; `None` where the file does not say that it is formatted.
pub(super) fn items(text: &str) -> Option<Vec<Item>> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let first = lines.by_ref().find(|line| !line.trim().is_empty())?;
    let words = remark(first)?;
    let rest = strip_word(words, "liquibase").and_then(|rest| strip_word(rest, "formatted"))?;
    let path = strip_word(rest, "sql").map(|rest| attribute(rest, "logicalFilePath"))?;
    let mut items = Vec::new();
    let mut open: Option<ChangeSet> = None;
    for line in lines {
        if let Some(set) = remark(line)
            .and_then(|words| strip_word(words, "changeset"))
            .and_then(|rest| changeset(rest, path.as_ref()))
        {
            items.extend(open.replace(set).map(Item::Set));
        } else if let Some(set) = &mut open {
            set.text.push_str(line);
            set.text.push('\n');
        }
    }
    items.extend(open.map(Item::Set));
    Some(items)
}

/// What stands behind `--`.
fn remark(line: &str) -> Option<&str> {
    line.trim().strip_prefix("--").map(str::trim_start)
}

fn strip_word<'l>(text: &'l str, word: &str) -> Option<&'l str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    (head.eq_ignore_ascii_case(word) && rest.chars().next().is_none_or(|c| c.is_whitespace() || c == ':'))
        .then(|| rest.trim_start_matches(':').trim_start())
}

/// `author:id attribute:value`; either may be in quotes.
fn changeset(rest: &str, path: Option<&String>) -> Option<ChangeSet> {
    let (author, rest) = part(rest, |c| c == ':')?;
    let (id, rest) = part(rest.strip_prefix(':')?, char::is_whitespace)?;
    Some(ChangeSet {
        id,
        author,
        path: attribute(rest, "logicalFilePath").or_else(|| path.cloned()),
        text: String::new(),
        is_sql: true,
        transactional: !attribute(rest, "runInTransaction").is_some_and(|value| value.eq_ignore_ascii_case("false")),
    })
}

/// A word up to this character, or what stands in quotes.
fn part(text: &str, is_end: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('"') {
        let (word, rest) = quoted.split_once('"')?;
        return Some((word.to_owned(), rest));
    }
    let end = text.find(is_end).unwrap_or(text.len());
    let word = text[..end].trim_end();
    (!word.is_empty()).then(|| (word.to_owned(), &text[end..]))
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(&format!("{}:", name.to_ascii_lowercase()))?;
    part(&text[at + name.len() + 1..], char::is_whitespace).map(|(value, _)| value)
}
