//! Sizes, rows and what hangs on a tenant's tables, as the server has them; what is locked is left out.

use std::time::{Duration, Instant};

use tenantui::model::tenant::Unmeasured;
use tenantui::postgres::detail::Tables;
use tenantui::postgres::sizes::Measuring;
use tenantui::postgres::{catalog, detail};
use tenantui::text::Untrusted;

use super::{Seen, boundary, see};
use crate::layouts::config;
use crate::support::{wait_until, wait_until_async};

/// The tables of one of the tenants, as a plan looks at them.
async fn measured(seen: &Seen, tenant: usize) -> Tables {
    let oid = seen.tenants[tenant].schema_oid.expect("an oid");
    detail::tables(&seen.reader, oid).await.expect("tables")
}

#[tokio::test]
async fn counts_and_estimates_agree_with_the_server() {
    let db = boundary(
        "counts",
        "create table tenants(id int primary key, slug text);
         insert into tenants values (1, 'acme'), (2, 'bare');
         create schema tenant_acme; create schema tenant_bare;
         create table tenant_acme.orders(id bigint primary key, note text);
         create index on tenant_acme.orders(md5(note));
         create table tenant_acme.events(id bigint, day date) partition by range (day);
         create table tenant_acme.events_1 partition of tenant_acme.events for values from ('2026-01-01') to ('2026-02-01');
         create view tenant_acme.v as select 1;
         insert into tenant_acme.orders select i, repeat('x', 500) from generate_series(1, 2000) i;
         insert into tenant_acme.orders select 5000, string_agg(md5(i::text), '') from generate_series(1, 9000) i;
         insert into tenant_acme.events select i, '2026-01-15' from generate_series(1, 1000) i",
    );
    db.sql("vacuum (analyze) tenant_acme.orders");
    db.sql("vacuum (analyze) tenant_acme.events_1");
    let seen = see(&config(&db, "postgres")).await;
    let oid = |slug: &str| {
        seen.tenants
            .iter()
            .find(|tenant| tenant.slug.raw() == slug)
            .and_then(|tenant| tenant.schema_oid)
            .expect("an oid")
    };
    let (acme, bare) = (oid("acme"), oid("bare"));
    let totals = catalog::totals(&seen.reader).await.expect("totals");
    assert_eq!(totals[&acme].tables, 2, "partitions and views do not count");
    assert!(!totals.contains_key(&bare));
    let exact: u64 = db
        .value("select sum(pg_total_relation_size(oid)) from pg_class where relkind in ('r','p','m') and relnamespace = 'tenant_acme'::regnamespace")
        .parse()
        .expect("a number");
    let estimate = totals[&acme].size_bytes;
    assert!(estimate <= exact && estimate * 10 > exact * 9, "just vacuumed: {estimate} of {exact}");
    let page = catalog::page(&seen.reader, &[acme, bare]).await.expect("a page");
    assert_eq!((page[&acme].tables, page[&acme].size_bytes), (2, estimate), "the page agrees with the whole");
    assert_eq!((page[&bare].tables, page[&bare].size_bytes), (0, 0));
    let mut measuring = Measuring::default();
    measuring.begin(&seen.reader, &[acme, bare]).await.expect("a list");
    let opened = measuring.go_on(&seen.reader, u32::MAX, None).await.expect("sizes");
    let by_schema = measuring.by_schema();
    assert_eq!((by_schema[&acme].bytes, by_schema[&acme].unmeasured), (exact, 0));
    assert!(!by_schema.contains_key(&bare));
    assert!(opened >= 6, "{measuring:?}");
}

/// A tenant with more tables than a glance has time for: what matters is known first, and who goes on goes on where it
/// ended, until all is measured.
#[tokio::test]
async fn many_tables_are_measured_in_steps_the_largest_first() {
    let db = boundary(
        "many",
        "create table tenants(id int primary key, slug text); insert into tenants values (1, 'acme');
         create schema tenant_acme",
    );
    db.sql(
        "do $$ begin for n in 1..400 loop execute format('create table tenant_acme.t%s(id int primary key)', n); end loop; end $$;
         create table tenant_acme.zz_large(id int primary key, note text);
         insert into tenant_acme.zz_large select n, repeat('x', 200) from generate_series(1, 20000) n;
         create table tenant_acme.zzz_growing(id int, note text);
         insert into tenant_acme.zzz_growing select n, repeat('x', 200) from generate_series(1, 5000) n",
    );
    // The one is known to the catalog, the other to the counters of rows alone.
    db.sql("vacuum analyze tenant_acme.zz_large");
    let seen = see(&config(&db, "postgres")).await;
    let oid = seen.tenants[0].schema_oid.expect("an oid");
    let counted = || db.value("select sum(pg_stat_get_live_tuples(oid)) from pg_class where relname = 'zzz_growing'");
    wait_until(Duration::from_secs(10), "the counters", || counted() == "5000");
    let mut measuring = Measuring::default();
    measuring.begin(&seen.reader, &[oid]).await.expect("a list");
    // One message, whose time is over when it comes back.
    let opened = measuring.go_on(&seen.reader, 1, None).await.expect("a step");
    assert!((1..=250).contains(&opened), "{opened} relations in one message");
    assert!(!measuring.is_over());
    let known = detail::tables_of(&seen.reader, &measuring);
    let names: Vec<&str> = known.list.iter().take(2).map(|table| table.name.raw()).collect();
    assert_eq!(names, ["zz_large", "zzz_growing"]);
    assert!(known.list[..2].iter().all(|table| table.total_bytes.is_some()), "{:?}", &known.list[..2]);
    assert_eq!((known.list.len(), known.unmeasured.locked), (402, 0));
    assert!(known.unmeasured.no_time > 300, "{:?}", known.unmeasured);
    // A second look, of which there is as little time, measures others.
    measuring.begin(&seen.reader, &[oid]).await.expect("a list");
    measuring.go_on(&seen.reader, 1, None).await.expect("a step");
    let more = detail::tables_of(&seen.reader, &measuring);
    assert!(more.unmeasured.no_time < known.unmeasured.no_time, "{:?} {:?}", known.unmeasured, more.unmeasured);
    // And one that has time measures all, of which the oldest measure tells the age.
    while !measuring.is_over() {
        measuring.go_on(&seen.reader, 200, None).await.expect("a step");
    }
    let whole = detail::tables_of(&seen.reader, &measuring);
    assert!(whole.unmeasured.is_none() && whole.measured_at >= known.measured_at, "{whole:?}");
    let sum = db.value("select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace = 'tenant_acme'::regnamespace");
    assert_eq!(whole.total_bytes.map(|bytes| bytes.to_string()), Some(sum));
    // A table that is dropped meanwhile is of no pass any more.
    db.sql("drop table tenant_acme.t1");
    measuring.begin(&seen.reader, &[oid]).await.expect("a list");
    assert_eq!(detail::tables_of(&seen.reader, &measuring).list.len(), 401);
}

#[tokio::test]
async fn the_detail_measures_tables_and_finds_what_hangs_on_them() {
    let db = boundary(
        "detail",
        "create table tenants(id int primary key, slug text); insert into tenants values (7, 'acme');
         create schema tenant_acme; create schema reports;
         create type tenant_acme.colour as enum ('red');
         create sequence tenant_acme.numbers;
         create table tenant_acme.orders(id bigint primary key, note text);
         create table tenant_acme.own(id bigint references tenant_acme.orders);
         create view tenant_acme.own_view as select * from tenant_acme.orders;
         create table tenant_acme.events(id bigint, day date) partition by range (day);
         create table tenant_acme.events_1 partition of tenant_acme.events for values from ('2026-01-01') to ('2026-02-01');
         insert into tenant_acme.events values (1, '2026-01-02');
         insert into tenant_acme.orders select i, 'x' from generate_series(1, 100) i;
         create view reports.all_orders as select * from tenant_acme.orders;
         create table reports.sums(id bigint references tenant_acme.orders, c tenant_acme.colour[], o tenant_acme.own, n bigint default nextval('tenant_acme.numbers'));
         create table tenant_memberships(id uuid default gen_random_uuid(), tenant_id varchar(36), user_id varchar(255), role text, status text);
         create table users(id int primary key, email text, last_login_at timestamptz);
         insert into users values (1, 'ann@example.org', '2026-02-09 10:00:00+00');
         insert into tenant_memberships(tenant_id, user_id, role, status) values ('7', '1', 'admin', 'active'), ('7', 'ghost', 'viewer', 'revoked'), ('8', '1', 'admin', 'active')",
    );
    db.sql("analyze tenant_acme.orders");
    let seen = see(&config(&db, "postgres")).await;
    let tenant = &seen.tenants[0];
    let detail = detail::read(&seen.reader, &seen.layout, tenant).await.expect("a detail");
    assert!(detail.problems.is_empty(), "{:?}", detail.problems);
    let tables = measured(&seen, 0).await;
    let names: Vec<&str> = tables.list.iter().map(|table| table.name.raw()).collect();
    assert_eq!(names, ["orders", "events", "own"], "largest first; the partition is in its table");
    let orders = &tables.list[0];
    let total: u64 = db.value("select pg_total_relation_size('tenant_acme.orders')").parse().expect("a number");
    assert_eq!(orders.total_bytes, Some(total));
    let parts = [orders.table_bytes, orders.index_bytes, orders.toast_bytes];
    assert_eq!(parts.iter().map(|part| part.expect("measured")).sum::<u64>(), total);
    assert_eq!(orders.rows_estimate, Some(100));
    assert_eq!(tables.list[2].rows_estimate, None, "never analysed");
    let sum = db.value("select sum(pg_total_relation_size(oid)) from pg_class where relkind in ('r','p') and relnamespace = 'tenant_acme'::regnamespace");
    assert_eq!(tables.total_bytes.map(|bytes| bytes.to_string()), Some(sum));
    let outside: Vec<&str> = detail.objects_outside.iter().map(Untrusted::raw).collect();
    let has = |words: &[&str]| outside.iter().any(|object| words.iter().all(|word| object.contains(word)));
    assert!(has(&["view", "reports.all_orders"]), "{outside:?}");
    assert!(has(&["constraint", "reports.sums"]), "{outside:?}");
    assert!(has(&["default value", "reports.sums"]), "{outside:?}");
    assert!(has(&["column c", "reports.sums"]), "{outside:?}");
    assert!(has(&["column o", "reports.sums"]), "{outside:?}");
    assert!(!outside.iter().any(|object| object.contains("own_view")), "{outside:?}");
    let members: Vec<(&str, Option<bool>)> =
        detail.members.iter().map(|member| (member.name.raw(), member.active)).collect();
    assert_eq!(members, [("ann@example.org", Some(true)), ("ghost", Some(false))]);
    assert!(detail.members[0].last_active_at.is_some());
}

#[tokio::test]
async fn a_locked_table_is_left_out_and_not_waited_for() {
    let db = boundary(
        "locked",
        "create table tenants(id int primary key, slug text); insert into tenants values (1, 'acme')",
    );
    db.sql("create schema tenant_acme");
    for number in 0..60 {
        db.sql(&format!("create table tenant_acme.t{number}(id int primary key)"));
    }
    let seen = see(&config(&db, "postgres")).await;
    let holder = db.connect().await;
    holder.batch_execute("begin; lock table tenant_acme.t7 in access exclusive mode").await.expect("locked");
    // An index alone can be held too.
    let second = db.connect().await;
    second.batch_execute("begin; reindex index tenant_acme.t9_pkey").await.expect("held");
    let started = Instant::now();
    let tables = measured(&seen, 0).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!((tables.list.len(), tables.unmeasured), (60, Unmeasured { locked: 2, no_time: 0 }));
    let unmeasured: Vec<&str> =
        tables.list.iter().filter(|table| table.total_bytes.is_none()).map(|table| table.name.raw()).collect();
    assert_eq!(unmeasured, ["t7", "t9"]);
    assert!(tables.total_bytes.is_some_and(|bytes| bytes > 0));
    holder.batch_execute("rollback").await.expect("free");
    second.batch_execute("rollback").await.expect("free");
    let tables = measured(&seen, 0).await;
    assert!(tables.unmeasured.is_none());
}

#[tokio::test]
async fn a_schema_locked_whole_by_somebody_in_the_queue_takes_no_time_either() {
    let db = boundary(
        "queue",
        "create table tenants(id int primary key, slug text); insert into tenants values (1, 'acme')",
    );
    db.sql("create schema tenant_acme; create table tenant_acme.a(id int); create table tenant_acme.b(id int)");
    let seen = see(&config(&db, "postgres")).await;
    // A reader of the application holds the table; a migration waits behind it; we would wait behind both.
    let application = db.connect().await;
    application.batch_execute("begin; select * from tenant_acme.a").await.expect("read");
    let migration = db.connect().await;
    let waiting =
        tokio::spawn(async move { migration.batch_execute("alter table tenant_acme.a add column n int").await });
    wait_until_async(Duration::from_secs(10), "the migration to wait", || async {
        db.value(
            "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock' \
             and database = (select oid from pg_database where datname = current_database())",
        ) == "1"
    })
    .await;
    let tables = measured(&seen, 0).await;
    assert_eq!((tables.list.len(), tables.unmeasured), (2, Unmeasured { locked: 1, no_time: 0 }));
    application.batch_execute("rollback").await.expect("free");
    waiting.await.expect("no panic").expect("altered");
}
