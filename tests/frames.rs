//! What every screen and dialog looks like, at the three sizes of the drawings and in its states.
//!
//! `TENANTUI_PICTURES=DIR` writes each frame as an SVG, too, in each theme and with all, 16 and no colours.

mod comfort;
mod dialogs;
mod fuzz;
mod job_screens;
mod life;
mod migrating;
mod new_tenant;
mod owners;
pub mod sample;
mod sample_jobs;
mod server;
mod shared;
mod stage;
mod styles;
mod untrusted;
mod wellbeing;

use std::sync::Arc;

use tenantui::model::environment::Environment;
use tenantui::model::fleet::{CacheView, Snapshot};
use tenantui::model::job::{JobEvent, JobId, JobState, JobView, Waits};
use tenantui::model::link::LinkState;
use tenantui::model::server::{Lag, Replica, ServerRole};
use tenantui::model::tenant::{NotMeasured, Unmeasured};
use tenantui::tui::app::event::Event;

use sample::{SIZES, at, eu1, outcomes, tenants};
use stage::{Stage, text};

/// Compares a frame with the one that was looked at and committed, and its looks in the second theme.
fn check(name: &str, stage: &Stage) {
    words(name, stage);
    let (columns, rows) = stage.app.state().size;
    styles::check(&format!("{name}_{columns}x{rows}"), &[(stage.frame(), stage.frame_in(&styles::second()))]);
}

/// Compares the words of a frame.
fn words(name: &str, stage: &Stage) {
    let frame = stage.frame();
    let (columns, rows) = stage.app.state().size;
    let name = format!("{name}_{columns}x{rows}");
    styles::pictures(&name, |theme| stage.frame_in(theme));
    insta::assert_snapshot!(name, text(&frame));
}

/// Plays a scene at the three sizes, and in the second theme.
fn scene(name: &str, play: impl Fn(&mut Stage)) {
    let stages = SIZES.map(|size| {
        let mut stage = Stage::new(size);
        play(&mut stage);
        stage
    });
    stages.iter().for_each(|stage| words(name, stage));
    styles::check(name, &stages.each_ref().map(|stage| (stage.frame(), stage.frame_in(&styles::second()))));
}

fn lose_link(stage: &mut Stage) {
    stage.snapshot.databases[0].link = LinkState::Lost {
        since: at(-14),
        attempt: 4,
        next_try: at(6),
        why: "server closed the connection (57P01 admin shutdown)".into(),
    };
    stage.snapshot.databases[0].taken_at = Some(at(-17));
    stage.show();
}

#[test]
fn tenants_normal() {
    scene("tenants", |stage| stage.keys("j Space j Space"));
}

#[test]
fn tenants_with_the_detail_beside_them() {
    let mut stage = Stage::new((200, 50));
    stage.keys("j");
    stage.snapshot.detail = Some(Arc::new(sample::detail(&stage.snapshot.tenants[1])));
    stage.show();
    check("tenants_detail", &stage);
}

#[test]
fn tenants_filtered_and_nothing_found() {
    scene("tenants_filter_typing", |stage| stage.keys("/ a c"));
    scene("tenants_filter_kept", |stage| stage.keys("/ a c Enter"));
    scene("tenants_nothing_found", |stage| stage.keys("/ q q q q Enter"));
    scene("tenants_filter_one", |stage| stage.keys("/ a c m e"));
    scene("tenants_zoom", |stage| stage.keys("z"));
    scene("tenants_filter_wrong", |stage| stage.keys("/ p l a n > p"));
    scene("tenants_filter_fields", |stage| stage.keys("/ b e h i n d > 1 Enter"));
}

#[test]
fn tenants_link_lost() {
    scene("tenants_link_lost", lose_link);
}

#[test]
fn tenants_loading_and_empty() {
    for size in SIZES {
        let stage = Stage::silent(size, Environment::Production, "default");
        check("tenants_connecting", &stage);
        let mut stage = Stage::silent(size, Environment::Production, "default");
        stage.snapshot.jobs.clear();
        stage.snapshot.databases[0].taken_at = None;
        stage.snapshot.databases[0].progress = Some("registry".into());
        stage.show();
        check("tenants_loading", &stage);
        let mut stage = Stage::with(size, Environment::Development, Vec::new());
        stage.snapshot.jobs.clear();
        stage.show();
        check("tenants_empty", &stage);
    }
}

#[test]
fn tenants_refused_and_error() {
    for size in SIZES {
        let mut stage = Stage::silent(size, Environment::Production, "default");
        stage.snapshot = Snapshot { databases: stage.snapshot.databases, ..Snapshot::default() };
        stage.snapshot.databases[0].taken_at = None;
        stage.snapshot.databases[0].link =
            LinkState::Refused { why: "password authentication failed for user \"saas\" (28P01)".into() };
        stage.show();
        check("tenants_refused", &stage);
    }
    scene("tenants_error", |stage| {
        stage.snapshot.databases[0].error = Some(
            "public.tenants could not be read: permission denied (42501); GRANT SELECT ON public.tenants TO saas"
                .into(),
        );
        stage.show();
    });
}

#[test]
fn an_error_keeps_the_line_and_counts_what_came_meanwhile() {
    scene("tenants_error_stays", |stage| {
        stage.event(Event::Exported(Err("the disk is full".to_owned())));
        stage.event(Event::Note("keymap.toml has changed".to_owned()));
    });
}

#[test]
fn tenants_read_only_and_warned() {
    scene("tenants_read_only", |stage| {
        stage.snapshot.databases[0].read_only = true;
        stage.snapshot.databases[0].read_only_why = Some("behind a pooler (transaction pooling)".into());
        stage.snapshot.databases[0].warnings = vec!["TLS is off (sslmode=disable)".into(), "superuser".into()];
        stage.snapshot.databases[0].cache = CacheView::Failed { why: "NOAUTH".into(), last_good: None };
        stage.show();
    });
}

fn role(stage: &mut Stage, role: ServerRole) {
    let view = &mut stage.snapshot.databases[0];
    view.read_only_why = role.read_only_why();
    (view.read_only, view.server) = (true, role);
    stage.show();
}

#[test]
fn another_kind_of_server_has_a_banner() {
    scene("tenants_replica", |stage| {
        let lag = Lag::Behind { bytes: 448, age_seconds: Some(15) };
        role(stage, ServerRole::Standby(Replica { receiving: true, paused: false, lag }));
        stage.keys("j");
    });
    scene("tenants_old_primary", |stage| {
        let (timeline, newer) = ("00000001".to_owned(), "00000002".to_owned());
        role(stage, ServerRole::Superseded { timeline, newer });
        stage.keys("j");
    });
    scene("tenants_pooler", |stage| {
        let view = &mut stage.snapshot.databases[0];
        (view.read_only, view.pooled) = (true, true);
        view.read_only_why = Some(
            "a connection pooler is in between; connect to PostgreSQL directly to write (or state pooler = \"session\")"
                .into(),
        );
        stage.show();
    });
    scene("tenant_replica", |stage| {
        stage.open("acme");
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        detail.tables.iter_mut().for_each(|table| table.dead_percent = None);
        stage.snapshot.detail = Some(Arc::new(detail));
        role(stage, ServerRole::Standby(Replica { receiving: true, paused: false, lag: Lag::None }));
    });
}

#[test]
fn refused_while_tenants_are_known() {
    scene("tenants_refused_later", |stage| {
        stage.snapshot.databases[0].link =
            LinkState::Refused { why: "password authentication failed for user \"saas\" (28P01)".into() };
        stage.show();
        stage.keys("j");
    });
}

#[test]
fn tenants_of_two_databases() {
    scene("tenants_two_databases", |stage| {
        let mut second = stage.snapshot.databases[0].clone();
        second.name = "us-1".into();
        second.link = LinkState::Lost { since: at(-14), attempt: 1, next_try: at(2), why: "no route to host".into() };
        stage.snapshot.databases.push(second);
        let mut more = sample::tenant("zebra", Some(3), tenantui::model::tenant::TenantState::Ok);
        more.key = tenantui::model::tenant::TenantKey::row(&"us-1".into(), "zebra");
        stage.snapshot.tenants.insert(4, Arc::new(more));
        stage.show();
    });
}

#[test]
fn hostile_names_are_shown_harmlessly() {
    for size in SIZES {
        let mut stage = Stage::with(size, Environment::Staging, sample::hostile());
        check("tenants_hostile", &stage);
        stage.keys("j j");
        stage.keys("Enter");
        check("tenant_hostile", &stage);
    }
}

#[test]
fn long_versions_are_whole() {
    scene("tenants_long_versions", |stage| {
        let mut list = tenants(30);
        for tenant in &mut list {
            let applied = tenant.applied.unwrap_or(0) as usize;
            if let tenantui::model::ledger::LedgerState::Read(reading) = &mut tenant.ledger {
                reading.applied = Arc::new(tenantui::model::ledger::AppliedSet {
                    versions: Vec::new(),
                    current: Some(tenantui::model::ledger::Version::new(&format!("2026021410300{applied}"))),
                    ..tenantui::model::ledger::AppliedSet::default()
                });
            }
        }
        stage.snapshot.tenants = list.into_iter().map(Arc::new).collect();
        stage.snapshot.databases[0].target = Some(tenantui::model::ledger::Version::new("20260214103004"));
        stage.show();
    });
}

#[test]
fn tenant_tabs() {
    scene("tenant_tables", |stage| stage.open("acme"));
    // The time to measure was over: nothing is said of locks.
    scene("tenant_no_time", |stage| {
        stage.open("acme");
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        detail.unmeasured = Unmeasured { locked: 1, no_time: 901 };
        detail.tables.truncate(7);
        detail.tables[6].not_measured = Some(NotMeasured::NoTime);
        (detail.tables[6].total_bytes, detail.tables[6].table_bytes, detail.tables[6].index_bytes) = (None, None, None);
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
    });
    scene("tenant_migrations", |stage| {
        stage.open("acme");
        stage.keys("Tab");
    });
    scene("tenant_cache", |stage| {
        stage.open("acme");
        stage.keys("Tab Tab");
    });
    scene("tenant_jobs", |stage| {
        stage.open("adler-labs");
        stage.keys("Tab Tab Tab");
    });
}

#[test]
fn tenant_loading_stale_and_without_cache() {
    scene("tenant_loading", |stage| stage.keys("j Enter"));
    scene("tenant_link_lost", |stage| {
        stage.open("acme");
        lose_link(stage);
    });
    scene("tenant_cache_failed", |stage| {
        stage.open("acme");
        stage.snapshot.databases[0].cache = CacheView::Failed {
            why: "redis://cache:6379: WRONGPASS invalid password; set [database.cache] url".into(),
            last_good: Some(at(-600)),
        };
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        detail.cache_by_prefix.clear();
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab");
    });
    scene("tenant_cache_counting", |stage| {
        stage.open("acme");
        stage.snapshot.databases[0].cache = CacheView::Counting { seen: 210_000, of: Some(1_204_000) };
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        detail.cache_by_prefix.clear();
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab");
    });
    scene("tenant_no_cache", |stage| {
        stage.open("acme");
        stage.snapshot.databases[0].cache = CacheView::NotConfigured;
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        detail.cache_by_prefix.clear();
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab");
    });
}

#[test]
fn migrations_normal_stale_and_without_folder() {
    scene("migrations", |stage| stage.keys("2 j j"));
    scene("migrations_link_lost", |stage| {
        stage.keys("2");
        lose_link(stage);
    });
    scene("migrations_no_folder", |stage| {
        stage.snapshot.databases[0].files = None;
        stage.show();
        stage.keys("2");
    });
    for size in SIZES {
        let mut stage = Stage::with(size, Environment::Development, Vec::new());
        stage.keys("2");
        check("migrations_empty", &stage);
    }
}

#[test]
fn menus() {
    scene("palette", |stage| stage.keys(": m i g"));
    scene("palette_all", |stage| stage.keys(":"));
    scene("palette_saved", |stage| stage.keys(": l a g"));
    scene("palette_off", |stage| stage.keys(": s e t - t"));
    scene("palette_wrong", |stage| stage.keys(": f i l t e r Space b e h i n d > x"));
    scene("help", |stage| stage.keys("?"));
    scene("help_end", |stage| stage.keys(&format!("? {}", "Down ".repeat(60))));
    scene("help_search", |stage| stage.keys("? c o p y"));
    scene("prefix", |stage| stage.keys("y"));
}

#[test]
fn too_small_says_what_it_needs() {
    let stage = Stage::new((59, 16));
    check("too_small", &stage);
    let stage = Stage::new((60, 16));
    check("smallest", &stage);
}
