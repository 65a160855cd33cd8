//! The dashboard's flows as key scripts through `App`: what an operator types, and what comes of it.

mod audit;
mod cache;
mod comfort;
mod control;
pub mod desk;
mod finding;
mod jobs;
mod lock;
mod lost_link;
mod messages;
mod mouse;
mod pictures;
mod refresh;
mod rollout;
mod server;
mod several;
mod troubled;
mod walks;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use tenantui::fleet::FleetCommand;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::ledger::Version;
use tenantui::model::link::LinkState;
use tenantui::model::server::Back;
use tenantui::model::tenant::{DatabaseName, TenantKey};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::{DataAge, Prompt, QuickFilter, Screen, TenantColumn, TenantTab};
use tenantui::tui::dialogs::Dialog;

use self::desk::{Desk, FILES, epoch, snapshot, tenant};

/// The revision after: `change` was made to it.
fn next(change: impl FnOnce(&mut Snapshot)) -> Arc<Snapshot> {
    let mut next = snapshot(Environment::Production);
    next.revision += 1;
    change(&mut next);
    Arc::new(next)
}

#[test]
fn a_tenant_is_found_and_opened_with_five_keys() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/zeb<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    let opened = |command: &Command| matches!(command, Command::Fleet(FleetCommand::Open(key)) if &*key.local == "r:5");
    assert!(desk.commands.iter().any(opened), "{:?}", desk.commands);
    desk.keys("<Esc>");
    assert_eq!((desk.app.state().screen, desk.cursor().as_str()), (Screen::Tenants, "zebra-corp"));
    desk.keys("<Esc>");
    assert_eq!(desk.shown().len(), 6);
    assert_eq!(desk.cursor(), "zebra-corp", "clearing the filter keeps the cursor");
}

#[test]
fn the_filter_is_fuzzy_over_slug_name_schema_id_and_database() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/zbrcrp");
    assert_eq!(desk.shown(), ["zebra-corp"]);
    desk.keys("<Esc>/tenant_acm");
    assert_eq!(desk.shown(), ["acme"]);
    desk.keys("<Esc>/acm 'eu-1");
    assert_eq!(desk.shown(), ["acme"]);
    desk.keys("<Esc>/nobody at all");
    assert!(desk.shown().is_empty());
    desk.keys("<Enter><Enter>j");
    assert_eq!(desk.app.state().screen, Screen::Tenants, "nothing to open");
    desk.keys("<Esc>");
    assert_eq!(desk.shown().len(), 6);
}

#[test]
fn esc_while_typing_clears_the_filter_and_enter_keeps_it() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/ac<Esc>");
    assert!(matches!(desk.app.state().prompt, Prompt::None));
    assert_eq!(desk.shown().len(), 6);
    desk.keys("/ac<Enter>");
    assert_eq!((desk.app.state().tenants.filter.as_str(), desk.app.state().screen), ("ac", Screen::Tenants));
}

#[test]
fn quick_filters_and_tenants_are_reached_by_name() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":behind<Enter>");
    assert_eq!(desk.shown(), ["acme", "acorn"]);
    desk.keys(":everything<Enter>");
    assert_eq!(desk.shown().len(), 6);
    desk.keys("2:tenant acorn<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    assert_eq!(desk.app.state().open_tenant().expect("open").slug.raw(), "acorn");
    desk.keys("1:acme<Enter>");
    assert_eq!(desk.app.state().open_tenant().expect("open").slug.raw(), "acme");
    desk.keys(":jobs<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
    desk.keys(":qqqq<Enter>");
    assert!(desk.message().contains("nothing is called `qqqq`"), "{}", desk.message());
}

#[test]
fn errors_stay_until_a_key_and_are_kept() {
    let mut desk = Desk::new(Environment::Production);
    desk.event(Event::Undelivered { what: "reading".into(), why: "its queue is full".into() });
    desk.wait(Duration::from_secs(600));
    assert!(desk.message().contains("its queue is full"));
    desk.keys("j");
    assert_eq!(desk.message(), "");
    desk.keys(":messages<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Messages);
    assert!(desk.app.state().messages.iter().any(|message| message.text.raw().contains("queue")));
}

#[test]
fn marks_ranges_and_hidden_marks() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("<Space><Space>");
    assert_eq!(desk.app.state().tenants.marks.len(), 2);
    desk.keys("v" /* acorn */);
    desk.keys("jjv");
    assert_eq!(desk.app.state().tenants.marks.len(), 5);
    desk.keys("/acme<Enter><Esc>");
    assert_eq!(desk.app.state().tenants.marks_hidden, 4);
    desk.keys("a");
    assert_eq!(desk.app.state().tenants.marks.len(), 5);
    desk.keys("<Esc>:marked<Enter>");
    assert_eq!(desk.shown().len(), 5);
    desk.keys("u");
    assert!(desk.app.state().tenants.marks.is_empty());
    desk.keys(":everything<Enter>ga");
    assert!(desk.app.state().tenants.marks.is_empty(), "`g a` is not `a`");
    desk.keys("a");
    assert_eq!(desk.app.state().tenants.marks.len(), 6);
}

#[test]
fn sorting_keeps_the_cursor_and_puts_unknown_last() {
    let mut desk = Desk::new(Environment::Production);
    desk.event(Event::Snapshot(next(|snapshot| {
        let mut first = (*snapshot.tenants[0]).clone();
        first.size_bytes = None;
        snapshot.tenants[0] = Arc::new(first);
    })));
    desk.keys("j");
    while desk.app.state().tenants.sort.column != TenantColumn::Size {
        desk.keys("s");
    }
    assert_eq!(desk.cursor(), "acme");
    assert_eq!(desk.shown().first().map(String::as_str), Some("zebra-corp"));
    assert_eq!(desk.shown().last().map(String::as_str), Some("abacus"));
    desk.keys("S");
    assert_eq!(desk.shown().last().map(String::as_str), Some("abacus"), "unknown is last in both directions");
    assert_eq!(desk.cursor(), "acme");
}

#[test]
fn history_goes_back_and_forward() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("23");
    desk.keys("[");
    assert_eq!(desk.app.state().screen, Screen::Migrations);
    desk.keys("[");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    desk.keys("]]");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
    desk.keys("]");
    assert!(desk.message().contains("no further view"));
}

#[test]
fn groups_of_the_migrations_screen_lead_to_their_tenants() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("2");
    let counts: Vec<(Option<String>, usize)> = desk
        .app
        .state()
        .migrations
        .groups
        .iter()
        .map(|group| (group.version.as_ref().map(|v| v.raw().to_owned()), group.tenants.len()))
        .collect();
    let at = |version: &str| Some(version.to_owned());
    assert_eq!(
        counts,
        [(at(FILES[3]), 3), (at(FILES[2]), 1), (at(FILES[1]), 1), (at(FILES[0]), 0), (None, 1)],
        "newest first, files without tenants too, `none` last"
    );
    desk.keys("jj<Enter>");
    assert_eq!(desk.shown(), ["acme"]);
    assert_eq!(desk.app.state().tenants.quick, Some(QuickFilter::Version(Some(Version::new(FILES[1])))));
    desk.keys("2i");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Sql(_))));
    desk.keys("<Esc>t");
    assert_eq!(desk.app.state().target("eu-1").map(Version::raw), Some(FILES[1]));
    desk.keys("t");
    assert_eq!(desk.app.state().target("eu-1").map(Version::raw), Some(FILES[3]));
}

#[test]
fn tabs_go_round_and_lists_keep_their_place() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("<Enter><Tab>");
    assert_eq!(desk.app.state().tenant.as_ref().expect("open").tab, TenantTab::Migrations);
    desk.keys("lll");
    assert_eq!(desk.app.state().tenant.as_ref().expect("open").tab, TenantTab::Tables);
    desk.keys("h");
    assert_eq!(desk.app.state().tenant.as_ref().expect("open").tab, TenantTab::Jobs);
}

#[test]
fn lists_are_exported_as_shown_and_the_message_names_the_file() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":behind<Enter>e");
    assert!(desk.app.state().prefix.as_ref().is_some_and(|prefix| prefix.choices.len() == 4));
    desk.keys("c");
    let Some(Command::Export { name, content }) = desk.commands.pop() else { panic!("no export") };
    assert_eq!(name, "tenantui-tenants-20260214-103000.csv");
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    let slugs: Vec<String> =
        reader.records().map(|row| row.expect("a row").get(2).expect("a slug").to_owned()).collect();
    assert_eq!(slugs, ["acme", "acorn"]);
    desk.keys("ej");
    let Some(Command::Export { name, content }) = desk.commands.pop() else { panic!("no export") };
    assert!(name.ends_with(".json"), "{name}");
    let json: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(json["tenants"][0]["slug"], "acme");
    assert_eq!(json["tenants"][0]["pending"], 2);
    desk.event(Event::Exported(Ok("/home/ops/tenantui-tenants.json".into())));
    assert!(desk.message().contains("/home/ops/tenantui-tenants.json"));
}

#[test]
fn hostile_names_leave_only_escaped() {
    let mut desk = Desk::new(Environment::Production);
    desk.event(Event::Snapshot(next(|snapshot| {
        let mut first = (*snapshot.tenants[0]).clone();
        first.name = Some("a\u{1b}]52;c;eA==\u{7}\u{202e}b".into());
        snapshot.tenants[0] = Arc::new(first);
    })));
    desk.keys("gg" /* to the first */);
    desk.keys("yr");
    let Some(Command::Copy(text)) = desk.commands.pop() else { panic!("no copy") };
    assert!(!text.chars().any(|c| c != '\t' && tenantui::text::is_unsafe(c)), "{text:?}");
    desk.keys("ec");
    let Some(Command::Export { content, .. }) = desk.commands.pop() else { panic!("no export") };
    assert!(!content.chars().any(|c| c != '\n' && tenantui::text::is_unsafe(c)), "{content:?}");
    desk.keys("ej");
    let Some(Command::Export { content, .. }) = desk.commands.pop() else { panic!("no export") };
    assert!(!content.chars().any(|c| c != '\n' && tenantui::text::is_unsafe(c)), "{content:?}");
    let json: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(json["tenants"][0]["name"], "a\u{1b}]52;c;eA==\u{7}\u{202e}b", "the value is unchanged");
}

#[test]
fn unknown_keys_and_pasted_text_do_nothing_on_a_list() {
    let mut desk = Desk::new(Environment::Development);
    desk.press(KeyCode::F(5), KeyModifiers::NONE);
    desk.press(KeyCode::Char('x'), KeyModifiers::ALT);
    desk.keys("Z9");
    desk.paste("M\nmigrate 3\nq");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    assert!(desk.app.state().dialog.is_none());
    assert!(desk.commands.is_empty(), "{:?}", desk.commands);
    desk.keys("/");
    desk.paste("ac\nme");
    assert_eq!(desk.app.state().tenants.filter, "ac me");
}

#[test]
fn help_is_searchable_and_enter_runs() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("?");
    let Prompt::Menu(menu) = &desk.app.state().prompt else { panic!("no help") };
    assert!(menu.entries.len() > 30);
    desk.keys("unmark");
    let Prompt::Menu(menu) = &desk.app.state().prompt else { panic!("no help") };
    assert_eq!(menu.entries[0].name, "unmark-all");
    desk.keys("<Esc>a?unmark<Enter>");
    assert!(desk.app.state().tenants.marks.is_empty());
}

#[test]
fn what_cannot_be_delivered_is_said() {
    let mut desk = Desk::new(Environment::Production);
    desk.event(Event::Undelivered { what: "ordering the job".into(), why: "its queue is full".into() });
    assert_eq!(desk.message(), "not done: ordering the job: its queue is full; try again");
    assert!(desk.commands.iter().any(|command| matches!(command, Command::Bell)));
}

#[test]
fn ten_thousand_tenants_are_filtered_in_fifty_milliseconds() {
    let mut desk = Desk::new(Environment::Production);
    let name: DatabaseName = "eu-1".into();
    desk.event(Event::Snapshot(next(|snapshot| {
        snapshot.tenants = (0..10_000)
            .map(|number| Arc::new(tenant(&name, &format!("tenant-{number:05}-corp"), number, number % 5)))
            .collect();
    })));
    desk.keys("/");
    let mut worst = Duration::ZERO;
    for key in "04242corp".chars() {
        let begun = Instant::now();
        desk.press(KeyCode::Char(key), KeyModifiers::NONE);
        worst = worst.max(begun.elapsed());
    }
    assert_eq!(desk.shown().first().map(String::as_str), Some("tenant-04242-corp"));
    // An unoptimised build is some ten times slower; benches/frame.rs measures the optimised one.
    let limit = if cfg!(debug_assertions) { 1_000 } else { 50 };
    assert!(worst < Duration::from_millis(limit), "{worst:?}");
}

#[test]
fn a_wide_screen_reads_the_tenant_on_which_the_cursor_rests() {
    let mut desk = Desk::blank(Environment::Production, (200, 50));
    desk.event(Event::Snapshot(Arc::new(snapshot(Environment::Production))));
    desk.keys("jjj");
    let opened = |desk: &Desk| {
        let open = |command: &Command| match command {
            Command::Fleet(FleetCommand::Open(key)) => Some(key.clone()),
            _ => None,
        };
        desk.commands.iter().filter_map(open).collect::<Vec<TenantKey>>()
    };
    assert!(opened(&desk).is_empty(), "not while it moves");
    desk.wait(Duration::from_millis(300));
    assert_eq!(opened(&desk).len(), 1);
    assert_eq!(&*opened(&desk)[0].local, "r:3");
}
