//! From keys and values to a checked [`Conninfo`]: libpq's variables fill in, every key is followed or refused.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::{
    ChannelBinding, Conninfo, ConninfoError, Keepalives, Params, RootCert, SessionAttrs, SslMode, Surroundings,
    TlsVersion, hosts, service,
};

/// The default limit for connecting. libpq has none, which would let a dead host hold the dashboard for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The variables of libpq that fill in keys. `PGPASSWORD` is apart, because its order differs.
const VARIABLES: &[(&str, &str)] = &[
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSFILE", "passfile"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLSNI", "sslsni"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGGSSENCMODE", "gssencmode"),
];

/// Keys that are followed, or have no meaning without what is refused below.
const FOLLOWED: &[&str] = &[
    "user",
    "password",
    "passfile",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "application_name",
    "fallback_application_name",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "service",
    "servicefile",
    "sslnegotiation",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "channel_binding",
    "client_encoding",
    "sslcompression",
    "sslcertmode",
    "gssencmode",
    "gssdelegation",
    "krbsrvname",
    "gsslib",
    "target_session_attrs",
    "load_balance_hosts",
    "min_protocol_version",
    "max_protocol_version",
    "replication",
];

/// Keys that are refused whatever their value: key, whether it may come, why.
const REFUSED: &[(&str, bool, &str)] = &[
    ("sslcrl", true, "lists of revoked certificates are not read"),
    ("sslcrldir", true, "lists of revoked certificates are not read"),
    ("requirepeer", true, "the account of the server's process is not checked"),
    ("require_auth", true, "use channel_binding=require, which allows SCRAM only"),
    ("options", false, "connection poolers refuse it; set what you need with ALTER ROLE ... SET"),
    ("sslkeylogfile", false, "it would write the keys of the connection to a file"),
    ("scram_client_key", false, "use a password"),
    ("scram_server_key", false, "use a password"),
    ("authtype", false, "libpq dropped it long ago"),
    ("tty", false, "libpq dropped it long ago"),
];

fn hint(key: &str) -> &'static str {
    match key {
        "schema"
        | "connection_limit"
        | "pool_timeout"
        | "pgbouncer"
        | "sslaccept"
        | "sslidentity"
        | "socket_timeout"
        | "statement_cache_size" => " (Prisma's own; leave it out)",
        "currentSchema" | "ApplicationName" | "loginTimeout" | "sslfactory" => " (JDBC's own; leave it out)",
        "keepalives_retries" => " (libpq calls it keepalives_count)",
        "database" | "db" => " (libpq calls it dbname)",
        "username" => " (libpq calls it user)",
        "pass" | "pwd" => " (libpq calls it password)",
        _ => "",
    }
}

/// Checks the keys, fills in from the environment, and makes the whole.
pub(super) fn check(given: &Params, around: &Surroundings) -> Result<Conninfo, ConninfoError> {
    for key in given.keys() {
        if given.get(key).is_some() || !REFUSED.iter().any(|(name, _, _)| *name == key) {
            accept(key)?;
        }
    }
    let mut all = given.clone();
    let mut warnings = Vec::new();
    service::fill(&mut all, around, &mut warnings, accept)?;
    for (variable, key) in VARIABLES {
        if all.get(key).is_none()
            && let Some(value) = around.non_empty(variable)?
        {
            if let Some((_, yet, why)) = REFUSED.iter().find(|(name, _, _)| name == key) {
                return Err(ConninfoError::Unsupported { key: (*variable).to_owned(), yet: *yet, why });
            }
            all.set(key, value);
        }
    }
    if around.non_empty("PGOPTIONS")?.is_some() {
        warnings.push("PGOPTIONS is not followed: connection poolers refuse options".to_owned());
    }
    refuse_what_would_matter(&all)?;
    assemble(&all, around, warnings)
}

/// Whether the key is one that is followed.
fn accept(key: &str) -> Result<(), ConninfoError> {
    if let Some((_, yet, why)) = REFUSED.iter().find(|(name, _, _)| *name == key) {
        return Err(ConninfoError::Unsupported { key: key.to_owned(), yet: *yet, why });
    }
    if key.starts_with("oauth_") {
        return Err(ConninfoError::Unsupported { key: key.to_owned(), yet: true, why: "OAuth is not spoken" });
    }
    if FOLLOWED.contains(&key) {
        return Ok(());
    }
    Err(ConninfoError::UnknownKey { key: key.to_owned(), hint: hint(key) })
}

/// Keys whose harmless values are accepted, and the others refused.
fn refuse_what_would_matter(all: &Params) -> Result<(), ConninfoError> {
    let only = |key: &str, allowed: &[&str]| match all.get(key) {
        Some(value) if !allowed.contains(&value) => bad(key, &allowed.join(", ")),
        _ => Ok(()),
    };
    only("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8", "auto"])?;
    only("sslcompression", &["0"])?;
    only("sslcertmode", &["disable", "allow"])?;
    only("gssencmode", &["disable", "prefer"])?;
    only("gssdelegation", &["0"])?;
    only("min_protocol_version", &["3.0"])?;
    only("max_protocol_version", &["3.0", "3.2", "latest"])?;
    only("replication", &["false", "off", "no", "0"])?;
    Ok(())
}

pub(super) fn bad<T>(key: &str, allowed: &str) -> Result<T, ConninfoError> {
    Err(ConninfoError::BadValue { key: key.to_owned(), allowed: allowed.to_owned() })
}

fn number(all: &Params, key: &str, allowed: &str) -> Result<Option<i32>, ConninfoError> {
    match all.get(key).map(|value| value.trim().parse()) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => bad(key, allowed),
    }
}

/// A number of which 0 and less mean the system's default, as in libpq.
fn positive(all: &Params, key: &str, unit: &str) -> Result<Option<u32>, ConninfoError> {
    let value = number(all, key, &format!("a whole number of {unit}"))?;
    Ok(value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0))
}

fn flag(all: &Params, key: &str) -> Result<bool, ConninfoError> {
    match all.get(key) {
        None | Some("1") => Ok(true),
        Some("0") => Ok(false),
        Some(_) => bad(key, "0 or 1"),
    }
}

fn assemble(all: &Params, around: &Surroundings, warnings: Vec<String>) -> Result<Conninfo, ConninfoError> {
    let (first, others) = hosts::places(all)?;
    let user = all.get("user").map(str::to_owned).or_else(|| around.user.clone()).ok_or(ConninfoError::NoUser)?;
    let dbname = all.get("dbname").unwrap_or(&user).to_owned();
    let root = match all.get("sslrootcert") {
        None => None,
        Some("system") => Some(RootCert::System),
        Some(path) => Some(RootCert::File(PathBuf::from(path))),
    };
    let local = std::iter::once(&first).chain(&others).all(hosts::Place::is_local);
    let sslmode = ssl_mode(all, local, root.as_ref())?;
    let direct_tls = match all.get("sslnegotiation") {
        None | Some("postgres") => false,
        Some("direct") if matches!(sslmode, SslMode::Disable | SslMode::Prefer) => {
            return bad("sslnegotiation", "direct needs sslmode=require, verify-ca or verify-full");
        }
        Some("direct") => true,
        Some(_) => return bad("sslnegotiation", "postgres, direct"),
    };
    let (tls_min, tls_max) =
        (tls_version(all, "ssl_min_protocol_version")?, tls_version(all, "ssl_max_protocol_version")?);
    if tls_min.zip(tls_max).is_some_and(|(min, max)| min > max) {
        return bad("ssl_min_protocol_version", "not above ssl_max_protocol_version");
    }
    Ok(Conninfo {
        host: first.host,
        hostaddr: first.hostaddr,
        port: first.port,
        others,
        session_attrs: SessionAttrs::of(all)?,
        load_balance: hosts::load_balance(all)?,
        user,
        dbname,
        password: all.get("password").map(SecretString::from),
        env_password: around.non_empty("PGPASSWORD")?.map(SecretString::from),
        passfile: all.get("passfile").map(PathBuf::from),
        sslmode,
        sslrootcert: root,
        sslcert: all.get("sslcert").map(PathBuf::from),
        sslkey: all.get("sslkey").map(PathBuf::from),
        sslpassword: all.get("sslpassword").map(SecretString::from),
        send_certificate: all.get("sslcertmode") != Some("disable"),
        direct_tls,
        sslsni: flag(all, "sslsni")?,
        tls_min,
        tls_max,
        channel_binding: channel_binding(all)?,
        connect_timeout: connect_timeout(all)?,
        keepalives: keepalives(all)?,
        application_name: all.get("application_name").or(all.get("fallback_application_name")).map(str::to_owned),
        warnings,
    })
}

fn ssl_mode(all: &Params, local: bool, root: Option<&RootCert>) -> Result<SslMode, ConninfoError> {
    let mode = match all.get("sslmode") {
        None if local && root != Some(&RootCert::System) => SslMode::Prefer,
        None => SslMode::VerifyFull,
        Some("disable") => SslMode::Disable,
        Some("prefer") => SslMode::Prefer,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        Some("verify-full") => SslMode::VerifyFull,
        Some("allow") => {
            return Err(ConninfoError::Unsupported {
                key: "sslmode=allow".to_owned(),
                yet: false,
                why: "it would send the login in plain text first; use prefer or require",
            });
        }
        Some(_) => return bad("sslmode", "disable, prefer, require, verify-ca, verify-full"),
    };
    if root == Some(&RootCert::System) && mode != SslMode::VerifyFull {
        // libpq's rule: anybody can get a certificate of a public authority, so the name has to be checked.
        return bad("sslmode", "verify-full, because sslrootcert=system trusts every public authority");
    }
    Ok(mode)
}

fn tls_version(all: &Params, key: &str) -> Result<Option<TlsVersion>, ConninfoError> {
    match all.get(key) {
        None => Ok(None),
        Some("TLSv1.3") => Ok(Some(TlsVersion::V13)),
        Some("TLSv1.2") => Ok(Some(TlsVersion::V12)),
        // Older ones are not spoken: as a lower limit they allow all there is.
        Some("TLSv1" | "TLSv1.1") if key.contains("min") => Ok(None),
        Some(_) => bad(key, "TLSv1.2, TLSv1.3"),
    }
}

fn channel_binding(all: &Params) -> Result<ChannelBinding, ConninfoError> {
    match all.get("channel_binding") {
        None | Some("prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(_) => bad("channel_binding", "disable, prefer, require"),
    }
}

fn connect_timeout(all: &Params) -> Result<Option<Duration>, ConninfoError> {
    let seconds = number(all, "connect_timeout", "a whole number of seconds; 0 for no limit")?;
    Ok(match seconds {
        None => Some(CONNECT_TIMEOUT),
        Some(seconds) => u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs),
    })
}

fn keepalives(all: &Params) -> Result<Keepalives, ConninfoError> {
    Ok(Keepalives {
        enabled: flag(all, "keepalives")?,
        idle_seconds: positive(all, "keepalives_idle", "seconds")?,
        interval_seconds: positive(all, "keepalives_interval", "seconds")?,
        count: positive(all, "keepalives_count", "lost messages")?,
        user_timeout_ms: positive(all, "tcp_user_timeout", "milliseconds")?,
    })
}
