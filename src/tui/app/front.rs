//! The dialog in front: opened, given keys, refused where what it decided cannot be done now.

use super::command::Command;
use super::state::{Level, Prompt};
use super::{App, allowed};
use crate::model::tenant::DatabaseName;
use crate::tui::dialogs::{Dialog, DialogAction, DialogInput, DialogOutcome};

impl App {
    pub(super) fn open_dialog(&mut self, dialog: Dialog) {
        self.state.dialog = Some(dialog);
        self.state.prompt = Prompt::None;
        self.dialog_drawn = false;
        self.dirty = true;
    }

    /// Whether the confirmation of the dialog in front may do what it says.
    pub(super) fn refresh_dialog_off(&mut self) {
        self.refresh_blocked();
        let databases = self.state.dialog.as_ref().map(Dialog::writes_to).unwrap_or_default();
        let off = allowed::why_off(&self.state, &databases);
        self.dirty |= off != self.state.dialog_off;
        self.state.dialog_off = off;
    }

    /// Gives the dialog a key or pasted text.
    pub(super) fn dialog_input(&mut self, input: DialogInput) -> Vec<Command> {
        self.dirty = true;
        if !self.dialog_drawn {
            return Vec::new();
        }
        let Some(dialog) = &mut self.state.dialog else { return Vec::new() };
        let before = dialog.clone();
        let (close, actions) = match dialog.handle(input) {
            DialogOutcome::Stay => (false, Vec::new()),
            DialogOutcome::Close => (true, Vec::new()),
            DialogOutcome::Do(actions) => (true, actions),
            DialogOutcome::DoAndStay(actions) => (false, actions),
        };
        if let Some(why) = self.refused(&actions) {
            // It stays open, as it was: what was typed is not lost, and it can be confirmed once writing is possible.
            self.state.dialog = Some(before);
            self.say(Level::Warning, why);
            return Vec::new();
        }
        if close && let Some(dialog) = self.state.dialog.take() {
            if actions.is_empty() {
                self.dialog_left(&dialog);
            } else if let Dialog::NewTenant(form) = dialog {
                // It comes back where its order is refused.
                self.sent_form = Some(form);
            }
        }
        actions.into_iter().flat_map(|action| self.decide(action)).collect()
    }

    /// Why what a dialog decided cannot be done now.
    fn refused(&self, actions: &[DialogAction]) -> Option<String> {
        let databases: Vec<&DatabaseName> = actions.iter().filter_map(DialogAction::writes_to).collect();
        let shut = allowed::none_shut(&self.state, databases.iter().copied()).err();
        let why = shut.or_else(|| {
            let whys = databases.iter().map(|name| allowed::may_write(&self.state, name).err());
            // Where one of several can be written, the others' reasons are told with their orders.
            whys.collect::<Option<Vec<String>>>()?.into_iter().next()
        })?;
        let ordered = actions.iter().any(|action| matches!(action, DialogAction::Order { .. }));
        Some(format!("{}: {why}", if ordered { "nothing was ordered" } else { "not done" }))
    }
}
