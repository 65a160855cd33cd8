//! Step T3 of jobs.md: one statement that PostgreSQL runs outside of transactions only. T3a records the intent, T3b
//! sends the statement, T3c looks at what it left, T3d writes the ledger's row and the step's. Only what was seen whole
//! is recorded as done; what nothing can tell is recorded as unknown.
//!
//! All of it happens on a session that is this step's own: `docs/adr/0006` says why it may set its search path, and
//! the caller closes it right after, however the step ended.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::keys;
use super::opening::{self, Opened};
use super::probe::{self, Place, Seen, When};
use super::run::{self, Fault, FileEnd};
use super::step::{self, BOOKKEEPING, Limits, StepEnd, StepOrder, classify, ended, roll_back};
use super::surroundings::{home_again, to_the_tenant};
use super::wire::{self, Trouble};
use crate::config::RunAs;
use crate::migrations::alone::Alone;
use crate::migrations::folder::MigrationFile;
use crate::model::ident::literal;
use crate::text::Untrusted;

/// A statement whose waiting keeps nobody out waits so many times `lock_timeout`: half a minute by default. CREATE INDEX
/// CONCURRENTLY waits for every transaction that is older than it, and a try that gave up has to begin anew.
const PATIENT: u32 = 60;
/// How often leftovers are looked for again behind a clearing.
const MAX_CLEARINGS: u32 = 3;

/// What is known of a step beyond its row: kept by the caller from one try to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trail {
    /// The statement may have been sent by this attempt.
    pub sent: bool,
    /// The row said that an earlier attempt may have sent it.
    pub inherited: bool,
    /// The server said that it was carried out; what is missing is the record.
    pub ran: bool,
}

impl Trail {
    /// Whether the statement may have run without a record of it.
    #[must_use]
    pub const fn is_in_doubt(self) -> bool {
        self.sent || self.inherited || self.ran
    }
}

/// Runs the step, or goes on with one whose statement may have been sent before. The session is of no further use.
pub async fn run(client: &Client, order: &StepOrder<'_>, what: &Alone, trail: &mut Trail) -> StepEnd {
    let started = Instant::now();
    let end = match begin(client, order, what, trail).await {
        Ok(Next::Finish(how)) => finish(client, order, started, how).await,
        Ok(Next::Send(clear)) => {
            let end = locked(client, order, what, trail, clear, started).await;
            release(client, order).await;
            end
        }
        Err(end) => step::left(client, end).await,
    };
    match end {
        // Nobody saw its end: what stopped us now says nothing about that.
        StepEnd::Locked(fault) | StepEnd::Failed(fault) if trail.is_in_doubt() && what.leaves_doubt() => {
            StepEnd::Unsure(doubt(order, &fault))
        }
        StepEnd::Blocked(why) if trail.is_in_doubt() && what.leaves_doubt() => {
            StepEnd::Unsure(doubt(order, &Fault::ours(why)))
        }
        end => end,
    }
}

/// What follows the intent.
enum Next {
    /// The work is there; `how` says so in the step's row.
    Finish(&'static str),
    /// These statements first, then the file's.
    Send(Vec<String>),
}

/// T3a: the checks of every step, a look, and the intent, in one transaction.
async fn begin(client: &Client, order: &StepOrder<'_>, what: &Alone, trail: &mut Trail) -> Result<Next, StepEnd> {
    // Nothing of the file runs here, and the intent is ours to write.
    let looking = StepOrder { run_as: RunAs::Login, ..order.clone() };
    let Opened { intent_of, .. } = opening::open(client, &looking, true).await?;
    let ours = intent_of == Some(order.fence.attempt);
    trail.inherited |= intent_of.is_some() && !ours;
    let resumed = trail.is_in_doubt();
    let seen = look(client, order, what, When::Before).await?;
    let next = match (seen, resumed) {
        (Seen::Done, true) => Next::Finish("found done after its session was lost"),
        (Seen::Done, false) => match present(what) {
            Ok(words) => Next::Finish(words),
            Err(fault) => return Err(StepEnd::Failed(fault)),
        },
        // Its end was seen, by us: once is enough.
        (Seen::Unknowable, true) if trail.ran => Next::Finish("its session was lost behind it"),
        (Seen::Unknowable, true) => {
            let words = Fault::ours("the session was lost while it ran");
            return Err(StepEnd::Unsure(doubt(order, &words)));
        }
        (Seen::Undone | Seen::Unknowable, _) => Next::Send(Vec::new()),
        (Seen::Leftover { clear, what }, _) => {
            tracing::info!(schema = order.schema.raw(), "cleared before the step: {what}");
            Next::Send(clear)
        }
        (Seen::AtWork(words), _) => return Err(StepEnd::Locked(Fault::ours(words))),
        (Seen::Wrong { sqlstate, words }, _) => return Err(StepEnd::Failed(refusal(sqlstate, words))),
    };
    match next {
        Next::Finish(_) => roll_back(client).await.map_err(lost)?,
        Next::Send(_) => {
            wire::ask(client, &intent_sql(order), BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
            wire::ask(client, "COMMIT", BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
        }
    }
    Ok(next)
}

/// The work was there before anybody of ours began: only a statement that allows for it is done by that.
fn present(what: &Alone) -> Result<&'static str, Fault> {
    match what {
        Alone::MakeIndex { if_not_exists: true, .. } => Ok("the index was there already, valid"),
        Alone::DropIndex { if_exists: true, .. } => Ok("the index was gone already"),
        Alone::MakeIndex { index, .. } => Err(refusal("42P07", format!("there is an index {} already", index.raw()))),
        Alone::DropIndex { index, .. } => Err(refusal("42704", format!("there is no index {}", index.raw()))),
        Alone::Detach { partition, table } => {
            Err(refusal("42P01", format!("{} is no partition of {}", partition.raw(), table.raw())))
        }
        Alone::Reindex { .. } | Alone::Vacuum { .. } | Alone::Unprobed => Ok("done already"),
    }
}

/// T3b and T3c under the session's lock of the tenant, then T3d.
async fn locked(
    client: &Client,
    order: &StepOrder<'_>,
    what: &Alone,
    trail: &mut Trail,
    clear: Vec<String>,
    started: Instant,
) -> StepEnd {
    if let Err(end) = prepare(client, order, what).await {
        return end;
    }
    match clear_all(client, order, what, clear).await {
        Ok(false) => {}
        Ok(true) => return finish(client, order, started, "an earlier run of it was brought to its end").await,
        Err(end) => return end,
    }
    let home = match to_the_tenant(client, order).await {
        Ok(home) => home,
        Err(end) => return end,
    };
    let Some(statement) = order.file.statements.first() else {
        return StepEnd::Failed(Fault::ours("the file holds no statement"));
    };
    trail.sent = true;
    let answer = wire::ask(client, &statement.sql, order.limits.patience()).await;
    let answer = match answer {
        Err(Trouble::Lost(why)) => return StepEnd::Lost(why),
        Err(trouble @ Trouble::Server(_)) => Err(Fault::of(order.file, 0, &trouble)),
        Ok(_) => Ok(()),
    };
    // The server said how it ended. That it was carried out is remembered until the record says so too.
    *trail = Trail { ran: answer.is_ok(), ..Trail::default() };
    if let Err(end) = home_again(client, home.as_deref()).await {
        return end;
    }
    if let Err(fault) = answer {
        return refused(client, order, what, fault, started).await;
    }
    match look(client, order, what, When::After).await {
        Ok(Seen::Done) => finish(client, order, started, "").await,
        Ok(Seen::Leftover { what, .. }) => {
            StepEnd::Again(Fault::ours(format!("the statement came back without an error and left {what}")))
        }
        Ok(Seen::Undone | Seen::Unknowable) => StepEnd::Failed(Fault::ours(
            "the statement came back without an error, and what it makes is not in the tenant's schema: look where it is",
        )),
        Ok(Seen::AtWork(words)) => StepEnd::Locked(Fault::ours(words)),
        Ok(Seen::Wrong { sqlstate, words }) => StepEnd::Failed(refusal(sqlstate, words)),
        Err(end) => end,
    }
}

/// The settings of this session, its lock of the tenant, and the fence read again.
async fn prepare(client: &Client, order: &StepOrder<'_>, what: &Alone) -> Result<(), StepEnd> {
    let lock = if what.waits_harmlessly() { order.limits.lock * PATIENT } else { order.limits.lock };
    let limits = Limits { lock, ..order.limits };
    // The tool's own lock as well, where it has one of this schema: it keeps the tool out while nothing is open here.
    let tool = order
        .ledger
        .schema_key(order.database, order.schema)
        .map_or_else(|| "true".to_owned(), |key| format!("pg_catalog.pg_try_advisory_lock({key})"));
    let sql = format!(
        "{} {} SELECT pg_catalog.pg_try_advisory_lock({}), {tool};",
        limits.session_sql(),
        step::fence_sql(order.fence),
        keys::tenant(order.schema.raw())
    );
    let rows = wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
    let [_, fence, lock] = rows.as_slice() else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks has an unexpected form")));
    };
    if fence.is_empty() {
        return Err(StepEnd::Fenced);
    }
    if !lock.first().is_some_and(|row| row.is_true(0)) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session works in this schema")));
    }
    if !lock.first().is_some_and(|row| row.is_true(1)) {
        let words = format!("the lock of {} for this schema is held: it is being migrated now", order.ledger.tool());
        return Err(StepEnd::Locked(Fault::ours(words)));
    }
    Ok(())
}

/// Removes what an unfinished run left, until a look finds nothing of it. Whether the work is done by that (a partition
/// that was on its way out is out then).
async fn clear_all(client: &Client, order: &StepOrder<'_>, what: &Alone, clear: Vec<String>) -> Result<bool, StepEnd> {
    let mut clear = clear;
    if clear.is_empty() {
        return Ok(false);
    }
    for _ in 0..MAX_CLEARINGS {
        for statement in &clear {
            wire::ask(client, statement, order.limits.patience()).await.map_err(|trouble| match ended(&trouble) {
                StepEnd::Failed(fault) => StepEnd::Failed(Fault {
                    message: format!("{}; it was to clear what is left of an earlier run", fault.message.raw()).into(),
                    ..fault
                }),
                other => other,
            })?;
        }
        match look(client, order, what, When::Before).await? {
            Seen::Leftover { clear: again, .. } => clear = again,
            Seen::Done => return Ok(true),
            Seen::Undone | Seen::AtWork(_) | Seen::Wrong { .. } | Seen::Unknowable => return Ok(false),
        }
    }
    Err(StepEnd::Again(Fault::ours("what is left of an earlier run does not go away")))
}

/// The server refused the statement: what it left is cleared at once, as far as that goes, so that it is nobody's
/// surprise.
async fn refused(client: &Client, order: &StepOrder<'_>, what: &Alone, fault: Fault, started: Instant) -> StepEnd {
    if what.leaves_doubt() {
        // Never again of itself: what it committed before it failed would be done twice.
        let words = format!("{}; what it committed before that stays", fault.message.raw());
        return StepEnd::Failed(Fault { message: words.into(), ..fault });
    }
    let mut words = String::new();
    if let Ok(Seen::Leftover { clear, what: left }) = look(client, order, what, When::Before).await {
        words = match clear_all(client, order, what, clear).await {
            Ok(true) => return finish(client, order, started, "brought to its end in a second run").await,
            Ok(false) => format!("; {left} was removed"),
            Err(_) => format!("; {left} is still there: the next try removes it first"),
        };
    }
    classify(Fault { message: format!("{}{words}", fault.message.raw()).into(), ..fault })
}

/// T3d: the checks again, the ledger's row, the step's and the audit's, in one transaction.
async fn finish(client: &Client, order: &StepOrder<'_>, started: Instant, how: &str) -> StepEnd {
    let order = &StepOrder { heed_flags: false, ..order.clone() };
    let Opened { guard, ledger_present, .. } = match opening::open(client, order, false).await {
        Ok(opened) => opened,
        Err(end) => return step::left(client, end).await,
    };
    let table = match order.ledger.table(order.schema) {
        Ok(table) => table,
        Err(error) => return StepEnd::Failed(Fault::ours(error.to_string())),
    };
    let create = if ledger_present { String::new() } else { order.ledger.create_sql(&table) };
    let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let said = if how.is_empty() { "NULL".to_owned() } else { literal(how) };
    let sql = format!(
        "{create}{} {} UPDATE tenantui.step SET duration_ms = {took}, message = {said}, \
         started_at = pg_catalog.clock_timestamp() - {took} * interval '1 millisecond' WHERE job_id = {} AND seq = {};",
        order.ledger.before_sql(&table),
        step::rows_sql(order, &table, &guard),
        order.fence.job,
        order.seq,
    );
    if let Some(verify) = order.verify()
        && let Some(end) = verified(client, order, verify).await
    {
        return end;
    }
    match wire::ask(client, &sql, BOOKKEEPING).await {
        Ok(_) => step::commit(client, guard.xid, started).await,
        Err(trouble) => ended(&trouble),
    }
}

/// The step's end where its verify file says no. What the statement did is there and stays, without a record.
async fn verified(client: &Client, order: &StepOrder<'_>, verify: &MigrationFile) -> Option<StepEnd> {
    match run::verified(client, verify, order.limits.patience()).await {
        FileEnd::Ran => None,
        FileEnd::Lost(why) => Some(StepEnd::Lost(why)),
        FileEnd::Refused(fault) | FileEnd::Escaped(fault) => {
            let words = format!(
                "{}; what the statement did stays, and the ledger has no row of it: put right what the file looks at, undo the \
                 statement by hand, and retry the job",
                fault.message.raw()
            );
            Some(classify(Fault { message: words.into(), ..fault }))
        }
    }
}

fn intent_sql(order: &StepOrder<'_>) -> String {
    format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); \
         UPDATE tenantui.step SET state = 'intent', attempt = {attempt}, tries = {tries}, \
         started_at = pg_catalog.clock_timestamp(), sqlstate = NULL, message = NULL, detail = NULL \
         WHERE job_id = {job} AND seq = {seq}; \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({os_user}, '{action}', {schema}, \
         {job}, pg_catalog.jsonb_build_object('version', {version}::text, 'seq', {seq}), 'intent');",
        action = order.way.word(),
        attempt = order.fence.attempt,
        tries = order.tries,
        job = order.fence.job,
        seq = order.seq,
        os_user = literal(order.os_user),
        schema = literal(order.schema.raw()),
        version = literal(order.file.version.raw()),
    )
}

/// Gives the tenant's lock back before the session goes: the server ends a session some time after we left it, and the
/// next try would meet its own lock.
async fn release(client: &Client, order: &StepOrder<'_>) {
    let tool = order.ledger.schema_key(order.database, order.schema);
    let keys: Vec<String> = [Some(keys::tenant(order.schema.raw())), tool]
        .into_iter()
        .flatten()
        .map(|key| format!("pg_catalog.pg_advisory_unlock({key})"))
        .collect();
    let sql = format!("SELECT {}", keys.join(", "));
    // Where the session is lost the lock goes with it; in a transaction that failed it goes with the session.
    if let Err(trouble) = wire::ask(client, &sql, Duration::from_secs(5)).await {
        tracing::debug!(?trouble, "the tenant's lock goes with its session");
    }
}

async fn look(client: &Client, order: &StepOrder<'_>, what: &Alone, when: When) -> Result<Seen, StepEnd> {
    let place = Place { schema: order.schema, oid: order.schema_oid };
    probe::look(client, place, what, when).await.map_err(|trouble| ended(&trouble))
}

fn lost(trouble: Trouble) -> StepEnd {
    StepEnd::Lost(trouble.message().clone())
}

fn refusal(sqlstate: &str, words: String) -> Fault {
    Fault { sqlstate: Some(sqlstate.to_owned()), ..Fault::ours(words) }
}

/// What an operator is told of a statement whose end nobody saw: what was run, what to look at, and the ways out.
fn doubt(order: &StepOrder<'_>, fault: &Fault) -> Fault {
    let line = order.file.statements.first().map_or(1, |statement| statement.line);
    let text = order.file.statements.first().map_or("", |statement| &*statement.sql);
    let table = order.ledger.table(order.schema);
    let record = table.map(|table| order.ledger.record_sql(&table, order.file, order.way)).unwrap_or_default();
    let words = format!(
        "{}. Line {line} ({}) was sent outside of a transaction and its end was not seen: look in schema {} whether its work \
         is there. If it is, record it ({record}) and retry the job: the step is then done. If not, retry the job: it is run \
         again. Or skip the tenant",
        fault.message.raw(),
        wire::cut(text, 120),
        order.schema.raw(),
    );
    Fault { message: Untrusted::new(words), ..fault.clone() }
}
