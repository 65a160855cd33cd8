//! Waiting for a tenant's schema to be free, before a blocked step of it is tried again. Nothing is locked meanwhile,
//! and nobody has to wait behind us.

use std::time::{Duration, Instant};

use super::lane::Lane;
use super::report::seconds;
use super::shared::Shared;
use super::steps::TenantSteps;
use super::watcher;
use crate::model::job::LogMark;

/// How long is waited in all.
pub(super) const LONGEST: Duration = Duration::from_secs(600);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two lines of the log.
const TELL: Duration = Duration::from_secs(30);

/// Waits until nobody has held a lock in the tenant's schema for longer than a step would wait for it; for at most ten
/// minutes, and only while the job goes on. The step is tried in any case: it finds out for itself.
pub(super) async fn until_free(shared: &Shared<'_>, lane: &mut Lane<'_>, tenant: &TenantSteps) {
    let started = Instant::now();
    let mut told: Option<(Instant, i32)> = None;
    while started.elapsed() < LONGEST && shared.may_start(true).await {
        let holders = lane.watcher().holders(&shared.keys(&tenant.schema), tenant.schema_oid, shared.limits.lock).await;
        let (Some(words), Some(pid)) = (watcher::in_words(&holders), holders.first().map(|holder| holder.pid)) else {
            break;
        };
        if told.as_ref().is_none_or(|(at, who)| *who != pid || at.elapsed() >= TELL) {
            let text = format!("waits until its schema is free: {}", words.raw());
            shared.reports.line(LogMark::Note, &tenant.slug, text).await;
            told = Some((Instant::now(), pid));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.end_now() => {}
        }
    }
    if told.is_some() {
        let text = format!("waited {} for its schema", seconds(started.elapsed()));
        shared.reports.line(LogMark::Note, &tenant.slug, text).await;
    }
}
