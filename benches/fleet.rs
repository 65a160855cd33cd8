//! What the fleet's speed claims rest on: the real program against plain SQL and a shell loop, each pair in one run,
//! on the demo's own seeding. Prints ratios; fails on nothing, for machines are noisy.
//!
//! ```text
//! cargo bench --bench fleet                    # 10,000 tenants for reading, 200 for migrating
//! TENANTUI_BENCH_TENANTS=1000 cargo bench --bench fleet
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tenantui::demo::{self, Demo, DemoOptions};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Pairs of runs; medians are printed.
const ROUNDS: usize = 5;
/// Ledgers per message of the plain reads, the best of performance.md 3.
const CHUNK: usize = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tenants = std::env::var("TENANTUI_BENCH_TENANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    runtime.block_on(reading(tenants))?;
    runtime.block_on(migrating())
}

async fn start(tenants: u32) -> Outcome<Demo> {
    let began = Instant::now();
    let demo = demo::start(DemoOptions { tenants }, &|_| {}).await?;
    println!("seeded {tenants} tenants in {:.1} s", began.elapsed().as_secs_f64());
    Ok(demo)
}

async fn connect(demo: &Demo) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(&demo.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tenantui"))
}

/// A configuration file for the demo's database.
fn config(demo: &Demo) -> Outcome<PathBuf> {
    let config = demo.config();
    let migrations = &config.databases[0].migrations;
    let path = demo.folder().join("bench.toml");
    let folder = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    fs::write(
        &path,
        format!(
            "[[database]]\nname = \"bench\"\nurl = \"{}\"\nenvironment = \"development\"\nlayout = \"boundary\"\n\
             [database.migrations]\npath = \"{}\"\nshared_path = \"{}\"\n[database.jobs]\nparallel = 8\n",
            demo.url(),
            folder(&migrations.path),
            folder(&migrations.shared_path)
        ),
    )?;
    Ok(path)
}

fn tenantui(config: &Path, arguments: &[&str]) -> Outcome<Vec<u8>> {
    let output = Command::new(program())
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if !matches!(output.status.code(), Some(0 | 4)) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(output.stdout)
}

// ---- reading -----------------------------------------------------------------------------------------------------

async fn reading(tenants: u32) -> Outcome<()> {
    let demo = start(tenants).await?;
    let config = config(&demo)?;
    let watcher = Watcher::start(connect(&demo).await?);
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let read = plain_reads(&demo).await?;
        let floor = began.elapsed();
        let began = Instant::now();
        let json = tokio::task::block_in_place(|| tenantui(&config, &["tenants", "--json"]))?;
        let took = began.elapsed();
        let answer: serde_json::Value = serde_json::from_slice(&json)?;
        let listed = answer["tenants"].as_array().map_or(0, Vec::len);
        assert!(listed >= read, "the program lists {listed} tenants, plain SQL {read}");
        plain.push(floor);
        ours.push(took);
        ratios.push(took.as_secs_f64() / floor.as_secs_f64());
    }
    let (locks, backend_mb) = watcher.stop().await?;
    println!(
        "tenants --json over {tenants} tenants: {:.2} s, plain SQL on one connection {:.2} s, ratio {:.2} ({:.2} to {:.2})",
        median(&mut ours).as_secs_f64(),
        median(&mut plain).as_secs_f64(),
        middle(&mut ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
    println!("most locks held by one reader: {locks}; largest backend of a reader: {backend_mb} MB");
    Ok(())
}

/// The same facts by plain SQL: registry, schemas, table counts, estimates, ledgers in chunks.
async fn plain_reads(demo: &Demo) -> Outcome<usize> {
    let client = connect(demo).await?;
    let registry = client.simple_query("SELECT * FROM public.tenants").await?;
    client.simple_query("SELECT oid, nspname, nspowner FROM pg_namespace").await?;
    client.simple_query("SELECT relnamespace, count(*) FROM pg_class WHERE relkind IN ('r', 'p') GROUP BY 1").await?;
    client
        .simple_query(
            "SELECT c.relnamespace, sum(c.relpages::bigint + coalesce(t.relpages, 0)) FROM pg_class c \
             LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relkind IN ('r', 'i') GROUP BY 1",
        )
        .await?;
    let ledgers = client
        .simple_query(
            "SELECT quote_ident(n.nspname), has_table_privilege(c.oid, 'SELECT'), \
             (SELECT string_agg(a.attname || ' ' || a.atttypid, ',' ORDER BY a.attnum) FROM pg_attribute a \
              WHERE a.attrelid = c.oid AND a.attnum > 0) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'schema_migrations'",
        )
        .await?;
    let schemas: Vec<String> = rows(&ledgers).map(|row| row.get(0).unwrap_or_default().to_owned()).collect();
    for chunk in schemas.chunks(CHUNK) {
        let message: Vec<String> = chunk
            .iter()
            .map(|schema| format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM {schema}.schema_migrations"))
            .collect();
        client.simple_query(&message.join(";")).await?;
    }
    Ok(rows(&registry).count())
}

fn rows(messages: &[SimpleQueryMessage]) -> impl Iterator<Item = &tokio_postgres::SimpleQueryRow> {
    messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

/// Looks at the locks and the memory of tenantui's sessions while they work.
struct Watcher {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Outcome<(u64, u64)>>,
}

impl Watcher {
    fn start(client: Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let (mut locks, mut memory_kb) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let sql = "SELECT a.pid, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid) \
                           FROM pg_stat_activity a WHERE a.application_name LIKE 'tenantui%'";
                for row in rows(&client.simple_query(sql).await?) {
                    locks = locks.max(row.get(1).and_then(|n| n.parse().ok()).unwrap_or(0));
                    memory_kb = memory_kb.max(row.get(0).map_or(0, own_memory_kb));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok((locks, memory_kb / 1_024))
        });
        Self { over, task }
    }

    async fn stop(self) -> Outcome<(u64, u64)> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

/// What a process holds for itself alone: shared buffers do not count.
fn own_memory_kb(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kb| kb.parse().ok())
        .unwrap_or(0)
}

// ---- migrating ---------------------------------------------------------------------------------------------------

async fn migrating() -> Outcome<()> {
    let demo = start(200).await?;
    let config = config(&demo)?;
    tenantui(&config, &["init", "--yes"])?;
    // Everybody at the newest version first, so that both ways do the same work.
    tenantui(&config, &["migrate", "--all", "--yes", "--canary", "0"])?;
    let folder = demo.config().databases[0].migrations.path.clone().ok_or("the demo has migrations")?;
    let client = connect(&demo).await?;
    let (mut ours, mut loops, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let version = 20_990_101_000_000_u64 + round as u64 * 2;
        add_migration(&folder, version)?;
        let began = Instant::now();
        tokio::task::block_in_place(|| tenantui(&config, &["migrate", "--all", "--yes", "--canary", "0"]))?;
        let took = began.elapsed();
        let done = applied(&client, version).await?;
        let began = Instant::now();
        tokio::task::block_in_place(|| shell_loop(&demo, version + 1))?;
        let shell = began.elapsed();
        assert_eq!(done, applied(&client, version + 1).await?, "both ways must reach the same tenants");
        println!("  round {round}: {done} tenants, {:.2} s against {:.2} s", took.as_secs_f64(), shell.as_secs_f64());
        ours.push(took);
        loops.push(shell);
        ratios.push(shell.as_secs_f64() / took.as_secs_f64());
    }
    println!(
        "one column over 200 tenants: {:.2} s with 8 sessions, shell loop of psql {:.2} s: {:.1} times as fast ({:.1} to {:.1})",
        median(&mut ours).as_secs_f64(),
        median(&mut loops).as_secs_f64(),
        middle(&mut ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
    Ok(())
}

fn add_migration(folder: &Path, version: u64) -> Outcome<()> {
    let sql = format!("ALTER TABLE products ADD COLUMN bench_{version} integer");
    fs::write(folder.join(format!("{version}-bench-{version}.up.sql")), sql)?;
    Ok(())
}

/// A psql per tenant that looks into the ledger, alters the table and writes the row, in one transaction: what people
/// do today. It visits the tenants that the program visits.
fn shell_loop(demo: &Demo, version: u64) -> Outcome<()> {
    let script = format!(
        "set -eu\npsql -XAtq -d \"$URL\" -c \"select n.nspname from public.tenants t join pg_namespace n on \
         n.nspname = t.schema_name where t.deleted_at is null and t.status <> 'deleted'\" | while read -r schema; do\n\
         psql -Xq1 -v ON_ERROR_STOP=1 -d \"$URL\" <<SQL >/dev/null\nset local search_path to \"$schema\";\n\
         select not exists (select from schema_migrations where id in ({version}, -1)) as todo \\\\gset\n\\\\if :todo\n\
         alter table products add column bench_{version} integer;\n\
         insert into schema_migrations values ({version}, now(), 'bench');\n\\\\endif\nSQL\ndone\n"
    );
    let path = format!("{}:{}", demo.programs().bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .env("URL", demo.url())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}

/// In how many tenants a migration was applied.
async fn applied(client: &Client, version: u64) -> Outcome<usize> {
    let tables = client
        .simple_query(&format!(
            "SELECT count(*) FROM pg_attribute WHERE attname = 'bench_{version}' AND NOT attisdropped"
        ))
        .await?;
    Ok(rows(&tables).next().and_then(|row| row.get(0)).and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn middle(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
