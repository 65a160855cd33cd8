//! A question with two buttons (level 1), and a look at the SQL where there is some.
//!
//! ```text
//! +-[PROD] Retry failed tenants of job 17--------------------------------+
//! | 3 tenants run again from the step that failed.                       |
//! |                                                                      |
//! | [ Cancel ]   Show SQL   Retry                                        |
//! +----------------------------------------------------------------------+
//! ```

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, lines, moved};
use super::scroll::{Scroll, draw_text};
use super::{ConfirmInput, DialogAction, DialogInput, DialogOutcome};
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, wrap};

const WIDTH: u16 = 72;

/// A question with two buttons: Cancel is focused, `y` does not confirm.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// What it was opened on.
    pub input: ConfirmInput,
    focus: usize,
    /// The SQL is being read.
    reading: Option<Scroll>,
}

impl Confirm {
    /// Opens it.
    #[must_use]
    pub const fn new(input: ConfirmInput) -> Self {
        Self { input, focus: 0, reading: None }
    }

    fn buttons(&self) -> usize {
        if self.input.sql.is_some() { 3 } else { 2 }
    }

    /// Takes a key; pasted text means nothing here.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        if let Some(scroll) = &mut self.reading {
            match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.reading = None,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(scroll.lines().join("\n"))]);
                }
                _ => scroll.key(key),
            }
            return DialogOutcome::Stay;
        }
        match button_step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press if self.focus == 0 => DialogOutcome::Close,
            Step::Press if self.focus + 1 == self.buttons() => DialogOutcome::Do(vec![self.input.action.clone()]),
            Step::Press => {
                self.reading = self.input.sql.as_ref().map(|(_, text)| Scroll::of_text(text));
                DialogOutcome::Stay
            }
            step => {
                self.focus = moved(self.focus, self.buttons(), step);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        if let (Some(scroll), Some((title, _))) = (&self.reading, &self.input.sql) {
            return draw_text(frame, area, (&sanitise(title), self.input.environment), scroll, theme);
        }
        let inner_width = usize::from(WIDTH.min(area.width).saturating_sub(4));
        let text: Vec<String> = self.input.lines.iter().flat_map(|line| wrap(&sanitise(line), inner_width)).collect();
        let place = boxes::centred(area, WIDTH, columns(text.len()) + 4);
        let buf = frame.buffer_mut();
        let inside = boxes::draw(buf, place, self.input.environment, &sanitise(&self.input.title), theme);
        let room = usize::from(inside.height.saturating_sub(2));
        lines(buf, inside, 0, &text[..text.len().min(room)], Style::new());
        let button = sanitise(&self.input.button);
        let mut all = vec![Button { title: "Cancel", off: None }, Button { title: &button, off }];
        if self.input.sql.is_some() {
            all.insert(1, Button { title: "Show SQL", off: None });
        }
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
