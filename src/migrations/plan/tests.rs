mod driven;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::migrations::folder::{Folder, FolderFacts};
use crate::model::ledger::{AppliedSet, LedgerReading, LedgerState};
use crate::model::tenant::{Tenant, TenantState};

pub(super) fn database() -> DatabaseName {
    "eu-1".into()
}

pub(super) fn file(version: &str) -> Arc<MigrationFile> {
    Arc::new(MigrationFile {
        version: Version::new(version),
        name: "a-name".into(),
        path: PathBuf::from(format!("{version}-a-name.up.sql")),
        below: format!("{version}-a-name.up.sql"),
        position: version.parse().unwrap_or(0),
        is_code: false,
        sql: "select 1".into(),
        sha256: [version.len() as u8; 32],
        down: None,
        verify: None,
        statements: Vec::new(),
        transactional: true,
        findings: Vec::new(),
    })
}

pub(super) fn folder_of(tool: Tool, versions: &[&str]) -> Folder {
    let files = versions.iter().map(|version| file(version)).collect();
    Folder { path: PathBuf::from("migrations"), tool, files, notes: Vec::new(), facts: FolderFacts::default() }
}

pub(super) fn folder(versions: &[&str]) -> Folder {
    folder_of(Tool::Migratus, versions)
}

pub(super) fn ledger_of(tool: Tool, versions: &[&str]) -> LedgerReading {
    let versions: Vec<Version> = versions.iter().map(|version| Version::new(version)).collect();
    let current = versions.iter().max().cloned();
    let applied = Arc::new(AppliedSet { versions, current, ..AppliedSet::default() });
    LedgerReading { tool, table: "schema_migrations".into(), applied, dirty: false, locked: None }
}

pub(super) fn at(versions: &[&str]) -> LedgerState {
    LedgerState::Read(ledger_of(Tool::Migratus, versions))
}

pub(super) fn tenant(slug: &str, ledger: LedgerState) -> Tenant {
    Tenant {
        key: TenantKey::row(&database(), slug),
        id: Some(slug.into()),
        slug: slug.into(),
        name: None,
        status: Some("active".into()),
        plan: None,
        domains: Vec::new(),
        deleted: false,
        schema: Some(format!("tenant_{slug}").into()),
        schema_oid: Some(slug.bytes().map(u32::from).sum()),
        owner: None,
        state: TenantState::Behind,
        ledger,
        applied: None,
        pending: None,
        ahead: None,
        tables: None,
        size_bytes: Some(1_000),
        size_exact: false,
        cache_keys: None,
        created_at: None,
        changed: std::sync::Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}

pub(super) fn options() -> PlanOptions {
    PlanOptions {
        to: None,
        only: None,
        canary: 0,
        canary_tenants: Vec::new(),
        parallel: 4,
        batches: vec![5, 25],
        pause: Duration::ZERO,
        max_failures: 3,
        accept_changed: Vec::new(),
        allow: Vec::new(),
        command: None,
        run_as: crate::config::RunAs::Login,
    }
}

pub(super) fn made(tenants: Vec<Tenant>, folder: &Folder, options: PlanOptions) -> Plan {
    let tenants: Vec<Arc<Tenant>> = tenants.into_iter().map(Arc::new).collect();
    plan(&database(), &tenants, folder, options).expect("a plan")
}

/// Who runs which files.
pub(super) fn runs(plan: &Plan) -> Vec<(String, Vec<&str>)> {
    plan.tenants
        .iter()
        .map(|tenant| (tenant.slug.raw().to_owned(), tenant.files.iter().map(|file| file.version.raw()).collect()))
        .collect()
}

pub(super) fn left_out(plan: &Plan) -> Vec<(&str, &str)> {
    plan.left_out.iter().map(|left| (left.slug.raw(), left.why.raw())).collect()
}

mod properties;
mod rollout;

#[test]
fn pending_is_what_the_ledger_lacks_and_not_what_is_newer() {
    let standing = standing(&at(&["1", "3", "9"]), &folder(&["1", "2", "3", "4"]));
    let raw = |versions: Option<Arc<[Version]>>| {
        versions.map(|versions| versions.iter().map(|version| version.raw().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(standing.applied, Some(3));
    assert_eq!(raw(standing.pending), Some(vec!["2".into(), "4".into()]));
    assert_eq!(raw(standing.ahead), Some(vec!["9".into()]));
}

#[test]
fn unread_is_unknown_and_absent_is_nothing_applied() {
    let folder = folder(&["1", "2"]);
    for ledger in [
        LedgerState::Unread,
        LedgerState::NoAccess("x".into()),
        LedgerState::Unreadable { tool: None, why: "x".into() },
    ] {
        assert_eq!(standing(&ledger, &folder), Standing::default());
    }
    let absent = standing(&LedgerState::Absent, &folder);
    assert_eq!((absent.applied, absent.pending.map(|pending| pending.len())), (Some(0), Some(2)));
    let other = standing(&LedgerState::Read(ledger_of(Tool::Diesel, &["1"])), &folder);
    assert_eq!((other.applied, other.pending), (Some(1), None), "another tool's files say nothing of it");
}

#[test]
fn a_position_counts_files_up_to_it_and_a_failed_one_is_not_applied() {
    let folder = folder_of(Tool::GolangMigrate, &["1", "2", "3"]);
    let mut ledger = ledger_of(Tool::GolangMigrate, &["3"]);
    let count = |ledger: &LedgerReading| {
        let standing = standing(&LedgerState::Read(ledger.clone()), &folder);
        (
            standing.applied,
            standing.pending.map(|versions| versions.len()),
            standing.ahead.map(|versions| versions.len()),
        )
    };
    assert_eq!(count(&ledger), (Some(3), Some(0), Some(0)));
    ledger.dirty = true;
    assert_eq!(count(&ledger), (Some(2), Some(1), Some(0)));
    assert_eq!(count(&ledger_of(Tool::GolangMigrate, &["7"])), (Some(3), Some(0), Some(1)));
    assert_eq!(count(&ledger_of(Tool::GolangMigrate, &[])), (Some(0), Some(3), Some(0)));
}

#[test]
fn zeros_in_old_rails_ledgers_are_the_same_version() {
    let standing = standing(
        &LedgerState::Read(ledger_of(Tool::Rails, &["001", "2"])),
        &folder_of(Tool::Rails, &["1", "002", "3"]),
    );
    assert_eq!((standing.applied, standing.pending.map(|pending| pending.len())), (Some(2), Some(1)));
    assert_eq!(standing.ahead.map(|ahead| ahead.len()), Some(0));
}

#[test]
fn each_tenant_gets_what_it_lacks() {
    let mut suspended = tenant("suspended", at(&["1"]));
    suspended.status = Some("suspended".into());
    let mut deleted = tenant("deleted", at(&[]));
    deleted.deleted = true;
    let mut orphan = tenant("orphan", at(&[]));
    orphan.state = TenantState::OrphanSchema;
    let plan = made(
        vec![tenant("new", LedgerState::Absent), tenant("done", at(&["1", "2"])), suspended, deleted, orphan],
        &folder(&["1", "2"]),
        options(),
    );
    assert_eq!(runs(&plan), [("new".to_owned(), vec!["1", "2"]), ("suspended".to_owned(), vec!["2"])]);
    assert_eq!((plan.up_to_date, plan.steps()), (1, 3));
    assert_eq!(left_out(&plan), []);
    assert_eq!(plan.target, Some(Version::new("2")));
    assert_eq!(plan.files().iter().map(|file| file.version.raw()).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn who_cannot_be_migrated_is_left_out_by_name_and_reason() {
    let with = |slug: &str, change: fn(&mut Tenant)| {
        let mut tenant = tenant(slug, at(&["1"]));
        change(&mut tenant);
        tenant
    };
    let reading = |change: fn(&mut LedgerReading)| {
        let mut reading = ledger_of(Tool::Migratus, &["1"]);
        change(&mut reading);
        LedgerState::Read(reading)
    };
    let tenants = vec![
        with("a", |tenant| tenant.ledger = LedgerState::NoAccess("GRANT it".into())),
        with("b", |tenant| tenant.ledger = LedgerState::Unread),
        with("c", |tenant| tenant.ledger = LedgerState::Unreadable { tool: None, why: "odd".into() }),
        tenant("d", reading(|reading| reading.locked = Some("row -1".into()))),
        tenant("e", reading(|reading| reading.dirty = true)),
        tenant("f", reading(|reading| reading.tool = Tool::Sqlx)),
        with("g", |tenant| {
            tenant.state = TenantState::Conflict;
            tenant.problems = vec!["acme has it too".into()];
        }),
        with("h", |tenant| {
            tenant.state = TenantState::MissingSchema;
            tenant.schema_oid = None;
            tenant.ledger = LedgerState::Absent;
        }),
        with("i", |tenant| tenant.schema = Some("public".into())),
        with("j", |tenant| tenant.state = TenantState::Locked),
        with("k", |tenant| tenant.schema_oid = None),
    ];
    let plan = made(tenants, &folder(&["1", "2"]), options());
    assert_eq!(runs(&plan), []);
    let found = left_out(&plan);
    for (slug, word) in [
        ("a", "GRANT it"),
        ("b", "not been read"),
        ("c", "odd"),
        ("d", "locked: row -1"),
        ("e", "dirty"),
        ("f", "of sqlx, the files are of migratus"),
        ("g", "conflict: acme has it too"),
        ("h", "does not exist"),
        ("i", "system schema"),
        ("j", "locked"),
        ("k", "does not exist"),
    ] {
        assert!(found.iter().any(|(left, why)| *left == slug && why.contains(word)), "{slug}: {found:?}");
    }
    assert_eq!(found.len(), 11);
}

#[test]
fn nothing_pending_is_up_to_date_whatever_else_is_wrong() {
    let mut locked = ledger_of(Tool::Migratus, &["1", "2"]);
    locked.locked = Some("row -1".into());
    let mut dirty = ledger_of(Tool::Migratus, &["1", "2"]);
    dirty.dirty = true;
    let plan = made(
        vec![tenant("locked", LedgerState::Read(locked)), tenant("dirty", LedgerState::Read(dirty))],
        &folder(&["1", "2"]),
        options(),
    );
    assert_eq!(plan.up_to_date, 1);
    assert_eq!(left_out(&plan).len(), 1, "a recorded failure may have left something behind");
}

#[test]
fn ahead_is_migrated_with_a_warning() {
    let plan = made(vec![tenant("a", at(&["1", "7"]))], &folder(&["1", "2", "8"]), options());
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["2", "8"])]);
    let warnings: Vec<&str> = plan.tenants[0].warnings.iter().map(Untrusted::raw).collect();
    assert!(warnings[0].starts_with("ahead: it has 7"), "{warnings:?}");
    assert!(warnings[1].contains("1 pending below its version"), "{warnings:?}");
}

#[test]
fn to_and_only_bound_what_runs() {
    let fleet = || vec![tenant("a", at(&[])), tenant("b", at(&["1", "2"]))];
    let folder = folder(&["1", "2", "3"]);
    let to = made(fleet(), &folder, PlanOptions { to: Some(Version::new("2")), ..options() });
    assert_eq!(runs(&to), [("a".to_owned(), vec!["1", "2"])]);
    assert_eq!((to.up_to_date, to.target), (1, Some(Version::new("2"))));
    let only = made(fleet(), &folder, PlanOptions { only: Some(Version::new("3")), ..options() });
    assert_eq!(runs(&only), [("a".to_owned(), vec!["3"]), ("b".to_owned(), vec!["3"])]);
    let wrong = |options| plan(&database(), &[], &folder, options).expect_err("no plan").to_string();
    assert!(
        wrong(PlanOptions { to: Some(Version::new("9")), ..options() }).contains("no migration 9; the newest is 3")
    );
    let both = PlanOptions { to: Some(Version::new("1")), only: Some(Version::new("1")), ..options() };
    assert!(wrong(both).contains("exclude each other"));
}

#[test]
fn canaries_are_the_smallest_and_one_tenant_has_none() {
    let sized = |slug: &str, size| {
        let mut tenant = tenant(slug, at(&[]));
        tenant.size_bytes = size;
        tenant
    };
    let fleet =
        || vec![sized("d", Some(5)), sized("a", Some(70)), sized("c", Some(5)), sized("b", None), sized("e", Some(6))];
    let folder = folder(&["1"]);
    let slugs = |plan: &Plan| plan.tenants.iter().map(|tenant| tenant.slug.raw().to_owned()).collect::<String>();
    let plan = made(fleet(), &folder, PlanOptions { canary: 3, ..options() });
    assert_eq!((slugs(&plan), plan.canary), ("cdeab".to_owned(), 3));
    let none = made(fleet(), &folder, PlanOptions { canary: 0, ..options() });
    assert_eq!((slugs(&none), none.canary), ("abcde".to_owned(), 0));
    let single = made(vec![sized("a", None)], &folder, PlanOptions { canary: 1, ..options() });
    assert_eq!(single.canary, 0);
}

fn risky(version: &str, rule: &'static str, refuses: bool) -> Arc<MigrationFile> {
    let finding = Finding { rule, refuses, line: 3, message: "words".into() };
    Arc::new(MigrationFile { findings: vec![finding], ..(*file(version)).clone() })
}

#[test]
fn a_refused_file_refuses_the_plan_unless_it_is_allowed() {
    let mut folder = folder(&["1"]);
    folder.files.push(risky("2", "extension", true));
    folder.files.push(risky("3", "drop-column", false));
    let fleet = || vec![tenant("a", at(&[])), tenant("b", at(&["1"]))];
    let plan = made(fleet(), &folder, options());
    assert_eq!(plan.refusals.iter().map(|refusal| refusal.finding.rule).collect::<Vec<_>>(), ["extension"]);
    assert_eq!(plan.warnings.iter().map(Untrusted::raw).collect::<Vec<_>>(), ["3-a-name.up.sql:3: words"]);
    let lifted = PlanOptions { allow: vec![("2".into(), "extension".into())], ..options() };
    let plan = made(fleet(), &folder, lifted);
    assert_eq!((plan.refusals.len(), plan.warnings.len()), (0, 2));
    let another =
        PlanOptions { allow: vec![("1".into(), "extension".into()), ("2".into(), "nul".into())], ..options() };
    assert_eq!(made(fleet(), &folder, another).refusals.len(), 1);
    let to = PlanOptions { to: Some(Version::new("1")), ..options() };
    assert_eq!(made(fleet(), &folder, to).refusals.len(), 0, "a file that does not run does not count");
}

#[test]
fn changed_files_are_left_out_until_they_are_accepted() {
    let changed = Tenant { changed: [Version::new("1")].into(), ..tenant("a", at(&["1"])) };
    let tenants = vec![Arc::new(changed), Arc::new(tenant("b", at(&["1"])))];
    let folder = folder(&["1", "2"]);
    let first = plan(&database(), &tenants, &folder, options()).expect("a plan");
    assert_eq!(runs(&first), [("b".to_owned(), vec!["2"])]);
    assert!(left_out(&first)[0].1.contains("--accept-changed 1"), "{:?}", left_out(&first));
    let accepting = PlanOptions { accept_changed: vec![Version::new("1")], ..options() };
    let accepted = plan(&database(), &tenants, &folder, accepting).expect("a plan");
    assert_eq!(accepted.tenants.len(), 2);
}

#[test]
fn tools_that_are_not_written_say_so() {
    let folder = folder_of(Tool::Rails, &["1"]);
    let error = plan(&database(), &[], &folder, options()).expect_err("no plan").to_string();
    assert!(error.contains("rails ledgers are not written by tenantui"), "{error}");
    assert!(error.contains("command") && error.contains("[\"bin/rails\", \"db:migrate\"]"), "{error}");
}

#[test]
fn without_a_folder_siblings_are_the_reference() {
    let fleet = [at(&["1", "2"]), at(&["1", "3"]), LedgerState::Absent, LedgerState::Unread];
    let reference = fleet_reference(&fleet);
    assert_eq!(reference.target().map(Version::raw), Some("3"));
    let pending = |ledger: &LedgerState| {
        reference
            .standing(ledger)
            .pending
            .map(|pending| pending.iter().map(|version| version.raw().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(pending(&fleet[0]), Some(vec!["3".into()]));
    assert_eq!(pending(&fleet[2]), Some(vec!["1".into(), "2".into(), "3".into()]));
    assert_eq!(pending(&fleet[3]), None);
    assert_eq!(fleet_reference(&[]).standing(&LedgerState::Absent).pending.map(|pending| pending.len()), Some(0));

    let positions = ["1", "3", "2"].map(|version| LedgerState::Read(ledger_of(Tool::GolangMigrate, &[version])));
    let reference = fleet_reference(&positions);
    let behind = positions.iter().map(|ledger| reference.standing(ledger).pending.map(|pending| pending.len()));
    assert_eq!(behind.collect::<Vec<_>>(), [Some(2), Some(0), Some(1)]);
}

#[test]
fn the_hash_moves_with_everything_that_is_confirmed() {
    let fleet = || vec![tenant("a", at(&[])), tenant("b", at(&["1"]))];
    let base = made(fleet(), &folder(&["1", "2"]), options());
    assert_eq!(base.sha256(), made(fleet(), &folder(&["1", "2"]), options()).sha256());
    let mut hashes = BTreeSet::from([base.sha256()]);
    let changes: [fn(&mut Plan); 8] = [
        |plan| plan.database = "other".into(),
        |plan| plan.tenants[0].schema_oid += 1,
        |plan| plan.tenants[0].id = None,
        |plan| plan.tenants[0].slug = "x".into(),
        |plan| plan.tenants.swap(0, 1),
        |plan| plan.canary = 1,
        |plan| drop(plan.tenants[0].files.pop()),
        |plan| plan.tenants[0].files[0] = Arc::new(MigrationFile { sha256: [0; 32], ..(*file("1")).clone() }),
    ];
    for change in changes {
        let mut plan = base.clone();
        change(&mut plan);
        assert!(hashes.insert(plan.sha256()), "a change went unseen");
    }
}
