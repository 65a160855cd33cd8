//! What a reading begins with: what answers there now, and whether anything has changed since the reading before.

use super::FleetError;
use super::picture::Picture;
use super::pulse::{self, Pulse};
use super::session::Session;
use crate::migrations::dialects::candidate_names;
use crate::postgres::session::{LinkError, LinkErrorKind, QueryError};
use crate::postgres::{of_all, server};

/// What a look at the server says about the reading.
pub(super) struct Seen {
    /// Nothing that was known may be trusted: another server, another database, or a standby that was promoted.
    pub(super) all_anew: bool,
    /// A standby replayed something, and the last whole reading is a while ago.
    pub(super) replayed_more: bool,
    /// How far it has replayed.
    pub(super) replayed: Option<String>,
}

/// Asks what the server is now. A session that was opened on something else is replaced, so that identifier, timeline
/// and database are asked anew before anything may be written.
///
/// # Errors
/// When the link breaks, or does not answer.
pub(super) async fn look(session: &mut Session, picture: &mut Picture) -> Result<Seen, FleetError> {
    let reader = session.reader().await?;
    let mut now = server::now(reader).await.map_err(unanswered)?;
    if !now.is_as_opened(reader) {
        session.close();
        now = server::now(session.reader().await?).await.map_err(unanswered)?;
    }
    let facts = session.reader().await?.facts().clone();
    let judged = picture.memory.judge(&facts, &now);
    let same_part = picture
        .facts
        .as_ref()
        .is_none_or(|before| before.standby == facts.standby && before.timeline == facts.timeline);
    picture.facts = Some(facts);
    picture.answered_in = now.took;
    if judged.other_database {
        picture.forget();
    }
    picture.server = judged.role;
    let known = picture.replayed.as_ref().map(|(position, at)| (position.as_str(), at.elapsed()));
    let replayed_more = pulse::has_replayed(known, now.replayed.as_deref(), picture.reading_took);
    Ok(Seen { all_anew: judged.other_database || !same_part, replayed_more, replayed: now.replayed })
}

/// The cheapest question was not answered in time: the link does not work, whatever its socket says.
fn unanswered(error: QueryError) -> FleetError {
    match error {
        QueryError::Timeout { .. } => {
            FleetError::Link(LinkError { kind: LinkErrorKind::Unreachable, message: error.to_string().into() })
        }
        other @ (QueryError::Server { .. } | QueryError::Link(_) | QueryError::Unexpected { .. }) => other.into(),
    }
}

/// Takes the sums of what a reading would read; `None` while nobody knows what that is.
///
/// # Errors
/// When the link breaks.
pub(super) async fn take_pulse(session: &mut Session, picture: &Picture) -> Result<Option<Pulse>, FleetError> {
    match picture.layout.clone() {
        Some(layout) => {
            let mut names = candidate_names(&picture.hints());
            let asked = layout.about.fleet.iter().flat_map(|question| &question.needs);
            names.extend(asked.filter_map(|need| need.table.split_once('.')).map(|(_, table)| table.to_owned()));
            names.extend(of_all::tables(&layout));
            names.extend(layout.domains.iter().map(|domains| domains.table.name.raw().to_owned()));
            Ok(pulse::take(session.reader().await?, &layout, &names).await?)
        }
        None => Ok(None),
    }
}
