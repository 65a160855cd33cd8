//! The pane of an open tenant's migrations: those that it has, and those that it lacks.

use ratatui::buffer::Buffer;

use super::format::{state_style, version_width};
use super::panes::{Pane, lacks_schema};
use crate::model::tenant::{MigrationDetail, MigrationState, TenantDetail, TenantState};
use crate::text::{Untrusted, counted, grouped, rough_time, width};
use crate::tui::app::state::{State, TenantScreen};
use crate::tui::widgets::columns;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, cell, styled};

/// Draws it; what there is to say of it.
pub fn draw(buf: &mut Buffer, pane: &Pane<'_>, detail: &TenantDetail, open: &TenantScreen, state: &State) -> String {
    let theme = pane.theme;
    let text = |text: Option<&Untrusted>| text.map_or_else(|| "-".to_owned(), |text| text.safe().into());
    let versions = version_width(detail.migrations.iter().map(|migration| &migration.version), 7, 20);
    let names = detail.migrations.iter().map(|one| width(&text(one.name.as_ref()))).max().unwrap_or(0);
    let changed = detail.migrations.iter().any(|migration| migration.checksum_ok == Some(false));
    let file = if changed { 7 } else { 4 };
    let room = pane.area.width.saturating_sub(1);
    // The hour gives way to the name: the day says enough of when.
    let hours = MARKS + versions + columns(names) + file + 8 + 16 + 4 <= room;
    let all = [
        Column::fixed("VERSION", versions),
        Column::wide("NAME", 12, 1),
        Column::fixed("STATE", 8),
        Column::fixed("APPLIED", if hours { 16 } else { 10 }).droppable(1),
        Column::fixed("FILE", file).droppable(2),
    ];
    let placed = table::place(&all, MARKS, room);
    table::heading(buf, pane.area, 0, &all, &placed, theme.heading);
    for (y, at) in pane.rows(open.migrations.top, detail.migrations.len()) {
        let Some(migration) = detail.migrations.get(at) else { continue };
        let style = match migration.state {
            MigrationState::Applied => state_style(TenantState::Ok, theme),
            MigrationState::Pending => state_style(TenantState::Behind, theme),
            MigrationState::Ahead => state_style(TenantState::Ahead, theme),
            MigrationState::Dirty => state_style(TenantState::Dirty, theme),
        };
        let file = match migration.checksum_ok {
            Some(true) => cell("same"),
            Some(false) => styled("CHANGED", theme.error),
            None => cell("-"),
        };
        let cells = [
            cell(migration.version.untrusted().safe()),
            cell(text(migration.name.as_ref())),
            styled(migration.state.word(), style),
            estimate(migration, detail, state)
                .unwrap_or_else(|| cell(when(migration.applied_at.as_ref(), if hours { 16 } else { 10 }))),
            file,
        ];
        pane.row(buf, y, (&all, &placed), &cells, at == open.migrations.at);
    }
    if detail.migrations.is_empty() && lacks_schema(detail, state) {
        let files = state.snapshot.database(&detail.key.database).and_then(|database| database.files.as_ref());
        let waits = files
            .filter(|files| !files.is_empty())
            .map(|files| format!(": {} of the folder cannot be applied", counted(files.len(), "migration")));
        return format!("There is no schema{}.", waits.unwrap_or_default());
    }
    if detail.migrations.is_empty() {
        return "No migrations: neither files nor rows in a ledger.".to_owned();
    }
    let pending = detail.migrations.iter().filter(|m| m.state == MigrationState::Pending).count();
    format!("{}, {} pending; i shows the SQL", counted(detail.migrations.len(), "migration"), grouped(pending as u64))
}

/// What a pending migration took elsewhere before: `est. 40s`.
fn estimate(migration: &MigrationDetail, detail: &TenantDetail, state: &State) -> Option<Cell> {
    let times = &state.snapshot.database(&detail.key.database)?.times;
    let time = times.of(&migration.version).filter(|_| migration.state == MigrationState::Pending)?;
    Some(cell(format!("est. {}", rough_time(time.mean_ms))))
}

/// So many characters of a timestamp, where it is one: 16 end with the minute, 10 with the day.
fn when(text: Option<&Untrusted>, length: usize) -> String {
    let safe: String = text.map_or_else(|| "-".to_owned(), |text| text.safe().into());
    let time = safe.get(..16).filter(|time| time.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':'));
    time.map_or_else(|| safe.clone(), |time| time[..length.min(16)].replace('T', " "))
}
