//! The question before a plan whose marks are hidden in part: those that are shown, or all?

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::environment::Environment;
use crate::text::{grouped, sanitise};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, put, put_safe};

/// What is asked about.
pub(super) struct WhichSet<'a> {
    /// How careful to be.
    pub(super) environment: Environment,
    /// The set in words: `12 marked, 10 hidden`.
    pub(super) set: &'a str,
    /// How many of the shown would be migrated.
    pub(super) shown: usize,
    /// How many of all.
    pub(super) all: usize,
    /// The job that is in the way of either.
    pub(super) blocked: Option<&'a str>,
}

/// Cancel, the shown, all.
pub(super) const BUTTONS: usize = 3;

impl WhichSet<'_> {
    /// Draws it.
    pub(super) fn draw(&self, buf: &mut Buffer, area: Rect, focus: usize, theme: &Theme) {
        let place = boxes::centred(area, 72, if self.blocked.is_some() { 8 } else { 7 });
        let inside = boxes::draw(buf, place, Some(self.environment), "Which tenants?", theme);
        put_safe(buf, inside, 0, 0, inside.width, &sanitise(self.set), theme.title, theme);
        put(buf, inside, 0, 1, "Some of the marked tenants are hidden by the filter.", Style::new());
        put(buf, inside, 0, 2, "These would be migrated:", Style::new());
        if let Some(blocked) = self.blocked {
            put_safe(buf, inside, 0, 3, inside.width, blocked, theme.warn, theme);
        }
        let count = |count: usize| grouped(count as u64);
        let (shown, all) = (format!("{} shown", count(self.shown)), format!("all {}", count(self.all)));
        let buttons = [
            Button { title: "Cancel", off: None },
            Button { title: &shown, off: (self.shown == 0).then_some("nothing is pending in them") },
            Button { title: &all, off: None },
        ];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &buttons, Some(focus), theme);
    }
}
