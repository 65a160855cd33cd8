//! A configuration file as a tree whose every node knows its place, and the reading of single options: substitution of
//! `${NAME}`, types, and errors that name the option and never its value.

mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use values::{parse_bool, parse_duration, substitute};

use super::error::{ConfigError, Place};
use super::surroundings::Surroundings;

/// A file larger than this is not a configuration.
const MAX_BYTES: u64 = 1 << 20;

/// A file, read and decoded.
pub(super) struct Document {
    pub path: PathBuf,
    pub text: String,
    /// Group or others may read it.
    pub open_mode: Option<u32>,
}

impl Document {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |what: String| ConfigError::new(Place::File { path: path.to_owned(), position: None }, what);
        let meta = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if meta.is_dir() {
            return Err(wrong("is a folder; name the file in it".to_owned()));
        }
        if meta.len() > MAX_BYTES {
            return Err(wrong("is larger than 1 MB: not a configuration".to_owned()));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        // The length above says nothing about pipes and devices.
        std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES + 1), &mut bytes)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(wrong("is larger than 1 MB: not a configuration".to_owned()));
        }
        let text = decode(&bytes).map_err(|(at, what)| {
            let position = Some(position(&String::from_utf8_lossy(&bytes[..at]), usize::MAX));
            ConfigError::new(Place::File { path: path.to_owned(), position }, what)
        })?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        Ok(Self { path: path.to_owned(), text, open_mode: Some(mode & 0o777).filter(|mode| mode & 0o077 != 0) })
    }

    /// A place in the file.
    pub(super) fn place(&self, byte: usize) -> Place {
        Place::File { path: self.path.clone(), position: Some(position(&self.text, byte)) }
    }

    /// The tree. The words of the TOML parser are kept, its picture of the line is not.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        DeTable::parse(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            ConfigError::new(self.place(at), format!("not TOML: {}", error.message().replace('\n', ", ")))
        })
    }
}

fn decode(bytes: &[u8]) -> Result<String, (usize, &'static str)> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((0, "is UTF-16; save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err((error.valid_up_to(), "is not valid UTF-8 from here on; save it as UTF-8")),
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// One table of the file: hands out its options once each, and refuses what nobody asked for.
pub(super) struct Section<'a> {
    pub document: &'a Document,
    pub around: &'a Surroundings,
    table: Option<&'a DeTable<'a>>,
    /// `database[1].jobs`
    path: String,
    /// Where the table itself stands.
    pub start: usize,
    known: BTreeSet<&'static str>,
}

/// A string option after substitution, with what it was before.
pub(super) struct Text<'a> {
    /// After the substitution.
    pub value: String,
    /// As it stands in the file.
    pub raw: &'a str,
    /// Where.
    pub at: usize,
}

impl<'a> Section<'a> {
    pub(super) fn root(document: &'a Document, around: &'a Surroundings, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { document, around, table: Some(table.get_ref()), path: String::new(), start: 0, known: BTreeSet::new() }
    }

    fn option(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// An error at an option.
    pub(super) fn wrong(&self, key: &str, at: usize, what: impl Into<String>) -> ConfigError {
        ConfigError::of_option(self.document.place(at), &self.option(key), what)
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.insert(key);
        self.table?.get(key)
    }

    /// A table below this one; empty where the file has none.
    pub(super) fn table(&mut self, key: &'static str) -> Result<Self, ConfigError> {
        let path = self.option(key);
        let (table, start) = match self.take(key) {
            None => (None, self.start),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), value.span().start),
                _ => return Err(self.wrong(key, value.span().start, format!("must be a table, [{}]", plain(&path)))),
            },
        };
        Ok(Section { document: self.document, around: self.around, table, path, start, known: BTreeSet::new() })
    }

    /// Whether the file has this table at all.
    pub(super) const fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// An array of tables; their paths count from 1.
    pub(super) fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let must_be = || self.wrong(key, value.span().start, format!("must be written [[{key}]]"));
        let DeValue::Array(array) = value.get_ref() else { return Err(must_be()) };
        let mut sections = Vec::new();
        for (index, one) in array.iter().enumerate() {
            let DeValue::Table(table) = one.get_ref() else { return Err(must_be()) };
            sections.push(Section {
                document: self.document,
                around: self.around,
                table: Some(table),
                path: format!("{}[{}]", self.option(key), index + 1),
                start: one.span().start,
                known: BTreeSet::new(),
            });
        }
        Ok(sections)
    }

    /// Accepts what is there without looking at it.
    pub(super) fn ignore(&mut self, key: &'static str) {
        self.known.insert(key);
    }

    /// Refuses options that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let Some(table) = self.table else { return Ok(()) };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if self.known.contains(name) {
                continue;
            }
            // A key that does not look like one may be a secret with its quotes in the wrong place.
            let shown = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            let option = self.option(if shown { name } else { "(a key in quotes)" });
            let allowed = self.known.iter().copied().collect::<Vec<_>>().join(", ");
            let place = self.document.place(key.span().start);
            return Err(ConfigError::of_option(place, &option, format!("unknown option; allowed here: {allowed}")));
        }
        Ok(())
    }

    /// A string, substituted.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<Text<'a>>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        self.string(key, value).map(Some)
    }

    fn string(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Result<Text<'a>, ConfigError> {
        let at = value.span().start;
        let DeValue::String(raw) = value.get_ref() else {
            return Err(self.wrong(key, at, "must be a string, in quotes"));
        };
        let value = substitute(raw, self.around).map_err(|what| self.wrong(key, at, what))?;
        Ok(Text { value, raw, at })
    }

    /// Every option of a table whose names are the operator's own: strings, substituted.
    pub(super) fn named_texts(&self) -> Result<Vec<(&'a str, Text<'a>)>, ConfigError> {
        let all = self.table.into_iter().flat_map(|table| table.iter());
        all.map(|(name, value)| Ok((name.get_ref().as_ref(), self.string(name.get_ref(), value)?))).collect()
    }

    /// A list of strings, substituted.
    pub(super) fn list(&mut self, key: &'static str) -> Result<Option<Vec<Text<'a>>>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let DeValue::Array(array) = value.get_ref() else {
            return Err(self.wrong(key, value.span().start, "must be a list of strings, [\"...\"]"));
        };
        array.iter().map(|one| self.string(key, one)).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text.value) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                Err(self.wrong(key, text.at, format!("impossible value; allowed: {allowed}")))
            }
        }
    }

    /// `true` or `false`, or a variable that holds one.
    pub(super) fn boolean(&mut self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let at = value.span().start;
        let found = match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(_) => {
                let text = self.string(key, value)?;
                (text.raw != text.value).then(|| parse_bool(&text.value)).flatten()
            }
            _ => None,
        };
        found.map(Some).ok_or_else(|| self.wrong(key, at, "must be true or false, without quotes"))
    }

    /// A whole number between two.
    pub(super) fn number(&mut self, key: &'static str, min: u32, max: u32) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        self.integer(key, value, min, max).map(Some)
    }

    /// A list of whole numbers.
    pub(super) fn numbers(&mut self, key: &'static str, min: u32, max: u32) -> Result<Option<Vec<u32>>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let DeValue::Array(array) = value.get_ref() else {
            return Err(self.wrong(key, value.span().start, "must be a list of whole numbers, [5, 25]; [] for none"));
        };
        array.iter().map(|one| self.integer(key, one, min, max)).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn integer(&self, key: &str, value: &'a Spanned<DeValue<'a>>, min: u32, max: u32) -> Result<u32, ConfigError> {
        let found = match value.get_ref() {
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            DeValue::String(_) => {
                let text = self.string(key, value)?;
                (text.raw != text.value).then(|| text.value.trim().parse().ok()).flatten()
            }
            _ => None,
        };
        found
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.wrong(key, value.span().start, format!("must be a whole number from {min} to {max}")))
    }

    /// A duration such as `500ms`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: (Duration, Duration),
    ) -> Result<Option<Duration>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let at = value.span().start;
        let DeValue::String(_) = value.get_ref() else {
            return Err(self.wrong(
                key,
                at,
                "must be a duration in quotes, such as \"500ms\", \"5s\", \"10min\", \"1h\"",
            ));
        };
        let text = self.string(key, value)?;
        parse_duration(&text.value, range).map(Some).map_err(|what| self.wrong(key, at, what))
    }

    /// A path, relative to the file's folder; `~/` is the home folder.
    pub(super) fn path(&mut self, key: &'static str) -> Result<Option<(PathBuf, usize)>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if text.value.is_empty() || text.value.contains('\0') {
            return Err(self.wrong(key, text.at, "must be a path"));
        }
        Ok(Some((self.resolve(&text.value), text.at)))
    }

    /// A path as the file means it, absolute.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), &self.around.home) {
            return home.join(rest);
        }
        let folder = std::path::absolute(&self.document.path).unwrap_or_else(|_| self.document.path.clone());
        // Rebuilt from its parts, which drops "./".
        folder.parent().unwrap_or(Path::new("/")).join(path).components().collect()
    }
}

fn plain(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit() && *c != '[' && *c != ']').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_in_characters() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("é = 1\nab", 8), (2, 2));
        assert_eq!(position("éx", 2), (1, 2));
    }
}
