//! The column chooser of the Tenants screen: what is shown, what not, and why.
//!
//! ```text
//! +-Columns-----------------------------------------+
//! |   [x] TENANT    always                          |
//! | > [x] SCHEMA                                    |
//! |   [ ] PLAN      hidden                          |
//! |   [x] OWNER     no room at this width           |
//! |   [ ] DATABASE  nothing to show                 |
//! |                                                 |
//! | Space changes   u as it was at first   Esc back |
//! +-------------------------------------------------+
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{ColumnState, tenant_columns};
use crate::tui::app::state::{State, TenantColumn};
use crate::tui::theme::Theme;
use crate::tui::widgets::{boxes, columns, put, put_fit, put_pieces, restyle_row};

/// Draws it over the screen.
pub fn draw(buf: &mut Buffer, area: Rect, at: usize, state: &State, theme: &Theme) {
    let all = tenant_columns(state);
    let place = boxes::centred(area, 51, columns(all.len()) + 4);
    let inside = boxes::draw(buf, place, None, "Columns", theme);
    let rows = usize::from(inside.height.saturating_sub(2));
    let top = (at + 1).saturating_sub(rows);
    for (y, (column, shown)) in (0..).zip(all.into_iter().skip(top).take(rows)) {
        let here = top + usize::from(y) == at;
        let (mark, why) = match shown {
            ColumnState::Shown if column == TenantColumn::Tenant => ("x", "always"),
            ColumnState::Shown => ("x", ""),
            ColumnState::NoRoom => ("x", "no room at this width"),
            ColumnState::Hidden => (" ", "hidden"),
            ColumnState::Absent if column == TenantColumn::Activity => (" ", "only on wide screens"),
            ColumnState::Absent => (" ", "this fleet has nothing for it"),
        };
        let style = if shown == ColumnState::Absent { theme.muted } else { Style::new() };
        put(buf, inside, 0, y, if here { ">" } else { " " }, theme.mark);
        put(buf, inside, 2, y, &format!("[{mark}] {}", column.word()), style);
        put_fit(buf, inside, 16, y, inside.width, why, theme.muted);
        if here {
            restyle_row(buf, inside, y, theme.cursor);
        }
    }
    let hint = |key: &str, words: &str| {
        [crate::tui::widgets::piece(key, theme.key), crate::tui::widgets::piece(format!(" {words}   "), Style::new())]
    };
    let hints: Vec<_> = [hint("Space", "changes"), hint("u", "as at first"), hint("Esc", "back")].concat();
    put_pieces(buf, inside, 0, inside.height.saturating_sub(1), &hints);
}
