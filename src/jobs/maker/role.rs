//! A tenant's login role: made in the transaction of its schema, with what the layout says and nothing more.

use super::Maker;
use super::role_sql::RoleSql;
use crate::jobs::gate;
use crate::jobs::orders::OrderError;
use crate::jobs::params::{RoleRef, TenantRole};
use crate::jobs::password;
use crate::layout::role::Grants;
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

    fn sql<'r>(&'r self, schema: &'r SchemaName, maker: Option<&'r Ident>) -> RoleSql<'r> {
        let Self { name, search_path, login, grants, .. } = self;
        RoleSql { name, search_path, login: *login, grants, schema, maker }
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
    let password = match &role.password {
        Some(password) => format!(" PASSWORD {}", literal(&password::verifier(password).await?)),
        None => String::new(),
    };
    let sql = role.sql(&maker.schema, maker.makes_later()).create(database, &password);
    sql.map(Some).map_err(|error| gate::refused(error.to_string()))
}

/// The statements behind all files: what they made, whoever owns it now.
pub(super) fn grants_sql(maker: &Maker<'_>) -> Option<String> {
    maker.role.as_ref().map(|role| role.sql(&maker.schema, maker.makes_later()).grants())
}
