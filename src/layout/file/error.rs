//! Why a layout file cannot be used, and where in it.

use toml::de::{DeTable, DeValue};

use crate::text::Untrusted;

/// Why a layout file cannot be used. Its `Display` names the file, the place and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", why.safe())]
pub struct LayoutFileError {
    /// In words.
    pub why: Untrusted,
}

impl LayoutFileError {
    pub(super) fn new(file: &str, what: impl std::fmt::Display) -> Self {
        Self { why: Untrusted::new(format!("layout file {file}: {what}")) }
    }

    /// With line and column, both from 1; columns count characters.
    pub(super) fn at(file: &str, text: &str, byte: usize, what: impl std::fmt::Display) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        Self::new(file, format_args!("line {line}, column {column}: {what}"))
    }
}

/// What a value of a layout file cannot be: its option, such as `health.2.query`, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The keys to it, with numbers from 0 in lists.
    pub option: String,
    /// In words.
    pub what: String,
}

impl Wrong {
    pub(in crate::layout) fn new(option: impl Into<String>, what: impl Into<String>) -> Self {
        Self { option: option.into(), what: what.into() }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.option, self.what)
    }
}

/// Where an option stands in a text; its nearest table where it is left out.
pub(super) fn place(text: &str, option: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut place = None;
    let mut here: Option<&DeValue<'_>> = None;
    for word in option.split('.') {
        let next = match here {
            None => document.get_ref().get(word),
            Some(DeValue::Table(table)) => table.get(word),
            Some(DeValue::Array(list)) => word.parse::<usize>().ok().and_then(|index| list.get(index)),
            Some(_) => None,
        };
        let Some(next) = next else { break };
        place = Some(next.span().start);
        here = Some(next.get_ref());
    }
    place
}
