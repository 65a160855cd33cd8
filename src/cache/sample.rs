//! A few keys of one tenant, with what they hold and how long they live.

use redis::aio::MultiplexedConnection;

use super::errors::Trouble;
use super::pass::{self, COMMAND_DEADLINE};
use crate::model::tenant::{KeySample, Ttl};
use crate::text::Untrusted;

/// Keys of a prefix, and in all.
pub(super) const LIMIT: (usize, usize) = (5, 60);

/// Asks for the types and times of these keys (their prefix and the key), and says why one of both is not known. Keys
/// that are gone meanwhile are left out. The counts stand whatever happens here.
pub(super) async fn look(
    connection: &mut MultiplexedConnection,
    keys: &[(Vec<u8>, Vec<u8>)],
) -> (Vec<KeySample>, Option<Untrusted>) {
    if keys.is_empty() {
        return (Vec::new(), None);
    }
    let kinds = ask::<String>(connection, "TYPE", keys).await;
    let times = ask::<i64>(connection, "PTTL", keys).await;
    let why = kinds.as_ref().err().or(times.as_ref().err()).map(|why| {
        let said = why.trim_end_matches('.');
        Untrusted::new(format!("types and times of its cache keys are not known: {said}; they need TYPE and PTTL"))
    });
    let text = |bytes: &[u8]| Untrusted::from(String::from_utf8_lossy(bytes).into_owned());
    let mut samples: Vec<KeySample> = keys
        .iter()
        .enumerate()
        .filter_map(|(index, (prefix, key))| {
            let kind = kinds.as_ref().ok().and_then(|kinds| kinds.get(index));
            let time = times.as_ref().ok().and_then(|times| times.get(index));
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
    (samples, why)
}

/// One answer for each key, or why there is none.
async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &str,
    keys: &[(Vec<u8>, Vec<u8>)],
) -> Result<Vec<T>, String> {
    let Some(((_, first), rest)) = keys.split_first() else { return Ok(Vec::new()) };
    // By itself: what is refused of several at once is told as a list of refusals.
    let answer: T =
        pass::command(connection, redis::cmd(command).arg(first.as_slice())).await.map_err(|why| why.words())?;
    if rest.is_empty() {
        return Ok(vec![answer]);
    }
    let mut pipe = redis::pipe();
    for (_, key) in rest {
        pipe.cmd(command).arg(key.as_slice());
    }
    match tokio::time::timeout(COMMAND_DEADLINE, pipe.query_async(connection)).await {
        Ok(Ok(answers)) => {
            let answers: Vec<T> = answers;
            Ok(std::iter::once(answer).chain(answers).collect())
        }
        Ok(Err(error)) => Err(Trouble::from(error).words()),
        Err(_) => Err(format!("no answer to {command} within {} ms", COMMAND_DEADLINE.as_millis())),
    }
}
