//! The settings of readers: made on a direct session, carried by each message behind a pooler.

use tokio_postgres::Client;

use super::session::Patience;
use super::{facts, words};
use crate::model::ident::literal;

/// The path of our own sessions. Nobody can put anything into its first schema, and temporary objects come last.
pub(super) const SEARCH_PATH: (&str, &str) = ("search_path", "pg_catalog, pg_temp");

/// The settings of readers, in milliseconds where they are times; the last is of PostgreSQL 14 and later.
pub(super) fn of(patience: Patience, version_num: u32) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        // First: where the role's path has a schema before pg_catalog, an operator there would answer all that follows.
        (SEARCH_PATH.0, SEARCH_PATH.1.to_owned()),
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", patience.limit().as_millis().to_string()),
        ("lock_timeout", "200".to_owned()),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
        // Questions to the catalog look dear and are over soon: compiling them took twenty times as long as they did.
        ("jit", "off".to_owned()),
    ];
    if version_num >= 140_000 {
        settings.push(("client_connection_check_interval", "2000".to_owned()));
    }
    settings
}

/// What a message starts with behind a pooler: a transaction of its own, because a setting made for the session there
/// is made for the application.
pub(super) fn prelude(settings: &[(&str, String)]) -> String {
    let local = settings.iter().filter(|(name, _)| *name != "default_transaction_read_only");
    let local: Vec<String> = local.map(|(name, value)| format!("SET LOCAL {name} = {value}; ")).collect();
    format!("BEGIN READ ONLY; {}", local.concat())
}

/// Makes the settings, reads them back, and says which are missing. Settings wait for nothing: no answer within the
/// patience of a question is a link that does not work.
pub(super) async fn apply(client: &Client, settings: &[(&str, String)]) -> Result<Vec<String>, NoAnswer> {
    tokio::time::timeout(Patience::Foreground.limit(), make(client, settings)).await.map_err(|_| NoAnswer)
}

/// The server did not answer in time.
pub(super) struct NoAnswer;

async fn make(client: &Client, settings: &[(&str, String)]) -> Vec<String> {
    let statements: Vec<String> = settings.iter().map(|(name, value)| format!("SET {name} = {value}")).collect();
    let results = futures_util::future::join_all(statements.iter().map(|sql| client.simple_query(sql))).await;
    let mut missing = Vec::new();
    for ((name, _), result) in settings.iter().zip(results) {
        if let Err(error) = result {
            missing.push(format!("{name} cannot be set: {}", words::library_words(&error)));
        }
    }
    // Not from pg_settings, which puts all of its rows together for this: that is half of what opening a session costs.
    let asked: Vec<String> =
        settings.iter().map(|(name, _)| format!("pg_catalog.current_setting({}, true)", literal(name))).collect();
    match client.simple_query(&format!("SELECT {}", asked.join(", "))).await {
        Ok(messages) => {
            let row = facts::row_lists(&messages).pop().and_then(|mut rows| rows.pop());
            for (column, (name, value)) in settings.iter().enumerate() {
                let found = row.as_ref().and_then(|row| row.text(column));
                if !found.is_some_and(|found| is_same(found, value)) && !missing.iter().any(|w| w.starts_with(name)) {
                    missing.push(format!("{name} is {} although it was set to {value}", found.unwrap_or("unknown")));
                }
            }
        }
        Err(error) => missing.push(format!("settings cannot be read back: {}", words::library_words(&error))),
    }
    missing
}

/// Whether the server shows a setting as it was made: a time comes back in the largest unit that divides it (`1min`).
fn is_same(shown: &str, made: &str) -> bool {
    shown == made || made.parse::<u64>().is_ok_and(|made| milliseconds(shown) == Some(made))
}

/// A time as the server shows it.
fn milliseconds(shown: &str) -> Option<u64> {
    let unit = shown.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    shown.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_whatever_their_unit() {
        for (shown, made) in [("1min", "60000"), ("200ms", "200"), ("5s", "5000"), ("0", "0"), ("1d", "86400000")] {
            assert!(is_same(shown, made), "{shown} {made}");
        }
        for (shown, made) in
            [("2min", "60000"), ("200s", "200"), ("200kB", "200"), ("", "200"), ("min", "1"), ("off", "on")]
        {
            assert!(!is_same(shown, made), "{shown} {made}");
        }
        assert!(is_same(SEARCH_PATH.1, "pg_catalog, pg_temp"));
    }
}
