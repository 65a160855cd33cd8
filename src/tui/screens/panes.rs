//! The four panes of an open tenant: Tables, Migrations, Cache, Jobs. One at 80x24, two at 120x40, all at 200x50.

use std::iter::repeat;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{job_style, job_time, seconds_between};
use super::header::stale;
use crate::model::fleet::CacheView;
use crate::model::flush::FlushState;
use crate::model::job::{JobId, JobView};
use crate::model::job_words;
use crate::model::tenant::{NotMeasured, TableDetail, TenantDetail, Ttl};
use crate::text::{Untrusted, counted, grouped, human_bytes, short_age, short_count, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{State, TableColumn, TenantScreen, TenantTab};
use crate::tui::app::{clock, flush};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{above, bars, below, columns, put_fit, put_safe, wrap};

/// Dead rows in percent from which a table wants a vacuum.
const MANY_DEAD: u8 = 20;

/// Draws a pane: heading, rows, and below them what there is to say.
pub fn draw(frame: &mut Frame, area: Rect, tab: TenantTab, open: &TenantScreen, state: &State, theme: &Theme) {
    let detail = state.snapshot.detail.as_deref().filter(|detail| detail.key == open.key);
    let stale = state.latest.database(&open.key.database).is_some_and(stale);
    let front = tab == open.tab;
    let pane = Pane { area: above(area, area.height.saturating_sub(1)), front, stale, theme };
    let note = below(area, area.height.saturating_sub(1));
    let buf = frame.buffer_mut();
    let words = match tab {
        TenantTab::Tables => detail.map(|detail| tables(buf, &pane, detail, open, state)),
        TenantTab::Migrations => detail.map(|detail| super::panes_migrations::draw(buf, &pane, detail, open, state)),
        TenantTab::Cache => Some(cache(buf, &pane, detail, open, state)),
        TenantTab::Jobs => {
            let words = jobs(buf, &pane, detail, open, state);
            if let Some(detail) = detail {
                // The heading, the jobs, a blank line.
                let from = columns(open.jobs_shown.len()).min(job_rows(area, Some(detail))).saturating_add(2);
                super::wellbeing::draw(buf, pane.area, from, detail, theme);
            }
            Some(words)
        }
    };
    let words = words.unwrap_or_else(|| "Reading ...".to_owned());
    put_safe(buf, note, 3, 0, note.width.saturating_sub(4), &words, theme.muted, theme);
}

/// Where a pane is drawn and how.
pub struct Pane<'a> {
    /// Its place, without the line for what there is to say.
    pub area: Rect,
    front: bool,
    stale: bool,
    /// Its colours.
    pub theme: &'a Theme,
}

impl Pane<'_> {
    /// Draws a row of its list.
    pub fn row(&self, buf: &mut Buffer, y: u16, columns: (&[Column], &[table::Placed]), cells: &[Cell], cursor: bool) {
        let mark = RowMark { cursor: cursor && self.front, stale: self.stale, ..RowMark::default() };
        table::row(buf, below(self.area, 1), y, columns, cells, mark, self.theme);
    }

    /// The visible rows: place on the screen and in the list.
    pub fn rows(&self, top: usize, count: usize) -> impl Iterator<Item = (u16, usize)> + use<> {
        (0..self.area.height.saturating_sub(1))
            .map(move |y| (y, top + usize::from(y)))
            .take_while(move |(_, at)| *at < count)
    }
}

fn table_columns(wide: bool, title: &dyn Fn(TableColumn) -> String) -> Vec<Column> {
    let mut out = vec![
        Column::wide(title(TableColumn::Table), 12, 3).up_to(63),
        Column::fixed(title(TableColumn::Total), 8).at_right(),
        Column::fixed(title(TableColumn::Heap), 8).at_right().droppable(1),
        Column::fixed(title(TableColumn::Index), 8).at_right().droppable(2),
        Column::fixed(title(TableColumn::Rows), 7).at_right(),
        Column::fixed(title(TableColumn::Dead), 6).at_right().droppable(3),
    ];
    if wide {
        out.push(Column::wide("", 12, 1).up_to(28).droppable(4));
    }
    out
}

fn table_cells(table: &TableDetail, largest: u64, bar: u16, theme: &Theme) -> Vec<Cell> {
    // A table that was not measured has no size, and says why.
    let why = table.not_measured.map_or("-", NotMeasured::word);
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| styled(why, theme.warn), |bytes| cell(human_bytes(bytes)));
    let dead = match table.dead_percent {
        None => cell("-"),
        Some(percent) if percent >= MANY_DEAD => styled(format!("{percent}!"), theme.warn),
        Some(percent) => cell(percent.to_string()),
    };
    vec![
        cell(table.name.safe()),
        bytes(table.total_bytes),
        bytes(table.table_bytes),
        bytes(table.index_bytes),
        cell(table.rows_estimate.map_or_else(|| "-".to_owned(), short_count)),
        dead,
        styled(bars::share(table.total_bytes.unwrap_or(0), largest, bar), theme.bar),
    ]
}

fn tables(buf: &mut Buffer, pane: &Pane<'_>, detail: &TenantDetail, open: &TenantScreen, state: &State) -> String {
    let sort = open.tables_sort;
    let title = |column: TableColumn| -> String {
        let mark = match (sort.column == column, sort.descending) {
            (true, true) => "v",
            (true, false) => "^",
            (false, _) => "",
        };
        format!("{}{mark}", column.word())
    };
    let all = table_columns(pane.area.width >= 76, &title);
    let placed = table::place(&all, MARKS, pane.area.width.saturating_sub(1));
    table::heading(buf, pane.area, 0, &all, &placed, pane.theme.heading);
    let bar = placed.last().filter(|last| last.index == 6).map_or(0, |last| last.width);
    let largest = detail.tables.iter().filter_map(|table| table.total_bytes).max().unwrap_or(0);
    for (y, at) in pane.rows(open.tables.top, open.tables_shown.len()) {
        let Some(table) = open.tables_shown.get(at).and_then(|index| detail.tables.get(*index)) else { continue };
        let cells = table_cells(table, largest, bar, pane.theme);
        pane.row(buf, y, (&all, &placed), &cells, at == open.tables.at);
    }
    tables_note(detail, state, usize::from(pane.area.width.saturating_sub(4)))
}

/// Whether the tenant of a detail has no schema: that nothing was found in it says nothing then.
pub fn lacks_schema(detail: &TenantDetail, state: &State) -> bool {
    state.snapshot.tenant(&detail.key).is_some_and(|tenant| tenant.schema_oid.is_none())
}

/// What there is to say of the tables, in so many columns: what can be found out elsewhere goes first.
fn tables_note(detail: &TenantDetail, state: &State, room: usize) -> String {
    if lacks_schema(detail, state) {
        return "There is no schema, so there are no tables to measure.".to_owned();
    }
    let age = short_age(seconds_between(detail.measured_at, state.now.wall));
    let total = detail.total_bytes.map(|bytes| format!(", {}", human_bytes(bytes))).unwrap_or_default();
    let locked = detail.unmeasured.words().map(|words| format!("; {words}")).unwrap_or_default();
    let tables = counted(detail.tables.len(), "table");
    let replica = state.latest.database(&detail.key.database).is_some_and(|view| view.server.replica().is_some());
    // A standby keeps no counters of live and dead rows: nothing is shown that only looks like one.
    let dead = if replica { "; DEAD% is the primary's to tell" } else { "" };
    let of = if detail.unmeasured.is_none() { "in all, exact" } else { "in those measured" };
    let whole = format!("{tables}{total} {of}, {age} old{dead}{locked}");
    let short = format!("{tables}{total}, {age} old{locked}");
    let key = state.key(Action::Refresh);
    let mut all = Vec::new();
    match detail.unmeasured.no_time {
        0 => all.push(format!("{whole}; {key} measures again")),
        // That they can be measured is worth more than why some others cannot.
        left => {
            let left = grouped(left.into());
            all.push(format!("{whole}; {key} measures them"));
            all.push(format!("{tables}{total} {of}, {age} old; {left} more: {key} measures them"));
            all.push(format!("{tables}{total} {of}; {left} more: {key} measures them"));
        }
    }
    let dead = if replica { "; DEAD% on the primary" } else { "" };
    all.extend([whole, format!("{short}{dead}")]);
    all.into_iter().find(|words| width(words) <= room).unwrap_or(short)
}

/// The tables of a tenant that is not open, largest first, for the wide Tenants screen.
pub fn tables_of(frame: &mut Frame, area: Rect, detail: &TenantDetail, state: &State, theme: &Theme) {
    let buf = frame.buffer_mut();
    let title = |column: TableColumn| column.word().to_owned();
    let all = table_columns(true, &title);
    let placed = table::place(&all, 0, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let bar = placed.last().filter(|last| last.index == 6).map_or(0, |last| last.width);
    let largest = detail.tables.iter().filter_map(|table| table.total_bytes).max().unwrap_or(0);
    let rows = below(above(area, area.height.saturating_sub(1)), 1);
    for (y, table) in (0..rows.height).zip(&detail.tables) {
        for place in &placed {
            let cells = table_cells(table, largest, bar, theme);
            let (cell, column) = (&cells[place.index], &all[place.index]);
            let text = crate::text::fit(&cell.text, usize::from(place.width));
            let shift = if column.right { place.width.saturating_sub(columns(crate::text::width(&text))) } else { 0 };
            put_safe(buf, rows, place.x + shift, y, place.width, &text, cell.style, theme);
        }
    }
    let note = below(area, area.height.saturating_sub(1));
    put_fit(buf, note, 0, 0, note.width, &tables_note(detail, state, usize::from(note.width)), theme.muted);
}

fn cache(
    buf: &mut Buffer,
    pane: &Pane<'_>,
    detail: Option<&TenantDetail>,
    open: &TenantScreen,
    state: &State,
) -> String {
    let theme = pane.theme;
    let Some(view) = state.latest.database(&open.key.database).map(|database| &database.cache) else {
        return String::new();
    };
    // In steps: the screen is not drawn for each second, and what it says has to be so until it is drawn again.
    let age = |at: &jiff::Timestamp| match clock::step(seconds_between(*at, state.now.wall)) {
        0 => "just now".to_owned(),
        step => format!("{} ago", short_age(step)),
    };
    let mut lines: Vec<(String, Style)> = Vec::new();
    let note = match view {
        CacheView::NotConfigured => {
            lines.push(("No cache is configured for this database.".to_owned(), Style::new()));
            lines.push((
                "Add to its part of the configuration:  [database.cache]  url = \"redis://...\"".to_owned(),
                theme.muted,
            ));
            String::new()
        }
        CacheView::Counting { seen, of } => {
            let of_words = of.map(|of| format!(" of about {}", grouped(of))).unwrap_or_default();
            lines.push((
                format!("Counting the keys of the whole fleet in one pass: {}{of_words}", grouped(*seen)),
                Style::new(),
            ));
            lines.push((bars::progress(*seen, of.unwrap_or(0), pane.area.width.min(42).saturating_sub(2)), theme.bar));
            String::new()
        }
        CacheView::Counted { at, keys, recounting } => {
            let again = if *recounting { ", counting again" } else { "" };
            let key = state.key(Action::FlushCache);
            format!("counted {}{again}; {} in the cache in all; {key} flushes", age(at), counted(*keys, "key"))
        }
        CacheView::Failed { why, last_good } => {
            lines.push((format!("The cache does not answer: {}", why.safe()), theme.error));
            lines.push(("Everything else goes on without it.".to_owned(), theme.muted));
            last_good.map_or_else(|| "never counted".to_owned(), |at| format!("last counted {}", age(&at)))
        }
    };
    let list = detail.map(|detail| detail.cache_by_prefix.as_slice()).unwrap_or_default();
    if !list.is_empty() {
        prefixes(buf, pane, list, open);
        few_keys(buf, pane, detail, open);
    } else if lines.is_empty() {
        let keys = state.snapshot.tenant(&open.key).and_then(|tenant| tenant.cache_keys);
        lines.push(match keys {
            Some(keys) if keys > 0 => {
                (format!("{}; the next count splits them by prefix.", counted(keys, "key")), Style::new())
            }
            Some(_) => ("No keys of this tenant in the cache.".to_owned(), theme.muted),
            None => ("The keys of this tenant were not counted yet.".to_owned(), theme.muted),
        });
    }
    let from = if list.is_empty() { 1 } else { columns(list.len()) + 2 };
    let room = pane.area.width.saturating_sub(4);
    let wrapped = lines.iter().flat_map(|(text, style)| wrap(text, usize::from(room)).into_iter().zip(repeat(*style)));
    for (y, (text, style)) in (from..pane.area.height).zip(wrapped) {
        put_safe(buf, pane.area, 3, y, room, &text, style, theme);
    }
    match flush::running(state, &open.key.database).map(|flush| &flush.state) {
        Some(FlushState::Running { removed }) => {
            format!("flushing: {} removed so far; {} stops it", counted(*removed, "key"), state.key(Action::FlushCache))
        }
        Some(FlushState::Done { .. } | FlushState::Stopped { .. } | FlushState::Failed { .. }) | None => note,
    }
}

/// A few keys of the prefix under the cursor, where there is room below the prefixes.
fn few_keys(buf: &mut Buffer, pane: &Pane<'_>, detail: Option<&TenantDetail>, open: &TenantScreen) {
    let Some(detail) = detail else { return };
    let Some((prefix, _)) = detail.cache_by_prefix.get(open.cache.at) else { return };
    let few: Vec<_> = detail.cache_sample.iter().filter(|one| one.prefix == *prefix).collect();
    let top = columns(detail.cache_by_prefix.len()) + 2;
    // The heading, and one key at least.
    let Some(room) = pane.area.height.checked_sub(top + 1).filter(|room| *room > 0) else { return };
    if few.is_empty() {
        return;
    }
    let all = [
        Column::wide("A FEW OF ITS KEYS", 20, 2).up_to(70),
        Column::fixed("TYPE", 8),
        Column::fixed("LIVES", 10).at_right(),
    ];
    let placed = table::place(&all, MARKS, pane.area.width.saturating_sub(1));
    table::heading(buf, pane.area, top, &all, &placed, pane.theme.heading);
    let (bottom, width) = (top + columns(few.len()), pane.area.width.saturating_sub(4));
    if let Some(why) = detail.sample_unknown.as_ref().filter(|_| bottom < pane.area.height) {
        put_safe(buf, pane.area, 3, bottom, width, why.safe().as_str(), pane.theme.warn, pane.theme);
    }
    for (y, one) in (top..).zip(few.iter().take(usize::from(room))) {
        let kind: String = one.kind.as_ref().map_or_else(|| "?".to_owned(), |kind| kind.safe().into());
        let lives = one.ttl.map_or_else(|| "?".to_owned(), Ttl::words);
        let key: String = one.key.safe().into();
        pane.row(buf, y, (&all, &placed), &[cell(key), cell(kind), cell(lives)], false);
    }
}

fn prefixes(buf: &mut Buffer, pane: &Pane<'_>, list: &[(Untrusted, u64)], open: &TenantScreen) {
    let all = [
        Column::wide("PREFIX", 16, 2).up_to(60),
        Column::fixed("KEYS", 10).at_right(),
        Column::wide("SHARE", 12, 1).up_to(30).droppable(1),
    ];
    let placed = table::place(&all, MARKS, pane.area.width.saturating_sub(1));
    table::heading(buf, pane.area, 0, &all, &placed, pane.theme.heading);
    let bar = placed.last().filter(|last| last.index == 2).map_or(0, |last| last.width);
    let sum: u64 = list.iter().map(|(_, keys)| keys).sum();
    for (y, at) in pane.rows(open.cache.top, list.len()) {
        let Some((prefix, keys)) = list.get(at) else { continue };
        let name: String = if prefix.is_empty() { "(the key itself)".to_owned() } else { prefix.safe().into() };
        let cells = [cell(name), cell(grouped(*keys)), styled(bars::share(*keys, sum, bar), pane.theme.bar)];
        pane.row(buf, y, (&all, &placed), &cells, at == open.cache.at);
    }
}

/// The rows of jobs that a pane has: what there is to say of the tenant besides has its place below them, and half of the
/// pane at most.
pub fn job_rows(area: Rect, detail: Option<&TenantDetail>) -> u16 {
    let rows = area.height.saturating_sub(2);
    match detail.map_or(0, |detail| super::wellbeing::rows(detail, area.width)) {
        0 => rows,
        below => rows.saturating_sub(below.saturating_add(1)).max(rows / 2),
    }
}

fn jobs(
    buf: &mut Buffer,
    pane: &Pane<'_>,
    detail: Option<&TenantDetail>,
    open: &TenantScreen,
    state: &State,
) -> String {
    let theme = pane.theme;
    let all = [
        Column::fixed("ID", 5),
        Column::fixed("KIND", 9),
        Column::wide("WHAT", 12, 1).droppable(1),
        Column::fixed(
            "STATE",
            super::jobs::state_width(open.jobs_shown.iter().filter_map(|index| state.jobs.jobs.get(*index)), state),
        ),
        Column::fixed("HERE", 9),
        Column::fixed("TIME", 8).at_right().droppable(2),
    ];
    let placed = table::place(&all, MARKS, pane.area.width.saturating_sub(1));
    table::heading(buf, pane.area, 0, &all, &placed, theme.heading);
    let rows = usize::from(job_rows(Rect { height: pane.area.height + 1, ..pane.area }, detail));
    for (y, at) in pane.rows(open.jobs.top, open.jobs_shown.len()).take(rows) {
        let Some(job) = open.jobs_shown.get(at).and_then(|index| state.jobs.jobs.get(*index)) else { continue };
        let cells = [
            cell(job.id.to_string()),
            cell(job.kind.word()),
            cell(job.what.safe()),
            styled(super::jobs::state_word(job, state), job_style(job.state, theme)),
            outcome_here(job, open, state, theme),
            cell(job_time(job, state.now.wall)),
        ];
        pane.row(buf, y, (&all, &placed), &cells, at == open.jobs.at);
    }
    let Some(detail) = detail else { return "Reading the record of jobs ...".to_owned() };
    let older = older(detail, state);
    match (older.first(), open.jobs_shown.is_empty()) {
        (None, true) => "No job is known to have touched this tenant.".to_owned(),
        (None, false) => String::new(),
        (Some(newest), _) => {
            format!("{} not in the list; the newest: `tenantui job {newest}`", counted(older.len(), "older job"))
        }
    }
}

/// The jobs of a tenant that are older than all that the list of its database has, newest first.
fn older(detail: &TenantDetail, state: &State) -> Vec<JobId> {
    let listed = state.jobs.jobs.iter().filter(|job| job.database == detail.key.database).map(|job| job.id);
    let oldest = listed.min();
    detail.jobs.iter().copied().filter(|id| oldest.is_none_or(|oldest| *id < oldest)).collect()
}

/// What a job did to the open tenant, where its results were read.
fn outcome_here(job: &JobView, open: &TenantScreen, state: &State, theme: &Theme) -> Cell {
    let key = (job.database.clone(), job.id);
    let outcome = state
        .jobs
        .outcomes
        .get(&key)
        .and_then(|outcomes| outcomes.iter().find(|outcome| outcome.key.as_ref() == Some(&open.key)));
    match outcome {
        Some(outcome) => styled(outcome.outcome.word(), super::format::outcome_style(outcome.outcome, theme)),
        None => cell(job_words::progress(job)),
    }
}
