//! Exact sizes, where they are asked for.

use super::FleetError;
use super::picture::Picture;
use super::session::Session;
use crate::model::filter::Selection;
use crate::postgres::sizes;

/// Measures the schemas of some tenants exactly, in slices, each on a session that has room for it.
///
/// # Errors
/// When the link breaks.
pub async fn measure(session: &mut Session, picture: &mut Picture, whose: &Selection) -> Result<(), FleetError> {
    let (part, now) = (picture.part(), jiff::Timestamp::now());
    let wanted = part.tenants.iter().filter(|tenant| whose.fits(tenant, now));
    let oids: Vec<u32> = wanted.filter_map(|tenant| tenant.schema_oid).collect();
    for slice in oids.chunks(20) {
        let measured = sizes::exact(session.reader().await?, slice).await?;
        session.opened(usize::try_from(measured.relations_opened).unwrap_or(usize::MAX));
        let whole = |size: &sizes::ExactSize| (size.unmeasured == 0).then_some(size.bytes);
        picture.exact.extend(measured.by_schema.iter().map(|(oid, size)| (*oid, whole(size))));
        picture.stale = true;
    }
    Ok(())
}
