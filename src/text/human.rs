//! Numbers as people read them: sizes, counts, ages, times.

/// Bytes as `pg_size_pretty` reads: `640 MB`, `1.2 GB`; binary units.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1024.0, &["B", "kB", "MB", "GB", "TB", "PB"]);
    if unit == "B" || value >= 9.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Bytes in at most five columns, for lists: `640M`, `1.2G`.
#[must_use]
pub fn short_bytes(bytes: u64) -> String {
    short(bytes, 1024.0, &["", "K", "M", "G", "T", "P"])
}

/// A count in at most four columns, for lists: `901`, `8k`, `1.9M`.
#[must_use]
pub fn short_count(count: u64) -> String {
    short(count, 1000.0, &["", "k", "M", "G", "T", "P"])
}

fn short(number: u64, base: f64, units: &[&'static str]) -> String {
    let (value, unit) = scaled(number, base, units);
    if unit.is_empty() || value >= 9.95 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}").replace(".0", "")
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
fn scaled(number: u64, base: f64, units: &[&'static str]) -> (f64, &'static str) {
    let mut value = number as f64;
    let mut unit = 0;
    while value >= base - 0.5 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    (value, units[unit])
}

/// A whole number with thousands apart: `1,203`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 tenant`, `1,203 tenants`: a number of things whose word takes an s.
#[must_use]
pub fn counted(count: impl TryInto<u64>, word: &str) -> String {
    // No number of things is larger or negative.
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {word}{plural}", grouped(count))
}

/// An age in one unit: `3s`, `4m`, `2h`, `9d`.
#[must_use]
pub fn short_age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration as a stopwatch shows it: `02:10`, `1:02:10`.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes:02}:{rest:02}") }
}

/// A time that somebody set: `500 ms`, `30 s`, `10 min`; `none` for no time at all.
#[must_use]
pub fn duration(time: std::time::Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (0, _) => "none".to_owned(),
        (millis, _) if millis % 1_000 != 0 => format!("{millis} ms"),
        (_, seconds) if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        (_, seconds) if seconds % 60 == 0 => format!("{} min", seconds / 60),
        (_, seconds) => format!("{seconds} s"),
    }
}

/// How long something took before, short: `120ms`, `1.2s`, `40s`, `9min`, `2h`.
#[must_use]
pub fn rough_time(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds}ms"),
        1_000..10_000 => format!("{}.{}s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        10_000..90_000 => format!("{}s", (milliseconds + 500) / 1_000),
        90_000..5_400_000 => format!("{}min", (milliseconds + 30_000) / 60_000),
        _ => format!("{}h", (milliseconds + 1_800_000) / 3_600_000),
    }
}

/// Time left in words: `about 40 s`, `about 4 min`, `about 2 h`.
#[must_use]
pub fn time_left(seconds: u64) -> String {
    match seconds {
        0..90 => format!("about {seconds} s"),
        90..5_400 => format!("about {} min", (seconds + 30) / 60),
        _ => format!("about {} h", (seconds + 1_800) / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_like_the_servers() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1_310_720), "1.2 MB");
        assert_eq!(short_bytes(1_288_490_188), "1.2G");
        assert_eq!(short_bytes(660_602_880), "630M");
        assert_eq!(short_count(8_123), "8.1k");
        assert_eq!(short_count(901), "901");
        assert_eq!(grouped(1_203_000), "1,203,000");
        assert_eq!(clock(130), "02:10");
    }

    #[test]
    fn one_thing_has_no_s() {
        let words = [0, 1, 2, 1_203].map(|count| counted(count, "tenant"));
        assert_eq!(words, ["0 tenants", "1 tenant", "2 tenants", "1,203 tenants"]);
    }
}
