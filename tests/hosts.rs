//! Several hosts in one connection string: a primary and its standby, real ones, in every order and for every word of
//! `target_session_attrs`; hosts that are gone, silent, or refuse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{LinkErrorKind, Patience, Reader, ServerFacts, Target};

use crate::support::standby::{Pair, own_pair, pair};
use crate::support::{pg, program, wait_until_async};

async fn open(url: String) -> Result<ServerFacts, (LinkErrorKind, String)> {
    let config = Database::new("test".into(), Environment::Development, url.into());
    let around = Surroundings::fixed([("PGTZ", "UTC")]);
    let words = |error: tenantui::postgres::session::LinkError| (error.kind, error.to_string());
    let target = Target::resolve(Arc::new(config), &around).map_err(words)?;
    let reader = Reader::open(&target, Patience::Foreground).await.map_err(words)?;
    let port = reader.rows("select inet_server_port()").await.expect("a row")[0].text(0).map(str::to_owned);
    let told = target.conninfo_of(reader.facts().host).port.to_string();
    assert_eq!(port, Some(told), "the host that is told is the one that answers");
    Ok(reader.facts().clone())
}

struct Ports {
    primary: u16,
    standby: u16,
}

impl Ports {
    fn of(pair: &Pair) -> Self {
        let database = pair.primary.database("hosts");
        Self { primary: database.port, standby: pair.standby.open(&database).port }
    }
}

fn url(ports: &[u16], rest: &str) -> String {
    let hosts = vec!["127.0.0.1"; ports.len()].join(",");
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    format!("host={hosts} port={ports} user=postgres dbname=postgres sslmode=disable {rest}")
}

#[tokio::test]
async fn each_word_finds_its_server_in_every_order() {
    let Ports { primary, standby } = Ports::of(pair());
    for (word, first_primary, first_standby) in [
        ("any", primary, standby),
        ("read-write", primary, primary),
        ("primary", primary, primary),
        ("read-only", standby, standby),
        ("standby", standby, standby),
        ("prefer-standby", standby, standby),
    ] {
        for (order, wanted) in [([primary, standby], first_primary), ([standby, primary], first_standby)] {
            let facts = open(url(&order, &format!("target_session_attrs={word}"))).await;
            let facts = facts.unwrap_or_else(|(_, words)| panic!("{word}: {words}"));
            assert_eq!((order[facts.host], facts.standby), (wanted, wanted == standby), "{word}");
        }
    }
    // As a URL, and where no standby is to be had.
    let facts = open(format!(
        "postgresql://postgres@127.0.0.1:{standby},127.0.0.1:{primary}/postgres?sslmode=disable&target_session_attrs=primary"
    ));
    assert!(!facts.await.expect("the second").standby);
    assert!(!open(url(&[primary], "target_session_attrs=prefer-standby")).await.expect("the primary will do").standby);
    assert!(!open(url(&[1, primary], "target_session_attrs=prefer-standby")).await.expect("one is gone").standby);
}

#[tokio::test]
async fn a_server_that_is_not_what_is_wanted_is_said_with_its_host() {
    let pair = pair();
    let Ports { primary, standby } = Ports::of(pair);
    for (port, word, why) in [
        (standby, "primary", "is a standby"),
        (standby, "read-write", "is a standby"),
        (primary, "standby", "not a standby"),
        (primary, "read-only", "takes writes"),
    ] {
        let (kind, words) = open(url(&[port], &format!("target_session_attrs={word}"))).await.expect_err(word);
        assert_eq!(kind, LinkErrorKind::Unreachable, "a failover may change it: {words}");
        assert!(words.contains(why) && words.contains(&format!("target_session_attrs={word}")), "{words}");
        assert!(words.contains(&format!("127.0.0.1:{port}")), "{words}");
    }
    let (_, words) = open(url(&[1, standby], "target_session_attrs=primary")).await.expect_err("none");
    assert!(words.contains("none of the 2 hosts") && words.contains("127.0.0.1:1/"), "{words}");
    assert!(words.contains("is a standby") && words.contains("refused"), "{words}");

    // A role whose sessions start read-only, on the primary.
    let role = pair.primary.role("timid");
    pair.primary.admin(&format!("alter role {role} set default_transaction_read_only = on"));
    let timid = |word: &str| url(&[primary], &format!("user={role} target_session_attrs={word}"));
    assert!(!open(timid("primary")).await.expect("a primary").standby);
    assert!(!open(timid("read-only")).await.expect("read-only").standby);
    let (_, words) = open(timid("read-write")).await.expect_err("not read-write");
    assert!(words.contains("start read-only"), "{words}");
}

#[tokio::test]
async fn hosts_that_are_gone_or_silent_are_passed_by_and_a_refusal_ends_the_search() {
    let Ports { primary, standby } = Ports::of(pair());
    assert_eq!(open(url(&[1, primary], "")).await.expect("the second").host, 1);
    // The kernel takes the connection, and nobody ever answers: each host has its own time.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = deaf.local_addr().expect("an address").port();
    let started = Instant::now();
    assert_eq!(open(url(&[silent, primary], "connect_timeout=1")).await.expect("the second").host, 1);
    assert!(started.elapsed() >= Duration::from_secs(1));
    let (_, words) = open(url(&[silent, silent], "connect_timeout=1")).await.expect_err("nobody");
    assert_eq!(words.matches("no answer within 1 s").count(), 2, "{words}");
    drop(deaf);

    let (kind, words) = open(url(&[primary, standby], "dbname=nowhere")).await.expect_err("no such database");
    assert_eq!(kind, LinkErrorKind::Refused);
    assert!(words.contains("3D000") && !words.contains(&format!(":{standby}")), "{words}");
}

#[tokio::test]
async fn a_balanced_load_reaches_both() {
    let Ports { primary, standby } = Ports::of(pair());
    let seen = std::sync::Mutex::new(BTreeSet::new());
    wait_until_async(Duration::from_secs(30), "both to be used", || async {
        let facts = open(url(&[primary, standby], "load_balance_hosts=random")).await.expect("one of them");
        let mut seen = seen.lock().expect("no panic");
        seen.insert(facts.host);
        seen.len() == 2
    })
    .await;
}

#[tokio::test]
async fn the_link_follows_a_failover() {
    let mut pair = own_pair(&[]);
    let ports = Ports::of(&pair);
    let wanted = url(&[ports.primary, ports.standby], "target_session_attrs=primary");
    assert_eq!(open(wanted.clone()).await.expect("the primary").host, 0);
    pair.catch_up();
    pair.primary.server.stop(true);
    let (_, words) = open(wanted.clone()).await.expect_err("no primary");
    assert!(words.contains("refused") && words.contains("is a standby"), "{words}");
    pair.standby.promote();
    let facts = open(wanted).await.expect("the new primary");
    assert_eq!((facts.host, facts.standby), (1, false));
}

#[test]
fn a_service_leads_the_program_to_its_server() {
    let database = pg().database("service");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("services.conf");
    let text = format!("[shop]\nhost=127.0.0.1\nport={}\nuser=postgres\nsslmode=disable\n", database.port);
    std::fs::write(&file, text + &format!("dbname={}\n", database.name)).expect("written");
    let doctor = |service: &str| {
        let mut command = std::process::Command::new(program());
        command.args(["doctor", "--url", ""]).env("PGSERVICEFILE", &file).env("PGSERVICE", service);
        command.env("PGHOST", "nowhere.invalid").output().expect("runs")
    };
    let output = doctor("shop");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains(&format!("postgres@127.0.0.1:{}/{}", database.port, database.name)), "{shown}");
    let output = doctor("stall");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("\"stall\"") && told.contains("services.conf"), "{told}");
}
