//! Finding anything: the filter, the palette, the help, and keys of the operator's own.

mod palette;

use std::sync::Arc;

use proptest::prelude::*;
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState, LogLine, LogMark};
use tenantui::model::tenant::{DatabaseName, Tenant, TenantState};
use tenantui::tui::app::action::{ACTIONS, Action, SECTIONS};
use tenantui::tui::app::allowed::allowed;
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::{Menu, MenuRun, Prompt, QuickFilter, Screen, TenantColumn};
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, epoch, job, snapshot, tenant};

fn menu(desk: &Desk) -> &Menu {
    let Prompt::Menu(menu) = &desk.app.state().prompt else { panic!("no menu:\n{}", desk.text()) };
    menu
}

fn names(desk: &Desk) -> Vec<&str> {
    menu(desk).entries.iter().map(|entry| entry.name.as_str()).collect()
}

/// The six tenants, changed.
fn change(desk: &mut Desk, change: impl Fn(&mut Tenant)) {
    let mut picture = snapshot(Environment::Production);
    picture.revision += 1;
    for tenant in &mut picture.tenants {
        change(Arc::make_mut(tenant));
    }
    desk.event(Event::Snapshot(Arc::new(picture)));
}

#[test]
fn enter_opens_the_only_one_that_is_left_and_keeps_the_filter() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/acm");
    desk.draw();
    assert!(desk.text().contains("1 found  Enter opens it"), "{}", desk.text());
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().open_tenant().expect("open").slug.raw(), "acme");
    desk.keys("<Esc>");
    assert_eq!((desk.app.state().screen, desk.shown()), (Screen::Tenants, vec!["acme".to_owned()]));
    // A failed one opens with its card, as by Enter on its row.
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/a<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenants, "several are left");
}

#[test]
fn a_domain_is_found_and_is_a_field() {
    let mut desk = Desk::new(Environment::Production);
    change(&mut desk, |tenant| {
        if tenant.slug.raw() == "agora" {
            tenant.domains = vec!["shop.agora-eu.example".into()];
        }
    });
    desk.keys("/'agora-eu.ex");
    assert_eq!(desk.shown(), ["agora"]);
    desk.keys("<Esc>/domain:shop.*");
    assert_eq!(desk.shown(), ["agora"]);
    desk.keys("<Esc>:agora-eu<Enter>");
    assert_eq!(desk.app.state().open_tenant().expect("open").slug.raw(), "agora");
}

#[test]
fn ages_are_compared_with_the_time_of_the_dashboard() {
    let mut desk = Desk::new(Environment::Production);
    let week = jiff::SignedDuration::from_hours(7 * 24);
    change(&mut desk, |tenant| {
        tenant.created_at = match tenant.slug.raw() {
            "acme" => Some((epoch() - week).to_string().into()),
            "acorn" => Some("last spring".into()),
            _ => Some(epoch().to_string().into()),
        };
    });
    desk.keys("/age>6d");
    assert_eq!(desk.shown(), ["acme"]);
    desk.keys("<Esc>/age<1h");
    assert_eq!(desk.shown().len(), 4, "what is no time has no age: {:?}", desk.shown());
}

/// A schema that is in the trash is not missing.
#[test]
fn a_tenant_that_was_dropped_has_the_word_of_the_registry() {
    let mut desk = Desk::new(Environment::Production);
    change(&mut desk, |tenant| {
        tenant.state = match tenant.slug.raw() {
            "acme" | "acorn" => TenantState::MissingSchema,
            _ => tenant.state,
        };
        if tenant.slug.raw() == "acme" {
            (tenant.deleted, tenant.status) = (true, Some("deleted".into()));
        }
    });
    desk.draw();
    let text = desk.text();
    let row = |slug: &str| text.lines().find(|row| row.contains(slug)).unwrap_or_else(|| panic!("{text}")).to_owned();
    assert!(row("acme").contains("deleted") && !row("acme").contains("missing_schema"), "{text}");
    assert!(row("acorn").contains("missing_schema"), "{text}");
}

/// Deleted by its time alone: the word beside it is no reason to call it active.
#[test]
fn a_deleted_tenant_is_not_active_whatever_its_word_is() {
    let mut desk = Desk::new(Environment::Production);
    change(&mut desk, |tenant| {
        if tenant.slug.raw() == "acme" {
            (tenant.deleted, tenant.status) = (true, Some("active".into()));
        }
    });
    desk.draw();
    let text = desk.text();
    let row = text.lines().find(|row| row.contains("acme")).unwrap_or_else(|| panic!("{text}"));
    assert!(row.contains("deleted"), "{text}");
}

#[test]
fn a_wrong_filter_says_where_and_enter_goes_there() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("/ac stat:ok x");
    desk.draw();
    assert!(desk.text().contains("at 4: there is no field stat"), "{}", desk.text());
    assert!(desk.shown().is_empty());
    desk.keys("<Enter>");
    let Prompt::Filter(input) = &desk.app.state().prompt else { panic!("closed") };
    assert_eq!(input.cursor(), 10, "the cursor stands behind the term");
    desk.keys("<BS><BS><BS>us:active");
    assert_eq!(desk.app.state().tenants.filter, "ac status:active x");
}

#[test]
fn saved_filters_are_reached_by_name_and_within_filters() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("3:lagg");
    assert_eq!(names(&desk).first(), Some(&"lagging"));
    assert_eq!(menu(&desk).entries[0].title, "saved filter: behind>1 !status:suspended");
    desk.keys("<Enter>");
    assert_eq!((desk.app.state().screen, desk.shown()), (Screen::Tenants, vec!["acme".to_owned(), "alba".to_owned()]));
    desk.draw();
    assert!(desk.text().contains("filter /:lagging"), "{}", desk.text());
    desk.keys("/ alb");
    assert_eq!(desk.shown(), ["alba"]);
    desk.keys("<Esc>/!:lagging");
    assert_eq!(desk.shown().len(), 4);
    desk.keys("<Esc>/:nothing");
    desk.draw();
    assert!(desk.text().contains("at 1: there is no saved filter nothing"), "{}", desk.text());
}

#[test]
fn a_pane_fills_the_screen_and_comes_back() {
    let mut desk = Desk::blank(Environment::Production, (200, 50));
    desk.event(Event::Snapshot(Arc::new(snapshot(Environment::Production))));
    desk.draw();
    assert!(desk.text().contains("Enter opens it"), "{}", desk.text());
    desk.keys("z");
    desk.draw();
    assert!(!desk.text().contains("Enter opens it") && desk.text().contains("zoomed (z)"), "{}", desk.text());
    desk.keys("<Enter>");
    desk.draw();
    assert!(desk.text().contains("[Tables]") && !desk.text().contains("MIGRATION "), "{}", desk.text());
    desk.keys("z");
    desk.draw();
    assert!(!desk.text().contains("zoomed"), "{}", desk.text());
    // Where there is one pane there is nothing to zoom.
    let mut desk = Desk::new(Environment::Production);
    desk.keys("z");
    assert!(desk.message().contains("only one pane"), "{}", desk.message());
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.job(job(16, JobKind::Migrate, JobState::Done, [3, 3, 0, 0]));
    desk.keys("3z");
    desk.draw();
    assert!(!desk.text().contains("\n   16 "), "the log has the room: {}", desk.text());
}

#[test]
fn long_lines_of_the_log_go_on_below_where_asked() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.event(Event::Job(JobEvent::Log(LogLine {
        at: epoch(),
        database: "eu-1".into(),
        job: JobId(17),
        mark: LogMark::Fail,
        tenant: Some("acme".into()),
        text: format!("{} the-very-end", "words of the server ".repeat(6)).into(),
    })));
    desk.keys("3");
    desk.draw();
    assert!(!desk.text().contains("the-very-end"), "{}", desk.text());
    desk.keys("w");
    desk.draw();
    assert!(desk.text().contains("the-very-end"), "{}", desk.text());
}

#[test]
fn a_list_is_exported_as_a_table_to_read() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("et");
    let Some(Command::Export { name, content }) = desk.commands.pop() else { panic!("no export") };
    assert!(name.ends_with(".txt"), "{name}");
    let lines: Vec<&str> = content.lines().collect();
    assert_eq!(lines.len(), 7);
    let place = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{word} in {line}"));
    assert_eq!(place(lines[0], "SLUG"), place(lines[2], "acme"), "{content}");
    assert!(lines[5].contains("  -  "), "what is unknown is said: {content}");
}

#[test]
fn every_value_of_a_row_can_be_read_in_full() {
    let mut desk = Desk::new(Environment::Production);
    let long = "x".repeat(150);
    change(&mut desk, |tenant| tenant.name = Some(long.clone().into()));
    desk.keys("i");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Sql(_))));
    desk.draw();
    assert!(desk.text().contains("name") && desk.text().contains("xxxxxxxx"), "{}", desk.text());
}

/// What one types, key by key.
fn typed() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        "[a-z]{1,4}",
        "[!^'][a-z]{1,3}",
        "[a-z]{1,3}[$]",
        prop::sample::select(vec![
            "behind>0",
            "behind>1",
            "!behind:0",
            "state:ok",
            ":lagging",
            "\"a b",
            "tenant_a",
            "plan:x"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(term, 1..4).prop_map(|terms| terms.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Narrowing while one types finds what a search for the whole finds.
    #[test]
    fn typing_finds_what_the_whole_filter_finds(text in typed()) {
        let name: DatabaseName = "eu-1".into();
        let mut picture = snapshot(Environment::Production);
        for (number, slug) in ["ab-cd", "abc", "bca", "cab-a", "dabc", "xyz-a"].iter().enumerate() {
            picture.tenants.push(Arc::new(tenant(&name, slug, 100 + number, number % 5)));
        }
        let picture = Arc::new(picture);
        let mut desk = Desk::new(Environment::Production);
        desk.event(Event::Snapshot(Arc::clone(&picture)));
        desk.keys("/");
        for character in text.chars() {
            desk.press(crossterm::event::KeyCode::Char(character), crossterm::event::KeyModifiers::NONE);
            let mut fresh = Desk::new(Environment::Production);
            fresh.event(Event::Snapshot(Arc::clone(&picture)));
            fresh.keys("/");
            let so_far = desk.app.state().tenants.filter.clone();
            // Pasting takes spaces at the ends away, and in quotes one counts.
            if so_far.ends_with(' ') {
                continue;
            }
            fresh.paste(&so_far);
            prop_assert_eq!(desk.shown(), fresh.shown(), "{}", so_far);
        }
    }
}

#[test]
fn counters_are_the_filters_of_their_names() {
    let mut desk = Desk::sized(Environment::Production, (200, 50));
    let counters = desk.app.state().counters;
    // Nobody counts twice: never migrated is a state of its own.
    assert_eq!((counters.behind, counters.never_migrated), (2, 1));
    assert!(desk.text().contains("behind 2") && desk.text().contains("never_migrated 1"), "{}", desk.text());
    for (name, count) in [
        ("behind", counters.behind),
        ("never_migrated", counters.never_migrated),
        ("locked", counters.locked),
        ("ahead", counters.ahead),
        ("failed", counters.failed),
        ("active", counters.active),
    ] {
        desk.keys(&format!(":{name}<Enter>"));
        assert_eq!(desk.shown().len(), count, "{name}: {}", desk.text());
    }
    // The groups of Migrations below the newest are those behind; those without a version stand apart.
    desk.keys("2");
    let groups = &desk.app.state().migrations.groups;
    let below: usize = groups
        .iter()
        .filter(|group| group.version.is_some() && !group.is_target)
        .map(|group| group.tenants.len())
        .sum();
    let none: usize = groups.iter().filter(|group| group.version.is_none()).map(|group| group.tenants.len()).sum();
    assert_eq!((below, none), (counters.behind, counters.never_migrated));
    assert!(desk.text().contains("behind 2"), "{}", desk.text());
    // Who stands at the target is counted as the list does, also where another target is set.
    assert!(desk.text().contains("at target 3"), "{}", desk.text());
    desk.keys("jt");
    assert!(desk.text().contains("at target 1"), "{}", desk.text());
}
