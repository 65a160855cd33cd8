//! Reading: the real program against plain SQL on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tenantui::demo::Demo;
use tokio_postgres::Client;

use super::{Outcome, ROUNDS, config, connect, median, middle, own_memory_kb, rows, tenantui};

/// Ledgers per message of the plain reads: the best that was found.
const CHUNK: usize = 200;

/// `tenants --json` against the same reads as plain SQL, and what they cost the server.
pub async fn run(demo: &Demo, tenants: u32) -> Outcome<()> {
    let config = config(demo)?;
    let watcher = Watcher::start(connect(demo).await?);
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let read = plain_reads(demo).await?;
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

/// `migrate --all` with nothing to do against the one chunked reading of all ledgers that it has to make: registry, schemas,
/// which tables are ledgers, and their rows.
pub async fn nothing_to_do(demo: &Demo, tenants: u32) -> Outcome<()> {
    let config = config(demo)?;
    let migrate = ["migrate", "--all", "--yes", "--canary", "0"];
    tokio::task::block_in_place(|| tenantui(&config, &["init", "--yes"]))?;
    // Whoever is behind is brought up to date first.
    tokio::task::block_in_place(|| tenantui(&config, &migrate))?;
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        plain_ledgers(&connect(demo).await?).await?;
        let floor = began.elapsed();
        let began = Instant::now();
        tokio::task::block_in_place(|| tenantui(&config, &migrate))?;
        let took = began.elapsed();
        plain.push(floor);
        ours.push(took);
        ratios.push(took.as_secs_f64() / floor.as_secs_f64());
    }
    println!(
        "migrate --all with nothing to do over {tenants} tenants: {:.2} s, the ledgers as plain SQL {:.2} s, ratio {:.2} \
         ({:.2} to {:.2})",
        median(&mut ours).as_secs_f64(),
        median(&mut plain).as_secs_f64(),
        middle(&mut ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
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
    read_ledgers(&client).await?;
    Ok(rows(&registry).count())
}

/// What a fleet's migration state is known by, and no more.
async fn plain_ledgers(client: &Client) -> Outcome<()> {
    client.simple_query("SELECT * FROM public.tenants").await?;
    client.simple_query("SELECT oid, nspname, nspowner FROM pg_namespace").await?;
    read_ledgers(client).await
}

async fn read_ledgers(client: &Client) -> Outcome<()> {
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
    Ok(())
}

/// Looks at the locks and the memory of tenantui's sessions while they work.
pub struct Watcher {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Outcome<(u64, u64)>>,
}

impl Watcher {
    /// Looks from now on.
    pub fn start(client: Client) -> Self {
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

    /// The most locks of a session, and the largest session in MB.
    pub async fn stop(self) -> Outcome<(u64, u64)> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}
