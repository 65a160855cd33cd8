//! What opens a step's transaction: BEGIN as a message of its own, then the fence, the flags, the locks, the schema, the
//! ledger and the search path in one round trip. Nothing of a file is sent before these answers are right.

use tokio_postgres::Client;

use super::guard::{self, Guard, STATE_SQL};
use super::keys;
use super::ledger::Before;
use super::rights::{self, Lasting};
use super::run::Fault;
use super::step::{BEGIN, BOOKKEEPING, CLEAN, StepEnd, StepOrder, classify, fence_and_sql, heed_fence};
use super::wire::{self, Trouble};
use crate::config::RunAs;
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
    let path = guard::search_path(order.schema, order.search_path_extra);
    let sql = sql(order, &path).map_err(|error| StepEnd::Failed(Fault::ours(error.to_string())))?;
    let messages = [CLEAN, BEGIN, &sql];
    let messages = if anew { &messages[..] } else { &messages[1..] };
    let rows = match wire::ask_behind(client, messages, BOOKKEEPING).await {
        Ok(rows) => rows,
        Err(Trouble::Server(refused)) if refused.sqlstate == "42P01" && order.ledger_expected => {
            return Err(StepEnd::LedgerIs { present: false });
        }
        Err(trouble @ Trouble::Server(_)) => return Err(classify(refusal(&trouble))),
        Err(Trouble::Lost(why)) => return Err(StepEnd::Lost(why)),
    };
    judge(order, &rows, path)
}

/// Answers before the one that takes the owner's role: those of the checks, and of which role it was.
const BEFORE_RIGHTS: usize = 9;

fn refusal(trouble: &Trouble) -> Fault {
    let fault = Fault::server(trouble);
    match trouble {
        Trouble::Server(refused) if refused.behind == BEFORE_RIGHTS => {
            Fault { message: format!("{}; {}", fault.message.raw(), rights::ADVICE).into(), ..fault }
        }
        Trouble::Server(_) | Trouble::Lost(_) => fault,
    }
}

fn sql(order: &StepOrder<'_>, path: &str) -> Result<String, IdentError> {
    let table = order.ledger.table(order.schema)?;
    let ledger =
        if order.ledger_expected { order.ledger.read_sql(&table) } else { "SELECT NULL::text WHERE false;".to_owned() };
    let table_lock = if order.ledger_expected { order.ledger.table_lock_sql(&table) } else { "SELECT 1;".to_owned() };
    let keys = [
        Some(keys::tenant(order.schema.raw())),
        order.file.is_one_at_a_time().then(keys::shared),
        order.ledger.schema_key(order.database, order.schema),
    ];
    let locks: String = keys.into_iter().map(|key| format!(", {}", keys::try_sql(key))).collect();
    // Behind all that is ours: from there on everything is as the files find it.
    let rights = match order.run_as {
        RunAs::Login => String::new(),
        RunAs::Owner => format!(" {} SELECT {STATE_SQL};", rights::take_sql(order.schema, Lasting::Transaction)),
    };
    Ok(format!(
        "{limits} {mark} {fence} {registry} {table_lock} {ledger} {set_path} \
         SELECT pg_catalog.to_regnamespace({schema})::oid::text, pg_catalog.txid_current()::text, \
         pg_catalog.to_regclass({table})::oid::text, s.state, s.attempt, pg_catalog.current_schema()::text, {STATE_SQL} \
         FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq};{rights}",
        limits = order.limits.sql(),
        mark = guard::mark_sql(),
        fence = fence_and_sql(order.fence, &locks),
        registry = order.registry_check.unwrap_or("SELECT 1;"),
        set_path = guard::set_path_sql(path),
        schema = literal(&order.schema.quoted()),
        table = literal(&table.quoted()),
        job = order.fence.job,
        seq = order.seq,
    ))
}

fn judge(order: &StepOrder<'_>, rows: &[Vec<TextRow>], path: String) -> Result<Opened, StepEnd> {
    let [_, _, fence, registry, _, ledger, _, facts, rights @ ..] = rows else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks has an unexpected form")));
    };
    heed_fence(fence, order.heed_flags)?;
    let (Some(locks), Some(facts)) = (fence.first(), facts.first()) else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks is incomplete")));
    };
    if !locks.is_true(2) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session works in this schema")));
    }
    if !locks.is_true(3) {
        return Err(StepEnd::Queued);
    }
    if !locks.is_true(4) {
        let words = format!("the lock of {} for this schema is held: it is being migrated now", order.ledger.tool());
        return Err(StepEnd::Locked(Fault::ours(words)));
    }
    match facts.text(3) {
        Some("done") => return Err(StepEnd::Already),
        Some("skipped") => return Err(StepEnd::Skipped),
        Some(_) | None => {}
    }
    same_place(order, facts, !registry.is_empty())?;
    let ledger_present = facts.text(2).is_some();
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
    let text = |rows: &Vec<TextRow>| rows.first().and_then(|row| row.text(0)).map(str::to_owned);
    let (home, state) = match rights {
        [role, _, state] => (text(role), text(state)),
        _ => (None, facts.text(6).map(str::to_owned)),
    };
    let intent_of = if facts.text(3) == Some("intent") { facts.parse(4).ok().flatten() } else { None };
    Ok(Opened { guard: Guard { xid, path, state: state.unwrap_or_default(), home }, ledger_present, intent_of })
}

/// The schema and the registry's row are those of the plan, and the search path leads there.
fn same_place(order: &StepOrder<'_>, facts: &TextRow, row_found: bool) -> Result<(), StepEnd> {
    let oid = facts.text(0).and_then(|text| text.parse::<u32>().ok());
    let wrong = match oid {
        None => Some("the schema does not exist any more".to_owned()),
        Some(oid) if oid != order.schema_oid => {
            Some("the schema was dropped and created again since the plan was made".to_owned())
        }
        Some(_) if !row_found => Some("the tenant's registry row is not as it was when the plan was made".to_owned()),
        Some(_) if facts.text(5) != Some(order.schema.raw()) => {
            Some("search_path does not lead to the schema (USAGE missing?)".to_owned())
        }
        Some(_) => None,
    };
    match wrong {
        Some(words) => Err(StepEnd::Failed(Fault::ours(format!("{words}; nothing was run. Make a new plan")))),
        None => Ok(()),
    }
}
