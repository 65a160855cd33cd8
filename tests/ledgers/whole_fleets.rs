//! Many ledgers at once: one that is broken, locks, and a link that is lost.

use super::*;

fn fleet(database: &TestDatabase, tenants: usize) {
    database.sql(&format!(
        "do $do$ begin for n in 1..{tenants} loop execute format('create schema t%1$s; \
         create table t%1$s.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024)); \
         insert into t%1$s.schema_migrations select g, now(), ''m'' from generate_series(1, 5) g', n); end loop; end $do$"
    ));
}

#[tokio::test]
async fn one_broken_ledger_costs_nobody_else_an_answer() {
    let database = pg().database("broken");
    fleet(&database, 300);
    let reader = reader(&database.url()).await;
    let found = find(&reader, &Hints::default()).await.expect("candidates");
    let oids = schemas(&database);
    // Dropped and locked after the catalog was read.
    database.sql("drop table t150.schema_migrations");
    let blocker = database.connect().await;
    blocker.batch_execute("begin; lock table t151.schema_migrations in access exclusive mode").await.expect("locked");
    let mut interner = Interner::default();
    let mut last = 0;
    let order: Vec<u32> = (1..=300).map(|n| oids[&format!("t{n}")]).collect();
    let read = read(&reader, &found, &order, &mut interner, |done| {
        assert!(done >= last, "progress never goes back");
        last = done;
    })
    .await
    .expect("ledgers");
    assert_eq!(last, 300);
    let mut sets = Vec::new();
    for n in 1..=300 {
        let state = read.state(oids[&format!("t{n}")]);
        match (n, &state) {
            (150, LedgerState::Unread) => {}
            (151, LedgerState::Unreadable { tool: Some(Tool::Migratus), why }) => {
                assert!(why.raw().contains("locked by another session"), "{why:?}");
            }
            (_, LedgerState::Read(reading)) if n != 150 && n != 151 => sets.push(Arc::clone(&reading.applied)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sets.len(), 298);
    assert!(sets.iter().all(|set| Arc::ptr_eq(set, &sets[0])), "equal ledgers are one set");
    assert_eq!(sets[0].current.as_ref().map(|version| version.raw()), Some("5"));
    assert!(read.relations >= 2 * 298, "{}", read.relations);
    blocker.batch_execute("rollback").await.expect("unlocked");
}

#[tokio::test]
async fn a_chunk_holds_fewer_than_a_thousand_locks_and_none_afterwards() {
    let database = pg().database("locks");
    fleet(&database, 250);
    let reader = reader(&database.url()).await;
    let count = "(select count(*)::text from pg_locks where pid = pg_backend_pid())";
    let requests = (1..=250).map(|n| (n, format!("select id, {count} from t{n}.schema_migrations limit 1"))).collect();
    // Asked for more than it may take: it keeps to its limit.
    let read = read_chunked(&reader, requests, 100_000, |_| ()).await.expect("read");
    let most = read
        .results
        .iter()
        .filter_map(|(_, rows)| rows.as_ref().ok()?.first()?.parse::<u32>(1).ok()?)
        .max()
        .expect("counts");
    assert!((200..1_000).contains(&most), "{most} locks");
    let left = reader.rows(&format!("select {count}")).await.expect("read")[0].parse::<u32>(0).expect("a number");
    assert!(left.is_some_and(|left| left < 10), "{left:?}");
}

#[tokio::test]
async fn a_lost_link_is_an_error_and_not_a_fleet_of_unreadable_ledgers() {
    let database = pg().database("lost");
    fleet(&database, 20);
    let reader = reader(&database.url()).await;
    let found = find(&reader, &Hints::default()).await.expect("candidates");
    database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    let oids: Vec<u32> = schemas(&database).into_values().collect();
    match read(&reader, &found, &oids, &mut Interner::default(), |_| ()).await {
        Err(QueryError::Link(_)) => {}
        other => panic!("{other:?}"),
    }
}
