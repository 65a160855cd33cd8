//! A row of buttons: `[ Cancel ]   Show SQL   Create tenant`. The focused one has the brackets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{columns, put, put_fit};
use crate::text::width;
use crate::tui::theme::Theme;

/// A button as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Button<'a> {
    /// Its words.
    pub title: &'a str,
    /// Why it cannot be pressed now.
    pub off: Option<&'a str>,
}

/// Draws buttons, and after them why the focused one (else the last) cannot be pressed.
pub fn draw(buf: &mut Buffer, area: Rect, y: u16, buttons: &[Button<'_>], focus: Option<usize>, theme: &Theme) {
    let mut x = 0;
    for (index, button) in buttons.iter().enumerate() {
        if x > 0 {
            x += 2;
        }
        let style = match (focus == Some(index), button.off.is_some()) {
            (true, _) => theme.selection,
            (false, true) => theme.muted,
            (false, false) => theme.title,
        };
        let text = if focus == Some(index) { format!("[ {} ]", button.title) } else { format!(" {} ", button.title) };
        if x + columns(width(&text)) > area.width {
            break;
        }
        x = put(buf, area, x, y, &text, style);
    }
    let why = focus.and_then(|at| buttons.get(at)).and_then(|button| button.off);
    let why = why.or_else(|| buttons.last().and_then(|button| button.off));
    if let Some(why) = why {
        put_fit(buf, area, x + 1, y, area.width.saturating_sub(x + 1), &format!("(off: {why})"), theme.warn);
    }
}
