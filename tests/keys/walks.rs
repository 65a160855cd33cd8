//! Properties: random keys over random fleets at random sizes.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::job::{JobEvent, JobKind, JobState};
use tenantui::model::tenant::{DatabaseName, TenantState};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;

use super::desk::{Desk, context, database, job, tenant};
use crate::faults::{Dice, count, report};

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Picture(Vec<(u16, usize, u8)>),
    Job(usize, u32),
    Wait(u16),
    Resize(u16, u16),
    Frame,
}

fn key() -> impl Strategy<Value = (KeyCode, KeyModifiers)> {
    let letters = prop::sample::select("jkgGhlaubvsSrp+-yenrcftiMNRCXqW/:?[]123 .xyz".chars().collect::<Vec<_>>())
        .prop_map(|c| (KeyCode::Char(c), KeyModifiers::NONE));
    let named = prop::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(3),
    ])
    .prop_map(|code| (code, KeyModifiers::NONE));
    let held =
        prop::sample::select(vec!['c', 'd', 'u', 'w', 'z']).prop_map(|c| (KeyCode::Char(c), KeyModifiers::CONTROL));
    prop_oneof![6 => letters, 5 => named, 1 => held]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        20 => key().prop_map(|(code, held)| Happening::Key(code, held)),
        1 => any::<String>().prop_map(Happening::Paste),
        2 => prop::collection::vec((0..40_u16, 0..5_usize, 0..12_u8), 0..30).prop_map(Happening::Picture),
        2 => (0..JobState::ALL.len(), 0..4_u32).prop_map(|(state, failed)| Happening::Job(state, failed)),
        1 => (0..2_000_u16).prop_map(Happening::Wait),
        1 => (0..220_u16, 0..60_u16).prop_map(|(columns, rows)| Happening::Resize(columns, rows)),
        8 => Just(Happening::Frame),
    ]
}

fn picture(environment: Environment, revision: u64, tenants: &[(u16, usize, u8)]) -> Snapshot {
    let name: DatabaseName = "eu-1".into();
    let mut seen = std::collections::BTreeSet::new();
    Snapshot {
        revision,
        databases: vec![database("eu-1", environment)],
        tenants: tenants
            .iter()
            .filter(|(number, _, _)| seen.insert(*number))
            .map(|(number, applied, state)| {
                let mut tenant = tenant(&name, &format!("t{number}"), usize::from(*number), *applied);
                tenant.state = TenantState::ALL[usize::from(*state)];
                tenant.deleted = *state == 7;
                Arc::new(tenant)
            })
            .collect(),
        shared: Vec::new(),
        jobs: Vec::new(),
        detail: None,
        vitals: Vec::new(),
        activity: Arc::default(),
    }
}

fn walk(environment: Environment, happenings: &[Happening], mut check: impl FnMut(&Desk, &[Command])) {
    let mut desk = Desk::new(environment);
    desk.event(Event::Contexts(Arc::new(vec![context()])));
    for (revision, happening) in happenings.iter().enumerate() {
        match happening {
            Happening::Key(code, held) => desk.event(Event::Key(KeyEvent::new(*code, *held))),
            Happening::Paste(text) => desk.event(Event::Paste(text.clone())),
            Happening::Picture(tenants) => {
                desk.event(Event::Snapshot(Arc::new(picture(environment, revision as u64 + 2, tenants))));
            }
            Happening::Job(state, failed) => {
                let job = job(7, JobKind::Migrate, JobState::ALL[*state], [9, 9 - failed, *failed, 0]);
                desk.event(Event::Job(JobEvent::Job(Box::new(job))));
            }
            Happening::Wait(millis) => desk.wait(Duration::from_millis(u64::from(*millis))),
            Happening::Resize(columns, rows) => {
                desk.event(Event::Resize { columns: *columns, rows: *rows });
                desk.terminal = Terminal::new(TestBackend::new(*columns, *rows)).expect("terminal");
                desk.draw();
            }
            Happening::Frame => {
                desk.draw();
            }
        }
        let commands = std::mem::take(&mut desk.commands);
        check(&desk, &commands);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_walk_panics_and_the_cursor_is_where_its_tenant_is(happenings in prop::collection::vec(happening(), 0..120)) {
        walk(Environment::Development, &happenings, |desk, _| {
            let state = desk.app.state();
            if let Some(tenant) = state.shown_tenant(state.tenants.list.at) {
                assert_eq!(state.tenants.list.cursor.as_ref(), Some(&tenant.key));
            } else {
                assert!(state.tenants.shown.is_empty(), "the cursor is beside the list");
            }
        });
    }

    #[test]
    fn with_the_lock_closed_no_walk_writes(happenings in prop::collection::vec(happening(), 0..160)) {
        walk(Environment::Production, &happenings, |desk, commands| {
            if !desk.is_open("eu-1") {
                let writing: Vec<&Command> = commands.iter().filter(|command| command.writes()).collect();
                assert!(writing.is_empty(), "{writing:?}");
            }
        });
    }

    #[test]
    fn every_size_is_drawn(columns in 0..260_u16, rows in 0..80_u16, screen in 0..6_usize) {
        let mut desk = Desk::new(Environment::Production);
        desk.keys(["1", "2", "3", "1<Enter>", ":", "?"][screen]);
        desk.event(Event::Resize { columns, rows });
        desk.terminal = Terminal::new(TestBackend::new(columns, rows)).expect("terminal");
        desk.draw();
        desk.keys("jkG");
    }
}

/// Keys for walks that go on for long: what opens, chooses, types and confirms.
const STEPS: [&str; 44] = [
    "j",
    "k",
    "<Down>",
    "<Up>",
    "<Enter>",
    "<Enter>",
    "<Enter>",
    "<Enter>",
    "<Tab>",
    "<Tab>",
    "<Tab>",
    "<S-Tab>",
    "<Esc>",
    "<Space>",
    "a",
    "v",
    "u",
    "1",
    "2",
    "3",
    "M",
    "M",
    "N",
    "D",
    "U",
    "R",
    "X",
    "P",
    "C",
    "T",
    "K",
    "F",
    "W",
    "/ac<Enter>",
    ":suspend<Enter>",
    ":purge<Enter>",
    ":repair<Enter>",
    ":rename<Enter>",
    ":drop<Enter>",
    "acme",
    "migrate 2",
    "tenant_acme",
    "y",
    "i",
];

/// One walk of 25 steps; `seen` looks behind each.
fn walk_of_keys(desk: &mut Desk, dice: &mut Dice, mut seen: impl FnMut(&Desk)) -> Vec<&'static str> {
    let steps = (0..25).map(|_| {
        let step = STEPS[dice.below(STEPS.len())];
        // No picture is made, but the dashboard believes that it was seen: dialogs take nothing before.
        desk.keys_ahead(step);
        desk.app.frame_made();
        desk.app.frame_shown();
        seen(desk);
        step
    });
    steps.collect()
}

/// Walks of 25 steps, one after the other in the same dashboard, so that each begins somewhere else. Whether any wrote
/// without leave, by number; and how many dialogs were opened.
fn walks(dice: &mut Dice, environment: Environment, number: usize) -> (usize, usize) {
    let mut desk = Desk::new(environment);
    let (mut writes, mut dialogs) = (0, 0);
    for _ in 0..number {
        let script = walk_of_keys(&mut desk, dice, |desk| dialogs += usize::from(desk.app.state().dialog.is_some()));
        let locked = !desk.is_open("eu-1");
        let commands = std::mem::take(&mut desk.commands);
        let writing: Vec<&Command> = commands.iter().filter(|command| command.writes()).collect();
        assert!(environment != Environment::Production || locked, "nothing of it opens the lock: {script:?}");
        assert!(environment != Environment::Production || writing.is_empty(), "{script:?} led to {writing:?}");
        writes += writing.len();
    }
    (writes, dialogs)
}

/// Of two protected databases one is open: the same walks write there, and never in the other.
#[test]
fn with_the_lock_of_one_database_open_no_walk_writes_to_the_other() {
    let number = count("app_walks_of_two", 100);
    let mut dice = Dice::new("walks over two databases");
    let (mut writes, mut in_other, mut walks) = (0, 0, 0);
    // A walk seldom writes: they go on until one did.
    while walks < number || (writes == 0 && walks < 20 * number) {
        walks += 1;
        let mut desk = Desk::two(Environment::Production, Environment::Production);
        desk.open_writes_to("us-1");
        let script = walk_of_keys(&mut desk, &mut dice, |desk| {
            in_other += usize::from(desk.app.state().header.database.as_deref() == Some("eu-1"));
        });
        assert!(!desk.is_open("eu-1"), "nothing of it opens the other lock: {script:?}");
        for command in desk.commands.iter().filter(|command| command.writes()) {
            let Command::Service { database, .. } = command else { panic!("{command:?}") };
            assert_eq!(&**database, "us-1", "{script:?} led to {command:?}");
            writes += 1;
        }
    }
    assert!(writes > 0 && in_other > 0, "{writes} writes, {in_other} steps in the other database");
    report("walks with one of two locks open", &format!("{walks}: {writes} writes, none in the other"));
}

/// `TENANTUI_FAULTS_APP_WALKS=10000` takes ten thousand; the seed that is printed repeats them.
#[test]
fn many_walks_with_the_lock_closed_write_nothing_and_with_it_open_they_would() {
    let number = count("app_walks", 500);
    let mut dice = Dice::new("walks through the dashboard");
    let (writes, dialogs) = walks(&mut dice, Environment::Production, number);
    assert_eq!(writes, 0);
    assert!(dialogs > number, "{dialogs} steps in dialogs");
    let (writes, _) = walks(&mut dice, Environment::Development, number / 5);
    assert!(writes > 0, "the same walks write where writing is allowed");
    report(
        "walks with the lock closed",
        &format!("{number}, {dialogs} steps within dialogs: 0 writes ({writes} with it open)"),
    );
}
