//! What stands in both schemas, read the same way for a plan and within the transaction that carries it out.

use serde::Deserialize;

use super::SOURCE;
use crate::model::ident::{SchemaName, literal};
use crate::postgres::bind::oid_array;
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

const FACTS: &str = include_str!("../../../assets/sql/import_facts.sql");
const RIGHTS: &str = include_str!("../../../assets/sql/import_rights.sql");
const OUTSIDE: &str = include_str!("../../../assets/sql/import_outside.sql");

/// Both schemas.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// The source's schema.
    pub(super) source_oid: Option<u32>,
    /// The tenant's.
    pub(super) target_oid: Option<u32>,
    pub(super) tables: Vec<Table>,
    /// Of the tenant's tables, to each other and to the source's.
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) triggers: Vec<Trigger>,
    /// Views of the source.
    pub(super) views: Vec<String>,
    /// Functions of the source.
    pub(super) functions: Vec<String>,
    /// Sequences of both that defaults of other tables than their own count by.
    pub(super) sequences: Vec<Sequence>,
    /// Of the source.
    pub(super) partitions: Vec<Partition>,
    /// Every relation of the tenant's.
    pub(super) taken: Vec<String>,
}

/// A table of one of the schemas.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Table {
    /// It is of the source.
    pub(super) source: bool,
    pub(super) name: String,
    pub(super) oid: u32,
    /// It has partitions, or inherits.
    pub(super) parted: bool,
    /// Others inherit from it: who asks it for rows gets theirs, too.
    pub(super) inherited: bool,
    /// The names of its indexes.
    pub(super) indexes: Vec<String>,
    /// A publication names it.
    pub(super) published: bool,
    pub(super) columns: Vec<Column>,
}

/// A part of a table: it is brought with that, never by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Partition {
    pub(super) name: String,
    /// Where the table is that it is a part of, whatever parts are between the two.
    pub(super) schema: String,
    pub(super) table: String,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// As `format_type` has it; a type of the table's own schema begins with a dot.
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    /// It is computed from others.
    pub(super) generated: bool,
    /// Its values are numbers.
    pub(super) number: bool,
    /// The sequence of the table's schema that counts it, quoted.
    pub(super) sequence: Option<String>,
}

impl Column {
    /// Its type, without the schema's dot.
    pub(super) fn shown(&self) -> &str {
        self.type_name.trim_start_matches('.')
    }
}

/// A foreign key of a tenant's table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) to: String,
    /// It points into the tenant's own schema.
    pub(super) to_target: bool,
    /// It can be checked at the end already.
    pub(super) deferred: bool,
}

/// A trigger of a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Trigger {
    pub(super) source: bool,
    pub(super) table: String,
    pub(super) name: String,
    /// `O`, `A`, `R` or `D`.
    pub(super) enabled: String,
    /// Its function is of the table's own schema.
    pub(super) own: bool,
}

/// A sequence that does not simply belong to the table that it counts for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Sequence {
    pub(super) source: bool,
    pub(super) name: String,
    pub(super) oid: u32,
    /// Tables of its schema whose defaults count by it.
    pub(super) users: Vec<String>,
    /// The table that it belongs to.
    pub(super) owner: Option<String>,
    /// Something else uses it, or it is an extension's.
    pub(super) kept: bool,
}

impl Facts {
    /// The one SELECT that reads them.
    #[must_use]
    pub fn sql(target: &SchemaName) -> String {
        FACTS.replace(":'source'", &literal(SOURCE)).replace(":'target'", &literal(target.raw()))
    }

    /// What it answered.
    ///
    /// # Errors
    /// When that has another form.
    pub fn parse(rows: &[TextRow]) -> Result<Self, QueryError> {
        let json = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
        serde_json::from_str(json).map_err(|error| QueryError::Unexpected { what: Untrusted::new(error.to_string()) })
    }

    /// A sequence of the tenant's.
    pub(super) fn sequence_oid(&self, name: &str) -> Option<u32> {
        self.sequences.iter().find(|own| !own.source && own.name == name).map(|own| own.oid)
    }

    /// A table of one of the schemas.
    pub(super) fn table(&self, source: bool, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.source == source && table.name == name)
    }
}

/// The one SELECT of how many locks a transaction holds that writes these tables: of each, its indexes, its long values.
#[must_use]
pub(super) fn locks_sql(oids: &[u32]) -> String {
    format!(
        "SELECT pg_catalog.sum(1 + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid) \
         + CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE 2 END) FROM pg_catalog.pg_class AS c WHERE c.oid = ANY({}::oid[])",
        literal(&oid_array(oids))
    )
}

/// The one SELECT of the owners and rights that these relations of the tenant have, and their like in the source has not.
#[must_use]
pub(super) fn rights_sql(oids: &[u32]) -> String {
    RIGHTS.replace(":'source'", &literal(SOURCE)).replace(":'oids'", &literal(&oid_array(oids)))
}

/// The one SELECT of what depends on tables and is not of them.
#[must_use]
pub(super) fn outside_sql(oids: &[u32]) -> String {
    OUTSIDE.replace(":'oids'", &literal(&oid_array(oids)))
}
