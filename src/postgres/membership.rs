//! Memberships in SQL: whether a role may take another, whether it has its rights, and the statement that helps. One rule
//! for all that is told of them. No I/O.

/// From PostgreSQL 16 on each membership says by itself whether the role may be taken (SET) and whether its rights are had
/// (INHERIT); before, being a member is enough for the one, and the other is said by the member.
const BY_MEMBERSHIP: &str =
    "pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 160000";

/// The expression that says whether this role (SESSION_USER, CURRENT_USER) may take another.
///
/// SET ROLE asks for the role that logged in, whatever it acts as (`ALTER ROLE .. SET role`); what is made for another
/// role (`AUTHORIZATION`) asks for the one that it acts as.
#[must_use]
pub fn may_take_sql(who: &str, role: &str) -> String {
    format!("pg_catalog.pg_has_role({who}, {role}, CASE WHEN {BY_MEMBERSHIP} THEN 'SET' ELSE 'MEMBER' END)")
}

/// The expression of the statement after which this role may take another, and has its rights.
#[must_use]
pub fn membership_sql(who: &str, role: &str) -> String {
    let newer = "pg_catalog.format('GRANT %I TO %I WITH INHERIT TRUE, SET TRUE', taken.rolname, taker.rolname)";
    statement_sql(who, role, newer)
}

/// The expression of the statement after which this role has the rights of another, of one of the server's own among them;
/// whether it may be taken does not count for these. A grant that is there already is no help by itself: it may be one
/// without these rights.
#[must_use]
pub fn rights_sql(who: &str, role: &str) -> String {
    let newer = "pg_catalog.format('GRANT %I TO %I', taken.rolname, taker.rolname) OPERATOR(pg_catalog.||) \
                 CASE WHEN taker.rolinherit AND NOT pg_catalog.pg_has_role(taker.oid, taken.oid, 'MEMBER') \
                 THEN '' ELSE ' WITH INHERIT TRUE' END";
    statement_sql(who, role, newer)
}

/// `newer`: the statement from PostgreSQL 16 on. Before, a membership has no words of its own: where it is there and gives
/// nothing, either the member itself is told not to inherit, or the way leads over one that is told so.
fn statement_sql(who: &str, role: &str, newer: &str) -> String {
    format!(
        "(SELECT CASE WHEN {BY_MEMBERSHIP} THEN {newer} \
         ELSE pg_catalog.concat_ws('; ', CASE WHEN taker.rolinherit OR NOT pg_catalog.pg_has_role(taker.oid, taken.oid, 'MEMBER') \
         THEN pg_catalog.format('GRANT %I TO %I', taken.rolname, taker.rolname) END, \
         CASE WHEN NOT taker.rolinherit THEN pg_catalog.format('ALTER ROLE %I INHERIT', taker.rolname) END) END \
         FROM pg_catalog.pg_roles AS taken, pg_catalog.pg_roles AS taker WHERE taken.oid = {role} AND taker.rolname = {who})"
    )
}

/// The expression that says whether CURRENT_USER is a member of a role, and does not have its rights.
#[must_use]
pub fn lacks_rights_sql(role: &str) -> String {
    format!("(pg_catalog.pg_has_role({role}, 'MEMBER') AND NOT pg_catalog.pg_has_role({role}, 'USAGE'))")
}
