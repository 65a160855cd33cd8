//! The filter language of both faces: words that a tenant's names have to hold, and tests of its fields, as in
//! `plan:pro behind>2 !state:dirty acme`. All terms have to hold; `!` turns one round.
//!
//! What is not known fits neither a test nor its opposite: a set that is migrated is never guessed. How a word fits is
//! the face's business (the dashboard matches fuzzily, the command by substring); fields mean the same in both.

use super::tenant::{Tenant, TenantState};
use crate::text::sanitise;

/// Fields and what they are compared with, for errors, help and the README.
pub const FIELDS: [(&str, &str); 17] = [
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
    ("failed", "yes or no: whether its last job step failed"),
    ("behind", "pending migrations: behind>2"),
    ("applied", "applied migrations"),
    ("tables", "tables"),
    ("size", "bytes: size>1GB"),
    ("keys", "cache keys: keys>0"),
];

/// A filter that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Tests of fields.
    tests: Vec<Test>,
    /// Words, as they were typed: with the signs of the face that matches them.
    words: Vec<String>,
}

/// Why a filter was not understood. Its `Display` names the field and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

/// One field, one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Test {
    negated: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    State(Vec<TenantState>),
    /// One of these texts; `*` stands for anything.
    Text(TextField, Vec<String>),
    /// One of these versions; `None`: no version at all.
    Version(Vec<Option<String>>),
    Failed(bool),
    Number(NumberField, Compare, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    Status,
    Plan,
    Database,
    Tool,
    Owner,
    Slug,
    Name,
    Schema,
    Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberField {
    Behind,
    Applied,
    Tables,
    Size,
    Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Is,
    Over,
    AtLeast,
    Under,
    AtMost,
}

impl Compare {
    const fn holds(self, value: u64, limit: u64) -> bool {
        match self {
            Self::Is => value == limit,
            Self::Over => value > limit,
            Self::AtLeast => value >= limit,
            Self::Under => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}

impl Filter {
    /// Reads a filter. Terms are parted by spaces; a value with spaces stands in double quotes.
    ///
    /// # Errors
    /// When a field is unknown, or its value is none that it can have.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for term in terms(text) {
            let (negated, rest) = term.strip_prefix('!').map_or((false, term.as_str()), |rest| (true, rest));
            match split(rest) {
                Some((field, sign, value)) => {
                    filter.tests.push(Test { negated, what: what(field, sign, value)? });
                }
                None => filter.words.push(term.replace('"', "")),
            }
        }
        filter.words.retain(|word| !word.is_empty());
        Ok(filter)
    }

    /// Whether it lets every tenant through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.words.is_empty()
    }

    /// The words, joined: what a face matches by its own rule.
    #[must_use]
    pub fn words(&self) -> String {
        self.words.join(" ")
    }

    /// Whether the tests of fields hold; the words are left to the face.
    #[must_use]
    pub fn fields_fit(&self, tenant: &Tenant) -> bool {
        self.tests.iter().all(|test| test.what.holds(tenant).is_some_and(|holds| holds != test.negated))
    }

    /// Whether all of it holds, with words as parts of slug, name, schema or id.
    #[must_use]
    pub fn fits(&self, tenant: &Tenant) -> bool {
        let names = [Some(&tenant.slug), tenant.name.as_ref(), tenant.schema.as_ref(), tenant.id.as_ref()];
        let names: Vec<String> = names.into_iter().flatten().map(|text| text.raw().to_lowercase()).collect();
        let word_fits = |word: &String| {
            let (negated, part) = word.strip_prefix('!').map_or((false, word.as_str()), |part| (true, part));
            let part = part.to_lowercase();
            names.iter().any(|name| name.contains(&part)) != negated
        };
        self.words.iter().all(word_fits) && self.fields_fit(tenant)
    }
}

/// The terms: parted by white space outside of double quotes.
fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let (mut term, mut quoted) = (String::new(), false);
    for character in text.chars() {
        quoted ^= character == '"';
        if character.is_whitespace() && !quoted {
            terms.push(std::mem::take(&mut term));
        } else {
            term.push(character);
        }
    }
    terms.push(term);
    terms.retain(|term| !term.is_empty());
    terms
}

/// A term with a field: letters, a sign, a value. Any other one is a word.
fn split(term: &str) -> Option<(&str, &str, &str)> {
    let end = term.find(|character: char| !character.is_ascii_alphabetic() && character != '_')?;
    let (field, rest) = term.split_at(end);
    let sign = [">=", "<=", ">", "<", ":", "="].into_iter().find(|sign| rest.starts_with(sign))?;
    (!field.is_empty()).then(|| (field, sign, &rest[sign.len()..]))
}

fn what(field: &str, sign: &str, value: &str) -> Result<What, FilterError> {
    let name = field.to_ascii_lowercase();
    let value = value.replace('"', "");
    let number = match name.as_str() {
        "behind" | "pending" => Some(NumberField::Behind),
        "applied" => Some(NumberField::Applied),
        "tables" => Some(NumberField::Tables),
        "size" => Some(NumberField::Size),
        "keys" => Some(NumberField::Keys),
        _ => None,
    };
    if let Some(field) = number {
        return number_test(&name, field, sign, &value);
    }
    let is = matches!(sign, ":" | "=");
    let text = match name.as_str() {
        "status" => Some(TextField::Status),
        "plan" => Some(TextField::Plan),
        "database" => Some(TextField::Database),
        "tool" => Some(TextField::Tool),
        "owner" => Some(TextField::Owner),
        "slug" | "tenant" => Some(TextField::Slug),
        "name" => Some(TextField::Name),
        "schema" => Some(TextField::Schema),
        "id" => Some(TextField::Id),
        "state" | "version" | "failed" => None,
        _ => return Err(unknown(field)),
    };
    if !is {
        return Err(FilterError(format!("{name} is compared with `:` only, as in {name}:{}", example(&name))));
    }
    let values: Vec<&str> = value.split(',').filter(|value| !value.is_empty()).collect();
    if values.is_empty() {
        return Err(FilterError(format!("{name} wants a value, as in {name}:{}", example(&name))));
    }
    if let Some(field) = text {
        return Ok(What::Text(field, values.into_iter().map(str::to_lowercase).collect()));
    }
    match name.as_str() {
        "state" => values.into_iter().map(state).collect::<Result<_, _>>().map(What::State),
        "version" => {
            let version = |value: &str| (!value.eq_ignore_ascii_case("none")).then(|| value.to_owned());
            Ok(What::Version(values.into_iter().map(version).collect()))
        }
        _ => match values.as_slice() {
            ["yes"] => Ok(What::Failed(true)),
            ["no"] => Ok(What::Failed(false)),
            _ => Err(FilterError(format!("failed is yes or no, not \"{}\"", sanitise(&value)))),
        },
    }
}

const fn example(field: &str) -> &'static str {
    match field.as_bytes() {
        b"state" => "behind",
        b"status" => "active",
        b"plan" => "pro",
        b"version" => "0039",
        b"database" => "eu-1",
        b"failed" => "yes",
        _ => "acme",
    }
}

fn unknown(field: &str) -> FilterError {
    let fields: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    FilterError(format!("there is no field {}; the fields are {}", sanitise(field), fields.join(", ")))
}

fn state(word: &str) -> Result<TenantState, FilterError> {
    let known = |state: &TenantState| *state != TenantState::Unknown;
    TenantState::from_word(&word.to_ascii_lowercase()).filter(known).ok_or_else(|| {
        let words: Vec<&str> = TenantState::ALL.into_iter().filter(known).map(TenantState::word).collect();
        FilterError(format!("there is no state {}; the states are {}", sanitise(word), words.join(", ")))
    })
}

fn number_test(name: &str, field: NumberField, sign: &str, value: &str) -> Result<What, FilterError> {
    let compare = match sign {
        ">" => Compare::Over,
        ">=" => Compare::AtLeast,
        "<" => Compare::Under,
        "<=" => Compare::AtMost,
        _ => Compare::Is,
    };
    let limit = match field {
        NumberField::Size => bytes(value),
        NumberField::Behind | NumberField::Applied | NumberField::Tables | NumberField::Keys => count(value),
    };
    let example = if field == NumberField::Size { "1GB" } else { "2" };
    limit.map(|limit| What::Number(field, compare, limit)).ok_or_else(|| {
        let shown = sanitise(value);
        FilterError(format!("{name} is compared with a number, as in {name}>{example}, not with \"{shown}\""))
    })
}

/// `12`, `2k`, `1.5M`: in thousands.
fn count(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_u64.pow(2),
        _ => return None,
    };
    times(number, factor)
}

/// `1048576`, `500MB`, `1.5G`: in steps of 1024, as sizes are shown.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit = unit.to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    times(number, 1_024_u64.pow(power))
}

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.parse::<f64>().ok().map(|number| (number, unit))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "checked")]
fn times(number: f64, factor: u64) -> Option<u64> {
    let product = (number * factor as f64).round();
    // Up to 2^53 every whole number is exact; nothing that is counted here is larger.
    (0.0..=9_007_199_254_740_992.0).contains(&product).then_some(product as u64)
}

impl What {
    /// Whether it holds; `None` where that is not known.
    fn holds(&self, tenant: &Tenant) -> Option<bool> {
        match self {
            Self::State(states) => (tenant.state != TenantState::Unknown).then(|| states.contains(&tenant.state)),
            Self::Text(field, wanted) => {
                let value = field.of(tenant)?;
                // A column that is empty for this tenant is a fact: it is not the value asked for.
                let value = value.map(str::to_lowercase);
                Some(value.is_some_and(|value| wanted.iter().any(|pattern| like(pattern, &value))))
            }
            Self::Version(wanted) => match tenant.version() {
                Some(version) => {
                    Some(wanted.iter().any(|wanted| wanted.as_deref().is_some_and(|w| like(w, version.raw()))))
                }
                // Without a version a tenant has none only where its ledger is known to be absent or empty.
                None => (tenant.applied == Some(0)).then(|| wanted.contains(&None)),
            },
            Self::Failed(wanted) => Some(tenant.failed_step.is_some() == *wanted),
            Self::Number(field, compare, limit) => field.of(tenant).map(|value| compare.holds(value, *limit)),
        }
    }
}

impl TextField {
    /// The text; `None` in it where there is none, `None` altogether where it is not known.
    fn of(self, tenant: &Tenant) -> Option<Option<&str>> {
        match self {
            Self::Status => Some(tenant.status.as_ref().map(|text| text.raw())),
            Self::Plan => Some(tenant.plan.as_ref().map(|text| text.raw())),
            Self::Database => Some(Some(&*tenant.key.database)),
            Self::Tool => match tenant.ledger.reading() {
                Some(reading) => Some(Some(reading.tool.word())),
                None => (tenant.applied == Some(0)).then_some(None),
            },
            Self::Owner => Some(tenant.owner.as_ref().map(|text| text.raw())),
            Self::Slug => Some(Some(tenant.slug.raw())),
            Self::Name => Some(tenant.name.as_ref().map(|text| text.raw())),
            Self::Schema => Some(tenant.schema.as_ref().map(|text| text.raw())),
            Self::Id => Some(tenant.id.as_ref().map(|text| text.raw())),
        }
    }
}

impl NumberField {
    fn of(self, tenant: &Tenant) -> Option<u64> {
        match self {
            Self::Behind => tenant.pending_count().map(|count| count as u64),
            Self::Applied => tenant.applied.map(u64::from),
            Self::Tables => tenant.tables.map(u64::from),
            Self::Size => tenant.size_bytes,
            Self::Keys => tenant.cache_keys,
        }
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests;
