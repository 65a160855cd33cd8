//! Columns, what is kept, dumps, the first help and the last line.

use std::sync::Arc;
use std::time::Duration;

use tenantui::model::environment::Environment;
use tenantui::model::job::{JobKind, JobState};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::{Screen, TenantColumn};
use tenantui::tui::kept::KeptView;

use super::desk::{Desk, snapshot};

/// The first line of the list.
fn headings(desk: &Desk) -> String {
    desk.text().lines().find(|line| line.contains("TENANT")).expect("headings").to_owned()
}

#[test]
fn columns_are_hidden_and_asked_for_and_come_back() {
    let mut desk = Desk::new(Environment::Production);
    assert!(headings(&desk).contains("SCHEMA") && !headings(&desk).contains("CREATED"));
    desk.keys("c");
    assert!(desk.text().contains("[x] SCHEMA") && desk.text().contains("always"), "{}", desk.text());
    desk.keys("j<Space>");
    assert!(desk.text().contains("[ ] SCHEMA    hidden"), "{}", desk.text());
    desk.keys("<Esc>");
    assert!(!headings(&desk).contains("SCHEMA"), "{}", headings(&desk));
    // By name, too; on another screen there is nothing to choose.
    desk.keys(":columns<Enter>j<Space><Esc>");
    assert!(headings(&desk).contains("SCHEMA"), "{}", headings(&desk));
    desk.keys("c<Space>");
    assert!(desk.message().contains("always shown"), "{}", desk.message());
    desk.keys("j<Space>u<Esc>");
    assert!(headings(&desk).contains("SCHEMA"), "`u` takes every choice back: {}", headings(&desk));
    desk.keys("2c");
    assert!(!desk.text().contains("[x]"), "{}", desk.text());
}

#[test]
fn what_tenants_do_is_a_column_like_the_others_where_it_is_read() {
    let mut desk = Desk::sized(Environment::Production, (200, 50));
    assert!(headings(&desk).contains("ROWS/S"), "{}", headings(&desk));
    desk.keys("cG");
    assert!(desk.text().contains("> [x] ROWS/S"), "{}", desk.text());
    desk.keys("<Space><Esc>");
    assert!(!headings(&desk).contains("ROWS/S"), "{}", headings(&desk));
    let kept = desk.app.kept();
    assert!(kept.columns().hidden.contains(&TenantColumn::Activity));
    // Of tenants that are not on the screen it is not known: they are never sorted by it.
    desk.keys("cG<Space><Esc>");
    for _ in 0..20 {
        desk.keys("s");
        assert_ne!(desk.app.state().tenants.sort.column, TenantColumn::Activity);
    }
    desk.keys("z");
    assert!(headings(&desk).contains("ROWS/S"), "{}", headings(&desk));
    let mut small = Desk::new(Environment::Production);
    small.keys("cG");
    assert!(small.text().contains("only on wide screens"), "{}", small.text());
    small.keys("<Space>");
    assert!(small.message().contains("160 columns"), "{}", small.message());
}

#[test]
fn an_order_is_never_by_a_column_that_cannot_be_seen() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("s");
    assert_eq!(desk.app.state().tenants.sort.column, TenantColumn::Schema);
    desk.keys("cj<Space><Esc>");
    assert_eq!(desk.app.state().tenants.sort.column, TenantColumn::Tenant);
    for _ in 0..20 {
        desk.keys("s");
        let column = desk.app.state().tenants.sort.column;
        assert!(headings(&desk).contains(column.word()), "{column:?} in {}", headings(&desk));
    }
}

#[test]
fn what_is_kept_is_how_the_next_run_begins() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("sss" /* version */).keys("Scj<Space><Esc>3");
    let kept = desk.app.kept();
    let mut next = Desk::again(kept.clone(), false);
    next.event(Event::Snapshot(Arc::new(snapshot(Environment::Production))));
    next.draw();
    assert_eq!(next.app.state().screen, Screen::Jobs);
    next.keys("1");
    assert_eq!(next.app.state().tenants.sort, desk.app.state().tenants.sort);
    assert_eq!(
        headings(&next),
        headings(&{
            desk.keys("1");
            desk
        })
    );
    assert_eq!((next.app.kept().hide, kept.hide.as_slice()), (vec!["schema".to_owned()], &["schema".to_owned()][..]));
}

#[test]
fn an_open_tenant_is_not_where_one_begins() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    assert_eq!(Desk::again(desk.app.kept(), false).app.state().screen, Screen::Tenants);
}

#[test]
fn the_first_help_goes_with_the_first_key_which_does_its_work() {
    let mut desk = Desk::again(KeptView::default(), true);
    desk.event(Event::Snapshot(Arc::new(snapshot(Environment::Production))));
    desk.draw();
    assert!(desk.text().contains("Welcome to tenantui") && desk.text().contains("W opens writes"), "{}", desk.text());
    desk.event(Event::Clock);
    assert!(desk.app.state().welcome.is_some(), "time alone does not close it");
    desk.keys("2");
    assert_eq!(desk.app.state().screen, Screen::Migrations);
    assert!(!desk.text().contains("Welcome"), "{}", desk.text());
}

#[test]
fn a_dump_is_asked_for_by_keys_and_its_path_is_said() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("es");
    let dumped = |command: &Command| match command {
        Command::DumpScreen { name } => Some(name.clone()),
        _ => None,
    };
    let name = desk.commands.iter().find_map(dumped).expect("a dump");
    assert_eq!(name, "screen-tenants-20260214-103000.000.txt");
    assert!(desk.writes().is_empty());
    desk.event(Event::Exported(Ok("/home/ana/.local/state/tenantui/x.txt".into())));
    assert!(desk.message().contains("/home/ana/.local/state/tenantui/x.txt"), "{}", desk.message());
}

#[test]
fn the_last_line_says_what_became_of_the_orders() {
    let mut desk = Desk::new(Environment::Production);
    desk.wait(Duration::from_secs(754));
    assert_eq!(desk.app.farewell(), "12m on eu-1; nothing was written");
    desk.open_writes().keys("jM");
    desk.keys("migrate 1<Enter>");
    assert!(!desk.writes().is_empty(), "{}", desk.text());
    assert_eq!(desk.app.farewell(), "12m on eu-1; one order was given");
    let mut job = super::desk::job(41, JobKind::Migrate, JobState::Running, [3, 1, 0, 0]);
    desk.job(job.clone());
    job.state = JobState::Paused;
    desk.job(job.clone());
    assert_eq!(desk.app.farewell(), "12m on eu-1; 1 job ordered: 41 paused at 1/3; to go on: tenantui job 41 resume");
    (job.state, job.done) = (JobState::Done, 3);
    desk.job(job);
    assert_eq!(desk.app.farewell(), "12m on eu-1; 1 job ordered: 41 done");
}

#[test]
fn a_wide_list_grows_until_whole_schemas_stand_in_it() {
    // Where the details begin, and whether a schema of so many letters stands whole in the list.
    let shown = |columns: u16, letters: usize| {
        let mut desk = Desk::sized(Environment::Production, (columns, 50));
        let mut picture = snapshot(Environment::Production);
        picture.revision += 1;
        let schema = format!("tenant_{}", "s".repeat(letters - 7));
        for tenant in &mut picture.tenants {
            Arc::make_mut(tenant).schema = Some(schema.as_str().into());
        }
        desk.event(Event::Snapshot(Arc::new(picture)));
        desk.draw();
        let text = desk.text();
        let details = headings(&desk).find('|').expect("details");
        // The cursor is on the first tenant: the details tell of it alone.
        (details, text.lines().filter(|line| line.contains(&schema)).count() > 2)
    };
    let (drawn, whole) = shown(200, 11);
    assert!(whole);
    assert_eq!(shown(200, 60), (drawn + 30, false), "no further than this");
    for letters in (12..50).step_by(3) {
        let (at, whole) = shown(200, letters);
        assert!((drawn..=drawn + 30).contains(&at), "{letters}: {at}");
        assert!(whole || at == drawn + 30, "{letters}: it grows before it cuts");
    }
    assert_eq!(shown(160, 60), (drawn, false), "the details keep what their tables take");
}

#[test]
fn what_comes_by_itself_goes_before_slug_or_schema_is_cut() {
    let mut desk = Desk::sized(Environment::Production, (200, 50));
    let mut picture = snapshot(Environment::Production);
    picture.revision += 1;
    let slug = "a-rather-long-key-of-a-tenant-of-it";
    for tenant in &mut picture.tenants {
        Arc::make_mut(tenant).schema = Some("tenant_t_10".into());
    }
    Arc::make_mut(&mut picture.tenants[1]).slug = slug.into();
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.draw();
    let list: Vec<String> = desk.text().lines().filter_map(|line| line.split(" | ").next()).map(String::from).collect();
    assert!(!headings(&desk).contains("CREATED"), "{}", desk.text());
    assert!(list.iter().any(|line| line.contains(slug) && line.contains("tenant_t_10")), "{}", desk.text());
}

#[test]
fn a_status_whose_column_gives_way_to_schemas_stands_in_the_state() {
    let mut desk = Desk::sized(Environment::Production, (110, 33));
    let with = |slug: &str, letters: usize, desk: &mut Desk, revision: u64| {
        let mut picture = snapshot(Environment::Production);
        picture.revision += revision;
        for tenant in &mut picture.tenants {
            let tenant = Arc::make_mut(tenant);
            tenant.schema = Some("s".repeat(letters).as_str().into());
            tenant.status = Some(if tenant.slug.raw() == slug { "deleted" } else { "active" }.into());
        }
        desk.event(Event::Snapshot(Arc::new(picture)));
        desk.draw();
        let row = desk.text().lines().find(|line| line.contains(slug)).expect("a row").to_owned();
        (headings(desk).contains("STATUS"), row.contains("deleted"))
    };
    assert_eq!(with("acme", 11, &mut desk, 1), (true, true));
    assert_eq!(with("acme", 45, &mut desk, 2), (false, true), "{}", desk.text());
}

#[test]
fn a_wide_screen_says_how_many_were_behind_during_the_day() {
    let mut desk = Desk::sized(Environment::Production, (200, 50));
    let caught_up = |desk: &mut Desk, revision: u64| {
        let mut picture = snapshot(Environment::Production);
        picture.revision = revision;
        let all_at = picture.tenants[0].clone();
        for tenant in &mut picture.tenants[..3] {
            let one = Arc::make_mut(tenant);
            (one.state, one.pending) = (all_at.state, all_at.pending.clone());
        }
        desk.event(Event::Snapshot(Arc::new(picture)));
        desk.draw();
    };
    assert!(!desk.text().contains("over 24h"), "there is nothing to compare yet");
    desk.wait(Duration::from_secs(3 * 3_600));
    caught_up(&mut desk, 2);
    assert!(desk.text().contains("behind 0") && desk.text().contains("behind over 24h: ["), "{}", desk.text());
    assert!(desk.text().contains(":: ]"), "two behind, two, and nobody: {}", desk.text());
    let mut small = Desk::new(Environment::Production);
    small.wait(Duration::from_secs(3 * 3_600));
    caught_up(&mut small, 2);
    assert!(!small.text().contains("over 24h"), "{}", small.text());
}
