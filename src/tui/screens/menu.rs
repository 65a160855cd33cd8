//! The palette (`:`) and the help of the screen (`?`): one list over the screen, searched while typing.
//!
//! ```text
//! +-Help: Tenants-----------------------------------------------------------+
//! | / _                                                           1/48      |
//! |                                                                         |
//! | Moving                                                                  |
//! | > j, Down  down               The next row.                             |
//! |   k, Up    up                 The row before.                           |
//! |                                                                         |
//! | The next row.                                                           |
//! | Enter does it   Esc back                                                |
//! +-------------------------------------------------------------------------+
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::text::{sanitise, width};
use crate::tui::app::state::{Menu, MenuEntry, MenuKind, State};
use crate::tui::theme::Theme;
use crate::tui::widgets::field::draw_input;
use crate::tui::widgets::{below, boxes, columns, put, put_fit, put_hints, put_right, put_safe, restyle_row, wrap};

/// Columns of the keys and of the name.
const KEYS: u16 = 10;
const NAME: u16 = 20;

/// Rows of the line of help below the list.
const HELP_ROWS: u16 = 2;

/// Draws it over the screen.
pub fn draw(buf: &mut Buffer, area: Rect, menu: &Menu, state: &State, theme: &Theme) {
    let height = area.height.saturating_sub(4).clamp(10, 30);
    let place = boxes::centred(area, area.width.min(boxes::MAX_WIDTH), height);
    let (title, sign) = match menu.kind {
        MenuKind::Palette => ("All actions and views".to_owned(), ":"),
        MenuKind::Help => (format!("Help: {}", state.screen.word()), "/"),
    };
    let inside = boxes::draw(buf, place, None, &title, theme);
    put(buf, inside, 0, 0, sign, theme.key);
    draw_input(buf, inside, (2, 0, inside.width.saturating_sub(16)), &menu.input, true, theme);
    let count = match menu.entries.len() {
        0 => "nothing".to_owned(),
        count => format!("{}/{count}", menu.at + 1),
    };
    put_right(buf, inside, inside.width, 0, &count, theme.muted);
    let rows = inside.height.saturating_sub(4 + HELP_ROWS);
    let list = Rect { height: rows, ..below(inside, 2) };
    let lines = lines(menu);
    let chosen = lines.iter().position(|line| matches!(line, Line::Entry(at) if *at == menu.at)).unwrap_or(0);
    // The heading of the first section stays in sight with its first entry.
    let top = if menu.at == 0 { 0 } else { (chosen + 1).saturating_sub(usize::from(rows)) };
    for (y, line) in (0..rows).zip(lines.iter().skip(top)) {
        match line {
            Line::Heading(title) => {
                put_fit(buf, list, 0, y, list.width, title, theme.heading);
            }
            Line::Entry(at) => draw_entry(buf, list, y, &menu.entries[*at], *at == menu.at, theme),
        }
    }
    let last = inside.height.saturating_sub(1);
    if let Some(entry) = menu.entries.get(menu.at) {
        let (words, style) = match &entry.disabled {
            Some(why) => (format!("Not now: {}", sanitise(why)), theme.warn),
            None if entry.help.is_empty() => (sanitise(&entry.title), Style::new()),
            None => (sanitise(&entry.help), Style::new()),
        };
        for (y, part) in (last.saturating_sub(HELP_ROWS)..last).zip(wrap(&words, usize::from(inside.width))) {
            put_safe(buf, inside, 0, y, inside.width, &part, style, theme);
        }
    } else {
        put(buf, inside, 2, 2, "Nothing has this name.", theme.muted);
    }
    let hints = [("Enter", "does it"), ("Up Down", "choose"), ("Esc", "back")];
    put_hints(buf, inside, (0, last), inside.width, &hints, theme);
}

/// A row of the list.
enum Line {
    Heading(&'static str),
    Entry(usize),
}

/// The rows: in the help, sections have headings; what was searched is in the order of how well it fits.
fn lines(menu: &Menu) -> Vec<Line> {
    let grouped = menu.kind == MenuKind::Help && menu.input.value().trim().is_empty();
    let mut lines = Vec::with_capacity(menu.entries.len() + 10);
    let mut section = "";
    for (at, entry) in menu.entries.iter().enumerate() {
        if grouped && entry.section != section {
            section = entry.section;
            lines.push(Line::Heading(section));
        }
        lines.push(Line::Entry(at));
    }
    lines
}

fn draw_entry(buf: &mut Buffer, area: Rect, y: u16, entry: &MenuEntry, here: bool, theme: &Theme) {
    let off = entry.disabled.is_some();
    let (key, text) = if off { (theme.muted, theme.muted) } else { (theme.key, Style::new()) };
    put(buf, area, 0, y, if here { ">" } else { " " }, theme.mark);
    put_fit(buf, area, 2, y, KEYS - 1, &sanitise(&entry.keys), key);
    let name = sanitise(&entry.name);
    put_safe(buf, area, 2 + KEYS, y, NAME, &name, text, theme);
    let mut x = (2 + KEYS + NAME + 1).max(2 + KEYS + columns(width(&name).min(usize::from(NAME))) + 2);
    if entry.writes {
        x = put(buf, area, x, y, "writes:", theme.writes) + 1;
    }
    let words = if entry.help.is_empty() { &entry.title } else { &entry.help };
    put_safe(buf, area, x, y, area.width.saturating_sub(x), &sanitise(words), text, theme);
    if here {
        restyle_row(buf, area, y, theme.cursor);
    }
}
