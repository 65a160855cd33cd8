//! Jobs that wait in Redis, where a layout says how an application keeps them: lists and sorted sets of ids, each job
//! beside them as JSON. Reads only, within a few seconds and a thousand jobs, whatever the server holds.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde_json::Value;

use super::errors::Trouble;
use super::server::{self, Connected};
use super::{CacheError, CacheIds, CacheProgress, is_cluster_node, pass};
use crate::config;
use crate::layout::Queues;
use crate::text::Untrusted;

/// How long keys are looked for; what is not found then is not there, and the answer says so.
const BUDGET: Duration = Duration::from_secs(2);
/// The most queues that are looked at.
const MOST_QUEUES: usize = 100;
/// The most jobs that are asked whose they are.
const MOST_JOBS: usize = 1_000;
/// Jobs fetched with one command.
const SLICE: usize = 100;
/// Keys that one SCAN looks at.
const COUNT: u32 = 500;

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// The queues that hold anything, by name.
    pub queues: Vec<QueueLength>,
    /// Not every key was looked at, or not every job: the tenant's numbers may be too low.
    pub partial: bool,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLength {
    /// Its key.
    pub key: Untrusted,
    /// Jobs in it, of all tenants.
    pub jobs: u64,
    /// Jobs of the tenant; `None` where jobs do not say whose they are.
    pub of_tenant: Option<u64>,
}

/// Looks at the queues of a layout for one tenant.
///
/// # Errors
/// When Redis is absent, slow beyond its deadline, refuses us, or goes away.
pub async fn waiting(cache: &config::Cache, rule: &Queues, ids: &CacheIds) -> Result<Waiting, CacheError> {
    let none = CacheProgress::default();
    let Connected { mut connection, address } = server::connect(cache).await?;
    let look = async {
        if is_cluster_node(&mut connection).await? {
            return Err(Trouble::Cluster);
        }
        look(&mut connection, rule, ids).await
    };
    look.await.map_err(|trouble| trouble.into_error(&address, none))
}

async fn look(connection: &mut MultiplexedConnection, rule: &Queues, ids: &CacheIds) -> Result<Waiting, Trouble> {
    let mut waiting = Waiting::default();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let started = Instant::now();
    for pattern in &rule.keys {
        if pattern.contains('*') {
            waiting.partial |= !find(connection, pattern, started, &mut keys).await?;
        } else {
            keys.push(pattern.as_bytes().to_vec());
        }
    }
    keys.sort();
    keys.dedup();
    waiting.partial |= keys.len() > MOST_QUEUES;
    let mut room = MOST_JOBS;
    for key in keys.into_iter().take(MOST_QUEUES) {
        let kind: String = pass::command(connection, redis::cmd("TYPE").arg(&key)).await?;
        let (length, range) = match kind.as_str() {
            "list" => ("LLEN", "LRANGE"),
            "zset" => ("ZCARD", "ZRANGE"),
            _ => continue,
        };
        let jobs: u64 = pass::command(connection, redis::cmd(length).arg(&key)).await?;
        if jobs == 0 {
            continue;
        }
        let mut of_tenant = None;
        if let Some(job) = &rule.job {
            let wanted = room.min(usize::try_from(jobs).unwrap_or(usize::MAX));
            waiting.partial |= (wanted as u64) < jobs;
            room -= wanted;
            let ids_there: Vec<Vec<u8>> = match wanted {
                0 => Vec::new(),
                _ => pass::command(connection, redis::cmd(range).arg(&key).arg(0).arg(wanted - 1)).await?,
            };
            of_tenant = Some(count(connection, &ids_there, job, &rule.job_tenant, ids).await?);
        }
        let key = Untrusted::from(String::from_utf8_lossy(&key).into_owned());
        waiting.queues.push(QueueLength { key, jobs, of_tenant });
    }
    Ok(waiting)
}

/// Finds keys by SCAN, never KEYS. False where there was no time for all.
async fn find(
    connection: &mut MultiplexedConnection,
    pattern: &str,
    started: Instant,
    keys: &mut Vec<Vec<u8>>,
) -> Result<bool, Trouble> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(glob(pattern)).arg("COUNT").arg(COUNT);
        let (next, found) = pass::command::<(u64, Vec<Vec<u8>>)>(connection, &scan).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            return Ok(true);
        }
        if started.elapsed() > BUDGET || keys.len() > MOST_QUEUES {
            return Ok(false);
        }
    }
}

/// A pattern in which `*` alone means something, as Redis wants it.
fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if matches!(character, '?' | '[' | ']' | '\\' | '^') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// How many of these jobs are the tenant's.
async fn count(
    connection: &mut MultiplexedConnection,
    jobs: &[Vec<u8>],
    key: &str,
    path: &[String],
    ids: &CacheIds,
) -> Result<u64, Trouble> {
    let mut own = 0;
    for slice in jobs.chunks(SLICE) {
        let mut get = redis::cmd("MGET");
        for job in slice {
            get.arg(key.replace("{job}", &String::from_utf8_lossy(job)));
        }
        let found: Vec<Option<Vec<u8>>> = pass::command(connection, &get).await?;
        own += found.iter().flatten().filter(|json| is_of(json, path, ids)).count() as u64;
    }
    Ok(own)
}

/// Whether a job's JSON names this tenant.
fn is_of(json: &[u8], path: &[String], ids: &CacheIds) -> bool {
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else { return false };
    for key in path {
        value = match value.get_mut(key) {
            Some(inner) => inner.take(),
            None => return false,
        };
    }
    let said = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return false,
    };
    ids.id.as_deref() == Some(said.as_str()) || ids.slug == said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tenant::TenantKey;

    #[test]
    fn a_job_says_whose_it_is_in_its_json() {
        let database = "test".into();
        let ids = CacheIds {
            key: TenantKey::row(&database, "7"),
            id: Some("7".to_owned()),
            slug: "acme".to_owned(),
            schema: None,
        };
        let path = ["metadata".to_owned(), "tenant-id".to_owned()];
        let is = |json: &str| is_of(json.as_bytes(), &path, &ids);
        assert!(is(r#"{"metadata":{"tenant-id":"7"}}"#));
        assert!(is(r#"{"metadata":{"tenant-id":7}}"#));
        assert!(is(r#"{"id":1,"metadata":{"x":1,"tenant-id":"acme"}}"#));
        assert!(!is(r#"{"metadata":{"tenant-id":"77"}}"#));
        assert!(!is(r#"{"metadata":{"tenant-id":null}}"#));
        assert!(!is(r#"{"metadata":"7"}"#));
        assert!(!is("no JSON"));
    }

    #[test]
    fn only_the_star_is_a_pattern() {
        assert_eq!(glob("queue:*"), "queue:*");
        assert_eq!(glob("a?[b]\\*"), "a\\?\\[b\\]\\\\*");
    }
}
