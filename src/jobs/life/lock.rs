//! A migration tool's lock that was left behind: taken away where it is the one that was shown, and left alone where a
//! migration took it since.

use serde_json::{Value as Json, json};

use super::params::{LockRef, UnlockRef};
use super::tx::{self, Said, Work, failed};
use super::{run::Life, schema};
use crate::migrations::apply::step::StepEnd;
use crate::migrations::unlock::LockPlace;
use crate::model::ident::SchemaName;
use crate::model::ledger::Tool;
use crate::model::life::LockRow;
use crate::postgres::session::TextRow;
use crate::text::Untrusted;

/// A row of a lock, as it was read.
pub(super) fn row(row: &TextRow) -> Option<LockRow> {
    Some(LockRow { xid: row.text(0)?.to_owned(), by: row.text(1).map(Untrusted::new) })
}

impl LockRef {
    pub(super) fn of(row: &LockRow) -> Self {
        Self { xid: row.xid.clone(), by: row.by.as_ref().map(|by| by.raw().to_owned()) }
    }
}

/// What tells it from another. Not who holds it since when: that is text, and how a session writes times is its own.
fn xids(rows: &[LockRef]) -> Vec<&str> {
    rows.iter().map(|row| row.xid.as_str()).collect()
}

/// Who holds it, as far as its rows say so.
fn holders(rows: &[LockRef]) -> String {
    let by: Vec<&str> = rows.iter().filter_map(|row| row.by.as_deref()).collect();
    if by.is_empty() { String::new() } else { format!(" by {}", by.join(" and ")) }
}

/// Why a lock is left alone that is not the one that was shown.
fn taken_anew(tool: Tool, seen: &[LockRef], now: &[LockRef]) -> StepEnd {
    failed(format!(
        "the lock of {tool} is not the one that was shown{}: it was released, and taken anew{}. A migration may run now; \
         it was left alone. Once none runs, look again and order the repair anew",
        holders(seen),
        holders(now)
    ))
}

fn place(life: &Life<'_>, what: &UnlockRef) -> Result<(Tool, LockPlace), StepEnd> {
    let schema = if what.shared {
        SchemaName::shared(&life.name).map_err(|error| failed(error.to_string()))?
    } else {
        life.schema().map_err(failed)?
    };
    let tool = Tool::from_word(&what.tool).ok_or_else(|| failed("the lock's tool is not known to this program"))?;
    let place = LockPlace::of(tool, &schema, &what.ledger).map_err(|error| failed(error.to_string()))?;
    Ok((tool, place.ok_or_else(|| failed(format!("{tool} leaves no lock in a schema")))?))
}

/// Takes away what a migration tool left behind. One that is gone already needs nothing more.
pub(super) async fn take_away(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    tx::same_schema(client, life).await?;
    let what = life.params.unlock.as_ref().ok_or_else(|| failed("the job's record names no lock"))?;
    if what.seen.is_empty() {
        return Err(failed("the job's record does not say which lock was shown: order the repair anew"));
    }
    let (tool, place) = place(life, what)?;
    schema::unused(client, life).await?;
    let now = held(work, &place).await?;
    if !now.is_empty() && xids(&now) != xids(&what.seen) {
        return Err(taken_anew(tool, &what.seen, &now));
    }
    let mut count = 0;
    if !now.is_empty() {
        count = tx::ask(client, &place.away_sql(&xids(&now))).await?.iter().flatten().count();
        // Between the two statements it may change hands as well.
        let left = held(work, &place).await?;
        if !left.is_empty() {
            return Err(taken_anew(tool, &what.seen, &left));
        }
    }
    let said = Said { before: Some(Json::from(count)), after: json!({ "tool": tool.word(), "locks": count }) };
    tx::done(work, tx, said).await
}

async fn held(work: &Work<'_>, place: &LockPlace) -> Result<Vec<LockRef>, StepEnd> {
    let rows = tx::ask(work.client, &place.rows_sql()).await?;
    Ok(rows.iter().flatten().filter_map(row).map(|row| LockRef::of(&row)).collect())
}
