//! What the record tells of one tenant, and what its page reads while its schema is renamed to and fro.

use std::sync::Arc;
use std::time::Duration;

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{self, Fleet, FleetCommand};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::job::JobId;
use tenantui::model::tenant::{Tenant, TenantDetail};
use tenantui::postgres::session::Target;

use super::Place;

fn fleet(place: &Place, every: Duration) -> Fleet {
    let config = Database::new("eu-1".into(), Environment::Development, place.db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    fleet::spawn(vec![target], every)
}

async fn until(fleet: &mut Fleet, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let wait = fleet.snapshots.wait_for(|snapshot| holds(snapshot));
    let found = tokio::time::timeout(Duration::from_secs(60), wait).await;
    Arc::clone(&found.unwrap_or_else(|_| panic!("no {what}")).expect("the collector runs"))
}

fn of<'a>(snapshot: &'a Snapshot, slug: &str) -> Option<&'a Arc<Tenant>> {
    snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == slug)
}

fn detail<'a>(snapshot: &'a Snapshot, slug: &str) -> Option<&'a TenantDetail> {
    let tenant = of(snapshot, slug)?;
    snapshot.detail.as_deref().filter(|detail| detail.key == tenant.key)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_tenant_has_the_jobs_of_the_record_also_those_of_the_trash() {
    let place = Place::new("life_record");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["undrop", "globex", "--yes"]);
    place.expect(0, &["rename", "acme", "--name", "ACME Inc", "--yes"]);
    let mut fleet = fleet(&place, Duration::from_secs(60));
    let first = until(&mut fleet, "reading", |s| of(s, "globex").is_some() && s.databases[0].taken_at.is_some()).await;
    for (slug, jobs) in [("globex", vec![JobId(2), JobId(1)]), ("acme", vec![JobId(3)]), ("hooli", Vec::new())] {
        let key = of(&first, slug).expect("a tenant").key.clone();
        fleet.commands.send(FleetCommand::Open(key)).await.expect("the collector runs");
        let open = until(&mut fleet, "detail", |s| detail(s, slug).is_some()).await;
        assert_eq!(detail(&open, slug).map(|detail| &detail.jobs), Some(&jobs), "{slug}");
    }
    // Another tenant that gets the name has none of its jobs: it is another row, and another schema.
    place.db.sql(
        "drop schema tenant_globex cascade; delete from public.tenants where slug = 'globex'; \
         insert into public.tenants (id, slug, name, schema_name) values ('9', 'globex', 'G', 'tenant_globex'); \
         create schema tenant_globex",
    );
    fleet.commands.send(FleetCommand::Refresh).await.expect("the collector runs");
    let is_new =
        |s: &Snapshot| of(s, "globex").is_some_and(|tenant| &*tenant.key.local == "r:9" && tenant.schema_oid.is_some());
    let again = until(&mut fleet, "the new row", is_new).await;
    let key = of(&again, "globex").expect("a tenant").key.clone();
    fleet.commands.send(FleetCommand::Open(key)).await.expect("the collector runs");
    let open = until(&mut fleet, "its detail", |s| detail(s, "globex").is_some()).await;
    assert_eq!(detail(&open, "globex").map(|detail| detail.jobs.len()), Some(0));
}

/// The schema's row is read before its ledger is found under the new name.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_drop_and_an_undrop_nothing_is_said_of_the_name_in_the_trash() {
    let place = Place::new("life_renamed");
    let mut fleet = fleet(&place, Duration::from_millis(200));
    let first = until(&mut fleet, "reading", |s| of(s, "globex").is_some() && s.databases[0].taken_at.is_some()).await;
    let key = of(&first, "globex").expect("a tenant").key.clone();
    fleet.commands.send(FleetCommand::Open(key)).await.expect("the collector runs");
    let well = |s: &Snapshot, jobs: usize| {
        detail(s, "globex").is_some_and(|detail| detail.jobs.len() == jobs && !detail.tables.is_empty())
    };
    until(&mut fleet, "detail", |s| well(s, 0)).await;
    for round in 1..=3 {
        place.drop("globex", "tenant_globex");
        until(&mut fleet, "the drop", |s| of(s, "globex").is_some_and(|tenant| tenant.schema_oid.is_none())).await;
        place.expect(0, &["undrop", "globex", "--yes"]);
        let back = until(&mut fleet, "the undrop", |s| well(s, round * 2)).await;
        let problems = detail(&back, "globex").map(|detail| detail.problems.clone()).unwrap_or_default();
        assert!(problems.is_empty(), "{problems:?}");
    }
}
