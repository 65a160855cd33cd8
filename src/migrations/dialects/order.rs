//! How versions of a tool follow each other.

use std::cmp::Ordering;

use super::leading_digits;
use crate::model::ledger::Version;

/// How versions of a tool follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// As numbers where they are digits.
    Number,
    /// As text, byte by byte.
    Text,
    /// Numbers parted by dots, one after the other; a part that is missing is 0 (Flyway).
    Parts,
    /// By the number in front of a name: an index, or a time in milliseconds or with 17 digits as UTC; then by the name
    /// (node-pg-migrate).
    Stamp,
    /// As the ledger lists them: the order in which they were applied. The files say what comes next.
    AsListed,
}

impl Order {
    /// Compares two versions as the tool does.
    #[must_use]
    pub fn compare(self, a: &Version, b: &Version) -> Ordering {
        match self {
            Self::Number => a.cmp(b),
            Self::Text => a.raw().cmp(b.raw()),
            Self::Parts => by_parts(a.raw(), b.raw()),
            Self::Stamp => by_stamp(a.raw(), b.raw()),
            Self::AsListed => Ordering::Equal,
        }
    }
}

/// Compares runs of digits of any length as numbers.
fn as_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn by_parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let ordering = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => as_numbers(a.unwrap_or("0"), b.unwrap_or("0")),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn by_stamp(a: &str, b: &str) -> Ordering {
    let stamp = |name: &str| leading_digits(name).map_or_else(|| "0".to_owned(), |(digits, _)| milliseconds(digits));
    as_numbers(&stamp(a), &stamp(b)).then_with(|| by_name(a, b)).then_with(|| a.cmp(b))
}

/// Seventeen digits are a time in UTC, and stand for its milliseconds since 1970.
fn milliseconds(digits: &str) -> String {
    let utc = || {
        let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
        let small = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
        let nanoseconds = i32::from(part(14, 17)?) * 1_000_000;
        let (year, month, day) = (part(0, 4)?, small(4, 6)?, small(6, 8)?);
        let time =
            jiff::civil::DateTime::new(year, month, day, small(8, 10)?, small(10, 12)?, small(12, 14)?, nanoseconds);
        Some(time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond().to_string())
    };
    (digits.len() == 17).then(utc).flatten().unwrap_or_else(|| digits.to_owned())
}

/// Names as JavaScript's `localeCompare` orders them with numbers as numbers and punctuation left out, as far as that
/// goes without a table of all languages.
fn by_name(a: &str, b: &str) -> Ordering {
    let words = |name: &str| {
        let mut words: Vec<String> = Vec::new();
        let mut in_digits = false;
        for letter in name.chars().filter(|letter| letter.is_alphanumeric()) {
            if letter.is_ascii_digit() != in_digits || words.is_empty() {
                in_digits = letter.is_ascii_digit();
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
        }
        words
    };
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let (a, b) = (words(a), words(b));
    for (a, b) in a.iter().zip(&b) {
        let ordering = if is_number(a) && is_number(b) { as_numbers(a, b) } else { a.cmp(b) };
        if ordering.is_ne() {
            return ordering;
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(order: Order, versions: &[&str]) -> Vec<String> {
        let mut versions: Vec<Version> = versions.iter().map(|version| Version::new(version)).collect();
        versions.sort_by(|a, b| order.compare(a, b));
        versions.iter().map(|version| version.raw().to_owned()).collect()
    }

    #[test]
    fn flyways_versions_are_ordered_part_by_part() {
        assert_eq!(
            sorted(Order::Parts, &["10", "2.1", "2", "1.10", "1.9", "20250101120000.1"]),
            ["1.9", "1.10", "2", "2.1", "10", "20250101120000.1"]
        );
        let equal = |a: &str, b: &str| Order::Parts.compare(&Version::new(a), &Version::new(b)).is_eq();
        assert!(equal("1", "1.0") && equal("1.0.0", "1") && equal("01.02", "1.2") && !equal("1", "1.0.1"));
    }

    #[test]
    fn node_pg_migrates_names_are_ordered_by_their_stamp() {
        // 17 digits are a time in UTC: 2025-01-01 00:00:00.000 is 1735689600000 in milliseconds.
        assert_eq!(
            sorted(
                Order::Stamp,
                &["1735689600001_c", "20250101000000000_b", "1735689599999_a", "0002_index", "10_x", "9_y"]
            ),
            ["0002_index", "9_y", "10_x", "1735689599999_a", "20250101000000000_b", "1735689600001_c"]
        );
        assert_eq!(sorted(Order::Stamp, &["1_b10", "1_b9", "1_a-c", "1_ab"]), ["1_ab", "1_a-c", "1_b9", "1_b10"]);
    }
}
