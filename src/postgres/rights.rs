//! What the role may: whether that has changed since it was last looked at, and whether it could write anything at all.

use std::collections::BTreeSet;

use super::bind::{bind, text_array};
use super::session::{QueryError, Reader};
use crate::layout::{Layout, Registry};

const RIGHTS: &str = include_str!("../../assets/sql/rights.sql");
const MAY_WRITE: &str = include_str!("../../assets/sql/may_write.sql");
/// The schema of the record of jobs, and its tables.
const RECORD: (&str, [&str; 4]) = ("tenantui", ["job", "step", "audit", "meta"]);

/// Sums over what decides over the role's privileges. Equal ones mean that it may what it might before; the privileges on
/// schemas and on tables of tenants are in the pulse.
pub type Rights = String;

/// Takes the sums; `None` where they cannot be had.
///
/// # Errors
/// When the link breaks.
pub async fn take(reader: &Reader, layout: &Layout) -> Result<Option<Rights>, QueryError> {
    let mut schemas = BTreeSet::from([RECORD.0]);
    let mut names = BTreeSet::from(RECORD.1);
    let about = &layout.about;
    let needs = about.members.iter().chain(&about.health).chain(&about.fleet).flat_map(|question| &question.needs);
    let asked = needs.filter_map(|need| need.table.split_once('.'));
    let tables = [
        match &layout.registry {
            Registry::Table { table, .. } => Some(table),
            Registry::Query { .. } | Registry::Scan { .. } => None,
        },
        layout.domains.as_ref().map(|domains| &domains.table),
        layout.access.as_ref().map(|access| &access.table),
    ];
    let own = tables.into_iter().flatten().map(|table| (table.schema.raw(), table.name.raw()));
    for (schema, name) in own.chain(asked) {
        schemas.insert(schema);
        names.insert(name);
    }
    let sql = bind(RIGHTS, &[("schemas", &text_array(schemas)), ("names", &text_array(names))]);
    match reader.rows(&sql).await {
        Ok(rows) => {
            Ok(rows.first().map(|row| (0..5).map(|sum| row.text(sum).unwrap_or("-")).collect::<Vec<_>>().join("/")))
        }
        Err(QueryError::Server { .. } | QueryError::Timeout { .. }) => Ok(None),
        Err(error @ (QueryError::Link(_) | QueryError::Unexpected { .. })) => Err(error),
    }
}

/// What the role lacks without which no job can write anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// There is a record of jobs, and it may not write that.
    Record,
    /// There is none, and it may not make one.
    Making,
    /// It may record jobs, and change nothing that one would change.
    Anything,
}

impl Lacks {
    /// In words; `grants`: the command that prints what it needs.
    #[must_use]
    pub fn words(self, grants: &str) -> String {
        let what = match self {
            Self::Record => "it lacks INSERT and UPDATE on the record of jobs, in the schema tenantui",
            Self::Making => "there is no record of jobs yet, and it lacks CREATE on the database to make one",
            Self::Anything => {
                "it lacks CREATE on the database and on every tenant's schema, and may not change the registry"
            }
        };
        format!("the role may not write: {what}; `{grants}` prints what it needs")
    }
}

/// What the role lacks to write anything at all; `None` where it lacks nothing of that kind, or where that cannot be found
/// out. `shared`: jobs migrate the schema `public` too.
///
/// # Errors
/// When the link breaks.
pub async fn lacks(reader: &Reader, layout: &Layout, shared: bool) -> Result<Option<Lacks>, QueryError> {
    let registry = match &layout.registry {
        Registry::Table { oid, .. } => *oid,
        Registry::Query { .. } | Registry::Scan { .. } => 0,
    };
    let values = [("registry", registry.to_string()), ("shared", shared.to_string())];
    let sql = bind(MAY_WRITE, &values.each_ref().map(|(name, value)| (*name, value.as_str())));
    let rows = match reader.rows(&sql).await {
        Ok(rows) => rows,
        Err(QueryError::Server { .. } | QueryError::Timeout { .. }) => return Ok(None),
        Err(error @ (QueryError::Link(_) | QueryError::Unexpected { .. })) => return Err(error),
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let [makes, recorded, records, creates, lists] = [0, 1, 2, 3, 4].map(|column| row.is_true(column));
    Ok(match (recorded, records, makes) {
        (true, false, _) => Some(Lacks::Record),
        (false, _, false) => Some(Lacks::Making),
        (true, true, false) if !creates && !lists => Some(Lacks::Anything),
        (true, true, _) | (false, _, true) => None,
    })
}
