//! A lost link: what is told meanwhile, what is tried, and what is known when it is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenantui::config::surroundings::Surroundings;
use tenantui::config::{Cache, Database};
use tenantui::demo::servers::PostgresOptions;
use tenantui::fleet::{self, Fleet, FleetCommand};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::{DatabaseView, Snapshot};
use tenantui::model::link::LinkState;
use tenantui::postgres::session::Target;

use crate::support::relay::Relay;
use crate::support::{PgHandle, TestDatabase, own_pg, redis, tcp};

const LIMIT: Duration = Duration::from_secs(30);

const REGISTRY: &str =
    "create table public.tenants (id int primary key, slug text, schema_name text, created_at timestamptz);
    insert into public.tenants select n, 't' || n, 'tenant_t' || n, now() from generate_series(1, 5) n";

struct Stage {
    pg: PgHandle,
    db: TestDatabase,
    relay: Relay,
    cache: String,
    fleet: Fleet,
}

impl Stage {
    /// A fleet of five behind a relay, read whole.
    async fn new(hba: &[&str], url_rest: &str) -> Self {
        let pg = own_pg(PostgresOptions { hba: hba.iter().map(|line| (*line).to_owned()).collect(), ..tcp() });
        let db = pg.database("outage");
        db.sql(REGISTRY);
        pg.admin("create role ops login password 'right' superuser");
        // These servers do not wait for their disk.
        db.sql("checkpoint");
        let relay = Relay::to(db.port).await;
        let url = format!("host=127.0.0.1 port={} user=ops dbname={} sslmode=disable {url_rest}", relay.port, db.name);
        let cache = redis().database();
        let mut config = Database::new("eu-1".into(), Environment::Development, url.into());
        config.cache = Some(Cache { keys: vec!["tenant:{slug}:*".to_owned()], ..Cache::new(cache.clone().into()) });
        let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
        let fleet = fleet::spawn(vec![target], Duration::from_millis(300));
        let mut stage = Self { pg, db, relay, cache, fleet };
        stage.until("the first picture", |view| view.taken_at.is_some()).await;
        stage
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&DatabaseView) -> bool) -> Arc<Snapshot> {
        let wait = self.fleet.snapshots.wait_for(|snapshot| holds(&snapshot.databases[0]));
        let found = tokio::time::timeout(LIMIT, wait).await;
        let found = found.unwrap_or_else(|_| panic!("waited in vain for {what}"));
        Arc::clone(&found.expect("the collector runs"))
    }

    async fn lost(&mut self, tries: u32) -> (u32, String) {
        let seen = self
            .until("the loss", |view| matches!(&view.link, LinkState::Lost { attempt, .. } if *attempt >= tries))
            .await;
        match &seen.databases[0].link {
            LinkState::Lost { since, attempt, next_try, why } => {
                assert!(next_try > since, "{since} {next_try}");
                assert_eq!(seen.tenants.len(), 5, "what was known is shown");
                (*attempt, why.raw().to_owned())
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashed_is_waited_for_and_its_return_says_what_changed() {
    let mut stage = Stage::new(&[], "").await;
    let port = stage.db.port;
    // Nobody has to ask to learn of it, and the words are the server's own.
    stage.fleet.commands.send(FleetCommand::Every(None)).await.expect("told");
    stage.pg.server.stop(true);
    let (_, why) = stage.lost(1).await;
    assert!(why.contains("57P01") || why.contains("57P02") || why.contains("closed"), "{why}");
    let (attempt, _) = stage.lost(3).await;
    assert!(attempt >= 3);
    // It is up again, and two rows are other ones when the way there is.
    stage.relay.aim(1);
    stage.pg.server.start_again(&stage.pg.home).expect("up again");
    stage.db.sql("update public.tenants set slug = 'renamed' where id = 1; insert into public.tenants values (6, 't6', 'tenant_t6')");
    let cache = redis::Client::open(stage.cache.as_str()).and_then(|client| client.get_connection());
    redis::cmd("SET").arg("tenant:t6:a").arg(1).exec(&mut cache.expect("Redis")).expect("a key");
    stage.relay.aim(port);
    stage.fleet.commands.send(FleetCommand::Refresh).await.expect("told");
    let back = stage.until("the return", |view| view.back.is_some()).await;
    let view = &back.databases[0];
    assert!(view.link.is_up(), "{:?}", view.link);
    let told = view.back.expect("a return");
    assert_eq!(told.rows_changed, 2, "{told:?}");
    assert!(told.words().starts_with("back after 00:") && told.words().ends_with("2 rows changed"), "{}", told.words());
    assert_eq!(back.tenants.len(), 6);
    // The keys of what is new are counted, too.
    let counted = |snapshot: &Arc<Snapshot>| {
        snapshot.tenants.iter().any(|tenant| tenant.slug.raw() == "t6" && tenant.cache_keys == Some(1))
    };
    let wait = tokio::time::timeout(LIMIT, stage.fleet.snapshots.wait_for(counted)).await;
    wait.expect("the new tenant's keys are counted").expect("the collector runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_way_is_slow_and_then_lost_within_its_deadline() {
    let mut stage = Stage::new(&[], "").await;
    stage.relay.stall(true);
    let started = Instant::now();
    stage
        .until("the overdue answer", |view| matches!(view.link, LinkState::Slow { waiting_ms } if waiting_ms >= 2_000))
        .await;
    let (_, why) = stage.lost(1).await;
    assert!(why.contains("no answer within"), "{why}");
    // The interval, five seconds of patience, and what a loaded machine takes.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    stage.relay.stall(false);
    stage.relay.cut();
    let back = stage.until("the return", |view| view.back.is_some() && view.link.is_up()).await;
    assert_eq!(back.databases[0].back.map(|back| back.rows_changed), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_by_now_ends_the_tries() {
    let mut stage =
        Stage::new(&["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"], "password=right").await;
    let log = stage.pg.server.socket_folder().join("log");
    let failures = || std::fs::read_to_string(&log).expect("the log").matches("password authentication failed").count();
    stage.pg.admin("alter role ops password 'rotated'");
    stage.relay.cut();
    let refused = stage.until("the refusal", |view| matches!(view.link, LinkState::Refused { .. })).await;
    let LinkState::Refused { why } = &refused.databases[0].link else { panic!("refused") };
    assert!(why.raw().contains("28P01") && why.raw().contains("connection string"), "{}", why.raw());
    assert_eq!(refused.tenants.len(), 5, "what was known is shown");
    let (tries, taken) = (failures(), stage.relay.taken());
    assert_eq!(tries, 1);
    // Several intervals and back-offs later.
    let watched = tokio::time::timeout(Duration::from_secs(2), stage.fleet.snapshots.changed()).await;
    assert!(watched.is_err() && stage.relay.taken() == taken && failures() == tries, "no loop");
    stage.pg.admin("alter role ops password 'right'");
    stage.fleet.commands.send(FleetCommand::Refresh).await.expect("told");
    stage.until("the return", |view| view.link.is_up() && view.back.is_some()).await;
}
