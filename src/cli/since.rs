//! `--since`: a point in time, or a length of time before now.

/// A point in time: as it is given, or so long before now.
///
/// # Errors
/// What is wanted.
pub fn parse(text: &str) -> Result<jiff::Timestamp, String> {
    at(text, jiff::Timestamp::now())
}

fn at(text: &str, now: jiff::Timestamp) -> Result<jiff::Timestamp, String> {
    const HELP: &str = "a length of time such as 90m, 12h or 7d, or a time such as 2026-02-14T10:30:00Z, is wanted";
    let ago = text.strip_suffix(|unit: char| unit.is_ascii_alphabetic()).filter(|number| !number.is_empty());
    if let Some(number) = ago.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
        let unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            Some(_) | None => return Err(HELP.to_owned()),
        };
        let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
        let since = seconds.and_then(|seconds| now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok());
        return since.ok_or_else(|| "that is too long ago".to_owned());
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time);
    }
    // A date, or a time without a zone: where the operator is.
    let local = text.parse::<jiff::civil::DateTime>().ok();
    let local = local.or_else(|| text.parse::<jiff::civil::Date>().ok().map(|date| date.at(0, 0, 0, 0)));
    let zoned = local.and_then(|local| local.to_zoned(jiff::tz::TimeZone::system()).ok());
    zoned.map(|zoned| zoned.timestamp()).ok_or_else(|| HELP.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_of_time_or_a_time() {
        let now: jiff::Timestamp = "2026-02-14T10:30:00Z".parse().expect("a time");
        let before = |text: &str| at(text, now).map(|since| now.as_second() - since.as_second());
        assert_eq!(before("90m"), Ok(5_400));
        assert_eq!(before("7d"), Ok(604_800));
        assert_eq!(before("2026-02-14T10:00:00Z"), Ok(1_800));
        assert_eq!(before("2026-02-14T12:00:00+02:00"), Ok(1_800));
        assert!(before("2026-02-14").is_ok());
        for wrong in ["", "d", "7y", "yesterday", "-3h", "99999999999999d", "3 h"] {
            assert!(before(wrong).is_err(), "{wrong}");
        }
    }
}
