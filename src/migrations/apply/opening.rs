//! What opens a step's transaction: BEGIN as a message of its own, then the fence, the flags, the locks, the schema, the
//! ledger and the search path in one round trip. Nothing of a file is sent before these answers are right.

use tokio_postgres::Client;

use super::guard::{self, Guard};
use super::keys;
use super::ledger::Before;
use super::run::Fault;
use super::step::{BEGIN, BOOKKEEPING, CLEAN, StepEnd, StepOrder, classify, fence_sql, heed_fence};
use super::wire::{self, Trouble};
use crate::model::ident::{IdentError, literal};
use crate::postgres::session::TextRow;
use crate::text::Untrusted;

/// What the checks found; the transaction is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What the file must leave as it is.
    pub guard: Guard,
    /// The ledger table exists.
    pub ledger_present: bool,
    /// The step's row says that its statement may have been sent: by this attempt.
    pub intent_of: Option<i32>,
}

/// Opens the transaction. `anew`: the session is cleaned of what an earlier file left in it, which gives its locks
/// away as well.
///
/// # Errors
/// The step's end, where it must not go on; the transaction is still open then, or the session is lost.
pub async fn open(client: &Client, order: &StepOrder<'_>, anew: bool) -> Result<Opened, StepEnd> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let path = guard::search_path(order.schema, order.search_path_extra);
    let sql = sql(order, &nonce, &path).map_err(|error| StepEnd::Failed(Fault::ours(error.to_string())))?;
    let messages = [CLEAN, BEGIN, &sql];
    let messages = if anew { &messages[..] } else { &messages[1..] };
    let rows = match wire::ask_behind(client, messages, BOOKKEEPING).await {
        Ok(rows) => rows,
        Err(Trouble::Server(refused)) if refused.sqlstate == "42P01" && order.ledger_expected => {
            return Err(StepEnd::LedgerIs { present: false });
        }
        Err(trouble @ Trouble::Server(_)) => return Err(classify(Fault::server(&trouble))),
        Err(Trouble::Lost(why)) => return Err(StepEnd::Lost(why)),
    };
    judge(order, &rows, nonce, path)
}

fn sql(order: &StepOrder<'_>, nonce: &str, path: &str) -> Result<String, IdentError> {
    let table = order.ledger.table(order.schema)?;
    let ledger =
        if order.ledger_expected { order.ledger.read_sql(&table) } else { "SELECT NULL::text WHERE false;".to_owned() };
    let table_lock = if order.ledger_expected { order.ledger.table_lock_sql(&table) } else { "SELECT 1;".to_owned() };
    let tool = order
        .ledger
        .schema_key(order.database, order.schema)
        .map_or_else(|| "true".to_owned(), |key| format!("pg_catalog.pg_try_advisory_xact_lock({key})"));
    let shared = if order.file.is_one_at_a_time() {
        format!("pg_catalog.pg_try_advisory_xact_lock({})", keys::shared())
    } else {
        "true".to_owned()
    };
    Ok(format!(
        "{limits} {fence} SELECT pg_catalog.pg_try_advisory_xact_lock({key}), {shared}, {tool}; \
         SELECT pg_catalog.to_regnamespace({schema})::oid::text, pg_catalog.txid_current()::text, \
         pg_catalog.set_config('tenantui.nonce', {nonce}, true), s.state, \
         pg_catalog.to_regclass({table})::oid::text, s.attempt \
         FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq}; \
         {registry} {table_lock} {ledger} \
         SELECT pg_catalog.set_config('search_path', {path}, true); \
         SELECT pg_catalog.current_schema()::text, {settings};",
        limits = order.limits.sql(),
        fence = fence_sql(order.fence),
        key = keys::tenant(order.schema.raw()),
        schema = literal(&order.schema.quoted()),
        nonce = literal(nonce),
        job = order.fence.job,
        seq = order.seq,
        table = literal(&table.quoted()),
        registry = order.registry_check.unwrap_or("SELECT 1;"),
        path = literal(path),
        settings = guard::SETTINGS_SQL,
    ))
}

fn judge(order: &StepOrder<'_>, rows: &[Vec<TextRow>], nonce: String, path: String) -> Result<Opened, StepEnd> {
    let [_, fence, lock, facts, registry, _, ledger, _, place] = rows else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks has an unexpected form")));
    };
    heed_fence(fence, order.heed_flags)?;
    let (Some(lock), Some(facts), Some(place)) = (lock.first(), facts.first(), place.first()) else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks is incomplete")));
    };
    if !lock.is_true(0) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session works in this schema")));
    }
    if !lock.is_true(1) {
        return Err(StepEnd::Queued);
    }
    if !lock.is_true(2) {
        let words = format!("the lock of {} for this schema is held: it is being migrated now", order.ledger.tool());
        return Err(StepEnd::Locked(Fault::ours(words)));
    }
    match facts.text(3) {
        Some("done") => return Err(StepEnd::Already),
        Some("skipped") => return Err(StepEnd::Skipped),
        Some(_) | None => {}
    }
    same_place(order, facts, !registry.is_empty(), place)?;
    let ledger_present = facts.text(4).is_some();
    if ledger_present && !order.ledger_expected {
        return Err(StepEnd::LedgerIs { present: true });
    }
    if ledger_present {
        match order.ledger.judge(ledger, &order.file.version, order.way) {
            Ok(Before::Free) => {}
            Ok(Before::Already) => return Err(StepEnd::Already),
            Ok(Before::Moved(how)) => {
                return Err(StepEnd::Failed(Fault::ours(format!("{how}; nothing was run. Make a new plan"))));
            }
            Ok(Before::Locked(why)) => return Err(StepEnd::Blocked(Untrusted::new(why))),
            Err(error) => return Err(StepEnd::Failed(Fault::ours(error.to_string()))),
        }
    } else if !order.way.leaves_it() {
        // Where there is no ledger nothing is applied.
        return Err(StepEnd::Already);
    }
    let xid = facts.text(1).unwrap_or_default().to_owned();
    let settings = place.text(1).unwrap_or_default().to_owned();
    let intent_of = if facts.text(3) == Some("intent") { facts.parse(5).ok().flatten() } else { None };
    Ok(Opened { guard: Guard { xid, nonce, schema: order.schema.clone(), path, settings }, ledger_present, intent_of })
}

/// The schema and the registry's row are those of the plan, and the search path leads there.
fn same_place(order: &StepOrder<'_>, facts: &TextRow, row_found: bool, place: &TextRow) -> Result<(), StepEnd> {
    let oid = facts.text(0).and_then(|text| text.parse::<u32>().ok());
    let wrong = match oid {
        None => Some("the schema does not exist any more".to_owned()),
        Some(oid) if oid != order.schema_oid => {
            Some("the schema was dropped and created again since the plan was made".to_owned())
        }
        Some(_) if !row_found => Some("the tenant's registry row is not as it was when the plan was made".to_owned()),
        Some(_) if place.text(0) != Some(order.schema.raw()) => {
            Some("search_path does not lead to the schema (USAGE missing?)".to_owned())
        }
        Some(_) => None,
    };
    match wrong {
        Some(words) => Err(StepEnd::Failed(Fault::ours(format!("{words}; nothing was run. Make a new plan")))),
        None => Ok(()),
    }
}
