//! A dashboard over two databases: one list, one order with a job for each, and a lost link that dims its rows alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantui::fleet::JobContext;
use tenantui::jobs::service::{Order, ServiceCommand};
use tenantui::model::environment::Environment::{Development, Production, Staging};
use tenantui::model::fleet::DatabaseView;
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState, JobView, Waits};
use tenantui::model::link::LinkState;
use tenantui::model::others_code::{CodeOfPlan, OthersCode};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, context, epoch, job};

/// How many tenants of which database were ordered, since the last call.
fn ordered(desk: &mut Desk) -> BTreeMap<String, usize> {
    desk.commands
        .drain(..)
        .filter_map(|command| match command {
            Command::Service { database, command: ServiceCommand::Order { order, .. } } => match *order {
                Order::Migrate(order) => {
                    assert_eq!(order.plan.database, database, "each plan goes to its own database");
                    Some((database.to_string(), order.plan.tenants.len()))
                }
                other => panic!("{other:?}"),
            },
            _ => None,
        })
        .collect()
}

fn change(desk: &mut Desk, with: impl FnOnce(&mut tenantui::model::fleet::Snapshot)) {
    let mut picture = (*desk.app.state().latest).clone();
    picture.revision += 1;
    with(&mut picture);
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.draw();
}

#[test]
fn one_list_with_the_database_and_a_filter_for_it() {
    let mut desk = Desk::two(Development, Development);
    let text = desk.text();
    assert!(text.contains("DATABASE") && text.contains("eu-1") && text.contains("us-1"), "{text}");
    assert_eq!(desk.shown().len(), 12);
    desk.keys("/database:us-1<Enter>");
    assert_eq!(desk.shown().len(), 6);
    desk.keys("<Esc>:database us-1<Enter>");
    assert_eq!(desk.shown().len(), 6);
    assert!(!desk.text().contains("DATABASE"), "with one database there is nothing to tell apart: {}", desk.text());
}

#[test]
fn one_dialog_orders_a_job_in_each_and_names_the_strictest_environment() {
    let mut desk = Desk::two(Staging, Production);
    desk.open_writes_to("eu-1").open_writes_to("us-1").keys("aM");
    let Some(Dialog::MigrateFleet(_)) = &desk.app.state().dialog else { panic!("{}", desk.text()) };
    let text = desk.text();
    assert!(text.contains("migrate 6 production") && text.contains("Start 2 jobs"), "{text}");
    assert!(text.contains("[PROD] Migrate in 2 databases"), "the most careful badge: {text}");
    desk.keys("migrate 6<Enter>");
    assert!(ordered(&mut desk).is_empty(), "half the words start nothing");
    desk.keys(" staging<Enter>");
    assert!(ordered(&mut desk).is_empty(), "nor does the laxer environment");
    for _ in 0.."staging".len() {
        desk.keys("<BS>");
    }
    desk.keys("production<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("eu-1".to_owned(), 3), ("us-1".to_owned(), 3)]));
    assert!(desk.app.state().dialog.is_none());
}

#[test]
fn a_database_that_cannot_be_written_is_left_out_by_name() {
    let read_only = |desk: &mut Desk, at: usize| {
        change(desk, |picture| {
            picture.databases[at].read_only = true;
            picture.databases[at].read_only_why = Some("the server is a standby".into());
        });
    };
    let mut desk = Desk::two(Development, Production);
    read_only(&mut desk, 1);
    desk.keys("aM");
    let text = desk.text();
    assert!(text.contains("Start 1 job ") && text.contains("off: us-1 is read-only"), "{text}");
    assert!(text.contains("migrate 3 development"), "what is left out does not count: {text}");
    desk.keys("migrate 3 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("eu-1".to_owned(), 3)]));

    // Where none can, no dialog opens.
    let mut desk = Desk::two(Development, Production);
    (0..2).for_each(|at| read_only(&mut desk, at));
    desk.keys("aM");
    assert!(desk.app.state().dialog.is_none() && desk.message().contains("read-only"), "{}", desk.message());
}

#[test]
fn of_hidden_marks_in_several_databases_the_dialog_asks_which_are_meant() {
    let mut desk = Desk::two(Development, Development);
    desk.keys("a/acme<Enter>M");
    let text = desk.text();
    assert!(text.contains("12 marked, 10 hidden") && text.contains("2 shown") && text.contains("all 6"), "{text}");
    // Cancel has the focus.
    desk.keys("<Enter>");
    assert!(desk.app.state().dialog.is_none());
    desk.keys("M<Tab><Enter>");
    let text = desk.text();
    assert!(text.contains("migrate 2 development") && text.contains("Start 2 jobs"), "{text}");
    desk.keys("migrate 2 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("eu-1".to_owned(), 1), ("us-1".to_owned(), 1)]));
    // All of them.
    let mut desk = Desk::two(Development, Development);
    desk.keys("a/database:us-1<Enter>M<Tab><Tab><Enter>");
    desk.keys("migrate 6 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("eu-1".to_owned(), 3), ("us-1".to_owned(), 3)]));
    // The shown ones are of one database: the other gets no job.
    let mut desk = Desk::two(Development, Development);
    desk.keys("a/database:us-1<Enter>M<Tab><Enter>");
    desk.keys("migrate 3 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("us-1".to_owned(), 3)]));
}

#[test]
fn a_database_in_which_a_job_goes_through_the_tenants_is_left_out() {
    let mut desk = Desk::two(Development, Development);
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.keys("aM");
    let text = desk.text();
    assert!(text.contains("off: job 17 is running: until it is over") && text.contains("Start 1 job "), "{text}");
    desk.keys("migrate 3 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("us-1".to_owned(), 3)]));
}

#[test]
fn a_link_that_goes_while_the_dialog_is_open_stops_its_own_order_only() {
    let mut desk = Desk::two(Development, Development);
    desk.keys("aM");
    change(&mut desk, |picture| {
        picture.databases[1].link =
            LinkState::Lost { since: epoch(), attempt: 1, next_try: epoch(), why: "no route to host".into() };
    });
    desk.keys("migrate 6 development<Enter>");
    assert_eq!(ordered(&mut desk), BTreeMap::from([("eu-1".to_owned(), 3)]));
    assert!(desk.message().contains("nothing was ordered") && desk.message().contains("us-1"), "{}", desk.message());
}

#[test]
fn of_several_lost_links_none_is_passed_over() {
    let mut desk = Desk::two(Development, Development);
    change(&mut desk, |picture| {
        let lost = |name: &str, why: &str| {
            let link = LinkState::Lost { since: epoch(), attempt: 1, next_try: epoch(), why: why.into() };
            DatabaseView { name: name.into(), link, ..picture.databases[1].clone() }
        };
        let lost = [lost("ap-1", "no route to host"), lost("sa-1", "connection refused")];
        picture.databases.extend(lost);
    });
    let text = desk.text();
    assert!(text.contains("ap-1: link lost: no route to host (lost as well: sa-1)"), "{text}");
}

#[test]
fn each_database_is_asked_for_code_beside_the_files_and_its_answer_shown() {
    let mut desk = Desk::two(Staging, Production);
    desk.open_writes_to("eu-1").open_writes_to("us-1").keys("aM");
    let asked: Vec<_> = desk
        .commands
        .drain(..)
        .filter_map(|command| match command {
            Command::Service { database, command: ServiceCommand::ReadCode { plan, schemas } } => {
                Some((database, plan, schemas.len()))
            }
            _ => None,
        })
        .collect();
    let counts: Vec<_> = asked.iter().map(|(database, _, schemas)| (&**database, *schemas)).collect();
    assert_eq!(counts, [("eu-1", 3), ("us-1", 3)]);
    assert!(desk.text().contains("looking for code"), "{}", desk.text());
    for (database, plan, _) in asked {
        let words = format!("function touch() of {database}");
        let found = Ok(vec![OthersCode { words: words.into(), schemas: 1, first: "t_acme".into() }]);
        desk.event(Event::Job(JobEvent::Code(Box::new(CodeOfPlan { database, plan, found }))));
    }
    desk.draw();
    let text = desk.text();
    for words in ["eu-1: in t_acme: function touch() of eu-1", "us-1: in t_acme: function touch() of us-1"] {
        assert!(text.contains(words), "{text}");
    }
}

/// The line of a tenant of a database.
fn row(desk: &Desk, slug: &str, database: &str) -> String {
    let text = desk.text();
    let is_it = |line: &&str| line.contains(&format!(" {slug} ")) && line.contains(database);
    text.lines().find(is_it).unwrap_or_else(|| panic!("{slug} of {database}: {text}")).to_owned()
}

/// The second database says `aktiv` and `gesperrt`, and its first tenant is the latter.
fn speaks_german(desk: &mut Desk) {
    let mut layout = (*context().layout).clone();
    (layout.statuses.active, layout.statuses.suspended) = (Some("aktiv".to_owned()), Some("gesperrt".to_owned()));
    let theirs = JobContext { database: "us-1".into(), layout: Arc::new(layout), ..context() };
    change(desk, |picture| {
        for tenant in picture.tenants.iter_mut().filter(|tenant| &*tenant.key.database == "us-1") {
            let word = if tenant.slug.raw() == "abacus" { "gesperrt" } else { "aktiv" };
            Arc::make_mut(tenant).status = Some(word.into());
        }
    });
    desk.event(Event::Contexts(Arc::new(vec![context(), theirs])));
    desk.draw();
}

#[test]
fn a_status_is_read_with_the_word_of_its_own_database_wherever_the_cursor_is() {
    let mut desk = Desk::two(Development, Development);
    speaks_german(&mut desk);
    for keys in ["gg", "G"] {
        desk.keys(keys);
        for database in ["eu-1", "us-1"] {
            assert!(row(&desk, "acme", database).contains("behind"), "{keys}: {}", desk.text());
            assert!(row(&desk, "alba", database).contains("never_migrated"), "{keys}: {}", desk.text());
        }
        assert!(row(&desk, "abacus", "us-1").contains("gesperrt"), "{keys}: {}", desk.text());
        assert!(row(&desk, "abacus", "eu-1").contains(" ok "), "{keys}: {}", desk.text());
    }
    let counters = desk.app.state().counters;
    assert_eq!((counters.active, counters.suspended), (11, 1), "each is counted by its own database's words");
}

fn job_of(database: &str, id: i32, state: JobState) -> JobView {
    JobView { database: database.into(), ..job(id, JobKind::Migrate, state, [3, 1, 0, 2]) }
}

#[test]
fn with_one_database_its_jobs_alone_are_listed() {
    let mut desk = Desk::two(Development, Development);
    desk.job(job_of("eu-1", 17, JobState::Paused));
    desk.job(job_of("us-1", 18, JobState::Running));
    desk.keys("3");
    assert_eq!(desk.app.state().shown_jobs().count(), 2);
    desk.keys(":database eu-1<Enter>");
    let shown: Vec<JobId> = desk.app.state().shown_jobs().map(|job| job.id).collect();
    assert_eq!(shown, [JobId(17)], "{}", desk.text());
    assert_eq!(desk.app.state().cursor_job().map(|job| job.id), Some(JobId(17)), "no key reaches the other's job");
    desk.keys(":database us-1<Enter>");
    assert_eq!(desk.app.state().cursor_job().map(|job| job.id), Some(JobId(18)));
    assert_eq!(desk.app.state().header.database.as_deref(), Some("us-1"));
    // Where it has none, the place in the list is nobody's.
    let mut desk = Desk::two(Development, Development);
    desk.job(job_of("eu-1", 17, JobState::Paused));
    desk.keys("3:database us-1<Enter>");
    assert!(desk.app.state().cursor_job().is_none());
    let text = desk.text();
    assert!(
        text.contains("No job has been ordered in us-1 yet.") && text.contains("Other databases have 1 job"),
        "{text}"
    );
    desk.keys("CR");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    // What is open by itself is of its own database, whichever is shown.
    let mut desk = Desk::two(Development, Development);
    desk.job(job_of("eu-1", 17, JobState::Paused));
    desk.keys("3<Enter>:database us-1<Enter>");
    assert_eq!(desk.app.state().header.database.as_deref(), Some("eu-1"));
}

#[test]
fn a_job_of_a_database_that_is_put_aside_is_named_and_no_key_reaches_it() {
    let mut desk = Desk::two(Development, Development);
    desk.job(JobView { waits: Some(Waits::Canary), ..job_of("us-1", 17, JobState::Paused) });
    desk.keys(":database eu-1<Enter>");
    let text = desk.text();
    assert!(text.contains("job 17") && text.contains("in us-1") && !text.contains("C goes on"), "{text}");
    desk.keys("C");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    // One of the database that is shown comes first, whatever the other one does.
    desk.job(JobView { waits: Some(Waits::Canary), ..job_of("eu-1", 4, JobState::Paused) });
    desk.job(job_of("us-1", 18, JobState::Running));
    assert!(desk.text().contains("job 4 "), "{}", desk.text());
    desk.keys("C");
    assert!(desk.text().contains("Continue job 4"), "{}", desk.text());
}

#[test]
fn jobs_of_several_databases_keep_the_column_that_tells_them_apart() {
    let mut desk = Desk::two(Development, Development);
    let what = "180 tenants to 20260104000000";
    for database in ["eu-1", "us-1"] {
        let waits = Some(Waits::Operator);
        desk.job(JobView { waits, what: what.into(), ..job_of(database, 17, JobState::Paused) });
    }
    desk.keys("3");
    let text = desk.text();
    assert!(text.contains("paused (operator)"), "{text}");
    assert!(text.contains("DATABASE") && text.contains("us-1"), "{text}");
}

#[test]
fn a_name_that_several_databases_have_is_no_ones_until_it_is_chosen() {
    let mut desk = Desk::two(Development, Development);
    desk.keys(":tenant acme<Enter>");
    assert!(desk.app.state().tenant.is_none(), "{}", desk.text());
    assert_eq!(desk.shown(), ["acme", "acme"]);
    assert!(desk.message().contains("acme is in eu-1 and us-1"), "{}", desk.message());
    desk.keys("j<Enter>");
    assert_eq!(desk.app.state().tenant.as_ref().map(|open| &*open.key.database), Some("us-1"));
    // Each is still there to be chosen, and with one database there is nothing to ask.
    desk.keys("<Esc><Esc>:tenant acme<Down><Enter>");
    assert_eq!(desk.app.state().tenant.as_ref().map(|open| &*open.key.database), Some("eu-1"));
    desk.keys("<Esc>:database us-1<Enter>:tenant acme<Enter>");
    assert_eq!(desk.app.state().tenant.as_ref().map(|open| &*open.key.database), Some("us-1"), "{}", desk.text());
}

#[test]
fn one_database_without_a_link_from_the_start_says_so_and_of_no_filter() {
    let mut desk = Desk::two(Development, Development);
    change(&mut desk, |picture| {
        picture.tenants.retain(|tenant| &*tenant.key.database == "eu-1");
        picture.databases[1].taken_at = None;
        picture.databases[1].link =
            LinkState::Lost { since: epoch(), attempt: 3, next_try: epoch(), why: "connection refused".into() };
    });
    desk.keys(":database us-1<Enter>");
    let text = desk.text();
    assert!(text.contains("There is no link to us-1") && text.contains("shows all databases"), "{text}");
    assert!(!text.contains("No tenant matches") && !text.contains("clears the filter"), "{text}");
    // With a filter it is the filter that leaves nobody.
    desk.keys("<Esc>/nobody-is-called-so<Enter>");
    assert!(desk.text().contains("No tenant matches /nobody-is-called-so"), "{}", desk.text());
}

#[test]
fn on_a_wide_screen_schemas_take_the_room_that_is_there() {
    let mut desk = Desk::two_on((200, 50), Development, Development);
    change(&mut desk, |picture| {
        for tenant in &mut picture.tenants {
            let tenant = Arc::make_mut(tenant);
            tenant.slug = format!("{}-of-the-sea", tenant.slug.raw()).into();
            tenant.schema = Some(format!("tenant_{}", tenant.slug.raw().replace('-', "_")).into());
        }
    });
    let text = desk.text();
    let list: Vec<&str> = text.lines().map(|line| line.split('|').next().unwrap_or_default()).collect();
    let row = list.iter().find(|row| row.contains(" zebra-corp-of-the-sea ")).unwrap_or_else(|| panic!("{text}"));
    assert!(row.contains(" tenant_zebra_corp_of_the_sea "), "{text}");
}
