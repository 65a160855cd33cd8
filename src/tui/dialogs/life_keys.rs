//! The keys of what is done to a tenant as a whole: where they go in each phase, and what they ask for.

use crossterm::event::{KeyCode, KeyEvent};

use super::life::{Life, Phase, Stop};
use super::parts::{Step, button_step, moved, step};
use super::scroll::Scroll;
use super::{DialogAction, DialogOutcome};
use crate::text::Untrusted;

impl Life {
    pub(super) fn key(&mut self, key: KeyEvent) -> DialogOutcome {
        if let Some(scroll) = &mut self.reading {
            match key.code {
                KeyCode::Esc | KeyCode::Enter => self.reading = None,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(scroll.lines().join("\n"))]);
                }
                _ => scroll.key(key),
            }
            return DialogOutcome::Stay;
        }
        match &self.phase {
            Phase::Choose(at) => self.choose_key(key, *at),
            Phase::Name => self.name_key(key),
            Phase::Planning | Phase::Failed(_) => match button_step(key) {
                Step::Close | Step::Press => DialogOutcome::Close,
                Step::Next | Step::Previous | Step::Other => DialogOutcome::Stay,
            },
            Phase::Planned(_) => self.plan_key(key),
        }
    }

    fn choose_key(&mut self, key: KeyEvent, at: usize) -> DialogOutcome {
        let count = self.input.choices.len();
        match button_step(key) {
            Step::Close => return DialogOutcome::Close,
            Step::Press if at < count => {
                let actions = self.choose(at);
                return if actions.is_empty() { DialogOutcome::Stay } else { DialogOutcome::DoAndStay(actions) };
            }
            what @ (Step::Next | Step::Previous) => self.phase = Phase::Choose(moved(at, count, what)),
            Step::Press | Step::Other => {}
        }
        DialogOutcome::Stay
    }

    fn name_key(&mut self, key: KeyEvent) -> DialogOutcome {
        match step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press => {
                let name = Untrusted::new(self.field.value().trim());
                if let Some((_, request)) = self.input.choices.get_mut(self.chosen) {
                    request.becomes = Some(name);
                }
                self.field.set("");
                DialogOutcome::DoAndStay(self.ask())
            }
            Step::Next | Step::Previous => DialogOutcome::Stay,
            Step::Other => {
                self.field.key(key);
                DialogOutcome::Stay
            }
        }
    }

    fn plan_key(&mut self, key: KeyEvent) -> DialogOutcome {
        if self.focus == Stop::Dependants && self.dependants_key(key) {
            return DialogOutcome::Stay;
        }
        if self.focus == Stop::Sessions && key.code == KeyCode::Char(' ') {
            return self.toggle_sessions();
        }
        match if self.has_field() { step(key) } else { button_step(key) } {
            Step::Close => return DialogOutcome::Close,
            Step::Press => return self.press(),
            // Below the list stands the field, behind which Enter goes on where all is as it has to be.
            Step::Next if self.focus == Stop::Dependants && self.off().is_none() => self.focus = Stop::Go,
            what @ (Step::Next | Step::Previous) => {
                let stops = self.stops();
                let at = stops.iter().position(|stop| *stop == self.focus).unwrap_or(0);
                self.focus = stops.get(moved(at, stops.len(), what)).copied().unwrap_or(Stop::Cancel);
            }
            Step::Other => {
                if self.has_field() && self.field.key(key) {
                    self.follow_field();
                }
            }
        }
        DialogOutcome::Stay
    }

    /// The list of objects outside has the arrows and Space.
    fn dependants_key(&mut self, key: KeyEvent) -> bool {
        let count = self.plan().map_or(0, |plan| plan.dependants.len());
        match key.code {
            KeyCode::Down => self.at = (self.at + 1).min(count.saturating_sub(1)),
            KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Char(' ') => {
                if !self.marked.remove(&self.at) {
                    self.marked.insert(self.at);
                    self.at = (self.at + 1).min(count.saturating_sub(1));
                }
            }
            _ => return false,
        }
        true
    }

    /// The plan is made anew: with or without their end.
    fn toggle_sessions(&mut self) -> DialogOutcome {
        if let Some((_, request)) = self.input.choices.get_mut(self.chosen) {
            request.end_sessions = !request.end_sessions;
        }
        DialogOutcome::DoAndStay(self.ask())
    }

    /// Behind the right name Enter goes on; behind any other the focus is back on Cancel.
    pub(super) fn follow_field(&mut self) {
        self.tried = false;
        if matches!(self.phase, Phase::Planned(_)) {
            self.focus = if self.off().is_none() { Stop::Go } else { Stop::Cancel };
        }
    }

    fn press(&mut self) -> DialogOutcome {
        match self.focus {
            Stop::Cancel => {
                // With all as it has to be, nobody is on Cancel who did not go there.
                if self.field.value().is_empty() || self.off().is_none() {
                    return DialogOutcome::Close;
                }
                // Somebody is typing: Enter says whether the name matches instead of throwing it away.
                self.tried = true;
            }
            Stop::Sql => {
                self.reading = self.plan().map(|plan| Scroll::of_text(&plan.sql.join("\n")));
            }
            Stop::Sessions => return self.toggle_sessions(),
            // Enter in the list is Enter in the field below it.
            Stop::Dependants | Stop::Go => {
                if self.off().is_none()
                    && let Some(order) = self.order()
                {
                    return DialogOutcome::Do(vec![order]);
                }
                self.tried = true;
            }
        }
        DialogOutcome::Stay
    }
}
