//! Offers to make the `tenantui` schema, the first time a job is ordered in a database.
//!
//! ```text
//! +-[PROD] Make the job record in eu-1-----------------------------------+
//! | tenantui keeps its jobs in the database itself, so that they survive |
//! | this program and other operators see them. eu-1 has no such record   |
//! | yet. This creates, in one transaction, and changes nothing else:     |
//! |                                                                      |
//! |   schema tenantui           only your role may use it                |
//! |   table  tenantui.job       the jobs ...                             |
//! |                                                                      |
//! | [ Cancel ]   Create the record                                       |
//! +----------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, lines, moved};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::environment::Environment;
use crate::model::tenant::DatabaseName;
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put, wrap};

/// What `init` makes, as jobs.md 3.3 has it.
const CREATES: [(&str, &str); 5] = [
    ("schema tenantui", "owned by your role"),
    ("table  tenantui.meta", "the version of this record"),
    ("table  tenantui.job", "one row for each job"),
    ("table  tenantui.step", "one row for each migration in each tenant"),
    ("table  tenantui.audit", "who ordered what, and when"),
];

/// Offers to make the `tenantui` schema.
#[derive(Debug, Clone)]
pub struct OfferInit {
    database: DatabaseName,
    environment: Environment,
    focus: usize,
}

impl OfferInit {
    /// Opens it for a database.
    #[must_use]
    pub fn new((database, environment): (DatabaseName, Environment)) -> Self {
        Self { database, environment, focus: 0 }
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> &DatabaseName {
        &self.database
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match button_step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press if self.focus == 0 => DialogOutcome::Close,
            Step::Press => DialogOutcome::Do(vec![DialogAction::Init(self.database.clone())]),
            step => {
                self.focus = moved(self.focus, 2, step);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let name = sanitise(&self.database);
        let text = format!(
            "tenantui keeps its jobs in the database itself, so that they survive this program and other operators \
             see them. {name} has no such record yet. This creates it in one transaction, and changes nothing else:"
        );
        let width = 72.min(area.width);
        let text = wrap(&text, usize::from(width.saturating_sub(4)));
        let place = boxes::centred(area, width, columns(text.len() + CREATES.len()) + 5);
        let buf = frame.buffer_mut();
        let title = format!("Make the job record in {name}");
        let inside = boxes::draw(buf, place, Some(self.environment), &title, theme);
        let first = lines(buf, inside, 0, &text, Style::new()) + 1;
        for (y, (what, why)) in (first..).zip(CREATES) {
            put(buf, inside, 2, y, what, theme.accent);
            put(buf, inside, 26, y, why, Style::new());
        }
        let all = [Button { title: "Cancel", off: None }, Button { title: "Create the record", off }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}

#[cfg(test)]
mod tests {
    use super::CREATES;

    #[test]
    fn the_dialog_names_exactly_what_init_makes() {
        let sql = include_str!("../../../assets/sql/record_v1.sql");
        let mut made: Vec<String> = sql
            .lines()
            .filter_map(|line| line.strip_prefix("CREATE TABLE "))
            .map(|rest| format!("table  {}", rest.trim_end_matches('(').trim()))
            .collect();
        made.insert(0, "schema tenantui".to_owned());
        let named: Vec<&str> = CREATES.iter().map(|(what, _)| *what).collect();
        assert_eq!(named, made);
    }
}
