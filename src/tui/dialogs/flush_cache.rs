//! Removes the cache keys of one tenant: the tenant's name is typed.
//!
//! ```text
//! +-[PROD] Flush cache of acme-------------------------------------------+
//! | All keys of this tenant are removed from the cache, and no others.   |
//! | Keys       2,104 by the last count                                   |
//! | Patterns   tenant:{id}:*  tenant:{slug}:*                            |
//! | Keys that another tenant has a claim to are kept. F stops it.        |
//! |                                                                      |
//! | Type  acme  to go on: [ ac_                            ]             |
//! | [ Cancel ]   Flush cache  (off: the name does not match)             |
//! +----------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{LABEL, Step, labelled, moved, step};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::jobs::flush::FlushOrder;
use crate::model::environment::Environment;
use crate::model::tenant::DatabaseName;
use crate::text::grouped;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::field::Field;
use crate::tui::widgets::{boxes, columns, put, put_fit, wrap};

const WIDTH: usize = 74;

/// The most lines of patterns.
const PATTERNS: usize = 6;

/// What it is opened on.
#[derive(Debug, Clone)]
pub struct FlushInput {
    /// How careful to be.
    pub environment: Environment,
    /// Keys by the last count, where there was one.
    pub keys: Option<u64>,
    /// The patterns in force; empty: the configuration's own, which only the service reads.
    pub patterns: Vec<String>,
    /// The key that stops it.
    pub stops: String,
    /// What is ordered.
    pub order: FlushOrder,
}

/// Removes the cache keys of one tenant.
#[derive(Debug, Clone)]
pub struct FlushCache {
    input: FlushInput,
    field: Field,
    focus: usize,
    tried: bool,
}

impl FlushCache {
    /// Opens it.
    #[must_use]
    pub fn new(input: FlushInput) -> Self {
        Self { input, field: Field::default(), focus: 0, tried: false }
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> &DatabaseName {
        &self.input.order.tenant.database
    }

    fn matches(&self) -> bool {
        self.field.value() == self.input.order.slug.raw()
    }

    /// Takes a key. Pasted text does not count: the name is there to be typed.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press => self.press(),
            what @ (Step::Next | Step::Previous) => {
                self.focus = moved(self.focus, 2, what);
                DialogOutcome::Stay
            }
            Step::Other => {
                if self.field.key(key) {
                    self.tried = false;
                    self.focus = usize::from(self.matches());
                }
                DialogOutcome::Stay
            }
        }
    }

    fn press(&mut self) -> DialogOutcome {
        if self.focus == 0 && (self.field.value().is_empty() || self.matches()) {
            return DialogOutcome::Close;
        }
        if self.matches() {
            return DialogOutcome::Do(vec![DialogAction::Flush(Box::new(self.input.order.clone()))]);
        }
        self.tried = true;
        DialogOutcome::Stay
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let mut patterns = wrap(&self.input.patterns.join("  "), WIDTH - 4 - usize::from(LABEL));
        let more = patterns.len().saturating_sub(PATTERNS);
        patterns.truncate(PATTERNS);
        if let Some(last) = patterns.last_mut().filter(|_| more > 0) {
            last.push_str("  ..");
        }
        let rows = columns(patterns.len().max(1));
        let place = boxes::centred(area, columns(WIDTH), 8 + rows);
        let slug = self.input.order.slug.safe();
        let buf = frame.buffer_mut();
        let title = format!("Flush cache of {}", slug.fit(40));
        let inside = boxes::draw(buf, place, Some(self.input.environment), &title, theme);
        put(buf, inside, 0, 0, "All keys of this tenant are removed from the cache, and no others.", Style::new());
        let keys = self
            .input
            .keys
            .map_or_else(|| "not counted yet".to_owned(), |keys| format!("{} by the last count", grouped(keys)));
        labelled(buf, inside, 1, ("Keys", &keys), Style::new(), theme);
        for (y, pattern) in (2..).zip(&patterns) {
            labelled(buf, inside, y, (if y == 2 { "Patterns" } else { "" }, pattern), Style::new(), theme);
        }
        let y = 2 + rows;
        let kept = format!("Keys that another tenant has a claim to are kept. {} stops it.", self.input.stops);
        put_fit(buf, inside, 0, y, inside.width, &kept, Style::new());
        let y = y + 2;
        let x = put(buf, inside, 0, y, "Type  ", Style::new());
        let name = slug.fit(24).to_string();
        let x = put(buf, inside, x, y, &name, theme.title);
        let x = put(buf, inside, x, y, "  to go on: ", Style::new());
        self.field.draw(buf, inside, (x, y, inside.width.saturating_sub(x).min(28)), true, theme);
        let wanted = (!self.matches()).then_some(if self.tried {
            "the name does not match"
        } else {
            "type the tenant's name first"
        });
        let off = off.or(wanted);
        let all = [Button { title: "Cancel", off: None }, Button { title: "Flush cache", off }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
