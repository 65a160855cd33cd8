//! What the fleet's speed claims rest on: the real program against plain SQL and a shell loop, each pair in one run,
//! and the dashboard in a real terminal, on the demo's own seeding. Prints figures; fails on nothing, for machines are
//! noisy.
//!
//! ```text
//! cargo bench --bench fleet                      # 10,000 tenants, and 200 for migrating
//! cargo bench --bench fleet -- dashboard         # one part: reading, dashboard, life, migrating or provisioning
//! TENANTUI_BENCH_TENANTS=1000 cargo bench --bench fleet
//! TENANTUI_BENCH_MADE=1000 cargo bench --bench fleet -- provisioning
//! ```

mod dashboard;
mod life;
mod migrating;
mod provisioning;
mod reading;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tenantui::demo::{self, Demo, DemoOptions};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Pairs of runs; medians are printed.
const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tenants = std::env::var("TENANTUI_BENCH_TENANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    if wanted("reading") || wanted("dashboard") || wanted("life") {
        let demo = runtime.block_on(start(tenants))?;
        if wanted("reading") {
            runtime.block_on(reading::run(&demo, tenants))?;
            runtime.block_on(reading::nothing_to_do(&demo, tenants))?;
        }
        if wanted("dashboard") {
            dashboard::run(&config(&demo)?, tenants)?;
        }
        if wanted("life") {
            runtime.block_on(life::run(&demo, tenants))?;
        }
    }
    if wanted("migrating") {
        runtime.block_on(migrating::run())?;
    }
    if wanted("provisioning") {
        runtime.block_on(provisioning::run())?;
    }
    Ok(())
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

/// As [`config`], with the demo's cache.
fn config_with_cache(demo: &Demo) -> Outcome<PathBuf> {
    let path = config(demo)?;
    let cache = format!("[database.cache]\nurl = \"{}\"\n", demo.cache_url());
    fs::write(&path, fs::read_to_string(&path)? + &cache)?;
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

fn rows(messages: &[SimpleQueryMessage]) -> impl Iterator<Item = &tokio_postgres::SimpleQueryRow> {
    messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
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

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn middle(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
