//! Where a statement that runs outside of transactions is run: the search path and the rights of its own session.

use tokio_postgres::Client;

use super::guard;
use super::rights::{self, Lasting};
use super::run::Fault;
use super::step::{BOOKKEEPING, StepEnd, StepOrder, ended};
use super::wire;
use crate::config::RunAs;
use crate::model::ident::literal;

/// The search path and the rights that the file is run with. Of this session: outside of a transaction there are no
/// others. Returns the role to go back to, where that is another one.
///
/// # Errors
/// The step's end, where the path does not lead to the schema of the plan, or the role may not be taken.
pub(super) async fn to_the_tenant(client: &Client, order: &StepOrder<'_>) -> Result<Option<String>, StepEnd> {
    let take = match order.run_as {
        RunAs::Login => String::new(),
        RunAs::Owner => rights::take_sql(order.schema, Lasting::Session),
    };
    let sql = format!(
        "SELECT pg_catalog.set_config('search_path', {}, false); {take} SELECT n.oid FROM pg_catalog.pg_namespace AS n \
         WHERE n.nspname = pg_catalog.current_schema() AND n.nspname = {}::name;",
        literal(&guard::search_path(order.schema, order.search_path_extra)),
        literal(order.schema.raw()),
    );
    let rows = wire::ask(client, &sql, BOOKKEEPING).await.map_err(|trouble| ended(&trouble))?;
    let oid = rows.last().and_then(|rows| rows.first()).and_then(|row| row.parse::<u32>(0).ok().flatten());
    if oid != Some(order.schema_oid) {
        let words = "search_path does not lead to the schema of the plan; nothing was run. Make a new plan";
        return Err(StepEnd::Failed(Fault::ours(words)));
    }
    Ok(match rows.as_slice() {
        [_, role, _, _] => role.first().and_then(|row| row.text(0)).map(str::to_owned),
        _ => None,
    })
}

/// The session is our own again.
///
/// # Errors
/// The step's end, where the server refuses that or the link is lost.
pub(super) async fn home_again(client: &Client, role: Option<&str>) -> Result<(), StepEnd> {
    let role = role.map(|role| format!(", {}", rights::give_back(role, Lasting::Session))).unwrap_or_default();
    let sql = format!("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false){role}");
    wire::ask(client, &sql, BOOKKEEPING).await.map(|_| ()).map_err(|trouble| ended(&trouble))
}
