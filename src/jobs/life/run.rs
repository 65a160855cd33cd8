//! A job of a tenant's life: its steps in order, each until it is done or stops the job.

use std::time::Instant;

use super::params::LifeParams;
use super::turn;
use crate::config::RunAs;
use crate::jobs::bound::Home;
use crate::jobs::gate;
use crate::jobs::granted::Granted;
use crate::jobs::lane::Lane;
use crate::jobs::orders::OrderError;
use crate::jobs::params::{Params, RegistryRef};
use crate::jobs::report::{Report, seconds};
use crate::jobs::shared::{Halt, Shared};
use crate::model::ident::{Ident, IdentError, SchemaName};
use crate::model::job::{JobId, LogMark, Outcome, StepAction, Waits};
use crate::model::life::{LifeKind, LifeStep};
use crate::postgres::session::{Target, WriterSession};

/// Where such a job runs.
pub(in crate::jobs) struct Place<'a> {
    pub(in crate::jobs) target: &'a Target,
    pub(in crate::jobs) job: JobId,
    pub(in crate::jobs) home: &'a Home,
    pub(in crate::jobs) params: &'a Params,
    pub(in crate::jobs) kind: LifeKind,
}

/// What the steps work with.
pub(super) struct Life<'a> {
    pub(super) target: &'a Target,
    pub(super) kind: LifeKind,
    pub(super) params: &'a LifeParams,
    pub(super) registry: Option<&'a RegistryRef>,
    /// The role that a schema which is made belongs to; `None`: the one that makes it.
    pub(super) owner: Option<Ident>,
    /// What roles that are there get of it.
    pub(super) granted: Option<&'a Granted>,
    pub(super) key: String,
    pub(super) id: Option<String>,
    pub(super) slug: String,
    /// What the schema is called when the job begins; the slug where there is none.
    pub(super) name: String,
    pub(super) schema_oid: Option<u32>,
    pub(super) steps: Vec<LifeRow>,
}

/// One step of the record.
pub(super) struct LifeRow {
    pub(super) seq: i32,
    pub(super) step: LifeStep,
    pub(super) done: bool,
}

impl Life<'_> {
    /// Who makes what is made in a new schema later; `None`: the role that logs in.
    pub(super) fn maker(&self) -> Option<&Ident> {
        match self.target.config.migrations.run_as {
            RunAs::Login => None,
            RunAs::Owner => self.owner.as_ref(),
        }
    }

    /// The schema as it is called now; one that a tenant's job may work in.
    pub(super) fn schema(&self) -> Result<SchemaName, String> {
        SchemaName::tenant(&self.name).map_err(|error| error.to_string())
    }

    /// What the schema is called outside the trash.
    pub(super) fn original(&self) -> &str {
        self.params.original.as_deref().unwrap_or(&self.name)
    }

    /// The tenant's role, checked.
    pub(super) fn role(&self) -> Result<Ident, String> {
        let name = self.params.role.as_deref().ok_or("the job's record names no role")?;
        Ident::new(name).map_err(|error| error.to_string())
    }
}

/// Runs what is not done of it.
pub(in crate::jobs) async fn run(
    place: &Place<'_>,
    shared: &Shared<'_>,
    early: Option<WriterSession>,
) -> Result<(), OrderError> {
    let mut lane = Lane::new(place.target, place.job, place.home, &shared.watcher);
    let Some(life) = prepare(place, shared, lane.session_or(early).await?).await? else { return Ok(()) };
    let started = Instant::now();
    let mut first = true;
    for row in life.steps.iter().filter(|row| !row.done) {
        if !shared.may_start(first).await || !turn::run(shared, &mut lane, &life, row).await {
            return Ok(());
        }
        first = false;
        shared.reports.send(Report::Step).await;
    }
    shared
        .reports
        .line(LogMark::Ok, &life.slug, format!("{}   {}", life.kind.word(), seconds(started.elapsed())))
        .await;
    shared.reports.send(Report::Ended(Outcome::Done)).await;
    Ok(())
}

/// The job's steps and what they need; `None` where all is done, or where an operator has to say first that it is tried
/// again.
async fn prepare<'a>(
    place: &Place<'a>,
    shared: &Shared<'_>,
    session: &WriterSession,
) -> Result<Option<Life<'a>>, OrderError> {
    let sql = format!(
        "SELECT s.seq, s.action, s.state, s.tenant_key, s.tenant_id, s.slug, s.schema_name, s.schema_oid \
         FROM tenantui.step AS s WHERE s.job_id = {} ORDER BY s.seq",
        place.job
    );
    let rows = gate::ask(session, &sql).await?;
    let rows: Vec<_> = rows.iter().flatten().collect();
    if rows.iter().all(|row| row.text(2) == Some("done")) {
        return Ok(None);
    }
    if rows.iter().any(|row| matches!(row.text(2), Some("failed" | "blocked" | "unknown"))) {
        shared.halt(Halt::Pause(Waits::Trouble, "it failed before: retry it".to_owned()));
        return Ok(None);
    }
    let mut steps = Vec::with_capacity(rows.len());
    for row in &rows {
        let action = row.text(1).and_then(StepAction::from_word);
        let Some(StepAction::Life(step)) = action else {
            return Err(gate::refused(format!(
                "job {} has a step that this program does not know: use a newer tenantui",
                place.job
            )));
        };
        steps.push(LifeRow { seq: row.parse(0)?.unwrap_or_default(), step, done: row.text(2) == Some("done") });
    }
    let (Some(params), Some(row)) = (place.params.life.as_deref(), rows.first()) else {
        return Err(gate::refused(format!("the record of job {} says nothing of its tenant", place.job)));
    };
    let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
    let wrong = |error: IdentError| gate::refused(format!("the job's record: {error}"));
    Ok(Some(Life {
        target: place.target,
        kind: place.kind,
        params,
        registry: place.params.registry.as_ref(),
        owner: place.params.owner.as_deref().map(Ident::new).transpose().map_err(wrong)?,
        granted: place.params.granted.as_ref(),
        key: text(3),
        id: row.text(4).map(str::to_owned),
        slug: text(5),
        name: text(6),
        schema_oid: row.parse(7)?,
        steps,
    }))
}
