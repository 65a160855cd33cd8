//! The statements of a tenant's login role. Pure.

use crate::jobs::granted::Share;
use crate::layout::role::Grants;
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
        let name = self.name.quoted();
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
        sql.push_str(&self.share().first());
        Ok(sql)
    }

    /// What it gets of all that is there.
    pub(super) fn grants(&self) -> String {
        self.share().all()
    }

    const fn share(&self) -> Share<'_> {
        Share { name: self.name, grants: self.grants, schema: self.schema, maker: self.maker }
    }
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
