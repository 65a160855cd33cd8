//! The settings of a new tenant: one JSON object that the registry can keep.

use serde_json::Value;

use crate::text::sanitise;

/// What `jsonb` keeps behind the point of a number, at most.
const DIGITS: i64 = 16_383;

/// Whether settings are what a registry keeps: one JSON object, of what PostgreSQL's `jsonb` takes. It refuses some that are
/// JSON, in words of its own and without a place.
///
/// # Errors
/// In words, when they are something else.
pub fn check(settings: &str) -> Result<(), String> {
    let value = match serde_json::from_str(settings) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) => return Err("the settings are JSON, and no object: write them as {\"key\": value}".to_owned()),
        Err(error) => return Err(format!("the settings are no JSON: {error}")),
    };
    if let Some(place) = with_nul(&value) {
        let place = sanitise(place.trim_start_matches('.'));
        return Err(format!(
            "the settings have a character that PostgreSQL keeps nowhere, \\u0000 ({place}): write them without"
        ));
    }
    match too_fine(settings) {
        None => Ok(()),
        Some(number) => Err(format!(
            "the settings have a number that PostgreSQL's jsonb does not keep, {}: it has more than {DIGITS} digits behind \
             the point",
            crate::text::fit(number, 40)
        )),
    }
}

/// Where a key or a text with U+0000 is: `.limits.users`.
fn with_nul(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(all) => all.iter().find_map(with_nul),
        Value::Object(all) => all.iter().find_map(|(key, value)| {
            if key.contains('\0') {
                Some(format!(".{}", key.replace('\0', "\\u0000")))
            } else {
                with_nul(value).map(|place| format!(".{key}{place}"))
            }
        }),
    }
}

/// The first number with more behind its point than is kept. What is too large is no JSON here already.
fn too_fine(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (token, behind) = if rest[at..].starts_with('"') {
            text_at(&rest[at..])
        } else {
            let number = &rest[at..];
            let end = number.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(number.len());
            number.split_at(end)
        };
        rest = behind;
        if token.starts_with('"') {
            continue;
        }
        let (digits, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        // An exponent that is no i64 and yet JSON is one far below zero, or of a zero.
        let exponent: i64 = exponent.parse().unwrap_or(i64::MIN / 2);
        if i64::try_from(fraction).unwrap_or(i64::MAX).saturating_sub(exponent) > DIGITS {
            return Some(token);
        }
    }
    None
}

/// A text of JSON that is sound, with its quotes, and what is behind it.
fn text_at(json: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = json.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    json.split_at(end.map_or(json.len(), |(at, _)| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_refuses_is_refused_in_words() {
        for (text, words) in [
            ("[1]", "no object"),
            ("{x", "are no JSON"),
            (r#"{"a":"\u0000"}"#, "\\u0000 (a)"),
            (r#"{"a":{"b":["x",{"c":"\u0000"}]}}"#, "\\u0000 (a.b.c)"),
            (r#"{"a\u0000":1}"#, "\\u0000 (a\\u0000)"),
            (r#"{"a":"\ud800"}"#, "are no JSON"),
            (r#"{"a":"\udc00\ud800"}"#, "are no JSON"),
            (r#"{"a":1e400}"#, "are no JSON"),
            (r#"{"a":"\"1e-99999", "b": -1.5e-99999}"#, "does not keep, -1.5e-99999"),
            (r#"{"a":1e-99999999999999999999}"#, "does not keep"),
        ] {
            let told = check(text).expect_err(text);
            assert!(told.contains(words), "{text}: {told}");
        }
        for text in [r#"{"a":"\\u0000"}"#, r#"{"a":"\ud83d\ude00 1e-99999", "b":[1e-5, -0.25E+3]}"#, "{}"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
