//! The first work session of a run, opened while the job is claimed, so that neither waits for the other.
//!
//! A session that is new reads from the catalog what it has to know of the catalog itself. The first CREATE TABLE and its
//! like do that within their transaction, with all locks held: `docs/adr/0036` has what it comes to.

use super::gate;
use crate::migrations::apply::step::BOOKKEEPING;
use crate::migrations::apply::wire;
use crate::model::job::JobId;
use crate::postgres::session::{Target, WriterSession};

const FIRST_LOOK: &str = include_str!("../../assets/sql/first_look.sql");

/// Opens it; `None` where that fails: the run opens it again where it needs it, and says then what is wrong.
pub(super) async fn session(target: &Target, job: JobId) -> Option<WriterSession> {
    let session = match gate::again(target, Some(job)).await {
        Ok(session) => session,
        Err(error) => {
            tracing::debug!(%job, %error, "no work session yet");
            return None;
        }
    };
    // Nothing depends on the answer, and one that is lost by now is opened again where it is used.
    if let Err(trouble) = wire::ask(&session.client, FIRST_LOOK, BOOKKEEPING).await {
        tracing::debug!(%job, ?trouble, "the work session had no first look");
    }
    Some(session)
}
