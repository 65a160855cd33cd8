//! The registry's table in a job's record: by which columns a tenant's row is known.

use serde::{Deserialize, Serialize};

use crate::layout::{Layout, Registry};
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName, literal};

/// The registry table and the columns by which a row is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryRef {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The id's column.
    pub id: Option<String>,
    /// The slug's column.
    pub slug: String,
    /// The column of schema names.
    pub schema_name: Option<String>,
}

impl RegistryRef {
    /// The table of a layout, where it lists tenants in one.
    #[must_use]
    pub fn of(layout: &Layout) -> Option<Self> {
        match &layout.registry {
            Registry::Table { table, columns, .. } => Some(Self {
                schema: table.schema.raw().to_owned(),
                table: table.name.raw().to_owned(),
                id: columns.id.as_ref().map(|column| column.name.raw().to_owned()),
                slug: columns.slug.name.raw().to_owned(),
                schema_name: columns.schema_name.as_ref().map(|column| column.name.raw().to_owned()),
            }),
            Registry::Query { .. } | Registry::Scan { .. } => None,
        }
    }

    /// The table, checked.
    ///
    /// # Errors
    /// When the record holds a name that is no identifier.
    pub fn table(&self) -> Result<QualifiedName, IdentError> {
        Ok(QualifiedName { schema: SchemaName::existing(&self.schema)?, name: Ident::new(&self.table)? })
    }

    /// One SELECT that has a row while the tenant's row is as planned. Values are untyped literals, so that the
    /// column's own type and index are used.
    ///
    /// # Errors
    /// When the record holds a name that is no identifier.
    pub fn check_sql(&self, id: Option<&str>, slug: &str, schema: &str) -> Result<String, IdentError> {
        Ok(format!("SELECT 1 FROM {} WHERE {} LIMIT 1;", self.table()?.quoted(), self.row_sql(id, slug, schema)?))
    }

    /// The condition by which a row is the tenant's, whatever else has changed in it.
    ///
    /// # Errors
    /// When the record holds a name that is no identifier.
    pub fn same_sql(&self, id: Option<&str>, slug: &str) -> Result<String, IdentError> {
        let (column, value) = match (&self.id, id) {
            (Some(column), Some(id)) => (column, id),
            (Some(_) | None, _) => (&self.slug, slug),
        };
        Ok(format!("{} = {}", Ident::new(column)?.quoted(), literal(value)))
    }

    /// The condition by which the tenant's row is known.
    ///
    /// # Errors
    /// When the record holds a name that is no identifier.
    pub fn row_sql(&self, id: Option<&str>, slug: &str, schema: &str) -> Result<String, IdentError> {
        let column = Ident::new(&self.slug)?.quoted();
        let mut sql = format!("{column} = {}", literal(slug));
        if id.is_some_and(|id| slug == schema || slug == id) {
            // It may stand for a slug that the row lacks. The id finds the row.
            sql = format!("({sql} OR COALESCE({column}::text, '') = '')");
        }
        if let (Some(column), Some(id)) = (&self.id, id) {
            sql.push_str(&format!(" AND {} = {}", Ident::new(column)?.quoted(), literal(id)));
        }
        if let Some(column) = &self.schema_name {
            let column = Ident::new(column)?.quoted();
            // A row without one has it from the slug.
            sql.push_str(&format!(" AND COALESCE({column}::text, '') IN ('', {})", literal(schema)));
        }
        Ok(sql)
    }
}
