//! Which tenants a filter shows, best first. Words are fuzzy over slug, name, schema, id, domain and database; fzf's
//! signs work (`'exact`, `^start`, `end$`, `!not`), and all are needed. Tests of fields (`plan:pro`) are those of
//! `model::filter`.
//!
//! While one types, the order is kept and only tenants that matched before are looked at again, where what was typed can
//! only leave some of them out.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::state::{QuickFilter, Sort, State, TenantColumn};
use crate::model::filter::{Filter, Word};
use crate::model::ledger::Version;
use crate::model::tenant::{Tenant, TenantState};

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
    fn look_for_words(&mut self, words: &[Word]) {
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

/// What is kept between two keys of a filter.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    fuzzy: Fuzzy,
    /// Positions of the tenants that the words and fields are asked of, in order.
    all: Vec<usize>,
    /// The last filter that was understood, and which of `all` fitted it, in their order.
    last: Option<(Filter, Vec<usize>)>,
}

/// Finds the tenants to show, anew: the picture, the order, the quick filter or the marks changed.
pub fn find(state: &mut State) {
    let tenants = &state.snapshot.tenants;
    let mut all: Vec<usize> = tenants
        .iter()
        .enumerate()
        .filter(|(_, tenant)| {
            state.only_database.as_ref().is_none_or(|only| *only == tenant.key.database)
                && state.tenants.quick.as_ref().is_none_or(|quick| quick_matches(quick, tenant, state))
        })
        .map(|(index, _)| index)
        .collect();
    sort(&mut all, tenants, state.tenants.sort);
    state.tenants.finder.all = all;
    state.tenants.finder.last = None;
    search(state);
}

/// Finds the tenants to show where only the text of the filter changed since.
pub fn search(state: &mut State) {
    let mut finder = std::mem::take(&mut state.tenants.finder);
    state.tenants.shown = finder.search(state);
    state.tenants.finder = finder;
}

impl Finder {
    fn search(&mut self, state: &State) -> Vec<usize> {
        let text = &state.tenants.filter;
        if text.trim().is_empty() {
            self.last = None;
            return self.all.clone();
        }
        // What is not understood shows nothing, and the message line says why: a part of a filter is another set.
        let Ok(wanted) = Filter::parse_with(text, &state.filters) else { return Vec::new() };
        let last = self.last.take();
        let among = match &last {
            Some((filter, fitted)) if narrows(filter, &wanted) => fitted,
            Some(_) | None => &self.all,
        };
        self.fuzzy.look_for_words(wanted.words());
        let mut found: Vec<(u32, usize)> = Vec::with_capacity(among.len());
        for index in among {
            let Some(tenant) = state.snapshot.tenants.get(*index) else { continue };
            if !wanted.fields_fit(tenant, state.now.wall) {
                continue;
            }
            let fields = [
                Some(tenant.slug.raw()),
                tenant.name.as_ref().map(|text| text.raw()),
                tenant.schema.as_ref().map(|text| text.raw()),
                tenant.id.as_ref().map(|text| text.raw()),
                Some(&*tenant.key.database),
            ];
            let domains = tenant.domains.iter().map(|domain| domain.raw());
            if let Some(score) = self.fuzzy.score(fields.into_iter().flatten().chain(domains)) {
                found.push((score, *index));
            }
        }
        self.last = Some((wanted, found.iter().map(|(_, index)| *index).collect()));
        // A stable sort: the chosen order stays among those that match equally well.
        found.sort_by_key(|(score, _)| Reverse(*score));
        found.into_iter().map(|(_, index)| index).collect()
    }
}

/// Whether whoever fits the new filter fitted the old one: nothing but letters were added to its words, or terms.
fn narrows(old: &Filter, new: &Filter) -> bool {
    // Of a word with signs, a longer one may match more: `!ab` lets through what `!a` did not.
    let plain =
        |word: &Word| !word.negated && word.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let longer =
        |(old, new): (&Word, &Word)| old == new || (plain(old) && plain(new) && new.text.starts_with(&old.text));
    new.has_fields_of(old) && new.words().len() >= old.words().len() && old.words().iter().zip(new.words()).all(longer)
}

/// Sorts positions by a column. The keys are taken out first: ten thousand tenants lie far apart in memory, and a
/// comparison of versions reads both of them.
fn sort(shown: &mut [usize], tenants: &[Arc<Tenant>], sort: Sort) {
    match keys(shown, tenants, sort.column) {
        Keys::Text(keys) => place(shown, keys, sort.descending),
        Keys::Number(keys) => place(shown, keys, sort.descending),
    }
}

fn place<T: Ord>(shown: &mut [usize], keys: Vec<Option<T>>, descending: bool) {
    let mut keyed: Vec<(Option<T>, usize)> = keys.into_iter().zip(shown.iter().copied()).collect();
    // No two are equal, so a stable sort would give the same.
    keyed.sort_unstable_by(|a, b| known(a.0.as_ref(), b.0.as_ref(), descending).then(a.1.cmp(&b.1)));
    for (place, (_, index)) in shown.iter_mut().zip(keyed) {
        *place = index;
    }
}

enum Keys<'a> {
    Text(Vec<Option<Text<'a>>>),
    Number(Vec<Option<u64>>),
}

/// A text of many that begin alike, as what it is compared by: the bytes behind what all have in common, the first eight
/// of them as a number that needs no look elsewhere in memory. What a database holds has no zero bytes, so that an end
/// comes before any letter.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a> {
    head: u64,
    rest: &'a [u8],
}

fn texts<'a>(all: impl Iterator<Item = Option<&'a str>>) -> Keys<'a> {
    let all: Vec<Option<&[u8]>> = all.map(|text| text.map(str::as_bytes)).collect();
    let alike = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let known = || all.iter().copied().flatten();
    let first = known().next().unwrap_or_default();
    let common = known().map(|text| alike(first, text)).min().unwrap_or_default();
    let key = |text: &'a [u8]| {
        let text = &text[common..];
        let (here, rest) = text.split_at(text.len().min(8));
        let mut head = [0; 8];
        head[..here.len()].copy_from_slice(here);
        Text { head: u64::from_be_bytes(head), rest }
    };
    Keys::Text(all.iter().map(|text| text.map(key)).collect())
}

fn keys<'a>(shown: &[usize], tenants: &'a [Arc<Tenant>], column: TenantColumn) -> Keys<'a> {
    let all = || shown.iter().map(|index| &*tenants[*index]);
    match column {
        TenantColumn::Tenant => texts(all().map(|tenant| Some(tenant.slug.raw()))),
        TenantColumn::Schema => texts(all().map(|tenant| tenant.schema.as_ref().map(|s| s.raw()))),
        TenantColumn::Status => texts(all().map(|tenant| tenant.status.as_ref().map(|s| s.raw()))),
        TenantColumn::Created => texts(all().map(|tenant| tenant.created_at.as_ref().map(|c| c.raw()))),
        TenantColumn::Database => texts(all().map(|tenant| Some(&*tenant.key.database))),
        TenantColumn::Plan => texts(all().map(|tenant| tenant.plan.as_ref().map(|plan| plan.raw()))),
        TenantColumn::Owner => texts(all().map(|tenant| tenant.owner.as_ref().map(|owner| owner.raw()))),
        TenantColumn::State => Keys::Number(all().map(|tenant| Some(tenant.state as u64)).collect()),
        TenantColumn::Behind => Keys::Number(all().map(|tenant| tenant.pending_count().map(|n| n as u64)).collect()),
        TenantColumn::Size => Keys::Number(all().map(|tenant| tenant.size_bytes).collect()),
        TenantColumn::Keys => Keys::Number(all().map(|tenant| tenant.cache_keys).collect()),
        // Nobody sorts by it: the order of the picture.
        TenantColumn::Activity => Keys::Number(all().map(|_| None).collect()),
        TenantColumn::Version => {
            // A fleet stands at few versions: each gets its place once.
            let distinct: std::collections::HashSet<&Version> = all().filter_map(Tenant::version).collect();
            let mut distinct: Vec<&Version> = distinct.into_iter().collect();
            distinct.sort();
            let places: std::collections::HashMap<&Version, u64> = distinct.into_iter().zip(0..).collect();
            Keys::Number(all().map(|tenant| tenant.version().and_then(|v| places.get(v).copied())).collect())
        }
    }
}

fn quick_matches(quick: &QuickFilter, tenant: &Arc<Tenant>, state: &State) -> bool {
    match quick {
        QuickFilter::State(wanted) => tenant.state == *wanted,
        QuickFilter::Failed => tenant.failed_step.is_some(),
        QuickFilter::Deleted => tenant.deleted,
        QuickFilter::Status(word) => tenant.status.as_ref() == Some(word),
        QuickFilter::Orphans => matches!(tenant.state, TenantState::MissingSchema | TenantState::OrphanSchema),
        QuickFilter::Marked => state.tenants.marks.contains(&tenant.key),
        QuickFilter::Version(version) => {
            tenant.version() == version.as_ref() && super::derive::counts_for_versions(tenant)
        }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_that_begin_alike_are_sorted_as_texts(
            common in "[a-c]{0,9}",
            ends in prop::collection::vec(prop::option::of("[abé]{0,12}"), 0..20),
            descending: bool,
        ) {
            let all: Vec<Option<String>> = ends.iter().map(|end| end.as_ref().map(|end| format!("{common}{end}"))).collect();
            let mut shown: Vec<usize> = (0..all.len()).collect();
            let mut plain = shown.clone();
            plain.sort_by(|a, b| known(all[*a].as_ref(), all[*b].as_ref(), descending));
            match texts(all.iter().map(Option::as_deref)) {
                Keys::Text(keys) => place(&mut shown, keys, descending),
                Keys::Number(_) => panic!("texts are texts"),
            }
            prop_assert_eq!(shown, plain);
        }
    }

    #[test]
    fn words_are_all_needed_and_may_match_different_fields() {
        let mut fuzzy = Fuzzy::new("acm eu");
        assert!(fuzzy.score(["acme-corp", "eu-1"].into_iter()).is_some());
        assert!(fuzzy.score(["acme-corp", "us-1"].into_iter()).is_none());
        assert!(Fuzzy::new("").score_one("anything").is_some());
        assert!(Fuzzy::new("!acme").score(["acme", "eu-1"].into_iter()).is_none());
    }

    #[test]
    fn only_what_leaves_tenants_out_is_narrowed() {
        let narrow = |old: &str, new: &str| {
            narrows(&Filter::parse(old).expect("a filter"), &Filter::parse(new).expect("a filter"))
        };
        for (old, new) in [
            ("a", "ac"),
            ("ac", "ac me"),
            ("ac", "ac plan:pro"),
            ("plan:pro a", "plan:pro ab"),
            ("!x a", "!x ab"),
            ("", "a"),
        ] {
            assert!(narrow(old, new), "{old} to {new}");
        }
        for (old, new) in [
            ("ac", "a"),
            ("!a", "!ab"),
            ("^a", "^ab"),
            ("a$", "ab$"),
            ("ab", "b ab"),
            ("plan:pr", "plan:pro"),
            ("behind>1 a", "behind>0 a"),
            ("a", "a|b"),
        ] {
            assert!(!narrow(old, new), "{old} to {new}");
        }
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
