//! What a new picture moves, and what it does not: rows, the cursor, the clock.

use super::*;

#[test]
fn a_refresh_moves_rows_and_the_cursor_stays_on_its_tenant() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("jj<Space>k");
    assert_eq!(desk.cursor(), "acorn");
    let name: DatabaseName = "eu-1".into();
    desk.event(Event::Snapshot(next(|snapshot| {
        for (number, slug) in ["aaa", "aab", "aac"].iter().enumerate() {
            snapshot.tenants.insert(0, Arc::new(tenant(&name, slug, 100 + number, 4)));
        }
        snapshot.tenants.reverse();
    })));
    assert_eq!(desk.cursor(), "acorn");
    assert_eq!(desk.app.state().tenants.marks.iter().map(|key| &*key.local).collect::<Vec<_>>(), ["r:2"]);
    // It goes away: the cursor stays at that place, on whoever is there now.
    let place = desk.app.state().tenants.list.at;
    desk.event(Event::Snapshot(next(|snapshot| {
        snapshot.tenants.retain(|tenant| tenant.slug.raw() != "acorn");
        for (number, slug) in ["aaa", "aab", "aac"].iter().enumerate() {
            snapshot.tenants.insert(0, Arc::new(tenant(&name, slug, 100 + number, 4)));
        }
    })));
    assert_eq!(desk.app.state().tenants.list.at, place);
    assert_eq!(desk.cursor(), desk.shown()[place]);
}

#[test]
fn a_refresh_that_changed_nothing_draws_nothing() {
    let mut desk = Desk::new(Environment::Production);
    assert!(!desk.draw(), "drawn already");
    for round in 1..20_u64 {
        desk.wait(Duration::from_millis(4_900));
        desk.event(Event::Snapshot(next(|snapshot| {
            snapshot.revision += round;
            snapshot.databases[0].taken_at =
                Some(epoch() + jiff::SignedDuration::from_millis(4_900 * i64::try_from(round).expect("small")));
            snapshot.databases[0].link = LinkState::Up { latency_ms: 2 + u32::try_from(round % 3).expect("small") };
        })));
        assert!(!desk.draw(), "round {round} drew:\n{}", desk.text());
    }
    assert_eq!(desk.app.state().header.age, DataAge::Live);
}

#[test]
fn an_idle_dashboard_asks_for_a_clock_only_when_something_ages() {
    let mut desk = Desk::new(Environment::Production);
    let wait = desk.app.next_tick().expect("the data ages");
    assert!(wait >= Duration::from_secs(14), "{wait:?}");
    desk.wait(Duration::from_secs(15));
    assert!(desk.draw());
    assert_eq!(desk.app.state().header.age, DataAge::Old(15));
    assert!(desk.app.next_tick().expect("steps") >= Duration::from_secs(44));
    desk.wait(Duration::from_secs(44));
    assert!(!desk.draw(), "between two steps nothing is drawn");
    // An info is there for five seconds, no longer.
    desk.keys("r");
    assert!(desk.app.next_tick().expect("fades") <= Duration::from_secs(5));
    desk.wait(Duration::from_secs(5));
    assert_eq!(desk.message(), "");
}

#[test]
fn frozen_rows_stay_and_come_back_up_to_date() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("p");
    desk.event(Event::Snapshot(next(|snapshot| snapshot.tenants.truncate(2))));
    assert_eq!(desk.shown().len(), 6);
    assert!(matches!(desk.app.state().header.age, DataAge::Frozen(_)));
    desk.keys("p");
    assert_eq!(desk.shown().len(), 2);
}

#[test]
fn a_lost_link_is_told_once_and_turns_writes_off() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    desk.event(Event::Snapshot(next(|snapshot| {
        snapshot.databases[0].link = LinkState::Lost {
            since: epoch(),
            attempt: 1,
            next_try: epoch(),
            why: "server closed the connection (57P01)".into(),
        };
    })));
    assert!(desk.message().contains("57P01"), "{}", desk.message());
    assert!(desk.app.next_tick().expect("a countdown") <= Duration::from_secs(1));
    desk.keys("jM");
    assert!(desk.message().contains("no link"), "{}", desk.message());
    assert!(desk.app.state().dialog.is_none());
    desk.wait(Duration::from_secs(31));
    // Back, and not everything is read yet: nothing is said before it is.
    desk.event(Event::Snapshot(next(|_| {})));
    assert!(!desk.message().contains("back after"), "{}", desk.message());
    desk.wait(Duration::from_secs(1));
    desk.event(Event::Snapshot(next(|snapshot| {
        snapshot.revision += 1;
        snapshot.databases[0].back = Some(Back { at: epoch(), gone_seconds: 31, rows_changed: 2 });
    })));
    assert_eq!(desk.message(), "eu-1: back after 00:31, 2 rows changed");
}

/// What is being read comes and goes with every reading: no row moves with it, on any screen and at any size.
#[test]
fn what_is_being_read_moves_no_row() {
    for size in [(80, 24), (120, 40), (200, 50)] {
        for screen in ["1", "1<Enter>", "2", "3", "4", ":audit<Enter>", ":messages<Enter>"] {
            let mut desk = Desk::sized(Environment::Production, size);
            desk.keys(screen);
            desk.wait(Duration::from_secs(5));
            let reading = |progress: Option<&str>| {
                next(|snapshot| {
                    snapshot.revision += u64::from(progress.is_none());
                    snapshot.databases[0].warnings = vec!["the role is a superuser: it may do anything".into()];
                    snapshot.databases[0].progress = progress.map(Into::into);
                })
            };
            desk.event(Event::Snapshot(reading(None)));
            desk.draw();
            let before = desk.text();
            desk.event(Event::Snapshot(reading(Some("ledgers 4,200/10,000"))));
            desk.draw();
            let during = desk.text();
            assert!(during.contains("eu-1: reading ledgers 4,200/10,000"), "{screen} {size:?}: {during}");
            let moved: Vec<_> =
                before.lines().zip(during.lines()).filter(|(before, during)| before != during).collect();
            assert_eq!(moved.len(), 1, "{screen} {size:?}: {moved:#?}");
        }
    }
}

#[test]
fn a_reading_that_failed_is_not_live() {
    let mut desk = Desk::new(Environment::Production);
    let failed = || {
        next(|snapshot| {
            let database = &mut snapshot.databases[0];
            (database.unread, database.error) = (true, Some("permission denied for table tenants".into()));
        })
    };
    assert!(desk.text().contains("data live"), "{}", desk.text());
    desk.wait(Duration::from_secs(5));
    desk.event(Event::Snapshot(failed()));
    desk.draw();
    assert!(desk.text().contains("data not read") && !desk.text().contains("data live"), "{}", desk.text());
    assert!(desk.app.next_tick().expect("its age steps") <= Duration::from_secs(10));
    desk.wait(Duration::from_secs(10));
    desk.draw();
    assert!(desk.text().contains("data 15s old"), "{}", desk.text());
}
