//! The one transaction: the checks again, the locks, the counts, the data, the sequences, the record; COMMIT by itself.

use std::time::Instant;

use super::facts::{Facts, outside_sql, rights_sql};
use super::form::{How, ImportOptions, ImportPlan, ImportTable};
use super::locked::{self, Wanted};
use super::plan::plan as make_plan;
use super::replace::{self, Both};
use super::statements::{count_sql, insert_sql, qualified, quoted, rows_of, sequences_sql};
use super::{Count, SOURCE, Tenant, no_room, room_sql};
use crate::jobs::shared::Shared;
use crate::migrations::apply::guard;
use crate::migrations::apply::keys;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{
    self, BEGIN, BOOKKEEPING, CLEAN, StepEnd, durable_sql, ended, fence_sql, heed_fence, step_done_sql,
};
use crate::migrations::apply::wire;
use crate::model::ident::literal;
use crate::model::job::LogMark;
use crate::postgres::session::{TextRow, WriterSession};
use crate::text::counted;

/// Runs it.
pub(super) async fn run(
    session: &WriterSession,
    plan: &ImportPlan,
    tenant: &Tenant,
    shared: &Shared<'_>,
    tries: u32,
) -> StepEnd {
    let started = Instant::now();
    let xid = match open(session, tenant, shared).await {
        Ok(xid) => xid,
        Err(end) => return step::left(&session.client, end).await,
    };
    let work = Work { session, plan, tenant, shared };
    let counts = match work.all().await {
        Ok(counts) => counts,
        Err(StepEnd::Locked(fault)) => return StepEnd::Locked(work.locked(fault).await),
        Err(end) => return end,
    };
    if let Err(trouble) = wire::ask(&session.client, &work.record_sql(&counts, tries), BOOKKEEPING).await {
        return ended(&trouble);
    }
    step::commit(&session.client, xid, started).await
}

fn failed(words: impl Into<String>) -> StepEnd {
    StepEnd::Failed(Fault::ours(words.into()))
}

/// BEGIN, limits, fence, the tenant's lock, and whether it still is the tenant of the plan. The transaction's number.
async fn open(session: &WriterSession, tenant: &Tenant, shared: &Shared<'_>) -> Result<String, StepEnd> {
    let sql = format!(
        "{limits} {fence} SELECT pg_catalog.pg_try_advisory_xact_lock({key}); \
         SELECT pg_catalog.txid_current()::text, (SELECT n.oid::text FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {schema}::name), \
         (SELECT s.state FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq}), \
         pg_catalog.set_config('row_security', 'off', true), pg_catalog.set_config('jit', 'off', true); {registry}",
        limits = shared.limits.sql(),
        fence = fence_sql(shared.fence),
        key = keys::tenant(tenant.schema.raw()),
        schema = literal(tenant.schema.raw()),
        job = shared.fence.job,
        seq = tenant.seq,
        registry = tenant.registry_check.as_deref().unwrap_or("SELECT 1;"),
    );
    let rows = wire::ask_behind(&session.client, &[CLEAN, BEGIN, &sql], BOOKKEEPING)
        .await
        .map_err(|trouble| ended(&trouble))?;
    let [_, fence, lock, facts, registry] = rows.as_slice() else {
        return Err(failed("the server's answer to the checks has an unexpected form"));
    };
    heed_fence(fence, true)?;
    if !lock.first().is_some_and(|row| row.is_true(0)) {
        return Err(StepEnd::Locked(Fault::ours("another tenantui session works in this schema")));
    }
    let text = |column: usize| facts.first().and_then(|row: &TextRow| row.text(column));
    if text(2) == Some("done") {
        return Err(StepEnd::Already);
    }
    if text(1).and_then(|oid| oid.parse().ok()) != Some(tenant.schema_oid) {
        return Err(failed("the schema is not the one of the plan: it was dropped or made again. Make a new plan"));
    }
    if registry.is_empty() {
        return Err(failed("the tenant's registry row is not as it was when the plan was made. Make a new plan"));
    }
    Ok(text(0).unwrap_or_default().to_owned())
}

struct Work<'w, 'a> {
    session: &'w WriterSession,
    plan: &'w ImportPlan,
    tenant: &'w Tenant,
    shared: &'w Shared<'a>,
}

impl Work<'_, '_> {
    async fn ask(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, StepEnd> {
        let patience = self.shared.limits.patience();
        wire::ask(&self.session.client, sql, patience).await.map_err(|trouble| ended(&trouble))
    }

    /// Of the one result.
    async fn rows(&self, sql: &str) -> Result<Vec<TextRow>, StepEnd> {
        Ok(self.ask(sql).await?.into_iter().flatten().collect())
    }

    async fn outside(&self, oids: &[u32]) -> Result<Vec<String>, StepEnd> {
        let rows = self.rows(&outside_sql(oids)).await?;
        Ok(rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
    }

    async fn both(&self, facts: &Facts) -> Result<Both, StepEnd> {
        let rows = self.rows(&Both::sql(facts)).await?;
        Both::parse(&rows, facts, self.plan).map_err(|error| failed(error.to_string()))
    }

    /// The data; how many rows each table has got.
    async fn all(&self) -> Result<Vec<(String, u64)>, StepEnd> {
        let facts = self.as_planned().await?;
        // What others hold is another number than when the plan was made.
        if let Some(why) = self.rows(&room_sql(&facts, self.plan)).await?.first().and_then(no_room) {
            return Err(failed(format!("{why}; nothing was changed")));
        }
        self.ask(&self.lock_sql()).await?;
        // From here on nobody changes them.
        let facts = self.as_planned().await?;
        let before = self.counts().await?;
        if let Some(full) = before.iter().find_map(has_rows) {
            return Err(failed(full));
        }
        match self.plan.how {
            How::Copy => self.copy().await?,
            How::Move => self.move_over(&facts).await?,
        }
        let mut got = Vec::with_capacity(before.len());
        for (was, table) in before.iter().zip(&self.plan.tables) {
            let there = self.count_of_target(table).await?;
            if there != was.source {
                return Err(failed(format!(
                    "{} had {} in public and has {there} in the tenant: rolled back",
                    was.table,
                    counted(was.source, "row")
                )));
            }
            let text = format!("{}   {}", was.table, counted(there, "row"));
            self.shared.reports.line(LogMark::Note, &self.tenant.slug, text).await;
            got.push((was.table.clone(), there));
        }
        Ok(got)
    }

    /// The same with the table and who has it, as far as that is known now: what this transaction held it has no more.
    async fn locked(&self, fault: Fault) -> Fault {
        let names = self.plan.tables.iter().map(|table| table.name.as_str());
        let sql = locked::sql(&self.tenant.schema, names, Wanted::Run(self.plan.how));
        match locked::words(&self.shared.watcher.ask(&sql).await) {
            Some(words) => Fault { message: format!("{}: {words}", fault.message.raw()).into(), ..fault },
            None => fault,
        }
    }

    /// Both schemas are as they were when the plan was confirmed.
    async fn as_planned(&self) -> Result<Facts, StepEnd> {
        let facts = self.rows(&Facts::sql(&self.tenant.schema)).await?;
        let facts = Facts::parse(&facts).map_err(|error| failed(error.to_string()))?;
        let tables = self.plan.tables.iter().map(|table| table.name.clone()).collect();
        let options = ImportOptions { how: self.plan.how, tables, not: Vec::new() };
        let now = make_plan(&facts, &options).map_err(|wrong| failed(wrong.join("; ")))?;
        let same = now.tables == self.plan.tables
            && now.circles == self.plan.circles
            && now.triggers == self.plan.triggers
            && now.sequences == self.plan.sequences;
        if !same {
            return Err(failed("the tables are not as they were when the plan was made. Make a new plan"));
        }
        if self.plan.how == How::Move {
            depends(self.outside(&oids(&facts, self.plan)).await?).map_err(failed)?;
            let replaced = replace::oids(&facts, self.plan);
            if !replaced.is_empty() {
                replace::needed(&self.outside(&replaced).await?).map_err(failed)?;
            }
        }
        Ok(facts)
    }

    /// Nobody writes to the source while its rows are counted and copied, nor to the tenant's tables.
    fn lock_sql(&self) -> String {
        let source = SOURCE;
        let list = |schema: &str| {
            self.plan.tables.iter().map(|table| qualified(schema, &table.name)).collect::<Vec<_>>().join(", ")
        };
        match self.plan.how {
            How::Copy => format!(
                "LOCK TABLE {} IN SHARE MODE; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
                list(source),
                list(self.tenant.schema.raw())
            ),
            How::Move => {
                let replaced = self.plan.tables.iter().filter(|table| table.replaces);
                let all = self.plan.tables.iter().map(|table| qualified(source, &table.name));
                let all: Vec<String> = all.chain(replaced.map(|table| self.own(&table.name))).collect();
                format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", all.join(", "))
            }
        }
    }

    async fn counts(&self) -> Result<Vec<Count>, StepEnd> {
        let mut counts = Vec::with_capacity(self.plan.tables.len());
        for table in &self.plan.tables {
            let rows = self.ask(&count_sql(&self.tenant.schema, self.plan.how, table)).await?;
            let row = rows.iter().flatten().next();
            let number = |column: usize| row.and_then(|row| row.text(column)).and_then(|text| text.parse().ok());
            counts.push(Count { table: table.name.clone(), source: number(0).unwrap_or_default(), target: number(1) });
        }
        Ok(counts)
    }

    async fn count_of_target(&self, table: &ImportTable) -> Result<u64, StepEnd> {
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", rows_of(self.tenant.schema.raw(), table));
        let rows = self.ask(&sql).await?;
        Ok(rows.iter().flatten().next().and_then(|row| row.text(0)).and_then(|n| n.parse().ok()).unwrap_or_default())
    }

    async fn copy(&self) -> Result<(), StepEnd> {
        let schema = self.tenant.schema.raw();
        // What checks and indexes call stands in the tenant's schema.
        let path = literal(&guard::search_path(&self.tenant.schema, self.shared.search_path_extra));
        // Keys in a circle may be deferrable, and checked at once by themselves.
        let mut begin =
            format!("SELECT pg_catalog.set_config('search_path', {path}, true); SET CONSTRAINTS ALL DEFERRED;");
        for trigger in &self.plan.triggers {
            let table = qualified(schema, &trigger.table);
            begin.push_str(&format!(" ALTER TABLE {table} DISABLE TRIGGER {};", quoted(&trigger.name)));
        }
        for key in &self.plan.circles {
            let table = qualified(schema, &key.table);
            let name = quoted(&key.name);
            begin.push_str(&format!(" ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED;"));
        }
        self.ask(&begin).await?;
        for table in self.plan.tables.iter().filter(|table| !table.columns.is_empty()) {
            self.ask(&insert_sql(schema, table)).await?;
        }
        let mut end = "SET CONSTRAINTS ALL IMMEDIATE;".to_owned();
        for table in &self.plan.tables {
            end.push_str(&sequences_sql(schema, table));
        }
        for key in &self.plan.circles {
            let table = qualified(schema, &key.table);
            end.push_str(&format!(" ALTER TABLE {table} ALTER CONSTRAINT {} NOT DEFERRABLE;", quoted(&key.name)));
        }
        for trigger in &self.plan.triggers {
            let how = match trigger.enabled.as_str() {
                "A" => "ENABLE ALWAYS",
                "R" => "ENABLE REPLICA",
                _ => "ENABLE",
            };
            let table = qualified(schema, &trigger.table);
            end.push_str(&format!(" ALTER TABLE {table} {how} TRIGGER {};", quoted(&trigger.name)));
        }
        self.ask(&end).await.map(|_| ())
    }

    async fn move_over(&self, facts: &Facts) -> Result<(), StepEnd> {
        let replaced = replace::oids(facts, self.plan);
        let before = if replaced.is_empty() { None } else { Some(self.make_room(facts, &replaced).await?) };
        for table in &self.plan.tables {
            let table = qualified(SOURCE, &table.name);
            self.ask(&format!("ALTER TABLE {table} SET SCHEMA {}", self.tenant.schema.quoted())).await?;
        }
        for sequence in &self.plan.sequences {
            let sequence = qualified(SOURCE, sequence);
            self.ask(&format!("ALTER SEQUENCE {sequence} SET SCHEMA {}", self.tenant.schema.quoted())).await?;
        }
        let Some((before, rights)) = before else { return Ok(()) };
        self.ask(&rights).await?;
        before.kept(&self.both(facts).await?).map_err(failed)
    }

    /// Drops the tenant's empty tables: what they were, and the statements that give their rights to those that come.
    async fn make_room(&self, facts: &Facts, replaced: &[u32]) -> Result<(Both, String), StepEnd> {
        let both = self.both(facts).await?;
        both.same().map_err(failed)?;
        let goes = |name: &&String| facts.taken.contains(name);
        let sequences: Vec<&String> = self.plan.sequences.iter().filter(goes).collect();
        let named = sequences.iter().filter_map(|name| facts.sequence_oid(name));
        let all: Vec<u32> = replaced.iter().copied().chain(named).collect();
        let rights = self.rows(&rights_sql(&all)).await?;
        let rights = replace::rights(&self.tenant.schema, &rights).map_err(|error| failed(error.to_string()))?;
        let tables = self.plan.tables.iter().filter(|table| table.replaces).map(|table| self.own(&table.name));
        // What depends on them from outside stops these.
        let mut drop = format!("DROP TABLE {} RESTRICT;", tables.collect::<Vec<_>>().join(", "));
        for name in sequences {
            drop.push_str(&format!(" DROP SEQUENCE {} RESTRICT;", self.own(name)));
        }
        self.ask(&drop).await?;
        Ok((both, rights))
    }

    /// What is called so in the tenant's schema.
    fn own(&self, name: &str) -> String {
        qualified(self.tenant.schema.raw(), name)
    }

    /// The step, its note and the audit's row.
    fn record_sql(&self, counts: &[(String, u64)], tries: u32) -> String {
        let rows: u64 = counts.iter().map(|(_, count)| count).sum();
        let (verb, how) = match self.plan.how {
            How::Copy => ("copied", "copy"),
            How::Move => ("moved", "move"),
        };
        let tables = counted(counts.len(), "table");
        let note = format!("{verb} {tables}, {}", counted(rows, "row"));
        let by_table: serde_json::Map<String, serde_json::Value> =
            counts.iter().map(|(table, count)| (table.clone(), (*count).into())).collect();
        let after = serde_json::json!({"how": how, "from": SOURCE, "rows": by_table}).to_string();
        let (job, seq) = (self.shared.fence.job, self.tenant.seq);
        format!(
            "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); {durable} {step} \
             UPDATE tenantui.step SET note = {note} WHERE job_id = {job} AND seq = {seq}; \
             INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({os_user}, 'import', {schema}, \
             {job}, {after}::jsonb, 'done');",
            durable = durable_sql(true),
            step = step_done_sql(self.shared.fence, seq, tries, "NULL"),
            note = literal(&note),
            os_user = literal(self.shared.os_user),
            schema = literal(self.tenant.schema.raw()),
            after = literal(&after),
        )
    }
}

/// Why a table that has rows gets none.
pub(super) fn has_rows(count: &Count) -> Option<String> {
    let rows = count.target.filter(|rows| *rows > 0)?;
    Some(format!(
        "the tenant's {} has {} already: nothing is mixed into what is there",
        count.table,
        counted(rows, "row")
    ))
}

/// What must not depend on tables that are moved.
pub(super) fn depends(outside: Vec<String>) -> Result<(), String> {
    if outside.is_empty() {
        return Ok(());
    }
    let more = outside.len().saturating_sub(8);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let shown: Vec<String> = outside.into_iter().take(8).collect();
    Err(format!(
        "what stays in public depends on the tables: {}{more}. Move those too, or remove them first",
        shown.join(", ")
    ))
}

/// The oids of the tables that are moved.
pub(super) fn oids(facts: &Facts, plan: &ImportPlan) -> Vec<u32> {
    plan.tables.iter().filter_map(|table| facts.table(true, &table.name)).map(|table| table.oid).collect()
}

/// Of all tables of the plan, the tenant's too.
pub(super) fn all_oids(facts: &Facts, plan: &ImportPlan) -> Vec<u32> {
    let both = |name: &str| [true, false].map(|source| facts.table(source, name).map(|table| table.oid));
    plan.tables.iter().flat_map(|table| both(&table.name)).flatten().collect()
}
