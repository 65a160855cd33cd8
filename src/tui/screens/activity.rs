//! What a tenant does at this moment: rows read and written per second, and how that was in the readings before.

use crate::model::tenant::TenantKey;
use crate::model::vitals::Activity;
use crate::text::short_count;
use crate::tui::app::state::State;
use crate::tui::widgets::bars;

fn of<'s>(state: &'s State, key: &TenantKey) -> Option<&'s Activity> {
    state.snapshot.activity.get(key)
}

/// Rows read and written per second together, for a list; `-` while that is not known.
#[must_use]
pub fn rows(state: &State, key: &TenantKey) -> String {
    let rows = of(state, key).and_then(|activity| Some(activity.read?.saturating_add(activity.written.unwrap_or(0))));
    rows.map_or_else(|| "-".to_owned(), short_count)
}

/// `Rows per second: 120 read, 4 written  [ _..:|]`; none while nothing is known. `line`: columns of the sparkline.
#[must_use]
pub fn words(state: &State, key: &TenantKey, line: u16) -> Option<String> {
    let activity = of(state, key)?;
    let read = activity.read?;
    let written = activity.written.map(|rows| format!(", {} written", short_count(rows))).unwrap_or_default();
    let line = match line {
        0 => String::new(),
        line => format!("  [{}]", bars::sparkline(&activity.history, line)),
    };
    Some(format!("Rows/s: {} read{written}{line}", short_count(read)))
}
