//! One file for each screen; what all have in common (header, job line, message line, hints) is put together here.

use ratatui::Frame;

use super::app::state::State;
use super::theme::Theme;

/// Draws everything: header, the screen, job line, message line, hints, menus, the dialog.
pub fn draw(_frame: &mut Frame, _state: &State, _theme: &Theme) {}

/// How many rows of the list of the current screen are visible at `state.size`; 0 where nothing fits.
/// The state keeps the cursor within `top .. top + list_rows`.
#[must_use]
pub fn list_rows(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(8))
}
