//! Who goes first, and how long it takes.

use proptest::prelude::*;

use super::*;
use crate::model::times::StepTime;

fn took(mean_ms: u64, runs: u32) -> StepTime {
    StepTime { mean_ms, longest_ms: mean_ms, runs, last_at: jiff::Timestamp::UNIX_EPOCH }
}

fn times(of: &[(&str, u64, u32)]) -> Arc<StepTimes> {
    Arc::new(of.iter().map(|(version, ms, runs)| (Version::new(version), took(*ms, *runs))).collect())
}

fn fleet(count: usize) -> Vec<Tenant> {
    (0..count).map(|number| tenant(&format!("t{number:02}"), at(&[]))).collect()
}

fn slugs(plan: &Plan) -> Vec<&str> {
    plan.tenants.iter().map(|tenant| tenant.slug.raw()).collect()
}

#[test]
fn canaries_that_are_named_go_first_in_that_order() {
    let named = |names: &[&str]| PlanOptions {
        canary_tenants: names.iter().map(|name| (*name).to_owned()).collect(),
        ..options()
    };
    let folder = folder(&["1"]);
    // By slug and by schema; twice the same is once.
    let plan = made(fleet(5), &folder, named(&["t03", "tenant_t01", "t03"]));
    assert_eq!((slugs(&plan), plan.canary), (vec!["t03", "t01", "t00", "t02", "t04"], 2));
    let alone = made(fleet(1), &folder, named(&["t00"]));
    assert_eq!(alone.canary, 0, "with a single tenant there is none");
}

#[test]
fn a_canary_that_is_not_migrated_is_an_error_with_the_reason() {
    let mut tenants = fleet(3);
    tenants[1].ledger = LedgerState::Read(LedgerReading { dirty: true, ..ledger_of(Tool::Migratus, &[]) });
    let plan = made(tenants, &folder(&["1"]), options());
    let error = |name: &str| plan.with_canary(Canary::parse(name)).expect_err("refused").to_string();
    assert!(error("t01").contains("it is left out: dirty"), "{}", error("t01"));
    assert!(error("nobody\u{1b}").starts_with("nobody\\e cannot be a canary: it is not among the tenants chosen"));
}

#[test]
fn another_canary_changes_the_order_and_nothing_else() {
    let plan = made(fleet(6), &folder(&["1", "2"]), PlanOptions { canary: 1, ..options() });
    let other = plan.with_canary(Canary::parse("t04 t02")).expect("a plan");
    assert_eq!((slugs(&other)[..2].to_vec(), other.canary), (vec!["t04", "t02"], 2));
    assert_ne!(other.sha256(), plan.sha256(), "what is confirmed is another order");
    assert_eq!(other.with_canary(Canary::parse("1")).expect("a plan"), plan, "and back");
    assert_eq!(plan.with_canary(Canary::parse(" ")).expect("a plan").canary, 0);
}

#[test]
fn what_is_typed_as_canary_is_a_number_or_names() {
    assert_eq!(Canary::parse("2"), Canary::Smallest(2));
    assert_eq!(Canary::parse(""), Canary::Smallest(0));
    assert_eq!(Canary::parse("acme, globex"), Canary::Named(vec!["acme".into(), "globex".into()]));
    assert_eq!(Canary::parse("7up"), Canary::Named(vec!["7up".into()]));
}

#[test]
fn time_goes_by_lanes_batches_and_pauses() {
    let folder = folder(&["1", "2"]);
    let known = times(&[("1", 1_000, 20), ("2", 3_000, 4)]);
    let estimate =
        |count: usize, options: PlanOptions| made(fleet(count), &folder, options).with_times(&known).estimate;
    let plain = || PlanOptions { batches: Vec::new(), parallel: 4, ..options() };
    // 8 tenants of 4 s on 4 lanes.
    assert_eq!(estimate(8, plain()).total_ms, Some(8_000));
    assert_eq!(estimate(9, plain()).total_ms, Some(12_000), "the last lane runs alone");
    assert_eq!(estimate(8, PlanOptions { parallel: 64, ..plain() }).total_ms, Some(4_000));
    // The canary alone, then a batch of 3, then the rest: 4 of them on 4 lanes.
    let batches = PlanOptions { canary: 1, batches: vec![3], ..plain() };
    assert_eq!(estimate(8, batches.clone()).total_ms, Some(12_000));
    let pause = PlanOptions { pause: Duration::from_secs(30), ..batches };
    assert_eq!(estimate(8, pause).total_ms, Some(72_000), "two pauses: after the canary and after the batch");
    let no_canary = PlanOptions { pause: Duration::from_secs(30), batches: vec![3], ..plain() };
    assert_eq!(estimate(8, no_canary).total_ms, Some(42_000), "nothing is waited for before the first batch");
    assert_eq!(estimate(8, plain()).basis(), "from the last 4 to 20 runs of each version");
    assert_eq!(estimate(0, plain()), Estimate { runs: None, ..Estimate::default() });
}

#[test]
fn what_all_share_takes_its_turn() {
    let mut folder = folder(&["1"]);
    folder.files = vec![super::risky("1", "public-table", false)];
    let plan = made(fleet(8), &folder, PlanOptions { batches: Vec::new(), ..options() });
    assert_eq!(plan.with_times(&times(&[("1", 1_000, 1)])).estimate.total_ms, Some(8_000));
}

#[test]
fn a_version_that_never_ran_makes_the_time_unknown() {
    let plan = made(fleet(2), &folder(&["1", "2"]), options()).with_times(&times(&[("1", 1_000, 20)]));
    assert_eq!((plan.estimate.total_ms, plan.estimate.seconds()), (None, None));
    assert_eq!(plan.estimate.basis(), "2 has not run here yet");
    assert_eq!(plan.tenant_ms(&plan.tenants[0]), None);
    let nothing = made(fleet(2), &folder(&["1", "2"]), options());
    assert_eq!(nothing.estimate.basis(), "1 and 1 more have not run here yet", "no times were given");
}

proptest! {
    #[test]
    fn no_order_is_faster_than_all_lanes_at_work(
        count in 1..40_usize, parallel in 1..8_u32, canary in 0..3_u32, batches in prop::collection::vec(1..9_u32, 0..4)
    ) {
        let options = PlanOptions { parallel, canary, batches, ..options() };
        let plan = made(fleet(count), &folder(&["1"]), options).with_times(&times(&[("1", 100, 2)]));
        let total = plan.estimate.total_ms.expect("known");
        let work = 100 * count as u64;
        prop_assert!(total * u64::from(parallel) >= work && total <= work, "{total} for {work}");
    }
}
