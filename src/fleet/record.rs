//! Reading tenantui's own record into the picture: jobs, what their last steps left behind, the trash.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::FleetError;
use super::picture::Picture;
use super::session::Session;
use super::trash;
use crate::jobs::init::InitStatus;
use crate::jobs::{durations, failures, init, record, recorded};
use crate::layout::{Layout, Registry};
use crate::model::job::{JobId, JobState, JobView};
use crate::postgres::registry::RegistryRow;
use crate::postgres::session::{QueryError, Reader};
use crate::text::Untrusted;

/// Jobs that lists show.
const JOBS: u32 = 200;

/// Reads jobs and what their last steps left behind. A role that may not look into the record still sees the fleet,
/// and a warning.
pub(super) async fn read_jobs(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    picture.record_warning = match read_record(session, picture).await {
        Ok(()) => None,
        Err(QueryError::Link(link)) => return Err(link.into()),
        Err(error) => Some(Untrusted::new(format!("the record of jobs could not be read: {error}"))),
    };
    Ok(())
}

/// Reads what is in the trash, ahead of the rest of the record. What the server refuses is told by [`read_jobs`], which
/// asks the same again.
///
/// # Errors
/// When the link breaks.
pub(super) async fn read_trash(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    match trash::read(session.reader().await?, picture).await {
        Err(QueryError::Link(link)) => Err(link.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where schemas are tenants' by what is in them: those that tenantui made, and in which nothing says so yet. What the
/// server refuses is told by [`read_jobs`].
///
/// # Errors
/// When the link breaks.
pub(super) async fn add_made(
    session: &mut Session,
    layout: &Layout,
    rows: &mut Vec<RegistryRow>,
) -> Result<(), FleetError> {
    match layout.registry {
        Registry::Scan { .. } => {}
        Registry::Table { .. } | Registry::Query { .. } => return Ok(()),
    }
    let made = match made(session.reader().await?).await {
        Ok(made) => made,
        Err(QueryError::Link(link)) => return Err(link.into()),
        Err(_) => return Ok(()),
    };
    let known: HashSet<&str> = rows.iter().filter_map(|row| Some(row.schema.as_ref()?.raw())).collect();
    let more: Vec<_> = made.iter().filter(|name| !known.contains(name.as_str())).collect();
    rows.extend(more.into_iter().map(|name| RegistryRow::of_schema(&layout.naming, name)));
    Ok(())
}

async fn made(reader: &Reader) -> Result<Vec<String>, QueryError> {
    if init::status(reader).await? == InitStatus::Missing { Ok(Vec::new()) } else { recorded::made(reader).await }
}

async fn read_record(session: &mut Session, picture: &mut Picture) -> Result<(), QueryError> {
    let name = Arc::clone(&picture.config().name);
    let reader = session.reader().await?;
    let initialised = init::status(reader).await?;
    picture.initialised = Some(initialised);
    if initialised == InitStatus::Missing {
        picture.jobs = Arc::new([]);
        picture.trash = Arc::default();
        picture.failed.clear();
        picture.begun.clear();
        picture.purging.clear();
        picture.changed.clear();
        picture.times = Arc::default();
        return Ok(());
    }
    trash::read(reader, picture).await?;
    let jobs = record::list(reader, &name, JOBS).await?;
    // What steps left behind changes with the numbers of a job or with the files, and the steps are many: they are
    // looked at only then.
    let new_jobs = *jobs != *picture.jobs;
    // Times are a mean over many steps: they are taken anew when a job has come to rest, not while it runs. Where none is
    // known yet, the job that runs may be the first.
    if new_jobs && (picture.times.is_empty() || at_rest(&jobs) != at_rest(&picture.jobs)) {
        picture.times = Arc::new(durations::read(reader).await?);
    }
    if new_jobs {
        keep_same(&mut picture.failed, failures::failed_steps(reader).await?);
        picture.begun = failures::begun(reader).await?;
        picture.purging = failures::purging(reader).await?;
        picture.jobs = jobs.into();
        picture.stale = true;
    }
    if new_jobs || picture.checked_files != picture.files.signature {
        let files = picture.files.folder.iter().flat_map(|folder| &folder.files);
        let files: Vec<_> = files.map(|file| (file.version.clone(), file.sha256)).collect();
        let changed = recorded::changed(reader, &files).await?;
        picture.changed = changed.into_iter().map(|(schema, versions)| (schema, versions.into())).collect();
        picture.checked_files = picture.files.signature;
        picture.stale = true;
    }
    Ok(())
}

fn at_rest(jobs: &[JobView]) -> Vec<(JobId, JobState)> {
    let rests = |job: &&JobView| job.state.is_over() || job.state == JobState::Paused;
    jobs.iter().filter(rests).map(|job| (job.id, job.state)).collect()
}

/// Keeps the objects of equal entries, so that tenants that did not change stay the same.
fn keep_same<V: PartialEq>(known: &mut HashMap<String, Arc<V>>, read: HashMap<String, V>) {
    let mut next: HashMap<String, Arc<V>> = HashMap::with_capacity(read.len());
    for (key, value) in read {
        let entry = match known.remove(&key) {
            Some(same) if *same == value => same,
            Some(_) | None => Arc::new(value),
        };
        next.insert(key, entry);
    }
    *known = next;
}
