//! The filter language of both faces: words that a tenant's names have to hold, and tests of its fields, as in
//! `plan:pro behind>2 !state:dirty acme`. All terms have to hold; `!` turns one round; `:name` stands for a filter that
//! the configuration saved under that name.
//!
//! What is not known fits neither a test nor its opposite: a set that is migrated is never guessed. How a word fits is
//! the face's business (the dashboard matches fuzzily, the command by substring); fields mean the same in both.

mod fields;
mod parse;
mod print;
mod selection;
mod units;

use std::collections::BTreeMap;

use self::fields::Test;
pub use self::selection::Selection;
use super::tenant::Tenant;
use crate::text::sanitise;

/// Fields and what they are compared with, for errors, help and the README.
pub const FIELDS: [(&str, &str); 20] = [
    ("state", "a state: ok, behind, never_migrated, ahead, dirty, locked, ..."),
    ("status", "the registry's word: active, suspended, ..."),
    ("plan", "the registry's plan"),
    ("version", "the newest applied version, or none"),
    ("database", "the configured name"),
    ("tool", "the tool of its ledger"),
    ("owner", "the owner of its schema"),
    ("slug", "its slug"),
    ("name", "its display name"),
    ("schema", "its schema"),
    ("id", "its id in the registry"),
    ("domain", "one of its domains"),
    ("failed", "yes or no: whether its last job step failed"),
    ("deleted", "yes or no: whether the registry has it as deleted"),
    ("behind", "pending migrations: behind>2"),
    ("applied", "applied migrations"),
    ("tables", "tables"),
    ("size", "bytes: size>1GB"),
    ("keys", "cache keys: keys>=1k"),
    ("age", "time since it was made: age>30d, age<=12h"),
];

/// A filter as it was written: understood, but saved filters that it names are not put in yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterText {
    terms: Vec<(Spot, Term)>,
}

/// A filter that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    tests: Vec<Test>,
    words: Vec<Word>,
}

/// A word that the names have to hold, or must not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// It must not.
    pub negated: bool,
    /// The word, with the signs of the face that matches it: `^start`, `'exact`, `end$`.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Word(Word),
    Test(Test),
    Saved { negated: bool, name: String },
}

/// Where a term stands: its first character, counted from 0, and how many it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Spot {
    at: usize,
    length: usize,
}

/// Why a filter was not understood. Its `Display` names the place, the field and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {}: {what}", at + 1)]
pub struct FilterError {
    /// The first character of the term, counted from 0.
    pub at: usize,
    /// How many characters it has.
    pub length: usize,
    /// What is wrong and what is allowed.
    pub what: String,
}

/// The filters that the configuration saved, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SavedFilters {
    by_name: BTreeMap<String, Saved>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Saved {
    text: String,
    filter: Filter,
}

/// The longest name of a saved filter, in characters.
const NAME: usize = 40;

impl FilterText {
    /// Reads a filter. Terms are parted by spaces; a value or a word with spaces stands in double quotes.
    ///
    /// # Errors
    /// When a field is unknown, or its value is none that it can have.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text)
    }

    /// Puts the saved filters in that it names.
    ///
    /// # Errors
    /// When it names one that there is not, or turns one round that has words.
    pub fn with(&self, saved: &SavedFilters) -> Result<Filter, FilterError> {
        let mut filter = Filter::default();
        for (spot, term) in &self.terms {
            match term {
                Term::Word(word) => filter.words.push(word.clone()),
                Term::Test(test) => filter.tests.push(test.clone()),
                Term::Saved { negated, name } => {
                    let found = saved.by_name.get(name).ok_or_else(|| spot.error(saved.unknown(name)))?;
                    if !negated {
                        filter.tests.extend(found.filter.tests.iter().cloned());
                        filter.words.extend(found.filter.words.iter().cloned());
                    } else if found.filter.words.is_empty() {
                        filter.tests.push(Test::none_of(found.filter.tests.clone()));
                    } else {
                        // How a word fits depends on the face; the opposite of several would differ with it.
                        return Err(spot.error(format!("!:{name} cannot be: the filter has words, not only fields")));
                    }
                }
            }
        }
        Ok(filter)
    }
}

impl Filter {
    /// Reads a filter that names no saved one.
    ///
    /// # Errors
    /// As [`FilterText::parse`] and [`FilterText::with`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, &SavedFilters::default())
    }

    /// Reads a filter that may name saved ones.
    ///
    /// # Errors
    /// As [`FilterText::parse`] and [`FilterText::with`].
    pub fn parse_with(text: &str, saved: &SavedFilters) -> Result<Self, FilterError> {
        FilterText::parse(text)?.with(saved)
    }

    /// Whether it lets every tenant through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.words.is_empty()
    }

    /// The words: what a face matches by its own rule.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether every tenant that fits this filter's fields fits the other's too: this one has all its tests.
    #[must_use]
    pub fn has_fields_of(&self, other: &Self) -> bool {
        self.tests.starts_with(&other.tests)
    }

    /// Whether a tenant that stays as it is may fit at one time and not at another: the filter asks for an age.
    #[must_use]
    pub fn hangs_on_time(&self) -> bool {
        self.tests.iter().any(Test::hangs_on_time)
    }

    /// Without tests of what is measured one tenant at a time: sizes, keys.
    fn before_measuring(&self) -> Self {
        let tests = self.tests.iter().filter(|test| !test.asks_for_measures());
        Self { tests: tests.cloned().collect(), words: self.words.clone() }
    }

    /// Whether a tenant of this database may fit: where that is certain of none, nobody has to be asked.
    #[must_use]
    pub fn may_fit_in(&self, database: &str) -> bool {
        self.tests.iter().all(|test| test.holds_in(database) != Some(false))
    }

    /// Whether the tests of fields hold at a time; the words are left to the face.
    #[must_use]
    pub fn fields_fit(&self, tenant: &Tenant, now: jiff::Timestamp) -> bool {
        self.tests.iter().all(|test| test.holds(tenant, now) == Some(true))
    }

    /// Whether all of it holds, with words as parts of slug, name, schema, id or domain.
    #[must_use]
    pub fn fits(&self, tenant: &Tenant, now: jiff::Timestamp) -> bool {
        let names = [Some(&tenant.slug), tenant.name.as_ref(), tenant.schema.as_ref(), tenant.id.as_ref()];
        let names = names.into_iter().flatten().chain(&tenant.domains);
        let names: Vec<String> = names.map(|text| text.raw().to_lowercase()).collect();
        let word_fits = |word: &Word| {
            let part = word.text.to_lowercase();
            names.iter().any(|name| name.contains(&part)) != word.negated
        };
        self.words.iter().all(word_fits) && self.fields_fit(tenant, now)
    }
}

impl SavedFilters {
    /// Adds one.
    ///
    /// # Errors
    /// When the name is none that can be typed after `:`, or the filter is not understood, or names another saved one.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if name.is_empty()
            || name.len() > NAME
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(good)
        {
            return Err(format!(
                "the name of a filter is a lower case letter, then letters, digits, - and _, {NAME} at most"
            ));
        }
        let written = FilterText::parse(text).map_err(|error| error.to_string())?;
        if written.terms.iter().any(|(_, term)| matches!(term, Term::Saved { .. })) {
            return Err("a saved filter cannot name another one; write out what it stands for".to_owned());
        }
        let filter = written.with(&Self::default()).map_err(|error| error.to_string())?;
        if filter.is_empty() {
            return Err("the filter is empty: it would show every tenant".to_owned());
        }
        self.by_name.insert(name.to_owned(), Saved { text: text.trim().to_owned(), filter });
        Ok(())
    }

    /// Names and filters as they were written, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().map(|(name, saved)| (name.as_str(), saved.text.as_str()))
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        let known = if names.is_empty() {
            "none is saved; [ui.filters] of the configuration saves them".to_owned()
        } else {
            format!("the saved ones are {}", names.join(", "))
        };
        format!("there is no saved filter {}; {known}", sanitise(name))
    }
}

impl Spot {
    fn error(self, what: impl Into<String>) -> FilterError {
        FilterError { at: self.at, length: self.length, what: what.into() }
    }
}

#[cfg(test)]
mod tests;
