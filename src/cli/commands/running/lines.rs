//! Lines about a job: of its log, of its progress, of what failed.

use jiff::tz::TimeZone;

use crate::model::causes::Cause;
use crate::model::export::ResultRow;
use crate::model::job::{JobState, JobView, LogLine, LogMark};
use crate::model::job_words::{done, what_is_left};
use crate::text;

/// A line of a job's log.
#[must_use]
pub fn log_line(line: &LogLine, zone: &TimeZone) -> String {
    let time = line.at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
    let mark = match line.mark {
        LogMark::Note => "    ".to_owned(),
        LogMark::Run | LogMark::Ok | LogMark::Fail => format!("{:<4}", line.mark.word()),
    };
    let tenant = line.tenant.as_ref().map_or_else(String::new, |tenant| format!("{:<24} ", tenant.safe().as_str()));
    format!("{time} {mark} {tenant}{}", line.text.safe())
}

/// `job 17 migrate 180 tenants to 0042: running, 61/180, 1 failed, about 4 min left`.
#[must_use]
pub fn progress_line(view: &JobView) -> String {
    let mut line = format!(
        "job {} {} {}: {}, {}/{}",
        view.id,
        view.kind.word(),
        view.what.safe(),
        view.state.word(),
        done(view),
        view.total
    );
    for (count, word) in [(view.failed, "failed"), (view.blocked, "blocked"), (view.skipped, "skipped")] {
        if count > 0 {
            line.push_str(&format!(", {count} {word}"));
        }
    }
    if let Some(reason) = &view.reason {
        line.push_str(&format!(" ({})", reason.safe()));
    }
    if let Some(left) = what_is_left(view).filter(|_| view.state == JobState::Running) {
        line.push_str(&format!(", {left}"));
    }
    line
}

/// `41 tenants: 55P03 canceling statement due to lock timeout`: one decision can serve all of them.
pub(super) fn cause_line(cause: &Cause) -> String {
    let who = text::counted(cause.count, "tenant");
    let code = if cause.code.is_empty() { String::new() } else { format!("{} ", cause.code) };
    format!("{who}: {code}{}", cause.words)
}

/// Why a tenant is where it is, in one cell: the operator's note, or what was refused and who stood in the way.
pub(super) fn why(row: &ResultRow) -> Option<String> {
    let parts = [
        row.note.as_ref().map(|note| format!("note: {note}")),
        row.message.clone(),
        row.blocker.as_ref().map(|blocker| format!("blocked by {blocker}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
