//! How commands leave the dashboard: to a worker whose queue may be full, and into files.

use std::io::Write as _;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::app::event::Event;
use crate::jobs::service::ServiceCommand;

/// What to say where an order did not reach its worker.
pub(super) fn deliver<T>(sent: Result<(), mpsc::error::TrySendError<T>>, what: String) -> Result<(), Event> {
    sent.map_err(|error| {
        let why = match error {
            mpsc::error::TrySendError::Full(_) => "its queue is full; the server may be slow",
            mpsc::error::TrySendError::Closed(_) => "its worker has ended, see the log",
        };
        Event::Undelivered { what, why: why.to_owned() }
    })
}

/// What a command of the service does, in words.
pub(super) fn service_words(command: &ServiceCommand) -> String {
    match command {
        ServiceCommand::Init => "making the tenantui schema".to_owned(),
        ServiceCommand::Order { .. } => "ordering the job".to_owned(),
        ServiceCommand::Resume(job) => format!("going on with job {job}"),
        ServiceCommand::Retry(job) => format!("retrying job {job}"),
        ServiceCommand::Cancel(job) => format!("stopping job {job}"),
        ServiceCommand::ReadOutcomes(job) => format!("reading the results of job {job}"),
        ServiceCommand::RetryWhenFree { job, schema } => format!("retrying {schema} in job {job}"),
        ServiceCommand::Pause(job) => format!("pausing job {job}"),
        ServiceCommand::Skip { job, schema, .. } => format!("skipping {schema} in job {job}"),
        ServiceCommand::Flush(order) => format!("flushing the cache of {}", order.slug.safe()),
        ServiceCommand::StopFlush => "stopping the flush of a cache".to_owned(),
        ServiceCommand::ReadAudit(_) => "reading the audit".to_owned(),
        ServiceCommand::PlanLife(request) => format!("planning to {}", request.kind.word()),
        ServiceCommand::ReadCode { .. } => "looking for code with other rights".to_owned(),
        ServiceCommand::Stop(_) => "stopping".to_owned(),
    }
}

/// Writes a new file into the working directory; an existing one is never touched.
pub(super) fn export(name: &str, content: &str) -> Result<PathBuf, String> {
    let folder = std::env::current_dir().map_err(|error| format!("the working directory is gone: {error}"))?;
    let path = folder.join(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would look like a whole one.
        let _ = std::fs::remove_file(&path);
        format!("{}: {error}", path.display())
    })?;
    Ok(path)
}
