//! A picture in which a few tenants changed is taken in by looking at these alone: what is shown then is what a dashboard
//! that never saw another picture shows.

use std::sync::Arc;

use proptest::prelude::*;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::{FileView, Snapshot};
use tenantui::model::job::JobId;
use tenantui::model::ledger::Version;
use tenantui::model::tenant::{FailedStep, Tenant};
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::State;

use super::desk::{Desk, FILES, snapshot, tenant};

/// What becomes of a tenant between two pictures; the first number says of which.
#[derive(Debug, Clone)]
enum Edit {
    /// This size.
    Size(usize, Option<u64>),
    /// So many keys.
    Keys(usize, u64),
    /// This slug.
    Slug(usize, String),
    /// At the first so many files, without the one of this number.
    Applied(usize, usize, usize),
    /// This status.
    Status(usize, Option<&'static str>),
    /// It failed, or not any more.
    Failed(usize, bool),
    /// It is gone.
    Gone(usize),
    /// There is one more.
    More(String),
    /// So many files are in the folder.
    Files(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0_usize..40;
    prop_oneof![
        4 => (at.clone(), prop::option::of(0_u64..50)).prop_map(|(at, size)| Edit::Size(at, size)),
        4 => (at.clone(), 0_u64..50).prop_map(|(at, keys)| Edit::Keys(at, keys)),
        3 => (at.clone(), "[ab]{1,4}").prop_map(|(at, slug)| Edit::Slug(at, slug)),
        4 => (at.clone(), 0_usize..5, 0_usize..5).prop_map(|(at, count, without)| Edit::Applied(at, count, without)),
        2 => (at.clone(), prop::sample::select(vec![None, Some("active"), Some("suspended")]))
            .prop_map(|(at, status)| Edit::Status(at, status)),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, failed)| Edit::Failed(at, failed)),
        1 => at.prop_map(Edit::Gone),
        1 => "[abc]{1,4}".prop_map(Edit::More),
        1 => (2_usize..5).prop_map(Edit::Files),
    ]
}

/// Nothing, or a key script that asks for another list.
fn script() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        ":sort size<Enter>",
        ":sort keys<Enter>",
        ":sort version<Enter>",
        ":sort behind<Enter>",
        ":sort status<Enter>",
        ":sort tenant<Enter>",
        "S",
        ":filter ab<Enter>",
        ":filter a !b<Enter>",
        ":filter b size>20B<Enter>",
        ":filter !size>20B<Enter>",
        ":filter behind>1<Enter>",
        ":filter !state:behind keys>10<Enter>",
        ":filter failed:yes<Enter>",
        ":filter a !version:none !status:active<Enter>",
        ":filter \"<Enter>",
        ":behind<Enter>",
        ":failed<Enter>",
        ":suspended<Enter>",
        "<Esc>",
    ])
}

/// The first tenant stays as it is: what a script may ask for hangs on the words that somebody has as status.
fn edited(picture: &mut Snapshot, edit: Edit) {
    let count = picture.tenants.len();
    let place = |at: usize| 1 + at % (count - 1);
    let mut change = |at: usize, what: &dyn Fn(&mut Tenant)| what(Arc::make_mut(&mut picture.tenants[place(at)]));
    match edit {
        Edit::Size(at, size) => change(at, &|tenant| tenant.size_bytes = size),
        Edit::Keys(at, keys) => change(at, &|tenant| tenant.cache_keys = Some(keys)),
        Edit::Slug(at, slug) => change(at, &|tenant| tenant.slug = slug.as_str().into()),
        Edit::Status(at, status) => change(at, &|tenant| tenant.status = status.map(Into::into)),
        Edit::Applied(at, applied, without) => change(at, &|of| {
            let key = of.key.clone();
            let stands = super::desk::tenant(&key.database, "x", 0, applied);
            (of.state, of.ledger) = (stands.state, stands.ledger);
            let pending = FILES.iter().enumerate().filter(|(file, _)| *file >= applied || *file == without);
            of.pending = Some(pending.map(|(_, version)| Version::new(version)).collect());
        }),
        Edit::Failed(at, failed) => change(at, &|tenant| {
            tenant.failed_step = failed
                .then(|| Arc::new(FailedStep { job: JobId(7), version: None, sqlstate: None, message: "x".into() }));
        }),
        Edit::Gone(at) => {
            if count > 2 {
                picture.tenants.remove(place(at));
            }
        }
        Edit::More(slug) => {
            let number = 1_000 + count + usize::try_from(picture.revision).expect("small");
            let database = picture.databases[0].name.clone();
            picture.tenants.push(Arc::new(tenant(&database, &slug, number, count % 5)));
        }
        Edit::Files(files) => {
            let files = FILES[..files].iter().map(|version| FileView {
                version: Version::new(version),
                name: "a-change".into(),
                has_down: true,
                notes: Vec::new(),
            });
            picture.databases[0].files = Some(files.collect());
        }
    }
}

fn seen(state: &State) -> (Vec<String>, String) {
    let tenants = &state.snapshot.tenants;
    let shown = state.tenants.shown.iter().map(|index| format!("{:?}", tenants[*index].key)).collect();
    let rest = (&state.counters, &state.migrations.groups, &state.tenants.extent);
    (shown, format!("{rest:#?}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_changed_is_shown_as_if_all_were_new(
        rounds in prop::collection::vec((script(), prop::collection::vec(edit(), 0..4)), 1..8),
        marks_at in 0_usize..8,
    ) {
        let mut picture = snapshot(Environment::Development);
        Arc::make_mut(&mut picture.tenants[0]).status = Some("suspended".into());
        for number in 0..34 {
            let database = picture.databases[0].name.clone();
            let slug = format!("{}-{number}", ["ab", "ba", "aab", "bb", "c"][number % 5]);
            picture.tenants.push(Arc::new(tenant(&database, &slug, 100 + number, number % 5)));
        }
        let mut desk = Desk::new(Environment::Development);
        desk.event(Event::Snapshot(Arc::new(picture.clone())));
        let mut so_far = String::new();
        for (round, (script, edits)) in rounds.into_iter().enumerate() {
            desk.keys(script);
            so_far.push_str(script);
            if round == marks_at {
                desk.keys("a");
            }
            picture.revision += 1;
            for edit in edits {
                edited(&mut picture, edit);
            }
            desk.event(Event::Snapshot(Arc::new(picture.clone())));
            let state = desk.app.state();
            let shown = state.tenants.shown.iter().filter(|index| {
                state.tenants.marks.contains(&state.snapshot.tenants[**index].key)
            });
            prop_assert_eq!(state.tenants.marks_hidden, state.tenants.marks.len() - shown.count());
        }
        // At the end alone: to begin anew costs more than all that went before, and other ways end where this one passed.
        let mut fresh = Desk::new(Environment::Development);
        // Its first picture is this one: everything is new to it.
        fresh.event(Event::Snapshot(Arc::new(picture.clone())));
        fresh.keys(&so_far);
        fresh.event(Event::Snapshot(Arc::new(Snapshot { tenants: Vec::new(), ..picture.clone() })));
        fresh.event(Event::Snapshot(Arc::new(picture)));
        prop_assert_eq!(seen(desk.app.state()), seen(fresh.app.state()), "after {}", so_far);
    }
}
