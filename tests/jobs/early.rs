//! The first work session of a run is opened while the job is claimed; it does the work, and the run is none the worse
//! where it is lost.

use tenantui::model::job::JobState;

use super::Fleet;
use crate::life::Place;
use crate::provision::{order, provision};
use crate::support::proxy::{Message, Proxy, Verdict};
use crate::support::{TestDatabase, pg};

/// By what it is known: a part of what it asks first.
fn reads_catalogs(message: &Message) -> bool {
    message.text.contains("FROM pg_catalog.pg_attrdef LIMIT 1")
}

/// A fleet that is reached through a proxy.
async fn behind_a_proxy(tenants: usize) -> (Fleet, Proxy) {
    let db = pg().database("early");
    let proxy = Proxy::new(db.port);
    let url = url(&proxy, &db);
    (Fleet::at(db, &url, tenants).await, proxy)
}

fn url(proxy: &Proxy, db: &TestDatabase) -> String {
    format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), db.name)
}

/// From now on every early session is cut: before its question, behind the answer, or when it is used first.
fn lose_it(proxy: &Proxy, at: usize) {
    let mut line = None;
    proxy.watch(move |message| match (at, reads_catalogs(message)) {
        (0, true) => Verdict::CutBefore,
        (1, true) => Verdict::CutAfterReply,
        (_, true) => {
            line = Some(message.line);
            Verdict::Pass
        }
        (_, false) if line == Some(message.line) => Verdict::CutBefore,
        (_, false) => Verdict::Pass,
    });
}

#[tokio::test]
async fn it_does_the_work_of_the_first_lane() {
    let (fleet, proxy) = behind_a_proxy(1).await;
    fleet.file(20, "make", "create table m20 (id int)");
    proxy.watch(|_| Verdict::Pass);
    assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.state, JobState::Done);
    let line = |what: &dyn Fn(&Message) -> bool| proxy.seen().iter().find(|message| what(message)).map(|m| m.line);
    let early = line(&reads_catalogs);
    assert!(early.is_some(), "it read the catalogs");
    assert_eq!(early, line(&|message| message.text.contains("create table m20")), "and migrated");
    assert_ne!(early, line(&|message| message.text.contains("WITH locked AS")), "another one claimed the job");

    proxy.watch(|_| Verdict::Pass);
    let job = order(&fleet, provision(&fleet, "new")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    let early = line(&reads_catalogs);
    assert!(early.is_some(), "it read the catalogs");
    assert_eq!(early, line(&|message| message.text.contains("CREATE SCHEMA \"tenant_new\"")), "and made the tenant");
}

#[tokio::test]
async fn where_it_is_lost_the_run_opens_another() {
    let (fleet, proxy) = behind_a_proxy(1).await;
    for at in 0..3_u32 {
        fleet.file(20 + at, "make", &format!("create table m{at} (id int)"));
        lose_it(&proxy, at as usize);
        assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.state, JobState::Done, "migrate, {at}");
        assert!(proxy.seen().iter().any(reads_catalogs), "migrate, {at}: there was one");
        let job = order(&fleet, provision(&fleet, &format!("new{at}"))).await.expect("ordered");
        lose_it(&proxy, at as usize);
        let (view, _) = fleet.run(job, false).await;
        assert_eq!(view.expect("run").state, JobState::Done, "provision, {at}");
        assert!(proxy.seen().iter().any(reads_catalogs), "provision, {at}: there was one");
    }
}

#[test]
fn where_it_is_lost_a_tenants_life_goes_on() {
    let place = Place::new("early");
    let proxy = Proxy::new(place.db.port);
    let text =
        format!("[[database]]\nname = \"eu-1\"\nenvironment = \"development\"\nurl = \"{}\"\n", url(&proxy, &place.db));
    std::fs::write(place.config(), text).expect("written");
    for (at, arguments) in [(0, ["suspend", "acme"]), (1, ["activate", "acme"]), (2, ["suspend", "acme"])] {
        lose_it(&proxy, at);
        place.expect(0, &[arguments[0], arguments[1], "--yes"]);
        assert!(proxy.seen().iter().any(reads_catalogs), "{at}: there was one");
    }
    assert_eq!(place.db.value("select status from public.tenants where slug = 'acme'"), "suspended");
}
