//! `:messages`: everything that was said, newest first.
//!
//! ```text
//!    TIME      LEVEL    MESSAGE
//!  > 12:04:31  error    server closed the connection (57P01 admin shutdown)
//! ```

use ratatui::Frame;

use super::format::time_of_day;
use super::places::Places;
use crate::tui::app::state::{Level, State};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{below, put};

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    usize::from(places.body.height.saturating_sub(1))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    let all = [Column::fixed("TIME", 9), Column::fixed("LEVEL", 8), Column::wide("MESSAGE", 20, 1)];
    let area = places.body;
    let buf = frame.buffer_mut();
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let rows = below(area, 1);
    let list = &state.messages_list;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(message) = state.messages.iter().rev().nth(at) else { break };
        let (word, style) = match message.level {
            Level::Info => ("info", theme.muted),
            Level::Warning => ("warning", theme.warn),
            Level::Error => ("error", theme.error),
        };
        let cells = [cell(time_of_day(message.at, state)), styled(word, style), cell(message.text.safe())];
        let mark = RowMark { cursor: at == list.at, ..RowMark::default() };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
    if state.messages.is_empty() {
        put(buf, rows, 3, 1, "Nothing has been said yet.", theme.muted);
    }
}
