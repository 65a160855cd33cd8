//! The cache keys of one tenant as an operator sees and removes them: by the command, and by the service of a dashboard.
//! Every form of key that Boundary writes is counted, and no key of another tenant is ever removed.

use std::sync::Arc;
use std::time::Duration;

use tenantui::config::surroundings::Surroundings;
use tenantui::config::{Cache, Database};
use tenantui::fleet::{self, ReadOptions};
use tenantui::jobs::flush::FlushOrder;
use tenantui::jobs::service::{self, ServiceCommand};
use tenantui::model::environment::Environment;
use tenantui::model::flush::FlushState;
use tenantui::model::job::JobEvent;
use tenantui::postgres::session::Target;
use tokio::sync::mpsc;

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::support::redis;
use crate::support::tty::{PATIENCE, Tty};

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}

fn left(url: &str) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connect(url)).expect("keys");
    keys.sort();
    keys
}

/// A fleet with a cache, and the cache's URL.
fn with_cache() -> (Fleet, String) {
    let fleet = Fleet::new();
    let cache = redis().database();
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}[database.cache]\nurl = \"{cache}\"\n"));
    (fleet, cache)
}

/// The keys of a tenant in every form: by id, slug and schema, with and without a namespace, and its row's own.
fn forms(id: &str, slug: &str, schema: &str) -> Vec<String> {
    let mut keys = vec![format!("tenant:{slug}"), format!("shop:tenant:{slug}")];
    for name in [id, slug, schema] {
        keys.extend([format!("tenant:{name}:cart:1"), format!("shop:eu:tenant:{name}:session:2")]);
    }
    keys
}

#[test]
fn the_command_counts_every_form_shows_a_few_and_removes_only_the_tenants_own() {
    let (fleet, cache) = with_cache();
    let id = fleet.database.value("select id from tenants where slug = 'acme'");
    let own = forms(&id, "acme", "tenant_acme");
    let mut others =
        forms(&fleet.database.value("select id from tenants where slug = 'beta-two'"), "beta-two", "tenant_beta_two");
    others.extend(["queue:mail", "tenant:acmee:x", "tenant:*:x", "tenant:acm?:x"].map(str::to_owned));
    let mut connection = connect(&cache);
    for key in own.iter().chain(&others) {
        redis::cmd("SET").arg(key).arg("x").exec(&mut connection).expect("set");
    }
    redis::cmd("EXPIRE").arg("tenant:acme:cart:1").arg(600).exec(&mut connection).expect("set");
    redis::cmd("DEL").arg("tenant:tenant_acme:cart:1").exec(&mut connection).expect("gone");
    redis::cmd("HSET").arg(&["tenant:tenant_acme:cart:1", "a", "b"]).exec(&mut connection).expect("set");
    others.sort();

    let shown = fleet.json(0, &["cache", "acme", "--json"]);
    assert_eq!((shown["database"].as_str(), shown["tenant"].as_str()), (Some("eu-1"), Some("acme")));
    assert_eq!(
        (shown["keys"].as_u64(), shown["keys_in_all"].as_u64()),
        (Some(8), Some((own.len() + others.len()) as u64))
    );
    assert_eq!(shown["by_prefix"], serde_json::json!({"": 2, "cart:": 3, "session:": 3}));
    let sample = |key: &str| {
        let found = shown["sample"].as_array().expect("a list").iter().find(|one| one["key"] == key);
        found.unwrap_or_else(|| panic!("{key}: {shown}")).clone()
    };
    let expiring = sample("tenant:acme:cart:1");
    assert_eq!((expiring["type"].as_str(), expiring["expires"].as_bool()), (Some("string"), Some(true)));
    assert!((1..=600).contains(&expiring["ttl_seconds"].as_u64().expect("seconds")));
    let hash = sample("tenant:tenant_acme:cart:1");
    assert_eq!((hash["type"].as_str(), hash["expires"].as_bool()), (Some("hash"), Some(false)));
    assert!(hash["ttl_seconds"].is_null());
    let page = text(&fleet.expect(0, &["cache", "tenant_acme"]).stdout);
    assert!(page.contains("acme: 8 of 20 keys") && page.contains("for good"), "{page}");
    let csv = text(&fleet.expect(0, &["cache", "acme", "--csv"]).stdout);
    assert!(csv.starts_with("prefix,keys\n") && csv.contains("cart:,3"), "{csv}");

    // Nothing goes without the right word, nor where nothing may be written.
    for (arguments, code, why) in [
        (&["cache", "acme", "--flush"][..], 5, "--confirm acme"),
        (&["cache", "acme", "--flush", "--yes"], 5, "--confirm acme"),
        (&["cache", "acme", "--flush", "--confirm", "acme-corp", "--yes"], 5, "--confirm acme"),
        (&["cache", "acme", "--flush", "--confirm", "acme"], 5, "add --yes"),
        (&["--read-only", "cache", "acme", "--flush", "--confirm", "acme", "--yes"], 5, "read-only"),
        (&["cache", "acme", "--confirm", "acme"], 2, "--flush"),
        (&["cache", "acme", "--yes"], 2, "--flush"),
        (&["cache", "nobody", "--flush", "--confirm", "nobody", "--yes"], 1, "no tenant"),
        (&["cache", "no*y", "--flush", "--dry-run"], 1, "redis-cli --scan --pattern 'tenant:no\\*y:*'"),
    ] {
        let told = text(&fleet.expect(code, arguments).stderr);
        assert!(told.contains(why), "{arguments:?}: {told}");
    }
    fleet.expect(0, &["cache", "acme", "--flush", "--confirm", "acme", "--dry-run"]);
    let told = text(&fleet.expect(0, &["cache", "acme", "--flush", "--dry-run"]).stderr);
    assert!(told.contains("8 cache keys of acme") && told.contains("*:tenant:{id}:*"), "{told}");
    assert_eq!(left(&cache).len(), own.len() + others.len(), "nothing is gone yet");

    fleet.init();
    let removed = fleet.json(0, &["cache", "acme", "--flush", "--confirm", "acme", "--yes", "--json"]);
    assert_eq!((removed["removed"].as_u64(), removed["kept"].as_u64()), (Some(8), Some(0)));
    assert_eq!(left(&cache), others, "and nobody else's are");
    let audit = fleet.json(0, &["audit", "--json", "--tenant", "tenant_acme"]);
    let rows = audit["audit"].as_array().expect("a list");
    let outcomes: Vec<&str> =
        rows.iter().filter(|row| row["action"] == "flush").map(|row| row["outcome"].as_str().expect("text")).collect();
    assert_eq!(outcomes, ["done", "requested"], "newest first: {audit}");
    assert_eq!(rows[0]["after"]["removed"].as_u64(), Some(8));
    assert_eq!(fleet.json(0, &["cache", "acme", "--json"])["keys"].as_u64(), Some(0));
}

#[test]
fn on_a_terminal_it_asks_for_the_tenant_and_on_production_for_the_environment() {
    let (fleet, cache) = with_cache();
    let path = fleet.home.path().join("config.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    fleet.configure(&text.replace("name = \"eu-1\"\n", "name = \"eu-1\"\nenvironment = \"production\"\n"));
    let config = path.display().to_string();
    redis::cmd("SET").arg("tenant:acme:a").arg("x").exec(&mut connect(&cache)).expect("set");
    let flush = |slug: &str, word: Option<&str>| {
        let mut tty = Tty::start(&["--config", &config, "cache", "acme", "--flush"], 120, 30, None, &[]);
        tty.wait_for("removes 1 cache key of acme");
        tty.wait_for("Type the slug of the tenant");
        tty.type_keys(&format!("{slug}\r"));
        if let Some(word) = word {
            tty.wait_for("This is eu-1. Type production to go ahead");
            tty.type_keys(&format!("{word}\r"));
        }
        (tty.exit_code(PATIENCE), tty)
    };
    for (slug, word) in [("beta-two", None), ("acme", Some("staging")), ("acme", Some("y"))] {
        let (code, tty) = flush(slug, word);
        assert_eq!((code, left(&cache).len()), (5, 1), "{slug} {word:?}: {}", tty.text());
    }
    let (code, tty) = flush("acme", Some("production"));
    assert_eq!((code, left(&cache).len()), (0, 0), "{}", tty.text());
    tty.wait_for("acme: 1 key removed");
}

#[test]
fn without_a_cache_or_with_a_dead_one_the_command_says_so_and_no_audit_is_needed() {
    let (fleet, cache) = with_cache();
    // Never initialised: there is no audit, and the removal does not ask for one.
    redis::cmd("SET").arg("tenant:acme:a").arg("x").exec(&mut connect(&cache)).expect("set");
    fleet.expect(0, &["cache", "acme", "--flush", "--confirm", "acme", "--yes"]);
    assert_eq!(left(&cache), Vec::<String>::new());
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}[database.cache]\nurl = \"redis://:hush@127.0.0.1:1/0\"\n"));
    let told = text(&fleet.expect(1, &["cache", "acme", "--flush", "--confirm", "acme", "--yes"]).stderr);
    assert!(told.contains("no cache server at 127.0.0.1:1") && !told.contains("hush"), "{told}");
    // It may count and not remove: that is the cache's matter too, and the status is the same.
    let user = redis().user("scanner", &["~*", "+scan", "+dbsize", "+client", "+select"]);
    let url = user.replace("/0", &cache[cache.rfind('/').expect("a database")..]);
    redis::cmd("SET").arg("tenant:acme:a").arg("x").exec(&mut connect(&cache)).expect("set");
    fleet.configure(&format!("{block}[database.cache]\nurl = \"{url}\"\n"));
    let told = text(&fleet.expect(1, &["cache", "acme", "--flush", "--confirm", "acme", "--yes"]).stderr);
    assert!(told.contains("+unlink") && told.contains("0 keys removed"), "{told}");
    let user = redis().user("zero", &["~*", "+scan", "+dbsize", "+client"]).replace("/0", "/9");
    fleet.configure(&format!("{block}[database.cache]\nurl = \"{user}\"\n"));
    let told = text(&fleet.expect(1, &["cache", "acme"]).stderr);
    assert!(told.contains("does not allow it") && told.contains("+select"), "{told}");
    // Where the cache is only a part of what is asked, the rest is told and nothing has failed.
    fleet.configure(&format!("{block}[database.cache]\nurl = \"redis://127.0.0.1:1/0\"\n"));
    for command in [&["cache", "acme"][..], &["tenant", "acme"], &["tenants", "--cache"], &["server"], &["doctor"]] {
        fleet.expect(if command[0] == "cache" { 1 } else { 0 }, command);
    }
    fleet.configure(&block);
    let told = text(&fleet.expect(2, &["cache", "acme"]).stderr);
    assert!(told.contains("[database.cache]"), "{told}");
}

#[test]
fn doctor_says_what_the_user_of_the_cache_may_not_do_and_which_rule_helps() {
    let (fleet, cache) = with_cache();
    let database = &cache[cache.rfind('/').expect("a database")..];
    redis::cmd("SET").arg("tenant:acme:a").arg("x").exec(&mut connect(&cache)).expect("set");
    let block = fleet.block("eu-1", &fleet.database.url());
    let checks = |user: &str, rules: &[&str], more: &str| {
        let url = redis().user(user, rules).replace("/0", database);
        fleet.configure(&format!(
            "{}[database.cache]\nurl = \"{url}\"\n",
            block.replacen("\n", &format!("\n{more}"), 1)
        ));
        let document = fleet.json(0, &["doctor", "--json"]);
        let all = document["checks"].as_array().expect("a list").clone();
        all.into_iter().filter(|check| check["area"] == "cache").collect::<Vec<_>>()
    };
    let word = |check: &serde_json::Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();

    let whole = checks("whole", &["~*", "+@all"], "");
    assert_eq!((whole.len(), word(&whole[0], "result")), (1, "ok".to_owned()), "{whole:?}");
    // A transaction that is discarded tells it where a dry run may not be asked for.
    for (name, more) in [("dry", "+acl|dryrun"), ("multi", "+@transaction")] {
        let found = checks(name, &["~*", "+scan", "+client", "+select", "+info", "+dbsize", "+pttl", more], "");
        let [check] = &found[..] else { panic!("{found:?}") };
        assert_eq!(word(check, "result"), "warn", "{check}");
        let told = word(check, "found");
        assert!(told.contains("may not TYPE, UNLINK") && told.contains("types of a tenant's keys"), "{told}");
        assert!(told.contains("purge") && told.starts_with("1 key"), "{told}");
        assert!(word(check, "advice").contains(&format!("ACL SETUSER {name} +type +unlink")), "{check}");
    }
    // Nobody says it: it is not guessed.
    let found =
        checks("silent", &["~*", "+scan", "+client", "+select", "+info", "+dbsize", "+pttl", "+type", "+unlink"], "");
    assert_eq!((found.len(), word(&found[0], "result")), (1, "ok".to_owned()), "{found:?}");
    assert!(word(&found[0], "found").contains("whether its user may UNLINK is not told"), "{found:?}");
    // Keys of its own, which are others.
    let found = checks("keys", &["~shop:*", "+@all"], "");
    assert!(word(&found[0], "advice").contains(" ~tenant:*:*"), "{found:?}");
    // Who only reads lacks nothing without it.
    let found = checks("reader", &["~*", "+@all", "-unlink"], "read_only = true\n");
    assert_eq!((word(&found[0], "result"), word(&found[0], "advice")), ("ok".to_owned(), String::new()), "{found:?}");
    assert_eq!(left(&cache), ["tenant:acme:a"], "and nothing was done");
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connect(&cache)).expect("statistics");
    assert!(stats.contains("cmdstat_discard"), "{stats}");
}

/// The order of a removal for a tenant, and its target.
async fn order(fleet: &Fleet, cache: &str, slug: &str) -> (Target, FlushOrder) {
    let mut config = Database::new("eu-1".into(), Environment::Development, fleet.database.url().into());
    config.cache = Some(Cache::new(cache.to_owned().into()));
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reading = fleet::read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let tenant = reading.snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == slug).expect("a tenant");
    let order = FlushOrder {
        tenant: tenant.key.clone(),
        slug: tenant.slug.clone(),
        schema: tenant.schema.as_ref().map(|schema| schema.raw().into()),
        layout: Arc::clone(&reading.context.layout),
        tenants: reading.snapshot.tenants.clone(),
    };
    (target, order)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_in_the_dashboard_is_told_and_stopped_and_done_again_removes_the_rest() {
    const KEYS: u64 = 150_000;
    let (fleet, cache) = with_cache();
    fleet.init();
    let mut connection = connect(&cache);
    let mut pipe = redis::pipe();
    for number in 0..KEYS {
        pipe.cmd("SET").arg(format!("tenant:acme:cart:{number}")).arg("x").ignore();
    }
    pipe.exec(&mut connection).expect("filled");
    let (target, order) = order(&fleet, &cache, "acme").await;
    let (events, mut told) = mpsc::channel(256);
    let service = service::spawn(target, events);
    let send = async |command| service.commands.send(command).await.expect("told");
    let mut next = async || loop {
        let event =
            tokio::time::timeout(Duration::from_secs(30), told.recv()).await.expect("in time").expect("an event");
        if let JobEvent::Flush { slug, state, .. } = event {
            assert_eq!(slug.raw(), "acme");
            return state;
        }
    };
    send(ServiceCommand::Flush(Box::new(order.clone()))).await;
    while !matches!(next().await, FlushState::Running { removed } if removed > 0) {}
    // One at a time: the second is refused, the first goes on.
    send(ServiceCommand::Flush(Box::new(order.clone()))).await;
    loop {
        match next().await {
            FlushState::Running { .. } => {}
            FlushState::Failed { why } => break assert!(why.raw().contains("being removed"), "{why:?}"),
            other => panic!("{other:?}"),
        }
    }
    send(ServiceCommand::StopFlush).await;
    let removed = loop {
        match next().await {
            FlushState::Running { .. } => {}
            FlushState::Stopped { removed } => break removed,
            other => panic!("{other:?}"),
        }
    };
    assert!(removed > 0 && removed < KEYS, "{removed}");
    let there: u64 = redis::cmd("DBSIZE").query(&mut connection).expect("a number");
    assert!(there > 0 && there <= KEYS - removed, "what was removed is removed");
    assert_eq!(
        fleet.database.value("select outcome from tenantui.audit where action = 'flush' order by id desc limit 1"),
        "stopped"
    );

    send(ServiceCommand::Flush(Box::new(order))).await;
    let done = loop {
        match next().await {
            FlushState::Running { .. } => {}
            other => break other,
        }
    };
    assert_eq!(done, FlushState::Done { removed: there, kept: 0 });
    assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut connection), Ok(0));
}
