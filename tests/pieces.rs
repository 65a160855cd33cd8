//! Making a tenant with files that run outside of a transaction: its progress is in the job, the registry row comes
//! last, and what is done is not done again.

use tenantui::jobs::worker;
use tenantui::model::job::{JobState, Outcome};

use crate::jobs::Fleet;
use crate::provision::{assert_nothing, order, provision};

const MARK: &str = "-- :disable-transaction\n";

/// Two files, an index that is made concurrently, and one file more.
async fn fleet() -> Fleet {
    let fleet = Fleet::new("pieces", 1).await;
    fleet.file(1, "one", "create table one (id int)");
    fleet.file(2, "two", "create table two (id int);\n--;;\ninsert into two values (1)");
    fleet.file(3, "index", &format!("{MARK}create unique index concurrently two_id on two (id)"));
    fleet.file(4, "four", "create table four (id int)");
    fleet
}

fn ledger(fleet: &Fleet) -> String {
    fleet.db.value("select string_agg(id::text, ',' order by id) from tenant_fox.schema_migrations")
}

fn rows(fleet: &Fleet) -> String {
    fleet.db.value("select count(*) from public.tenants where slug = 'fox'")
}

#[tokio::test]
async fn a_tenant_is_made_in_pieces_and_its_row_last() {
    let fleet = fleet().await;
    let job = order(&fleet, provision(&fleet, "fox")).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.steps), (JobState::Done, 1, (7, 7)), "{:?}", fleet.outcomes(job).await);
    assert_eq!(ledger(&fleet), "1,2,3,4");
    assert_eq!(fleet.db.value("select indisvalid from pg_index where indexrelid = 'tenant_fox.two_id'::regclass"), "t");
    assert_eq!(rows(&fleet), "1");
    let last = "select array_agg(distinct action order by action)::text from tenantui.step \
                where xid = (select max(xid) from tenantui.step)";
    assert_eq!(fleet.db.value(last), "{active,row}");
    let id = fleet.db.value("select id from public.tenants where slug = 'fox'");
    let outcome = &fleet.outcomes(job).await["fox"];
    assert_eq!(outcome.key.as_ref().map(|key| key.local.to_string()), Some(format!("r:{id}")));
    let said = "select string_agg(outcome, ',' order by id) from tenantui.audit where action = 'provision'";
    assert_eq!(fleet.db.value(said), "ordered,schema made,done");
}

#[tokio::test]
async fn what_fails_in_the_middle_is_kept_for_a_retry() {
    let fleet = fleet().await;
    fleet.file(2, "two", "create table two (id int);\n--;;\ninsert into two values (1), (1)");
    let job = order(&fleet, provision(&fleet, "fox")).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Failed);
    assert_eq!((ledger(&fleet), rows(&fleet)), ("1,2".into(), "0".into()), "nobody uses a tenant that is not whole");
    let failure = fleet.outcomes(job).await["fox"].failure.clone().expect("a failure");
    assert_eq!(failure.sqlstate.as_deref(), Some("23505"));
    let told = format!("{events:?}");
    assert!(told.contains("retry the job to go on") && told.contains("tenantui drop"), "{told}");
    assert!(fleet.run(job, false).await.0.is_err_or_failed(), "without retry it stays as it is");
    fleet.db.sql("truncate tenant_fox.two");
    let oid = fleet.db.value("select 'tenant_fox.one'::regclass::oid");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!((ledger(&fleet), rows(&fleet)), ("1,2,3,4".into(), "1".into()));
    assert_eq!(fleet.db.value("select 'tenant_fox.one'::regclass::oid"), oid, "what was done is not done again");
}

#[tokio::test]
async fn what_fails_in_the_first_piece_leaves_nothing() {
    let fleet = fleet().await;
    fleet.file(2, "two", "create table two (id int);\n--;;\nselect 1 / 0");
    let job = order(&fleet, provision(&fleet, "fox")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert_nothing(&fleet, "fox");
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_gets_no_second_row() {
    let fleet = fleet().await;
    // Somebody makes the row by hand while the index is built.
    fleet.file(4, "four", "insert into public.tenants (id, slug, name, schema_name, created_at) values ('x', 'fox', 'f', 'elsewhere', 'now')");
    let job = order(&fleet, provision(&fleet, "fox")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert_eq!((ledger(&fleet), rows(&fleet)), ("1,2,3,4".into(), "1".into()));
    let failure = fleet.outcomes(job).await["fox"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("fox"), "{failure:?}");
    fleet.db.sql("delete from public.tenants where id = 'x'");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!(fleet.outcomes(job).await["fox"].outcome, Outcome::Done);
    assert!(worker::claimable(&fleet.target()).await.expect("asked").is_empty());
}

trait Ended {
    fn is_err_or_failed(&self) -> bool;
}

impl<E> Ended for Result<tenantui::model::job::JobView, E> {
    fn is_err_or_failed(&self) -> bool {
        self.as_ref().is_ok_and(|view| view.state != JobState::Done) || self.is_err()
    }
}
