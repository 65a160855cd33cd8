//! Values as they are written: variables, durations, yes and no.

use std::time::Duration;

use crate::config::surroundings::Surroundings;

/// A word that means yes or no.
pub(in crate::config) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Replaces `${NAME}` by the variable's value and `$$` by a dollar.
pub(in crate::config) fn substitute(raw: &str, around: &Surroundings) -> Result<String, String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = name else {
            return Err("a dollar must be written $$ (or ${NAME} for a variable)".to_owned());
        };
        let is_name = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            return Err("between ${ and } must stand the name of an environment variable".to_owned());
        }
        match around.variable(name) {
            Ok(Some(value)) => out.push_str(&value),
            Ok(None) => return Err(format!("the environment variable {name} is not set")),
            Err(error) => return Err(error.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// A duration with its unit, within a range.
pub(in crate::config) fn parse_duration(text: &str, (min, max): (Duration, Duration)) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit_ms: u64 = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("must be a whole number with its unit: ms, s, min or h, such as \"5s\"".to_owned()),
    };
    let duration = text[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms)).map(Duration::from_millis);
    duration
        .filter(|duration| (min..=max).contains(duration))
        .ok_or_else(|| format!("must be from {} to {}", show_duration(min), show_duration(max)))
}

fn show_duration(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: (Duration, Duration) = (Duration::ZERO, Duration::MAX);

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("500ms", ANY), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration(" 5 s ", ANY), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("10min", ANY), Ok(Duration::from_secs(600)));
        for wrong in ["", "5", "s", "5m", "-5s", "5.5s", "99999999999999999999h"] {
            assert!(parse_duration(wrong, ANY).is_err(), "{wrong}");
        }
        let refused = parse_duration("2h", (Duration::from_millis(500), Duration::from_secs(3_600)));
        assert_eq!(refused, Err("must be from 500ms to 1h".to_owned()));
    }

    #[test]
    fn variables_are_put_in_once() {
        let around = Surroundings::fixed([("A", "${B}$"), ("B", "b")]);
        assert_eq!(substitute("x${A}y${B}$$z", &around), Ok("x${B}$yb$z".to_owned()));
        for wrong in ["$", "$x", "${", "${}", "${1A}", "${A B}", "${UNSET}"] {
            assert!(substitute(wrong, &around).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_doubled_dollar_survives(text in "[^$]*", more in "[^$]*") {
            let around = Surroundings::fixed([("", "")]);
            prop_assert_eq!(substitute(&format!("{text}$${more}"), &around), Ok(format!("{text}${more}")));
        }

        #[test]
        fn no_duration_panics(text in any::<String>()) {
            let _ = parse_duration(&text, ANY);
        }
    }
}
