//! The transactions that make a tenant: one where all its files run in one; otherwise the schema first, the row last.

mod sql;

use std::sync::Arc;
use std::time::Instant;

use tokio_postgres::Client;

pub(super) use self::sql::{NOW_TEXT, insert_row_sql};
use self::sql::{insert_sql, tail_sql};
use super::gate;
use super::orders::OrderError;
use super::params::{Params, ProvisionParams, Value};
use super::preflight::{taken_names, taken_sql};
use super::report::{Report, seconds};
use super::shared::Shared;
use crate::layout::CheckedName;
use crate::layout::naming::fold;
use crate::migrations::alone;
use crate::migrations::apply::guard::{self, Guard};
use crate::migrations::apply::keys;
use crate::migrations::apply::ledger::Way;
use crate::migrations::apply::run::{self, Fault, FileEnd};
use crate::migrations::apply::step::{self, BEGIN, BOOKKEEPING, CLEAN, Flag, StepEnd, classify, fence_sql};
use crate::migrations::apply::wire::{self, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName, literal};
use crate::model::job::LogMark;
use crate::postgres::session::{Target, TextRow};

/// How making a tenant ended, and at which step.
pub(super) struct End {
    pub(super) end: StepEnd,
    pub(super) seq: i32,
}

/// Everything that is needed, checked.
pub(super) struct Maker<'a> {
    pub(super) slug: String,
    pub(super) schema: SchemaName,
    target: &'a Target,
    provision: &'a ProvisionParams,
    registry: Option<RegistryTable>,
    pub(super) steps: Vec<MakerStep>,
    has_files: bool,
}

/// A step of the job.
pub(super) struct MakerStep {
    pub(super) seq: i32,
    /// `row`, `schema`, `migrate`, `active`.
    pub(super) action: String,
    pub(super) file: Option<Arc<MigrationFile>>,
    pub(super) done: bool,
    /// Its statement may have been sent by an attempt whose end nobody saw.
    pub(super) intent: bool,
    pub(super) schema_oid: Option<u32>,
}

impl MakerStep {
    fn runs_alone(&self) -> bool {
        self.file.as_ref().is_some_and(|file| matches!(alone::of(file), Ok(Some(_))))
    }
}

/// What one transaction makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The tenant, whole.
    Whole,
    /// Its schema and ledger, and the files up to the first that runs alone. No registry row: nobody uses it yet.
    Schema,
    /// The registry row of a schema that is whole; its oid.
    Row(u32),
}

struct RegistryTable {
    table: QualifiedName,
    slug: Ident,
    id: Option<Ident>,
}

/// What the opening found.
struct Opened {
    guard: Guard,
    /// The row's id, as text.
    id: Option<String>,
    /// The new schema's oid.
    oid: String,
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        params: &'a Params,
        target: &'a Target,
        steps: Vec<MakerStep>,
        has_files: bool,
    ) -> Result<Self, OrderError> {
        let wrong = |error: IdentError| gate::refused(format!("the job's record: {error}"));
        let provision =
            params.provision.as_ref().ok_or_else(|| gate::refused("the job's record names no tenant to make"))?;
        let registry = match &params.registry {
            Some(registry) => Some(RegistryTable {
                table: registry.table().map_err(wrong)?,
                slug: Ident::new(&registry.slug).map_err(wrong)?,
                id: registry.id.as_deref().map(Ident::new).transpose().map_err(wrong)?,
            }),
            None => None,
        };
        let schema = SchemaName::tenant(&provision.schema).map_err(wrong)?;
        Ok(Self { slug: provision.slug.clone(), schema, target, provision, registry, steps, has_files })
    }

    /// A step in words.
    pub(super) fn step_name(&self, seq: i32) -> String {
        match self.steps.iter().find(|step| step.seq == seq).map(|step| (&step.action, &step.file)) {
            Some((_, Some(file))) => format!("migrate {}", file.version.untrusted().safe()),
            Some((action, None)) => words(action).to_owned(),
            None => "finish".to_owned(),
        }
    }

    /// Tells how far the open transaction is.
    async fn through(&self, shared: &Shared<'_>, seq: i32) {
        let through = self.steps.iter().filter(|step| step.seq <= seq).count();
        shared.reports.send(Report::StepsThrough(u32::try_from(through).unwrap_or(u32::MAX))).await;
    }

    /// Whether a file runs outside of a transaction: the tenant is then made piece by piece.
    pub(super) fn is_in_pieces(&self) -> bool {
        self.steps.iter().any(MakerStep::runs_alone)
    }

    /// The files that run within this part's transaction.
    fn in_transaction(&self, part: Part) -> impl Iterator<Item = &MakerStep> {
        let count = match part {
            Part::Whole => self.steps.len(),
            Part::Schema => self.steps.iter().position(MakerStep::runs_alone).unwrap_or(self.steps.len()),
            Part::Row(_) => 0,
        };
        self.steps.iter().take(count).filter(|step| step.file.is_some())
    }

    /// Whether the record says that a part is done.
    pub(super) fn is_done(&self, part: Part) -> bool {
        let mark = self.mark(part);
        self.steps.iter().any(|step| step.seq == mark && step.done)
    }

    /// The step by which it is known whether a part is done.
    pub(super) fn mark(&self, part: Part) -> i32 {
        match part {
            Part::Whole | Part::Row(_) => self.first("row"),
            Part::Schema => self.first("schema"),
        }
    }

    fn first(&self, action: &str) -> i32 {
        self.steps.iter().find(|step| step.action == action).map_or(1, |step| step.seq)
    }
}

fn words(action: &str) -> &'static str {
    match action {
        "row" => "reserve row",
        "schema" => "create schema",
        "active" => "mark active",
        _ => "finish",
    }
}

/// Makes this part of the tenant, or nothing of it.
pub(super) async fn make(client: &Client, maker: &Maker<'_>, shared: &Shared<'_>, part: Part, tries: u32) -> End {
    let started = Instant::now();
    let at = |action: &str, end: StepEnd| End { end, seq: maker.first(action) };
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let xid = match open(client, maker, shared, part, &nonce).await {
        Ok(xid) => xid,
        Err(end) => return End { end: step::left(client, end).await, seq: maker.mark(part) },
    };
    let opened = match row_and_schema(client, maker, shared, part, xid, nonce).await {
        Ok(opened) => opened,
        Err(end) => return end,
    };
    let made: &[&str] = match part {
        Part::Whole => &["row", "schema"],
        Part::Schema => &["schema"],
        Part::Row(_) => &["row"],
    };
    for action in made {
        shared.reports.line(LogMark::Note, &maker.slug, words(action)).await;
    }
    maker.through(shared, maker.first("schema")).await;
    if let Err(end) = migrations(client, maker, shared, part, &opened).await {
        return end;
    }
    let tail = match tail_sql(maker, shared, part, &opened, tries) {
        Ok(tail) => tail,
        Err(error) => return at("active", StepEnd::Failed(Fault::ours(error.to_string()))),
    };
    match wire::ask(client, &tail, BOOKKEEPING).await {
        Ok(rows) if maker.registry.is_none() || rows.get(1).is_some_and(|rows| rows.len() == 1) => {}
        Ok(_) => {
            let fault =
                Fault::ours("the new registry row is not as it was written (a trigger or a policy?); rolled back");
            return at("active", StepEnd::Failed(fault));
        }
        Err(trouble) => return at("active", ended(&trouble)),
    }
    let end = step::commit(client, opened.guard.xid, started).await;
    End { end, seq: maker.mark(part) }
}

fn ended(trouble: &Trouble) -> StepEnd {
    match trouble {
        Trouble::Lost(why) => StepEnd::Lost(why.clone()),
        Trouble::Server(_) => classify(Fault::server(trouble)),
    }
}

/// BEGIN, limits, fence, the locks of the name, and behind them every name there is. Returns the transaction's number.
async fn open(
    client: &Client,
    maker: &Maker<'_>,
    shared: &Shared<'_>,
    part: Part,
    nonce: &str,
) -> Result<String, StepEnd> {
    let numbers = maker.provision.row.iter().any(|value| value.value == Value::NextNumber);
    let registry_lock = if numbers {
        format!(", pg_catalog.pg_try_advisory_xact_lock({})", keys::name("/registry"))
    } else {
        ", true".to_owned()
    };
    let turn = if maker.in_transaction(part).any(|step| step.file.as_ref().is_some_and(|f| f.is_one_at_a_time())) {
        format!("pg_catalog.pg_try_advisory_xact_lock({})", keys::shared())
    } else {
        "true".to_owned()
    };
    let sql = format!(
        "{limits} {fence} SELECT pg_catalog.pg_try_advisory_xact_lock({name}), pg_catalog.pg_try_advisory_xact_lock({schema_name}), \
         pg_catalog.pg_try_advisory_xact_lock({tenant}){registry_lock}, {turn}; \
         SELECT pg_catalog.txid_current()::text, pg_catalog.set_config('tenantui.nonce', {nonce}, true), \
         (SELECT s.state FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq}); {taken}",
        limits = shared.limits.sql(),
        fence = fence_sql(shared.fence),
        name = keys::name(&fold(&maker.slug)),
        schema_name = keys::name(&format!("/schema/{}", fold(maker.schema.raw()))),
        tenant = keys::tenant(maker.schema.raw()),
        nonce = literal(nonce),
        job = shared.fence.job,
        seq = maker.mark(part),
        taken = taken_sql(maker.registry.as_ref().map(|r| &r.table), maker.registry.as_ref().map(|r| &r.slug)),
    );
    let rows = wire::ask_behind(client, &[CLEAN, BEGIN, &sql], BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
    let [_, fence, locks, facts, taken @ ..] = rows.as_slice() else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks has an unexpected form")));
    };
    let Some(fence) = fence.first() else { return Err(StepEnd::Fenced) };
    if fence.is_true(0) {
        return Err(StepEnd::Flagged(Flag::Cancel));
    }
    if fence.is_true(1) {
        return Err(StepEnd::Flagged(Flag::Pause));
    }
    if !locks.first().is_some_and(|row| (0..4).all(|column| row.is_true(column))) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session is making a tenant of this name")));
    }
    if !locks.first().is_some_and(|row| row.is_true(4)) {
        return Err(StepEnd::Queued);
    }
    let facts = facts.first();
    if facts.and_then(|row| row.text(2)) == Some("done") {
        return Err(StepEnd::Already);
    }
    let name = CheckedName { slug: maker.slug.clone(), schema: maker.schema.clone() };
    let mut taken = taken_names(taken);
    if let Part::Row(_) = part {
        // The schema is this job's own: whether it still is, is looked at next.
        taken.schemas.retain(|schema| schema != maker.schema.raw());
    }
    if let Err(error) = taken.check(&name) {
        return Err(StepEnd::Failed(Fault::ours(format!("{error}; nothing was made"))));
    }
    Ok(facts.and_then(|row| row.text(0)).unwrap_or_default().to_owned())
}

/// The row, the schema, and the search path of the files.
async fn row_and_schema(
    client: &Client,
    maker: &Maker<'_>,
    shared: &Shared<'_>,
    part: Part,
    xid: String,
    nonce: String,
) -> Result<Opened, End> {
    let at = |action: &str, end: StepEnd| End { end, seq: maker.first(action) };
    let broken = |error: IdentError| at("row", StepEnd::Failed(Fault::ours(error.to_string())));
    let insert = match part {
        Part::Whole | Part::Row(_) => insert_sql(maker).map_err(broken)?,
        Part::Schema => "SELECT NULL::text;".to_owned(),
    };
    let rows = wire::ask(client, &insert, BOOKKEEPING).await.map_err(|trouble| at("row", taken_meanwhile(&trouble)))?;
    let id = rows.iter().flatten().next().and_then(|row| row.text(0)).map(str::to_owned);
    let path = guard::search_path(&maker.schema, shared.search_path_extra);
    let create = match part {
        Part::Whole | Part::Schema => format!("CREATE SCHEMA {}", maker.schema.quoted()),
        Part::Row(_) => "SELECT 1".to_owned(),
    };
    let schema = format!(
        "{create}; SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {name}::name; \
         SELECT pg_catalog.set_config('search_path', {path}, true); SELECT pg_catalog.current_schema()::text, {settings};",
        name = literal(maker.schema.raw()),
        path = literal(&path),
        settings = guard::SETTINGS_SQL,
    );
    let rows =
        wire::ask(client, &schema, BOOKKEEPING).await.map_err(|trouble| at("schema", taken_meanwhile(&trouble)))?;
    let text = |set: usize, column: usize| {
        rows.get(set).and_then(|rows: &Vec<TextRow>| rows.first()).and_then(|row| row.text(column)).map(str::to_owned)
    };
    if text(3, 0).as_deref() != Some(maker.schema.raw()) {
        let fault = Fault::ours("search_path does not lead to the new schema; rolled back");
        return Err(at("schema", StepEnd::Failed(fault)));
    }
    let oid = text(1, 0).unwrap_or_default();
    if let Part::Row(expected) = part
        && oid != expected.to_string()
    {
        let words = "the schema is not the one that this job made; no registry row was written. Cancel the job";
        return Err(at("row", StepEnd::Failed(Fault::ours(words))));
    }
    let settings = text(3, 1).unwrap_or_default();
    let guard = Guard { xid, nonce, schema: maker.schema.clone(), path, settings };
    Ok(Opened { guard, id, oid })
}

/// Somebody who is not tenantui took the name between the look and the write.
fn taken_meanwhile(trouble: &Trouble) -> StepEnd {
    match trouble {
        Trouble::Server(refused) if matches!(refused.sqlstate.as_str(), "23505" | "42P06") => {
            let words = format!("the name was taken meanwhile: {}; nothing was made", refused.message.raw());
            StepEnd::Failed(Fault { message: words.into(), ..Fault::server(trouble) })
        }
        Trouble::Server(_) | Trouble::Lost(_) => ended(trouble),
    }
}

/// The ledger, and every file with its row; the guard after each.
async fn migrations(
    client: &Client,
    maker: &Maker<'_>,
    shared: &Shared<'_>,
    part: Part,
    opened: &Opened,
) -> Result<(), End> {
    if !maker.has_files || matches!(part, Part::Row(_)) {
        return Ok(());
    }
    let fail = |seq: i32, fault: Fault| End { end: StepEnd::Failed(fault), seq };
    let schema_seq = maker.first("schema");
    let table = shared.ledger.table(&maker.schema).map_err(|error| fail(schema_seq, Fault::ours(error.to_string())))?;
    let create = shared.ledger.create_sql(&table);
    if let Err(trouble) = wire::ask(client, &create, BOOKKEEPING).await {
        return Err(End { end: ended(&trouble), seq: schema_seq });
    }
    for step in maker.in_transaction(part) {
        let (seq, Some(file)) = (&step.seq, &step.file) else { continue };
        let started = Instant::now();
        let before = shared.ledger.before_sql(&table);
        let after = format!("{} {}", opened.guard.sql(), shared.ledger.after_sql(&table, file, Way::Up { from: None }));
        let end = match run::file(client, &before, file, file.verify.as_deref(), &after, shared.limits.patience()).await
        {
            FileEnd::Ran => {
                let text = format!("migrate {}   {}", file.version.raw(), seconds(started.elapsed()));
                shared.reports.line(LogMark::Note, &maker.slug, text).await;
                maker.through(shared, *seq).await;
                continue;
            }
            FileEnd::Refused(fault) => classify(fault),
            FileEnd::Escaped(fault) => StepEnd::Escaped(fault),
            FileEnd::Lost(why) => StepEnd::Lost(why),
        };
        return Err(End { end, seq: *seq });
    }
    Ok(())
}
