//! The mouse: what can be clicked, and that a click confirms nothing that keys would not.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use tenantui::jobs::service::{Order, ServiceCommand};
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobKind, JobState, LogLine, LogMark};
use tenantui::tui::app::event::Event;
use tenantui::tui::app::server::ServerTab;
use tenantui::tui::app::state::{Prompt, QuickFilter, Screen, TenantColumn, TenantTab};
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, epoch, job};

fn event(desk: &mut Desk, kind: MouseEventKind, (column, row): (u16, u16)) {
    desk.event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    desk.draw();
}

/// Where a text stands on the screen.
fn find(desk: &Desk, text: &str) -> (u16, u16) {
    let screen = desk.text();
    let found = screen.lines().enumerate().find_map(|(y, line)| Some((line.find(text)?, y)));
    let (x, y) = found.unwrap_or_else(|| panic!("no `{text}` in\n{screen}"));
    (u16::try_from(x).expect("small"), u16::try_from(y).expect("small"))
}

/// Clicks on the middle of a text.
fn click(desk: &mut Desk, text: &str) {
    let (x, y) = find(desk, text);
    let half = u16::try_from(text.len() / 2).expect("small");
    event(desk, MouseEventKind::Down(MouseButton::Left), (x + half, y));
}

#[test]
fn a_click_puts_the_cursor_on_a_row_and_another_opens_it() {
    let mut desk = Desk::new(Environment::Production);
    click(&mut desk, "agora");
    assert_eq!((desk.cursor().as_str(), desk.app.state().screen), ("agora", Screen::Tenants));
    click(&mut desk, "agora");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    // The tabs, and back with the other button.
    click(&mut desk, "Cache");
    assert_eq!(desk.app.state().tenant.as_ref().expect("open").tab, TenantTab::Cache);
    event(&mut desk, MouseEventKind::Down(MouseButton::Right), (5, 5));
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    // Below the list there is nothing.
    let before = desk.cursor();
    event(&mut desk, MouseEventKind::Down(MouseButton::Left), (5, 18));
    assert_eq!(desk.cursor(), before);
}

/// Over the log the wheel moves the log: what was read stays in place while lines come, and at the end it is followed.
#[test]
fn the_wheel_over_the_log_moves_the_log() {
    let mut desk = Desk::new(Environment::Development);
    for id in [16, 17] {
        desk.job(job(id, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    }
    desk.keys("3");
    let chosen = desk.app.state().jobs.list.cursor.clone().expect("a job");
    let line = |number: usize| {
        Event::Job(JobEvent::Log(LogLine {
            database: chosen.0.clone(),
            job: chosen.1,
            at: epoch(),
            mark: LogMark::Run,
            tenant: Some("acme".into()),
            text: format!("line {number:02}").into(),
        }))
    };
    (0..40).for_each(|number| desk.event(line(number)));
    desk.draw();
    assert!(desk.text().contains("line 39"), "{}", desk.text());
    let place = find(&desk, "line 39");
    event(&mut desk, MouseEventKind::ScrollUp, place);
    assert!(desk.text().contains("line 36") && !desk.text().contains("line 37"), "{}", desk.text());
    assert_eq!(desk.app.state().jobs.list.cursor.as_ref(), Some(&chosen), "the list stays");
    desk.event(line(40));
    desk.draw();
    assert!(desk.text().contains("line 36") && !desk.text().contains("line 37"), "{}", desk.text());
    // Its first line is the end of it.
    (0..30).for_each(|_| event(&mut desk, MouseEventKind::ScrollUp, place));
    assert!(desk.text().contains("line 00"), "{}", desk.text());
    event(&mut desk, MouseEventKind::ScrollDown, place);
    assert!(!desk.text().contains("line 00") && desk.text().contains("line 03"), "{}", desk.text());
    (0..30).for_each(|_| event(&mut desk, MouseEventKind::ScrollDown, place));
    assert!(desk.text().contains("line 40") && desk.app.state().jobs.follow, "{}", desk.text());
    // Over the list it moves the list.
    let list = find(&desk, "KIND");
    event(&mut desk, MouseEventKind::ScrollDown, (list.0, list.1 + 1));
    assert_ne!(desk.app.state().jobs.list.cursor.as_ref(), Some(&chosen));
}

#[test]
fn headings_sort_and_turn_round() {
    let mut desk = Desk::new(Environment::Production);
    click(&mut desk, "SIZE");
    let sort = desk.app.state().tenants.sort;
    assert_eq!((sort.column, sort.descending), (TenantColumn::Size, true));
    click(&mut desk, "SIZE");
    assert!(!desk.app.state().tenants.sort.descending);
    click(&mut desk, "TENANT");
    assert_eq!(desk.app.state().tenants.sort.column, TenantColumn::Tenant);
}

/// A column is sorted by wherever its heading is clicked: on the word, beside it, or on the blank before the next word.
#[test]
fn the_blanks_beside_a_heading_belong_to_it() {
    let mut desk = Desk::new(Environment::Production);
    let left = MouseEventKind::Down(MouseButton::Left);
    let (state, y) = find(&desk, "STATE");
    let sorted = |desk: &Desk| desk.app.state().tenants.sort.column;
    // At the left of what stands at the right, and at the right of what stands at the left.
    let version = find(&desk, "VERSION").0;
    for (x, column) in [
        (find(&desk, "SIZE").0 - 1, TenantColumn::Size),
        (state - 2, TenantColumn::Schema),
        (state + 7, TenantColumn::State),
        (version - 1, TenantColumn::Version),
        (find(&desk, "TENANT").0 + 9, TenantColumn::Tenant),
    ] {
        event(&mut desk, left, (x, y));
        assert_eq!(sorted(&desk), column, "at {x}: {}", desk.text());
    }
    // Left of the first column there is none.
    event(&mut desk, left, (0, y));
    assert_eq!(sorted(&desk), TenantColumn::Tenant);
}

#[test]
fn the_wheel_moves_and_stays_inside() {
    let mut desk = Desk::new(Environment::Production);
    event(&mut desk, MouseEventKind::ScrollDown, (5, 5));
    assert_eq!(desk.app.state().tenants.list.at, 3);
    event(&mut desk, MouseEventKind::ScrollDown, (5, 5));
    event(&mut desk, MouseEventKind::ScrollDown, (5, 5));
    assert_eq!(desk.app.state().tenants.list.at, 5);
    event(&mut desk, MouseEventKind::ScrollUp, (5, 5));
    assert_eq!(desk.app.state().tenants.list.at, 2);
    event(&mut desk, MouseEventKind::Moved, (9, 9));
    assert_eq!(desk.app.state().tenants.list.at, 2);
}

#[test]
fn the_screens_line_the_hints_and_the_counters_are_keys() {
    let mut desk = Desk::new(Environment::Production);
    click(&mut desk, "2 Migrations");
    assert_eq!(desk.app.state().screen, Screen::Migrations);
    click(&mut desk, "3 Jobs");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
    click(&mut desk, "4 Server");
    assert_eq!(desk.app.state().screen, Screen::Server);
    click(&mut desk, "1 Tenants");
    click(&mut desk, "behind 2");
    assert!(matches!(desk.app.state().tenants.quick, Some(QuickFilter::State(_))), "{}", desk.text());
    assert_eq!(desk.shown(), ["acme", "acorn"]);
    event(&mut desk, MouseEventKind::Down(MouseButton::Right), (5, 5));
    assert_eq!(desk.shown().len(), 6);
    click(&mut desk, "Space mark");
    assert_eq!(desk.app.state().tenants.marks.len(), 1);
    click(&mut desk, "/ filter");
    assert!(matches!(desk.app.state().prompt, Prompt::Filter(_)));
    desk.keys("ac");
    click(&mut desk, "acorn");
    assert!(matches!(desk.app.state().prompt, Prompt::None), "a click keeps the filter as Enter does");
    assert_eq!((desk.cursor().as_str(), desk.app.state().tenants.filter.as_str()), ("acorn", "ac"));
}

#[test]
fn menus_are_clicked() {
    let mut desk = Desk::new(Environment::Production);
    click(&mut desk, "? help");
    assert!(matches!(desk.app.state().prompt, Prompt::Menu(_)), "{}", desk.text());
    desk.keys("<Esc>:migrations");
    click(&mut desk, "How far is the fleet?");
    assert_eq!(desk.app.state().screen, Screen::Migrations, "{}", desk.text());
    desk.keys("1c");
    click(&mut desk, "[x] SCHEMA");
    assert!(desk.text().contains("[ ] SCHEMA"), "{}", desk.text());
    click(&mut desk, "Esc back");
    assert!(matches!(desk.app.state().prompt, Prompt::None));
    // In the help, headings stand between the rows.
    let mut desk = Desk::sized(Environment::Production, (120, 40));
    desk.keys("?");
    click(&mut desk, "What runs, what failed?");
    assert_eq!(desk.app.state().screen, Screen::Jobs, "{}", desk.text());
    // What is typed takes no key from a click into it, and the hints below the list are keys.
    desk.keys(":mig");
    click(&mut desk, ": mig");
    assert!(desk.text().contains(": mig"), "{}", desk.text());
    click(&mut desk, "Esc back");
    assert!(matches!(desk.app.state().prompt, Prompt::None), "{}", desk.text());
}

#[test]
fn hints_are_keys_wherever_they_stand() {
    let mut desk = Desk::new(Environment::Production);
    // Of the filter, while it is typed and after.
    desk.keys("/ac");
    click(&mut desk, "Enter keeps");
    assert_eq!((desk.app.state().screen, desk.shown().len()), (Screen::Tenants, 4), "{}", desk.text());
    click(&mut desk, "Esc clears");
    assert_eq!(desk.shown().len(), 6, "{}", desk.text());
    desk.keys("/ac");
    click(&mut desk, "Esc clears");
    assert_eq!(desk.shown().len(), 6, "{}", desk.text());
    // Of a text that scrolls.
    desk.keys("i");
    click(&mut desk, "w cut");
    click(&mut desk, "w wrap");
    assert!(desk.text().contains("w cut"), "{}", desk.text());
    click(&mut desk, "Esc back");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
}

#[test]
fn buttons_are_pressed_where_keys_could() {
    let mut desk = Desk::new(Environment::Staging);
    desk.keys("W");
    click(&mut desk, "Cancel");
    assert!(desk.app.state().dialog.is_none());
    desk.keys("W");
    let (x, y) = find(&desk, "Cancel");
    let row = desk.text().lines().nth(usize::from(y)).expect("a row").to_owned();
    let at = row.rfind("Open writes").expect("the button");
    assert!(u16::try_from(at).expect("small") > x);
    event(&mut desk, MouseEventKind::Down(MouseButton::Left), (u16::try_from(at).expect("small") + 3, y));
    assert!(desk.is_open("eu-1"), "{}", desk.text());
}

#[test]
fn a_click_confirms_nothing_without_the_typed_words() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    desk.keys("aM");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "{}", desk.text());
    desk.writes();
    for (words, step) in [("", 18), ("migrate", 6)] {
        desk.keys(words);
        // All over the screen, buttons included; what closes the dialog opens it again.
        for (x, y) in (0..24).flat_map(|y| (0..80).step_by(step).map(move |x| (x, y))) {
            event(&mut desk, MouseEventKind::Down(MouseButton::Left), (x, y));
            if !matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))) {
                desk.keys("<Esc>M").keys(words);
            }
        }
        // A rehearsal leaves nothing and asks for no words, of keys neither.
        let starts = |command: &ServiceCommand| match command {
            ServiceCommand::Order { order, .. } => !matches!(**order, Order::Rehearse(_)),
            _ => true,
        };
        assert!(!desk.writes().iter().any(starts), "after `{words}`");
    }
    desk.keys("<Esc><Esc>M");
    // With the words it is the same as Enter.
    desk.keys("migrate 3");
    click(&mut desk, "Start");
    assert_eq!(desk.writes().len(), 1, "{}", desk.text());
}

#[test]
fn a_click_into_a_field_brings_the_keys_there() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("NBlue Fox<Tab><Tab><Tab>");
    let field = |desk: &Desk, label: &str| {
        let (x, y) = find(desk, label);
        (x + 17, y)
    };
    let at = field(&desk, "| Name");
    event(&mut desk, MouseEventKind::Down(MouseButton::Left), at);
    desk.keys(" Ltd");
    assert!(desk.text().contains("Blue Fox Ltd"), "{}", desk.text());
    let at = field(&desk, "| Key");
    event(&mut desk, MouseEventKind::Down(MouseButton::Left), at);
    desk.keys("-x");
    assert!(desk.text().contains("tenant_blue_fox_ltd_x"), "{}", desk.text());
    assert!(desk.writes().is_empty());
}

#[test]
fn what_is_clicked_before_a_dialog_is_seen_does_not_count() {
    let mut desk = Desk::new(Environment::Staging);
    desk.keys("W");
    let (x, y) = find(&desk, "Cancel");
    desk.keys("<Esc>");
    desk.press(crossterm::event::KeyCode::Char('W'), KeyModifiers::SHIFT);
    for at in (0..80).map(|x| (x, y)).chain([(x, y)]) {
        desk.event(Event::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: at.0,
            row: at.1,
            modifiers: KeyModifiers::NONE,
        }));
    }
    assert!(desk.app.state().dialog.is_some() && !desk.is_open("eu-1"));
}

#[test]
fn no_click_anywhere_breaks_anything() {
    for size in [(80, 24), (120, 40), (60, 16), (20, 5), (0, 0)] {
        let mut desk = Desk::sized(Environment::Production, size);
        for screen in ["1", "2", "3", ":audit<Enter>", ":messages<Enter>", "1<Enter>"] {
            desk.keys(screen);
            for (x, y) in (0..size.1 + 2).step_by(3).flat_map(|y| (0..size.0 + 2).step_by(17).map(move |x| (x, y))) {
                event(&mut desk, MouseEventKind::Down(MouseButton::Left), (x, y));
                desk.keys("<Esc>");
            }
        }
        assert!(desk.writes().is_empty());
    }
}

#[test]
fn the_lists_of_the_server_are_clicked() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    desk.event(Event::Snapshot(super::next(|snapshot| {
        snapshot.vitals = vec![std::sync::Arc::new(super::server::vitals(vec![super::server::group("web", 9, 5)]))];
    })));
    desk.draw();
    click(&mut desk, "Transactions");
    assert_eq!(desk.app.state().server.tab, ServerTab::Transactions, "{}", desk.text());
    // Headings sort as on the other lists.
    click(&mut desk, "Sessions 1");
    click(&mut desk, "SINCE");
    assert!(desk.text().contains("SINCEv"), "{}", desk.text());
    click(&mut desk, "SINCE");
    assert!(desk.text().contains("SINCE^"), "{}", desk.text());
}
