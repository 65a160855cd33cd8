//! A few keys of one tenant, with what they hold and how long they live.

use redis::aio::MultiplexedConnection;

use super::pass::COMMAND_DEADLINE;
use crate::model::tenant::{KeySample, Ttl};
use crate::text::Untrusted;

/// Keys of a prefix, and in all.
pub(super) const LIMIT: (usize, usize) = (5, 60);

/// Asks for the types and times of these keys (their prefix and the key). What the user may not ask is unknown; keys
/// that are gone meanwhile are left out. The counts stand whatever happens here.
pub(super) async fn look(connection: &mut MultiplexedConnection, keys: &[(Vec<u8>, Vec<u8>)]) -> Vec<KeySample> {
    let kinds: Option<Vec<String>> = ask(connection, "TYPE", keys).await;
    let times: Option<Vec<i64>> = ask(connection, "PTTL", keys).await;
    let text = |bytes: &[u8]| Untrusted::from(String::from_utf8_lossy(bytes).into_owned());
    let mut samples: Vec<KeySample> = keys
        .iter()
        .enumerate()
        .filter_map(|(index, (prefix, key))| {
            let kind = kinds.as_ref().and_then(|kinds| kinds.get(index));
            let time = times.as_ref().and_then(|times| times.get(index));
            if kind.is_some_and(|kind| kind == "none") || time == Some(&-2) {
                return None;
            }
            Some(KeySample {
                prefix: text(prefix),
                key: text(key),
                kind: kind.map(Untrusted::new),
                ttl: time.map(|time| u64::try_from(*time).map_or(Ttl::Never, |ms| Ttl::Seconds(ms.div_ceil(1_000)))),
            })
        })
        .collect();
    samples.sort_by(|a, b| (&a.prefix, &a.key).cmp(&(&b.prefix, &b.key)));
    samples
}

/// One answer for each key; `None` where the server gave none.
async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &str,
    keys: &[(Vec<u8>, Vec<u8>)],
) -> Option<Vec<T>> {
    if keys.is_empty() {
        return None;
    }
    let mut pipe = redis::pipe();
    for (_, key) in keys {
        pipe.cmd(command).arg(key.as_slice());
    }
    match tokio::time::timeout(COMMAND_DEADLINE, pipe.query_async(connection)).await {
        Ok(Ok(answers)) => Some(answers),
        Ok(Err(error)) => {
            tracing::debug!("{command} of a sample of keys: {}", error.category());
            None
        }
        Err(_) => None,
    }
}
