//! A job that nobody has begun, and whose files are not here as they were confirmed. Its record says so. Who has just
//! ordered it ends it, for nobody else was meant to run it, and it would keep its place from every later order. Anybody
//! else leaves it to a worker that has its files.

use super::gate;
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::model::job::JobId;
use crate::postgres::session::WriterSession;

/// Notes in the record why the job is not run here, and says what to do. `ordered_here`: this process has just ordered
/// it; its lock is held then.
pub(super) async fn refuse(session: &WriterSession, job: JobId, ordered_here: bool, why: &OrderError) -> OrderError {
    let why = why.to_string();
    let sql = if ordered_here { end_sql(job, &why) } else { leave_sql(job, &why) };
    let noted: Result<bool, Trouble> =
        gate::ask(session, &sql).await.map(|rows| rows.iter().flatten().next().is_some());
    if let Err(trouble) = &noted {
        tracing::warn!(%job, ?trouble, "its record does not say why it is not run");
    }
    gate::refused(if ordered_here && matches!(noted, Ok(true)) {
        format!("{why}. Nothing was run, and job {job} is cancelled: plan again")
    } else {
        format!("{why}. Run job {job} where its files are as they were, or cancel it and plan again")
    })
}

/// Only one that was never begun.
fn end_sql(job: JobId, why: &str) -> String {
    let os_user = literal(&who::os_user());
    let why = literal(wire::cut(why, wire::MAX_MESSAGE_BYTES));
    format!(
        "WITH live AS (SELECT id FROM tenantui.job WHERE id = {job} AND state = 'queued' AND attempt = 0 FOR UPDATE NOWAIT), \
         done AS (UPDATE tenantui.job AS j SET state = 'cancelled', attempt = j.attempt + 1, ended_at = pg_catalog.clock_timestamp(), \
         reason = {why}, requested_by = {os_user} FROM live \
         WHERE j.id = live.id RETURNING j.id), \
         said AS (INSERT INTO tenantui.audit (os_user, action, job_id, before, after, outcome) SELECT {os_user}, 'cancel', id, \
         pg_catalog.jsonb_build_object('state', 'queued'), pg_catalog.jsonb_build_object('reason', {why}::text), \
         'cancelled' FROM done) SELECT pg_catalog.pg_notify('tenantui', id::text) FROM done"
    )
}

/// The first who leaves it says why; a claim takes that away again.
fn leave_sql(job: JobId, why: &str) -> String {
    let why = format!("left by {}: {why}", who::worker());
    format!(
        "WITH left_here AS (UPDATE tenantui.job SET reason = {} WHERE id = {job} AND state = 'queued' AND reason IS NULL \
         RETURNING id) SELECT pg_catalog.pg_notify('tenantui', id::text) FROM left_here",
        literal(wire::cut(&why, wire::MAX_MESSAGE_BYTES))
    )
}
