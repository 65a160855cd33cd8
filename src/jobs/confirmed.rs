//! What was confirmed: ordered only on the server that it was planned on; and as the record keeps it, read at each claim
//! and refused where it is not what was ordered or was ordered for another server.

use serde_json::Value;

use super::bound::{Home, Place, PlanHash, StepIdentity};
use super::gate;
use super::orders::OrderError;
use super::params::{FORMAT, Params};
use super::service::Order;
use crate::model::job::{JobId, JobKind};
use crate::postgres::session::{ServerFacts, WriterSession};

/// The first form of parameters whose hash is over the record.
const HASHED_FORMAT: u32 = 2;

/// A job's order.
pub(super) struct Confirmed {
    /// The parameters.
    pub(super) params: Params,
    /// The same as the record has them.
    value: Value,
    kind: JobKind,
    scope: String,
    plan_sha256: String,
    home: Home,
    /// It was ordered since the record is kept in a form whose hash can be compared.
    by_this_record: bool,
}

/// Whether a session leads to the server that an order was planned on: between the two an operator reads and types, and
/// a failover, a name server or a proxy may lead elsewhere meanwhile.
///
/// # Errors
/// When it is another server, another database, or another timeline.
pub(super) fn planned_here(order: &Order, facts: &ServerFacts) -> Result<(), OrderError> {
    let layout = match order {
        Order::Migrate(order) | Order::Rehearse(order) => &order.layout,
        Order::Rollback(order) => &order.layout,
        Order::Provision(order) => &order.layout,
        Order::Life(order) => &order.request.layout,
        Order::Import(order) => &order.layout,
    };
    let Some(planned) = layout.found_on.as_ref().map(Home::planned_on) else { return Ok(()) };
    match planned.place(&Home::of(facts)).since_plan() {
        None => Ok(()),
        Some(words) => Err(gate::refused(format!("nothing was ordered: {words}"))),
    }
}

/// Reads a job's order.
///
/// # Errors
/// When there is none, or this program does not read it.
pub(super) async fn read(session: &WriterSession, job: JobId) -> Result<Confirmed, OrderError> {
    let sql = format!(
        "SELECT j.params::text, j.kind, j.scope, pg_catalog.encode(j.plan_sha256, 'hex'), j.system_identifier, j.timeline, \
         j.database_oid, j.created_at >= (SELECT m.upgraded_at FROM tenantui.meta AS m) FROM tenantui.job AS j WHERE j.id = {job}"
    );
    let rows = gate::ask(session, &sql).await?;
    let Some(row) = rows.iter().flatten().next() else {
        return Err(gate::refused(format!("there is no job {job}")));
    };
    let text = |column: usize| row.text(column).map(str::to_owned);
    let unread = |what: &dyn std::fmt::Display| {
        gate::refused(format!("job {job} has parameters that this program does not read: {what}"))
    };
    let value: Value = serde_json::from_str(row.text(0).unwrap_or_default()).map_err(|error| unread(&error))?;
    let format = value.get("format").and_then(Value::as_u64).unwrap_or_default();
    if format > u64::from(FORMAT) {
        return Err(gate::refused(format!("job {job} was ordered by a newer tenantui; run it with that one")));
    }
    let params: Params = serde_json::from_value(value.clone()).map_err(|error| unread(&error))?;
    let kind = row.text(1).and_then(JobKind::from_word).ok_or_else(|| unread(&"its kind is not known"))?;
    Ok(Confirmed {
        params,
        value,
        kind,
        scope: text(2).unwrap_or_default(),
        plan_sha256: text(3).unwrap_or_default(),
        home: Home { system_identifier: text(4), timeline: text(5), database_oid: row.parse(6)?.unwrap_or_default() },
        by_this_record: row.is_true(7),
    })
}

impl Confirmed {
    /// Whether this server is the one that the job was ordered for. The server's timeline, where a failover happened
    /// since: the job may go on there, by what the record says now.
    ///
    /// # Errors
    /// When it is another server or database, or the old primary of a failover.
    pub(super) fn belongs_here(&self, job: JobId, facts: &ServerFacts) -> Result<Option<String>, OrderError> {
        match self.home.place(&Home::of(facts)) {
            Place::Home => Ok(None),
            Place::LaterTimeline { to, .. } => Ok(Some(to)),
            other @ (Place::OldPrimary { .. } | Place::OtherServer | Place::OtherDatabase) => {
                let words = other.refusal().unwrap_or_default();
                Err(gate::refused(format!("job {job} is not run here: {words}")))
            }
        }
    }

    /// Whether its hash can be compared: older programs kept another one.
    fn is_hashed(&self) -> bool {
        self.params.format >= HASHED_FORMAT || self.by_this_record
    }
}

/// Compares the record with what was ordered.
///
/// # Errors
/// When a parameter or a step is not as it was ordered, or the record cannot be read.
pub(super) async fn unchanged(session: &WriterSession, job: JobId, order: &Confirmed) -> Result<(), OrderError> {
    if !order.is_hashed() {
        return Ok(());
    }
    let sql = format!(
        "SELECT s.seq, s.action, s.tenant_key, s.tenant_id, s.slug, s.schema_name, s.schema_oid, s.from_version, s.version, \
         pg_catalog.encode(s.file_sha256, 'hex') FROM tenantui.step AS s WHERE s.job_id = {job} ORDER BY s.seq"
    );
    let rows = gate::ask(session, &sql).await?;
    let mut hash = PlanHash::new(order.kind, &order.scope, &order.value);
    for row in rows.iter().flatten() {
        hash.step(&StepIdentity {
            seq: row.parse(0)?.unwrap_or_default(),
            action: row.text(1).unwrap_or_default(),
            tenant_key: row.text(2),
            tenant_id: row.text(3),
            slug: row.text(4).unwrap_or_default(),
            schema: row.text(5).unwrap_or_default(),
            schema_oid: row.parse(6)?,
            from: row.text(7),
            version: row.text(8),
            file: row.text(9),
        });
    }
    if hash.finish() != order.plan_sha256 {
        return Err(gate::refused(format!(
            "job {job} is not run: its record is not what was confirmed (its parameters or steps were changed in \
             tenantui.job or tenantui.step). Cancel it and plan again"
        )));
    }
    Ok(())
}
