//! Reads filters. Every error stands at the term that is wrong.

use super::fields::{Compare, FlagField, NumberField, Test, TextField, What};
use super::units::{age, bytes, count};
use super::{FIELDS, FilterError, FilterText, Spot, Term, Word};
use crate::model::tenant::TenantState;
use crate::text::sanitise;

/// Reads a filter.
pub(super) fn filter(text: &str) -> Result<FilterText, FilterError> {
    let mut filter = FilterText::default();
    for (spot, written) in terms(text) {
        if let Some(term) = term(&written).map_err(|what| spot.error(what))? {
            filter.terms.push((spot, term));
        }
    }
    Ok(filter)
}

/// A term; `None` where nothing is left of it without its signs.
fn term(written: &str) -> Result<Option<Term>, String> {
    let (negated, rest) = written.strip_prefix('!').map_or((false, written), |rest| (true, rest));
    if let Some(name) = rest.strip_prefix(':') {
        let name = bare(name);
        if name.is_empty() {
            return Err(": is followed by the name of a saved filter".to_owned());
        }
        return Ok(Some(Term::Saved { negated, name }));
    }
    if let Some((field, sign, value)) = split(rest) {
        return what(field, sign, value).map(|what| Some(Term::Test(Test { negated, what })));
    }
    let text = bare(rest);
    Ok((!text.is_empty()).then_some(Term::Word(Word { negated, text })))
}

/// The terms: parted by white space outside of double quotes.
fn terms(text: &str) -> Vec<(Spot, String)> {
    let mut terms = Vec::new();
    let (mut term, mut quoted) = (String::new(), false);
    let mut spot = Spot::default();
    for (at, character) in text.chars().enumerate() {
        quoted ^= character == '"';
        if character.is_whitespace() && !quoted {
            terms.push((spot, std::mem::take(&mut term)));
            spot = Spot { at: at + 1, length: 0 };
        } else {
            term.push(character);
            spot.length += 1;
        }
    }
    terms.push((spot, term));
    terms.retain(|(_, term)| !term.is_empty());
    terms
}

/// A term with a field: letters, a sign, a value. Any other one is a word.
pub(super) fn split(term: &str) -> Option<(&str, &str, &str)> {
    let end = term.find(|character: char| !character.is_ascii_alphabetic() && character != '_')?;
    let (field, rest) = term.split_at(end);
    let sign = [">=", "<=", ">", "<", ":", "="].into_iter().find(|sign| rest.starts_with(sign))?;
    (!field.is_empty()).then(|| (field, sign, &rest[sign.len()..]))
}

/// Without its quotes.
fn bare(text: &str) -> String {
    text.replace('"', "")
}

/// The values of a list: parted by commas outside of double quotes.
fn values(text: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = text.split(|character: char| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    parts.map(bare).filter(|value| !value.is_empty()).collect()
}

fn what(field: &str, sign: &str, value: &str) -> Result<What, String> {
    let name = match field.to_ascii_lowercase().as_str() {
        "pending" => "behind".to_owned(),
        "tenant" => "slug".to_owned(),
        name => name.to_owned(),
    };
    if let Some(number) = NumberField::ALL.into_iter().find(|number| number.word() == name) {
        return number_test(number, sign, &bare(value));
    }
    if !FIELDS.iter().any(|(known, _)| *known == name) {
        return Err(unknown(field));
    }
    if !matches!(sign, ":" | "=") {
        return Err(format!("{name} is compared with `:` only, as in {name}:{}", example(&name)));
    }
    let values = values(value);
    if values.is_empty() {
        return Err(format!("{name} wants a value, as in {name}:{}", example(&name)));
    }
    if let Some(text) = TextField::ALL.into_iter().find(|text| text.word() == name) {
        return Ok(What::Text(text, values.iter().map(|value| value.to_lowercase()).collect()));
    }
    if let Some(flag) = FlagField::ALL.into_iter().find(|flag| flag.word() == name) {
        return match values.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["yes"] => Ok(What::Flag(flag, true)),
            ["no"] => Ok(What::Flag(flag, false)),
            _ => Err(format!("{name} is yes or no, not \"{}\"", sanitise(&bare(value)))),
        };
    }
    if name == "state" {
        return values.iter().map(|word| state(word)).collect::<Result<_, _>>().map(What::State);
    }
    let version = |value: String| (!value.eq_ignore_ascii_case("none")).then_some(value);
    Ok(What::Version(values.into_iter().map(version).collect()))
}

const fn example(field: &str) -> &'static str {
    match field.as_bytes() {
        b"state" => "behind",
        b"status" => "active",
        b"plan" => "pro",
        b"version" => "0039",
        b"database" => "eu-1",
        b"failed" | b"deleted" => "yes",
        _ => "acme",
    }
}

fn unknown(field: &str) -> String {
    let fields: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    format!("there is no field {}; the fields are {}", sanitise(field), fields.join(", "))
}

fn state(word: &str) -> Result<TenantState, String> {
    let known = |state: &TenantState| *state != TenantState::Unknown;
    TenantState::from_word(&word.to_ascii_lowercase()).filter(known).ok_or_else(|| {
        let words: Vec<&str> = TenantState::ALL.into_iter().filter(known).map(TenantState::word).collect();
        format!("there is no state {}; the states are {}", sanitise(word), words.join(", "))
    })
}

fn number_test(field: NumberField, sign: &str, value: &str) -> Result<What, String> {
    let compare = match sign {
        ">" => Compare::Over,
        ">=" => Compare::AtLeast,
        "<" => Compare::Under,
        "<=" => Compare::AtMost,
        _ => Compare::Is,
    };
    let (limit, example) = match field {
        NumberField::Size => (bytes(value), "1GB"),
        NumberField::Age => (age(value), "30d"),
        NumberField::Behind | NumberField::Applied | NumberField::Tables | NumberField::Keys => (count(value), "2"),
    };
    let name = field.word();
    if field == NumberField::Age && compare == Compare::Is {
        // Nobody means the second.
        return Err(format!("age is compared with > or <, as in age>{example}"));
    }
    let noun = if field == NumberField::Age { "a time" } else { "a number" };
    limit.map(|limit| What::Number(field, compare, limit)).ok_or_else(|| {
        let shown = sanitise(value);
        format!("{name} is compared with {noun}, as in {name}>{example}, not with \"{shown}\"")
    })
}
