//! A role that a new tenant would get, and that exists already: who may tell what becomes of it.

use super::listed;
use crate::jobs::gate::refused;
use crate::jobs::life::left;
use crate::jobs::orders::OrderError;
use crate::layout::Layout;
use crate::model::ident::Ident;
use crate::model::life::LeftRole;
use crate::postgres::session::{Patience, QueryError, Reader, Target};

/// The refusal. Where `repair` would list one of the roles as left behind by a tenant that is gone, it says so.
pub(super) async fn refusal(target: &Target, layout: &Layout, there: &[String]) -> OrderError {
    let left = match left_behind(target, layout, there).await {
        Ok(left) => left,
        Err(QueryError::Link(link)) => return link.into(),
        // Who may not read who was here before is told what is known without it.
        Err(_) => None,
    };
    let remove = match (left, there.first()) {
        (Some(role), _) => format!(
            "remove it where it is of a tenant that is gone: `tenantui repair {} --by role` ({})",
            role.name.raw(),
            role.why.raw()
        ),
        (None, Some(first)) => format!(
            "look what it owns and remove it (in each database: DROP OWNED BY {0}; then DROP ROLE {0})",
            Ident::new(first).map_or_else(|_| first.clone(), |name| name.quoted()),
        ),
        (None, None) => "look at the server's roles".to_owned(),
    };
    refused(format!(
        "the role {} exists already on this server, perhaps of a tenant that was removed or of another database; it is \
         never given to somebody else in silence. Choose another key, or {remove}",
        listed(there),
    ))
}

/// The first of them that a tenant left behind and `repair` would remove.
async fn left_behind(target: &Target, layout: &Layout, there: &[String]) -> Result<Option<LeftRole>, QueryError> {
    let reader = Reader::open(target, Patience::Background).await?;
    let left = left::among(&reader, &target.config.name, layout, there).await?;
    Ok(left.into_iter().find(|role| role.kept.is_none()))
}
