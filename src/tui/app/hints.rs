//! The hints of the last line, from the table of actions.

use super::App;
use super::action::{ACTIONS, Action};
use super::allowed::allowed;
use super::state::Hint;

impl App {
    /// Makes the hints again. Whether they changed.
    pub(super) fn refresh_hints(&mut self) -> bool {
        let screen = self.state.screen;
        let mut found: Vec<(u8, Hint)> = ACTIONS
            .iter()
            .filter(|info| info.action != Action::Help)
            .filter_map(|info| {
                let (_, place, words) = info.footer.iter().find(|(on, _, _)| *on == screen)?;
                let keys = self.keymap.keys_of(info.action);
                // Of a sequence the first key is shown: pressing it shows what may follow.
                let key = keys.first()?.split(' ').next()?.to_owned();
                let enabled = allowed(&self.state, info.action).is_ok();
                Some((*place, Hint { key, title: (*words).to_owned(), enabled }))
            })
            .collect();
        found.sort_by_key(|(place, _)| *place);
        let hints: Vec<Hint> = found.into_iter().map(|(_, hint)| hint).collect();
        let changed = hints != self.state.hints;
        self.state.hints = hints;
        changed
    }
}
