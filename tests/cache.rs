//! Cache keys are counted by one polite pass over a real Redis, and nothing that Redis does goes further than its error.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenantui::cache::{CacheCounts, CacheError, CacheIds, CacheProgress, count};
use tenantui::config::Cache;
use tenantui::demo::servers::RedisOptions;
use tenantui::model::tenant::{DatabaseName, TenantKey};
use tokio::sync::watch;

use crate::support::{own_redis, redis as shared, wait_until_async};

const PATTERNS: [&str; 4] = ["tenant:{id}:*", "tenant:{slug}:*", "tenant:{slug}", "*:tenant:{id}:*"];

fn ids(id: &str, slug: &str) -> CacheIds {
    let database: DatabaseName = "db".into();
    CacheIds {
        key: TenantKey::row(&database, id),
        id: Some(id.to_owned()),
        slug: slug.to_owned(),
        schema: Some(format!("tenant_{slug}")),
    }
}

async fn pass(
    url: &str,
    patterns: &[&str],
    tenants: Vec<CacheIds>,
    split: Option<usize>,
) -> Result<CacheCounts, CacheError> {
    let cache = Cache::new(url.to_owned().into());
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let split = split.map(|index| tenants[index].key.clone());
    let (progress, _) = watch::channel(CacheProgress::default());
    count(&cache, &patterns, tenants.into(), split, progress).await
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}

/// Sets many keys with few round trips.
fn fill(url: &str, keys: impl Iterator<Item = Vec<u8>>) {
    let mut connection = connect(url);
    let mut pipe = redis::pipe();
    for (number, key) in keys.enumerate() {
        pipe.cmd("SET").arg(key).arg("x").ignore();
        if number % 5_000 == 4_999 {
            pipe.exec(&mut connection).expect("filled");
            pipe.clear();
        }
    }
    if !pipe.is_empty() {
        pipe.exec(&mut connection).expect("filled");
    }
}

fn keys(text: &[&str]) -> std::vec::IntoIter<Vec<u8>> {
    text.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>().into_iter()
}

#[tokio::test]
async fn counts_of_a_hundred_thousand_keys_are_exact_and_no_keys_command_is_sent() {
    let server = own_redis(RedisOptions::default());
    let url = server.socket_url();
    // Tenant n has n keys under its id and one under its slug; the rest belongs to nobody.
    let tenants: Vec<CacheIds> = (0..400).map(|n| ids(&format!("id{n}"), &format!("slug-{n}"))).collect();
    let own = (0..400).flat_map(|n| (0..n).map(move |k| format!("tenant:id{n}:key:{k}").into_bytes()));
    let slugs = (0..400).map(|n| format!("tenant:slug-{n}:profile").into_bytes());
    let foreign = (0..19_800).map(|n| format!("queue:mail:{n}").into_bytes());
    fill(&url, own.chain(slugs).chain(foreign));
    let counts = pass(&url, &PATTERNS, tenants.clone(), Some(7)).await.expect("a pass");
    assert_eq!(counts.keys, 79_800 + 400 + 19_800);
    for (n, tenant) in tenants.iter().enumerate() {
        assert_eq!(counts.per_tenant.get(&tenant.key), Some(&(n as u64 + 1)), "tenant {n}");
    }
    let by_prefix: Vec<(String, u64)> =
        counts.by_prefix[&tenants[7].key].iter().map(|(prefix, keys)| (prefix.raw().to_owned(), *keys)).collect();
    assert_eq!(by_prefix, [("key:".to_owned(), 7), (String::new(), 1)]);
    // A pattern set with a common start is narrowed by the server: same counts, same total.
    let narrowed = pass(&url, &PATTERNS[..3], tenants.clone(), None).await.expect("a pass");
    assert_eq!((narrowed.keys, &narrowed.per_tenant), (counts.keys, &counts.per_tenant));
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connect(&url)).expect("statistics");
    assert!(stats.contains("cmdstat_scan:"), "{stats}");
    assert!(!stats.contains("cmdstat_keys:"), "{stats}");
}

#[tokio::test]
async fn glob_characters_and_hostile_keys_are_only_text() {
    let url = shared().database();
    let mut all: Vec<Vec<u8>> = keys(&[
        "tenant:*:a",
        "tenant:*:b",
        "tenant:?:a",
        "tenant:[a]:a",
        "tenant:a:a",
        "tenant:\\:a",
        "tenant:\u{1b}[2J\u{202e}:a",
        "app:tenant:a:1",
        "tenant:a:b:c",
        "tenant::x",
        "tenant:",
    ])
    .collect();
    all.push(b"tenant:\xff\xfe\0:a".to_vec());
    all.push([b"tenant:a:".as_slice(), &[b'k'; 200_000]].concat());
    let total = all.len() as u64;
    fill(&url, all.into_iter());
    let tenants: Vec<CacheIds> = ["*", "?", "[a]", "a", "\\", "\u{1b}[2J\u{202e}"]
        .iter()
        .enumerate()
        .map(|(n, id)| ids(id, &format!("s{n}")))
        .collect();
    let counts = pass(&url, &PATTERNS, tenants.clone(), Some(3)).await.expect("a pass");
    let found: Vec<u64> =
        tenants.iter().map(|tenant| counts.per_tenant.get(&tenant.key).copied().unwrap_or(0)).collect();
    assert_eq!(found, [2, 1, 1, 4, 1, 1]);
    assert_eq!(counts.keys, total);
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password() {
    let mut server = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    let port = server.server.port();
    server.server.stop();
    let started = Instant::now();
    let error =
        pass(&format!("redis://ops:sesame@127.0.0.1:{port}/0"), &PATTERNS, vec![], None).await.expect_err("absent");
    let words = error.to_string();
    assert!(words.contains(&format!("127.0.0.1:{port}")) && words.contains("refused"), "{words}");
    assert!(!words.contains("sesame") && started.elapsed() < Duration::from_secs(3), "{words}");
    let error = pass("unix:///nowhere/redis.sock?pass=sesame", &PATTERNS, vec![], None).await.expect_err("absent");
    assert!(error.to_string().contains("/nowhere/redis.sock") && !error.to_string().contains("sesame"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let options = RedisOptions { tcp_port: Some(0), password: Some("right-word".into()), ..RedisOptions::default() };
    let server = own_redis(options);
    let port = server.server.port();
    let tenants = vec![ids("1", "acme")];
    for url in [format!("redis://:sesame@127.0.0.1:{port}/0"), format!("redis://127.0.0.1:{port}/0")] {
        let words = pass(&url, &PATTERNS, tenants.clone(), None).await.expect_err("no login").to_string();
        assert!(words.contains("refused the login") && words.contains("password"), "{words}");
        assert!(!words.contains("sesame") && !words.contains("right-word"), "{words}");
    }
    let right = format!("redis://:right-word@127.0.0.1:{port}/0");
    fill(&right, keys(&["tenant:1:a"]));
    assert_eq!(pass(&right, &PATTERNS, tenants.clone(), None).await.expect("a pass").per_tenant[&tenants[0].key], 1);
    // A user who may scan, and not ask for the size: the walk itself counts.
    let mut admin = connect(&right);
    redis::cmd("ACL")
        .arg(&["SETUSER", "reader", "on", ">word", "~*", "+scan", "+client"])
        .exec(&mut admin)
        .expect("a user");
    let reader = format!("redis://reader:word@127.0.0.1:{port}/0");
    let counts = pass(&reader, &PATTERNS, tenants.clone(), Some(0)).await.expect("a pass");
    assert_eq!((counts.keys, counts.sample[&tenants[0].key][0].kind.as_ref()), (1, None));
    let why = counts.sample_unknown.expect("why").safe().to_string();
    assert!(why.contains("not known") && why.contains("PTTL"), "{why}");
    redis::cmd("ACL").arg(&["SETUSER", "reader", "-scan"]).exec(&mut admin).expect("taken away");
    let words = pass(&reader, &PATTERNS, tenants, None).await.expect_err("no right").to_string();
    assert!(words.contains("+scan"), "{words}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let server = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    server.server.freeze().expect("stopped");
    let url = format!("redis://127.0.0.1:{}/0", server.server.port());
    let started = Instant::now();
    let error = pass(&url, &PATTERNS, vec![ids("1", "acme")], None).await.expect_err("frozen");
    assert!(error.to_string().contains("no answer in time"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    server.server.wake().expect("awake");
    pass(&url, &PATTERNS, vec![ids("1", "acme")], None).await.expect("a pass");
}

#[tokio::test]
async fn a_server_that_goes_or_stops_in_the_middle_ends_the_pass_with_words() {
    for frozen in [false, true] {
        let mut server = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
        let url = format!("redis://127.0.0.1:{}/0", server.server.port());
        fill(&url, (0..200_000).map(|n| format!("tenant:1:{n}").into_bytes()));
        let cache = Cache::new(url.into());
        let (progress, seen) = watch::channel(CacheProgress::default());
        let tenants: Arc<[CacheIds]> = vec![ids("1", "acme")].into();
        let running =
            tokio::spawn(async move { count(&cache, &["*:tenant:{id}:*".to_owned()], tenants, None, progress).await });
        wait_until_async(Duration::from_secs(10), "the pass to begin", || async { seen.borrow().seen > 1_000 }).await;
        if frozen {
            server.server.freeze().expect("stopped");
        } else {
            server.server.stop();
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), running).await.expect("in time").expect("no panic");
        let words = ended.expect_err("the pass fails").to_string();
        assert!(words.contains("in the middle of the count") && words.contains("of 200,000 keys"), "{words}");
        if frozen {
            server.server.wake().expect("awake");
        }
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_refused_and_a_replica_is_read() {
    let node = own_redis(RedisOptions { lines: vec!["cluster-enabled yes".into()], ..RedisOptions::default() });
    let words = pass(&node.socket_url(), &PATTERNS, vec![], None).await.expect_err("a part only").to_string();
    assert!(words.contains("cluster"), "{words}");
    // READONLY is no hindrance: nothing is ever written.
    let primary = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    fill(&primary.socket_url(), keys(&["tenant:1:a", "tenant:1:b"]));
    let lines = vec![format!("replicaof 127.0.0.1 {}", primary.server.port())];
    let replica = own_redis(RedisOptions { tcp_port: Some(0), lines, ..RedisOptions::default() });
    let url = replica.socket_url();
    let mut connection = connect(&url);
    wait_until_async(Duration::from_secs(20), "the replica to be filled", || {
        let size = redis::cmd("DBSIZE").query::<i64>(&mut connection);
        async move { size == Ok(2) }
    })
    .await;
    assert_eq!(pass(&url, &PATTERNS, vec![ids("1", "acme")], None).await.expect("a pass").keys, 2);
}

#[tokio::test]
async fn patterns_that_name_no_tenant_are_refused() {
    let url = shared().database();
    let words = pass(&url, &["tenant:*"], vec![], None).await.expect_err("no tenant").to_string();
    assert!(words.contains("\"tenant:*\"") && words.contains("{id}"), "{words}");
    let words = pass(&url, &[], vec![], None).await.expect_err("no pattern").to_string();
    assert!(words.contains("[database.cache]"), "{words}");
}

#[tokio::test]
async fn other_clients_are_served_while_a_pass_runs() {
    let server = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    let url = format!("redis://127.0.0.1:{}/0", server.server.port());
    let tenants: Vec<CacheIds> = (0..2_000).map(|n| ids(&format!("id{n}"), &format!("slug-{n}"))).collect();
    fill(&url, (0..100_000).map(|n| format!("tenant:id{}:{n}", n % 2_000).into_bytes()));
    let started = Instant::now();
    let counts = pass(&url, &PATTERNS, tenants, None).await.expect("a pass");
    assert_eq!(counts.keys, 100_000);
    let took = started.elapsed();
    // At most half of the time is the server's own: what it says of its work is compared with the time of the pass.
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connect(&url)).expect("statistics");
    let scan = stats.lines().find(|line| line.starts_with("cmdstat_scan:")).expect("a scan");
    let field = |name: &str| -> f64 {
        let value = scan.split([':', ',']).find_map(|part| part.strip_prefix(name)).expect("a field");
        value.parse().expect("a number")
    };
    let mut words = String::new();
    let _ = write!(words, "{took:?}, {scan}");
    assert!(field("usec=") < took.as_micros() as f64 / 2.0, "{words}");
    assert!(field("usec_per_call=") < 5_000.0, "{words}");
}
