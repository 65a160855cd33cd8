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
/// is sent as its verifier. `None` where nobody gets anything.
///
/// # Errors
/// When no verifier could be made, or the record holds what is no name.
pub(super) async fn first_sql(maker: &Maker<'_>, database: &str) -> Result<Option<String>, OrderError> {
    let wrong = |error: IdentError| gate::refused(error.to_string());
    let mut sql = String::new();
    if let Some(role) = &maker.role {
        let password = match &role.password {
            Some(password) => format!(" PASSWORD {}", literal(&password::verifier(password).await?)),
            None => String::new(),
        };
        sql = role.sql(&maker.schema, maker.makes_later()).create(database, &password).map_err(wrong)?;
    }
    if let Some(granted) = maker.granted {
        sql.push_str(&granted.first_sql(&maker.schema, maker.makes_later()).map_err(wrong)?);
    }
    Ok((!sql.is_empty()).then_some(sql))
}

/// The statements behind all files: what they made, whoever owns it now.
///
/// # Errors
/// When the record holds what is no name.
pub(super) fn all_sql(maker: &Maker<'_>) -> Result<Option<String>, IdentError> {
    let own = maker.role.as_ref().map(|role| role.sql(&maker.schema, maker.makes_later()).grants());
    let others = maker.granted.map(|granted| granted.all_sql(&maker.schema)).transpose()?;
    Ok(match (own, others) {
        (None, None) => None,
        (own, others) => Some(own.unwrap_or_default() + &others.unwrap_or_default()),
    })
}
