//! Dropped tenants in the picture: whoever looks for one is told that it can be brought back.

use std::sync::Arc;

use super::picture::Picture;
use crate::jobs::life::trash;
use crate::layout::naming::TRASH_PREFIX;
use crate::model::life::{Trashed, UNDROP_DAYS};
use crate::model::tenant::TenantKey;
use crate::postgres::session::{QueryError, Reader};
use crate::text::Untrusted;

/// Reads what is in the trash; asks only where a schema's name says that there is something, or a row that its tenant is
/// dropped: it may have been read after the schemas.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn read(reader: &Reader, picture: &mut Picture) -> Result<(), QueryError> {
    let any = picture.schemas.iter().any(|schema| schema.name.raw().starts_with(TRASH_PREFIX))
        || picture.base.iter().any(|tenant| tenant.deleted);
    let name = Arc::clone(&picture.config().name);
    let now = if any { trash::list(reader, &name).await? } else { Vec::new() };
    if *picture.trash != *now {
        picture.trash = now.into();
        picture.stale = true;
    }
    Ok(())
}

/// What is said of a tenant whose schema this is; `None`: it is another one's.
pub(super) fn of_tenant(trashed: &Trashed, key: &TenantKey) -> Option<Untrusted> {
    let drop = trashed.drop.as_ref().filter(|drop| &drop.key == key)?;
    let day = drop.at.strftime("%Y-%m-%d");
    let next = if drop.expired || drop.begun {
        "it can only be purged".to_owned()
    } else {
        format!("undrop brings it back within {UNDROP_DAYS} days")
    };
    Some(Untrusted::new(format!("it was dropped on {day} by {}: {next}", drop.by.raw())))
}
