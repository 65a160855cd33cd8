//! Screen 2: how far is the fleet?
//!
//! ```text
//!    VER   NAME                       TENANTS  SHARE                  NOTE
//!    0042  add_invoice_index              989  [#################   ] newest
//!    0041  split_address                   32  [#                   ] data move
//!  ! 0040  drop_legacy_flags                2  [                    ] 2 failed
//!  > 0039  rename_plan_column             174  [###                 ] no down
//!    none  (no migration)                   2  [                    ]
//!
//!  Tenants at 0039 (174): acme, acorn, agora-eu, albion, alta, anvil, ...
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{names, state_style, version_width};
use super::header::stale;
use super::notice;
use super::places::{Places, ROOMY, Tier, migrations_parts};
use crate::model::tenant::Tenant;
use crate::text::{counted, grouped, rough_time, sanitise, short_age, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{State, VersionGroup};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{bars, below, columns, put, put_fit, put_right, put_safe, wrap};

/// The most lines about the folder below a group's tenants.
const MOST_NOTE: u16 = 4;

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    usize::from(migrations_parts(places).list.height.saturating_sub(1))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    if notice::draw_instead(frame, places.body, state, theme) {
        return;
    }
    let parts = migrations_parts(places);
    let buf = frame.buffer_mut();
    draw_list(buf, parts.list, state, theme);
    let Some(group) = state.cursor_group() else {
        put(buf, below(parts.list, 2), 3, 0, "No tenant and no migration file is known yet.", theme.muted);
        return;
    };
    if places.zoom {
        return;
    }
    match places.tier {
        Tier::Small => draw_names(buf, parts.group, group, state, theme),
        Tier::Medium | Tier::Wide => {
            super::divider(buf, parts.group, theme);
            draw_group(buf, parts.group, group, state, theme);
        }
    }
    if let Some(sql) = parts.sql {
        super::divider(buf, sql, theme);
        draw_sql(buf, sql, group, state, theme);
    }
}

fn draw_list(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let groups = &state.migrations.groups;
    let versions = version_width(groups.iter().filter_map(|group| group.version.as_ref()), 5, 20);
    let names = groups.iter().filter_map(|group| group.name.as_ref()).map(|name| name.raw().len()).max().unwrap_or(0);
    let names = columns(names).clamp(16, 60);
    // Names and notes are read, bars are looked at: where there is not much room, words get theirs first.
    let notes = groups.iter().map(|group| width(&note_words(group))).max().unwrap_or(0);
    let notes = if area.width >= ROOMY { columns(notes).clamp(11, 26) } else { 11 };
    let least = if area.width >= ROOMY { names.min(26) } else { 12 };
    let mut all = vec![Column::fixed("VER", versions), Column::wide("NAME", least, 3).up_to(names)];
    if state.several_databases() {
        all.push(Column::wide("DATABASE", 6, 1).up_to(16).droppable(1));
    }
    let name_end = all.len();
    all.extend([
        Column::fixed("TENANTS", 8).at_right(),
        Column::wide("SHARE", 8, 1).up_to(22).droppable(3),
        Column::wide("NOTE", notes, 1).up_to(30).droppable(2),
    ]);
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let bar = placed.iter().find(|place| place.index == name_end + 1).map_or(0, |place| place.width);
    let rows = below(area, 1);
    let list = &state.migrations.list;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(group) = groups.get(at) else { break };
        let mut cells = vec![version_cell(group, theme), name_cell(group, theme)];
        if state.several_databases() {
            cells.push(cell(sanitise(&group.database)));
        }
        cells.push(cell(grouped(group.tenants.len() as u64)));
        cells.push(styled(bars::share(group.tenants.len() as u64, group.of as u64, bar), theme.bar));
        cells.push(note_cell(group, theme));
        let mark = RowMark {
            cursor: at == list.at,
            marked: false,
            failed: group.failed > 0,
            stale: state.latest.database(&group.database).is_some_and(stale),
        };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
}

fn version_cell(group: &VersionGroup, theme: &Theme) -> Cell {
    match &group.version {
        Some(version) if group.is_target => styled(version.untrusted().safe(), theme.title),
        Some(version) => cell(version.untrusted().safe()),
        None => cell("none"),
    }
}

fn name_cell(group: &VersionGroup, theme: &Theme) -> Cell {
    match (&group.name, &group.version) {
        (Some(name), _) => cell(name.safe()),
        (None, Some(_)) => styled("(no file)", theme.muted),
        (None, None) => styled("(no migration)", theme.muted),
    }
}

fn note_words(group: &VersionGroup) -> String {
    group.notes.iter().map(|note| note.safe().into()).collect::<Vec<String>>().join(", ")
}

fn note_cell(group: &VersionGroup, theme: &Theme) -> Cell {
    let blocked = group.failed > 0 || group.notes.iter().any(|note| note.raw().starts_with("refused"));
    let style = if blocked { theme.error } else { theme.muted };
    styled(note_words(group), style)
}

fn members<'a>(group: &'a VersionGroup, state: &'a State) -> impl Iterator<Item = &'a Tenant> + 'a {
    group.tenants.iter().filter_map(|index| state.snapshot.tenants.get(*index)).map(|tenant| &**tenant)
}

fn group_title(group: &VersionGroup) -> String {
    let at = group
        .version
        .as_ref()
        .map_or_else(|| "without a version".to_owned(), |v| format!("at {}", v.untrusted().safe()));
    format!("Tenants {at} ({})", grouped(group.tenants.len() as u64))
}

/// A blank line, the names, and what there is to say of the folder: where that takes two lines, the blank one goes.
fn draw_names(buf: &mut Buffer, area: Rect, group: &VersionGroup, state: &State, theme: &Theme) {
    let room = area.width.saturating_sub(2);
    let (note, style) = files_note(room, group, state, theme);
    let y = if note.len() > 1 { 0 } else { 1 };
    for (y, words) in (y + 1..area.height).zip(&note) {
        put_safe(buf, area, 1, y, room, words, style, theme);
    }
    let area = below(area, y);
    let title = format!("{}: ", group_title(group));
    let x = put_fit(buf, area, 1, 0, area.width.saturating_sub(2), &title, theme.title);
    let room = usize::from(area.width).saturating_sub(usize::from(x) + 1);
    let names = names(members(group, state).map(|tenant| tenant.slug.safe()), room);
    put_safe(buf, area, x, 0, columns(room), &names, Style::new(), theme);
}

/// Where there is no folder, what stands for it, in so many columns.
fn files_note(room: u16, group: &VersionGroup, state: &State, theme: &Theme) -> (Vec<String>, Style) {
    let room = usize::from(room);
    let files = state.snapshot.database(&group.database).and_then(|database| database.files.as_ref());
    let broken = state.context(&group.database).and_then(|context| context.folder_error.as_ref());
    if let Some(why) = broken {
        return (wrap(why.safe().as_str(), room), theme.error);
    }
    let words = match files {
        None => "No migration folder (migrations.path): versions are compared within the fleet.",
        Some(files) if files.is_empty() => "The migration folder is empty.",
        Some(_) => return (Vec::new(), theme.warn),
    };
    (wrap(words, room), theme.warn)
}

/// The list of the group, beside the versions.
fn draw_group(buf: &mut Buffer, area: Rect, group: &VersionGroup, state: &State, theme: &Theme) {
    put_fit(buf, area, 0, 0, area.width, &group_title(group), theme.title);
    let rows = below(area, 1);
    let (mut note, style) = files_note(area.width.saturating_sub(2), group, state, theme);
    note.truncate(usize::from(MOST_NOTE));
    let note_rows = columns(note.len()).max(1);
    let room = rows.height.saturating_sub(1 + note_rows);
    let mut y = 0;
    for tenant in members(group, state).take(usize::from(room)) {
        let mark = if tenant.failed_step.is_some() { "!" } else { " " };
        put(buf, rows, 0, y, mark, theme.error);
        let word = super::format::state_word(tenant.state);
        let end = rows.width.saturating_sub(1);
        let start = put_right(buf, rows, end, y, word, state_style(tenant.state, theme));
        put_safe(buf, rows, 2, y, start.saturating_sub(3), tenant.slug.safe().as_str(), Style::new(), theme);
        y += 1;
    }
    let rest = group.tenants.len().saturating_sub(usize::from(y));
    if rest > 0 {
        let words = format!("and {} more: {} lists them", grouped(rest as u64), state.key(Action::Open));
        put(buf, rows, 2, y, &words, theme.muted);
    }
    let last = below(area, area.height.saturating_sub(note_rows));
    for (y, words) in (0..last.height).zip(&note) {
        put_safe(buf, last, 1, y, last.width.saturating_sub(2), words, style, theme);
    }
}

/// How long the version took when it ran here before.
fn past_runs(group: &VersionGroup, state: &State) -> String {
    let times = state.snapshot.database(&group.database).map(|database| &database.times);
    let time = group.version.as_ref().and_then(|version| times.and_then(|times| times.of(version)));
    let Some(time) = time else { return "No run of it has ended here yet: how long it takes is not known.".to_owned() };
    let runs = if time.runs == 1 { "last run".to_owned() } else { format!("last {} runs", time.runs) };
    let age = short_age(super::format::seconds_between(time.last_at, state.now.wall));
    let (mean, longest) = (rough_time(time.mean_ms), rough_time(time.longest_ms));
    format!("{runs}: {mean} on average, {longest} at most, the last one {age} ago")
}

/// The SQL of the chosen version.
fn draw_sql(buf: &mut Buffer, area: Rect, group: &VersionGroup, state: &State, theme: &Theme) {
    let file = group.version.as_ref().and_then(|version| {
        state
            .context(&group.database)
            .and_then(|context| context.folder.as_ref())
            .and_then(|folder| folder.file(version))
    });
    let Some(file) = file else {
        put(buf, area, 0, 0, "SQL", theme.title);
        put(buf, area, 0, 1, "There is no file of this version.", theme.muted);
        return;
    };
    let title = format!("{} {}", file.version.untrusted().safe(), file.name.safe());
    put_safe(buf, area, 0, 0, area.width, &title, theme.title, theme);
    put_fit(buf, area, 0, 1, area.width, &past_runs(group, state), theme.muted);
    let mut y = 2;
    for finding in file.findings.iter().take(4) {
        let word = if finding.refuses { "refused" } else { "warning" };
        let style = if finding.refuses { theme.error } else { theme.warn };
        let line = format!("{word}, line {}: {}", finding.line, finding.message.safe());
        for part in wrap(&line, usize::from(area.width.saturating_sub(1))).into_iter().take(2) {
            put_safe(buf, area, 0, y, area.width, &part, style, theme);
            y += 1;
        }
    }
    let rows = below(area, y + 1);
    let count = file.sql.lines().count();
    for (y, line) in (0..rows.height).zip(file.sql.lines()) {
        if y + 1 == rows.height && count > usize::from(rows.height) {
            let words = format!("... {}; {} shows all", counted(count, "line"), state.key(Action::Inspect));
            put(buf, rows, 0, y, &words, theme.muted);
            break;
        }
        let text = sanitise(&line.replace('\t', "    "));
        let style = if text.trim_start().starts_with("--") { theme.muted } else { Style::new() };
        put_safe(buf, rows, 0, y, rows.width.saturating_sub(1), &text, style, theme);
    }
}
