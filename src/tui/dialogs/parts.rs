//! What dialogs share: moving between buttons, lines with a label, text that scrolls.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::environment::Environment;
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::{above, boxes, columns, put, put_fit, put_right, put_safe, slice};

/// Where the values of labelled lines begin.
pub const LABEL: u16 = 11;

/// What a key means between buttons and fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To the next stop.
    Next,
    /// To the one before.
    Previous,
    /// Press what is focused.
    Press,
    /// Close.
    Close,
    /// Something else.
    Other,
}

/// What a key means. Letters mean nothing here, so that no `y` ever confirms.
#[must_use]
pub fn step(key: KeyEvent) -> Step {
    match key.code {
        KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => Step::Previous,
        KeyCode::Tab => Step::Next,
        KeyCode::BackTab => Step::Previous,
        KeyCode::Enter => Step::Press,
        KeyCode::Esc => Step::Close,
        _ => Step::Other,
    }
}

/// As [`step`], where no text field has the keys: arrows and h, l move too.
#[must_use]
pub fn button_step(key: KeyEvent) -> Step {
    match key.code {
        KeyCode::Right | KeyCode::Down | KeyCode::Char('l' | 'j') => Step::Next,
        KeyCode::Left | KeyCode::Up | KeyCode::Char('h' | 'k') => Step::Previous,
        _ => step(key),
    }
}

/// Moves a focus around `count` stops.
#[must_use]
pub const fn moved(focus: usize, count: usize, step: Step) -> usize {
    match step {
        Step::Next if count > 0 => (focus + 1) % count,
        Step::Previous if count > 0 => (focus + count - 1) % count,
        Step::Next | Step::Previous | Step::Press | Step::Close | Step::Other => focus,
    }
}

/// Draws `Label      value`, the value cut where it does not fit.
pub fn labelled(
    buf: &mut Buffer,
    area: Rect,
    y: u16,
    (label, value): (&str, &str),
    style: Style,
    theme: &Theme,
) -> u16 {
    put_fit(buf, area, 0, y, LABEL - 1, label, theme.muted);
    put_safe(buf, area, LABEL, y, area.width.saturating_sub(LABEL), value, style, theme)
}

/// Lines that scroll, each safe.
#[derive(Debug, Clone, Default)]
pub struct Scroll {
    lines: Vec<String>,
    top: usize,
    left: usize,
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
            lines.push(format!("... and {rest} more lines"));
        }
        Self { lines, top: 0, left: 0 }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Takes a key for scrolling.
    pub fn key(&mut self, key: KeyEvent) {
        self.top = scrolled(self.top, self.lines.len(), key);
        match key.code {
            KeyCode::Right | KeyCode::Char('l') => self.left = (self.left + 8).min(400),
            KeyCode::Left | KeyCode::Char('h') => self.left = self.left.saturating_sub(8),
            _ => {}
        }
    }

    /// Draws the lines with their numbers.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let rows = usize::from(area.height);
        let top = self.top.min(self.lines.len().saturating_sub(rows));
        let digits = self.lines.len().to_string().len().max(2);
        let text = slice(area, columns(digits + 1), area.width);
        for (row, (index, line)) in self.lines.iter().enumerate().skip(top).take(rows).enumerate() {
            let y = columns(row);
            put_right(buf, area, columns(digits), y, &(index + 1).to_string(), theme.muted);
            let visible: String = line.chars().skip(self.left).collect();
            let style = if line.trim_start().starts_with("--") { theme.muted } else { Style::new() };
            put_safe(buf, text, 0, y, text.width, &visible, style, theme);
        }
    }

    /// `3/120`: the last visible line of all.
    #[must_use]
    pub fn position(&self, rows: u16) -> String {
        position(self.top, self.lines.len(), rows)
    }
}

/// Where a list of `count` rows stands after a key.
#[must_use]
pub fn scrolled(top: usize, count: usize, key: KeyEvent) -> usize {
    let last = count.saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('d') if control => (top + 10).min(last),
        KeyCode::Char('u') if control => top.saturating_sub(10),
        KeyCode::Down | KeyCode::Char('j') => (top + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
        // A notch of the wheel.
        KeyCode::PageDown if key.modifiers.contains(KeyModifiers::SHIFT) => (top + 3).min(last),
        KeyCode::PageUp if key.modifiers.contains(KeyModifiers::SHIFT) => top.saturating_sub(3),
        KeyCode::PageDown | KeyCode::Char(' ') => (top + 15).min(last),
        KeyCode::PageUp => top.saturating_sub(15),
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => last,
        _ => top,
    }
}

/// `3/120`: the last visible row of all.
#[must_use]
pub fn position(top: usize, count: usize, rows: u16) -> String {
    let rows = usize::from(rows);
    format!("{}/{count}", (top.min(count.saturating_sub(rows)) + rows).min(count))
}

/// Draws a text that scrolls in a box of its own, with the keys below it.
pub fn draw_text(
    frame: &mut Frame,
    area: Rect,
    (title, environment): (&str, Option<Environment>),
    scroll: &Scroll,
    theme: &Theme,
) {
    let height = columns(scroll.lines().len() + 4).clamp(8, area.height.saturating_sub(2).max(8));
    let place = boxes::centred(area, boxes::MAX_WIDTH, height);
    let buf = frame.buffer_mut();
    let inside = boxes::draw(buf, place, environment, title, theme);
    let rows = inside.height.saturating_sub(1);
    scroll.draw(buf, above(inside, rows), theme);
    let keys = "j k scroll  h l sideways  y copy all  Esc back";
    scroll_footer(buf, inside, rows, keys, &scroll.position(rows), theme);
}

/// Draws the last line of a scrolling view: its keys, and the position at the right.
pub fn scroll_footer(buf: &mut Buffer, area: Rect, y: u16, keys: &str, position: &str, theme: &Theme) {
    let start = put_right(buf, area, area.width, y, position, theme.muted);
    put_fit(buf, area, 0, y, start.saturating_sub(1), keys, theme.muted);
}

/// Draws lines from row `y` on; returns the row after them.
pub fn lines(buf: &mut Buffer, area: Rect, y: u16, lines: &[String], style: Style) -> u16 {
    let mut at = y;
    for line in lines {
        put(buf, area, 0, at, line, style);
        at += 1;
    }
    at
}
