//! What holds of any fleet and any files.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const VERSIONS: [&str; 6] = ["1", "2", "3", "10", "20250101", "20250102"];

fn some_versions() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(VERSIONS.to_vec(), 0..=VERSIONS.len())
}

fn some_fleet() -> impl Strategy<Value = Vec<Tenant>> {
    let one = (some_versions(), 0..10_u64, prop::bool::ANY, 0..8_u8);
    prop::collection::vec(one, 0..12).prop_map(|tenants| {
        tenants
            .into_iter()
            .enumerate()
            .map(|(index, (versions, size, deleted, kind))| {
                let ledger = match kind {
                    0 => LedgerState::Absent,
                    1 => LedgerState::Unread,
                    2 => LedgerState::NoAccess("x".into()),
                    _ => at(&versions),
                };
                Tenant { deleted, size_bytes: Some(size), ..tenant(&format!("t{index}"), ledger) }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn once_a_plan_is_applied_nothing_is_pending(fleet in some_fleet(), files in some_versions(), canary in 0..4_u32) {
        let folder = folder(&files);
        let plan = made(fleet.clone(), &folder, PlanOptions { canary, ..options() });
        let mut steps = BTreeSet::new();
        for planned in &plan.tenants {
            prop_assert!(!planned.files.is_empty(), "a tenant with nothing to do is not planned");
            let tenant = fleet.iter().find(|tenant| tenant.key == planned.key).expect("of the fleet");
            prop_assert!(!tenant.deleted);
            let mut applied: Vec<&str> =
                tenant.ledger.reading().map(|reading| reading.applied.versions.iter().map(Version::raw).collect()).unwrap_or_default();
            for file in &planned.files {
                prop_assert!(!applied.contains(&file.version.raw()), "nothing runs twice");
                prop_assert!(steps.insert((planned.key.clone(), file.version.clone())), "steps are unique");
                applied.push(file.version.raw());
            }
            prop_assert_eq!(standing(&at(&applied), &folder).pending.map(|pending| pending.len()), Some(0));
        }
        prop_assert_eq!(steps.len(), plan.steps());
        let alive = fleet.iter().filter(|tenant| !tenant.deleted).count();
        prop_assert_eq!(plan.tenants.len() + plan.left_out.len() + plan.up_to_date, alive, "nobody is forgotten");
    }

    #[test]
    fn the_order_of_the_input_changes_nothing(fleet in some_fleet(), files in some_versions(), by in 0..12_usize) {
        let folder = folder(&files);
        let options = PlanOptions { canary: 2, ..options() };
        let plan = made(fleet.clone(), &folder, options.clone());
        let mut turned = fleet.clone();
        turned.rotate_left(by.min(fleet.len()));
        prop_assert_eq!(&made(turned, &folder, options.clone()), &plan);
        let mut reversed = fleet;
        reversed.reverse();
        prop_assert_eq!(&made(reversed, &folder, options), &plan);
    }
}
