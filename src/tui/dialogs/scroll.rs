//! Text that scrolls: long lines go on below until `w` cuts them, and then it scrolls sideways.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{position, scroll_footer, scrolled};
use crate::model::environment::Environment;
use crate::text::{counted, sanitise, width};
use crate::tui::theme::Theme;
use crate::tui::widgets::{above, boxes, columns, put_right, put_safe, slice, wrap};

/// Lines that scroll, each safe.
#[derive(Debug, Clone)]
pub struct Scroll {
    lines: Vec<String>,
    /// The first row that is shown: of a line that is wrapped each row counts.
    top: usize,
    left: usize,
    wraps: bool,
    /// What the last frame had room for: keys scroll by it.
    seen: Cell<Seen>,
}

/// The room of a frame.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Columns of the text.
    columns: usize,
    /// Rows of the screen.
    rows: usize,
}

/// The most lines that are kept of a text; what is beyond is counted in the last one.
const MAX_LINES: usize = 50_000;

impl Scroll {
    /// Lines of untrusted text, made safe one by one; tabs become blanks.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut lines: Vec<String> =
            text.lines().take(MAX_LINES).map(|line| sanitise(&line.replace('\t', "    "))).collect();
        let rest = text.lines().skip(MAX_LINES).count();
        if rest > 0 {
            lines.push(format!("... and {}", counted(rest, "more line")));
        }
        Self { lines, top: 0, left: 0, wraps: true, seen: Cell::new(Seen { columns: usize::MAX, rows: 1 }) }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Takes a key for scrolling.
    pub fn key(&mut self, key: KeyEvent) {
        let seen = self.seen.get();
        let last = self.rows(seen.columns).saturating_sub(seen.rows);
        self.top = scrolled(self.top.min(last), last + 1, key);
        match key.code {
            KeyCode::Char('w') => {
                // The line that was the first one stays it.
                let line = self.line_at(self.top, seen.columns).0;
                self.wraps = !self.wraps;
                self.left = 0;
                self.top = self.lines.iter().take(line).map(|line| self.rows_of(line, seen.columns)).sum();
            }
            KeyCode::Right | KeyCode::Char('l') if !self.wraps => self.left = (self.left + 8).min(400),
            KeyCode::Left | KeyCode::Char('h') => self.left = self.left.saturating_sub(8),
            _ => {}
        }
    }

    fn digits(&self) -> usize {
        self.lines.len().to_string().len().max(2)
    }

    fn rows_of(&self, line: &str, columns: usize) -> usize {
        // A character has no more columns than bytes.
        if !self.wraps || line.len() <= columns { 1 } else { hanging(line, columns).len() }
    }

    fn rows(&self, columns: usize) -> usize {
        self.lines.iter().map(|line| self.rows_of(line, columns)).sum()
    }

    /// The line of a row, and which of its rows it is.
    fn line_at(&self, row: usize, columns: usize) -> (usize, usize) {
        let mut before = 0;
        for (index, line) in self.lines.iter().enumerate() {
            let rows = self.rows_of(line, columns);
            if row < before + rows {
                return (index, row - before);
            }
            before += rows;
        }
        (self.lines.len(), 0)
    }

    /// Draws the lines with their numbers, as many as there is room for; returns which they are: `3/120`.
    fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) -> String {
        let height = usize::from(area.height);
        let digits = self.digits();
        let text = slice(area, columns(digits + 1), area.width);
        let room = usize::from(text.width);
        self.seen.set(Seen { columns: room, rows: height });
        let all = self.rows(room);
        let top = self.top.min(all.saturating_sub(height));
        let (first, skipped) = self.line_at(top, room);
        let mut y = 0;
        for (index, line) in self.lines.iter().enumerate().skip(first) {
            if y >= area.height {
                break;
            }
            let style = if line.trim_start().starts_with("--") { theme.muted } else { Style::new() };
            let rows = match self.rows_of(line, room) {
                1 => vec![line.chars().skip(self.left).collect()],
                _ => hanging(line, room),
            };
            for (place, row) in rows.iter().enumerate().skip(if index == first { skipped } else { 0 }) {
                if place == 0 {
                    put_right(buf, area, columns(digits), y, &(index + 1).to_string(), theme.muted);
                }
                put_safe(buf, text, 0, y, text.width, row, style, theme);
                y += 1;
            }
        }
        position(top, all, area.height)
    }
}

/// Wraps a line. What goes on below stands where the text of the line begins: behind its blanks, or behind `name    `.
fn hanging(line: &str, columns: usize) -> Vec<String> {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    let value = line[blanks..].find("  ").map(|gap| {
        let rest = &line[blanks + gap..];
        line.len() - rest.trim_start_matches(' ').len()
    });
    let (head, body) = line.split_at(value.filter(|at| *at <= columns / 3).unwrap_or(blanks.min(columns / 3)));
    let hang = width(head);
    let rows = wrap(body, columns.saturating_sub(hang).max(1));
    let begin = |place: usize| if place == 0 { head.to_owned() } else { " ".repeat(hang) };
    rows.iter().enumerate().map(|(place, row)| format!("{}{row}", begin(place))).collect()
}

/// Draws a text that scrolls in a box of its own, with the keys below it.
pub fn draw_text(
    frame: &mut Frame,
    area: Rect,
    (title, environment): (&str, Option<Environment>),
    scroll: &Scroll,
    theme: &Theme,
) {
    // The border and a blank at each side, and the numbers.
    let room = usize::from(boxes::MAX_WIDTH.min(area.width)).saturating_sub(4 + scroll.digits() + 1);
    let height = columns(scroll.rows(room) + 4).clamp(8, area.height.saturating_sub(2).max(8));
    let place = boxes::centred(area, boxes::MAX_WIDTH, height);
    let buf = frame.buffer_mut();
    let inside = boxes::draw(buf, place, environment, title, theme);
    let rows = inside.height.saturating_sub(1);
    let position = scroll.draw(buf, above(inside, rows), theme);
    let hints: &[_] = if scroll.wraps {
        &[("j k", "scroll"), ("w", "cut lines"), ("y", "copy all"), ("Esc", "back")]
    } else {
        &[("j k", "scroll"), ("h l", "sideways"), ("w", "wrap lines"), ("y", "copy all"), ("Esc", "back")]
    };
    scroll_footer(buf, inside, rows, hints, &position, theme);
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;
    use proptest::prelude::*;

    use super::*;

    fn press(scroll: &mut Scroll, key: char) {
        scroll.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
    }

    fn frame(scroll: &Scroll, size: (u16, u16)) -> String {
        let mut terminal =
            ratatui::Terminal::new(ratatui::backend::TestBackend::new(size.0, size.1)).expect("a terminal");
        let theme = Theme::default();
        terminal.draw(|frame| draw_text(frame, frame.area(), ("text", None), scroll, &theme)).expect("a frame");
        terminal.backend().to_string()
    }

    #[test]
    fn what_goes_on_below_stands_under_its_value() {
        let rows = hanging("query   select one, two from three", 26);
        assert_eq!(rows, ["query   select one, two", "        from three"]);
        assert_eq!(hanging("query   select one, two", 20), ["query   select one,", "two"], "where there is room");
        assert_eq!(hanging("  and one is two or three", 14), ["  and one is", "  two or three"]);
    }

    #[test]
    fn after_the_end_one_key_goes_one_row_back() {
        let text = (0..100).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let mut scroll = Scroll::of_text(&text);
        frame(&scroll, (40, 14));
        press(&mut scroll, 'G');
        let end = frame(&scroll, (40, 14));
        assert!(end.contains("line 99") && end.contains("100/100"), "{end}");
        press(&mut scroll, 'k');
        let before = frame(&scroll, (40, 14));
        assert!(!before.contains("line 99") && before.contains("line 98"), "{before}");
    }

    #[test]
    fn one_long_line_is_read_to_its_end_without_going_sideways() {
        let text = (0..200).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
        let mut scroll = Scroll::of_text(&format!("first\n{text}"));
        frame(&scroll, (40, 14));
        press(&mut scroll, 'G');
        let end = frame(&scroll, (40, 14));
        assert!(end.contains("w199") && end.contains("w cut lines"), "{end}");
        // Cut, the line that was in front stays there.
        press(&mut scroll, 'w');
        let cut = frame(&scroll, (60, 14));
        assert!(cut.contains("w0 w1") && !cut.contains("w199") && cut.contains("w wrap lines"), "{cut}");
    }

    proptest! {
        #[test]
        fn wrapped_rows_fit_and_lose_nothing(line in " {0,6}[a-z日]{0,8} {0,9}[a-z日 ]{0,80}", columns in 6_usize..40) {
            let rows = hanging(&line, columns);
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&rows.concat()), bare(&line));
            for row in rows {
                prop_assert!(width(&row) <= columns, "{:?}", row);
            }
        }
    }
}
