//! The statements of a tenant's login role. Pure.

use crate::layout::role::{Grants, Privilege};
use crate::layout::{CheckedName, Layout};
use crate::model::ident::{Ident, IdentError, SchemaName};

/// A role and its tenant's schema.
pub(super) struct RoleSql<'r> {
    pub(super) name: &'r Ident,
    pub(super) search_path: &'r [SchemaName],
    pub(super) login: bool,
    pub(super) grants: &'r Grants,
    pub(super) schema: &'r SchemaName,
    /// Who makes what is made in it later; `None`: whoever runs these statements.
    pub(super) maker: Option<&'r Ident>,
}

impl RoleSql<'_> {
    /// The role, and what it gets of the schema and of all that is made in it later. `password`: ` PASSWORD '...'`, or nothing.
    ///
    /// # Errors
    /// When `database` is no name.
    pub(super) fn create(&self, database: &str, password: &str) -> Result<String, IdentError> {
        let (name, schema) = (self.name.quoted(), self.schema.quoted());
        let login = if self.login { "LOGIN" } else { "NOLOGIN" };
        let mut sql = format!(
            "CREATE ROLE {name} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS{password};"
        );
        if !self.search_path.is_empty() {
            // Of this database alone: in another one the path would lead to another tenant, or nowhere.
            let path: Vec<String> = self.search_path.iter().map(SchemaName::quoted).collect();
            let (database, path) = (Ident::new(database)?.quoted(), path.join(", "));
            sql.push_str(&format!(" ALTER ROLE {name} IN DATABASE {database} SET search_path = {path};"));
        }
        sql.push_str(&grant(&self.grants.schema, &format!("SCHEMA {schema}"), &name));
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
        Ok(sql)
    }

    /// What it gets of all that is there.
    pub(super) fn grants(&self) -> String {
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

/// The statements by which a person gives a tenant that is there the role of its layout; it has no password then. `None`
/// where the layout has no role, or none of such a name. `maker` makes what is made in the schema later, where that is
/// another role than the one that runs them.
#[must_use]
pub fn by_hand(layout: &Layout, tenant: &CheckedName, database: &str, maker: Option<&Ident>) -> Option<String> {
    let role = layout.role.as_ref()?;
    let name = role.rule.name_of(&tenant.slug, &tenant.schema).ok()?;
    let path = role.rule.path_of(&tenant.schema).ok()?;
    let (login, grants) = (role.rule.login, &role.grants);
    let sql = RoleSql { name: &name, search_path: &path, login, grants, schema: &tenant.schema, maker };
    Some(sql.create(database, "").ok()? + &sql.grants())
}
