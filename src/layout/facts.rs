//! What the catalog says of a database, as far as layouts ask.

use std::collections::BTreeSet;

use crate::model::ident::Ident;
use crate::text::Untrusted;

/// What the catalog says, as far as layouts ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Tables and their columns: possible registries, and the tables of fingerprints in `public` and in a few
    /// schemas that hold all of one fingerprint's.
    pub tables: Vec<TableFacts>,
    /// Tables of fingerprints in schemas of dropped tenants; asked for where nothing else shows a layout.
    pub dropped: Vec<TableFacts>,
    /// The role that asked, for the grants that would help.
    pub user: Untrusted,
}

/// One table (or view) of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// This role may use the schema.
    pub usage: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnFacts>,
    /// Tables that point at it with a foreign key.
    pub pointed_at_by: Vec<PointingTable>,
    /// Row level security may hide rows of it from this role.
    pub rows_hidden: bool,
}

/// A table with a foreign key to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointingTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: BTreeSet<String>,
    /// Those that this role may read.
    pub readable: BTreeSet<String>,
}

/// One column of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type with its length, as `format_type` prints it.
    pub type_name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// It has a default, or is an identity.
    pub has_default: bool,
    /// The server makes its values of other columns, and takes none.
    pub is_generated: bool,
    /// This role may read it.
    pub readable: bool,
    /// The words that the column allows, where it is an enum or has a CHECK that lists them.
    pub words: Vec<String>,
}

impl TableFacts {
    pub(super) fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether it has a column of this name and type; a type without a length stands for all lengths.
    pub(super) fn has(&self, name: &str, type_name: &str) -> bool {
        self.column(name).is_some_and(|column| {
            type_name.is_empty()
                || column.type_name == type_name
                || column.type_name.split('(').next().is_some_and(|base| base == type_name)
        })
    }

    pub(super) fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The statements that would let a role read these columns; all where none is named.
    #[must_use]
    pub fn grant(&self, columns: &[&str], user: &Untrusted) -> String {
        let quoted = |name: &str| Ident::new(name).map_or_else(|_| name.to_owned(), |name| name.quoted());
        let (schema, role) = (quoted(&self.schema), quoted(user.raw()));
        let list: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let list = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
        let usage = if self.usage { String::new() } else { format!("GRANT USAGE ON SCHEMA {schema} TO {role}; ") };
        format!("{usage}GRANT SELECT{list} ON {schema}.{} TO {role}", quoted(&self.name))
    }
}

impl Facts {
    pub(super) fn table(&self, schema: &str, name: &str) -> Option<&TableFacts> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }
}
