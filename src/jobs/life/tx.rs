//! The frame of every transaction here: fence and locks before, the step's row and the audit's behind, COMMIT alone.

use std::time::Instant;

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::run::{Life, LifeRow};
use crate::jobs::shared::Shared;
use crate::layout::naming::fold;
use crate::migrations::apply::keys;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{
    self, BEGIN, BOOKKEEPING, CLEAN, StepEnd, durable_sql, ended, fence_sql, heed_fence, step_done_sql,
};
use crate::migrations::apply::wire;
use crate::model::ident::literal;
use crate::postgres::session::TextRow;

/// One try of a step: whose, on which session.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) client: &'a Client,
    pub(super) shared: &'a Shared<'a>,
    pub(super) life: &'a Life<'a>,
    pub(super) row: &'a LifeRow,
    /// How often it was tried, this time included.
    pub(super) tries: u32,
}

/// An open transaction.
pub(super) struct Tx {
    pub(super) xid: String,
    started: Instant,
}

/// What the audit gets.
pub(super) struct Said {
    pub(super) before: Option<Value>,
    pub(super) after: Value,
}

/// Why a step cannot be done, in words of ours.
pub(super) fn failed(words: impl Into<String>) -> StepEnd {
    StepEnd::Failed(Fault::ours(words.into()))
}

/// Asks with the patience of bookkeeping.
pub(super) async fn ask(client: &Client, sql: &str) -> Result<Vec<Vec<TextRow>>, StepEnd> {
    wire::ask(client, sql, BOOKKEEPING).await.map_err(|trouble| ended(&trouble))
}

/// Asks something that may take as long as a statement may.
pub(super) async fn work(client: &Client, shared: &Shared<'_>, sql: &str) -> Result<Vec<Vec<TextRow>>, StepEnd> {
    wire::ask(client, sql, shared.limits.patience()).await.map_err(|trouble| ended(&trouble))
}

/// BEGIN, limits, fence, and the locks of the tenant: of its schema now and as it was, so that no migration and no
/// making of that name runs meanwhile. `turn`: also the lock of what all share.
pub(super) async fn open(work: &Work<'_>, turn: bool) -> Result<Tx, StepEnd> {
    let started = Instant::now();
    match begin(work, turn).await {
        Ok(xid) => Ok(Tx { xid, started }),
        Err(end) => Err(step::left(work.client, end).await),
    }
}

async fn begin(work: &Work<'_>, turn: bool) -> Result<String, StepEnd> {
    let Work { client, shared, life, row, .. } = *work;
    let names = [
        keys::tenant(&life.name),
        keys::tenant(life.original()),
        keys::name(&format!("/schema/{}", fold(life.original()))),
    ];
    let locks: Vec<String> = names.iter().map(|key| keys::try_sql(Some(*key))).collect();
    let sql = format!(
        "{limits} SELECT pg_catalog.set_config('datestyle', 'ISO', true), pg_catalog.set_config('jit', 'off', true); {fence} SELECT {locks}, {turn}; \
         SELECT pg_catalog.txid_current()::text, (SELECT s.state FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq});",
        limits = shared.limits.sql(),
        fence = fence_sql(shared.fence),
        locks = locks.join(" AND "),
        turn = keys::try_sql(turn.then(keys::shared)),
        job = shared.fence.job,
        seq = row.seq,
    );
    let rows = wire::ask_behind(client, &[CLEAN, BEGIN, &sql], BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
    let [_, _, fence, locks, facts] = rows.as_slice() else {
        return Err(failed("the server's answer to the checks has an unexpected form"));
    };
    heed_fence(fence, true)?;
    if !locks.first().is_some_and(|row| row.is_true(0)) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session works on this tenant")));
    }
    if !locks.first().is_some_and(|row| row.is_true(1)) {
        return Err(StepEnd::Queued);
    }
    let facts = facts.first();
    if facts.and_then(|row| row.text(1)) == Some("done") {
        return Err(StepEnd::Already);
    }
    Ok(facts.and_then(|row| row.text(0)).unwrap_or_default().to_owned())
}

/// The schema must be the one that was planned.
pub(super) async fn same_schema(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let Some(oid) = life.schema_oid else { return Err(failed("the job's record does not say which schema it is")) };
    let sql = format!("SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.oid = {oid}::oid");
    let rows = ask(client, &sql).await?;
    match rows.iter().flatten().next().and_then(|row| row.text(0)) {
        Some(name) if name == life.name => Ok(()),
        Some(_) | None => {
            Err(failed(format!("the schema {} is not the one that was planned with; look again", life.name)))
        }
    }
}

/// The audit's row: what was done to whom, in this transaction.
fn audit_sql(shared: &Shared<'_>, life: &Life<'_>, said: &Said, outcome: &str) -> String {
    let json = |value: &Value| format!("{}::jsonb", literal(&value.to_string()));
    format!(
        "INSERT INTO tenantui.audit (os_user, action, target, job_id, before, after, outcome) VALUES ({os_user}, '{action}', \
         {target}, {job}, {before}, {after}, '{outcome}');",
        os_user = literal(shared.os_user),
        action = life.kind.word(),
        target = literal(life.original()),
        job = shared.fence.job,
        before = said.before.as_ref().map_or_else(|| "NULL".to_owned(), json),
        after = json(&said.after),
    )
}

/// The step is done: its row, the audit's, COMMIT.
pub(super) async fn done(work: &Work<'_>, tx: Tx, mut said: Said) -> Result<StepEnd, StepEnd> {
    let Work { client, shared, life, row, tries } = *work;
    if let Value::Object(after) = &mut said.after {
        after.insert("step".to_owned(), json!(row.step.word()));
    }
    let sql = format!(
        "{} {} {}",
        durable_sql(true),
        step_done_sql(shared.fence, row.seq, tries, "NULL"),
        audit_sql(shared, life, &said, "done")
    );
    ask(client, &sql).await?;
    Ok(step::commit(client, tx.xid, tx.started).await)
}

/// A part of the step is done: the audit's row, COMMIT.
pub(super) async fn part(work: &Work<'_>, tx: Tx, said: &Said) -> Result<StepEnd, StepEnd> {
    let Work { client, shared, life, .. } = *work;
    let sql = format!("{} {}", durable_sql(true), audit_sql(shared, life, said, "part"));
    ask(client, &sql).await?;
    Ok(step::commit(client, tx.xid, tx.started).await)
}
