//! The hints of the last line, from the table of actions.

use super::App;
use super::action::{ACTIONS, Action};
use super::allowed::{allowed, job_in_question};
use super::keymap::Keymap;
use super::life::in_the_trash;
use super::selection::no_shared;
use super::state::{Hint, Screen, State};
use crate::model::job::JobState;
use crate::model::link::LinkState;
use crate::model::tenant::TenantState;

impl App {
    /// Makes the hints again. Whether they changed.
    pub(super) fn refresh_hints(&mut self) -> bool {
        let screen = self.state.screen;
        let lost = self.state.header_database().is_some_and(|view| is_lost(&view.link));
        let several = self.state.latest.databases.len() > 1;
        let dropped = screen == Screen::Tenant && is_dropped(&self.state);
        let waits = job_in_question(&self.state).is_some_and(|job| match job.state {
            JobState::Paused | JobState::Orphaned => true,
            JobState::Queued | JobState::Running | JobState::Done | JobState::Failed | JobState::Cancelled => false,
        });
        // Of a job that waits, going on is the first thing to do: on a narrow screen it has the place of the other.
        let swapped = |action: Action| match action {
            Action::Continue if waits => Action::Retry,
            Action::Retry if waits => Action::Continue,
            other => other,
        };
        let orphan = screen == Screen::Tenant
            && self.state.open_tenant().is_some_and(|tenant| tenant.state == TenantState::OrphanSchema);
        let shared = no_shared(&self.state).is_err();
        let mut found: Vec<(u8, Hint)> = ACTIONS
            .iter()
            .filter(|info| info.action != Action::Help && !(lost && info.action == Action::Refresh))
            .filter(|info| several || info.action != Action::NextDatabase)
            .filter(|info| match info.action {
                // Of a tenant in the trash there is one thing to do.
                Action::Undrop => dropped,
                // Nobody migrates what no row makes a tenant.
                Action::Migrate if orphan => false,
                other => !((dropped || shared) && matches!(other, Action::Migrate | Action::Drop)),
            })
            .filter_map(|info| {
                let on_screen = |action: Action| action.info().footer.iter().find(|(on, _, _)| *on == screen);
                let (_, _, words) = on_screen(info.action)?;
                let (_, place, _) = on_screen(swapped(info.action))?;
                let keys = self.keymap.keys_of(info.action);
                // Of a sequence the first key is shown: pressing it shows what may follow.
                let key = keys.first()?.split(' ').next()?.to_owned();
                let enabled = allowed(&self.state, info.action).is_ok();
                Some((*place, Hint { key, title: (*words).to_owned(), enabled }))
            })
            .collect();
        found.sort_by_key(|(place, _)| *place);
        let mut hints: Vec<Hint> = found.into_iter().map(|(_, hint)| hint).collect();
        if lost {
            hints.retain(|hint| hint.enabled);
            hints.splice(0..0, self.hints_without_link());
        }
        let changed = hints != self.state.hints;
        self.state.hints = hints;
        changed
    }

    /// While the link is lost, first of all: try now, or leave.
    fn hints_without_link(&self) -> Vec<Hint> {
        let key = |action: Action| self.keymap.keys_of(action).first().cloned();
        let running = self.state.jobs.jobs.iter().find(|job| super::orders::runs_here(job));
        let quit = running
            .map_or_else(|| "quit".to_owned(), |job| format!("quit (job {} stops after its current tenant)", job.id));
        [(Action::Refresh, "retry now".to_owned()), (Action::Quit, quit)]
            .into_iter()
            .filter_map(|(action, title)| Some(Hint { key: key(action)?, title, enabled: true }))
            .collect()
    }
}

/// Whether the open tenant is in the trash.
fn is_dropped(state: &State) -> bool {
    state.open_tenant().is_some_and(|tenant| in_the_trash(state, tenant).is_some())
}

const fn is_lost(link: &LinkState) -> bool {
    match link {
        LinkState::Lost { .. } | LinkState::Refused { .. } => true,
        LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } => false,
    }
}

/// The five lines of a first run, with the keys as they are.
pub(super) fn welcome(keymap: &Keymap) -> Vec<String> {
    let key = |action: Action| {
        let first = keymap.keys_of(action).into_iter().next();
        first.unwrap_or_else(|| format!(":{}", action.info().name))
    };
    let two = |one: Action, other: Action| format!("{} {}", key(one), key(other));
    vec![
        format!(
            "{} or the arrows move, {} opens, {} goes back; {} {} are screens.",
            two(Action::Down, Action::Up),
            key(Action::Open),
            key(Action::Back),
            two(Action::Tenants, Action::Migrations),
            two(Action::Jobs, Action::Server)
        ),
        format!(
            "{} filters the tenants while you type; {} finds everything by its name.",
            key(Action::Filter),
            key(Action::Palette)
        ),
        format!("{} lists the keys of the screen in front, and runs what you choose.", key(Action::Help)),
        "Lower case never writes. Capitals open a dialog with the plan first.".to_owned(),
        format!(
            "Production and staging are read-only until {} opens writes. {} leaves.",
            key(Action::WriteLock),
            key(Action::Quit)
        ),
    ]
}
