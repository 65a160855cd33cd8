//! Which tenants a filter shows, best first. Fuzzy over slug, name, schema, id and database; fzf's signs work
//! (`'exact`, `^start`, `end$`, `!not`), words are all needed.

use std::cmp::Ordering;
use std::sync::Arc;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::state::{QuickFilter, Sort, State, TenantColumn};
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
    let candidates = tenants.iter().enumerate().filter(|(_, tenant)| {
        state.only_database.as_ref().is_none_or(|only| *only == tenant.key.database)
            && filter.quick.as_ref().is_none_or(|quick| quick_matches(quick, tenant, state))
    });
    let order = |a: usize, b: usize| compare(&tenants[a], &tenants[b], filter.sort).then(a.cmp(&b));
    if filter.filter.trim().is_empty() {
        let mut shown: Vec<usize> = candidates.map(|(index, _)| index).collect();
        shown.sort_by(|a, b| order(*a, *b));
        return shown;
    }
    let mut fuzzy = Fuzzy::new(&filter.filter);
    let mut scored: Vec<(u32, usize)> = candidates
        .filter_map(|(index, tenant)| {
            let fields = [
                Some(tenant.slug.raw()),
                tenant.name.as_ref().map(|text| text.raw()),
                tenant.schema.as_ref().map(|text| text.raw()),
                tenant.id.as_ref().map(|text| text.raw()),
                Some(&*tenant.key.database),
            ];
            fuzzy.score(fields.into_iter().flatten()).map(|score| (score, index))
        })
        .collect();
    scored.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| order(a.1, b.1)));
    scored.into_iter().map(|(_, index)| index).collect()
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

fn compare(a: &Tenant, b: &Tenant, sort: Sort) -> Ordering {
    let down = sort.descending;
    match sort.column {
        TenantColumn::Tenant => known(Some(&a.slug), Some(&b.slug), down),
        TenantColumn::Schema => known(a.schema.as_ref(), b.schema.as_ref(), down),
        TenantColumn::State => known(Some(a.state), Some(b.state), down),
        TenantColumn::Version => known(a.version(), b.version(), down),
        TenantColumn::Behind => known(a.pending_count(), b.pending_count(), down),
        TenantColumn::Size => known(a.size_bytes, b.size_bytes, down),
        TenantColumn::Keys => known(a.cache_keys, b.cache_keys, down),
        TenantColumn::Status => known(a.status.as_ref(), b.status.as_ref(), down),
        TenantColumn::Created => known(a.created_at.as_ref(), b.created_at.as_ref(), down),
        TenantColumn::Database => known(Some(&a.key.database), Some(&b.key.database), down),
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
