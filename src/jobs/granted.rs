//! What roles that are there already get of a new tenant: `grant_to` of `[database.tenants]`. An application that logs in as
//! another role than the one that makes its tenants would find the new one in the registry, and be refused.

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::layout::role::{Grants, Privilege};
use crate::model::ident::{Ident, IdentError, SchemaName};

/// Which roles get what of each new schema, as a job's record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The roles.
    pub to: Vec<String>,
    /// What each of them gets: what the layout gives a tenant's own role.
    pub grants: Grants,
}

impl Granted {
    /// What these roles get in a database of this layout; `None` where there are none.
    #[must_use]
    pub fn of(layout: &Layout, to: &[Ident]) -> Option<Self> {
        let grants = || layout.role.as_ref().map_or_else(Grants::usual, |role| role.grants.clone());
        (!to.is_empty()).then(|| Self { to: to.iter().map(|name| name.raw().to_owned()).collect(), grants: grants() })
    }

    /// The statements behind CREATE SCHEMA: the schema, and all that `maker` makes in it later; `None`: whoever runs them.
    ///
    /// # Errors
    /// When the record holds what is no name.
    pub fn first_sql(&self, schema: &SchemaName, maker: Option<&Ident>) -> Result<String, IdentError> {
        self.each(schema, maker, |share| share.first())
    }

    /// The statements behind the files: all that is there then, whoever owns it.
    ///
    /// # Errors
    /// When the record holds what is no name.
    pub fn all_sql(&self, schema: &SchemaName) -> Result<String, IdentError> {
        self.each(schema, None, |share| share.all())
    }

    fn each(
        &self,
        schema: &SchemaName,
        maker: Option<&Ident>,
        sql: impl Fn(&Share<'_>) -> String,
    ) -> Result<String, IdentError> {
        let of = |name: &String| Ok(sql(&Share { name: &Ident::new(name)?, grants: &self.grants, schema, maker }));
        self.to.iter().map(of).collect()
    }
}

/// What one role gets of one schema.
pub(super) struct Share<'r> {
    pub(super) name: &'r Ident,
    pub(super) grants: &'r Grants,
    pub(super) schema: &'r SchemaName,
    /// Who makes what is made in it later; `None`: whoever runs these statements.
    pub(super) maker: Option<&'r Ident>,
}

impl Share<'_> {
    /// The schema, and all that is made in it later.
    pub(super) fn first(&self) -> String {
        let (name, schema) = (self.name.quoted(), self.schema.quoted());
        let mut sql = grant(&self.grants.schema, &format!("SCHEMA {schema}"), &name);
        let maker = self.maker.map(|maker| format!(" FOR ROLE {}", maker.quoted())).unwrap_or_default();
        let default = &self.grants.default;
        for (privileges, kind) in
            [(&default.tables, "TABLES"), (&default.sequences, "SEQUENCES"), (&default.functions, "FUNCTIONS")]
        {
            let grant = grant(privileges, kind, &name);
            if !grant.is_empty() {
                sql.push_str(&format!(" ALTER DEFAULT PRIVILEGES{maker} IN SCHEMA {schema}{grant}"));
            }
        }
        sql
    }

    /// All that is there.
    pub(super) fn all(&self) -> String {
        let (name, schema, grants) = (self.name.quoted(), self.schema.quoted(), self.grants);
        let kinds = [(&grants.tables, "TABLES"), (&grants.sequences, "SEQUENCES"), (&grants.functions, "FUNCTIONS")];
        let all = |(privileges, kind): (&Vec<Privilege>, &str)| {
            grant(privileges, &format!("ALL {kind} IN SCHEMA {schema}"), &name)
        };
        kinds.into_iter().map(all).collect()
    }
}

/// ` GRANT ... ON ... TO ...;`, or nothing.
fn grant(privileges: &[Privilege], on: &str, to: &str) -> String {
    if privileges.is_empty() {
        return String::new();
    }
    let words: Vec<&str> = privileges.iter().map(|privilege| privilege.sql()).collect();
    format!(" GRANT {} ON {on} TO {to};", words.join(", "))
}
