//! Screen 4: is the database well? And what tenants do, on the screens that show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantui::model::server::{Lag, Replica, ServerRole};
use tenantui::model::vitals::{
    Activity, CacheMemory, Catalog, Facts, LockSession, LockWait, OpenTransaction, Pace, SessionGroup, TransactionKind,
    Vitals, tree,
};

use super::sample::{at, eu1};
use super::stage::Stage;
use super::{check, scene};

fn group(role: &str, application: &str, state: Option<&str>, count: u64, seconds: u64) -> SessionGroup {
    SessionGroup {
        database: "app".into(),
        here: true,
        role: role.into(),
        application: application.into(),
        state: state.map(Into::into),
        count,
        oldest_seconds: state.map(|_| seconds),
    }
}

fn waiting(pid: i32, blocked_by: &[i32], query: &str, wait: Option<(&str, &str, &str)>) -> LockSession {
    LockSession {
        pid,
        role: Some("app_rw".into()),
        application: Some(if wait.is_some() { "worker" } else { "web" }.into()),
        database: Some("app".into()),
        state: Some(if wait.is_some() { "active" } else { "idle in transaction" }.into()),
        open_seconds: Some(192),
        query: Some(query.into()),
        waits: wait.map(|(kind, mode, relation)| LockWait {
            kind: kind.into(),
            mode: mode.into(),
            seconds: Some(12),
            schema: Some("t_acme".into()),
            relation: Some(relation.into()),
        }),
        blocked_by: blocked_by.to_vec(),
        depth: 0,
    }
}

fn open(kind: TransactionKind, id: &str, state: &str, seconds: u64) -> OpenTransaction {
    OpenTransaction {
        kind,
        id: id.into(),
        role: Some("app_rw".into()),
        application: Some("web".into()),
        database: Some("app".into()),
        state: Some(state.into()),
        open_seconds: Some(seconds),
        state_seconds: Some(seconds),
        xmin_age: Some(41_200),
        retained_bytes: None,
        query: Some("update users\n   set street = 'x'\n where id = 7".into()),
    }
}

fn catalog(name: &str, bytes: u64, dead: u64) -> Catalog {
    Catalog {
        name: name.into(),
        total_bytes: bytes,
        live_rows: Some(120_000),
        dead_rows: Some(dead),
        trigger_rows: 24_050,
        vacuumed_seconds: Some(7_900),
    }
}

fn sick() -> Vitals {
    let mut sessions = vec![
        group("app_rw", "web", Some("active"), 14, 2),
        group("app_rw", "web", Some("idle"), 9, 700),
        group("app_rw", "worker", Some("idle in transaction"), 1, 192),
        group("saas", "tenantui/0.1.0 reader", Some("idle"), 2, 3),
        group("evil", "\u{1b}[31mred\u{202e}", Some("active"), 1, 90_000),
    ];
    sessions.push(SessionGroup { database: "other".into(), here: false, ..group("bi", "", Some("idle"), 4, 4_000) });
    Vitals {
        read_at: at(-3),
        latency_ms: 12,
        latencies: vec![11, 12, 40, 12, 25, 12, 11],
        facts: Facts {
            role: "saas".into(),
            sees_all: true,
            sees_all_by: None,
            standby: false,
            uptime_seconds: Some(266_000),
            connections: 31,
            max_connections: 100,
            reserved_connections: 3,
            schemas: 1_204,
            locks_held: 1_270,
            lock_room: 6_400,
            autovacuum: true,
            autovacuum_workers: Some(1),
            autovacuum_max_workers: 3,
            frozen_age: 12_400_000,
            freeze_max_age: 200_000_000,
        },
        sessions,
        locks: tree(vec![
            waiting(4_411, &[], "update users set street = $1", None),
            waiting(4_502, &[4_411], "update users\n set name = 'é'", Some(("transactionid", "ShareLock", "users"))),
            waiting(
                4_503,
                &[4_502],
                "alter table t_acme.users \u{1b}[31m",
                Some(("relation", "AccessExclusiveLock", "users")),
            ),
        ]),
        transactions: vec![
            open(TransactionKind::Prepared, "order-2026-\u{202e}77", "prepared", 7_200),
            open(TransactionKind::Session, "4411", "idle in transaction", 192),
            OpenTransaction {
                retained_bytes: Some(3 << 30),
                open_seconds: None,
                query: None,
                ..open(TransactionKind::Slot, "debezium", "inactive", 0)
            },
        ],
        catalogs: vec![
            catalog("pg_attribute", 132_000_000, 61_000),
            catalog("pg_depend", 52_000_000, 4_100),
            Catalog { vacuumed_seconds: None, ..catalog("pg_class", 33_000_000, 0) },
        ],
        totals: None,
        pace: Some(Pace {
            over_ms: 5_000,
            commits: 124,
            rollbacks: 2,
            rows_read: 4_210,
            rows_written: 41,
            hit_percent: Some(99),
            deadlocks: 0,
        }),
        cache: Some(Ok(CacheMemory {
            used_bytes: 125_829_120,
            max_bytes: Some(268_435_456),
            policy: "allkeys-lru".into(),
            evicted_keys: 12_000,
            keys: 1_204_000,
            clients: 31,
        })),
        ..Vitals::unread(&eu1())
    }
}

fn well() -> Vitals {
    Vitals {
        locks: Vec::new(),
        transactions: Vec::new(),
        catalogs: vec![catalog("pg_attribute", 132_000_000, 4_100)],
        cache: None,
        pace: None,
        ..sick()
    }
}

fn show(stage: &mut Stage, vitals: Vitals) {
    stage.keys("4");
    stage.snapshot.vitals = vec![Arc::new(vitals)];
    stage.show();
}

#[test]
fn server_with_something_wrong_in_every_list() {
    scene("server", |stage| {
        show(stage, sick());
        stage.keys("j");
    });
    scene("server_locks", |stage| {
        show(stage, sick());
        stage.keys("Tab j j");
    });
    scene("server_transactions", |stage| {
        show(stage, sick());
        stage.keys("Tab Tab");
    });
    scene("server_catalogs", |stage| {
        show(stage, sick());
        stage.keys("BackTab");
    });
    scene("server_in_full", |stage| {
        show(stage, sick());
        stage.keys("Tab j Enter");
    });
    scene("server_wrong", |stage| {
        show(stage, sick());
        stage.keys("i");
    });
}

#[test]
fn server_sorted_filtered_and_zoomed() {
    scene("server_sorted", |stage| {
        show(stage, sick());
        stage.keys("s s s s");
    });
    scene("server_filter_typing", |stage| {
        show(stage, sick());
        stage.keys("/ w e b");
    });
    scene("server_filtered", |stage| {
        show(stage, sick());
        stage.keys("Tab / w o r k e r Enter");
    });
    scene("server_zoom", |stage| {
        show(stage, sick());
        stage.keys("Tab z");
    });
}

#[test]
fn server_that_is_well() {
    scene("server_well", |stage| show(stage, well()));
}

#[test]
fn server_before_it_was_read_and_without_a_link() {
    scene("server_reading", |stage| stage.keys("4"));
    scene("server_link_lost", |stage| {
        show(stage, sick());
        super::lose_link(stage);
    });
}

#[test]
fn server_to_a_role_that_may_not_see_it() {
    scene("server_hidden", |stage| {
        let mut vitals = sick();
        vitals.facts.sees_all = false;
        vitals.facts.autovacuum_workers = None;
        for group in vitals.sessions.iter_mut().filter(|group| group.role.raw() != "saas") {
            (group.state, group.oldest_seconds) = (None, None);
        }
        for session in &mut vitals.locks {
            (session.state, session.open_seconds, session.query) = (None, None, None);
        }
        vitals.transactions.clear();
        vitals.problems.extend(vitals.facts.blind_spot());
        vitals.cache = Some(Err("no cache server at 127.0.0.1:1: refused".into()));
        show(stage, vitals);
        stage.keys("Tab");
    });
}

#[test]
fn server_that_is_a_standby() {
    scene("server_standby", |stage| {
        let mut vitals = well();
        vitals.facts.standby = true;
        for catalog in &mut vitals.catalogs {
            (catalog.dead_rows, catalog.vacuumed_seconds) = (None, None);
        }
        let role = ServerRole::Standby(Replica { receiving: true, paused: false, lag: Lag::None });
        super::role(stage, role);
        show(stage, vitals);
        stage.keys("BackTab");
    });
}

#[test]
fn what_tenants_do_stands_beside_them() {
    let busy =
        |read, written| Activity { read, written, history: vec![0, 0, 4, 40, 120, 90, 0, 12, 124], over_ms: 5_000 };
    let give = |stage: &mut Stage| {
        let tenants = &stage.snapshot.tenants;
        let activity: BTreeMap<_, _> = [
            (tenants[0].key.clone(), busy(Some(0), Some(0))),
            (tenants[1].key.clone(), busy(Some(120_300), Some(4))),
            (tenants[2].key.clone(), Activity::default()),
        ]
        .into();
        stage.snapshot.activity = Arc::new(activity);
        stage.show();
    };
    let mut stage = Stage::new((200, 50));
    stage.keys("j");
    give(&mut stage);
    check("tenants_activity", &stage);
    scene("tenant_activity", |stage| {
        stage.open("acme");
        give(stage);
    });
}
