//! The right half of Tenants at 200x50: what is known of the tenant under the cursor, live.
//!
//! ```text
//! | acme                                             Enter opens it
//! | active since 2024-03-02   schema t_acme   owner t_acme_rw   plan pro
//! | Version 0039, target 0042: 3 behind.  Why: skipped by job 12 (lock timeout)
//! |
//! | Pending   0040 drop_legacy_flags, 0041 split_address, 0042 add_invoice_index
//! |
//! | TABLE                TOTAL   HEAP  INDEX  ROWS~ DEAD%  (38 tables, exact, 41s old)
//! | events              201 MB 140 MB  61 MB   1.9M     3  [####################      ]
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{activity, panes, tenant};
use crate::model::tenant::Tenant;
use crate::text::rough_time;
use crate::tui::app::action::Action;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::{below, put, put_right, put_safe, wrap};

/// Draws it.
pub fn draw(frame: &mut Frame, area: Rect, state: &State, theme: &Theme) {
    let Some(tenant) = state.cursor_tenant() else {
        put(frame.buffer_mut(), area, 0, 0, "No tenant is chosen.", theme.muted);
        return;
    };
    let buf = frame.buffer_mut();
    let opens = format!("{} opens it", state.key(Action::Open));
    let end = put_right(buf, area, area.width.saturating_sub(1), 0, &opens, theme.muted);
    put_safe(buf, area, 0, 0, end.saturating_sub(2), tenant.slug.safe().as_str(), theme.title, theme);
    let mut y = 1;
    let standing = tenant::standing(tenant, state);
    for line in [&tenant::facts(tenant, usize::MAX), &standing] {
        for part in wrap(line, usize::from(area.width.saturating_sub(1))).into_iter().take(3) {
            put_safe(buf, area, 0, y, area.width, &part, Style::new(), theme);
            y += 1;
        }
    }
    if let Some(words) = activity::words(state, &tenant.key, 60) {
        put_safe(buf, area, 0, y, area.width.saturating_sub(1), &words, theme.bar, theme);
    }
    y += 1;
    for line in pending(tenant, state) {
        for part in wrap(&line, usize::from(area.width.saturating_sub(1))).into_iter().take(4) {
            put_safe(buf, area, 0, y, area.width, &part, theme.warn, theme);
            y += 1;
        }
    }
    // The one that is the reason why it stands there was said.
    let unsaid = tenant.problems.iter().filter(|problem| !standing.contains(problem.safe().as_str()));
    for problem in unsaid.take(4) {
        for part in wrap(problem.safe().as_str(), usize::from(area.width.saturating_sub(1))).into_iter().take(2) {
            put_safe(buf, area, 0, y, area.width, &part, theme.error, theme);
            y += 1;
        }
    }
    let rest = below(area, y + 1);
    let detail = state.snapshot.detail.as_ref().filter(|detail| detail.key == tenant.key);
    match detail {
        Some(detail) => panes::tables_of(frame, rest, detail, state, theme),
        None => {
            let words = "Its tables are measured when the cursor rests here.";
            put(frame.buffer_mut(), rest, 0, 0, words, theme.muted);
        }
    }
}

/// The pending files with their names.
fn pending(tenant: &Tenant, state: &State) -> Vec<String> {
    let Some(pending) = tenant.pending.as_ref().filter(|pending| !pending.is_empty()) else { return Vec::new() };
    let database = state.snapshot.database(&tenant.key.database);
    let files = database.and_then(|database| database.files.clone());
    let names: Vec<String> = pending
        .iter()
        .take(12)
        .map(|version| {
            let file = files.as_ref().and_then(|files| files.iter().find(|file| &file.version == version));
            let name = file.map(|file| format!(" {}", file.name.safe())).unwrap_or_default();
            let time = database.and_then(|database| database.times.of(version));
            let estimate = time.map(|time| format!(" est. {}", rough_time(time.mean_ms))).unwrap_or_default();
            format!("{}{name}{estimate}", version.untrusted().safe())
        })
        .collect();
    let more = if pending.len() > 12 { format!(", and {} more", pending.len() - 12) } else { String::new() };
    vec![format!("Pending   {}{more}", names.join(", "))]
}
