//! One transaction of making a tenant: the checks, the row, the schema, the files with their ledger rows, the seed, the
//! record; COMMIT by itself.

use std::sync::Arc;
use std::time::Instant;

use tokio_postgres::Client;

use super::role::{all_sql, first_sql};
use super::sql::{insert_sql, tail_sql};
use super::{Maker, Opened, Part, RegistryTable};
use crate::config::RunAs;
use crate::jobs::params::Value;
use crate::jobs::preflight::{taken_like_sql, taken_names};
use crate::jobs::report::seconds;
use crate::jobs::shared::Shared;
use crate::jobs::transacted::End;
use crate::layout::CheckedName;
use crate::layout::naming::fold;
use crate::migrations::apply::guard::{self, Guard, STATE_SQL};
use crate::migrations::apply::keys;
use crate::migrations::apply::ledger::Way;
use crate::migrations::apply::rights::{self, Lasting};
use crate::migrations::apply::run::{self, Fault, FileEnd, FileRun, Files, Sending, Told};
use crate::migrations::apply::step::{
    self, BEGIN, BOOKKEEPING, CLEAN, StepEnd, classify, ended, fence_and_sql, heed_fence,
};
use crate::migrations::apply::wire::{self, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{IdentError, literal};
use crate::model::job::{LogMark, StepAction};
use crate::postgres::session::TextRow;

/// Tables that are new have no rows: no second process helps to build an index of theirs, and for each of them the server
/// would plan whether one does (0.4 ms of 56 for a tenant of 41 indexes).
const SERIAL: &str = "SELECT pg_catalog.set_config('max_parallel_maintenance_workers', '0', true);";

/// Makes this part of the tenant, or nothing of it.
pub(in crate::jobs) async fn make(
    client: &Client,
    maker: &Maker<'_>,
    shared: &Shared<'_>,
    part: Part,
    tries: u32,
) -> End {
    let started = Instant::now();
    let last = |end: StepEnd| End { end, seq: maker.first(StepAction::Active) };
    let xid = match open(client, maker, shared, part).await {
        Ok(xid) => xid,
        Err(end) => return End { end: step::left(client, end).await, seq: maker.mark(part) },
    };
    let mut opened = match row_and_schema(client, maker, shared, part, xid).await {
        Ok(opened) => opened,
        Err(end) => return end,
    };
    if let Err(end) = role(client, maker, shared, part).await {
        return end;
    }
    if let Err(end) = as_owner(client, maker, &mut opened).await {
        return end;
    }
    if let Err(end) = migrations(client, maker, shared, part, &opened).await {
        return end;
    }
    if part.makes_row()
        && let Err(end) = grants_and_seed(client, maker, shared, &opened).await
    {
        return end;
    }
    let tail = match tail_sql(maker, shared, part, &opened, tries) {
        Ok(tail) => tail,
        Err(error) => return last(StepEnd::Failed(Fault::ours(error.to_string()))),
    };
    match wire::ask(client, &tail, BOOKKEEPING).await {
        Ok(rows) if maker.registry.is_none() || rows.get(1).is_some_and(|rows| rows.len() == 1) => {}
        Ok(_) => {
            let fault = Fault::ours(
                "the new registry row is not as it was written (a trigger, a policy, or a generated column that names \
                 another schema?); rolled back",
            );
            return last(StepEnd::Failed(fault));
        }
        Err(trouble) => return last(ended(&trouble)),
    }
    let end = step::commit(client, opened.guard.xid, started).await;
    if part.makes_row()
        && matches!(end, StepEnd::Done { .. })
        && let Ok(oid) = opened.oid.parse()
    {
        // Nobody listens where nothing is compared.
        let _alone = shared.through.send(oid);
    }
    End { end, seq: maker.mark(part) }
}

/// A step without a file is through in the open transaction.
async fn told(maker: &Maker<'_>, shared: &Shared<'_>, action: StepAction) {
    if maker.is_alone {
        shared.reports.line(LogMark::Note, &maker.slug, maker.words(action)).await;
        maker.through(shared, maker.first(action)).await;
    }
}

/// BEGIN, limits, fence, the locks of the name, and behind them every name there is. Returns the transaction's number.
async fn open(client: &Client, maker: &Maker<'_>, shared: &Shared<'_>, part: Part) -> Result<String, StepEnd> {
    let numbers = maker.provision.row.iter().any(|value| value.value == Value::NextNumber);
    let shared_by_all = |file: &Arc<MigrationFile>| file.is_one_at_a_time();
    let seed = maker.seed.iter().filter(|_| part.makes_row());
    let turn = maker.in_transaction(part).filter_map(|step| step.file.as_ref()).chain(seed).any(shared_by_all);
    // Where the tool has a lock of each schema, it is kept out of the one that it may see before it is whole.
    let tool = shared.ledger.schema_key(shared.database, &maker.schema).filter(|_| maker.has_ledger);
    let keys = [
        Some(keys::name(&fold(&maker.slug))),
        Some(keys::name(&format!("/schema/{}", fold(maker.schema.raw())))),
        Some(keys::tenant(maker.schema.raw())),
        numbers.then(|| keys::name("/registry")),
        turn.then(keys::shared),
        tool,
    ];
    let locks: String = keys.into_iter().map(|key| format!(", {}", keys::try_sql(key))).collect();
    let name = CheckedName { slug: maker.slug.clone(), schema: maker.schema.clone() };
    let sql = format!(
        "{limits} {SERIAL} {fence} SELECT pg_catalog.txid_current()::text, \
         (SELECT s.state FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq}); {taken}",
        limits = shared.limits.sql(),
        fence = fence_and_sql(shared.fence, &locks),
        job = shared.fence.job,
        seq = maker.mark(part),
        taken = taken_like_sql(maker.registry.as_ref().map(RegistryTable::names), &name, maker.known.as_deref()),
    );
    let rows = wire::ask_behind(client, &[CLEAN, BEGIN, &sql], BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
    let [_, _, fence, facts, taken @ ..] = rows.as_slice() else {
        return Err(StepEnd::Failed(Fault::ours("the server's answer to the checks has an unexpected form")));
    };
    heed_fence(fence, true)?;
    let locks = fence.first();
    if !locks.is_some_and(|row| (2..6).all(|column| row.is_true(column))) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session is making a tenant of this name")));
    }
    if !locks.is_some_and(|row| row.is_true(6)) {
        return Err(StepEnd::Queued);
    }
    if !locks.is_some_and(|row| row.is_true(7)) {
        let words = format!("the lock of {} for this schema is held: it is at work there", shared.ledger.tool());
        return Err(StepEnd::Locked(Fault::ours(words)));
    }
    let facts = facts.first();
    if facts.and_then(|row| row.text(1)) == Some("done") {
        return Err(StepEnd::Already);
    }
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
) -> Result<Opened, End> {
    let at = |action: StepAction, end: StepEnd| End { end, seq: maker.first(action) };
    let broken = |error: IdentError| at(StepAction::Row, StepEnd::Failed(Fault::ours(error.to_string())));
    let insert = if part.makes_row() { insert_sql(maker).map_err(broken)? } else { "SELECT NULL::text;".to_owned() };
    let path = guard::search_path(&maker.schema, shared.search_path_extra);
    let owner = maker.owner.as_ref().map(|owner| format!(" AUTHORIZATION {}", owner.quoted())).unwrap_or_default();
    let create = if part.makes_schema() {
        format!("CREATE SCHEMA {}{owner}", maker.schema.quoted())
    } else {
        "SELECT 1".to_owned()
    };
    let sql = format!(
        "{insert} {create}; {mark} {set_path} \
         SELECT pg_catalog.to_regnamespace({name})::oid::text, pg_catalog.current_schema()::text, {STATE_SQL};",
        mark = guard::mark_sql(),
        set_path = guard::set_path_sql(&path),
        name = literal(&maker.schema.quoted()),
    );
    let rows = wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| match &trouble {
        Trouble::Server(refused) if refused.behind == 0 => at(StepAction::Row, taken_meanwhile(&trouble)),
        Trouble::Server(_) | Trouble::Lost(_) => at(StepAction::Schema, taken_meanwhile(&trouble)),
    })?;
    let text = |set: usize, column: usize| {
        rows.get(set).and_then(|rows: &Vec<TextRow>| rows.first()).and_then(|row| row.text(column)).map(str::to_owned)
    };
    let id = text(0, 0);
    if text(4, 1).as_deref() != Some(maker.schema.raw()) {
        let fault = Fault::ours("search_path does not lead to the new schema; rolled back");
        return Err(at(StepAction::Schema, StepEnd::Failed(fault)));
    }
    let oid = text(4, 0).unwrap_or_default();
    if let Part::Row(expected) = part
        && oid != expected.to_string()
    {
        let words = "the schema is not the one that this job made; no registry row was written. Cancel the job";
        return Err(at(StepAction::Row, StepEnd::Failed(Fault::ours(words))));
    }
    let state = text(4, 2).unwrap_or_default();
    if part.makes_row() {
        told(maker, shared, StepAction::Row).await;
    }
    if part.makes_schema() {
        told(maker, shared, StepAction::Schema).await;
    }
    let guard = Guard { xid, path, state, home: None };
    Ok(Opened { guard, id, oid })
}

/// From here on the rights are those of the schema's owner, where the job says so.
async fn as_owner(client: &Client, maker: &Maker<'_>, opened: &mut Opened) -> Result<(), End> {
    match maker.run_as {
        RunAs::Login => return Ok(()),
        RunAs::Owner => {}
    }
    let sql = format!("{} SELECT {STATE_SQL};", rights::take_sql(&maker.schema, Lasting::Transaction));
    let rows = wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| {
        let fault = Fault::server(&trouble);
        let message = format!("{}; {}", fault.message.raw(), rights::ADVICE);
        let end = match trouble {
            Trouble::Server(_) => StepEnd::Failed(Fault { message: message.into(), ..fault }),
            Trouble::Lost(why) => StepEnd::Lost(why),
        };
        End { end, seq: maker.first(StepAction::Schema) }
    })?;
    let text = |rows: Option<&Vec<TextRow>>| rows.and_then(|rows| rows.first()?.text(0).map(str::to_owned));
    opened.guard.home = text(rows.first());
    opened.guard.state = text(rows.last()).unwrap_or_default();
    Ok(())
}

/// Somebody who is not tenantui took the name between the look and the write.
fn taken_meanwhile(trouble: &Trouble) -> StepEnd {
    match trouble {
        // A row, a schema, a role: roles are of the whole server, and any of its databases may have made one.
        Trouble::Server(refused) if matches!(refused.sqlstate.as_str(), "23505" | "42P06" | "42710") => {
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
    if !maker.has_ledger || !part.makes_schema() {
        return Ok(());
    }
    let fail = |seq: i32, fault: Fault| End { end: StepEnd::Failed(fault), seq };
    let schema_seq = maker.first(StepAction::Schema);
    let table = shared.ledger.table(&maker.schema).map_err(|error| fail(schema_seq, Fault::ours(error.to_string())))?;
    let mut create = shared.ledger.create_sql(&table);
    let steps: Vec<(i32, &MigrationFile)> =
        maker.in_transaction(part).filter_map(|step| Some((step.seq, step.file.as_deref()?))).collect();
    if steps.is_empty() {
        let made = wire::ask(client, &create, BOOKKEEPING).await;
        return made.map(|_| ()).map_err(|trouble| End { end: ended(&trouble), seq: schema_seq });
    }
    let (first, again) = opened.guard.of_files(&steps.iter().map(|(_, file)| *file).collect::<Vec<_>>());
    let mut guard = Some(first);
    let runs: Vec<FileRun<'_>> = steps
        .iter()
        .map(|(_, file)| FileRun {
            // All are sent at once: one that ended the transaction would have the others run outside of it.
            front: if guard.is_some() { String::new() } else { again.clone() },
            // No mark of a run in progress, as a tool writes around its files: nobody sees the ledger before it is whole.
            before: std::mem::take(&mut create),
            file,
            verify: file.verify.as_deref(),
            after: format!(
                "{} {};",
                guard.take().as_ref().unwrap_or(&again),
                shared.ledger.record_sql(&table, file, Way::Up { from: None })
            ),
        })
        .collect();
    let files = Files::new(&runs, Sending::Together);
    let mut running = files.send(client, shared.limits.patience());
    while let Some(Told { file, end, took }) = running.next().await {
        let Some((seq, file)) = steps.get(file).copied() else { break };
        let end = match end {
            FileEnd::Refused(fault) => run::refused(client, &opened.guard.xid, fault).await,
            end => end,
        };
        if let Some(end) = file_ended(end) {
            return Err(End { end, seq });
        }
        if maker.is_alone {
            let text = format!("migrate {}   {}", file.version.raw(), seconds(took));
            shared.reports.line(LogMark::Note, &maker.slug, text).await;
            maker.through(shared, seq).await;
        }
    }
    Ok(())
}

/// `None`: it ran.
fn file_ended(end: FileEnd) -> Option<StepEnd> {
    match end {
        FileEnd::Ran => None,
        FileEnd::Refused(fault) => Some(classify(fault)),
        FileEnd::Escaped(fault) => Some(StepEnd::Escaped(fault)),
        FileEnd::Lost(why) => Some(StepEnd::Lost(why)),
    }
}

/// The tenant's role, and what it and others get of all that is made later.
async fn role(client: &Client, maker: &Maker<'_>, shared: &Shared<'_>, part: Part) -> Result<(), End> {
    if !part.makes_schema() {
        return Ok(());
    }
    let step = if maker.role.is_some() { StepAction::Role } else { StepAction::Schema };
    let at = |end: StepEnd| End { end, seq: maker.first(step) };
    let sql = match first_sql(maker, shared.database).await {
        Ok(Some(sql)) => sql,
        Ok(None) => return Ok(()),
        Err(error) => return Err(at(StepEnd::Failed(Fault::ours(error.to_string())))),
    };
    // Its statements name everything in full.
    wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| at(taken_meanwhile(&trouble)))?;
    if maker.role.is_some() {
        told(maker, shared, StepAction::Role).await;
    }
    Ok(())
}

/// What roles get of all that is there now, and the seed.
async fn grants_and_seed(client: &Client, maker: &Maker<'_>, shared: &Shared<'_>, opened: &Opened) -> Result<(), End> {
    let at = |end: StepEnd| End { end, seq: maker.first(StepAction::Grants) };
    let grants = all_sql(maker).map_err(|error| at(StepEnd::Failed(Fault::ours(error.to_string()))))?;
    if let Some(sql) = grants {
        wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| at(ended(&trouble)))?;
        told(maker, shared, StepAction::Grants).await;
    }
    let Some(seed) = &maker.seed else { return Ok(()) };
    let seed =
        FileRun { before: String::new(), front: String::new(), file: seed, verify: None, after: opened.guard.sql() };
    let end = run::file(client, &seed, shared.limits.patience()).await;
    if let Some(end) = file_ended(end) {
        return Err(End { end, seq: maker.first(StepAction::Seed) });
    }
    told(maker, shared, StepAction::Seed).await;
    Ok(())
}
