//! `audit`: what operators did, from the record of each database.

use serde::Serialize;

use crate::cli::args;
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::jobs::record;
use crate::model::audit::{AuditFilter, AuditLine};
use crate::model::export::{AuditRow, audit};
use crate::model::job::JobId;

#[derive(Serialize)]
struct Document {
    audit: Vec<AuditRow>,
}

/// Lists what operators did in all chosen databases, newest first in each.
///
/// # Errors
/// When the output cannot be written.
pub async fn run(session: &Session, arguments: &args::Audit) -> Outcome<Status> {
    let filter = AuditFilter {
        job: arguments.job.map(JobId),
        target: arguments.tenant.clone(),
        since: arguments.since,
        before: None,
        limit: arguments.limit,
    };
    let (lines, status) =
        session.ask_all(async |reader, database| record::audit(reader, &database.name, &filter).await).await;
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document { audit: lines.iter().map(AuditRow::from).collect() })?,
        Style::Csv => output::data(&Table::of(lines.iter().map(AuditRow::from)).csv()?)?,
        Style::Text => output::table(&table(&lines, session.has_several()))?,
    }
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    if session.databases.iter().any(|own| lines.iter().filter(|line| line.database == own.name).count() >= limit) {
        output::note(format!("the newest {limit} of each database, at most: --limit has more"));
    }
    Ok(status)
}

fn table(lines: &[AuditLine], several: bool) -> Table {
    let mut heads = vec!["at", "actor", "action", "target", "job", "outcome", "change"];
    if several {
        heads.insert(0, "database");
    }
    let mut table = Table::new(&heads).giving_way(&["job", "change", "actor"]);
    for line in lines {
        let mut cells = vec![
            line.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string().into(),
            audit::who(line).into(),
            (&line.action).into(),
            line.target.as_ref().into(),
            line.job.map(|job| job.to_string()).into(),
            (&line.outcome).into(),
            audit::change(line).into(),
        ];
        if several {
            cells.insert(0, (&*line.database).into());
        }
        table.row(cells);
    }
    table
}
