//! The service behind a face.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenantui::jobs::service::{self, ServiceCommand};
use tenantui::jobs::worker;
use tenantui::model::job::{JobEvent, JobState};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Fleet;
use crate::support::wait_until_async;

#[tokio::test]
async fn the_service_offers_init_runs_orders_in_turn_and_stays_awake() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table one ()");
    fleet.db.sql("drop schema tenantui cascade");
    let (events, mut receiver) = mpsc::channel(256);
    let service = service::spawn(fleet.target(), events);
    let order = Box::new(fleet.migrate_order(fleet.plan(|_| {}), false));
    let send = |command| service.commands.try_send(command).expect("room");
    let key = Uuid::new_v4();
    send(ServiceCommand::Order { idempotency_key: key, order: order.clone() });
    send(ServiceCommand::Init);
    send(ServiceCommand::Order { idempotency_key: key, order });
    let (mut seen, mut ended) = (Vec::new(), false);
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            event = receiver.recv() => {
                let event = event.expect("the service lives");
                let over = matches!(&event, JobEvent::Job(view) if view.state.is_over());
                seen.push(event);
                // The record's watch may be quicker to tell of the end than its worker is to tell the results.
                ended |= over;
                if ended && seen.iter().any(|event| matches!(event, JobEvent::Outcomes { .. })) { break; }
            }
            () = &mut deadline => panic!("{seen:#?}"),
        }
    }
    assert!(matches!(&seen[0], JobEvent::Rejected { needs_init: true, .. }), "{seen:#?}");
    assert!(seen.iter().any(|event| matches!(event, JobEvent::Initialised { .. })));
    let last = seen.iter().rev().find_map(|event| match event {
        JobEvent::Job(view) if view.state.is_over() => Some(view),
        _ => None,
    });
    let last = last.expect("its end");
    assert_eq!((last.state, last.total, last.done, last.pending), (JobState::Done, 3, 3, 0));
    assert!(seen.iter().any(|event| matches!(event, JobEvent::Outcomes { outcomes, .. } if outcomes.len() == 3)));
    send(ServiceCommand::Stop(worker::Stop::AfterStep));
    tokio::time::timeout(Duration::from_secs(10), service.commands.closed()).await.expect("it ends");
    wait_until_async(Duration::from_secs(5), "its sessions to end", || async {
        fleet.db.value("select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'") == "0"
    })
    .await;
}

/// Who ordered it sees why it did not run, and may order anew at once.
#[tokio::test]
async fn what_was_ordered_with_other_files_ends_with_the_reason() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let order = Box::new(fleet.migrate_order(fleet.plan(|_| {}), false));
    fleet.file(1, "one", "create table other ()");
    let (events, mut receiver) = mpsc::channel(256);
    let service = service::spawn(fleet.target(), events);
    let send = |order| {
        let command = ServiceCommand::Order { idempotency_key: Uuid::new_v4(), order };
        service.commands.try_send(command).expect("room");
    };
    send(order);
    let told = async {
        let (mut said, mut over) = (None, None);
        while said.is_none() || over.is_none() {
            match receiver.recv().await.expect("the service lives") {
                JobEvent::Rejected { message, .. } => said = Some(message.raw().to_owned()),
                JobEvent::Job(view) if view.state.is_over() => over = Some(view),
                _ => {}
            }
        }
        (said.expect("words"), over.expect("its end"))
    };
    let (said, over) = tokio::time::timeout(Duration::from_secs(20), told).await.expect("told");
    assert!(said.contains("1-one.up.sql changed since the job was ordered") && said.contains("is cancelled"), "{said}");
    assert_eq!((over.state, over.pending), (JobState::Cancelled, 1));
    assert!(over.reason.is_some_and(|reason| reason.raw().contains("1-one.up.sql changed")));
    send(Box::new(fleet.migrate_order(fleet.plan(|_| {}), false)));
    let done = async {
        while !matches!(receiver.recv().await.expect("the service lives"), JobEvent::Job(view) if view.state == JobState::Done)
        {
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("the next one runs");
    service.commands.try_send(ServiceCommand::Stop(worker::Stop::AfterStep)).expect("room");
    tokio::time::timeout(Duration::from_secs(10), service.commands.closed()).await.expect("it ends");
}

/// Holds the lock of what all share, as another `init` does, until it is dropped.
async fn hold_init(fleet: &Fleet) -> tokio_postgres::Client {
    let other = fleet.db.connect().await;
    let key = i64::from_be_bytes(Sha256::digest(b"tenantui:shared")[..8].try_into().expect("eight bytes"));
    other.simple_query(&format!("select pg_advisory_lock({key})")).await.expect("held");
    other
}

#[tokio::test]
async fn while_init_waits_the_desk_answers_and_ends() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.db.sql("update tenantui.job set state = 'paused', waits = 'operator'");
    let other = hold_init(&fleet).await;
    let (events, mut receiver) = mpsc::channel(256);
    let service = service::spawn(fleet.target(), events);
    let send = |command| service.commands.try_send(command).expect("room");
    send(ServiceCommand::Init);
    send(ServiceCommand::ReadOutcomes(job));
    send(ServiceCommand::Cancel(job));
    let answers = async {
        let (mut outcomes, mut cancelled) = (false, false);
        while !(outcomes && cancelled) {
            match receiver.recv().await.expect("the service lives") {
                JobEvent::Outcomes { .. } => outcomes = true,
                JobEvent::Job(view) => cancelled |= view.state == JobState::Cancelled,
                JobEvent::Initialised { .. } => panic!("the lock was not waited for"),
                _ => {}
            }
        }
    };
    // Well before `init` gives up.
    tokio::time::timeout(Duration::from_secs(8), answers).await.expect("answers while init waits");
    drop(other);
    let initialised =
        async { while !matches!(receiver.recv().await.expect("the service lives"), JobEvent::Initialised { .. }) {} };
    tokio::time::timeout(Duration::from_secs(15), initialised).await.expect("its turn");
    let other = hold_init(&fleet).await;
    send(ServiceCommand::Init);
    send(ServiceCommand::Stop(worker::Stop::AfterStep));
    tokio::time::timeout(Duration::from_secs(8), service.commands.closed()).await.expect("a stop is heard");
    drop(other);
}
