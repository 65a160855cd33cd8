//! Screens, history, and moving within lists.

use super::audit::{self, AuditScope, AuditState};
use super::state::{List, Screen, State, TableColumn, TablesSort, TenantScreen, TenantTab};
use crate::model::job::{JobId, TenantOutcome};
use crate::model::tenant::{DatabaseName, TenantKey};

/// Where one is: what `[` and `]` go through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The screen.
    pub screen: Screen,
    /// The open tenant.
    pub tenant: Option<TenantKey>,
    /// The job whose results are in front.
    pub job: Option<(DatabaseName, JobId)>,
    /// What the audit in front is of.
    pub audit: Option<AuditScope>,
}

/// The views before and after this one.
#[derive(Debug, Clone, Default)]
pub struct History {
    views: Vec<View>,
    at: usize,
}

/// Views that are kept.
const HISTORY: usize = 100;

impl History {
    /// A new view; what was ahead is forgotten.
    pub fn push(&mut self, view: View) {
        if self.views.get(self.at) == Some(&view) {
            return;
        }
        self.views.truncate(self.at + 1);
        self.views.push(view);
        if self.views.len() > HISTORY {
            self.views.remove(0);
        }
        self.at = self.views.len() - 1;
    }

    /// One back.
    pub fn back(&mut self) -> Option<View> {
        let at = self.at.checked_sub(1)?;
        let view = self.views.get(at)?.clone();
        self.at = at;
        Some(view)
    }

    /// One forward.
    pub fn forward(&mut self) -> Option<View> {
        let view = self.views.get(self.at + 1)?.clone();
        self.at += 1;
        Some(view)
    }
}

/// The view in front.
#[must_use]
pub fn view(state: &State) -> View {
    View {
        screen: state.screen,
        tenant: match state.screen {
            Screen::Tenant => state.tenant.as_ref().map(|open| open.key.clone()),
            Screen::Tenants
            | Screen::Migrations
            | Screen::Jobs
            | Screen::JobResult
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => None,
        },
        job: match state.screen {
            Screen::JobResult => state.jobs.result_of.clone(),
            Screen::Tenants
            | Screen::Tenant
            | Screen::Migrations
            | Screen::Jobs
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => None,
        },
        audit: (state.screen == Screen::Audit).then(|| state.audit.scope.clone()),
    }
}

/// Puts a view in front, without touching the history.
pub fn show(state: &mut State, view: &View) {
    state.screen = view.screen;
    if let Some(key) = &view.tenant
        && state.tenant.as_ref().is_none_or(|open| open.key != *key)
    {
        state.tenant = Some(new_tenant_screen(key.clone()));
        super::derive::open_tenant(state);
    }
    if let Some(job) = &view.job
        && state.jobs.result_of.as_ref() != Some(job)
    {
        state.jobs.result_of = Some(job.clone());
        (state.jobs.result, state.jobs.result_moved) = (List::default(), false);
        super::derive::results(state);
    }
    if let Some(scope) = &view.audit
        && state.audit.scope != *scope
    {
        state.audit = AuditState::of(scope.clone());
    }
}

fn new_tenant_screen(key: TenantKey) -> TenantScreen {
    TenantScreen {
        key,
        tab: TenantTab::Tables,
        tables: List::default(),
        migrations: List::default(),
        cache: List::default(),
        jobs: List::default(),
        tables_sort: TablesSort { column: TableColumn::Total, descending: true },
        tables_shown: Vec::new(),
        jobs_shown: Vec::new(),
    }
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many rows.
    By(isize),
    /// To the first.
    First,
    /// To the last.
    Last,
}

/// Rows of the list in front.
#[must_use]
pub fn rows(state: &State) -> usize {
    match state.screen {
        Screen::Tenants => state.tenants.shown.len(),
        Screen::Migrations => state.migrations.groups.len(),
        Screen::Jobs => state.jobs.shown.len(),
        Screen::JobResult => outcomes(state).len(),
        Screen::Messages => state.messages.len(),
        Screen::Audit => state.audit.shown,
        Screen::Server => super::server::rows(state),
        Screen::Tenant => {
            let Some(open) = &state.tenant else { return 0 };
            let detail = detail(state);
            match open.tab {
                TenantTab::Tables => open.tables_shown.len(),
                TenantTab::Migrations => detail.map_or(0, |detail| detail.migrations.len()),
                TenantTab::Cache => detail.map_or(0, |detail| detail.cache_by_prefix.len()),
                TenantTab::Jobs => open.jobs_shown.len(),
            }
        }
    }
}

/// The detail of the open tenant, where it was read.
#[must_use]
pub fn detail(state: &State) -> Option<&crate::model::tenant::TenantDetail> {
    let open = state.tenant.as_ref()?;
    state.snapshot.detail.as_deref().filter(|detail| detail.key == open.key)
}

/// The results in front.
#[must_use]
pub fn outcomes(state: &State) -> &[TenantOutcome] {
    state.jobs.result_of.as_ref().and_then(|key| state.jobs.outcomes.get(key)).map(Vec::as_slice).unwrap_or_default()
}

/// The result under the cursor.
#[must_use]
pub fn cursor_outcome(state: &State) -> Option<&TenantOutcome> {
    outcomes(state).get(state.jobs.result.at)
}

/// Where the cursor of the list in front is, and its first visible row.
#[must_use]
pub fn place(state: &State) -> (usize, usize) {
    fn of<K>(list: &List<K>) -> (usize, usize) {
        (list.at, list.top)
    }
    match state.screen {
        Screen::Tenants => of(&state.tenants.list),
        Screen::Migrations => of(&state.migrations.list),
        Screen::Jobs => of(&state.jobs.list),
        Screen::JobResult => of(&state.jobs.result),
        Screen::Messages => of(&state.messages_list),
        Screen::Audit => of(&state.audit.list),
        Screen::Server => of(state.server.list()),
        Screen::Tenant => state.tenant.as_ref().map_or((0, 0), |open| match open.tab {
            TenantTab::Tables => of(&open.tables),
            TenantTab::Migrations => of(&open.migrations),
            TenantTab::Cache => of(&open.cache),
            TenantTab::Jobs => of(&open.jobs),
        }),
    }
}

/// Moves the cursor of the list in front.
pub fn step(state: &mut State, step: Step) {
    let rows = rows(state);
    if rows == 0 {
        return;
    }
    let target = |at: usize| match step {
        Step::First => 0,
        Step::Last => rows - 1,
        Step::By(by) => at.saturating_add_signed(by).min(rows - 1),
    };
    match state.screen {
        Screen::Tenants => {
            let at = target(state.tenants.list.at);
            let key = state.shown_tenant(at).map(|tenant| tenant.key.clone());
            put(&mut state.tenants.list, at, key);
        }
        Screen::Migrations => {
            let at = target(state.migrations.list.at);
            let key = state.migrations.groups.get(at).map(|group| (group.database.clone(), group.version.clone()));
            put(&mut state.migrations.list, at, key);
        }
        Screen::Jobs => {
            let at = target(state.jobs.list.at);
            let key = state.shown_job(at).map(|job| (job.database.clone(), job.id));
            if key != state.jobs.list.cursor {
                state.jobs.log_back = 0;
            }
            put(&mut state.jobs.list, at, key);
            state.jobs.moved = true;
        }
        Screen::JobResult => {
            let at = target(state.jobs.result.at);
            let key = outcomes(state).get(at).map(|outcome| outcome.schema.clone());
            put(&mut state.jobs.result, at, key);
            state.jobs.result_moved = true;
        }
        Screen::Messages => {
            let at = target(state.messages_list.at);
            put(&mut state.messages_list, at, Some(at));
        }
        Screen::Audit => {
            let at = target(state.audit.list.at);
            let key = state.audit.shown().get(at).map(audit::key);
            put(&mut state.audit.list, at, key);
            state.audit.moved = true;
            state.audit.looks_for_more = true;
        }
        Screen::Server => super::server::step(state, target),
        Screen::Tenant => step_tab(state, target),
    }
}

fn step_tab(state: &mut State, target: impl Fn(usize) -> usize) {
    let detail = state.snapshot.detail.clone();
    let jobs = &state.jobs.jobs;
    let Some(open) = &mut state.tenant else { return };
    let detail = detail.filter(|detail| detail.key == open.key);
    match (open.tab, detail) {
        (TenantTab::Jobs, _) => {
            let at = target(open.jobs.at);
            let job = open.jobs_shown.get(at).and_then(|index| jobs.get(*index));
            put(&mut open.jobs, at, job.map(|job| (job.database.clone(), job.id)));
        }
        (TenantTab::Tables, Some(detail)) => {
            let at = target(open.tables.at);
            let table = open.tables_shown.get(at).and_then(|index| detail.tables.get(*index));
            put(&mut open.tables, at, table.map(|table| table.name.clone()));
        }
        (TenantTab::Migrations, Some(detail)) => {
            let at = target(open.migrations.at);
            put(&mut open.migrations, at, detail.migrations.get(at).map(|migration| migration.version.clone()));
        }
        (TenantTab::Cache, Some(detail)) => {
            let at = target(open.cache.at);
            put(&mut open.cache, at, detail.cache_by_prefix.get(at).map(|(prefix, _)| prefix.clone()));
        }
        (TenantTab::Tables | TenantTab::Migrations | TenantTab::Cache, None) => {}
    }
}

fn put<K>(list: &mut List<K>, at: usize, key: Option<K>) {
    if let Some(key) = key {
        list.at = at;
        list.cursor = Some(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(screen: Screen) -> View {
        View { screen, ..View::default() }
    }

    #[test]
    fn history_goes_back_and_forward_and_forgets_what_was_ahead() {
        let mut history = History::default();
        for screen in [Screen::Tenants, Screen::Migrations, Screen::Jobs] {
            history.push(at(screen));
        }
        assert_eq!(history.back(), Some(at(Screen::Migrations)));
        assert_eq!(history.forward(), Some(at(Screen::Jobs)));
        assert_eq!(history.forward(), None);
        history.back();
        history.push(at(Screen::Messages));
        assert_eq!(history.forward(), None);
        assert_eq!(history.back(), Some(at(Screen::Migrations)));
        assert_eq!(history.back(), Some(at(Screen::Tenants)));
        assert_eq!(history.back(), None);
    }
}
