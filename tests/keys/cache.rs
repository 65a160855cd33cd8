//! `F` on an open tenant: its cache keys are removed after its name was typed, and the removal can be stopped.

use std::sync::Arc;
use std::time::Duration;

use tenantui::jobs::service::ServiceCommand;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::CacheView;
use tenantui::model::flush::FlushState;
use tenantui::model::job::JobEvent;
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;

use super::desk::{Desk, epoch, snapshot};

/// A dashboard on a tenant's Cache tab.
fn desk(environment: Environment) -> Desk {
    let mut desk = Desk::new(environment);
    let mut picture = snapshot(environment);
    picture.revision += 1;
    for view in &mut picture.databases {
        view.cache = CacheView::Counted { at: epoch(), keys: 900, recounting: false };
    }
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.keys(":acme<Enter><Tab><Tab>");
    desk
}

fn told(desk: &mut Desk, state: FlushState) {
    let tenant = desk.app.state().tenant.as_ref().expect("an open tenant").key.clone();
    desk.event(Event::Job(JobEvent::Flush { tenant, slug: "acme".into(), state }));
    desk.draw();
}

#[test]
fn the_age_of_the_counts_steps_while_the_data_is_live() {
    let mut desk = desk(Environment::Development);
    let read = |desk: &mut Desk, revision: u64, counted: i64, taken: i64| {
        let at = |seconds| epoch() + jiff::SignedDuration::from_secs(seconds);
        let mut picture = snapshot(Environment::Development);
        picture.revision += revision;
        for view in &mut picture.databases {
            view.cache = CacheView::Counted { at: at(counted), keys: 900, recounting: false };
            view.taken_at = Some(at(taken));
        }
        desk.event(Event::Snapshot(Arc::new(picture)));
    };
    desk.draw();
    assert!(desk.text().contains("counted just now"), "{}", desk.text());
    desk.wait(Duration::from_secs(10));
    read(&mut desk, 2, 0, 10);
    assert!(!desk.draw(), "nothing has stepped");
    assert!(desk.app.next_tick().expect("the counts age") <= Duration::from_secs(5));
    desk.wait(Duration::from_secs(5));
    assert!(desk.draw() && desk.text().contains("counted 15s ago"), "{}", desk.text());
    read(&mut desk, 3, 0, 15);
    desk.wait(Duration::from_secs(14));
    assert!(!desk.draw(), "nothing ticks");
    // A count that found the same is younger all the same.
    read(&mut desk, 4, 29, 29);
    assert!(desk.draw() && desk.text().contains("counted just now"), "{}", desk.text());
    // Where it is not to be seen it wakes nobody.
    desk.keys("<Tab>");
    desk.draw();
    desk.wait(Duration::from_secs(10));
    read(&mut desk, 5, 29, 39);
    assert!(desk.app.next_tick().expect("the data ages") > Duration::from_secs(5));
}

#[test]
fn the_name_is_typed_and_pasting_does_not_count() {
    let mut desk = desk(Environment::Production);
    desk.keys("F");
    assert!(desk.app.state().dialog.is_none());
    assert!(desk.message().contains("W opens them"), "{}", desk.message());
    desk.open_writes().keys("F");
    let text = desk.text();
    assert!(text.contains("Flush cache of acme") && text.contains("by the last count"), "{text}");
    desk.keys("y<Enter>");
    desk.paste("acme");
    desk.keys("<Enter>");
    assert!(desk.app.state().dialog.is_some() && desk.writes().is_empty(), "a wrong or pasted name removes nothing");
    desk.keys("<Esc>F<Enter>");
    assert!(desk.app.state().dialog.is_none() && desk.writes().is_empty(), "Cancel is focused");
    desk.keys("Facme<Enter>");
    let writes = desk.writes();
    let [ServiceCommand::Flush(order)] = &writes[..] else { panic!("one removal: {writes:?}") };
    assert_eq!(order.slug.raw(), "acme");
    assert!(order.tenants.len() > 1, "the others' claims are known");
}

#[test]
fn a_removal_is_told_and_stopped_even_with_writes_locked() {
    let mut desk = desk(Environment::Development);
    desk.keys("Facme<Enter>");
    assert_eq!(desk.writes().len(), 1);
    told(&mut desk, FlushState::Running { removed: 1_200 });
    assert!(desk.text().contains("flushing: 1,200 keys removed so far; F stops it"), "{}", desk.text());
    let farewell = desk.app.farewell();
    assert!(farewell.ends_with("the cache of acme was left half flushed: 1,200 keys removed"), "{farewell}");
    desk.keys("F");
    assert!(desk.text().contains("Stop flushing the cache"), "{}", desk.text());
    desk.keys("<Tab><Enter>");
    let stops = |command: &Command| matches!(command, Command::Service { command: ServiceCommand::StopFlush, .. });
    assert!(desk.commands.iter().any(stops));
    told(&mut desk, FlushState::Done { removed: 2_000, kept: 3 });
    assert!(desk.message().contains("2,000 keys removed, 3 kept"), "{}", desk.message());
    assert!(!desk.app.farewell().contains("half flushed"));
    told(&mut desk, FlushState::Stopped { removed: 1_400 });
    assert!(desk.message().contains("stopped, 1,400 keys removed"), "{}", desk.message());
    told(&mut desk, FlushState::Failed { why: "the cache went away \u{1b}[2J".into() });
    assert!(desk.message().contains("went away") && !desk.message().contains('\u{1b}'), "{}", desk.message());
}

#[test]
fn where_there_is_no_cache_or_nothing_may_be_written_that_is_said() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys(":acme<Enter>F");
    assert!(desk.message().contains("[database.cache]"), "{}", desk.message());
    let mut desk = self::desk(Environment::Development);
    let mut picture = (*desk.app.state().latest).clone();
    picture.revision += 1;
    picture.databases[0].read_only = true;
    picture.databases[0].read_only_why = Some("read_only in its configuration".into());
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.keys("F");
    assert!(desk.message().contains("read-only") && desk.app.state().dialog.is_none(), "{}", desk.message());
}
