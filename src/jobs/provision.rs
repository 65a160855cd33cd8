//! A provisioning job: each tenant's row, schema, role, ledger, migrations, seed and status in one transaction. A failure
//! leaves nothing of that tenant, and two operators at once make one tenant: names that would collide share a lock, and
//! are looked at behind it. Many tenants are made side by side, each by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::join_all;

use super::attempt;
use super::bound::Home;
use super::drive;
use super::gate;
use super::lane::Lane;
use super::maker::{self, Maker, MakerStep, Making, Part};
use super::migrate::{MAX_LANES, over_budget};
use super::orders::OrderError;
use super::params::Params;
use super::preflight;
use super::report::{Report, seconds};
use super::seed;
use super::service::NewTenant;
use super::shared::{Halt, Shared};
use super::steps::{self, StepRow, TenantSteps};
use super::transacted::{self, Came, End, Transaction};
use super::verdict::StepResult;
use crate::layout::{Layout, Registry};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::SchemaName;
use crate::model::job::{JobId, LogMark, Outcome, StepAction, Waits};
use crate::postgres::session::{Target, TextRow, WriterSession};

/// Where a provisioning job runs.
pub(super) struct Place<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) home: &'a Home,
    pub(super) params: &'a Params,
    /// Tenants at a time.
    pub(super) parallel: u32,
    /// Somebody sees the passwords that are made.
    pub(super) shows_credentials: bool,
}

/// The statement that writes the row of a new tenant, for who wants to read it before; `new_id` stands for the id that is
/// made when it is sent, where the registry makes none. Empty where no registry lists tenants in a table.
///
/// # Errors
/// When no such row can be written; why.
pub fn row_sql(layout: &Layout, tenant: &NewTenant, new_id: uuid::Uuid) -> Result<String, OrderError> {
    let Registry::Table { table, columns, .. } = &layout.registry else { return Ok(String::new()) };
    let row = preflight::drafted(layout, tenant, columns, new_id)?;
    let id = columns.id.as_ref().map(|column| &column.name);
    maker::insert_row_sql(table, id, &row).map_err(|error| gate::refused(error.to_string()))
}

pub use super::maker::role_by_hand;

/// Its files, by version.
type Files = HashMap<String, Arc<MigrationFile>>;

/// Makes the tenants that are not made yet.
pub(super) async fn run(
    place: &Place<'_>,
    shared: &Shared<'_>,
    files: &Files,
    early: Option<WriterSession>,
) -> Result<(), OrderError> {
    let mut making = Making {
        target: place.target,
        params: place.params,
        has_ledger: place.params.tool.is_some() && place.params.command.is_none(),
        seed: seed::of(place.params).await?.map(Arc::new),
        shows_credentials: place.shows_credentials,
        known: None,
    };
    let new_lane = || Lane::new(place.target, place.job, place.home, &shared.watcher);
    let mut first = new_lane();
    // It reads the record, and knows its tables when the first tenant is made.
    let session = first.session_or(early).await?;
    making.know_names(session).await?;
    let Open { makers, stopped } = prepare(place, &making, files, session, None).await?;
    if makers.is_empty() && stopped > 0 {
        shared.halt(Halt::Pause(Waits::Trouble, "it failed before: retry it".to_owned()));
        return Ok(());
    }
    let count = u32::try_from(makers.len()).unwrap_or(MAX_LANES);
    let at_once = place.parallel.clamp(1, MAX_LANES).min(count);
    if count > 1 {
        shared.reports.note(format!("{count} tenants, {at_once} at a time")).await;
    }
    let lanes = std::iter::once(first).chain((1..at_once).map(|_| new_lane()));
    let queue = Queue { makers, next: AtomicUsize::new(0), failed: AtomicU32::new(0) };
    join_all(lanes.map(|own| lane(place, &making, shared, files, &queue, own))).await;
    Ok(())
}

/// Tenants to be made, and how it goes with them.
struct Queue<'a> {
    makers: Vec<Maker<'a>>,
    next: AtomicUsize,
    failed: AtomicU32,
}

/// Takes tenant after tenant until none is left or the run is halted.
async fn lane<'p>(
    place: &Place<'p>,
    making: &Making<'p>,
    shared: &Shared<'_>,
    files: &Files,
    queue: &Queue<'p>,
    mut lane: Lane<'p>,
) {
    while !shared.halted() {
        let at = queue.next.fetch_add(1, Ordering::Relaxed);
        let Some(maker) = queue.makers.get(at) else { return };
        match one(place, making, shared, files, &mut lane, maker).await {
            Ok(true) => {}
            Ok(false) => {
                let failed = queue.failed.fetch_add(1, Ordering::Relaxed) + 1;
                let max = place.params.pace.max_failures.max(1);
                let left = queue.makers.len().saturating_sub(queue.next.load(Ordering::Relaxed));
                if failed >= max && left > 0 && !shared.halted() {
                    over_budget(shared, failed, max);
                }
            }
            Err(error) => shared.halt(Halt::of(error)),
        }
    }
}

/// One tenant; whether it is made.
async fn one<'p>(
    place: &Place<'p>,
    making: &Making<'p>,
    shared: &Shared<'_>,
    files: &Files,
    lane: &mut Lane<'_>,
    maker: &Maker<'p>,
) -> Result<bool, OrderError> {
    let started = Instant::now();
    let made = if maker.is_in_pieces() {
        in_pieces(place, making, shared, files, maker, lane).await?
    } else {
        part(shared, lane, maker, Part::Whole).await
    };
    if made {
        let text = format!("tenant made   {}", seconds(started.elapsed()));
        shared.reports.line(LogMark::Ok, &maker.slug, text).await;
        shared.reports.send(Report::Ended(Outcome::Done)).await;
    }
    Ok(made)
}

/// A tenant with files that run outside of a transaction: the schema, then file by file, and the registry row last, so
/// that nobody uses a tenant that is not whole. Its progress is in the steps: what is done is not done again.
async fn in_pieces<'p>(
    place: &Place<'p>,
    making: &Making<'p>,
    shared: &Shared<'_>,
    files: &Files,
    begun: &Maker<'p>,
    lane: &mut Lane<'_>,
) -> Result<bool, OrderError> {
    let read_back;
    let maker = if begun.is_done(Part::Schema) {
        begun
    } else {
        if !part(shared, lane, begun, Part::Schema).await {
            return Ok(false);
        }
        let (session, _) = lane.session().await?;
        // Read back: the oid, and what is done.
        let Some(now) = prepare(place, making, files, session, Some(&begun.steps)).await?.makers.pop() else {
            return Ok(false);
        };
        read_back = now;
        &read_back
    };
    let Some(oid) = maker.steps.iter().find_map(|step| step.schema_oid) else {
        return Err(gate::refused("the job's record does not say which schema it made"));
    };
    let tenant = TenantSteps {
        id: None,
        slug: maker.slug.clone(),
        schema: maker.schema.clone(),
        schema_oid: oid,
        registry_check: None,
        steps: Vec::new(),
        stopped: false,
    };
    match by_itself(shared, lane, maker, &tenant).await {
        StepResult::Done => Ok(part(shared, lane, maker, Part::Row(oid)).await),
        StepResult::Halted => Ok(false),
        StepResult::Stopped(outcome) => {
            let text = format!(
                "schema {} is half made and has no registry row: retry the job to go on, or remove the schema \
                 (`tenantui drop`)",
                maker.schema.raw()
            );
            shared.reports.line(LogMark::Note, &maker.slug, text).await;
            shared.reports.send(Report::Ended(outcome)).await;
            Ok(false)
        }
    }
}

/// The files behind the schema's transaction, or the tool's own command, each by itself.
async fn by_itself(shared: &Shared<'_>, lane: &mut Lane<'_>, maker: &Maker<'_>, tenant: &TenantSteps) -> StepResult {
    let mut ledger_expected = true;
    let mut from = None;
    for step in &maker.steps {
        let Some(file) = &step.file else { continue };
        let from = from.replace(file.version.clone());
        if step.done {
            continue;
        }
        if !shared.may_start(true).await {
            return StepResult::Halted;
        }
        let row = StepRow {
            action: step.action,
            seq: step.seq,
            version: file.version.clone(),
            from,
            file: Arc::clone(file),
            pending: true,
            intent: step.intent,
        };
        let started = Instant::now();
        let result = if step.action == StepAction::Command {
            drive::run(shared, lane, tenant, &row, true).await
        } else {
            attempt::run(shared, lane, tenant, &row, &mut ledger_expected, true).await
        };
        if !matches!(result, StepResult::Done) {
            return result;
        }
        if maker.is_alone {
            shared.reports.send(Report::Step).await;
            let text = format!("{}   {}", maker.step_name(step.seq), seconds(started.elapsed()));
            shared.reports.line(LogMark::Note, &maker.slug, text).await;
        }
    }
    StepResult::Done
}

/// One transaction of it. Whether it is done.
async fn part(shared: &Shared<'_>, lane: &mut Lane<'_>, maker: &Maker<'_>, part: Part) -> bool {
    // Lanes of this process take their turns here; other processes are met at the locks in the transaction.
    let _turn = if maker.takes_turns() { Some(shared.turn.lock().await) } else { None };
    match transacted::run(shared, lane, &OnePart { shared, maker, part }).await {
        Came::Done { here } => {
            if here && part.makes_schema() {
                tell_role(shared, maker).await;
            }
            true
        }
        Came::Halted | Came::Failed => false,
    }
}

/// A part of a tenant, as a transaction.
struct OnePart<'t, 's, 'm> {
    shared: &'t Shared<'s>,
    maker: &'t Maker<'m>,
    part: Part,
}

impl Transaction for OnePart<'_, '_, '_> {
    async fn attempt(&self, session: &WriterSession, tries: u32) -> End {
        maker::make(&session.client, self.maker, self.shared, self.part, tries).await
    }

    fn slug(&self) -> &str {
        &self.maker.slug
    }

    fn schema(&self) -> &SchemaName {
        &self.maker.schema
    }

    fn step_name(&self, seq: i32) -> String {
        self.maker.step_name(seq)
    }

    fn left(&self) -> &'static str {
        match self.part {
            Part::Whole | Part::Schema => "nothing of this tenant is left",
            Part::Row(_) => "its schema is whole and has no registry row",
        }
    }

    fn tells_steps(&self) -> bool {
        self.maker.is_alone
    }
}

/// The role is there: its password is shown, once, or it is said that there is none.
async fn tell_role(shared: &Shared<'_>, maker: &Maker<'_>) {
    let Some(role) = &maker.role else { return };
    if let Some(credentials) = role.credentials(&maker.slug) {
        shared.reports.send(Report::Credentials(credentials)).await;
    } else if let Some(words) = role.without_password() {
        shared.reports.line(LogMark::Note, &maker.slug, words).await;
    }
}

/// The tenants of a job that are left to be made.
struct Open<'a> {
    makers: Vec<Maker<'a>>,
    /// How many failed before and were not put back.
    stopped: usize,
}

/// Reads the job's steps: all of them, or those of one tenant by their numbers.
async fn prepare<'a>(
    place: &Place<'a>,
    making: &Making<'a>,
    files: &Files,
    session: &WriterSession,
    only: Option<&[MakerStep]>,
) -> Result<Open<'a>, OrderError> {
    let which = match only {
        Some(steps) => steps::by_numbers(place.job.0, steps.iter().map(|step| step.seq)),
        None => format!("job_id = {}", place.job),
    };
    let sql = format!(
        "SELECT seq, action, version, state, schema_oid, schema_name FROM tenantui.step WHERE {which} ORDER BY seq"
    );
    let rows = gate::ask(session, &sql).await?;
    let rows: Vec<_> = rows.iter().flatten().collect();
    let tenants: HashMap<&str, _> = place.params.provision.iter().map(|one| (one.schema.as_str(), one)).collect();
    let mut open = Open { makers: Vec::new(), stopped: 0 };
    for own in rows.chunk_by(|a, b| a.text(5) == b.text(5)) {
        let is = |row: &&TextRow, states: &[&str]| row.text(3).is_some_and(|state| states.contains(&state));
        if own.iter().all(|row| is(row, &["done", "skipped"])) {
            continue;
        }
        if own.iter().any(|row| is(row, &["failed", "blocked", "unknown"])) {
            open.stopped += 1;
            continue;
        }
        let schema = own.first().and_then(|row| row.text(5)).unwrap_or_default();
        let provision = tenants.get(schema).copied().ok_or_else(|| {
            gate::refused(format!("the job's record has steps of {schema}, and no tenant of that schema"))
        })?;
        let steps: Result<Vec<MakerStep>, OrderError> =
            own.iter().map(|row| maker_step(row, files, place.job)).collect();
        open.makers.push(Maker::new(making, provision, steps?)?);
    }
    Ok(open)
}

fn maker_step(row: &TextRow, files: &Files, job: JobId) -> Result<MakerStep, OrderError> {
    let version = row.text(2);
    let file = version.and_then(|version| files.get(version)).cloned();
    if version.is_some() && file.is_none() {
        return Err(gate::refused(format!("job {job} runs a file that is not in the folder")));
    }
    let action = row.text(1).and_then(StepAction::from_word).ok_or_else(|| {
        gate::refused(format!("job {job} has a step that this program does not know: use a newer tenantui"))
    })?;
    let state = row.text(3).unwrap_or_default();
    Ok(MakerStep {
        seq: row.parse(0)?.unwrap_or_default(),
        action,
        file,
        done: state == "done",
        intent: state == "intent",
        schema_oid: row.parse(4)?,
    })
}
