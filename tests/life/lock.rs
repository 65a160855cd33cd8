//! The lock that is taken away is the one that was shown: a migration may have taken it anew since.

use std::sync::Arc;

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{ReadOptions, read_once};
use tenantui::jobs::life::plan::{self, LifeRequest};
use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::service::{LifeOrder, Order};
use tenantui::model::environment::Environment;
use tenantui::model::job::JobId;
use tenantui::model::life::{LifeKind, LifePlan};
use tenantui::postgres::session::{Patience, Reader, Target};

use super::Place;
use crate::cli::text;

/// A tool that keeps its lock in the schema: its tables, how it takes the lock, how it gives it back.
struct Tool {
    name: &'static str,
    tables: &'static str,
    take: &'static str,
    give_back: &'static str,
    /// Who holds it, where the tool writes that.
    by: Option<&'static str>,
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "migratus",
        tables: "",
        take: "insert into tenant_acme.schema_migrations (id) values (-1)",
        give_back: "delete from tenant_acme.schema_migrations where id = -1",
        by: None,
    },
    Tool {
        name: "knex",
        tables: "drop table tenant_acme.schema_migrations; \
            create table tenant_acme.knex_migrations (id serial primary key, name varchar(255), batch int, migration_time timestamptz); \
            create table tenant_acme.knex_migrations_lock (index serial primary key, is_locked int); \
            insert into tenant_acme.knex_migrations_lock (is_locked) values (0)",
        take: "update tenant_acme.knex_migrations_lock set is_locked = 1 where is_locked = 0",
        give_back: "update tenant_acme.knex_migrations_lock set is_locked = 0",
        by: None,
    },
    Tool {
        name: "yoyo",
        tables: "drop table tenant_acme.schema_migrations; \
            create table tenant_acme._yoyo_migration (migration_hash varchar(64) primary key, migration_id varchar(255), applied_at_utc timestamp); \
            insert into tenant_acme._yoyo_migration values ('a', 'one', now()); \
            create table tenant_acme.yoyo_lock (locked int default 1 primary key, ctime timestamp, pid int not null)",
        take: "insert into tenant_acme.yoyo_lock (ctime, pid) values ('2026-01-02 03:04:05', 4711)",
        give_back: "delete from tenant_acme.yoyo_lock where pid = 4711",
        by: Some("process 4711 since 2026-01-02 03:04:05"),
    },
    Tool {
        name: "liquibase",
        tables: "drop table tenant_acme.schema_migrations; \
            create table tenant_acme.databasechangelog (id varchar(255) not null, author varchar(255) not null, filename varchar(255) not null, \
            dateexecuted timestamp not null, orderexecuted int not null, exectype varchar(10) not null, md5sum varchar(35)); \
            insert into tenant_acme.databasechangelog values ('1', 'a', 'f.sql', now(), 1, 'EXECUTED', 'x'); \
            create table tenant_acme.databasechangeloglock (id int primary key, locked bool not null, lockgranted timestamp, lockedby varchar(255)); \
            insert into tenant_acme.databasechangeloglock values (1, false)",
        take: "update tenant_acme.databasechangeloglock set locked = true, lockedby = 'ci-7', lockgranted = '2026-01-02 03:04:05'",
        give_back: "update tenant_acme.databasechangeloglock set locked = false, lockedby = null, lockgranted = null",
        by: Some("ci-7 since 2026-01-02 03:04:05"),
    },
];

/// The plan of a repair of `acme` as it is now.
async fn planned(place: &Place) -> (Target, LifeRequest, LifePlan) {
    let config = Database::new("eu-1".into(), Environment::Development, place.db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reading = read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let tenant = reading.snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == "acme").expect("a tenant");
    let request = LifeRequest::of(LifeKind::Repair, Arc::clone(tenant), Arc::clone(&reading.context.layout));
    let reader = Reader::open(&target, Patience::Background).await.expect("a session");
    let plan = plan::read(&reader, &target, &request).await.expect("a plan");
    (target, request, plan)
}

async fn order((target, request, plan): (Target, LifeRequest, LifePlan)) -> Result<JobId, OrderError> {
    let order = Order::Life(Box::new(LifeOrder { request, plan, typed: None, dependants: Vec::new() }));
    orders::order(&target, &order, uuid::Uuid::new_v4()).await
}

fn is_locked(place: &Place) -> bool {
    place.json(0, &["tenant", "acme", "--json"])["locked"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_taken_anew_since_is_left_alone() {
    for tool in &TOOLS {
        let place = Place::new("life_lock_anew");
        place.db.sql(tool.tables);
        place.db.sql(tool.take);
        let anew = || {
            place.db.sql(tool.give_back);
            place.db.sql(tool.take);
        };
        // While the operator reads the plan.
        let shown = planned(&place).await;
        assert_eq!(shown.2.lock.len(), 1, "{}: {:?}", tool.name, shown.2);
        let notes: Vec<&str> = shown.2.notes.iter().map(tenantui::text::Untrusted::raw).collect();
        assert!(tool.by.is_none_or(|by| notes.iter().any(|note| note.contains(by))), "{}: {notes:?}", tool.name);
        anew();
        let refused = order(shown).await.expect_err(tool.name).to_string();
        assert!(refused.contains("taken anew") && refused.contains("look again"), "{}: {refused}", tool.name);
        assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
        // Between the order and its run.
        let job = order(planned(&place).await).await.expect("ordered").to_string();
        anew();
        let output = place.run(&["job", &job, "resume", "--yes"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{}: {said}", tool.name);
        assert!(said.contains("is not the one that was shown") && said.contains("taken anew"), "{}: {said}", tool.name);
        assert!(tool.by.is_none_or(|by| said.contains(by)), "{}: {said}", tool.name);
        assert!(is_locked(&place) && place.audit("repair").is_empty(), "{}", tool.name);
        // Tried again it is no more the one that was shown than before.
        place.expect(4, &["job", &job, "retry", "--yes"]);
        assert!(is_locked(&place), "{}", tool.name);
        // The one that is shown now goes.
        place.expect(0, &["repair", "acme", "--yes"]);
        assert!(!is_locked(&place), "{}", tool.name);
        assert_eq!(place.audit("repair").pop().expect("a line").2["locks"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_given_back_since_needs_nothing() {
    let place = Place::new("life_lock_back");
    let migratus = &TOOLS[0];
    place.db.sql(migratus.take);
    let shown = planned(&place).await;
    let job = order(planned(&place).await).await.expect("ordered").to_string();
    place.db.sql(migratus.give_back);
    place.expect(0, &["job", &job, "resume", "--yes"]);
    assert_eq!(place.audit("repair").pop().expect("a line").2["locks"], 0);
    let refused = order(shown).await.expect_err("nothing to do").to_string();
    assert!(refused.contains("nothing was ordered") && refused.contains("released meanwhile"), "{refused}");
}
