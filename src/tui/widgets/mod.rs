//! Small pieces that screens and dialogs draw with: text, tables, bars, fields, boxes, buttons.
//!
//! Places are relative to an area, and nothing is ever drawn outside it. Text is literal or has gone through
//! [`crate::text`]; [`seal`] is the second wall behind that rule.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
pub use crate::text::wrap;
use crate::text::{cells, fit, is_unsafe, width};

pub mod bars;
pub mod boxes;
pub mod buttons;
pub mod field;
pub mod table;

/// Text with one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Safe text.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

/// A piece of a line.
pub fn piece(text: impl Into<String>, style: Style) -> Piece {
    Piece { text: text.into(), style }
}

/// Columns of pieces.
#[must_use]
pub fn pieces_width(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| width(&piece.text)).sum()
}

/// `u16` of a count of columns or rows; the largest where it does not fit.
#[must_use]
pub fn columns(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Writes safe text at a place of the area, cut hard at its right edge; returns the column after it.
pub fn put(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if y >= area.height {
        return x;
    }
    let mut at = x;
    for (symbol, cells) in cells(text) {
        let cells = columns(cells);
        if at.saturating_add(cells) > area.width {
            break;
        }
        if cells == 0 {
            // A lone mark: it has no cell of its own.
            continue;
        }
        let (left, top) = (area.x + at, area.y + y);
        if let Some(cell) = buf.cell_mut(Position::new(left, top)) {
            cell.set_symbol(symbol).set_style(style);
        }
        if cells == 2
            && let Some(cell) = buf.cell_mut(Position::new(left + 1, top))
        {
            // The second half of a wide character: ratatui skips it when it draws.
            cell.set_symbol(" ").set_style(style);
        }
        at += cells;
    }
    at
}

/// Writes text of which only `room` columns may be used; what is cut ends in `..`.
pub fn put_fit(buf: &mut Buffer, area: Rect, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
    let room = room.min(area.width.saturating_sub(x));
    put(buf, area, x, y, &fit(text, usize::from(room)), style)
}

/// Writes hints, each a key and what it does: as far as there is room. A click on one is its key.
pub fn put_hints(buf: &mut Buffer, area: Rect, (x, y): (u16, u16), room: u16, hints: &[(&str, &str)], theme: &Theme) {
    let end = x.saturating_add(room).min(area.width);
    let mut at = x;
    for (key, words) in hints {
        let needed = columns(width(key) + 1 + width(words));
        if at.saturating_add(needed) > end {
            return;
        }
        at = put(buf, area, at, y, key, theme.key);
        at = put(buf, area, at + 1, y, words, theme.muted) + 2;
    }
}

/// Writes text so that it ends before column `end`; returns the column where it begins.
pub fn put_right(buf: &mut Buffer, area: Rect, end: u16, y: u16, text: &str, style: Style) -> u16 {
    let start = end.saturating_sub(columns(width(text)));
    put(buf, area, start, y, text, style);
    start
}

/// Writes pieces one after another; returns the column after them.
pub fn put_pieces(buf: &mut Buffer, area: Rect, x: u16, y: u16, pieces: &[Piece]) -> u16 {
    let mut at = x;
    for piece in pieces {
        let words = piece.text.trim_start_matches(' ');
        // Blanks before the words are no part of them: a ground or a line below would show there.
        at = at.saturating_add(columns(piece.text.len() - words.len()));
        at = put_fit(buf, area, at, y, area.width.saturating_sub(at), words, piece.style);
    }
    at
}

/// Writes untrusted text that was made safe; its visible escapes get a style of their own.
#[allow(clippy::too_many_arguments, reason = "a place, a text and a look; a struct would only name them twice")]
pub fn put_safe(
    buf: &mut Buffer,
    area: Rect,
    x: u16,
    y: u16,
    room: u16,
    text: &str,
    style: Style,
    theme: &Theme,
) -> u16 {
    let end = put_fit(buf, area, x, y, room, text, style);
    if text.contains('\\') {
        mark_escapes(buf, area, x..end, y, theme.escape);
    }
    end
}

/// Gives the visible escapes (`\e`, `\n`, `\u{202e}`) in a stretch of a row a style of their own.
fn mark_escapes(buf: &mut Buffer, area: Rect, stretch: std::ops::Range<u16>, y: u16, style: Style) {
    let symbol = |buf: &Buffer, x: u16| {
        buf.cell(Position::new(area.x + x, area.y + y)).and_then(|cell| cell.symbol().chars().next()).unwrap_or(' ')
    };
    let mut x = stretch.start;
    while x < stretch.end {
        if symbol(buf, x) != '\\' {
            x += 1;
            continue;
        }
        let mut end = (x + 2).min(stretch.end);
        if end < stretch.end && symbol(buf, x + 1) == 'u' && symbol(buf, end) == '{' {
            while end < stretch.end && symbol(buf, end) != '}' {
                end += 1;
            }
            end = (end + 1).min(stretch.end);
        }
        for at in x..end {
            if let Some(cell) = buf.cell_mut(Position::new(area.x + at, area.y + y)) {
                // On a ground of another role their colour might not be told from it.
                let plain = cell.bg == Color::Reset;
                cell.set_style(if plain { style } else { Style::new().add_modifier(Modifier::UNDERLINED) });
            }
        }
        x = end;
    }
}

/// Gives a whole row of the area a style, over what is there.
pub fn style_row(buf: &mut Buffer, area: Rect, y: u16, style: Style) {
    if y < area.height {
        buf.set_style(Rect { y: area.y + y, height: 1, ..area }.intersection(buf.area), style);
    }
}

/// Gives a whole row of the area a style in place of what its cells had: for the cursor, which must be readable.
pub fn restyle_row(buf: &mut Buffer, area: Rect, y: u16, style: Style) {
    if y < area.height {
        let row = Rect { y: area.y + y, height: 1, ..area }.intersection(buf.area);
        buf.set_style(row, Style::reset());
        buf.set_style(row, style);
    }
}

/// Empties an area, styles included.
pub fn clear(buf: &mut Buffer, area: Rect) {
    let area = area.intersection(buf.area);
    for y in area.top()..area.bottom() {
        // A wide character that hangs into the area from the left would cover its first cell.
        if area.x > buf.area.x
            && let Some(cell) = buf.cell_mut(Position::new(area.x - 1, y))
            && cell.symbol().width() > 1
        {
            cell.set_symbol(" ");
        }
        for x in area.left()..area.right() {
            if let Some(cell) = buf.cell_mut(Position::new(x, y)) {
                cell.reset();
            }
        }
    }
}

/// A row of one character.
pub fn rule(buf: &mut Buffer, area: Rect, y: u16, style: Style) {
    put(buf, area, 0, y, &"-".repeat(usize::from(area.width)), style);
}

/// The part of an area below its first `rows` rows.
#[must_use]
pub const fn below(area: Rect, rows: u16) -> Rect {
    let rows = if rows > area.height { area.height } else { rows };
    Rect { x: area.x, y: area.y + rows, width: area.width, height: area.height - rows }
}

/// The first `rows` rows of an area.
#[must_use]
pub const fn above(area: Rect, rows: u16) -> Rect {
    Rect { x: area.x, y: area.y, width: area.width, height: if rows > area.height { area.height } else { rows } }
}

/// An area from column `x` on, at most `width` columns.
#[must_use]
pub const fn slice(area: Rect, x: u16, width: u16) -> Rect {
    let x = if x > area.width { area.width } else { x };
    let rest = area.width - x;
    Rect { x: area.x + x, y: area.y, width: if width > rest { rest } else { width }, height: area.height }
}

/// The second wall: no cell of a finished frame holds a character that must not reach a terminal; with `ascii`, none
/// that a terminal without UTF-8 would show as something else. `?` stands in its place.
pub fn seal(buf: &mut Buffer, ascii: bool) {
    let columns = usize::from(buf.area.width).max(1);
    for at in 0..buf.content.len() {
        let symbol = buf.content[at].symbol();
        let plain = symbol.len() == 1 && symbol.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte));
        if plain || !(ascii || symbol.chars().any(is_unsafe)) {
            continue;
        }
        let wide = symbol.width() > 1 && at % columns + 1 < columns;
        buf.content[at].set_symbol("?");
        if wide {
            // Its second half: two columns stay two columns.
            buf.content[at + 1].set_symbol("?");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(buf: &Buffer, y: u16) -> String {
        (0..buf.area.width).map(|x| buf[(x, y)].symbol().to_owned()).collect()
    }

    #[test]
    fn nothing_is_drawn_outside_the_area() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 8, 2));
        let area = Rect::new(2, 0, 4, 1);
        put(&mut buf, area, 0, 0, "abcdefgh", Style::new());
        put(&mut buf, area, 0, 1, "below", Style::new());
        put(&mut buf, area, 9, 0, "right", Style::new());
        assert_eq!(row(&buf, 0), "  abcd  ");
        assert_eq!(row(&buf, 1), "        ");
    }

    #[test]
    fn a_wide_character_is_not_split_at_the_edge() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
        assert_eq!(put(&mut buf, Rect::new(0, 0, 3, 1), 0, 0, "日本", Style::new()), 2);
        assert_eq!(buf[(0, 0)].symbol(), "日");
        assert_eq!(buf[(2, 0)].symbol(), " ");
    }

    #[test]
    fn escapes_have_their_own_style() {
        let theme = Theme::read("default", crate::tui::theme::Depth::True).expect("a theme");
        let mut buf = Buffer::empty(Rect::new(0, 0, 20, 1));
        let area = buf.area;
        put_safe(&mut buf, area, 0, 0, 20, "a\\u{202e}b\\ec", Style::new(), &theme);
        let styled: Vec<bool> = (0..13).map(|x| buf[(x, 0)].fg == theme.escape.fg.unwrap_or_default()).collect();
        let expected: Vec<bool> =
            "a\\u{202e}b\\ec".chars().enumerate().map(|(i, _)| (1..9).contains(&i) || (10..12).contains(&i)).collect();
        assert_eq!(styled, expected);
    }

    #[test]
    fn the_seal_lets_nothing_unsafe_through() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 3, 1));
        buf[(0, 0)].set_symbol("\u{1b}");
        buf[(1, 0)].set_symbol("\u{202e}");
        buf[(2, 0)].set_symbol("é");
        seal(&mut buf, false);
        assert_eq!(row(&buf, 0), "??é");
        seal(&mut buf, true);
        assert_eq!(row(&buf, 0), "???");
    }

    #[test]
    fn without_utf8_a_wide_character_keeps_its_columns() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 6, 1));
        let area = buf.area;
        put(&mut buf, area, 0, 0, "日x本é", Style::new());
        seal(&mut buf, true);
        assert_eq!(row(&buf, 0), "??x???");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_cut() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn an_escape_is_told_from_the_ground_that_it_stands_on() {
        let theme = Theme::read("default", crate::tui::theme::Depth::True).expect("a theme");
        let area = Rect::new(0, 0, 10, 2);
        let mut buf = Buffer::empty(area);
        put_safe(&mut buf, area, 0, 0, 10, "a\\eb", Style::new(), &theme);
        assert_eq!(buf[(1, 0)].fg, theme.escape.fg.expect("a colour"));
        let ground = Style::new().fg(Color::White).bg(Color::Red);
        put_safe(&mut buf, area, 0, 1, 10, "a\\eb", ground, &theme);
        assert_eq!((buf[(1, 1)].fg, buf[(1, 1)].modifier), (Color::White, Modifier::UNDERLINED));
        assert_eq!(buf[(0, 1)].modifier, Modifier::empty());
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit(text in "[a-z日 ]{0,60}", columns in 2_usize..20) {
            for line in wrap(&text, columns) {
                prop_assert!(width(&line) <= columns, "{line:?}");
            }
        }
    }
}
