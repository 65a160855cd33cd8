//! How values read on every screen: states, versions, sizes, ages, times. Unknown is never drawn as 0.

use jiff::Timestamp;
use ratatui::style::Style;

use crate::model::job::{JobState, JobView, LogMark, Outcome};
use crate::model::ledger::Version;
use crate::model::tenant::{Tenant, TenantState};
use crate::text::{SafeText, clock, grouped, short_bytes, short_count, width};
use crate::tui::app::state::State;
use crate::tui::theme::Theme;

/// A version, safe; `-` where there is none.
#[must_use]
pub fn version(version: Option<&Version>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.untrusted().safe().into())
}

/// Columns that the versions of these tenants need, between `least` and `most`.
pub fn version_width<'a>(versions: impl Iterator<Item = &'a Version>, least: u16, most: u16) -> u16 {
    // Bytes are as good as columns here: versions are digits nearly always, and the column only has to be about right.
    let longest = versions.map(|version| version.raw().len()).max().unwrap_or(0);
    u16::try_from(longest).unwrap_or(most).clamp(least, most)
}

/// How a state looks.
#[must_use]
pub const fn state_style(state: TenantState, theme: &Theme) -> Style {
    match state {
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::OrphanSchema
        | TenantState::Dirty => theme.error,
        TenantState::UnknownTool
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind => theme.warn,
        TenantState::Ok => theme.ok,
        TenantState::Unknown => theme.muted,
    }
}

/// The word of a state; `-` where it is not read yet.
#[must_use]
pub const fn state_word(state: TenantState) -> &'static str {
    match state {
        TenantState::Unknown => "-",
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::OrphanSchema
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok => state.word(),
    }
}

/// Whether a state says more than a status that is not active.
const fn is_trouble(state: TenantState) -> bool {
    match state {
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::OrphanSchema
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked => true,
        TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => false,
    }
}

/// The one word where there is room for one: the state, or the status where that is not active and nothing is wrong.
#[must_use]
pub fn state_or_status(tenant: &Tenant, state: &State, theme: &Theme) -> (String, Style) {
    let status = tenant.status.as_ref().filter(|_| !state.is_active(tenant));
    // Whoever was dropped has no schema, as it should be.
    let dropped = tenant.deleted && tenant.state == TenantState::MissingSchema;
    match status {
        Some(status) if dropped || !is_trouble(tenant.state) => {
            // A row that is deleted by its time alone may have any word, and this one would be taken for none.
            let word = if state.says_active(tenant) { "deleted".to_owned() } else { status.safe().into() };
            (word, theme.muted)
        }
        Some(_) | None => (state_word(tenant.state).to_owned(), state_style(tenant.state, theme)),
    }
}

/// How many files are pending: `-` for none, `?` where that is not known.
#[must_use]
pub fn behind(tenant: &Tenant) -> String {
    match tenant.pending_count() {
        None => "?".to_owned(),
        Some(0) => "-".to_owned(),
        Some(count) => grouped(count as u64),
    }
}

/// A size: `~310M` where it is estimated.
#[must_use]
pub fn size(tenant: &Tenant) -> String {
    match tenant.size_bytes {
        None => "-".to_owned(),
        Some(bytes) if tenant.size_exact => short_bytes(bytes),
        Some(bytes) => format!("~{}", short_bytes(bytes)),
    }
}

/// A count that may not be known.
#[must_use]
pub fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), short_count)
}

/// The date of a timestamp as the registry has it.
#[must_use]
pub fn date(text: Option<&crate::text::Untrusted>) -> String {
    text.map_or_else(
        || "-".to_owned(),
        |text| {
            let safe: String = text.safe().into();
            let date: String = safe.chars().take(10).collect();
            let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            if is_date { date } else { safe }
        },
    )
}

/// A time of day: `12:04:31`.
#[must_use]
pub fn time_of_day(at: Timestamp, state: &State) -> String {
    let time = at.to_zoned(state.zone.clone()).time();
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

/// Whole seconds from one time to another; 0 where that is negative.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0)
}

/// How long a job has been running, or ran until it waited or ended.
#[must_use]
pub fn job_time(job: &JobView, now: Timestamp) -> String {
    let until = job.until.or(job.ended_at).unwrap_or(now);
    job.started_at.map_or_else(|| "-".to_owned(), |start| clock(seconds_between(start, until)))
}

/// How a job's state looks.
#[must_use]
pub const fn job_style(state: JobState, theme: &Theme) -> Style {
    match state {
        JobState::Queued => theme.muted,
        JobState::Running => theme.accent,
        JobState::Orphaned | JobState::Paused => theme.warn,
        JobState::Done => theme.ok,
        JobState::Failed => theme.error,
        JobState::Cancelled => theme.muted,
    }
}

/// How a result looks.
#[must_use]
pub const fn outcome_style(outcome: Outcome, theme: &Theme) -> Style {
    match outcome {
        Outcome::Failed | Outcome::Unknown => theme.error,
        Outcome::Blocked | Outcome::LeftOut => theme.warn,
        Outcome::Running => theme.accent,
        Outcome::Pending | Outcome::Skipped => theme.muted,
        Outcome::Done => theme.ok,
    }
}

/// How a line of a log looks.
#[must_use]
pub const fn log_style(mark: LogMark, theme: &Theme) -> Style {
    match mark {
        LogMark::Run => theme.accent,
        LogMark::Ok => theme.ok,
        LogMark::Fail => theme.error,
        LogMark::Note => theme.muted,
    }
}

/// Names one after another, as many as fit in `columns`, then `...`.
pub fn names(all: impl Iterator<Item = SafeText>, columns: usize) -> String {
    let mut out = String::new();
    for name in all {
        let more = if out.is_empty() { String::new() } else { ", ".to_owned() };
        if width(&out) + more.len() + name.width() + 5 > columns {
            if out.is_empty() {
                return name.fit(columns).into();
            }
            out.push_str(", ...");
            return out;
        }
        out.push_str(&more);
        out.push_str(name.as_str());
    }
    out
}
