//! Login roles that tenants left behind, in the picture: the dashboard tells of them, and offers to remove them.

use super::FleetError;
use super::picture::Picture;
use super::session::Session;
use crate::jobs::life::left;
use crate::model::life::LeftRole;
use crate::postgres::session::QueryError;
use crate::text::Untrusted;

/// Roles that a warning names.
const NAMED: usize = 3;

/// Reads the roles that were left behind, where the layout gives its tenants roles. It looks at every role of the server,
/// so it goes with the counts, not with every reading.
///
/// # Errors
/// When the link breaks.
pub(super) async fn read(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    let Some(layout) = picture.layout.clone() else { return Ok(()) };
    let reader = session.reader().await?;
    let tenants = picture.base.iter();
    match left::list(reader, &picture.config().name, &layout, tenants, &picture.trash).await {
        Ok(roles) => {
            picture.roles_warning = warning(&roles);
            picture.left_roles = roles.into();
        }
        Err(QueryError::Link(link)) => return Err(link.into()),
        Err(error) => {
            picture.roles_warning = Some(Untrusted::new(format!(
                "whether tenants that are gone left login roles could not be read: {error}"
            )));
        }
    }
    Ok(())
}

/// That they are there, and what repair does about them.
fn warning(roles: &[LeftRole]) -> Option<Untrusted> {
    let names: Vec<&str> = roles.iter().take(NAMED).map(|role| role.name.raw()).collect();
    let names = names.join(", ");
    let more = if roles.len() > NAMED { ", ..." } else { "" };
    let removable = roles.iter().filter(|role| role.kept.is_none()).count();
    let one = roles.len() == 1;
    let repair = match removable {
        0 if one => "repair says why it stays".to_owned(),
        0 => "repair says why they stay".to_owned(),
        1 if one => "repair removes it".to_owned(),
        all if all == roles.len() => "repair removes them".to_owned(),
        some => format!("repair removes {some} of them"),
    };
    match roles.len() {
        0 => None,
        1 => Some(Untrusted::new(format!("a tenant that is gone left the login role {names}: {repair}"))),
        count => {
            Some(Untrusted::new(format!("tenants that are gone left {count} login roles ({names}{more}): {repair}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(name: &str) -> LeftRole {
        let (name, schema) = (Untrusted::new(name), Untrusted::new(name));
        LeftRole { database: "eu-1".into(), name, schema, why: Untrusted::default(), kept: None }
    }

    #[test]
    fn as_many_as_there_are_and_the_first_by_name() {
        let words = |names: &[&str]| {
            let roles: Vec<LeftRole> = names.iter().copied().map(left).collect();
            warning(&roles).map(|words| words.raw().to_owned())
        };
        assert_eq!(words(&[]), None);
        let one = "a tenant that is gone left the login role t_a: repair removes it";
        assert_eq!(words(&["t_a"]).as_deref(), Some(one));
        let three = "tenants that are gone left 3 login roles (a, b, c): repair removes them";
        assert_eq!(words(&["a", "b", "c"]).as_deref(), Some(three));
        let four = "tenants that are gone left 4 login roles (a, b, c, ...): repair removes them";
        assert_eq!(words(&["a", "b", "c", "d"]).as_deref(), Some(four));
    }

    #[test]
    fn of_those_that_stay_it_is_not_said_that_they_are_removed() {
        let stays = |name: &str| LeftRole { kept: Some(Untrusted::new("it owns a table")), ..left(name) };
        let said = |roles: &[LeftRole]| warning(roles).map(|words| words.raw().to_owned()).unwrap_or_default();
        assert!(said(&[stays("a")]).ends_with("the login role a: repair says why it stays"));
        assert!(said(&[stays("a"), left("b")]).ends_with("(a, b): repair removes 1 of them"));
        assert!(said(&[stays("a"), stays("b")]).ends_with("(a, b): repair says why they stay"));
    }
}
