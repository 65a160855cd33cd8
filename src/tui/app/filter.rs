//! Which tenants a filter shows, best first. Words are fuzzy over slug, name, schema, id and database; fzf's signs work
//! (`'exact`, `^start`, `end$`, `!not`), and all are needed. Tests of fields (`plan:pro`) are those of `model::filter`.

use std::cmp::Ordering;
use std::sync::Arc;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::state::{QuickFilter, Sort, State, TenantColumn};
use crate::model::filter::Filter;
use crate::model::ledger::Version;
use crate::model::tenant::{Tenant, TenantState};

/// Matches texts against what was typed.
pub struct Fuzzy {
    matcher: Matcher,
    words: Vec<Pattern>,
    buffer: Vec<char>,
}

impl Fuzzy {
    /// For this input; empty input matches everything.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let words = typed
            .split_whitespace()
            .map(|word| Pattern::parse(word, CaseMatching::Ignore, Normalization::Smart))
            .collect();
        Self { matcher: Matcher::new(Config::DEFAULT), words, buffer: Vec::new() }
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

/// Positions of the tenants to show, in order.
#[must_use]
pub fn shown(state: &State) -> Vec<usize> {
    let tenants = &state.snapshot.tenants;
    let filter = &state.tenants;
    let mut shown: Vec<usize> = tenants
        .iter()
        .enumerate()
        .filter(|(_, tenant)| {
            state.only_database.as_ref().is_none_or(|only| *only == tenant.key.database)
                && filter.quick.as_ref().is_none_or(|quick| quick_matches(quick, tenant, state))
        })
        .map(|(index, _)| index)
        .collect();
    if filter.filter.trim().is_empty() {
        sort(&mut shown, tenants, filter.sort);
        return shown;
    }
    // What is not understood shows nothing, and the message line says why: a part of a filter is another set.
    let Ok(wanted) = Filter::parse(&filter.filter) else { return Vec::new() };
    shown.retain(|index| wanted.fields_fit(&tenants[*index]));
    let mut fuzzy = Fuzzy::new(&wanted.words());
    let mut scores = std::collections::HashMap::new();
    shown.retain(|index| {
        let tenant = &tenants[*index];
        let fields = [
            Some(tenant.slug.raw()),
            tenant.name.as_ref().map(|text| text.raw()),
            tenant.schema.as_ref().map(|text| text.raw()),
            tenant.id.as_ref().map(|text| text.raw()),
            Some(&*tenant.key.database),
        ];
        let score = fuzzy.score(fields.into_iter().flatten());
        if let Some(score) = score {
            scores.insert(*index, score);
        }
        score.is_some()
    });
    sort(&mut shown, tenants, filter.sort);
    // A stable sort: the chosen order stays among those that match equally well.
    shown.sort_by_key(|index| std::cmp::Reverse(scores.get(index).copied()));
    shown
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
    keyed.sort_by(|a, b| known(a.0.as_ref(), b.0.as_ref(), descending).then(a.1.cmp(&b.1)));
    for (place, (_, index)) in shown.iter_mut().zip(keyed) {
        *place = index;
    }
}

enum Keys<'a> {
    Text(Vec<Option<&'a str>>),
    Number(Vec<Option<u64>>),
}

fn keys<'a>(shown: &[usize], tenants: &'a [Arc<Tenant>], column: TenantColumn) -> Keys<'a> {
    let all = || shown.iter().map(|index| &*tenants[*index]);
    match column {
        TenantColumn::Tenant => Keys::Text(all().map(|tenant| Some(tenant.slug.raw())).collect()),
        TenantColumn::Schema => Keys::Text(all().map(|tenant| tenant.schema.as_ref().map(|s| s.raw())).collect()),
        TenantColumn::Status => Keys::Text(all().map(|tenant| tenant.status.as_ref().map(|s| s.raw())).collect()),
        TenantColumn::Created => Keys::Text(all().map(|tenant| tenant.created_at.as_ref().map(|c| c.raw())).collect()),
        TenantColumn::Database => Keys::Text(all().map(|tenant| Some(&*tenant.key.database)).collect()),
        TenantColumn::State => Keys::Number(all().map(|tenant| Some(tenant.state as u64)).collect()),
        TenantColumn::Behind => Keys::Number(all().map(|tenant| tenant.pending_count().map(|n| n as u64)).collect()),
        TenantColumn::Size => Keys::Number(all().map(|tenant| tenant.size_bytes).collect()),
        TenantColumn::Keys => Keys::Number(all().map(|tenant| tenant.cache_keys).collect()),
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
fn known<T: Ord>(a: Option<T>, b: Option<T>, descending: bool) -> Ordering {
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

    #[test]
    fn words_are_all_needed_and_may_match_different_fields() {
        let mut fuzzy = Fuzzy::new("acm eu");
        assert!(fuzzy.score(["acme-corp", "eu-1"].into_iter()).is_some());
        assert!(fuzzy.score(["acme-corp", "us-1"].into_iter()).is_none());
        assert!(Fuzzy::new("").score_one("anything").is_some());
        assert!(Fuzzy::new("!acme").score(["acme", "eu-1"].into_iter()).is_none());
    }

    #[test]
    fn unknown_comes_last_in_both_directions() {
        assert_eq!(known(Some(1), None, false), Ordering::Less);
        assert_eq!(known(Some(1), None, true), Ordering::Less);
        assert_eq!(known(Some(1), Some(2), true), Ordering::Greater);
    }
}
