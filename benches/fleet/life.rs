//! Whatever is done to one tenant, or asked about it, in a large fleet: the real program's whole commands, one after the
//! other. Nothing here may grow with the fleet but the first reading.

use std::time::Instant;

use tenantui::demo::Demo;

use super::reading::Watcher;
use super::{Outcome, config_with_cache, connect, rows, tenantui};

/// Runs and prints them.
pub async fn run(demo: &Demo, tenants: u32) -> Outcome<()> {
    let config = config_with_cache(demo)?;
    let client = connect(demo).await?;
    let first = "SELECT slug, schema_name FROM public.tenants WHERE status = 'active' ORDER BY slug LIMIT 1";
    let messages = client.simple_query(first).await?;
    let row = rows(&messages).next().ok_or("a fleet without an active tenant")?;
    let (slug, schema) = (row.get(0).unwrap_or_default().to_owned(), row.get(1).unwrap_or_default().to_owned());
    let watcher = Watcher::start(connect(demo).await?);
    let (slug, schema) = (slug.as_str(), schema.as_str());
    let commands: [&[&str]; 20] = [
        &["init", "--yes"],
        &["doctor"],
        &["tenants", "--csv"],
        &["tenant", slug, "--json"],
        &["migrations", "--json"],
        &["cache", slug, "--json"],
        &["repair", "--json"],
        &["provision", "a-new-one", "--name", "A new one", "--yes"],
        &["rename", "a-new-one", "--name", "Another", "--yes"],
        &["suspend", slug, "--yes"],
        &["drop", slug, "--confirm", schema, "--yes"],
        &["undrop", slug, "--yes"],
        &["activate", slug, "--yes"],
        &["archive", slug, "--yes"],
        &["activate", slug, "--yes"],
        &["suspend", slug, "--yes"],
        &["drop", slug, "--confirm", schema, "--yes"],
        &["purge", slug, "--confirm", schema, "--yes"],
        &["audit", "--json"],
        &["jobs", "--json"],
    ];
    for arguments in commands {
        let began = Instant::now();
        tokio::task::block_in_place(|| tenantui(&config, arguments))?;
        println!("  {:<10} {:>7.2} s", arguments[0], began.elapsed().as_secs_f64());
    }
    let (locks, backend_mb) = watcher.stop().await?;
    println!("in a fleet of {tenants}: most locks held by one session {locks}; its largest backend {backend_mb} MB");
    Ok(())
}
