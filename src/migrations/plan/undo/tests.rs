use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::migrations::folder::Finding;
use crate::migrations::plan::tests::{
    at, database, file, folder, folder_of, ledger_of, left_out, made, options, runs, tenant,
};

/// A folder whose files all have down files.
fn both_ways(versions: &[&str]) -> Folder {
    let mut folder = folder(versions);
    for file in &mut folder.files {
        let down = MigrationFile { sha256: [9; 32], ..(**file).clone() };
        *file = Arc::new(MigrationFile { down: Some(Arc::new(down)), ..(**file).clone() });
    }
    folder
}

fn undone(tenants: Vec<Tenant>, folder: &Folder, direction: Direction, reach: &Reach) -> Plan {
    let tenants: Vec<Arc<Tenant>> = tenants.into_iter().map(Arc::new).collect();
    undo(&database(), &tenants, folder, (direction, reach), options()).expect("a plan")
}

fn stays(plan: &Plan) -> Vec<Option<&str>> {
    plan.tenants.iter().map(|tenant| tenant.stays.as_ref().map(Version::raw)).collect()
}

#[test]
fn the_newest_are_undone_first_and_what_stays_is_known() {
    let folder = both_ways(&["1", "2", "3"]);
    let tenants = || vec![tenant("a", at(&["1", "2", "3"])), tenant("b", at(&["1"])), tenant("c", at(&[]))];
    let plan = undone(tenants(), &folder, Direction::Down, &Reach::Steps(2));
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["3", "2"]), ("b".to_owned(), vec!["1"])]);
    assert_eq!((stays(&plan), plan.up_to_date, plan.steps()), (vec![Some("1"), None], 1, 3));
    assert_eq!(plan.target, None);
    let to = undone(tenants(), &folder, Direction::Down, &Reach::To(Version::new("1")));
    assert_eq!((runs(&to), to.up_to_date), (vec![("a".to_owned(), vec!["3", "2"])], 2));
    assert_eq!(to.target.as_ref().map(Version::raw), Some("1"));
    let redo = undone(tenants(), &folder, Direction::Again, &Reach::Steps(1));
    assert_eq!((redo.steps(), redo.scripts().len()), (4, 4));
    assert_ne!(redo.sha256(), undone(tenants(), &folder, Direction::Down, &Reach::Steps(1)).sha256());
}

#[test]
fn a_tenant_that_cannot_be_undone_is_left_out_with_the_reason() {
    let folder = both_ways(&["1", "2", "4"]);
    let mut no_down = folder.clone();
    no_down.files[2] = file("4");
    let other = LedgerState::Read(ledger_of(Tool::Diesel, &["1"]));
    let mut dirty = ledger_of(Tool::Migratus, &["1"]);
    dirty.dirty = true;
    let mut locked = ledger_of(Tool::Migratus, &["1"]);
    locked.locked = Some("row -1".into());
    let tenants = vec![
        tenant("a", at(&["1", "4"])),
        tenant("b", at(&["1", "3"])),
        tenant("c", other),
        tenant("d", LedgerState::Read(dirty)),
        tenant("e", LedgerState::Read(locked)),
        tenant("f", at(&["1", "2"])),
        tenant("g", LedgerState::Absent),
    ];
    let plan = undone(tenants, &no_down, Direction::Down, &Reach::Steps(1));
    assert_eq!(runs(&plan), [("f".to_owned(), vec!["2"])]);
    let words: Vec<&str> = left_out(&plan).into_iter().map(|(_, why)| why).collect();
    assert_eq!(words.len(), 5, "{words:?}");
    for (word, part) in words.iter().zip(["no down file", "there is no file", "is of diesel", "dirty", "locked"]) {
        assert!(word.contains(part), "{word}");
    }
    // Not applied here, and something newer is: nothing says how far down that is.
    let to = undone(vec![tenant("a", at(&["1", "4"]))], &folder, Direction::Down, &Reach::To(Version::new("2")));
    assert_eq!(left_out(&to), [("a", "2 is not applied here, so nothing can be undone down to it")]);
}

#[test]
fn tools_without_a_way_back_refuse_in_words() {
    for tool in [Tool::Flyway, Tool::Refinery, Tool::Prisma] {
        let error = undo(&database(), &[], &folder_of(tool, &["1"]), (Direction::Down, &Reach::Steps(1)), options());
        assert!(error.expect_err("refused").to_string().contains("keeps no files that undo"), "{tool}");
    }
}

#[test]
fn a_ledger_without_history_is_undone_file_by_file_below_its_position() {
    let folder = folder_of(Tool::GolangMigrate, &["1", "2", "5"]);
    let reading = |at: &[&str]| ledger_of(Tool::GolangMigrate, at);
    let versions = |reading| {
        newest_first(&reading, &folder).map(|found| found.iter().map(|v| v.raw().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(versions(reading(&["5"])), Ok(vec!["5".into(), "2".into(), "1".into()]));
    assert_eq!(versions(reading(&[])), Ok(Vec::new()));
    assert!(versions(reading(&["3"])).expect_err("no file").raw().contains("there is no file"));
}

#[test]
fn what_plan_time_refuses_in_a_down_file_is_found() {
    let mut folder = both_ways(&["1"]);
    let finding = Finding { rule: "transaction-control", refuses: true, line: 3, message: "ends".into() };
    let down = MigrationFile { findings: vec![finding], ..(*file("1")).clone() };
    folder.files[0] = Arc::new(MigrationFile { down: Some(Arc::new(down)), ..(*file("1")).clone() });
    let plan = undone(vec![tenant("a", at(&["1"]))], &folder, Direction::Down, &Reach::Steps(1));
    assert_eq!(plan.refusals.len(), 1);
    // The other way the down file does not run, and nobody looks at it.
    assert!(made(vec![tenant("a", at(&[]))], &folder, options()).refusals.is_empty());
}

proptest! {
    /// Whatever is applied and however far it is undone, the files that are pending then are those that were pending
    /// before and those that were undone: applying them gives the same set.
    #[test]
    fn a_rollback_and_a_migration_give_the_same_set(applied in proptest::collection::btree_set(1_u32..9, 0..8), steps in 1_u32..10) {
        let names: Vec<String> = (1..9).map(|n: u32| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let folder = both_ways(&names);
        let ledger = |versions: &BTreeSet<u32>| {
            let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
            at(&versions.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let plan = undone(vec![tenant("a", ledger(&applied))], &folder, Direction::Down, &Reach::Steps(steps));
        let mut left = applied.clone();
        let mut last = u32::MAX;
        for file in plan.tenants.iter().flat_map(|tenant| &tenant.files) {
            let version: u32 = file.version.raw().parse().expect("a number");
            prop_assert!(version < last, "newest first");
            prop_assert!(left.iter().all(|other| *other <= version), "nothing newer stays");
            prop_assert!(left.remove(&version), "only what is applied");
            last = version;
        }
        prop_assert_eq!(applied.len() - left.len(), applied.len().min(steps as usize));
        let newest = left.iter().max().map(u32::to_string);
        if let Some(tenant) = plan.tenants.first() {
            prop_assert_eq!(tenant.stays.as_ref().map(|version| version.raw().to_owned()), newest);
        }
        let up = made(vec![tenant("a", ledger(&left))], &folder, options());
        let pending: BTreeSet<u32> = up.tenants.iter().flat_map(|t| &t.files).map(|f| f.version.raw().parse().expect("a number")).collect();
        let all: BTreeSet<u32> = left.union(&pending).copied().collect();
        prop_assert_eq!(all, (1..9).collect::<BTreeSet<u32>>());
        prop_assert!(applied.difference(&left).all(|version| pending.contains(version)));
    }
}
