//! Opens the write lock of one database for ten minutes; on production the environment's name is typed.
//!
//! ```text
//! +-[PROD] Open writes to eu-1-------------------------------------------+
//! | Writes stay open for 10 minutes, then close by themselves.           |
//! | Running jobs go on. Every other database stays as it is.             |
//! |                                                                      |
//! | Type  production  to go on: [ produ_       ]                         |
//! | [ Cancel ]   Open writes  (off: the word does not match)             |
//! +----------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, moved, step};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::environment::Environment;
use crate::model::tenant::DatabaseName;
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::field::Field;
use crate::tui::widgets::{boxes, put};

/// How long writes stay open.
const MINUTES: u8 = 10;

/// Opens the write lock of one database.
#[derive(Debug, Clone)]
pub struct WriteLock {
    database: DatabaseName,
    environment: Environment,
    field: Field,
    focus: usize,
    tried: bool,
}

impl WriteLock {
    /// Opens it for a database, which is of this environment.
    #[must_use]
    pub fn new((database, environment): (DatabaseName, Environment)) -> Self {
        Self { database, environment, field: Field::default(), focus: 0, tried: false }
    }

    const fn types(&self) -> bool {
        match self.environment {
            Environment::Production => true,
            Environment::Staging | Environment::Development => false,
        }
    }

    fn matches(&self) -> bool {
        !self.types() || self.field.value() == self.environment.word()
    }

    /// Takes a key. Pasted text does not count: the word is there to be typed.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        let what = if self.types() { step(key) } else { button_step(key) };
        match what {
            Step::Close => DialogOutcome::Close,
            Step::Press => self.press(),
            Step::Next | Step::Previous => {
                self.focus = moved(self.focus, 2, what);
                DialogOutcome::Stay
            }
            Step::Other => {
                if self.types() && self.field.key(key) {
                    self.tried = false;
                    self.focus = usize::from(self.matches());
                }
                DialogOutcome::Stay
            }
        }
    }

    fn press(&mut self) -> DialogOutcome {
        let typed = !self.field.value().is_empty();
        if self.focus == 0 && !(self.types() && typed && !self.matches()) {
            return DialogOutcome::Close;
        }
        if self.matches() {
            return DialogOutcome::Do(vec![DialogAction::OpenWrites(self.database.clone(), MINUTES)]);
        }
        self.tried = true;
        DialogOutcome::Stay
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let place = boxes::centred(area, 72, if self.types() { 8 } else { 6 });
        let buf = frame.buffer_mut();
        let title = format!("Open writes to {}", sanitise(&self.database));
        let inside = boxes::draw(buf, place, Some(self.environment), &title, theme);
        let first = format!("Writes stay open for {MINUTES} minutes, then close by themselves.");
        put(buf, inside, 0, 0, &first, Style::new());
        put(buf, inside, 0, 1, "Running jobs go on. Every other database stays as it is.", Style::new());
        let mut off = None;
        if self.types() {
            let x = put(buf, inside, 0, 3, "Type  ", Style::new());
            let x = put(buf, inside, x, 3, self.environment.word(), theme.title);
            let x = put(buf, inside, x, 3, "  to go on: ", Style::new());
            self.field.draw(buf, inside, (x, 3, inside.width.saturating_sub(x).min(24)), true, theme);
            if !self.matches() {
                off = Some(if self.tried { "the word does not match" } else { "type the word first" });
            }
        }
        let all = [Button { title: "Cancel", off: None }, Button { title: "Open writes", off }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
