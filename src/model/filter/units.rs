//! Numbers with units: counts, sizes, ages.

/// A time unit as it is written, and its seconds; the largest first.
const AGES: [(&str, u64); 6] =
    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// `12`, `2k`, `1.5M`: in thousands.
pub(super) fn count(text: &str) -> Option<u64> {
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
pub(super) fn bytes(text: &str) -> Option<u64> {
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

/// `30d`, `12h`, `90min`, `2w`, `1y`: in seconds. A year has 365 days. A number alone is no age.
pub(super) fn age(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "min" => "m".to_owned(),
        other => other.to_owned(),
    };
    AGES.iter().find(|(name, _)| *name == unit).and_then(|(_, seconds)| times(number, *seconds))
}

/// An age in the largest unit that says it exactly.
pub(super) fn show_age(seconds: u64) -> String {
    let unit = AGES.iter().find(|(_, of)| seconds >= *of && seconds.is_multiple_of(*of));
    unit.map_or_else(|| format!("{seconds}s"), |(name, of)| format!("{}{name}", seconds / of))
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
