//! What the user of a cache may do of what tenantui does, asked without doing any of it: reads are tried on a key that
//! nobody has, and the one command that writes is only ever asked about.

use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::errors::Trouble;
use super::server::{self, Connected};
use super::{CacheError, pass};
use crate::config;
use crate::config::cacheurl::CacheUrl;
use crate::text::Untrusted;

/// A command beyond SCAN, without which nothing is counted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheCommand {
    /// How many keys there are in all.
    DbSize,
    /// Memory, and whether it is a node of a cluster.
    Info,
    /// What a key holds.
    Type,
    /// How long a key lives.
    Pttl,
    /// Removes keys.
    Unlink,
}

impl CacheCommand {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::DbSize, Self::Info, Self::Type, Self::Pttl, Self::Unlink];

    /// Its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DbSize => "DBSIZE",
            Self::Info => "INFO",
            Self::Type => "TYPE",
            Self::Pttl => "PTTL",
            Self::Unlink => "UNLINK",
        }
    }

    /// What there is not without it.
    #[must_use]
    pub const fn serves(self) -> &'static str {
        match self {
            Self::DbSize => "how far a count is",
            Self::Info => "the cache's memory, and the warning of a cluster",
            Self::Type => "the types of a tenant's keys",
            Self::Pttl => "how long a tenant's keys live",
            Self::Unlink => "the removal of a tenant's keys (cache --flush, F, purge)",
        }
    }
}

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheRights {
    /// Commands that are refused.
    pub lacking: Vec<CacheCommand>,
    /// Commands of which the server does not say it.
    pub unknown: Vec<CacheCommand>,
    /// The rule that would help, to be run by an administrator of the cache; `None` where nothing is lacking.
    pub rule: Option<Untrusted>,
}

/// How the server answers for one command.
enum May {
    Yes,
    /// Not this command.
    No,
    /// Not with a key like these.
    NoKey,
    Unknown,
}

/// Asks. `patterns`: those of the tenants' keys, with one of which the key that is tried is made.
///
/// # Errors
/// When Redis is absent, slow beyond its deadline, refuses us, or goes away.
pub async fn rights(cache: &config::Cache, patterns: &[String]) -> Result<CacheRights, CacheError> {
    let Connected { mut connection, address } = server::connect(cache).await?;
    let user = user_of(cache);
    let key = patterns.first().map_or("{slug}", String::as_str);
    let key = filled(key, &format!("tenantui-{}", Uuid::new_v4().simple())).replace('*', "doctor");
    let (mut found, mut keys_refused) = (CacheRights::default(), false);
    for command in CacheCommand::ALL {
        let may = ask(&mut connection, command, &user, &key).await;
        match may.map_err(|trouble| trouble.into_error(&address, super::CacheProgress::default()))? {
            May::Yes => {}
            May::No => found.lacking.push(command),
            May::NoKey => {
                keys_refused = true;
                found.lacking.push(command);
            }
            May::Unknown => found.unknown.push(command),
        }
    }
    if !found.lacking.is_empty() {
        let commands = found.lacking.iter().map(|command| format!("+{}", command.word().to_lowercase()));
        let keys = patterns.iter().filter(|_| keys_refused).map(|pattern| format!("~{}", filled(pattern, "*")));
        let rules: Vec<String> = commands.chain(keys).collect();
        found.rule = Some(Untrusted::from(format!("ACL SETUSER {user} {}", rules.join(" "))));
    }
    Ok(found)
}

/// A pattern with this word for whoever it names.
fn filled(pattern: &str, word: &str) -> String {
    ["{id}", "{slug}", "{schema}"].iter().fold(pattern.to_owned(), |text, name| text.replace(name, word))
}

/// The user of the configuration. The server tells it only to one who may ask.
fn user_of(cache: &config::Cache) -> String {
    let user = match CacheUrl::parse(cache.url.expose_secret()) {
        Ok(CacheUrl::One(info)) => info.redis_settings().username().map(str::to_owned),
        Ok(CacheUrl::Sentinels(sentinels)) => sentinels.login.user,
        Err(_) => None,
    };
    user.unwrap_or_else(|| "default".to_owned())
}

async fn ask(
    connection: &mut MultiplexedConnection,
    command: CacheCommand,
    user: &str,
    key: &str,
) -> Result<May, Trouble> {
    let mut asked = redis::cmd(command.word());
    match command {
        CacheCommand::DbSize => {}
        CacheCommand::Info => drop(asked.arg("memory")),
        CacheCommand::Type | CacheCommand::Pttl => drop(asked.arg(key)),
        CacheCommand::Unlink => return may_unlink(connection, user, key).await,
    }
    judged(pass::command::<redis::Value>(connection, &asked).await.map(drop))
}

/// What a refusal means; what passes ends the asking.
fn judged(answer: Result<(), Trouble>) -> Result<May, Trouble> {
    match answer {
        Ok(()) => Ok(May::Yes),
        Err(Trouble::Denied(why)) => Ok(of_words(&why)),
        Err(Trouble::Other(_)) => Ok(May::Unknown),
        Err(trouble) => Err(trouble),
    }
}

/// A key that is refused is told in other words than a command.
fn of_words(why: &str) -> May {
    if why.to_lowercase().contains(" key") { May::NoKey } else { May::No }
}

/// Redis 7 says it. Before that, and to one who may not ask it: in a transaction the server judges a command when it is
/// queued, and a transaction that is discarded does nothing.
async fn may_unlink(connection: &mut MultiplexedConnection, user: &str, key: &str) -> Result<May, Trouble> {
    let mut dry = redis::cmd("ACL");
    dry.arg("DRYRUN").arg(user).arg("UNLINK").arg(key);
    match pass::command::<String>(connection, &dry).await {
        Ok(word) if word == "OK" => return Ok(May::Yes),
        Ok(why) => return Ok(of_words(&why)),
        Err(Trouble::Denied(_) | Trouble::Other(_)) => {}
        Err(trouble) => return Err(trouble),
    }
    // Each by itself: where no transaction was begun, nothing may follow that would be done at once.
    match pass::command::<String>(connection, &redis::cmd("MULTI")).await {
        Ok(word) if word == "OK" => {}
        Ok(_) | Err(Trouble::Denied(_) | Trouble::Other(_)) => return Ok(May::Unknown),
        Err(trouble) => return Err(trouble),
    }
    let queued = pass::command::<redis::Value>(connection, redis::cmd("UNLINK").arg(key)).await.map(drop);
    // Whatever this answers: the connection ends here, and an open transaction with it.
    let _discarded = pass::command::<redis::Value>(connection, &redis::cmd("DISCARD")).await;
    judged(queued)
}
