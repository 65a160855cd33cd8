//! What the role may is looked at with every reading: a grant that comes or goes shows by itself, and who may write
//! nothing is told so instead of being offered what would be refused.

use tenantui::jobs::init;
use tenantui::model::tenant::TenantKey;

use super::*;

/// A collector that reads often, and is never told to.
fn watching(home: &Home, role: &str) -> Fleet {
    fleet::spawn(vec![target(config(home, home.database.url_as(role)))], Duration::from_millis(200))
}

fn why(snapshot: &Snapshot) -> Option<String> {
    snapshot.databases[0].read_only_why.as_ref().map(|why| why.raw().to_owned())
}

#[tokio::test]
async fn a_membership_that_comes_or_goes_shows_with_the_next_reading() {
    let home = home("fleet_member");
    let (role, group) = (pg().role("member"), pg().role("readers"));
    home.database.sql(&format!(
        "grant select on public.tenants to {role}; grant usage on schema tenant_acme to {group}; \
         grant select on all tables in schema tenant_acme to {group}"
    ));
    let mut fleet = watching(&home, &role);
    let first = until(&mut fleet, "the first picture", read_whole).await;
    assert_eq!(of(&first, "acme").state, TenantState::NoAccess);
    for _ in 0..2 {
        home.database.sql(&format!("grant {group} to {role}"));
        until(&mut fleet, "acme to be read", |s| of(s, "acme").state == TenantState::Ok).await;
        home.database.sql(&format!("revoke {group} from {role}"));
        until(&mut fleet, "acme to be closed", |s| of(s, "acme").state == TenantState::NoAccess).await;
    }
}

#[tokio::test]
async fn a_column_of_the_registry_that_may_be_read_shows_with_the_next_reading() {
    let home = home("fleet_column");
    let role = pg().role("columns");
    home.database.sql(&format!("grant select (id, slug, schema_name, status) on public.tenants to {role}"));
    let mut fleet = watching(&home, &role);
    let name = |s: &Snapshot| {
        let key = TenantKey::row(&"fleet".into(), "acme");
        s.tenant(&key).and_then(|tenant| tenant.name.as_ref().map(|name| name.raw().to_owned()))
    };
    let first = until(&mut fleet, "the first picture", read_whole).await;
    assert_eq!(name(&first), None);
    home.database.sql(&format!("grant select (name) on public.tenants to {role}"));
    until(&mut fleet, "the name", |s| name(s).as_deref() == Some("Acme")).await;
}

#[tokio::test]
async fn a_role_that_may_write_nothing_is_read_only_until_it_may() {
    let home = home("fleet_rights");
    let role = pg().role("lowly");
    let database = &home.database;
    let sql = |words: &str| {
        database.sql(&words.replace("ROLE", &role).replace("DATABASE", &format!("\"{}\"", database.name)))
    };
    sql("grant select on public.tenants to ROLE");
    let mut fleet = watching(&home, &role);
    let lacks = async |fleet: &mut Fleet, what: &str| {
        let seen = until(fleet, what, |s| read_whole(s) && why(s).is_some_and(|why| why.contains(what))).await;
        assert!(seen.databases[0].read_only);
        let words = why(&seen).expect("a reason");
        assert!(words.starts_with("the role may not write: "), "{words}");
        assert!(words.contains("`tenantui doctor --grants`"), "{words}");
    };
    let may = async |fleet: &mut Fleet, what: &str| {
        until(fleet, what, |s| read_whole(s) && !s.databases[0].read_only).await;
    };
    lacks(&mut fleet, "CREATE on the database to make one").await;
    sql("grant create on database DATABASE to ROLE");
    may(&mut fleet, "the grant that lets it make a record").await;
    // Another role makes the record: who may not write that can order nothing, whatever else it may.
    init::run(&target(config(&home, home.database.url()))).await.expect("a record");
    lacks(&mut fleet, "the record of jobs").await;
    sql("grant usage on schema tenantui to ROLE; grant select on all tables in schema tenantui to ROLE; \
         grant insert, update on tenantui.job, tenantui.step to ROLE; grant insert on tenantui.audit to ROLE");
    may(&mut fleet, "the grants on the record").await;
    sql("revoke create on database DATABASE from ROLE");
    lacks(&mut fleet, "every tenant's schema").await;
    sql("grant usage, create on schema tenant_beta to ROLE");
    may(&mut fleet, "a schema that it may migrate").await;
    sql("revoke create on schema tenant_beta from ROLE; grant update (status) on public.tenants to ROLE");
    may(&mut fleet, "a registry that it may change").await;
    sql("revoke insert on tenantui.job from ROLE");
    lacks(&mut fleet, "the record of jobs").await;
}

/// Who may not read any more is not shown what it may write: both follow from one membership, and the reading that finds
/// the first fails.
#[tokio::test]
async fn a_membership_that_takes_reading_and_writing_with_it_closes_both() {
    let home = home("fleet_both");
    let (role, group) = (pg().role("both"), pg().role("both_group"));
    home.database.sql(&format!(
        "grant create on database \"{}\" to {group}; grant select on public.tenants to {group}; grant {group} to {role}",
        home.database.name
    ));
    let mut fleet = watching(&home, &role);
    let first = until(&mut fleet, "the first picture", read_whole).await;
    assert!(!first.databases[0].unread && !first.databases[0].read_only, "{:?}", why(&first));
    home.database.sql(&format!("revoke {group} from {role}"));
    let closed = until(&mut fleet, "the reading that fails", |s| s.databases[0].unread).await;
    assert!(closed.databases[0].error.is_some());
    assert!(closed.databases[0].read_only, "it may write nothing any more");
    home.database.sql(&format!("grant {group} to {role}"));
    until(&mut fleet, "both to be back", |s| !s.databases[0].unread && !s.databases[0].read_only).await;
}
