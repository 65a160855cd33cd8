//! Which statement was refused, though the statements of a file share a message.

use std::sync::Arc;

use tenantui::jobs::service::ProvisionOrder;
use tenantui::model::job::JobState;

use super::{assert_nothing, order, provision};
use crate::jobs::Fleet;

#[tokio::test]
async fn the_statement_that_was_refused_is_named_in_every_case() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.db.sql("create table public.bystander (id int)");
    fleet.file(1, "one", "create table one (id int)");
    fleet.file(3, "three", "create table three (id int)");
    let make = "-- ü;\ncreate table two (id int);";
    for (slug, rest, sqlstate, place) in [
        // Refused while it is read: the server takes the whole message apart before anything of it runs.
        ("read", "--;;\ncreate index on two (id);\n--;;\n\ncreate tabel x ()", "42601", (3, 3, 7)),
        // Refused while it is looked at, and named by a place in the message.
        ("seen", "--;;\ncreate index on two (id);\n--;;\nselect\n missing from two", "42703", (3, 3, 7)),
        // Refused while it runs: no place is named.
        ("run", "--;;\nselect 1 / count(*) from two;\n--;;\ncreate index on two (id)", "22012", (2, 3, 4)),
        // Refused within what it calls: the place that is named is one of another text.
        ("called", "--;;\ndo $$ begin perform * from nowhere; end $$;\n--;;\nselect 1", "42P01", (2, 3, 4)),
        // A piece of two statements is a message of its own.
        ("pair", "--;;\nselect 1; select 1 / count(*)\n from two;\n--;;\nselect 1", "22012", (2, 3, 4)),
    ] {
        fleet.file(2, "two", &format!("{make}\n{rest}"));
        let job = order(&fleet, provision(&fleet, slug)).await.expect("ordered");
        assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed, "{slug}");
        let failure = fleet.outcomes(job).await[slug].failure.clone().expect("a failure");
        assert_eq!(failure.sqlstate.as_deref(), Some(sqlstate), "{slug}: {}", failure.message.raw());
        assert_eq!(failure.version.as_ref().map(|version| version.raw()), Some("2"), "{slug}");
        let statement = failure.statement.as_ref().map(|one| (one.number, one.of, one.line));
        assert_eq!(statement, Some(place), "{slug}: {}", failure.message.raw());
        assert_nothing(&fleet, slug);
    }
}

#[tokio::test]
async fn what_a_file_leaves_changed_is_found_behind_it_and_nothing_is_made() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.file(3, "three", "create table three (id int)");
    let changed = "do $$ begin execute 'set ro' || 'le pg_monitor'; end $$";
    // Where a file throws away what was prepared, its guard is not lost.
    let all = "deallocate all";
    for (slug, one, two, version) in [
        ("first", changed, "create table two (id int)", "1"),
        ("second", "create table one (id int)", changed, "2"),
        ("thrown", changed, all, "1"),
        ("behind", all, changed, "2"),
    ] {
        fleet.file(1, "one", one);
        fleet.file(2, "two", two);
        let job = order(&fleet, provision(&fleet, slug)).await.expect("ordered");
        assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed, "{slug}");
        let failure = fleet.outcomes(job).await[slug].failure.clone().expect("a failure");
        assert!(failure.message.raw().contains("settings were changed"), "{slug}: {}", failure.message.raw());
        assert_eq!(failure.version.as_ref().map(|version| version.raw()), Some(version), "{slug}");
        assert_nothing(&fleet, slug);
    }
    fleet.file(1, "one", "create table one (id int)");
    fleet.file(2, "two", all);
    let job = order(&fleet, provision(&fleet, "whole")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}

/// The lexer refuses such a file when the plan is made; these were let through.
#[tokio::test]
async fn behind_a_file_that_ended_the_transaction_no_other_runs() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.file(1, "one", "create table one ()");
    fleet.file(4, "four", "create table four ();\n--;;\ncreate table five ()");
    let (ended, begun_anew) =
        ("create table two ();\n--;;\ncommit", "create table two ();\n--;;\ncommit;\n--;;\nbegin");
    for (slug, two, three, version) in [
        ("escaped", ended, "create table three ()", "2"),
        ("anew", begun_anew, "create table three ()", "2"),
        // The guard stands in a message that is refused for how its text reads, and so is not asked.
        ("unread", ended, "creat table three ()", "3"),
        ("unread-anew", begun_anew, "creat table three ()", "3"),
    ] {
        fleet.file(2, "two", two);
        fleet.file(3, "three", three);
        let mut folder = (*fleet.read_folder()).clone();
        for file in &mut folder.files {
            Arc::make_mut(file).findings.clear();
        }
        let wanted = ProvisionOrder { folder: Some(Arc::new(folder)), ..provision(&fleet, slug) };
        let job = order(&fleet, wanted).await.expect("ordered");
        let (view, events) = fleet.run(job, false).await;
        assert_eq!(view.expect("run").state, JobState::Failed, "{slug}");
        let told = format!("{events:?}");
        assert!(told.contains("not rolled back") && !told.contains("nothing of this tenant is left"), "{slug}: {told}");
        let failure = fleet.outcomes(job).await[slug].failure.clone().expect("a failure");
        assert!(failure.stays && failure.message.raw().contains("DIRTY"), "{slug}: {failure:?}");
        assert_eq!(failure.version.as_ref().map(|version| version.raw()), Some(version), "{slug}");
        let later = "select count(*) from pg_class where relname in ('three', 'four', 'five')";
        assert_eq!(fleet.db.value(later), "0", "{slug}");
    }
}
