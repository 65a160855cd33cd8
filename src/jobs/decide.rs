//! T2u: the reply to COMMIT was lost. Whether it committed is read back, from the step's row and from the ledger's, which
//! are of one transaction; it is never guessed, and nothing is run before it is known.

use std::time::{Duration, Instant};

use super::gate;
use super::lane::{LINK_PATIENCE, Lane};
use super::orders::OrderError;
use crate::migrations::apply::ledger::{Way, WritableLedger};
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire::Trouble;
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{SchemaName, literal};
use crate::postgres::session::WriterSession;

/// Time between two questions while the server is still at it.
const PAUSE: Duration = Duration::from_millis(200);

/// Which COMMIT.
pub(super) struct Question<'a> {
    pub(super) fence: Fence,
    pub(super) seq: i32,
    /// The transaction, as `txid_current` named it.
    pub(super) xid: &'a str,
    pub(super) ledger: &'a WritableLedger,
    /// Whose ledger got or lost which row; `None` where the transaction wrote more than one migration's.
    pub(super) place: Option<(&'a SchemaName, &'a MigrationFile, Way<'a>)>,
}

/// What one look found.
enum Found {
    /// The server has not ended the transaction yet.
    InProgress,
    Ended {
        step_done: bool,
        /// Whether the ledger is as the step makes it: has the version, or has it no more. `None` where there is no one
        /// row to look for.
        ledger_agrees: Option<bool>,
    },
}

/// Whether it committed.
///
/// # Errors
/// When the server could not be asked in time, or step and ledger say different things: somebody else changed one of
/// them, and an operator has to look.
pub(super) async fn committed(lane: &mut Lane<'_>, question: &Question<'_>) -> Result<bool, OrderError> {
    let started = Instant::now();
    loop {
        lane.drop_session();
        let (session, _) = lane.session().await?;
        match look(session, question).await {
            Ok(Found::Ended { step_done: true, ledger_agrees: Some(false) }) => {
                return Err(gate::refused(format!(
                    "step {} of job {} is recorded as done, and the ledger says otherwise: somebody changed it. \
                     Compare the schema with its siblings before the job goes on",
                    question.seq, question.fence.job
                )));
            }
            // A row of the ledger without a done step is somebody else's: the next try finds it there.
            Ok(Found::Ended { step_done, .. }) => return Ok(step_done),
            Ok(Found::InProgress) => {}
            Err(Trouble::Lost(why)) => tracing::info!("asked again: {}", why.safe()),
            Err(trouble @ Trouble::Server(_)) => return Err(trouble.into()),
        }
        if started.elapsed() > LINK_PATIENCE {
            return Err(gate::lost("the outcome of a COMMIT could not be read back in time".into()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(session: &WriterSession, question: &Question<'_>) -> Result<Found, Trouble> {
    let xid = question.xid.parse::<u64>().unwrap_or_default();
    // A number that the server no longer knows is NULL; one that it does not know yet is an error (another server's).
    let status = match gate::ask(session, &format!("SELECT pg_catalog.txid_status({xid})")).await {
        Ok(rows) => rows.into_iter().flatten().next().and_then(|row| row.text(0).map(str::to_owned)),
        Err(Trouble::Server(refused)) if refused.sqlstate == "22023" => None,
        Err(trouble) => return Err(trouble),
    };
    if status.as_deref() == Some("in progress") {
        return Ok(Found::InProgress);
    }
    // Whatever the server remembers of the number, the rows are what counts.
    let table = question.place.and_then(|(schema, file, way)| Some((question.ledger.table(schema).ok()?, file, way)));
    let there = table.as_ref().map_or_else(
        || "NULL::oid".to_owned(),
        |(table, ..)| format!("pg_catalog.to_regclass({})::oid", literal(&table.quoted())),
    );
    let sql = format!(
        "SELECT (SELECT s.state = 'done' FROM tenantui.step AS s WHERE s.job_id = {} AND s.seq = {}), {there}",
        question.fence.job, question.seq
    );
    let rows = gate::ask(session, &sql).await?;
    let row = rows.iter().flatten().next();
    let step_done = row.is_some_and(|row| row.is_true(0));
    let ledger_agrees = match (&table, row.and_then(|row| row.text(1))) {
        (None, _) => None,
        (Some((_, _, way)), None) => Some(!way.leaves_it()),
        (Some((table, file, way)), Some(_)) => {
            let rows = gate::ask(session, &question.ledger.is_applied_sql(table, file)).await?;
            let is_there = rows.iter().flatten().next().is_some_and(|row| row.is_true(0));
            Some(is_there == way.leaves_it())
        }
    };
    Ok(Found::Ended { step_done, ledger_agrees })
}
