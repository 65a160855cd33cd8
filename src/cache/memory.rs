//! The memory of a cache server: what it uses, of how much, and what it does when that is reached. One command.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use super::errors::Trouble;
use super::server::{self, Connected};
use super::{CacheError, CacheProgress, pass};
use crate::config;
use crate::model::vitals::CacheMemory;
use crate::text::Untrusted;

/// A connection that is kept while somebody looks.
#[derive(Default)]
pub struct Gauge {
    open: Option<(MultiplexedConnection, String)>,
    /// What was wrong, and when.
    failed: Option<(Instant, CacheError)>,
}

/// Time before a server that failed is tried again: a login that was refused is not tried every few seconds.
const RETRY: Duration = Duration::from_secs(30);

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").field("open", &self.open.is_some()).finish_non_exhaustive()
    }
}

impl Gauge {
    /// Reads the memory; connects where there is no connection.
    ///
    /// # Errors
    /// When the server is absent, slow beyond its deadline, refuses us, or goes away; for half a minute after that
    /// without being tried again.
    pub async fn read(&mut self, cache: &config::Cache) -> Result<CacheMemory, CacheError> {
        if let Some((_, error)) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < RETRY) {
            return Err(error.clone());
        }
        let answer = self.ask(cache).await;
        self.failed = answer.as_ref().err().map(|error| (Instant::now(), error.clone()));
        answer
    }

    async fn ask(&mut self, cache: &config::Cache) -> Result<CacheMemory, CacheError> {
        let (mut connection, address) = match self.open.take() {
            Some(open) => open,
            None => {
                let Connected { connection, address } = server::connect(cache).await?;
                (connection, address)
            }
        };
        match pass::command::<String>(&mut connection, &redis::cmd("INFO")).await {
            Ok(info) => {
                self.open = Some((connection, address));
                Ok(parse(&info))
            }
            Err(Trouble::Denied(why)) => {
                let words = format!("the cache at {address} does not tell its memory: {why}; the user needs +info");
                Err(CacheError { message: Untrusted::from(words) })
            }
            Err(trouble) => Err(trouble.into_error(&address, CacheProgress::default())),
        }
    }
}

/// Of `INFO`, whose sections differ between servers: what is absent is 0, a limit of 0 is none.
fn parse(info: &str) -> CacheMemory {
    let text = |name: &str| {
        info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':')).map(str::to_owned)
    };
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let keys = info.lines().filter_map(|line| {
        let (database, facts) = line.trim_end().split_once(':')?;
        let numbered = database.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok());
        facts.split(',').find_map(|fact| fact.strip_prefix("keys=")).filter(|_| numbered)?.parse::<u64>().ok()
    });
    CacheMemory {
        used_bytes: number("used_memory").unwrap_or(0),
        max_bytes: number("maxmemory").filter(|bytes| *bytes > 0),
        policy: text("maxmemory_policy").map(Untrusted::from).unwrap_or_default(),
        evicted_keys: number("evicted_keys").unwrap_or(0),
        keys: keys.sum(),
        clients: number("connected_clients").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_is_read_and_what_it_does_not_is_not_guessed() {
        let info = "# Clients\r\nconnected_clients:7\r\n# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n\
                    maxmemory:2097152\r\nmaxmemory_human:2.00M\r\nmaxmemory_policy:allkeys-lru\r\n# Stats\r\n\
                    evicted_keys:12\r\n# Keyspace\r\ndb0:keys=40,expires=1,avg_ttl=0\r\ndb15:keys=2,expires=0\r\n";
        let memory = CacheMemory {
            used_bytes: 1 << 20,
            max_bytes: Some(2 << 20),
            policy: "allkeys-lru".into(),
            evicted_keys: 12,
            keys: 42,
            clients: 7,
        };
        assert_eq!(parse(info), memory);
        assert_eq!(parse("used_memory:5\nmaxmemory:0\n"), CacheMemory { used_bytes: 5, ..CacheMemory::default() });
    }
}
