//! Asks the questions of a layout file: about the tenant that is open, or once about the whole fleet.
//!
//! Each is fenced in (read-only, a short timeout of its own, a limit of rows), and one that fails is a problem in words
//! while the others stand.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::hidden::MEND_TABLE;
use super::query::{run_wrapped, wrap_query};
use super::session::{QueryError, Reader, TextRow};
use super::survey;
use crate::layout::Layout;
use crate::layout::judge::TableFacts;
use crate::layout::question::{Question, Subject, Unasked};
use crate::model::ident::{Ident, SchemaName};
use crate::model::tenant::{HealthFact, Member, Tenant};
use crate::text::{Untrusted, grouped};

/// The most members that are listed.
const MOST_MEMBERS: usize = 1_000;
/// The most tenants that one question about the fleet speaks of.
const MOST_TOLD: usize = 10_000;
/// A question about one tenant has this long, in SQL's words; about the fleet it has [`FLEET_TIMEOUT`].
const TIMEOUT: &str = "set local statement_timeout = '2s';";
pub(super) const FLEET_TIMEOUT: &str = "set local statement_timeout = '10s';";
/// No further question is asked after this long: sizes and migrations of the tenant wait for the answers.
const BUDGET: Duration = Duration::from_secs(5);

/// What a layout's questions found out about one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Who is in it.
    pub members: Vec<Member>,
    /// How it is.
    pub health: Vec<HealthFact>,
    /// What is wrong with it, and questions that could not be asked.
    pub problems: Vec<Untrusted>,
}

/// Asks everything that the layout asks about one tenant.
///
/// # Errors
/// When the link breaks or no answer comes; what the server refuses is a problem in the answer.
pub async fn about(reader: &Reader, layout: &Layout, tenant: &Tenant) -> Result<Answers, QueryError> {
    let schema = tenant.schema.as_ref().filter(|_| tenant.schema_oid.is_some());
    let schema = schema.and_then(|schema| SchemaName::existing(schema.raw()).ok());
    let subject =
        Subject { id: tenant.id.as_ref().map(Untrusted::raw), slug: Some(tenant.slug.raw()), schema: schema.as_ref() };
    let (members, health) = (&layout.about.members, &layout.about.health);
    let facts = facts(reader, members.iter().chain(health), subject, &layout.about.excluded_tables).await?;
    let mut asker = Asker::new(reader, subject, &facts, TIMEOUT, Some(BUDGET));
    let mut answers = Answers::default();
    // One more than is listed tells that there are more.
    for (question, rows) in asker.all(members, MOST_MEMBERS + 1).await? {
        let rows = rows.unwrap_or_default();
        answers.members.extend(rows.iter().take(MOST_MEMBERS).map(member));
        if rows.len() > MOST_MEMBERS {
            let most = grouped(MOST_MEMBERS as u64);
            asker
                .problems
                .push(Untrusted::new(format!("there are more {}: the first {most} are listed", question.shown())));
        }
    }
    for (question, rows) in asker.all(health, 1).await? {
        let fact = match &rows {
            Some(rows) => rows.first().map(|row| fact(question, row)),
            None => Some(fact(question, &Map::new())),
        };
        asker.problems.extend(fact.as_ref().and_then(|fact| fact.problem.clone()));
        answers.health.extend(fact);
    }
    if let Some(schema) = &schema {
        asker.excluded_tables(layout, schema).await?;
    }
    asker.tell_unasked();
    answers.problems = asker.problems;
    Ok(answers)
}

/// What is wrong with tenants, by their schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Problems of a schema.
    pub by_schema: HashMap<String, Vec<Untrusted>>,
    /// Questions that could not be asked.
    pub problems: Vec<Untrusted>,
}

/// Asks everything that the layout asks about the fleet.
///
/// # Errors
/// When the link breaks or no answer comes; what the server refuses is a problem in the answer.
pub async fn about_fleet(reader: &Reader, layout: &Layout) -> Result<Told, QueryError> {
    let mut told = Told::default();
    if layout.about.fleet.is_empty() {
        return Ok(told);
    }
    let subject = Subject::default();
    let facts = facts(reader, layout.about.fleet.iter(), subject, &[]).await?;
    let mut asker = Asker::new(reader, subject, &facts, FLEET_TIMEOUT, None);
    for (_, rows) in asker.all(&layout.about.fleet, MOST_TOLD).await? {
        for row in rows.unwrap_or_default() {
            if let (Some(schema), Some(problem)) = (text(&row, "schema"), text(&row, "problem")) {
                told.by_schema.entry(schema.raw().to_owned()).or_default().push(problem);
            }
        }
    }
    asker.tell_unasked();
    told.problems = asker.problems;
    Ok(told)
}

/// The version of the framework, where the database tells it, and what tells it: one question of the layout file.
///
/// # Errors
/// When the link breaks or no answer comes.
pub async fn variant(reader: &Reader, query: &str) -> Result<Option<Untrusted>, QueryError> {
    let Ok(sql) = wrap_query(query, TIMEOUT, 1) else { return Ok(None) };
    let rows = match run_wrapped(reader, &sql).await {
        Ok(rows) => rows,
        // What may not be asked tells nothing.
        Err(QueryError::Server { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let first = rows.first().and_then(object);
    Ok(first.and_then(|row| row.keys().next().and_then(|name| text(&row, name))))
}

/// What the catalog says of all tables that these questions need: one message.
async fn facts(
    reader: &Reader,
    questions: impl Iterator<Item = &Question>,
    subject: Subject<'_>,
    also: &[Ident],
) -> Result<Vec<TableFacts>, QueryError> {
    let mut schemas = BTreeSet::new();
    let mut names: BTreeSet<String> = also.iter().map(|name| name.raw().to_owned()).collect();
    schemas.extend(subject.schema.map(|schema| schema.raw().to_owned()));
    for need in questions.flat_map(|question| &question.needs) {
        if let Some((schema, name)) = need.resolve(subject) {
            schemas.insert(schema.to_owned());
            names.insert(name.to_owned());
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    survey::table_facts(reader, schemas, names).await
}

struct Asker<'a> {
    reader: &'a Reader,
    subject: Subject<'a>,
    facts: &'a [TableFacts],
    timeout: &'static str,
    problems: Vec<Untrusted>,
    /// Tables that may not be read.
    denied: BTreeSet<String>,
    /// Tables of which rows may be hidden.
    hidden: BTreeSet<String>,
    /// When there is no time for more.
    until: Option<Instant>,
    /// What there was no time for.
    late: Vec<&'a str>,
}

type Rows = Vec<Map<String, Value>>;
type Answer<'a> = (&'a Question, Option<Rows>);

impl<'a> Asker<'a> {
    fn new(
        reader: &'a Reader,
        subject: Subject<'a>,
        facts: &'a [TableFacts],
        timeout: &'static str,
        budget: Option<Duration>,
    ) -> Self {
        let until = budget.map(|budget| Instant::now() + budget);
        let (denied, hidden) = (BTreeSet::new(), BTreeSet::new());
        Self { reader, subject, facts, timeout, problems: Vec::new(), denied, hidden, until, late: Vec::new() }
    }

    /// Asks all: of those with one name the first that can be. `None`: rows may be hidden from all of that name.
    async fn all(&mut self, questions: &'a [Question], limit: usize) -> Result<Vec<Answer<'a>>, QueryError> {
        let mut asked: HashSet<&str> = HashSet::new();
        let mut answers: Vec<Answer<'a>> = Vec::new();
        for question in questions {
            if asked.contains(question.name.as_str()) {
                continue;
            }
            let sql = match question.sql(self.subject, self.facts) {
                Ok(sql) => sql,
                Err(Unasked::NotThere) => continue,
                Err(Unasked::Denied { table }) => {
                    self.denied.insert(table);
                    continue;
                }
                Err(Unasked::Hidden { table }) => {
                    self.hidden.insert(table);
                    if answers.iter().all(|(known, _)| known.name != question.name) {
                        answers.push((question, None));
                    }
                    continue;
                }
            };
            asked.insert(&question.name);
            answers.retain(|(known, _)| known.name != question.name);
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.late.push(question.shown());
                continue;
            }
            if let Some(rows) = self.one(question, &sql, limit).await? {
                answers.push((question, Some(rows)));
            }
        }
        Ok(answers)
    }

    async fn one(&mut self, question: &Question, sql: &str, limit: usize) -> Result<Option<Rows>, QueryError> {
        let failed = |why: String| Untrusted::new(format!("{} could not be read: {why}", question.shown()));
        let sql = match wrap_query(sql, self.timeout, limit) {
            Ok(sql) => sql,
            Err(why) => {
                self.problems.push(failed(why.raw().to_owned()));
                return Ok(None);
            }
        };
        match run_wrapped(self.reader, &sql).await {
            Ok(rows) => Ok(Some(rows.iter().filter_map(object).collect())),
            Err(QueryError::Server { sqlstate, message }) => {
                self.problems.push(failed(format!("{} ({sqlstate})", message.raw())));
                Ok(None)
            }
            Err(error @ QueryError::Timeout { .. }) if !self.reader.is_closed() => {
                self.problems.push(failed(error.to_string()));
                Ok(None)
            }
            Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
                Err(error)
            }
        }
    }

    /// What was not asked: tables that this role may not read, as one problem with all that would help, those of which it may
    /// not see all rows, and what there was no time for.
    fn tell_unasked(&mut self) {
        if !self.late.is_empty() {
            let words = format!("not asked, because what was asked before took too long: {}", self.late.join(", "));
            self.problems.push(Untrusted::new(words));
        }
        if !self.hidden.is_empty() {
            let what = self.hidden.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let words = format!(
                "what the layout tells of a tenant is not known in part: row level security may hide rows of {what} from this \
                 role; {MEND_TABLE}"
            );
            self.problems.push(Untrusted::new(words));
        }
        if self.denied.is_empty() {
            return;
        }
        let user = &self.reader.facts().user;
        let name = |facts: &TableFacts| format!("{}.{}", facts.schema, facts.name);
        let denied = self.facts.iter().filter(|facts| self.denied.contains(&name(facts)));
        let grants: Vec<String> = denied.map(|facts| facts.grant(&[], user)).collect();
        let what = self.denied.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let words = format!("what the layout tells of a tenant may not be read in {what}: {}", grants.join("; "));
        self.problems.push(Untrusted::new(words));
    }

    /// Tables of the shared schema whose copies here should be empty.
    async fn excluded_tables(&mut self, layout: &Layout, schema: &SchemaName) -> Result<(), QueryError> {
        let shared = layout.shared_schema.as_ref().map_or("the shared schema", SchemaName::raw);
        let copies: Vec<&Ident> = layout
            .about
            .excluded_tables
            .iter()
            .filter(|name| {
                let is_copy = |facts: &&TableFacts| facts.schema == schema.raw() && facts.name == name.raw();
                self.facts
                    .iter()
                    .find(is_copy)
                    .is_some_and(|copy| copy.usage && !copy.rows_hidden && copy.columns.iter().all(|c| c.readable))
            })
            .collect();
        if copies.is_empty() {
            return Ok(());
        }
        let one = |name: &&Ident| {
            let literal = crate::model::ident::literal(name.raw());
            format!("select {literal}::pg_catalog.text as name where exists (select from {})", schema.qualify(name))
        };
        let sql = copies.iter().map(one).collect::<Vec<_>>().join(" union all ");
        let question = Question {
            name: "excluded tables".to_owned(),
            title: None,
            needs: Vec::new(),
            query: String::new(),
            of_all: false,
        };
        for row in self.one(&question, &sql, copies.len()).await?.unwrap_or_default() {
            let name = text(&row, "name").unwrap_or_default();
            let words = format!("the table {} belongs to {shared}, and its copy here holds rows", name.raw());
            self.problems.push(Untrusted::new(words));
        }
        Ok(())
    }
}

pub(super) fn object(row: &TextRow) -> Option<Map<String, Value>> {
    match serde_json::from_str(row.text(0)?).ok()? {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

pub(super) fn text(row: &Map<String, Value>, name: &str) -> Option<Untrusted> {
    match row.get(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Untrusted::new(text)),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(Untrusted::new(other.to_string()))
        }
    }
}

fn member(row: &Map<String, Value>) -> Member {
    let id = text(row, "id").unwrap_or_default();
    let status = text(row, "status");
    let said = text(row, "active").map(|active| matches!(active.raw(), "true" | "t" | "active"));
    Member {
        name: text(row, "name").unwrap_or_else(|| id.clone()),
        active: said.or_else(|| status.as_ref().map(|status| status.raw() == "active")),
        last_active_at: text(row, "last_active_at").map(|time| moment(&time)),
        status,
        id,
    }
}

fn fact(question: &Question, row: &Map<String, Value>) -> HealthFact {
    HealthFact {
        name: Untrusted::new(&question.name),
        title: Untrusted::new(question.shown()),
        value: text(row, "value"),
        detail: text(row, "detail"),
        problem: text(row, "problem"),
    }
}

/// A time as JSON or a cast to text prints it, as RFC 3339 in UTC (one without a zone is taken for UTC); any other text
/// as it is.
pub(super) fn moment(time: &Untrusted) -> Untrusted {
    let text = time.raw();
    // A date alone is no moment.
    if !text.contains(':') {
        return time.clone();
    }
    let civil = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    match text.parse::<jiff::Timestamp>().ok().or_else(civil) {
        Some(instant) => Untrusted::new(instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        None => time.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_utc_however_it_is_written() {
        let say = |text: &str| moment(&Untrusted::new(text)).raw().to_owned();
        assert_eq!(say("2026-02-09T11:00:00.25+01:00"), "2026-02-09T10:00:00Z");
        assert_eq!(say("2026-02-09 11:00:00.25+01"), "2026-02-09T10:00:00Z");
        assert_eq!(say("2026-02-09T10:00:00"), "2026-02-09T10:00:00Z");
        assert_eq!(say("2026-02-09 10:00:00"), "2026-02-09T10:00:00Z");
        assert_eq!(say("yesterday"), "yesterday");
        assert_eq!(say("2026-02-09"), "2026-02-09");
    }
}
