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
    let names: Vec<String> = settings.iter().map(|(name, _)| literal(name)).collect();
    let sql = format!("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({})", names.join(", "));
    match client.simple_query(&sql).await {
        Ok(messages) => {
            let rows = facts::row_lists(&messages).pop().unwrap_or_default();
            for (name, value) in settings {
                let found = rows.iter().find(|row| row.text(0) == Some(name)).and_then(|row| row.text(1));
                if found != Some(value) && !missing.iter().any(|words| words.starts_with(name)) {
                    missing.push(format!("{name} is {} although it was set to {value}", found.unwrap_or("unknown")));
                }
            }
        }
        Err(error) => missing.push(format!("settings cannot be read back: {}", words::library_words(&error))),
    }
    missing
}
