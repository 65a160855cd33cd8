//! Several who make the same tenant at once, and one who is killed while it does.

use super::*;

/// Several rounds of twenty at once: orders and runs race, also under names that only fold to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_at_once_make_one_tenant() {
    let fleet = Arc::new(Fleet::new("provision", 0).await);
    fleet.file(1, "one", "create table one (id int)");
    for round in 0..5 {
        let slug = format!("race-{round}");
        let all = (0..20).map(|_| {
            let (fleet, slug) = (Arc::clone(&fleet), slug.clone());
            tokio::spawn(async move {
                let job = order(&fleet, provision(&fleet, &slug)).await?;
                fleet.run(job, false).await.0
            })
        });
        let ends = futures_util::future::join_all(all).await;
        let made = ends.iter().filter(|end| matches!(end, Ok(Ok(view)) if view.state == JobState::Done)).count();
        assert_eq!(made, 1, "{ends:?}");
        for end in ends {
            match end.expect("no panic") {
                // Ordered when the name was free, and run when it was not: its job says so, and made nothing.
                Ok(view) if view.state == JobState::Failed => {}
                Ok(view) => assert_eq!(view.state, JobState::Done),
                Err(OrderError::Busy { .. } | OrderError::Refused(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(fleet.db.value(&format!("select count(*) from public.tenants where slug = '{slug}'")), "1");
    }
    let why = "select coalesce(string_agg(message, '; '), '') from tenantui.step where state = 'failed' and message !~ 'nothing was made'";
    assert_eq!(fleet.db.value(why), "");
}

/// The unique constraints away and the record's own gate passed: the locks behind it still make one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_fold_to_the_same_are_made_once() {
    let fleet = Arc::new(Fleet::new("provision", 0).await);
    fleet.db.sql("alter table public.tenants drop constraint tenants_slug_key, drop constraint tenants_schema_name_key; drop index tenantui.job_active_scope");
    fleet.file(1, "one", "create table one (id int);\n--;;\nselect pg_sleep(0.02)");
    for round in 0..4 {
        let mut jobs = Vec::new();
        for number in 0..10 {
            let mut wanted = provision(&fleet, &format!("fold-{round}"));
            if number % 2 == 1 {
                wanted.tenants[0].name = CheckedName {
                    slug: format!("fold_{round}"),
                    schema: SchemaName::tenant(&format!("tenant_FOLD_{round}")).expect("a schema"),
                };
            }
            jobs.push(order(&fleet, wanted).await.expect("ordered"));
        }
        let all = jobs.into_iter().map(|job| {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move { fleet.run(job, false).await.0.expect("run") })
        });
        let views = futures_util::future::join_all(all).await;
        let made = views.iter().filter(|view| view.as_ref().is_ok_and(|view| view.state == JobState::Done)).count();
        assert_eq!(made, 1, "{views:?}");
        assert_eq!(
            fleet
                .db
                .value(&format!("select count(*) from public.tenants where slug in ('fold-{round}', 'fold_{round}')")),
            "1"
        );
        assert_eq!(
            fleet.db.value(&format!("select count(*) from pg_namespace where lower(nspname) = 'tenant_fold_{round}'")),
            "1"
        );
    }
}

#[tokio::test]
async fn a_killed_worker_leaves_nothing_and_the_job_is_gone_on_with() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.file(1, "slow", "create table one ();\n--;;\nselect pg_sleep(0.5)");
    let job = order(&fleet, provision(&fleet, "acme")).await.expect("ordered");
    let target = fleet.target();
    {
        let run = fleet.run(job, false);
        let asleep = crate::support::wait_until_async(
            std::time::Duration::from_secs(10),
            "a sleeping file",
            || async {
                fleet.db.value("select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep(0.5)%' and state = 'active' and application_name like 'tenantui%'") == "1"
            },
        );
        // Dropping the run drops its sessions, as the end of its process does.
        tokio::select! {
            end = run => panic!("{end:?}"),
            () = asleep => {}
        }
    }
    crate::support::wait_until_async(std::time::Duration::from_secs(10), "the orphan", || async {
        worker::claimable(&target).await.is_ok_and(|jobs| jobs == [job])
    })
    .await;
    assert_nothing(&fleet, "acme");
    assert_eq!(fleet.view(job).await.state, JobState::Orphaned);
    let mut last = None;
    for _ in 0..200 {
        match fleet.run(job, false).await.0 {
            Ok(view) => {
                last = Some(view);
                break;
            }
            // The server has not yet noticed that the statement's client is gone.
            Err(error) => assert!(error.to_string().contains("draining"), "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(last.expect("it runs in the end").state, JobState::Done);
    assert_eq!(fleet.db.value("select count(*) from tenant_acme.schema_migrations"), "1");
    init::run(&target).await.expect("still whole");
}
