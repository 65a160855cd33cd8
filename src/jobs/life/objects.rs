//! A schema in the trash is removed a little at a time: each transaction drops as much as holds no more than a tenth of
//! the server's lock table, so that nobody else runs out of locks (53200). What was dropped stays dropped; what is left
//! is read again, so that it goes on after a kill as if nothing had been.

use std::cmp::Reverse;

use serde_json::json;
use tokio_postgres::Client;

use super::batch::{Root, drops, take};
use super::hanging::Hanging;
use super::run::Life;
use super::schema::{confirmed, in_trash};
use super::turn::Went;
use super::tx::{self, Said, Work, failed};
use crate::jobs::shared::Shared;
use crate::migrations::apply::step::StepEnd;
use crate::postgres::bind::bind;
use crate::postgres::session::TextRow;
use crate::text::{counted, grouped};

const ROOTS: &str = include_str!("../../../assets/sql/purge_roots.sql");
const EDGES: &str = include_str!("../../../assets/sql/purge_edges.sql");
const PARTS: &str = include_str!("../../../assets/sql/purge_parts.sql");
const MEMBERS: &str = include_str!("../../../assets/sql/purge_members.sql");

/// The slots of the server's lock table, by its settings.
pub(in crate::jobs) const CAPACITY: &str = "SELECT pg_catalog.current_setting('max_locks_per_transaction')::int8 * \
                        (pg_catalog.current_setting('max_connections')::int8 + \
                        pg_catalog.current_setting('max_prepared_transactions')::int8)";
/// Slots that this session holds now.
const HELD: &str = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE l.pid = pg_catalog.pg_backend_pid() \
                    AND NOT l.fastpath";
/// Locks that are left free of the tenth, for what another transaction holds beside the objects that it drops.
const MARGIN: u64 = 8;
/// The catalog of relations; its number is the same in every server.
const PG_CLASS: u32 = 1259;
/// What is known from one transaction to the next.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// What is left, in the order in which it goes; read again when it is used up.
    left: Vec<Root>,
    /// Nothing was dropped since that was read: what each takes along is still so.
    fresh: bool,
    /// What hangs on what, as it was read with `left`.
    hanging: Hanging,
    /// Statements that are left of one that loses its parts first; the last comes next.
    parts: Vec<String>,
    capacity: u64,
    /// The most locks that a transaction held beside those of its objects: of the catalogs, the record, the tenant, and
    /// of what tables refer to. `None` before the first, which is small, so that it is found out.
    beside: Option<u64>,
    gone: u64,
}

/// The next transaction of it.
pub(super) async fn next(work: &Work<'_>, learned: &mut Learned) -> Went {
    match try_next(work, learned).await {
        Ok(went) => went,
        Err(end) => {
            // Whatever stood in the way: what is left is looked at again.
            learned.left.clear();
            learned.parts.clear();
            Went::Ended(end)
        }
    }
}

async fn try_next(work: &Work<'_>, learned: &mut Learned) -> Result<Went, StepEnd> {
    let Work { client, shared, life, .. } = *work;
    in_trash(life)?;
    if learned.capacity == 0 {
        learned.capacity = number(&tx::ask(client, CAPACITY).await?)?;
    }
    if learned.left.is_empty() && learned.parts.is_empty() {
        learned.read(work).await?;
    }
    if learned.left.is_empty() && learned.parts.is_empty() {
        return last(work).await.map(Went::Ended);
    }
    let budget = learned.budget();
    let mut batch = if learned.parts.is_empty() { take(&mut learned.left, budget) } else { Vec::new() };
    if batch.is_empty() && learned.parts.is_empty() && !learned.fresh {
        // What made it too much may be gone by now: a function goes with the triggers that call it, and they went first.
        learned.read(work).await?;
        batch = take(&mut learned.left, budget);
    }
    learned.fresh = false;
    let (statements, count) = if batch.is_empty() {
        parts(client, life, learned, budget).await?
    } else {
        (drops(&batch), batch.len() as u64)
    };
    let tx = tx::open(work, false).await?;
    tx::same_schema(client, life).await?;
    let tables: Vec<&str> =
        batch.iter().filter(|root| root.may_lock == Some(true)).map(|root| root.identity.as_str()).collect();
    if !tables.is_empty() {
        // Behind this lock nobody makes anything that depends on them.
        tx::ask(client, &format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "))).await?;
    }
    let of: Vec<(u32, u32)> = batch.iter().map(|root| (root.class, root.id)).collect();
    if !of.is_empty() {
        confirmed(client, life, shared, &of).await?;
    }
    tx::work(client, shared, &statements).await?;
    let held = number(&tx::ask(client, HELD).await?)?;
    let objects = batch.iter().map(|root| root.objects).sum::<u64>();
    learned.heed(held, objects.max(count));
    let said = Said { before: None, after: json!({ "step": "objects", "objects": count, "locks": held }) };
    match tx::part(work, tx, &said).await? {
        StepEnd::Done { .. } => {
            learned.gone += count;
            Ok(Went::More(format!(
                "{} removed ({} of {})",
                counted(learned.gone, "object"),
                counted(held, "lock"),
                grouped(learned.capacity)
            )))
        }
        end => Ok(Went::Ended(end)),
    }
}

impl Learned {
    async fn read(&mut self, work: &Work<'_>) -> Result<(), StepEnd> {
        (self.left, self.hanging) = roots(work.client, work.shared, work.life, self.capacity).await?;
        self.fresh = true;
        Ok(())
    }

    /// Objects that the next transaction may take.
    fn budget(&self) -> u64 {
        let tenth = self.capacity / 10;
        self.beside.map_or(tenth / 4, |beside| tenth.saturating_sub(beside + MARGIN)).max(1)
    }

    /// A transaction that dropped so many objects held so many locks.
    fn heed(&mut self, held: u64, objects: u64) {
        self.beside = self.beside.max(Some(held.saturating_sub(objects)));
    }
}

/// What takes too many objects along loses parts first: a table its constraints, indexes and triggers, each with what hangs
/// on it; an extension its members, which are dropped by themselves then. Where there is no such part it goes as it is, as it
/// cannot go in less. The statements, and how many there are.
async fn parts(client: &Client, life: &Life<'_>, learned: &mut Learned, budget: u64) -> Result<(String, u64), StepEnd> {
    let at_once = usize::try_from(budget / 4).unwrap_or(1).max(1);
    if !learned.parts.is_empty() {
        return Ok(some_parts(learned, at_once));
    }
    let Some(root) = learned.left.pop() else { return Err(failed("nothing is left to remove")) };
    // What is left is read again when the parts are gone: it is cheaper then.
    let left = std::mem::take(&mut learned.left);
    let mut parts = Vec::new();
    if root.class == PG_CLASS {
        let rows = tx::ask(client, &bind(PARTS, &[("id", &root.id.to_string())])).await?;
        for row in rows.iter().flatten() {
            // A foreign key to a table of many partitions is one of each: it goes whole, or not at all.
            let number = |column: usize| row.parse::<u32>(column).ok().flatten().unwrap_or_default();
            let objects = learned.hanging.count(number(3), number(4), learned.capacity);
            if objects > learned.capacity / 2 {
                let what = format!(
                    "{} {} of {}",
                    row.text(0).unwrap_or_default(),
                    row.text(1).unwrap_or_default(),
                    root.identity
                );
                return Err(too_much(&what, objects, learned.capacity));
            }
            parts.push(part(row));
        }
    }
    // What an extension needs takes it along, with all that it holds.
    if parts.is_empty()
        && let Some(extension) = [&root].into_iter().chain(&left).find(|root| root.kind == "extension")
    {
        let schema = life.schema_oid.unwrap_or_default().to_string();
        let rows = tx::ask(client, &bind(MEMBERS, &[("id", &extension.id.to_string()), ("oid", &schema)])).await?;
        parts.extend(rows.iter().flatten().map(|row| member(extension, row)));
    }
    if !parts.is_empty() {
        parts.reverse();
        learned.parts = parts;
        return Ok(some_parts(learned, at_once));
    }
    if root.objects <= learned.capacity / 2 {
        return Ok((drops(std::slice::from_ref(&root)), 1));
    }
    Err(too_much(&format!("{} {}", root.kind, root.identity), root.objects, learned.capacity))
}

/// Why something is not dropped at all.
fn too_much(what: &str, objects: u64, capacity: u64) -> StepEnd {
    let objects = if objects > capacity { format!("over {}", grouped(capacity)) } else { grouped(objects) };
    failed(format!(
        "{what} takes {objects} objects along at once, more than half of the server's {} locks: raise \
         max_locks_per_transaction, or remove it by hand",
        grouped(capacity)
    ))
}

/// The next of them: statements, and how many.
fn some_parts(learned: &mut Learned, at_once: usize) -> (String, u64) {
    let rest = learned.parts.len().saturating_sub(at_once);
    let now = learned.parts.split_off(rest);
    (now.iter().rev().map(String::as_str).collect(), now.len() as u64)
}

fn member(extension: &Root, row: &TextRow) -> String {
    let text = |column: usize| row.text(column).unwrap_or_default();
    format!("ALTER EXTENSION {} DROP {} {}; ", extension.identity, text(0), text(1))
}

fn part(row: &TextRow) -> String {
    let text = |column: usize| row.text(column).unwrap_or_default();
    let (name, table) = (text(1), text(2));
    match text(0) {
        "constraint" => format!("ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS {name} CASCADE; "),
        // A partition's is its parent's, and is no part of its own.
        "identity" => format!("ALTER TABLE IF EXISTS {table} ALTER COLUMN {name} DROP IDENTITY IF EXISTS; "),
        "sequence" => format!("DROP SEQUENCE IF EXISTS {name} CASCADE; "),
        "trigger" => format!("DROP TRIGGER IF EXISTS {name} ON {table} CASCADE; "),
        _index => format!("DROP INDEX IF EXISTS {name} CASCADE; "),
    }
}

/// What is left, the cheapest last: what depends on something never takes more along than that, so it goes before it.
async fn roots(
    client: &Client,
    shared: &Shared<'_>,
    life: &Life<'_>,
    most: u64,
) -> Result<(Vec<Root>, Hanging), StepEnd> {
    let oid = life.schema_oid.unwrap_or_default().to_string();
    let edges = tx::work(client, shared, &bind(EDGES, &[("oid", &oid)])).await?;
    let hanging = Hanging::read(edges.first().map(Vec::as_slice).unwrap_or_default());
    let rows = tx::work(client, shared, &bind(ROOTS, &[("oid", &oid)])).await?;
    let mut roots = rows.iter().flatten().map(|row| root(row, &hanging, most)).collect::<Result<Vec<_>, _>>()?;
    roots.sort_by_key(|root| Reverse((root.objects, root.class, root.id)));
    Ok((roots, hanging))
}

fn root(row: &TextRow, hanging: &Hanging, most: u64) -> Result<Root, StepEnd> {
    let number = |column: usize| row.parse::<u32>(column).ok().flatten();
    let (Some(class), Some(id), Some(kind), Some(identity)) = (number(0), number(1), row.text(2), row.text(3)) else {
        return Err(failed("an object of the schema has no name that it could be dropped by"));
    };
    let objects = hanging.count(class, id, most);
    let may_lock = row.text(4).map(|_| row.is_true(4));
    Ok(Root { class, id, kind: kind.to_owned(), identity: identity.to_owned(), objects, may_lock })
}

fn number(rows: &[Vec<TextRow>]) -> Result<u64, StepEnd> {
    let value = rows.iter().flatten().next().and_then(|row| row.parse::<u64>(0).ok().flatten());
    value.ok_or_else(|| failed("the server did not answer with a number"))
}

/// The schema is empty: it goes, and the step is done. Where it is gone already, somebody else removed it.
async fn last(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, shared, life, .. } = *work;
    let schema = life.schema().map_err(failed)?;
    let tx = tx::open(work, false).await?;
    let there = format!(
        "SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.oid = {}::oid",
        life.schema_oid.unwrap_or_default()
    );
    let gone = tx::ask(client, &there).await?.iter().flatten().next().is_none();
    if !gone {
        tx::same_schema(client, life).await?;
        confirmed(client, life, shared, &[]).await?;
        // Without CASCADE: what was made in it meanwhile is not taken along, and is found at the next try.
        tx::ask(client, &format!("DROP SCHEMA {} RESTRICT", schema.quoted())).await?;
    }
    let said = Said {
        before: Some(json!({ "schema": schema.raw(), "original": life.original() })),
        after: json!({ "dependants": life.params.dependants, "gone_before": gone }),
    };
    tx::done(work, tx, said).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_transaction_is_small_and_the_rest_keep_within_a_tenth_by_what_it_held() {
        let mut learned = Learned { capacity: 6_400, ..Learned::default() };
        assert_eq!(learned.budget(), 160);
        learned.heed(60, 10);
        assert_eq!(learned.budget(), 640 - 50 - MARGIN);
        // What holds more teaches more; what holds less teaches nothing.
        learned.heed(300, 200);
        learned.heed(60, 50);
        assert_eq!(learned.budget(), 640 - 100 - MARGIN);
        learned.capacity = 200;
        assert_eq!(learned.budget(), 1);
    }
}
