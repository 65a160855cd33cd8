//! Migrating: the real program against a shell loop of psql.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tenantui::demo::Demo;
use tokio_postgres::Client;

use super::{Outcome, ROUNDS, config, connect, median, middle, rows, start, tenantui};

/// One added column over 200 tenants, by the program and by a shell loop of psql, both with ledger rows.
pub async fn run() -> Outcome<()> {
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
