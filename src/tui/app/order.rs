//! The order of the tenants by one of their columns.

use std::cmp::Ordering;
use std::sync::Arc;

use super::filter::known;
use super::state::{Sort, TenantColumn};
use crate::model::ledger::Version;
use crate::model::tenant::Tenant;

/// Sorts positions by a column. The keys are taken out first: ten thousand tenants lie far apart in memory, and a
/// comparison of versions reads both of them.
pub(super) fn sort(shown: &mut [usize], tenants: &[Arc<Tenant>], sort: Sort) {
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

/// Compares two tenants as [`sort`] does; equal where their order is that of their positions.
pub(super) fn compare(a: &Tenant, b: &Tenant, sort: Sort) -> Ordering {
    fn by<'a, T: Ord>(a: &'a Tenant, b: &'a Tenant, down: bool, of: impl Fn(&'a Tenant) -> Option<T>) -> Ordering {
        known(of(a), of(b), down)
    }
    let down = sort.descending;
    match sort.column {
        TenantColumn::Tenant => by(a, b, down, |tenant| Some(tenant.slug.raw())),
        TenantColumn::Schema => by(a, b, down, |tenant| tenant.schema.as_ref().map(|schema| schema.raw())),
        TenantColumn::Status => by(a, b, down, |tenant| tenant.status.as_ref().map(|status| status.raw())),
        TenantColumn::Created => by(a, b, down, |tenant| tenant.created_at.as_ref().map(|created| created.raw())),
        TenantColumn::Database => by(a, b, down, |tenant| Some(&*tenant.key.database)),
        TenantColumn::Plan => by(a, b, down, |tenant| tenant.plan.as_ref().map(|plan| plan.raw())),
        TenantColumn::Owner => by(a, b, down, |tenant| tenant.owner.as_ref().map(|owner| owner.raw())),
        TenantColumn::State => by(a, b, down, |tenant| Some(tenant.state as u64)),
        TenantColumn::Behind => by(a, b, down, Tenant::pending_count),
        TenantColumn::Size => by(a, b, down, |tenant| tenant.size_bytes),
        TenantColumn::Keys => by(a, b, down, |tenant| tenant.cache_keys),
        TenantColumn::Version => by(a, b, down, Tenant::version),
        TenantColumn::Activity => Ordering::Equal,
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
}
