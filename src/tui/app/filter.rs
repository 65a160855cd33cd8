//! The words of a filter: fuzzy, and fzf's signs work (`'exact`, `^start`, `end$`, `!not`); all are needed.

use std::cmp::Ordering;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::model::filter::Word;

/// Matches texts against what was typed. It is kept while one types: its memory is set up once.
#[derive(Debug, Clone)]
pub struct Fuzzy {
    matcher: Matcher,
    words: Vec<Pattern>,
    buffer: Vec<char>,
}

impl Default for Fuzzy {
    fn default() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT), words: Vec::new(), buffer: Vec::new() }
    }
}

impl Fuzzy {
    /// For this input; empty input matches everything.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let mut fuzzy = Self::default();
        fuzzy.look_for(typed);
        fuzzy
    }

    /// For this input from now on.
    pub fn look_for(&mut self, typed: &str) {
        self.words = typed.split_whitespace().map(pattern).collect();
    }

    /// For these words of a filter from now on.
    pub(super) fn look_for_words(&mut self, words: &[Word]) {
        self.words = words.iter().map(|word| pattern(&sign(word))).collect();
    }

    /// The score of something with several fields: each word has to match one of them (and a `!word` all of them).
    pub fn score<'a, I: Iterator<Item = &'a str> + Clone>(&mut self, fields: I) -> Option<u32> {
        let mut total = 0;
        for word in &self.words {
            let negative = word.atoms.first().is_some_and(|atom| atom.negative);
            let mut best: Option<u32> = None;
            for field in fields.clone() {
                let score = word.score(Utf32Str::new(field, &mut self.buffer), &mut self.matcher);
                if negative && score.is_none() {
                    return None;
                }
                best = best.max(score);
            }
            total += best?;
        }
        Some(total)
    }

    /// The score of one text.
    pub fn score_one(&mut self, text: &str) -> Option<u32> {
        self.score(std::iter::once(text))
    }
}

fn pattern(word: &str) -> Pattern {
    Pattern::parse(word, CaseMatching::Ignore, Normalization::Smart)
}

/// A word as the matcher reads it: spaces are part of it, and `!` is one only where the filter has one.
fn sign(word: &Word) -> String {
    let text = word.text.split(char::is_whitespace).collect::<Vec<_>>().join("\\ ");
    match (word.negated, text.starts_with('!')) {
        (true, _) => format!("!{text}"),
        (false, true) => format!("\\{text}"),
        (false, false) => text,
    }
}

/// Unknown comes last in both directions.
pub(super) fn known<T: Ord>(a: Option<T>, b: Option<T>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            if descending {
                b.cmp(&a)
            } else {
                a.cmp(&b)
            }
        }
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Filter;

    #[test]
    fn words_are_all_needed_and_may_match_different_fields() {
        let mut fuzzy = Fuzzy::new("acm eu");
        assert!(fuzzy.score(["acme-corp", "eu-1"].into_iter()).is_some());
        assert!(fuzzy.score(["acme-corp", "us-1"].into_iter()).is_none());
        assert!(Fuzzy::new("").score_one("anything").is_some());
        assert!(Fuzzy::new("!acme").score(["acme", "eu-1"].into_iter()).is_none());
    }

    #[test]
    fn quotes_keep_spaces_and_signs_in_a_word() {
        let scores = |filter: &str, text: &str| {
            let mut fuzzy = Fuzzy::default();
            fuzzy.look_for_words(Filter::parse(filter).expect("a filter").words());
            fuzzy.score_one(text).is_some()
        };
        assert!(scores("\"'blue fox\"", "a blue fox ltd") && !scores("\"'blue fox\"", "blue red fox"));
        assert!(scores("'blue 'fox", "blue red fox"));
        assert!(scores("\"!now\"", "act !now") && !scores("\"!now\"", "later"));
        assert!(scores("!now", "later") && !scores("!now", "now"));
    }

    #[test]
    fn unknown_comes_last_in_both_directions() {
        assert_eq!(known(Some(1), None, false), Ordering::Less);
        assert_eq!(known(Some(1), None, true), Ordering::Less);
        assert_eq!(known(Some(1), Some(2), true), Ordering::Greater);
    }
}
