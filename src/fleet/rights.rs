//! What the role may, in the picture: looked at with every reading, for a grant comes and goes at any time.

use super::FleetError;
use super::picture::Picture;
use super::read::Counts;
use super::session::Session;
use crate::postgres::rights::{self, Rights};

/// Who reads for one order does not look at rights: the order is refused in the server's own words.
const fn looks(counts: Counts) -> bool {
    match counts {
        Counts::Read | Counts::Known => true,
        Counts::Later => false,
    }
}

/// Takes the sums of what the role's privileges follow from.
///
/// # Errors
/// When the link breaks.
pub(super) async fn take(
    session: &mut Session,
    picture: &Picture,
    counts: Counts,
) -> Result<Option<Rights>, FleetError> {
    match picture.layout.clone().filter(|_| looks(counts)) {
        Some(layout) => Ok(rights::take(session.reader().await?, &layout).await?),
        None => Ok(None),
    }
}

/// Finds out whether the role could write anything.
///
/// # Errors
/// When the link breaks.
pub(super) async fn read_lacks(session: &mut Session, picture: &mut Picture, counts: Counts) -> Result<(), FleetError> {
    let Some(layout) = picture.layout.clone().filter(|_| looks(counts)) else { return Ok(()) };
    let shared = picture.config().migrations.shared_path.is_some();
    picture.lacks = rights::lacks(session.reader().await?, &layout, shared).await?;
    Ok(())
}
