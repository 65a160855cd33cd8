//! A tenant's login role: made in the transaction of its schema, with what the layout says and nothing more.

use super::Maker;
use crate::jobs::gate;
use crate::jobs::orders::OrderError;
use crate::jobs::params::{RoleRef, TenantRole};
use crate::jobs::password;
use crate::layout::role::{Grants, Privilege};
use crate::model::ident::{Ident, IdentError, SchemaName, literal};
use crate::model::secret::{Credentials, Secret};

/// A role that is to be made.
pub(in crate::jobs) struct Role<'a> {
    pub(in crate::jobs) name: Ident,
    search_path: Vec<SchemaName>,
    login: bool,
    grants: &'a Grants,
    /// `None`: nobody could be shown it, or the role does not log in.
    password: Option<Secret>,
}

impl<'a> Role<'a> {
    /// The role of a tenant; with a password where somebody is there to see it.
    ///
    /// # Errors
    /// When the record holds what is no name.
    pub(super) fn new(tenant: &TenantRole, rule: &'a RoleRef, shows_credentials: bool) -> Result<Self, OrderError> {
        let wrong = |error: IdentError| gate::refused(format!("the job's record: {error}"));
        let path: Result<Vec<SchemaName>, IdentError> =
            tenant.search_path.iter().map(|name| SchemaName::existing(name)).collect();
        Ok(Self {
            name: Ident::new(&tenant.name).map_err(wrong)?,
            search_path: path.map_err(wrong)?,
            login: rule.login,
            grants: &rule.grants,
            password: if rule.login && shows_credentials { Some(password::new()?) } else { None },
        })
    }

    /// What the operator is shown when the role is there.
    pub(in crate::jobs) fn credentials(&self, slug: &str) -> Option<Credentials> {
        let password = self.password.clone()?;
        Some(Credentials { tenant: slug.to_owned(), role: self.name.raw().to_owned(), password })
    }

    /// What is told where nobody could be shown a password. Nobody gets in by a password that there is not.
    pub(in crate::jobs) fn without_password(&self) -> Option<String> {
        let untold = self.login && self.password.is_none();
        untold.then(|| {
            format!(
                "role {} has no password: nobody was there to be shown one. Set it with psql's \\password {}",
                self.name.raw(),
                self.name.quoted()
            )
        })
    }
}

/// The statements behind CREATE SCHEMA and before the files: what the files make has the default privileges. The password
/// is sent as its verifier.
///
/// # Errors
/// When no verifier could be made.
pub(super) async fn create_sql(maker: &Maker<'_>, database: &str) -> Result<Option<String>, OrderError> {
    let Some(role) = &maker.role else { return Ok(None) };
    let (name, schema) = (role.name.quoted(), maker.schema.quoted());
    let login = if role.login { "LOGIN" } else { "NOLOGIN" };
    let password = match &role.password {
        Some(password) => format!(" PASSWORD {}", literal(&password::verifier(password).await?)),
        None => String::new(),
    };
    let mut sql =
        format!("CREATE ROLE {name} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS{password};");
    if !role.search_path.is_empty() {
        // Of this database alone: in another one the path would lead to another tenant, or nowhere.
        let database = Ident::new(database).map_err(|error| gate::refused(error.to_string()))?;
        let path: Vec<String> = role.search_path.iter().map(SchemaName::quoted).collect();
        let (database, path) = (database.quoted(), path.join(", "));
        sql.push_str(&format!(" ALTER ROLE {name} IN DATABASE {database} SET search_path = {path};"));
    }
    sql.push_str(&grant(&role.grants.schema, &format!("SCHEMA {schema}"), &name));
    let default = &role.grants.default;
    for (privileges, kind) in
        [(&default.tables, "TABLES"), (&default.sequences, "SEQUENCES"), (&default.functions, "FUNCTIONS")]
    {
        let grant = grant(privileges, kind, &name);
        if !grant.is_empty() {
            sql.push_str(&format!(" ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}{grant}"));
        }
    }
    Ok(Some(sql))
}

/// The statements behind all files: what they made, whoever owns it now.
pub(super) fn grants_sql(maker: &Maker<'_>) -> Option<String> {
    let role = maker.role.as_ref()?;
    let (name, schema) = (role.name.quoted(), maker.schema.quoted());
    let kinds =
        [(&role.grants.tables, "TABLES"), (&role.grants.sequences, "SEQUENCES"), (&role.grants.functions, "FUNCTIONS")];
    let all = |(privileges, kind): (&Vec<Privilege>, &str)| {
        grant(privileges, &format!("ALL {kind} IN SCHEMA {schema}"), &name)
    };
    Some(kinds.into_iter().map(all).collect())
}

/// ` GRANT ... ON ... TO ...;`, or nothing.
fn grant(privileges: &[Privilege], on: &str, to: &str) -> String {
    if privileges.is_empty() {
        return String::new();
    }
    let words: Vec<&str> = privileges.iter().map(|privilege| privilege.sql()).collect();
    format!(" GRANT {} ON {on} TO {to};", words.join(", "))
}
