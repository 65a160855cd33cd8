//! Boxes of dialogs, in ASCII: `+-[PROD] New tenant------+`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{clear, put};
use crate::model::environment::Environment;
use crate::text::fit;
use crate::tui::theme::Theme;

/// The widest a dialog gets.
pub const MAX_WIDTH: u16 = 100;

/// A box of at most `width` by `height` (borders included) in the middle of an area; never wider than [`MAX_WIDTH`].
#[must_use]
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(MAX_WIDTH).min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// Draws an empty box with its title and returns the area inside, one blank within each side. Around what may touch a
/// protected environment the whole border has that environment's look.
pub fn draw(buf: &mut Buffer, area: Rect, environment: Option<Environment>, title: &str, theme: &Theme) -> Rect {
    clear(buf, area);
    if area.width < 4 || area.height < 2 {
        return Rect { width: 0, height: 0, ..area };
    }
    let protected = environment.filter(|environment| environment.is_protected());
    let border = protected.map_or(theme.border, |environment| theme.environment(environment));
    let edge = format!("+{}+", "-".repeat(usize::from(area.width) - 2));
    put(buf, area, 0, 0, &edge, border);
    put(buf, area, 0, area.height - 1, &edge, border);
    for y in 1..area.height - 1 {
        put(buf, area, 0, y, "|", border);
        put(buf, area, area.width - 1, y, "|", border);
    }
    let mut x = 2;
    if let Some(environment) = environment {
        x = put(buf, area, x, 0, &format!("[{}]", environment.badge()), theme.environment(environment));
        x = put(buf, area, x, 0, " ", border);
    }
    let room = usize::from(area.width.saturating_sub(x).saturating_sub(2));
    // On a coloured border the title is part of it: its own colour could be that of the ground.
    let style = if protected.is_some() { border } else { theme.title };
    put(buf, area, x, 0, &fit(title, room), style);
    Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
}
