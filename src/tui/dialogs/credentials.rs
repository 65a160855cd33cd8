//! Passwords of roles that were made: shown this once. It opens by itself, so nothing but Esc closes it, and what was
//! being typed meanwhile does nothing. Where some of them were never on the screen, Esc is asked for once more.
//!
//! ```text
//! +-Shown once: passwords of new roles-----------------------------------+
//! | ROLE                PASSWORD                                         |
//! | tenant_blue_fox     8kPqT0mWc5u2ZrJx9aLd7VfQe1YhNbSg                  |
//! |                                                                      |
//! | Nothing keeps them: note them now. A lost one is set anew with       |
//! | psql's \password ROLE.                                               |
//! | y copy all  j k scroll  Esc I have them                              |
//! +----------------------------------------------------------------------+
//! ```

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{lines, scroll_footer, scrolled};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::secret::Credentials as Made;
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::{boxes, columns, put, put_fit, put_safe, wrap};

/// Columns of the role's name.
const ROLE: u16 = 34;

/// Passwords to be noted.
#[derive(Debug, Clone)]
pub struct Credentials {
    made: Vec<Made>,
    top: usize,
    /// How many of them a frame has shown or a copy has taken along.
    seen: Cell<usize>,
    /// Esc was pressed although some were not seen.
    asked: bool,
}

impl Credentials {
    /// Opens it on these.
    #[must_use]
    pub const fn new(made: Vec<Made>) -> Self {
        Self { made, top: 0, seen: Cell::new(0), asked: false }
    }

    /// More roles were made while it was open.
    pub fn add(&mut self, more: Vec<Made>) {
        self.made.extend(more);
        self.asked = false;
    }

    /// How many nobody can have noted.
    fn unseen(&self) -> usize {
        self.made.len().saturating_sub(self.seen.get())
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match key {
            KeyEvent { code: KeyCode::Esc, .. } if self.asked || self.unseen() == 0 => DialogOutcome::Close,
            KeyEvent { code: KeyCode::Esc, .. } => {
                self.asked = true;
                DialogOutcome::Stay
            }
            KeyEvent { code: KeyCode::Char('y'), modifiers: KeyModifiers::NONE, .. } => {
                let line = |one: &Made| format!("{}\t{}", one.role, one.password.expose());
                let text = self.made.iter().map(line).collect::<Vec<_>>().join("\n");
                self.seen.set(self.made.len());
                self.asked = false;
                DialogOutcome::DoAndStay(vec![DialogAction::Copy(text)])
            }
            key => {
                self.asked = false;
                self.top = scrolled(self.top, self.made.len(), key);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let width = 74.min(area.width);
        let (words, style) = if self.asked {
            let are = if self.unseen() == 1 { "password was" } else { "passwords were" };
            let words =
                format!("{} {are} never on the screen. Esc once more discards all; nothing keeps them.", self.unseen());
            (words, theme.warn)
        } else {
            let words = "Nothing keeps them: note them now. A lost one is set anew with psql's \\password ROLE.";
            (words.to_owned(), Style::new())
        };
        let words = wrap(&words, usize::from(width.saturating_sub(4)));
        let most = area.height.saturating_sub(columns(words.len()) + 6).max(1);
        let rows = columns(self.made.len()).min(most);
        let place = boxes::centred(area, width, rows + columns(words.len()) + 5);
        let buf = frame.buffer_mut();
        let inside = boxes::draw(buf, place, None, "Shown once: passwords of new roles", theme);
        put(buf, inside, 0, 0, "ROLE", theme.muted);
        put(buf, inside, ROLE, 0, "PASSWORD", theme.muted);
        let top = self.top.min(self.made.len().saturating_sub(usize::from(rows)));
        self.seen.set(self.seen.get().max(top + usize::from(rows)));
        for (row, one) in self.made.iter().skip(top).take(usize::from(rows)).enumerate() {
            let y = columns(row) + 1;
            put_safe(buf, inside, 0, y, ROLE - 2, &sanitise(&one.role), Style::new(), theme);
            put_fit(buf, inside, ROLE, y, inside.width, one.password.expose(), theme.ok);
        }
        lines(buf, inside, rows + 2, &words, style);
        let more = if self.made.len() > usize::from(rows) {
            format!("{} of {}", top + usize::from(rows), self.made.len())
        } else {
            String::new()
        };
        let hints = [("y", "copy all"), ("j k", "scroll"), ("Esc", "I have them")];
        scroll_footer(buf, inside, inside.height.saturating_sub(1), &hints, &more, theme);
    }
}
