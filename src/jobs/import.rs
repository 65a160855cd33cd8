//! An import job: data that one customer's application kept in `public` becomes a tenant's. Either its rows are copied
//! into the tenant's own tables (the tables were made by migrations), or the tables themselves are moved into its schema.
//! All of it in one transaction, counted before and after; a failure leaves everything where it was.

mod facts;
mod form;
mod locked;
mod moved;
mod nobodys;
mod plan;
mod replace;
mod statements;
mod transaction;

use std::time::Instant;

pub use self::facts::Facts;
pub use self::form::{How, ImportColumn, ImportOptions, ImportPlan, ImportTable, Resting};
pub use self::nobodys::{Nobodys, Why, named, nobodys};
pub use self::plan::plan;
use self::replace::Both;
use super::bound::Home;
use super::gate;
use super::lane::Lane;
use super::life::CAPACITY;
use super::orders::OrderError;
use super::params::Params;
use super::report::{Report, seconds};
use super::shared::{Halt, Shared};
use super::transacted::{self, Came, End, Transaction};
use crate::model::ident::SchemaName;
use crate::model::job::{JobId, LogMark, Outcome, Waits};
use crate::postgres::session::{Patience, QueryError, Reader, Target, TextRow, WriterSession};
use crate::text::{Untrusted, grouped};

/// The SQLSTATE of a missing privilege, and of rows that a policy hides.
const NO_PRIVILEGE: &str = "42501";

/// Where the data comes from.
pub(super) const SOURCE: &str = "public";

/// How many rows a table has in both schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The table.
    pub table: String,
    /// In `public`.
    pub source: u64,
    /// In the tenant; `None` where it has no such table.
    pub target: Option<u64>,
}

/// Why there is no plan. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// What stands in the way: a line for each reason.
    #[error("nothing was done:{}{}", if .0.len() == 1 { ' ' } else { '\n' }, lines(.0))]
    InTheWay(Vec<Untrusted>),
    /// The database cannot be read.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl From<QueryError> for ImportError {
    fn from(error: QueryError) -> Self {
        Self::Order(error.into())
    }
}

fn lines(reasons: &[Untrusted]) -> String {
    reasons.iter().map(|reason| reason.safe().to_string()).collect::<Vec<_>>().join("\n")
}

fn in_the_way(reasons: Vec<String>) -> ImportError {
    ImportError::InTheWay(reasons.into_iter().map(Untrusted::from).collect())
}

/// Reads both schemas and makes the plan, with the rows as they are now. Reads only.
///
/// # Errors
/// Everything that stands in the way; or when the database cannot be read.
pub async fn read(
    target: &Target,
    schema: &SchemaName,
    options: &ImportOptions,
) -> Result<(ImportPlan, Vec<Count>), ImportError> {
    let reader = Reader::open(target, Patience::Background).await.map_err(OrderError::from)?;
    let facts = Facts::parse(&reader.rows(&Facts::sql(schema)).await?)?;
    let plan = plan(&facts, options).map_err(in_the_way)?;
    if plan.how == How::Move {
        let rows = reader.rows(&facts::outside_sql(&transaction::oids(&facts, &plan))).await?;
        let outside = rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect();
        transaction::depends(outside).map_err(|why| in_the_way(vec![why]))?;
        if let Err(error) = replaced(&reader, &facts, &plan).await {
            return Err(explained(&reader, schema, &plan.tables, error).await);
        }
    }
    room(&reader, &facts, &plan).await?;
    let mut counts = Vec::with_capacity(plan.tables.len());
    for table in &plan.tables {
        // Rows that a policy hides would be left behind in silence: the server refuses to count around them.
        let count = format!(
            "SELECT pg_catalog.set_config('row_security', 'off', true); {}",
            statements::count_sql(schema, plan.how, table)
        );
        let rows = match reader.rows(&count).await {
            Ok(rows) => rows,
            Err(error) => {
                return Err(explained(&reader, schema, std::slice::from_ref(table), uncounted(table, error)).await);
            }
        };
        let row = rows.first();
        let number = |column: usize| row.and_then(|row| row.text(column)).and_then(|text| text.parse().ok());
        counts.push(Count { table: table.name.clone(), source: number(0).unwrap_or_default(), target: number(1) });
    }
    let full: Vec<String> = counts.iter().filter_map(transaction::has_rows).collect();
    if full.is_empty() { Ok((plan, counts)) } else { Err(in_the_way(full)) }
}

/// Why the rows of a table were not counted.
fn uncounted(table: &ImportTable, error: QueryError) -> ImportError {
    match error {
        QueryError::Server { sqlstate, message } if sqlstate == NO_PRIVILEGE => in_the_way(vec![format!(
            "{}: {}; what this role does not see would not be brought: use a role that may read all its rows (the owner, or \
             one with BYPASSRLS)",
            table.name,
            message.raw()
        )]),
        error => error.into(),
    }
}

/// The same with the table and who has it, where the reason is a lock: of one of these tables.
async fn explained(reader: &Reader, schema: &SchemaName, tables: &[ImportTable], error: ImportError) -> ImportError {
    let ImportError::Order(OrderError::Query(QueryError::Server { sqlstate, .. })) = &error else { return error };
    if sqlstate != locked::NO_LOCK {
        return error;
    }
    let names = tables.iter().map(|table| table.name.as_str());
    let rows = reader.rows(&locked::sql(schema, names, locked::Wanted::Read)).await.unwrap_or_default();
    let words = locked::words(&rows).unwrap_or_else(|| match tables {
        [only] => format!("public.{0} or {1}.{0} is locked by another session", only.name, schema.raw()),
        _ => "one of the tables is locked by another session".to_owned(),
    });
    in_the_way(vec![format!("{words}; try again when it is through")])
}

/// The tenant's tables that would be replaced are the same, and nothing else needs them.
async fn replaced(reader: &Reader, facts: &Facts, plan: &ImportPlan) -> Result<(), ImportError> {
    let oids = replace::oids(facts, plan);
    if oids.is_empty() {
        return Ok(());
    }
    let rows = reader.rows(&facts::outside_sql(&oids)).await?;
    let outside: Vec<String> = rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect();
    let both = Both::parse(&reader.rows(&Both::sql(facts)).await?, facts, plan)?;
    let wrong: Vec<String> = [replace::needed(&outside), both.same()].into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(in_the_way(wrong)) }
}

/// Whether there is room for its locks now.
async fn room(reader: &Reader, facts: &Facts, plan: &ImportPlan) -> Result<(), ImportError> {
    let rows = reader.rows(&room_sql(facts, plan)).await?;
    rows.first().and_then(no_room).map_or(Ok(()), |why| Err(in_the_way(vec![why])))
}

/// The one SELECT of how many locks it will hold, how many the server has room for, and how many are held now.
fn room_sql(facts: &Facts, plan: &ImportPlan) -> String {
    let own = facts::locks_sql(&transaction::all_oids(facts, plan));
    format!("SELECT ({own}), ({CAPACITY}), ({HELD})")
}

/// One transaction holds all its locks to its end. Where they are most of what the server has room for, or others have too
/// many of them now, everybody else would run out of them (53200), so it is not begun.
fn no_room(row: &TextRow) -> Option<String> {
    let number = |column: usize| row.text(column).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    let (locks, capacity, held) = (number(0), number(1), number(2));
    let why = if locks > capacity / 2 {
        format!("more than half of the server's {}", grouped(capacity))
    } else if locks + held > capacity {
        format!("beside {} that others hold now, of the server's {}", grouped(held), grouped(capacity))
    } else {
        return None;
    };
    Some(format!(
        "it would hold about {} locks at once, {why}, and others would run out of \
         them: raise max_locks_per_transaction, or name tables with --table, some at a time",
        grouped(locks)
    ))
}

/// Locks of the server's table that are held now, by everybody.
const HELD: &str = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE NOT l.fastpath";

/// Where an import runs.
pub(super) struct Place<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) home: &'a Home,
    pub(super) params: &'a Params,
}

/// The one tenant of the job.
struct Tenant {
    seq: i32,
    slug: String,
    schema: SchemaName,
    schema_oid: u32,
    registry_check: Option<String>,
}

/// Carries it out.
pub(super) async fn run(
    place: &Place<'_>,
    shared: &Shared<'_>,
    early: Option<WriterSession>,
) -> Result<(), OrderError> {
    let plan =
        place.params.import.as_ref().ok_or_else(|| gate::refused("the job's record has no plan of an import"))?;
    let mut lane = Lane::new(place.target, place.job, place.home, &shared.watcher);
    let Some(tenant) = tenant(place, lane.session_or(early).await?, shared).await? else { return Ok(()) };
    let started = Instant::now();
    let work = Import { shared, plan, tenant: &tenant };
    match transacted::run(shared, &mut lane, &work).await {
        Came::Done { .. } => {
            shared.reports.line(LogMark::Ok, &tenant.slug, format!("imported   {}", seconds(started.elapsed()))).await;
            shared.reports.send(Report::Ended(Outcome::Done)).await;
        }
        Came::Halted | Came::Failed => {}
    }
    Ok(())
}

/// The import, as a transaction.
struct Import<'t, 's> {
    shared: &'t Shared<'s>,
    plan: &'t ImportPlan,
    tenant: &'t Tenant,
}

impl Transaction for Import<'_, '_> {
    async fn attempt(&self, session: &WriterSession, tries: u32) -> End {
        let end = transaction::run(session, self.plan, self.tenant, self.shared, tries).await;
        End { end, seq: self.tenant.seq }
    }

    fn slug(&self) -> &str {
        &self.tenant.slug
    }

    fn schema(&self) -> &SchemaName {
        &self.tenant.schema
    }

    fn step_name(&self, _seq: i32) -> String {
        match self.plan.how {
            How::Copy => "copy".to_owned(),
            How::Move => "move".to_owned(),
        }
    }

    fn left(&self) -> &'static str {
        "nothing was changed"
    }

    fn tells_steps(&self) -> bool {
        false
    }
}

/// The tenant, as the record has it; `None` where it is imported already, or failed and was not put back.
async fn tenant(place: &Place<'_>, session: &WriterSession, shared: &Shared<'_>) -> Result<Option<Tenant>, OrderError> {
    let sql = format!(
        "SELECT s.seq, s.slug, s.schema_name, s.schema_oid, s.tenant_id, s.tenant_key, s.state FROM tenantui.step AS s \
         WHERE s.job_id = {} ORDER BY s.seq LIMIT 1",
        place.job
    );
    let rows = gate::ask(session, &sql).await?;
    let Some(row) = rows.iter().flatten().next() else {
        return Err(gate::refused(format!("job {} has no step", place.job)));
    };
    match row.text(6) {
        Some("done" | "skipped") => return Ok(None),
        Some("failed" | "blocked" | "unknown") => {
            shared.halt(Halt::Pause(Waits::Trouble, "it failed before: retry it".to_owned()));
            return Ok(None);
        }
        Some(_) | None => {}
    }
    let wrong = |error: crate::model::ident::IdentError| gate::refused(format!("the job's record: {error}"));
    let (slug, name) = (row.text(1).unwrap_or_default().to_owned(), row.text(2).unwrap_or_default());
    let has_row = row.text(5).is_some_and(|key| key.starts_with("r:"));
    let registry = place.params.registry.as_ref().filter(|_| has_row);
    Ok(Some(Tenant {
        seq: row.parse(0)?.unwrap_or_default(),
        schema: SchemaName::tenant(name).map_err(wrong)?,
        schema_oid: row.parse(3)?.unwrap_or_default(),
        registry_check: registry.map(|r| r.check_sql(row.text(4), &slug, name)).transpose().map_err(wrong)?,
        slug,
    }))
}
