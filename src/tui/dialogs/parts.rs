//! What dialogs share: moving between buttons, lines with a label, places in a list.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::theme::Theme;
use crate::tui::widgets::{put, put_fit, put_hints, put_right, put_safe};

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

/// Draws the last line of a scrolling view: its keys, and the position at the right.
pub fn scroll_footer(buf: &mut Buffer, area: Rect, y: u16, hints: &[(&str, &str)], position: &str, theme: &Theme) {
    let start = put_right(buf, area, area.width, y, position, theme.muted);
    put_hints(buf, area, (0, y), start.saturating_sub(1), hints, theme);
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
