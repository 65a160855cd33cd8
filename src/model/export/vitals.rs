//! The state of a server as it leaves the program.

use serde::Serialize;

use super::{Row, raw};
use crate::model::vitals::{Catalog, LockSession, OpenTransaction, SessionGroup, Vitals};

/// Client sessions that are alike.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct SessionRow {
    pub database: String,
    pub role: String,
    pub application: String,
    pub state: Option<String>,
    pub sessions: u64,
    pub oldest_seconds: Option<u64>,
    pub own: bool,
}

impl Row for SessionRow {
    const COLUMNS: &'static [&'static str] =
        &["database", "role", "application", "state", "sessions", "oldest_seconds", "own"];
}

impl From<&SessionGroup> for SessionRow {
    fn from(group: &SessionGroup) -> Self {
        Self {
            database: group.database.raw().to_owned(),
            role: group.role.raw().to_owned(),
            application: group.application.raw().to_owned(),
            state: raw(group.state.as_ref()),
            sessions: group.count,
            oldest_seconds: group.oldest_seconds,
            own: group.is_own(),
        }
    }
}

/// A session that waits for a lock, or is in the way of one.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct LockRow {
    pub pid: i32,
    pub depth: usize,
    pub blocked_by: Vec<i32>,
    pub role: Option<String>,
    pub application: Option<String>,
    pub database: Option<String>,
    pub state: Option<String>,
    pub open_seconds: Option<u64>,
    pub waits_for: Option<String>,
    pub mode: Option<String>,
    pub waits_seconds: Option<u64>,
    pub schema: Option<String>,
    pub relation: Option<String>,
    pub query: Option<String>,
}

impl Row for LockRow {
    const COLUMNS: &'static [&'static str] = &[
        "pid",
        "depth",
        "blocked_by",
        "role",
        "application",
        "database",
        "state",
        "open_seconds",
        "waits_for",
        "mode",
        "waits_seconds",
        "schema",
        "relation",
        "query",
    ];
}

impl From<&LockSession> for LockRow {
    fn from(session: &LockSession) -> Self {
        let waits = session.waits.as_ref();
        Self {
            pid: session.pid,
            depth: session.depth,
            blocked_by: session.blocked_by.clone(),
            role: raw(session.role.as_ref()),
            application: raw(session.application.as_ref()),
            database: raw(session.database.as_ref()),
            state: raw(session.state.as_ref()),
            open_seconds: session.open_seconds,
            waits_for: waits.map(|wait| wait.kind.raw().to_owned()),
            mode: waits.map(|wait| wait.mode.raw().to_owned()),
            waits_seconds: waits.and_then(|wait| wait.seconds),
            schema: waits.and_then(|wait| raw(wait.schema.as_ref())),
            relation: waits.and_then(|wait| raw(wait.relation.as_ref())),
            query: raw(session.query.as_ref()),
        }
    }
}

/// Something that keeps old rows alive or locks taken.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct TransactionRow {
    pub kind: &'static str,
    pub id: String,
    pub role: Option<String>,
    pub application: Option<String>,
    pub database: Option<String>,
    pub state: Option<String>,
    pub open_seconds: Option<u64>,
    pub state_seconds: Option<u64>,
    pub xmin_age: Option<u64>,
    pub retained_bytes: Option<u64>,
    pub query: Option<String>,
}

impl Row for TransactionRow {
    const COLUMNS: &'static [&'static str] = &[
        "kind",
        "id",
        "role",
        "application",
        "database",
        "state",
        "open_seconds",
        "state_seconds",
        "xmin_age",
        "retained_bytes",
        "query",
    ];
}

impl From<&OpenTransaction> for TransactionRow {
    fn from(open: &OpenTransaction) -> Self {
        Self {
            kind: open.kind.word(),
            id: open.id.raw().to_owned(),
            role: raw(open.role.as_ref()),
            application: raw(open.application.as_ref()),
            database: raw(open.database.as_ref()),
            state: raw(open.state.as_ref()),
            open_seconds: open.open_seconds,
            state_seconds: open.state_seconds,
            xmin_age: open.xmin_age,
            retained_bytes: open.retained_bytes,
            query: raw(open.query.as_ref()),
        }
    }
}

/// A catalog that grows with every schema.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct CatalogRow {
    pub catalog: String,
    pub total_bytes: u64,
    pub live_rows: Option<u64>,
    pub dead_rows: Option<u64>,
    pub trigger_rows: u64,
    pub vacuumed_seconds: Option<u64>,
}

impl Row for CatalogRow {
    const COLUMNS: &'static [&'static str] =
        &["catalog", "total_bytes", "live_rows", "dead_rows", "trigger_rows", "vacuumed_seconds"];
}

impl From<&Catalog> for CatalogRow {
    fn from(catalog: &Catalog) -> Self {
        Self {
            catalog: catalog.name.raw().to_owned(),
            total_bytes: catalog.total_bytes,
            live_rows: catalog.live_rows,
            dead_rows: catalog.dead_rows,
            trigger_rows: catalog.trigger_rows,
            vacuumed_seconds: catalog.vacuumed_seconds,
        }
    }
}

/// Something that is not well.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct AlarmRow {
    pub severity: &'static str,
    pub what: String,
}

/// What a database does per second.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct PaceRow {
    pub over_ms: u64,
    pub commits: u64,
    pub rollbacks: u64,
    pub rows_read: u64,
    pub rows_written: u64,
    pub hit_percent: Option<u8>,
    pub deadlocks: u64,
}

/// The memory of a cache server.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct CacheRow {
    pub error: Option<String>,
    pub used_bytes: Option<u64>,
    pub max_bytes: Option<u64>,
    pub policy: Option<String>,
    pub evicted_keys: Option<u64>,
    pub keys: Option<u64>,
    pub clients: Option<u64>,
}

/// A server as one of its databases sees it.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct ServerRow {
    pub database: String,
    pub read_at: String,
    pub role: String,
    pub sees_all: bool,
    pub standby: bool,
    pub latency_ms: u32,
    pub uptime_seconds: Option<u64>,
    pub connections: u64,
    pub max_connections: u64,
    pub reserved_connections: u64,
    pub locks_held: u64,
    pub lock_room: u64,
    pub schemas: u64,
    pub autovacuum: bool,
    pub autovacuum_workers: Option<u64>,
    pub autovacuum_max_workers: u64,
    pub frozen_age: u64,
    pub freeze_max_age: u64,
    pub pace: Option<PaceRow>,
    pub cache: Option<CacheRow>,
    pub alarms: Vec<AlarmRow>,
    pub sessions: Vec<SessionRow>,
    pub locks: Vec<LockRow>,
    pub transactions: Vec<TransactionRow>,
    pub catalogs: Vec<CatalogRow>,
    pub problems: Vec<String>,
}

impl Row for ServerRow {
    /// Without the lists, which are in JSON only.
    const COLUMNS: &'static [&'static str] = &[
        "database",
        "read_at",
        "role",
        "sees_all",
        "standby",
        "latency_ms",
        "uptime_seconds",
        "connections",
        "max_connections",
        "reserved_connections",
        "locks_held",
        "lock_room",
        "schemas",
        "autovacuum",
        "autovacuum_workers",
        "autovacuum_max_workers",
        "frozen_age",
        "freeze_max_age",
        "problems",
    ];
}

impl From<&Vitals> for ServerRow {
    fn from(vitals: &Vitals) -> Self {
        let facts = &vitals.facts;
        Self {
            database: vitals.database.to_string(),
            read_at: vitals.read_at.to_string(),
            role: facts.role.raw().to_owned(),
            sees_all: facts.sees_all,
            standby: facts.standby,
            latency_ms: vitals.latency_ms,
            uptime_seconds: facts.uptime_seconds,
            connections: facts.connections,
            max_connections: facts.max_connections,
            reserved_connections: facts.reserved_connections,
            locks_held: facts.locks_held,
            lock_room: facts.lock_room,
            schemas: facts.schemas,
            autovacuum: facts.autovacuum,
            autovacuum_workers: facts.autovacuum_workers,
            autovacuum_max_workers: facts.autovacuum_max_workers,
            frozen_age: facts.frozen_age,
            freeze_max_age: facts.freeze_max_age,
            pace: pace(vitals),
            cache: cache(vitals),
            alarms: vitals
                .alarms()
                .iter()
                .map(|alarm| AlarmRow { severity: alarm.severity.word(), what: alarm.words.raw().to_owned() })
                .collect(),
            sessions: vitals.sessions.iter().map(SessionRow::from).collect(),
            locks: vitals.locks.iter().map(LockRow::from).collect(),
            transactions: vitals.transactions.iter().map(TransactionRow::from).collect(),
            catalogs: vitals.catalogs.iter().map(CatalogRow::from).collect(),
            problems: vitals.problems.iter().map(|problem| problem.raw().to_owned()).collect(),
        }
    }
}

fn pace(vitals: &Vitals) -> Option<PaceRow> {
    let pace = vitals.pace?;
    Some(PaceRow {
        over_ms: pace.over_ms,
        commits: pace.commits,
        rollbacks: pace.rollbacks,
        rows_read: pace.rows_read,
        rows_written: pace.rows_written,
        hit_percent: pace.hit_percent,
        deadlocks: pace.deadlocks,
    })
}

fn cache(vitals: &Vitals) -> Option<CacheRow> {
    Some(match vitals.cache.as_ref()? {
        Err(why) => CacheRow { error: Some(why.raw().to_owned()), ..CacheRow::default() },
        Ok(cache) => CacheRow {
            error: None,
            used_bytes: Some(cache.used_bytes),
            max_bytes: cache.max_bytes,
            policy: Some(cache.policy.raw().to_owned()),
            evicted_keys: Some(cache.evicted_keys),
            keys: Some(cache.keys),
            clients: Some(cache.clients),
        },
    })
}
