//! `jobs`: the list, from the durable record of each database.

use serde::Serialize;

use crate::cli::args;
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::jobs::record;
use crate::model::export::Job;
use crate::model::job::{JobState, JobView};
use crate::model::job_words::done;
use crate::text;

#[derive(Serialize)]
struct Document {
    jobs: Vec<Job>,
}

/// Lists the jobs of all chosen databases, newest first in each.
///
/// # Errors
/// When the output cannot be written.
pub async fn run(session: &Session, arguments: &args::Jobs) -> Outcome<Status> {
    let (jobs, status) =
        session.ask_all(async |reader, database| record::list(reader, &database.name, arguments.limit).await).await;
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document { jobs: jobs.iter().map(Job::from).collect() })?,
        Style::Csv => output::data(&Table::of(jobs.iter().map(Job::from)).csv()?)?,
        Style::Text => output::table(&table(&jobs, session.has_several()))?,
    }
    Ok(status)
}

/// Columns of what a job is about, at most; `job ID` shows the whole.
const WHAT: usize = 40;

/// The table of a list of jobs.
#[must_use]
pub fn table(jobs: &[JobView], several: bool) -> Table {
    let mut heads = vec![
        "id", "kind", "what", "state", "done", "failed", "blocked", "skipped", "by", "runs on", "created", "reason",
    ];
    if several {
        heads.insert(0, "database");
    }
    let mut table = Table::new(&heads)
        .giving_way(&["skipped", "blocked", "by", "runs on", "created", "failed", "database"])
        .wrapping(&["reason"]);
    for job in jobs {
        let mut cells = vec![
            job.id.to_string().into(),
            job.kind.word().into(),
            // The name of a tenant may be as long as a line.
            job.what.safe().fit(WHAT).to_string().into(),
            job.state.word().into(),
            format!("{}/{}", text::grouped(done(job).into()), text::grouped(job.total.into())).into(),
            job.failed.into(),
            job.blocked.into(),
            job.skipped.into(),
            (&job.created_by).into(),
            // Of a job that does not run the worker is only its last one.
            job.worker.as_ref().filter(|_| job.state == JobState::Running).into(),
            job.created_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string().into(),
            job.reason.as_ref().into(),
        ];
        if several {
            cells.insert(0, (&*job.database).into());
        }
        table.row(cells);
    }
    table
}
