//! Fills the private Redis as a Boundary application does: `tenant:<id>:…`, by slug too, and keys of nobody.

use super::fleet_plan::PlannedTenant;
use super::servers::{RedisServer, ServerError};

/// Commands sent per round trip.
const CHUNK: usize = 5_000;

/// What applications keep for a tenant.
const KINDS: [&str; 5] = ["session", "product", "cart", "rate-limit", "fragment"];

/// Writes the keys of all tenants, and some that belong to none.
///
/// # Errors
/// When Redis refuses, with its words.
pub async fn seed(server: &RedisServer, fleet: &[PlannedTenant]) -> Result<(), ServerError> {
    let failed = |error: redis::RedisError| ServerError(format!("the demo's cache could not be filled: {error}"));
    let client = redis::Client::open(format!("unix://{}", server.socket().display())).map_err(failed)?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(failed)?;
    let keys: Vec<String> = fleet.iter().flat_map(tenant_keys).chain(foreign_keys()).collect();
    for chunk in keys.chunks(CHUNK) {
        let mut pipe = redis::pipe();
        for key in chunk {
            pipe.cmd("SET").arg(key).arg("{\"v\":1}").ignore();
        }
        pipe.query_async::<()>(&mut connection).await.map_err(failed)?;
    }
    Ok(())
}

/// The keys of a tenant, by all patterns of Boundary's layout.
fn tenant_keys(tenant: &PlannedTenant) -> impl Iterator<Item = String> {
    let by_id = (0..tenant.cache_keys).map(|number| {
        let kind = KINDS[number as usize % KINDS.len()];
        format!("tenant:{}:{kind}:{number}", tenant.id)
    });
    // The tenant's own row is cached by slug without a trailing part; some applications pass the slug as the id.
    let by_slug = [format!("tenant:{}", tenant.slug), format!("tenant:{}:settings", tenant.slug)];
    by_id.chain(by_slug.into_iter().take(if tenant.cache_keys.is_multiple_of(2) { 2 } else { 1 }))
}

fn foreign_keys() -> impl Iterator<Item = String> {
    let jobs = (0..240).map(|number| format!("job:{number:08x}"));
    let sessions = (0..400).map(|number| format!("session:{:016x}", 0x9e37_79b9_u64.wrapping_mul(number + 1)));
    jobs.chain(sessions).chain(["queue:default", "queue:default:high", "jobs:stats:global"].map(str::to_owned))
}
