//! Passwords of new roles, as data: they are printed once.

use std::collections::HashMap;

use serde::ser::{SerializeSeq as _, Serializer};
use serde_json::json;

use crate::cli::output::{Cell, Table};
use crate::model::export::{ResultRow, Row as _};
use crate::model::secret::Credentials;
use crate::text::{counted, sanitise};

/// As JSON: `[{"tenant", "role", "password"}]`.
///
/// # Errors
/// As the serializer.
pub fn all<S: Serializer>(credentials: &[Credentials], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(credentials.len()))?;
    for one in credentials {
        let one = json!({"tenant": one.tenant, "role": one.role, "password": one.password.expose()});
        list.serialize_element(&one)?;
    }
    list.end()
}

/// One as a line, for who reads them as they come.
#[must_use]
pub fn line(one: &Credentials) -> String {
    let [tenant, role, password] = [one.tenant.as_str(), one.role.as_str(), one.password.expose()].map(sanitise);
    format!("{tenant}  {role}  {password}\n")
}

/// As a table for people.
#[must_use]
pub fn table(credentials: &[Credentials]) -> Table {
    let mut table = Table::new(&["tenant", "role", "password"]);
    for one in credentials {
        table.row(vec![one.tenant.as_str().into(), one.role.as_str().into(), one.password.expose().into()]);
    }
    table
}

/// What is said where they could not be printed.
#[must_use]
pub fn lost(credentials: &[Credentials]) -> String {
    let names = credentials.iter().map(|one| one.role.as_str()).collect::<Vec<_>>().join(", ");
    let (one, count) = (credentials.len() == 1, counted(credentials.len(), "new role"));
    let (passwords, are, them) = if one { ("password", "is", "it") } else { ("passwords", "are", "them") };
    format!(
        "the {passwords} of {count} could not be printed and {are} lost: set {them} anew with psql's \\password NAME ({names})"
    )
}

/// The results with two columns more.
#[must_use]
pub fn beside(results: &[ResultRow], credentials: &[Credentials]) -> Table {
    let by_tenant: HashMap<&str, &Credentials> = credentials.iter().map(|one| (one.tenant.as_str(), one)).collect();
    let heads: Vec<&str> = ResultRow::COLUMNS.iter().copied().chain(["role", "password"]).collect();
    let mut table = Table::new(&heads);
    for result in results {
        let own = by_tenant.get(result.tenant.as_str());
        let mut cells: Vec<Cell> = result.values().iter().map(Cell::from).collect();
        cells.push(own.map(|own| own.role.as_str()).into());
        cells.push(own.map(|own| own.password.expose()).into());
        table.row(cells);
    }
    table
}
