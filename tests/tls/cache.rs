//! Redis over TLS with a user of its own (ACL) and a client's certificate, and Sentinel over plain text and TLS: real
//! servers, and what their refusals say.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, IsCa, KeyPair};
use tenantui::cache::{CacheCounts, CacheError, CacheIds, CacheProgress, count, unlink};
use tenantui::config::Cache;
use tenantui::demo::servers::{Home, RedisOptions, RedisServer, find_redis};
use tenantui::model::tenant::{DatabaseName, TenantKey};
use tokio::sync::watch;

use super::{Authority, left_out, write};
use crate::support::{wait_until, wait_until_async};

const USER: &str = "user counter on >s3cret ~tenant:* +scan +dbsize";

/// Servers in one home.
struct Bench {
    home: Home,
    folder: PathBuf,
    program: PathBuf,
}

impl Bench {
    /// `None` where the Redis of this machine has no TLS and that is said.
    fn new(authority: &Authority) -> Option<Self> {
        let program = find_redis().unwrap_or_else(|error| panic!("{error}"));
        let home = Home::new().unwrap_or_else(|error| panic!("{error}"));
        let folder = home.make_folder("tls").unwrap_or_else(|error| panic!("{error}"));
        let can = fs::read(&program).is_ok_and(|bytes| bytes.windows(9).any(|part| part == b"libssl.so"));
        assert!(
            can || left_out("tls"),
            "{} is built without TLS (Debian: apt-get install redis-server); \
             TENANTUI_TESTS_WITHOUT=tls leaves these tests out",
            program.display()
        );
        if !can {
            return None;
        }
        let bench = Self { home, folder, program };
        write(&bench.home, &bench.folder, &authority.issue(&["localhost"], "server"));
        bench.save("ca.crt", &authority.pem);
        Some(bench)
    }

    fn save(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        self.home.give(&path).unwrap_or_else(|error| panic!("{error}"));
        path
    }

    /// A server with TLS on a port of its own; `clients`: whether it wants their certificates.
    fn server(&self, name: &str, clients: bool, lines: &[&str]) -> (RedisServer, u16) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let folder = self.folder.display();
        let own = [
            format!("tls-port {port}"),
            format!("tls-cert-file {folder}/server.crt"),
            format!("tls-key-file {folder}/server.key"),
            format!("tls-ca-cert-file {folder}/ca.crt"),
            format!("tls-auth-clients {}", if clients { "yes" } else { "no" }),
        ];
        let lines = own.into_iter().chain(lines.iter().map(|line| (*line).to_owned())).collect();
        let options = RedisOptions { lines, ..RedisOptions::default() };
        let server = RedisServer::start(&self.home, name, &self.program, &options);
        (server.unwrap_or_else(|error| panic!("{error}")), port)
    }
}

fn fill(server: &RedisServer, login: &str) {
    let url = format!("unix://{}?{login}", server.socket().display());
    let mut connection = redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection");
    for key in ["tenant:acme:a", "tenant:acme:b", "queue:mail"] {
        redis::cmd("SET").arg(key).arg("x").exec(&mut connection).expect("set");
    }
}

fn ids(database: &DatabaseName, slug: &str) -> CacheIds {
    CacheIds { key: TenantKey::row(database, slug), id: None, slug: slug.to_owned(), schema: None }
}

async fn pass(cache: &Cache) -> Result<CacheCounts, CacheError> {
    let acme = ids(&"db".into(), "acme");
    let (progress, _) = watch::channel(CacheProgress::default());
    count(cache, &["tenant:{slug}:*".to_owned()], [acme].into(), None, progress).await
}

async fn counted(cache: &Cache) {
    let counts = pass(cache).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((counts.keys, counts.per_tenant.values().sum::<u64>()), (3, 2));
}

async fn refused(cache: &Cache, words: &[&str]) {
    let error = pass(cache).await.expect_err("refused").to_string();
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(!error.contains("s3cret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_its_own_counts_over_tls() {
    let authority = Authority::new("ours");
    let Some(bench) = Bench::new(&authority) else { return };
    let (server, port) = bench.server("redis", false, &["user default on nopass ~* +@all", USER]);
    fill(&server, "");
    let url = |login: &str, host: &str| format!("rediss://{login}{host}:{port}/0");
    let ca = Some(bench.folder.join("ca.crt"));
    let cache = |url: String| Cache { ca: ca.clone(), ..Cache::new(url.into()) };
    counted(&cache(url("counter:s3cret@", "localhost"))).await;

    refused(&cache(url("counter:s3cretwrong@", "localhost")), &["refused the login", "user and password"]).await;
    refused(&Cache::new(url("counter:s3cret@", "localhost").into()), &["TLS", "localhost", "ca"]).await;
    refused(&cache(url("counter:s3cret@", "127.0.0.1")), &["TLS", "names that host"]).await;
    let other = bench.save("other.crt", &Authority::new("other").pem);
    let strange = Cache { ca: Some(other), ..Cache::new(url("counter:s3cret@", "localhost").into()) };
    refused(&strange, &["TLS", "certificate"]).await;
    let none = Cache { ca: Some("/nonexistent.pem".into()), ..strange.clone() };
    refused(&none, &["ca = /nonexistent.pem"]).await;
    let empty = Cache { ca: Some(bench.save("empty.crt", "hello")), ..strange };
    refused(&empty, &["empty.crt", "no certificate"]).await;
    // The user's rights are the server's to judge, and its words are passed on.
    let url = url("counter:s3cret@", "localhost");
    let admin = format!("unix://{}", server.socket().display());
    let mut admin = redis::Client::open(admin).and_then(|client| client.get_connection()).expect("a connection");
    redis::cmd("ACL").arg("SETUSER").arg("counter").arg("-scan").exec(&mut admin).expect("set");
    refused(&cache(url), &["does not allow", "+scan"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_want_a_clients_certificate() {
    let authority = Authority::new("ours");
    let Some(bench) = Bench::new(&authority) else { return };
    let (server, port) = bench.server("redis", true, &[]);
    fill(&server, "");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("params");
    params.is_ca = IsCa::NoCa;
    params.distinguished_name.push(DnType::CommonName, "tenantui");
    let cert = bench.save("client.crt", &authority.sign(&params, &key));
    let key = bench.save("client.key", &key.serialize_pem());
    let without =
        Cache { ca: Some(bench.folder.join("ca.crt")), ..Cache::new(format!("rediss://localhost:{port}/0").into()) };
    counted(&Cache { client: Some((cert.clone(), key)), ..without.clone() }).await;
    refused(&without, &["TLS", "cert and key"]).await;
    let locked = bench.save("locked.key", include_str!("key-locked.pem"));
    refused(&Cache { client: Some((cert, locked)), ..without }, &["locked.key", "encrypted"]).await;
}

/// A master that a sentinel watches, with its replica.
struct Watched {
    master: RedisServer,
    replica: RedisServer,
    sentinel: (tenantui::demo::servers::ServerProcess, u16),
    /// Last: it waits for those who live in it.
    _home: Home,
}

impl Watched {
    fn new() -> Self {
        let home = Home::new().unwrap_or_else(|error| panic!("{error}"));
        let program = find_redis().unwrap_or_else(|error| panic!("{error}"));
        let start = |name: &str, lines: Vec<String>| {
            let options = RedisOptions { tcp_port: Some(0), lines, ..RedisOptions::default() };
            RedisServer::start(&home, name, &program, &options).unwrap_or_else(|error| panic!("{error}"))
        };
        let login = ["requirepass s3cret".to_owned(), "masterauth s3cret".to_owned()];
        let master = start("one", login.to_vec());
        let following = format!("replicaof 127.0.0.1 {}", master.port());
        let replica = start("two", login.iter().cloned().chain([following]).collect());
        let watched = [
            format!("sentinel monitor shop 127.0.0.1 {} 1", master.port()),
            "sentinel auth-pass shop s3cret".to_owned(),
            "sentinel down-after-milliseconds shop 300".to_owned(),
            "sentinel failover-timeout shop 2000".to_owned(),
            "requirepass sentin3l".to_owned(),
        ];
        let sentinel = sentinel(&home, &program, &watched);
        Self { master, replica, sentinel, _home: home }
    }

    fn url(&self, rest: &str) -> Cache {
        Cache::new(format!("redis-sentinel://:s3cret@127.0.0.1:1,127.0.0.1:{}/0?{rest}", self.sentinel.1).into())
    }

    fn ready(&self) {
        wait_until(Duration::from_secs(30), "the sentinel to know the replica", || {
            ask(self.sentinel.1, "SENTINEL", &["replicas", "shop"]).contains("master-link-status")
                && ask(self.replica.port(), "INFO", &["replication"]).contains("master_link_status:up")
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_lead_to_the_master_and_to_the_next_one_after_a_failover() {
    let mut watched = Watched::new();
    fill(&watched.master, "pass=s3cret");
    let url = |rest: &str| watched.url(rest);
    let ours = url("master=shop&sentinel_password=sentin3l");
    counted(&ours).await;
    refused(&url("master=nobody&sentinel_password=sentin3l"), &["no master \"nobody\"", "127.0.0.1:1"]).await;
    refused(
        &url("master=shop&sentinel_password=wrong"),
        &["master \"shop\"", "login was refused", "sentinel_password"],
    )
    .await;
    refused(&url("sentinel_password=sentin3l"), &["?master=NAME"]).await;

    // The master goes away; the sentinel makes a master of the replica, and the next count goes there.
    watched.ready();
    watched.master.stop();
    wait_until_async(Duration::from_secs(60), "the failover", || async { pass(&ours).await.is_ok() }).await;
    counted(&ours).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_goes_on_with_the_next_master_and_says_where_there_is_none() {
    const KEYS: u64 = 60_000;
    let database: DatabaseName = "db".into();
    let tenants: Vec<CacheIds> = ["acme", "globex"].map(|slug| ids(&database, slug)).to_vec();
    let fill = |port: u16| {
        let url = format!("redis://:s3cret@127.0.0.1:{port}/0");
        let mut connection = redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection");
        let mut pipe = redis::pipe();
        for number in 0..KEYS {
            pipe.cmd("SET").arg(format!("tenant:acme:cart:{number}")).arg("x").ignore();
        }
        pipe.cmd("SET").arg("tenant:globex:a").arg("x").ignore();
        pipe.exec(&mut connection).expect("filled");
    };
    let mut watched = Watched::new();
    watched.ready();
    fill(watched.master.port());
    let ours = watched.url("master=shop&sentinel_password=sentin3l");
    let keys = || ask(watched.replica.port(), "DBSIZE", &[]);
    wait_until(Duration::from_secs(30), "the replica to have them", || keys().contains(&(KEYS + 1).to_string()));

    // As soon as the first are removed the master is gone.
    let patterns = ["tenant:{slug}:*".to_owned()];
    let (mut seen, mut followed) = (0, 0);
    let master = &mut watched.master;
    let key = tenants[0].key.clone();
    let done = unlink(&ours, &patterns, &key, tenants.clone().into(), |now| {
        if seen == 0 {
            master.stop();
        }
        (seen, followed) = (now.deleted, now.followed);
    });
    let done = done.await.expect("removed");
    assert!(done.deleted >= KEYS - 1_000 && done.deleted == seen && (done.shared, followed) == (0, 1), "{done:?}");
    let left = ask(watched.replica.port(), "KEYS", &["*"]);
    assert!(left.contains("tenant:globex:a") && !left.contains("acme"), "{left}");

    // With nobody to follow, the end is told with what was removed.
    fill(watched.replica.port());
    let replica = &mut watched.replica;
    let mut seen = 0;
    let ended = unlink(&ours, &patterns, &key, tenants.into(), |now| {
        if seen == 0 {
            replica.stop();
        }
        seen = now.deleted;
    });
    let why = ended.await.expect_err("nobody is left").to_string();
    let removed = format!("{} removed until then", tenantui::text::counted(seen, "key"));
    for word in [removed.as_str(), "doing it again removes the rest", "127.0.0.1"] {
        assert!(seen > 0 && why.contains(word) && !why.contains("s3cret"), "{word}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_with_another_certificate_are_told_with_the_way_out() {
    let authority = Authority::new("ours");
    let Some(bench) = Bench::new(&authority) else { return };
    let (_server, port) = bench.server("redis", false, &[]);
    let url = format!("rediss-sentinel://localhost:{port}/0?master=shop");
    refused(&Cache::new(url.clone().into()), &["no master \"shop\"", "certificate", "[database.cache] ca "]).await;
    // With its authority the server is heard, which is no sentinel: then there is nothing to say about certificates.
    let trusted = Cache { ca: Some(bench.folder.join("ca.crt")), ..Cache::new(url.into()) };
    let error = pass(&trusted).await.expect_err("no sentinel").to_string();
    assert!(error.contains("no master") && !error.contains(" ca "), "{error}");
}

/// A sentinel, and its port.
fn sentinel(home: &Home, program: &std::path::Path, lines: &[String]) -> (tenantui::demo::servers::ServerProcess, u16) {
    let folder = home.make_folder("sentinel").unwrap_or_else(|error| panic!("{error}"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let file = folder.join("sentinel.conf");
    let text = format!("bind 127.0.0.1\nport {port}\ndir {}\n{}\n", folder.display(), lines.join("\n"));
    fs::write(&file, text).expect("written");
    home.give(&file).unwrap_or_else(|error| panic!("{error}"));
    let arguments = [file.display().to_string(), "--sentinel".to_owned()];
    let process = home.start(program, &arguments, &folder.join("log")).unwrap_or_else(|error| panic!("{error}"));
    wait_until(Duration::from_secs(30), "the sentinel", || ask(port, "PING", &[]).contains("PONG"));
    (process, port)
}

/// One command with whichever login of these tests is taken, and the answer as the library shows it; empty without one.
fn ask(port: u16, command: &str, arguments: &[&str]) -> String {
    ["s3cret", "sentin3l"]
        .iter()
        .find_map(|password| {
            let url = format!("redis://:{password}@127.0.0.1:{port}");
            let mut connection = redis::Client::open(url).and_then(|client| client.get_connection()).ok()?;
            let mut packed = redis::cmd(command);
            for argument in arguments {
                packed.arg(*argument);
            }
            let value: redis::Value = packed.query(&mut connection).ok()?;
            Some(format!("{value:?}"))
        })
        .unwrap_or_default()
}
