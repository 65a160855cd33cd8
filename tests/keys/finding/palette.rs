//! The palette and the help: every action by its name, and why it cannot be done now.

use super::*;

#[test]
fn what_has_no_dialog_names_the_command_that_does_it() {
    let mut desk = Desk::new(Environment::Development);
    let slug = desk.shown()[0].clone();
    desk.keys(":import");
    let why = menu(&desk).entries[0].disabled.clone();
    assert!(why.is_some_and(|why| why.ends_with(&format!("tenantui import {slug}"))), "{:?}", menu(&desk));
    desk.keys("<Enter>");
    assert!(desk.message().contains(&format!("tenantui import {slug}")), "{}", desk.message());
    desk.keys("<Esc>:seed<Enter>");
    assert!(desk.message().contains("--seed FILE"), "{}", desk.message());
}

#[test]
fn the_palette_takes_arguments() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":filter behind>1 al<Enter>");
    assert_eq!(desk.shown(), ["alba"]);
    // Signs of the filter are no signs of the palette's search.
    desk.keys(":filter !behind>0 a$<Enter>");
    assert_eq!(desk.app.state().tenants.filter, "!behind>0 a$");
    desk.keys(":filter behind>1 al<Enter>");
    desk.keys(":filter behind>x");
    assert!(
        menu(&desk).entries[0].disabled.as_ref().is_some_and(|why| why.contains("at 1: behind")),
        "{:?}",
        menu(&desk)
    );
    desk.keys("<Enter>");
    assert!(desk.message().contains("behind is compared with a number"), "{}", desk.message());
    assert_eq!(desk.shown(), ["alba"], "nothing changed");
    desk.keys("<Esc>:sort behind<Enter>");
    let sort = desk.app.state().tenants.sort;
    assert_eq!((sort.column, sort.descending), (TenantColumn::Behind, true));
    assert_eq!(desk.shown()[0], "alba");
    desk.job(job(17, JobKind::Migrate, JobState::Done, [3, 3, 0, 0]));
    desk.job(job(4, JobKind::Migrate, JobState::Done, [3, 3, 0, 0]));
    desk.keys(":job 17<Enter>");
    assert_eq!(desk.app.state().screen, Screen::JobResult);
    assert_eq!(desk.app.state().jobs.result_of, Some(("eu-1".into(), JobId(17))));
    desk.keys(":4<Enter>");
    assert_eq!(desk.app.state().jobs.result_of, Some(("eu-1".into(), JobId(4))));
}

#[test]
fn the_palette_lists_everything_and_says_why_it_cannot_be_done() {
    let mut desk = Desk::new(Environment::Production);
    for keys in ["1", "2", "3", "1<Enter>"] {
        desk.keys(keys);
        desk.keys(":");
        let state = desk.app.state();
        for info in
            ACTIONS.iter().filter(|info| info.action.section() != SECTIONS[0].1 && info.action != Action::Palette)
        {
            let entry = menu(&desk).entries.iter().find(|entry| entry.run == MenuRun::Action(info.action));
            let entry = entry.unwrap_or_else(|| panic!("{} is missing on {:?}", info.name, state.screen));
            assert_eq!(entry.disabled, allowed(state, info.action).err(), "{}", info.name);
            assert_eq!(entry.keys.is_empty(), desk.app.keymap().keys_of(info.action).is_empty(), "{}", info.name);
        }
        desk.keys("<Esc>");
    }
    desk.keys("1:set-target");
    let why = menu(&desk).entries[0].disabled.clone().expect("another screen's");
    assert!(why.contains("works on Migrations"), "{why}");
    desk.draw();
    assert!(desk.text().contains("Not now: set target works on Migrations"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.message().contains("works on Migrations"), "{}", desk.message());
}

#[test]
fn names_of_actions_filters_and_views_all_work() {
    for (typed, quick) in [
        ("behind", Some(QuickFilter::State(tenantui::model::tenant::TenantState::Behind))),
        ("failed", Some(QuickFilter::Failed)),
        ("orphans", Some(QuickFilter::Orphans)),
        ("marked", Some(QuickFilter::Marked)),
        ("everything", None),
    ] {
        let mut desk = Desk::new(Environment::Production);
        desk.keys(&format!("2:{typed}<Enter>"));
        assert_eq!((desk.app.state().screen, &desk.app.state().tenants.quick), (Screen::Tenants, &quick), "{typed}");
    }
    for (typed, screen) in
        [("messages", Screen::Messages), ("audit", Screen::Audit), ("jobs", Screen::Jobs), ("acme", Screen::Tenant)]
    {
        let mut desk = Desk::new(Environment::Production);
        desk.keys(&format!(":{typed}<Enter>"));
        assert_eq!(desk.app.state().screen, screen, "{typed}");
    }
}

#[test]
fn the_help_has_sections_that_scroll_and_runs_what_is_chosen() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("?");
    desk.draw();
    assert!(desk.text().contains("Moving") && desk.text().contains("j, Down"), "{}", desk.text());
    let sections: Vec<&str> = menu(&desk).entries.iter().map(|entry| entry.section).collect();
    let mut once = sections.clone();
    once.dedup();
    let all: Vec<&str> = SECTIONS.iter().map(|(_, title)| *title).filter(|title| sections.contains(title)).collect();
    assert_eq!(once, all, "each section once, in order");
    // To the last entry: it is in sight with the heading above it, at 80x24.
    let last = menu(&desk).entries.len() - 1;
    for _ in 0..last {
        desk.keys("<Down>");
    }
    desk.draw();
    assert!(desk.text().contains("Leaving") && desk.text().contains("> q, ctrl-c"), "{}", desk.text());
    desk.keys("range<Enter>");
    assert!(desk.app.state().tenants.range_from.is_some(), "mark-range was done");
}

#[test]
fn keys_of_the_operators_own_are_shown_everywhere() {
    let mut desk = Desk::rebound(
        Environment::Production,
        "[keys]\nfilter = [\"ctrl-f\"]\nhelp = [\"H\"]\njobs = [\"J\"]\nwrite-lock = [\"O\"]\nopen = [\"o\"]\nmark = []\n",
    );
    desk.draw();
    let text = desk.text();
    assert!(text.contains("ctrl-f filter") && text.contains("H help") && text.contains("J Jobs"), "{text}");
    assert!(!text.contains("Space mark"), "{text}");
    desk.keys("M");
    assert!(desk.message().contains("O opens them"), "{}", desk.message());
    // Enter in a field confirms, whatever opens what is under the cursor; `o` is a letter there.
    desk.press(crossterm::event::KeyCode::Char('f'), crossterm::event::KeyModifiers::CONTROL);
    desk.keys("acorn");
    assert_eq!((desk.app.state().tenants.filter.as_str(), desk.shown()), ("acorn", vec!["acorn".to_owned()]));
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    desk.keys("<Esc><Esc><Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenants, "Enter is nothing on the list now");
    desk.keys("o");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    desk.keys("Hwrite");
    assert!(menu(&desk).entries.iter().any(|entry| entry.name == "write-lock" && entry.keys == "O"));
}
