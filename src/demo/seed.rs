//! Fills the private PostgreSQL with the planned fleet: Boundary's registry, and a schema per tenant that its own
//! migration files made, so that nothing in the demo differs from what migrating by hand would give.
//!
//! One message and one transaction per tenant, over a few connections: that is what provisions fastest.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio_postgres::{Client, NoTls};

use super::Progress;
use super::assets::{MigrationFile, SHARED, TENANT};
use super::fleet_plan::{Fate, PlannedTenant};
use super::servers::{PostgresServer, ServerError};
use crate::model::ident::literal;

/// The role and the database of the demo's application.
pub const OWNER: &str = "shop";

/// A backend keeps what it knows of every relation it opened, so connections are changed now and then.
const TENANTS_PER_CONNECTION: u32 = 200;

/// Fills the database. `report` is called as it goes.
///
/// # Errors
/// When the server refuses something, with its words.
pub async fn seed(
    server: &PostgresServer,
    fleet: &[PlannedTenant],
    report: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), ServerError> {
    let admin = connect(&server.socket_url("postgres", "postgres")).await?;
    run(&admin, "create the role", &format!("create role {OWNER} login; grant pg_monitor to {OWNER}")).await?;
    run(&admin, "create the database", &format!("create database {OWNER} owner {OWNER}")).await?;
    let url = server.socket_url("postgres", OWNER);
    let admin = connect(&url).await?;
    run(&admin, "fill the shared schema", &shared_message(fleet)).await?;

    let schemas: Vec<&PlannedTenant> = fleet.iter().filter(|tenant| tenant.has_schema()).collect();
    let by_lack: Vec<String> = (0..TENANT.len()).map(|lack| up_to(&TENANT[..TENANT.len() - lack])).collect();
    let work = Work {
        url: &url,
        schemas: &schemas,
        migrations: &by_lack,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        told_at: AtomicU64::new(0),
        started: Instant::now(),
        report,
    };
    let connections = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8);
    try_join_all((0..connections).map(|_| work.run())).await?;
    run(&admin, "analyze the registry", "vacuum (analyze) public.tenants, public.tenant_memberships").await
}

/// What the connections share.
struct Work<'a> {
    url: &'a str,
    schemas: &'a [&'a PlannedTenant],
    migrations: &'a [String],
    next: AtomicUsize,
    done: AtomicUsize,
    told_at: AtomicU64,
    started: Instant,
    report: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Work<'_> {
    /// Makes tenants until none is left.
    async fn run(&self) -> Result<(), ServerError> {
        let mut client = connect(self.url).await?;
        let mut made = 0;
        while let Some(tenant) = self.schemas.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if made == TENANTS_PER_CONNECTION {
                client = connect(self.url).await?;
                made = 0;
            }
            made += 1;
            let migrations = self.migrations.get(tenant.behind).map_or("", String::as_str);
            run(&client, &tenant.slug, &tenant_message(tenant, migrations)).await?;
            if let Some(tables) = analyzed(tenant) {
                run(&client, &tenant.slug, &tables).await?;
            }
            self.tell(self.done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(())
    }

    /// Reports at most twice a second, and the last one always.
    fn tell(&self, done: usize) {
        let elapsed = self.started.elapsed();
        let half_seconds = u64::try_from(elapsed.as_millis() / 500).unwrap_or(u64::MAX);
        if self.told_at.swap(half_seconds, Ordering::Relaxed) != half_seconds || done == self.schemas.len() {
            let [done, total] = [done, self.schemas.len()].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
            (self.report)(Progress::Tenants { done, total, elapsed });
        }
    }
}

async fn connect(url: &str) -> Result<Client, ServerError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(|error| failed("connect to the private PostgreSQL", &error))?;
    tokio::spawn(async move {
        // An error of the connection reaches the statement that waits on it.
        let _ = connection.await;
    });
    Ok(client)
}

async fn run(client: &Client, doing: &str, message: &str) -> Result<(), ServerError> {
    client.batch_execute(message).await.map_err(|error| failed(doing, &error))
}

fn failed(doing: &str, error: &tokio_postgres::Error) -> ServerError {
    let words = error.as_db_error().map_or_else(|| error.to_string(), |server| server.message().to_owned());
    ServerError(format!("the demo's data could not be made ({doing}): {words}"))
}

/// The files' text one after another; Migratus's separators are comments to the server.
fn up_to(files: &[MigrationFile]) -> String {
    files.iter().fold(String::new(), |mut text, file| {
        text.push_str(file.up);
        text.push('\n');
        text
    })
}

/// Migratus's ledger with a row per file, applied when the file was written or the tenant signed up.
fn ledger(files: &[MigrationFile], age_days: u32) -> String {
    let mut rows = String::new();
    for file in files {
        let (version, name) = file.version_and_name();
        let comma = if rows.is_empty() { "" } else { ", " };
        let _ = write!(rows, "{comma}({version}::bigint, {})", literal(name));
    }
    format!(
        "CREATE TABLE schema_migrations (id bigint UNIQUE NOT NULL, applied timestamp, description varchar(1024));
         INSERT INTO schema_migrations (id, applied, description)
         SELECT id, least(greatest(to_timestamp(id::text, 'YYYYMMDDHH24MISS'), now() - interval '{age_days} days'),
                          now() - interval '10 minutes') AT TIME ZONE 'UTC', description
         FROM (VALUES {rows}) AS file (id, description);\n"
    )
}

/// Everything of the shared schema: its tables, ledger, registry rows and members.
fn shared_message(fleet: &[PlannedTenant]) -> String {
    let mut text = String::from("BEGIN; SET LOCAL ROLE shop; SET LOCAL search_path = public;\n");
    text.push_str(&up_to(&SHARED));
    text.push_str(&ledger(&SHARED, 2_000));
    for tenant in fleet {
        let Some(status) = tenant.status() else { continue };
        let deleted = if tenant.fate == Fate::Deleted { "now() - interval '9 days'" } else { "NULL" };
        let _ = writeln!(
            text,
            "INSERT INTO tenants (id, slug, name, schema_name, status, settings, created_at, updated_at, deleted_at) \
             VALUES ('{}', {}, {}, {}, '{status}', '{{\"limits\": {{\"max-users\": {}}}}}', \
             now() - interval '{} days', now() - interval '{} hours', {deleted});",
            tenant.id,
            literal(&tenant.slug),
            literal(&tenant.name),
            literal(tenant.schema.raw()),
            5 + tenant.orders * 5,
            tenant.age_days,
            tenant.cache_keys,
        );
    }
    text.push_str(
        "INSERT INTO tenant_memberships (tenant_id, user_id, role, status, accepted_at, created_at)
         SELECT id::text, slug || '-user-' || n, (array['admin', 'member', 'member', 'viewer'])[n], 'active',
                created_at + n * interval '1 day', created_at
         FROM tenants CROSS JOIN generate_series(1, 4) AS n
         WHERE n = 1 OR hashtext(slug) % n = 0;
         COMMIT",
    );
    text
}

/// Everything of one tenant. The rows are consistent by construction, so foreign keys need not be looked up again.
fn tenant_message(tenant: &PlannedTenant, migrations: &str) -> String {
    let schema = tenant.schema.quoted();
    let applied = &TENANT[..TENANT.len() - tenant.behind];
    let mut text = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL ROLE {OWNER};
         CREATE SCHEMA {schema}; SET LOCAL search_path = {schema};\n{migrations}"
    );
    text.push_str(&ledger(applied, tenant.age_days));
    if tenant.fate == Fate::LockLeftBehind {
        text.push_str("INSERT INTO schema_migrations (id, applied) VALUES (-1, now() - interval '2 days');\n");
    }
    text.push_str(&shop_rows(tenant.orders));
    if tenant.page_views > 0 {
        let _ = writeln!(
            text,
            "INSERT INTO page_views (viewed_at, visitor, path, details)
             SELECT now() - n * interval '37 seconds', gen_random_uuid(), '/products/' || n % 500,
                    jsonb_build_object('agent', md5(n::text) || repeat(md5((n * 7)::text), 11), 'status', 200)
             FROM generate_series(1, {}) AS n;",
            tenant.page_views
        );
    }
    text.push_str("COMMIT");
    text
}

/// A few rows in the tables that every shop fills.
fn shop_rows(orders: u32) -> String {
    let products = 3 + orders / 2;
    format!(
        "INSERT INTO customers (id, email, full_name)
         SELECT md5('c' || n)::uuid, 'customer' || n || '@example.com',
                (array['Ada Berg', 'Ben Okafor', 'Chiara Rossi', 'Dana Novak', 'Emil Lund'])[n % 5 + 1]
         FROM generate_series(1, {orders}) AS n;
         INSERT INTO products (id, sku, title, description)
         SELECT md5('p' || n)::uuid, 'SKU-' || 1000 + n,
                (array['Oak shelf', 'Linen sheet', 'Brass lamp', 'Stoneware bowl', 'Wool blanket'])[n % 5 + 1],
                'Made in small numbers; every piece differs a little.'
         FROM generate_series(1, {products}) AS n;
         INSERT INTO product_prices (product_id, currency, price_cents, valid_from)
         SELECT md5('p' || n)::uuid, 'EUR', 990 + n * 350, now() - interval '30 days'
         FROM generate_series(1, {products}) AS n;
         INSERT INTO orders (id, customer_id, status, total_cents, placed_at)
         SELECT md5('o' || n)::uuid, md5('c' || n)::uuid, (array['open', 'paid', 'shipped'])[n % 3 + 1],
                2 * (990 + (n % {products} + 1) * 350), now() - n * interval '7 hours'
         FROM generate_series(1, {orders}) AS n;
         INSERT INTO order_lines (order_id, line_number, product_id, quantity, price_cents)
         SELECT md5('o' || n)::uuid, 1, md5('p' || n % {products} + 1)::uuid, 2, 990 + (n % {products} + 1) * 350
         FROM generate_series(1, {orders}) AS n;\n"
    )
}

/// Real fleets are analysed in part: the large tables, and by chance some of the small ones.
fn analyzed(tenant: &PlannedTenant) -> Option<String> {
    let schema = tenant.schema.quoted();
    if tenant.page_views > 0 {
        return Some(format!("VACUUM (ANALYZE) {schema}.page_views, {schema}.orders, {schema}.products"));
    }
    tenant.orders.is_multiple_of(3).then(|| format!("VACUUM (ANALYZE) {schema}.orders, {schema}.customers"))
}
