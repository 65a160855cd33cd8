//! The keys of one tenant are removed, all of them, and nobody else's; with SCAN and UNLINK on a real Redis.

use std::sync::Arc;
use std::time::Duration;

use tenantui::cache::{CacheError, CacheIds, CacheProgress, Unlinked, count, unlink};
use tenantui::config::Cache;
use tenantui::demo::servers::RedisOptions;
use tenantui::model::tenant::{DatabaseName, TenantKey};
use tokio::sync::watch;

use crate::support::{own_redis, redis as shared};

fn ids(id: &str, slug: &str) -> CacheIds {
    let database: DatabaseName = "db".into();
    CacheIds {
        key: TenantKey::row(&database, id),
        id: Some(id.to_owned()),
        slug: slug.to_owned(),
        schema: Some(format!("tenant_{slug}")),
    }
}

async fn remove(url: &str, patterns: &[&str], tenants: &[CacheIds], index: usize) -> Result<Unlinked, CacheError> {
    let cache = Cache::new(url.to_owned().into());
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let tenants: Arc<[CacheIds]> = tenants.to_vec().into();
    let key = tenants[index].key.clone();
    unlink(&cache, &patterns, &key, tenants, |_| {}).await
}

/// Keys of each tenant, by a pass.
async fn count_of(url: &str, patterns: &[&str], tenants: &[CacheIds]) -> Vec<u64> {
    let cache = Cache::new(url.to_owned().into());
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let (progress, _) = watch::channel(CacheProgress::default());
    let counts = count(&cache, &patterns, tenants.to_vec().into(), None, progress).await.expect("a pass");
    tenants.iter().map(|tenant| counts.per_tenant.get(&tenant.key).copied().unwrap_or(0)).collect()
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}

fn set(url: &str, keys: impl IntoIterator<Item = String>) {
    let mut pipe = redis::pipe();
    for key in keys {
        pipe.cmd("SET").arg(key).arg("x").ignore();
    }
    pipe.exec(&mut connect(url)).expect("filled");
}

fn left(url: &str) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connect(url)).expect("keys");
    keys.sort();
    keys
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

const fn unlinked(deleted: u64, shared: u64) -> Unlinked {
    Unlinked { deleted, shared, followed: 0 }
}

const BOUNDARY: [&str; 4] = ["tenant:{id}:*", "tenant:{slug}:*", "tenant:{schema}:*", "tenant:{slug}"];

#[tokio::test]
async fn all_keys_of_one_tenant_go_and_none_of_another_in_pieces_that_are_told() {
    let server = own_redis(RedisOptions::default());
    let url = server.socket_url();
    let tenants = vec![ids("7", "acme"), ids("8", "acme-corp"), ids("9", "globex")];
    set(&url, (0..10_000).map(|n| format!("tenant:7:cart:{n}")));
    set(&url, owned(&["tenant:acme", "tenant:acme:profile", "tenant:tenant_acme:x"]));
    let others = owned(&[
        "queue:mail",
        "tenant:70:a",
        "tenant:8:a",
        "tenant:acme-corp",
        "tenant:acme-corp:a",
        "tenant:globex:a",
    ]);
    set(&url, others.clone());
    let cache = Cache::new(url.clone().into());
    let patterns: Vec<String> = BOUNDARY.iter().map(|pattern| (*pattern).to_owned()).collect();
    let mut told = Vec::new();
    let key = tenants[0].key.clone();
    let done = unlink(&cache, &patterns, &key, tenants.clone().into(), |now| told.push(now.deleted)).await;
    assert_eq!(done.expect("removed"), unlinked(10_003, 0));
    assert_eq!(left(&url), others);
    assert!(told.len() >= 10_003 / 200 && told.is_sorted() && told.last() == Some(&10_003), "{told:?}");
    // Again, there is nothing to remove.
    assert_eq!(remove(&url, &BOUNDARY, &tenants, 0).await.expect("again"), Unlinked::default());
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connect(&url)).expect("statistics");
    assert!(stats.contains("cmdstat_unlink:") && !stats.contains("cmdstat_del:"), "{stats}");
}

#[tokio::test]
async fn glob_characters_of_a_tenant_mean_themselves() {
    for (id, own, others) in [
        ("*", "tenant:*:a", "tenant:x:a"),
        ("?", "tenant:?:a", "tenant:x:a"),
        ("[a]", "tenant:[a]:a", "tenant:a:a"),
        ("\\", "tenant:\\:a", "tenant:x:a"),
        ("a-c", "tenant:a-c:a", "tenant:b:a"),
    ] {
        let url = shared().database();
        set(&url, owned(&[own, others]));
        let done = remove(&url, &["tenant:{id}:*"], &[ids(id, "acme")], 0).await.expect("removed");
        assert_eq!((done.deleted, left(&url)), (1, owned(&[others])), "{id}");
    }
}

#[tokio::test]
async fn a_key_goes_with_the_tenant_whom_it_fits_best_and_what_two_rows_share_stays() {
    let url = shared().database();
    // The slug of one is the id of the other: whose it is, nobody knows, and neither loses it.
    let tenants = vec![ids("1", "5"), ids("5", "globex")];
    set(&url, owned(&["tenant:5:a", "tenant:1:a", "tenant:globex:a"]));
    let counted = count_of(&url, &BOUNDARY, &tenants).await;
    assert_eq!(counted, [2, 2], "it is counted for both");
    let removed = |index: usize| remove(&url, &BOUNDARY, &tenants, index);
    assert_eq!(removed(0).await.expect("removed"), unlinked(1, 1));
    assert_eq!(removed(1).await.expect("removed"), unlinked(1, 1));
    assert_eq!(left(&url), owned(&["tenant:5:a"]));
    let twins = vec![ids("1", "twin"), ids("2", "twin")];
    set(&url, owned(&["tenant:twin:a", "tenant:2:a"]));
    let done = remove(&url, &BOUNDARY, &twins, 1).await.expect("removed");
    assert_eq!(done, unlinked(1, 1));
    // A namespace before the pattern, and a tenant without any value that a pattern asks for.
    set(&url, owned(&["app:tenant:5:b"]));
    assert_eq!(remove(&url, &["*:tenant:{id}:*"], &tenants, 1).await.expect("removed").deleted, 1);
    let bare = CacheIds { id: None, schema: None, ..ids("x", "bare") };
    assert_eq!(remove(&url, &["tenant:{id}:*"], &[bare], 0).await.expect("none"), Unlinked::default());
}

#[tokio::test]
async fn what_was_removed_is_said_where_the_rest_could_not_be() {
    let options = RedisOptions { tcp_port: Some(0), ..RedisOptions::default() };
    let server = own_redis(options);
    let admin = server.socket_url();
    redis::cmd("ACL")
        .arg(&["SETUSER", "reader", "on", ">sesame", "~*", "+scan", "+client", "+info"])
        .exec(&mut connect(&admin))
        .expect("a user");
    set(&admin, owned(&["tenant:1:a"]));
    let url = format!("redis://reader:sesame@127.0.0.1:{}/0", server.server.port());
    let words = remove(&url, &BOUNDARY, &[ids("1", "acme")], 0).await.expect_err("no right").to_string();
    assert!(words.contains("+unlink") && words.contains("0 keys removed") && !words.contains("sesame"), "{words}");
    server.server.freeze().expect("stopped");
    let started = std::time::Instant::now();
    remove(&admin, &BOUNDARY, &[ids("1", "acme")], 0).await.expect_err("frozen");
    assert!(started.elapsed() < Duration::from_secs(5));
    server.server.wake().expect("awake");
    assert_eq!(remove(&admin, &BOUNDARY, &[ids("1", "acme")], 0).await.expect("removed").deleted, 1);
}
