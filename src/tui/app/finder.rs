//! Which tenants a filter shows, best first. Words are looked for in slug, name, schema, id, domain and database; tests
//! of fields (`plan:pro`) are those of `model::filter`.
//!
//! While one types, the order is kept and only tenants that matched before are looked at again, where what was typed can
//! only leave some of them out. When a picture comes, only tenants that changed are.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::filter::Fuzzy;
use super::order::{compare, sort};
use super::state::{QuickFilter, Sort, State};
use crate::model::filter::{Filter, Word};
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, Tenant, TenantState};

/// What is kept between two keys of a filter, and two pictures.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    fuzzy: Fuzzy,
    /// What `all` was made for.
    by: Option<Asked>,
    /// Positions of the tenants that the words and fields are asked of, in order.
    all: Vec<usize>,
    /// The last filter that was understood, and how well each tenant fitted it, by position.
    last: Option<(Filter, Vec<Option<u32>>)>,
}

/// Finds the tenants to show, anew: the order, the quick filter or the marks changed, or the tenants are others.
pub fn find(state: &mut State) {
    let tenants = &state.snapshot.tenants;
    let belongs = |(_, tenant): &(usize, &Arc<Tenant>)| belongs(tenant, state);
    let mut all: Vec<usize> = tenants.iter().enumerate().filter(belongs).map(|(index, _)| index).collect();
    sort(&mut all, tenants, state.tenants.sort);
    state.tenants.finder.all = all;
    state.tenants.finder.by = Some(asked(state));
    state.tenants.finder.last = None;
    search(state);
}

/// Finds the tenants to show where only the text of the filter changed since.
pub fn search(state: &mut State) {
    let mut finder = std::mem::take(&mut state.tenants.finder);
    state.tenants.shown = finder.search(state);
    state.tenants.finder = finder;
}

/// Finds the tenants to show where only these changed since the picture before. Whether the rows are the same.
pub fn follow(state: &mut State, changed: &[usize], before: &Snapshot) -> bool {
    let mut finder = std::mem::take(&mut state.tenants.finder);
    if finder.by.as_ref() != Some(&asked(state)) || changed.len() > state.snapshot.tenants.len() / 8 {
        state.tenants.finder = finder;
        find(state);
        return false;
    }
    finder.place_anew(state, changed, before);
    let shown = finder.search_anew(state, changed);
    let same = shown == state.tenants.shown;
    state.tenants.shown = shown;
    state.tenants.finder = finder;
    same
}

/// What the tenants that words are asked of hang on, besides themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    sort: Sort,
    only: Option<DatabaseName>,
    quick: Option<QuickFilter>,
    /// The schemas in the trash, where orphans are asked for: whose is there is none.
    trash: Vec<(DatabaseName, u32)>,
}

fn asked(state: &State) -> Asked {
    let quick = state.tenants.quick.clone();
    let views = state.snapshot.databases.iter().filter(|_| quick == Some(QuickFilter::Orphans));
    let trash = views.flat_map(|view| view.trash.iter().map(|trashed| (view.name.clone(), trashed.schema_oid)));
    let trash = trash.collect();
    Asked { sort: state.tenants.sort, only: state.only_database.clone(), quick, trash }
}

/// Whether the rows hang on something that is another now, although the tenants are the same.
pub fn is_outdated(state: &State) -> bool {
    state.tenants.finder.by.as_ref() != Some(&asked(state))
}

fn belongs(tenant: &Tenant, state: &State) -> bool {
    state.only_database.as_ref().is_none_or(|only| *only == tenant.key.database)
        && state.tenants.quick.as_ref().is_none_or(|quick| quick_matches(quick, tenant, state))
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
        let last = self.last.take().filter(|(filter, _)| narrows(filter, &wanted));
        let fitted =
            |index: usize| last.as_ref().is_none_or(|(_, scores)| scores.get(index).is_some_and(Option::is_some));
        self.fuzzy.look_for_words(wanted.words());
        let mut scores = vec![None; state.snapshot.tenants.len()];
        for index in self.all.iter().copied().filter(|index| fitted(*index)) {
            scores[index] = score(&mut self.fuzzy, &wanted, index, state);
        }
        self.last = Some((wanted, scores));
        self.rows()
    }

    /// Puts tenants that changed into their places in the order.
    fn place_anew(&mut self, state: &State, changed: &[usize], before: &Snapshot) {
        let (tenants, order) = (&state.snapshot.tenants, state.tenants.sort);
        let moved = changed.iter().copied().filter(|place| match (before.tenants.get(*place), tenants.get(*place)) {
            (Some(old), Some(new)) => belongs(old, state) != belongs(new, state) || compare(old, new, order).is_ne(),
            (_, _) => true,
        });
        let moved: HashSet<usize> = moved.collect();
        if moved.is_empty() {
            return;
        }
        self.all.retain(|place| !moved.contains(place));
        for place in moved {
            let Some(tenant) = tenants.get(place).filter(|tenant| belongs(tenant, state)) else { continue };
            let comes_before = |other: &usize| {
                tenants.get(*other).is_some_and(|of| compare(of, tenant, order).then(other.cmp(&place)).is_lt())
            };
            let at = self.all.partition_point(comes_before);
            self.all.insert(at, place);
        }
    }

    /// The rows, where only these tenants changed.
    fn search_anew(&mut self, state: &State, changed: &[usize]) -> Vec<usize> {
        let wanted = Filter::parse_with(&state.tenants.filter, &state.filters).ok();
        // Whoever has an age may have reached it since: each picture is another moment.
        let kept = self.last.take().filter(|(filter, scores)| {
            Some(filter) == wanted.as_ref() && !filter.hangs_on_time() && scores.len() == state.snapshot.tenants.len()
        });
        let Some((filter, mut scores)) = kept else { return self.search(state) };
        self.fuzzy.look_for_words(filter.words());
        for place in changed {
            scores[*place] = score(&mut self.fuzzy, &filter, *place, state);
        }
        self.last = Some((filter, scores));
        self.rows()
    }

    /// Those that fitted, best first.
    fn rows(&self) -> Vec<usize> {
        let Some((_, scores)) = &self.last else { return self.all.clone() };
        let score = |index: usize| scores.get(index).copied().flatten();
        let mut found: Vec<(u32, usize)> = self.all.iter().filter_map(|index| Some((score(*index)?, *index))).collect();
        // A stable sort: the chosen order stays among those that match equally well.
        found.sort_by_key(|(score, _)| Reverse(*score));
        found.into_iter().map(|(_, index)| index).collect()
    }
}

/// How well a tenant fits; `None` where it does not.
fn score(fuzzy: &mut Fuzzy, wanted: &Filter, index: usize, state: &State) -> Option<u32> {
    let tenant = state.snapshot.tenants.get(index)?;
    if !wanted.fields_fit(tenant, state.now.wall) {
        return None;
    }
    let fields = [
        Some(tenant.slug.raw()),
        tenant.name.as_ref().map(|text| text.raw()),
        tenant.schema.as_ref().map(|text| text.raw()),
        tenant.id.as_ref().map(|text| text.raw()),
        Some(&*tenant.key.database),
    ];
    let domains = tenant.domains.iter().map(|domain| domain.raw());
    fuzzy.score(fields.into_iter().flatten().chain(domains))
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

fn quick_matches(quick: &QuickFilter, tenant: &Tenant, state: &State) -> bool {
    match quick {
        QuickFilter::State(wanted) => tenant.state == *wanted,
        QuickFilter::Failed => tenant.failed_step.is_some(),
        QuickFilter::Deleted => tenant.deleted,
        QuickFilter::Status(word) => tenant.status.as_ref() == Some(word),
        QuickFilter::Slug(slug) => tenant.slug == *slug,
        QuickFilter::Active => state.is_active(tenant),
        QuickFilter::Suspended => state.is_suspended(tenant),
        // The row of a dropped tenant has no schema, as it should be: it has a way back of its own.
        QuickFilter::Orphans => {
            matches!(tenant.state, TenantState::MissingSchema | TenantState::OrphanSchema)
                && !state.snapshot.is_dropped(tenant)
        }
        QuickFilter::Marked => state.tenants.marks.contains(&tenant.key),
        QuickFilter::Version(version) => {
            tenant.version() == version.as_ref() && super::derive::counts_for_versions(tenant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
