//! What a first run begins with: five lines, until a key or a click, which does its work all the same.
//!
//! ```text
//! +-Welcome to tenantui--------------------------------------------------------+
//! | j k or the arrows move, Enter opens, Esc goes back; 1 2 3 are the screens. |
//! | ...                                                                        |
//! +----------------------------------------------------------------------------+
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::text::width;
use crate::tui::theme::Theme;
use crate::tui::widgets::{below, boxes, columns, put_safe};

/// Draws it over the end of the screen's own part, so that what is there can be seen all the same.
pub fn draw(buf: &mut Buffer, body: Rect, lines: &[String], theme: &Theme) {
    let widest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
    let height = columns(lines.len()) + 2;
    let area = below(body, body.height.saturating_sub(height));
    let place = boxes::centred(area, columns(widest) + 4, height);
    let inside = boxes::draw(buf, place, None, "Welcome to tenantui", theme);
    for (y, line) in (0..).zip(lines) {
        put_safe(buf, inside, 0, y, inside.width, line, Style::new(), theme);
    }
}
