//! A text field of one line: typing, pasting, moving. It never confirms anything; that is its dialog's.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tui_input::{Input, InputRequest};
use unicode_segmentation::UnicodeSegmentation;

use super::{columns, put};
use crate::text::{sanitise, width};
use crate::tui::theme::Theme;

/// The most characters that a field takes; pasted text beyond that is left out.
const MAX_CHARACTERS: usize = 400;

/// A text field.
#[derive(Debug, Clone, Default)]
pub struct Field {
    input: Input,
}

impl Field {
    /// A field with text in it, the cursor behind it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { input: Input::new(text.to_owned()) }
    }

    /// What was typed.
    #[must_use]
    pub fn value(&self) -> &str {
        self.input.value()
    }

    /// Puts other text in.
    pub fn set(&mut self, text: &str) {
        self.input = Input::new(text.to_owned());
    }

    /// Takes a key; says whether it was one for fields.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let request = match key.code {
            KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
            KeyCode::Char('u') if control => InputRequest::DeleteLine,
            KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
            KeyCode::Char('e') if control => InputRequest::GoToEnd,
            KeyCode::Char(character) if !control && !alt => {
                if self.value().chars().count() >= MAX_CHARACTERS {
                    return true;
                }
                InputRequest::InsertChar(character)
            }
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left if control => InputRequest::GoToPrevWord,
            KeyCode::Right if control => InputRequest::GoToNextWord,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => return false,
        };
        self.input.handle(request);
        true
    }

    /// Takes pasted text: its line ends and other controls are left out, and it confirms nothing.
    pub fn paste(&mut self, text: &str) {
        let room = MAX_CHARACTERS.saturating_sub(self.value().chars().count());
        for character in text.chars().filter(|character| !character.is_control()).take(room) {
            self.input.handle(InputRequest::InsertChar(character));
        }
    }

    /// Draws `[ text       ]` at `(x, y, room)`; the part around the cursor is shown where it does not fit.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, place: (u16, u16, u16), focused: bool, theme: &Theme) {
        let (x, y, room) = place;
        if room < 5 {
            return;
        }
        put(buf, area, x, y, "[ ", theme.muted);
        put(buf, area, x + room - 2, y, " ]", theme.muted);
        self.draw_bare(buf, area, (x + 2, y, room - 4), focused, theme);
    }

    /// Draws only the text.
    pub fn draw_bare(&self, buf: &mut Buffer, area: Rect, place: (u16, u16, u16), focused: bool, theme: &Theme) {
        draw_input(buf, area, place, &self.input, focused, theme);
    }
}

/// Draws the text of an input in `room` columns, with its cursor where it has the keys.
pub fn draw_input(buf: &mut Buffer, area: Rect, place: (u16, u16, u16), input: &Input, focused: bool, theme: &Theme) {
    let (x, y, room) = place;
    if room == 0 {
        return;
    }
    let before: String = input.value().chars().take(input.cursor()).collect();
    let (before, all) = (sanitise(&before), sanitise(input.value()));
    let cursor = width(&before).min(width(&all));
    // The last column is kept for the cursor behind the text.
    let skip = (cursor + 1).saturating_sub(usize::from(room));
    let mut passed = 0;
    let visible: String = all
        .graphemes(true)
        .skip_while(|grapheme| {
            let out = passed < skip;
            if out {
                passed += width(grapheme);
            }
            out
        })
        .collect();
    let inside = super::slice(area, x, room);
    let end = put(buf, inside, 0, y, &visible, theme.field);
    for blank in end..inside.width {
        put(buf, inside, blank, y, " ", theme.field);
    }
    if focused {
        let at = columns(cursor.saturating_sub(passed)).min(inside.width.saturating_sub(1));
        if y < inside.height
            && let Some(cell) = buf.cell_mut(Position::new(inside.x + at, inside.y + y))
        {
            cell.set_style(theme.selection);
            if cell.symbol() == " " {
                // A mark of its own, for terminals and eyes that do not tell colours apart.
                cell.set_symbol("_");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn drawn(field: &Field, room: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, room, 1));
        let area = buf.area;
        field.draw(&mut buf, area, (0, 0, room), true, &Theme::default());
        (0..room).map(|x| buf[(x, 0)].symbol().to_owned()).collect()
    }

    #[test]
    fn typing_and_moving() {
        let mut field = Field::new("ac");
        assert!(field.key(key(KeyCode::Left)));
        assert!(field.key(key(KeyCode::Char('b'))));
        assert_eq!(field.value(), "abc");
        assert!(!field.key(key(KeyCode::Enter)));
        assert!(!field.key(key(KeyCode::Tab)));
    }

    #[test]
    fn pasted_text_loses_its_line_ends() {
        let mut field = Field::default();
        field.paste("migrate 180\r\n\u{1b}[A");
        assert_eq!(field.value(), "migrate 180[A");
        field.paste(&"x".repeat(10_000));
        assert_eq!(field.value().chars().count(), MAX_CHARACTERS);
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        assert_eq!(drawn(&Field::new("abc"), 10), "[ abc_   ]");
        assert_eq!(drawn(&Field::new("abcdefghij"), 10), "[ fghij_ ]");
        assert_eq!(drawn(&Field::new("日本語日本語"), 10), "[ 本 語 _  ]");
    }
}
