//! Text to read: a file's SQL, a value in full. Reads only.
//!
//! ```text
//! +-0041 split_address-----------------------------------------------------------+
//! |  1 alter table users add column street text;                                 |
//! |  2 update users set street = split_part(address, ',', 1);                    |
//! | j k scroll  w cut lines  y copy all  Esc back                         18/120 |
//! +------------------------------------------------------------------------------+
//! ```

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::scroll::{Scroll, draw_text};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::text::sanitise;
use crate::tui::theme::Theme;

/// Text to read.
#[derive(Debug, Clone)]
pub struct Sql {
    title: String,
    scroll: Scroll,
}

impl Sql {
    /// Opens it on a title and a text, both untrusted.
    #[must_use]
    pub fn new((title, text): (String, String)) -> Self {
        Self { title: sanitise(&title), scroll: Scroll::of_text(&text) }
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'i') => DialogOutcome::Close,
            KeyCode::Char('y') => DialogOutcome::DoAndStay(vec![DialogAction::Copy(self.scroll.lines().join("\n"))]),
            _ => {
                self.scroll.key(key);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        draw_text(frame, area, (&self.title, None), &self.scroll, theme);
    }
}
