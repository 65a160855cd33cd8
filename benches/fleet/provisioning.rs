//! Provisioning: the real program against the best way by hand (eight connections, a transaction and one message for
//! each tenant), on one server that waits for its disk, in one run, both with registry rows and ledgers.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tenantui::demo::servers::{Home, PostgresOptions, PostgresServer, find_postgres};
use tokio_postgres::{Client, NoTls};

use super::{Outcome, median, middle, rows, tenantui};

/// Pairs of runs: each of the two ways goes first as often as the other.
const ROUNDS: usize = 4;
/// Pairs of single tenants, for each pair of runs: one alone is over soon, and varies more.
const ONES: usize = 12;
/// Migration files of a tenant, two tables each.
const FILES: usize = 10;
/// Connections of both ways.
const CONNECTIONS: usize = 8;

/// The server, the folder of migrations and the configuration.
struct Stage {
    url: String,
    folder: PathBuf,
    config: PathBuf,
    /// Ends before the folder that it lives in.
    _server: PostgresServer,
    _home: Home,
}

impl Stage {
    /// A server with an empty registry. What its disk costs is part of both ways; what clears up behind one of them would
    /// be charged to the other, and is done between the runs instead: see [`settle`].
    fn start() -> Outcome<Self> {
        let home = Home::new()?;
        let settings = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("shared_buffers", "512MB"),
            ("autovacuum", "off"),
            ("track_commit_timestamp", "on"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let options = PostgresOptions { settings, ..PostgresOptions::default() };
        let server = PostgresServer::start(&home, "pg", &find_postgres()?, &options)?;
        let folder = home.make_folder("bench")?;
        let migrations = folder.join("migrations");
        fs::create_dir(&migrations)?;
        for number in 1..=FILES {
            fs::write(migrations.join(format!("{number:014}-tables.up.sql")), tables(number))?;
        }
        let url = server.socket_url("postgres", "postgres");
        let config = folder.join("config.toml");
        fs::write(
            &config,
            format!(
                "[[database]]\nname = \"bench\"\nurl = \"{url}\"\nenvironment = \"development\"\nlayout = \"boundary\"\n\
                 [database.migrations]\npath = \"{}\"\n[database.jobs]\nparallel = {CONNECTIONS}\n",
                migrations.display()
            ),
        )?;
        tenantui(&config, &["init", "--registry", "--yes"])?;
        Ok(Self { url, folder, config, _server: server, _home: home })
    }

    async fn connect(&self) -> Outcome<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Many tenants, then one.
pub async fn run() -> Outcome<()> {
    let made = std::env::var("TENANTUI_BENCH_MADE").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let stage = tokio::task::block_in_place(Stage::start)?;
    let client = stage.connect().await?;
    many(&stage, &client, made).await?;
    settle(&client).await?;
    one(&stage, &client).await
}

/// Both ways begin behind a checkpoint, and on catalogs and tables that are clean and measured.
async fn settle(client: &Client) -> Outcome<()> {
    let catalogs = "pg_class, pg_attribute, pg_attrdef, pg_type, pg_index, pg_constraint, pg_depend, pg_shdepend, pg_sequence, \
         pg_namespace, public.tenants, tenantui.job, tenantui.step, tenantui.audit";
    client.batch_execute(&format!("VACUUM (ANALYZE) {catalogs}")).await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

async fn many(stage: &Stage, client: &Client, made: usize) -> Outcome<()> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let list = stage.folder.join(format!("round-{round}.csv"));
        let mut lines = "slug,name\n".to_owned();
        (0..made).try_for_each(|number| writeln!(lines, "ours-{round}-{number},Ours {number}"))?;
        fs::write(&list, lines)?;
        let list = list.display().to_string();
        let program = || tenantui(&stage.config, &["provision", "--from", &list, "--yes"]);
        // In turn first: what one leaves behind slows the other as often as it is slowed.
        settle(client).await?;
        let (took, hand) = if round % 2 == 0 {
            let took = timed(|| tokio::task::block_in_place(program))?;
            settle(client).await?;
            (took, by_hand(stage, round, made).await?)
        } else {
            let hand = by_hand(stage, round, made).await?;
            settle(client).await?;
            (timed(|| tokio::task::block_in_place(program))?, hand)
        };
        for who in ["ours", "hand"] {
            assert_eq!(whole(client, &format!("{who}-{round}-%")).await?, made, "every tenant of {who} must be whole");
        }
        println!("  round {round}: {made} tenants, {:.2} s against {:.2} s", took.as_secs_f64(), hand.as_secs_f64());
        ours.push(took);
        theirs.push(hand);
        ratios.push(took.as_secs_f64() / hand.as_secs_f64());
    }
    println!(
        "{made} tenants of {FILES} migrations: {:.2} s with {CONNECTIONS} sessions, by hand {:.2} s: {:.2} times as long ({:.2} to {:.2})",
        median(&mut ours).as_secs_f64(),
        median(&mut theirs).as_secs_f64(),
        middle(&mut ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
    Ok(())
}

async fn one(stage: &Stage, client: &Client) -> Outcome<()> {
    let (mut ours, mut inside, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS * ONES {
        let (slug, by_hand) = (format!("alone-{round}"), format!("by-hand-{round}"));
        let program = || tenantui(&stage.config, &["provision", &slug, "--name", "Alone", "--yes"]);
        // In turn first, as above.
        if round % 2 == 0 {
            ours.push(timed(|| tokio::task::block_in_place(program))?);
            alone_by_hand(stage, &by_hand).await?;
        } else {
            alone_by_hand(stage, &by_hand).await?;
            ours.push(timed(|| tokio::task::block_in_place(program))?);
        }
        let (spent, hand) = (transaction(client, &slug).await?, transaction(client, &by_hand).await?);
        ratios.push(spent.as_secs_f64() / hand.as_secs_f64());
        inside.push(spent);
        theirs.push(hand);
    }
    println!(
        "one tenant: its transaction {:.1} ms, by hand on an open connection {:.1} ms: {:.2} times as long ({:.2} to {:.2}, {} pairs); the whole command {} ms",
        median(&mut inside).as_secs_f64() * 1e3,
        median(&mut theirs).as_secs_f64() * 1e3,
        middle(&mut ratios),
        ratios[0],
        ratios[ratios.len() - 1],
        ratios.len(),
        median(&mut ours).as_millis(),
    );
    Ok(())
}

/// One message on a connection that is open, and has done nothing yet.
async fn alone_by_hand(stage: &Stage, slug: &str) -> Outcome<()> {
    let own = stage.connect().await?;
    own.batch_execute(&message(slug)).await?;
    Ok(())
}

fn timed(work: impl FnOnce() -> Outcome<Vec<u8>>) -> Outcome<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

/// What the server took for the transaction that made a tenant, whoever made it: from BEGIN, which is the time of the row,
/// to the record of its COMMIT.
async fn transaction(client: &Client, slug: &str) -> Outcome<Duration> {
    let sql = format!(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at) FROM public.tenants WHERE slug = '{slug}'"
    );
    let answer = client.simple_query(&sql).await?;
    let seconds = rows(&answer).next().and_then(|row| row.get(0)).and_then(|n| n.parse().ok());
    Ok(Duration::from_secs_f64(seconds.ok_or("the tenant was not made")?))
}

/// The best variant: every connection takes tenant after tenant, each one message and one transaction.
async fn by_hand(stage: &Stage, round: usize, made: usize) -> Outcome<Duration> {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    try_join_all((0..CONNECTIONS).map(|_| async {
        let client = stage.connect().await?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= made {
                return Outcome::Ok(());
            }
            client.batch_execute(&message(&format!("hand-{round}-{number}"))).await?;
        }
    }))
    .await?;
    Ok(began.elapsed())
}

fn message(slug: &str) -> String {
    let schema = format!("tenant_{}", slug.replace('-', "_"));
    let mut sql = format!(
        "BEGIN; INSERT INTO public.tenants (slug, name, schema_name, status) VALUES \
         ('{slug}', 'x', '{schema}', 'active'); CREATE SCHEMA {schema}; \
         SET LOCAL search_path = {schema}, pg_temp; CREATE TABLE schema_migrations (id bigint UNIQUE NOT NULL, \
         applied timestamp, description varchar(1024));"
    );
    for number in 1..=FILES {
        sql.push_str(&tables(number).replace("--;;", ""));
        sql.push_str(&format!("; INSERT INTO schema_migrations VALUES ({number}, now(), 'tables');"));
    }
    sql.push_str("COMMIT");
    sql
}

/// Two tables as performance figures have them: primary key and another index, toast, a foreign key, checks.
fn tables(number: usize) -> String {
    let (a, b) = (number * 2 - 1, number * 2);
    format!(
        "CREATE TABLE t{a} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text NOT NULL, kind text NOT NULL DEFAULT 'x' \
         CHECK (kind <> ''), body text, made timestamptz NOT NULL DEFAULT now());\n--;;\nCREATE INDEX t{a}_label ON t{a} (label);\n--;;\n\
         CREATE TABLE t{b} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL REFERENCES t{a}, label text NOT NULL, \
         amount numeric CHECK (amount >= 0), body text);\n--;;\nCREATE INDEX t{b}_owner ON t{b} (owner)"
    )
}

/// How many tenants of these slugs have a row, a full ledger and the last table.
async fn whole(client: &Client, like: &str) -> Outcome<usize> {
    let sql = format!(
        "SELECT count(*) FROM public.tenants AS t WHERE t.slug LIKE '{like}' AND \
         to_regclass(quote_ident(t.schema_name) || '.t{}') IS NOT NULL",
        FILES * 2
    );
    let answer = client.simple_query(&sql).await?;
    Ok(rows(&answer).next().and_then(|row| row.get(0)).and_then(|n| n.parse().ok()).unwrap_or(0))
}
