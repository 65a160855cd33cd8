//! Which tenant is read in detail.

use std::time::Duration;

use super::command::Command;
use super::event::Now;
use super::state::Screen;
use super::{App, WIDE};
use crate::fleet::FleetCommand;
use crate::model::tenant::TenantKey;

/// A tenant beside the list is read when the cursor rested on it this long.
pub(super) const REST: Duration = Duration::from_millis(250);

impl App {
    /// Tells the collector which tenant is open: the one of the Tenant screen; on a wide screen the cursor's, once
    /// the cursor rests.
    pub(super) fn read_detail(&mut self, now: Now) -> Option<Command> {
        let wanted = self.wanted_detail();
        if self.rests_on != wanted {
            self.rests_on.clone_from(&wanted);
            self.cursor_rests_since = now.elapsed;
        }
        if wanted == self.detail_of {
            return None;
        }
        if self.state.screen == Screen::Tenants && now.elapsed < self.cursor_rests_since + REST {
            return None;
        }
        self.detail_of.clone_from(&wanted);
        Some(Command::Fleet(wanted.map_or(FleetCommand::Close, FleetCommand::Open)))
    }

    pub(super) fn wanted_detail(&self) -> Option<TenantKey> {
        match self.state.screen {
            Screen::Tenant => self.state.tenant.as_ref().map(|open| open.key.clone()),
            Screen::Tenants if self.state.size.0 >= WIDE => self.state.tenants.list.cursor.clone(),
            // Kept: coming back from another screen shows it at once.
            Screen::Migrations
            | Screen::Jobs
            | Screen::JobResult
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => self.detail_of.clone(),
            Screen::Tenants => None,
        }
    }
}
