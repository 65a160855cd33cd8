//! Questions of a layout file whose problem is asked of every tenant with each reading: many tenants in one statement,
//! and again only where the statistics say that a table of theirs has changed.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::hidden::MEND_TABLE;
use super::ledgers::{self, Activity, CHUNK, CandidateTable};
use super::query::{run_wrapped, wrap_query};
use super::questions::{FLEET_TIMEOUT, object, text};
use super::session::{QueryError, Reader};
use crate::layout::Layout;
use crate::layout::judge::{ColumnFacts, TableFacts};
use crate::layout::naming::SCHEMA_MARK;
use crate::layout::question::{Question, Subject, Unasked};
use crate::layout::statement::one_select;
use crate::model::ident::SchemaName;
use crate::model::tenant::Tenant;
use crate::text::{Untrusted, grouped};

/// What is known of all tenants.
#[derive(Debug, Default)]
pub struct OfAll {
    answers: HashMap<u32, Answer>,
    /// What could not be asked, and of how many.
    pub problems: Vec<Untrusted>,
}

#[derive(Debug)]
struct Answer {
    /// Of all tables that were asked, together.
    seen: Activity,
    problems: Vec<Untrusted>,
}

impl OfAll {
    /// What is wrong with the tenant of this schema.
    #[must_use]
    pub fn of(&self, schema_oid: u32) -> &[Untrusted] {
        self.answers.get(&schema_oid).map_or(&[], |answer| &answer.problems)
    }
}

/// One question about one tenant.
#[derive(Debug)]
pub struct Ask {
    schema_oid: u32,
    seen: Activity,
    sql: String,
    shown: String,
}

/// What has to be asked now.
#[derive(Debug, Default)]
pub struct Todo {
    /// The questions, of one tenant together.
    pub asks: Vec<Ask>,
    /// Relations of a tenant's own that a question opens at most, with an index each.
    pub relations: usize,
}

/// Names of the tables that these questions are about.
#[must_use]
pub fn tables(layout: &Layout) -> Vec<String> {
    let needs = layout.about.of_all().flat_map(|question| &question.needs);
    let names: BTreeSet<&str> = needs.filter_map(|need| need.table.split_once('.')).map(|(_, table)| table).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Finds out what has to be asked, by one look at the catalog. `all`: also where nothing has changed.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(
    reader: &Reader,
    layout: &Layout,
    tenants: &[Tenant],
    known: &mut OfAll,
    all: bool,
) -> Result<Todo, QueryError> {
    known.problems.clear();
    let questions: Vec<&Question> = layout.about.of_all().collect();
    if questions.is_empty() {
        known.answers.clear();
        return Ok(Todo::default());
    }
    let found = ledgers::candidates(reader, &tables(layout)).await?;
    let by_table: HashMap<(&str, &str), &CandidateTable> =
        found.iter().map(|table| ((table.name.schema.raw(), table.name.name.raw()), table)).collect();
    let own = |question: &&Question| question.needs.iter().filter(|need| need.table.starts_with(SCHEMA_MARK)).count();
    let relations = 2 * questions.iter().map(own).max().unwrap_or(1);
    let mut todo = Todo { asks: Vec::new(), relations };
    let mut there = HashSet::new();
    let mut denied: HashMap<String, (usize, String)> = HashMap::new();
    for tenant in tenants {
        let Some((oid, schema)) = tenant.schema_oid.zip(tenant.schema.as_ref()) else { continue };
        let Ok(schema) = SchemaName::existing(schema.raw()) else { continue };
        there.insert(oid);
        let subject = Subject {
            id: tenant.id.as_ref().map(Untrusted::raw),
            slug: Some(tenant.slug.raw()),
            schema: Some(&schema),
        };
        let asks = of_tenant(&questions, subject, oid, &by_table, &reader.facts().user, &mut denied);
        let seen = asks.iter().map(|ask| ask.seen).reduce(|a, b| a.with(&b)).unwrap_or_default();
        let same = known.answers.get(&oid).is_some_and(|answer| answer.seen.is_unchanged(&seen));
        if !same || all {
            known.answers.remove(&oid);
            todo.asks.extend(asks.into_iter().map(|ask| Ask { seen, ..ask }));
        }
    }
    known.answers.retain(|oid, _| there.contains(oid));
    let mut denied: Vec<_> = denied.into_iter().collect();
    denied.sort();
    known.problems.extend(denied.into_iter().map(|(what, (count, grant))| {
        let of = if count == 1 { "a tenant".to_owned() } else { format!("{} tenants", grouped(count as u64)) };
        Untrusted::new(format!("{what} may not be read of {of}; for the first: {grant}"))
    }));
    Ok(todo)
}

/// Of questions with one name the first that can be asked.
fn of_tenant(
    questions: &[&Question],
    subject: Subject<'_>,
    schema_oid: u32,
    by_table: &HashMap<(&str, &str), &CandidateTable>,
    user: &Untrusted,
    denied: &mut HashMap<String, (usize, String)>,
) -> Vec<Ask> {
    let mut asked: HashSet<&str> = HashSet::new();
    let mut asks = Vec::new();
    for question in questions {
        if asked.contains(question.name.as_str()) {
            continue;
        }
        let needed = question.needs.iter().filter_map(|need| need.resolve(subject));
        let tables: Vec<&CandidateTable> = needed.filter_map(|at| by_table.get(&at).copied()).collect();
        let facts: Vec<TableFacts> = tables.iter().map(|table| facts(table)).collect();
        match question.sql(subject, &facts) {
            Ok(sql) => {
                asked.insert(&question.name);
                let seen = tables.iter().map(|table| table.activity).reduce(|a, b| a.with(&b)).unwrap_or_default();
                asks.push(Ask { schema_oid, seen, sql, shown: question.shown().to_owned() });
            }
            Err(Unasked::NotThere) => {}
            Err(Unasked::Denied { table }) => {
                let is_it = |facts: &&TableFacts| format!("{}.{}", facts.schema, facts.name) == table;
                let grant = || facts.iter().find(is_it).map(|facts| facts.grant(&[], user)).unwrap_or_default();
                denied.entry(question.shown().to_owned()).or_insert_with(|| (0, grant())).0 += 1;
            }
            Err(Unasked::Hidden { table }) => {
                let why = || format!("row level security may hide rows of {table} from this role; {MEND_TABLE}");
                denied.entry(question.shown().to_owned()).or_insert_with(|| (0, why())).0 += 1;
            }
        }
    }
    asks
}

fn facts(table: &CandidateTable) -> TableFacts {
    let column = |name: &str| ColumnFacts {
        name: name.to_owned(),
        type_name: String::new(),
        not_null: false,
        has_default: false,
        is_generated: false,
        readable: table.may_select,
        words: Vec::new(),
    };
    TableFacts {
        oid: table.table_oid,
        schema: table.name.schema.raw().to_owned(),
        name: table.name.name.raw().to_owned(),
        usage: table.may_use_schema,
        columns: table.shape.columns.iter().map(|fact| column(&fact.name)).collect(),
        pointed_at_by: Vec::new(),
        rows_hidden: table.rows_hidden,
    }
}

/// Asks these, and notes the answers. `false`: there was no time for all of them, and no more should be asked.
///
/// # Errors
/// When the link breaks or no answer comes; what the server refuses is a problem of its tenant.
pub async fn ask(reader: &Reader, asks: &[Ask], relations: usize, known: &mut OfAll) -> Result<bool, QueryError> {
    let chunk = (2 * CHUNK / relations.max(1)).max(1);
    // Ranges still to be sent, the next one last.
    let mut todo: Vec<&[Ask]> = asks.chunks(chunk).rev().collect();
    while let Some(some) = todo.pop() {
        match together(reader, some).await {
            Ok(answers) => {
                for (one, problem) in some.iter().zip(answers) {
                    known.note(one, problem);
                }
            }
            Err(QueryError::Server { sqlstate, .. }) if sqlstate == "57014" => {
                let left: usize = some.len() + todo.iter().map(|some| some.len()).sum::<usize>();
                let words = format!("what the layout asks of every tenant took too long; {left} were not asked");
                known.problems.push(Untrusted::new(words));
                return Ok(false);
            }
            Err(QueryError::Server { sqlstate, message }) => match some {
                [one] => {
                    let words = format!("{} could not be read: {} ({sqlstate})", one.shown, message.raw());
                    known.note(one, Some(Untrusted::new(words)));
                }
                several => {
                    let (first, second) = several.split_at(several.len() / 2);
                    todo.extend([second, first]);
                }
            },
            Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
                return Err(error);
            }
        }
    }
    Ok(true)
}

/// One statement for several tenants; the problem of each, in their order.
async fn together(reader: &Reader, asks: &[Ask]) -> Result<Vec<Option<Untrusted>>, QueryError> {
    // The line feed ends a comment that a question may end in.
    let one = |(index, ask): (usize, &Ask)| {
        format!(
            "(select {index} as place, answer.problem::pg_catalog.text as problem from (\n{}\n) as answer limit 1)",
            one_select(&ask.sql).unwrap_or(&ask.sql)
        )
    };
    let sql = asks.iter().enumerate().map(one).collect::<Vec<_>>().join(" union all ");
    let sql = format!("select * from ({sql}) as answers where problem is not null");
    let sql = wrap_query(&sql, FLEET_TIMEOUT, asks.len()).map_err(|what| QueryError::Unexpected { what })?;
    let mut answers = vec![None; asks.len()];
    for row in run_wrapped(reader, &sql).await?.iter().filter_map(object) {
        let place = row.get("place").and_then(serde_json::Value::as_u64).and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| answers.get_mut(place)) {
            *slot = text(&row, "problem");
        }
    }
    Ok(answers)
}

impl OfAll {
    fn note(&mut self, ask: &Ask, problem: Option<Untrusted>) {
        let fresh = || Answer { seen: ask.seen, problems: Vec::new() };
        self.answers.entry(ask.schema_oid).or_insert_with(fresh).problems.extend(problem);
    }
}
