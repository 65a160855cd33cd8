//! Screen 1: who is in which state?
//!
//! ```text
//!    TENANT^             SCHEMA            STATE      VERSION  BEHIND    SIZE KEYS
//!    abacus              t_abacus          ok            0042       -   ~1.2G   8k
//!  > acme                t_acme            behind        0039       3   ~310M   2k
//!  * acorn               t_acorn           behind        0039       3    ~88M  901
//!  ! adler-labs          t_adler_labs      behind        0040       2   ~4.0G  31k
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{behind, count, date, size, state_or_status, state_style, state_word, version, version_width};
use super::header::stale;
use super::places::{Places, Tier, tenants_columns, widest_list};
use super::{activity, notice, tenants_detail};
use crate::model::fleet::CacheView;
use crate::model::tenant::Tenant;
use crate::tui::app::state::{Extent, State, TenantColumn};
use crate::tui::theme::Theme;
use crate::tui::widgets::below;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};

/// A column, and what it shows.
struct Shown {
    which: TenantColumn,
    column: Column,
    value: fn(&Tenant, &Look<'_>) -> Cell,
}

/// Why a column is on the screen, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnState {
    /// It is there.
    Shown,
    /// It was asked for or would come by itself, and there is no room for it.
    NoRoom,
    /// It was hidden, or comes only where there is more room.
    Hidden,
    /// This fleet has nothing to show in it.
    Absent,
}

/// What there is to say of a column on a screen of this size.
#[must_use]
pub fn column_state(column: TenantColumn, places: &Places, state: &State) -> ColumnState {
    let tier = list_tier(places);
    let there = present(state);
    if !there.iter().any(|shown| shown.which == column) {
        return ColumnState::Absent;
    }
    let (kept, placed) = placed(parts(places, state).0, tier, state);
    match kept.iter().position(|shown| shown.which == column) {
        None => ColumnState::Hidden,
        Some(index) if placed.iter().any(|place| place.index == index) => ColumnState::Shown,
        Some(_) => ColumnState::NoRoom,
    }
}

/// What values of a row depend on besides the tenant.
struct Look<'a> {
    state: &'a State,
    theme: &'a Theme,
}

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    // How wide it is does not matter to its rows.
    usize::from(tenants_columns(places, 0).0.height.saturating_sub(1))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    if notice::draw_instead(frame, places.body, state, theme) {
        return;
    }
    let (list, detail) = parts(places, state);
    draw_list(frame, list, list_tier(places), state, theme);
    if let Some(detail) = detail {
        super::divider(frame.buffer_mut(), detail, theme);
        tenants_detail::draw(frame, detail, state, theme);
    }
}

/// The list, and the details beside it. The list is as wide as its schemas need, as far as there is room.
fn parts(places: &Places, state: &State) -> (Rect, Option<Rect>) {
    let wanted = match places.tier {
        Tier::Small | Tier::Medium => 0,
        Tier::Wide => needed(&chosen(Tier::Wide, state)) + 1,
    };
    tenants_columns(places, wanted)
}

/// Ranks from here on are columns that came by themselves and go before a schema is cut: the tenant's own page tells them.
const BESIDE: u8 = 5;

/// Columns that most slugs need.
const SLUG: u16 = 24;
/// Columns that a schema has before longer slugs have more.
const SCHEMA: u16 = 16;

/// Columns that these take, without those that go first.
fn needed(columns: &[Shown]) -> u16 {
    let stays = columns.iter().map(|shown| &shown.column).filter(|column| column.drop < BESIDE);
    stays.map(|column| column.min + 1).sum::<u16>() + MARKS
}

/// Gives slugs and schemas what they need of a list so wide, before anything comes by itself beside them: each what most
/// have, then the slugs the rest of theirs, then the schemas.
fn give_names_room(columns: &mut [Shown], width: u16, longest_schema: u16) {
    let mut room = width.saturating_sub(needed(columns) + 1);
    let steps = [
        (TenantColumn::Tenant, SLUG),
        (TenantColumn::Schema, SCHEMA),
        (TenantColumn::Tenant, u16::MAX),
        (TenantColumn::Schema, u16::MAX),
    ];
    for (which, goal) in steps {
        for shown in columns.iter_mut().filter(|shown| shown.which == which) {
            let longest = if which == TenantColumn::Schema { longest_schema } else { shown.column.max };
            let more = longest.min(goal).saturating_sub(shown.column.min).min(room);
            shown.column.min += more;
            room -= more;
        }
    }
}

/// How much fits in the list: all of a wide screen has room for the columns that the detail would have told.
const fn list_tier(places: &Places) -> Tier {
    if places.zoom { Tier::Medium } else { places.tier }
}

fn draw_list(frame: &mut Frame, area: Rect, tier: Tier, state: &State, theme: &Theme) {
    let (columns, placed) = placed(area, tier, state);
    let all: Vec<Column> = columns.iter().map(|shown| shown.column.clone()).collect();
    let buf = frame.buffer_mut();
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let rows = below(area, 1);
    let look = Look { state, theme };
    let list = &state.tenants.list;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(tenant) = state.shown_tenant(at) else { break };
        let cells: Vec<Cell> = columns.iter().map(|shown| (shown.value)(tenant, &look)).collect();
        let mark = RowMark {
            cursor: at == list.at,
            marked: state.tenants.marks.contains(&tenant.key),
            failed: tenant.failed_step.is_some(),
            stale: state.latest.database(&tenant.key.database).is_some_and(stale),
        };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
    if state.tenants.shown.is_empty() {
        notice::nothing_found(buf, rows, state, theme);
    }
}

/// The columns that are wanted, and the places of those that fit.
fn placed(area: Rect, tier: Tier, state: &State) -> (Vec<Shown>, Vec<table::Placed>) {
    let mut columns = chosen(tier, state);
    let all: Vec<Column> = columns.iter().map(|shown| shown.column.clone()).collect();
    let room = if tier == Tier::Wide { area.width.saturating_sub(1) } else { area.width };
    let placed = table::place(&all, MARKS, room);
    if !placed.iter().any(|place| columns[place.index].which == TenantColumn::Status) {
        // Where the status has no column of its own, the state gives way to it.
        for column in columns.iter_mut().filter(|shown| shown.which == TenantColumn::State) {
            column.value = one_word;
        }
    }
    (columns, placed)
}

/// Those that come by themselves on a screen of this size, without the hidden ones, and those that were asked for.
fn chosen(tier: Tier, state: &State) -> Vec<Shown> {
    let choice = &state.tenants.columns;
    let mut columns = present(state);
    let asked = |shown: &Shown| choice.asked.contains(&shown.which);
    columns.retain(|shown| {
        asked(shown)
            || shown.which == TenantColumn::Tenant
            || (by_itself(shown.which, tier) && !choice.hidden.contains(&shown.which))
    });
    for shown in &mut columns {
        // What was asked for stays longer than what came by itself.
        if asked(shown) {
            shown.column.drop = shown.column.drop.min(1);
        }
    }
    let width = match tier {
        Tier::Small => None,
        Tier::Medium => Some(state.size.0),
        Tier::Wide => Some(widest_list(state.size.0)),
    };
    if let Some(width) = width {
        let longest = u16::try_from(state.tenants.extent.schema).unwrap_or(u16::MAX);
        give_names_room(&mut columns, width, longest);
    }
    columns
}

const fn by_itself(column: TenantColumn, tier: Tier) -> bool {
    match (column, tier) {
        (TenantColumn::Status | TenantColumn::Plan | TenantColumn::Owner, Tier::Small | Tier::Wide)
        | (TenantColumn::Created, Tier::Small) => false,
        (
            TenantColumn::Status
            | TenantColumn::Plan
            | TenantColumn::Owner
            | TenantColumn::Created
            | TenantColumn::Tenant
            | TenantColumn::Database
            | TenantColumn::Schema
            | TenantColumn::State
            | TenantColumn::Version
            | TenantColumn::Behind
            | TenantColumn::Size
            | TenantColumn::Keys
            | TenantColumn::Activity,
            Tier::Small | Tier::Medium | Tier::Wide,
        ) => true,
    }
}

/// Every column that this fleet has something for, in the order of the screen.
fn present(state: &State) -> Vec<Shown> {
    let extent = &state.tenants.extent;
    let mut out = vec![Shown {
        which: TenantColumn::Tenant,
        column: Column::wide(title(TenantColumn::Tenant, state), 12, 1_000).up_to(slug_width(extent.slug).max(12)),
        value: |tenant, _| cell(tenant.slug.safe()),
    }];
    if state.several_databases() {
        out.push(Shown {
            which: TenantColumn::Database,
            column: Column::wide(title(TenantColumn::Database, state), 9, 1).up_to(16).droppable(2),
            value: |tenant, _| cell(crate::text::sanitise(&tenant.key.database)),
        });
    }
    out.push(Shown {
        which: TenantColumn::Schema,
        column: Column::wide(title(TenantColumn::Schema, state), 10, 1).droppable(1).showing_ends(),
        value: |tenant, _| tenant.schema.as_ref().map_or_else(|| cell("-"), |schema| cell(schema.safe())),
    });
    standing_columns(&mut out, state);
    registry_columns(&mut out, &|column| title(column, state), extent);
    if extent.created {
        out.push(Shown {
            which: TenantColumn::Created,
            column: Column::fixed(title(TenantColumn::Created, state), 10).droppable(5),
            value: |tenant, _| cell(date(tenant.created_at.as_ref())),
        });
    }
    out
}

/// A heading, with the mark of the order.
fn title(column: TenantColumn, state: &State) -> String {
    let sort = state.tenants.sort;
    let mark = match (sort.column == column, sort.descending) {
        (true, true) => "v",
        (true, false) => "^",
        (false, _) => "",
    };
    format!("{}{mark}", column.word())
}

/// State, version, distance, size, keys.
fn standing_columns(out: &mut Vec<Shown>, state: &State) {
    let extent = &state.tenants.extent;
    let sort = state.tenants.sort.column;
    let words = extent.states.iter().map(|state| state_word(*state).len()).max().unwrap_or(0).clamp(9, 14);
    let least = if sort == TenantColumn::Version { 8 } else { 7 };
    let versions = version_width(extent.version.iter(), least, 20);
    out.push(Shown {
        which: TenantColumn::State,
        column: Column::fixed(title(TenantColumn::State, state), u16::try_from(words).unwrap_or(14)),
        value: state_cell,
    });
    out.push(Shown {
        which: TenantColumn::Version,
        column: Column::fixed(title(TenantColumn::Version, state), versions).at_right(),
        value: |tenant, _| cell(version(tenant.version())),
    });
    out.push(Shown {
        which: TenantColumn::Behind,
        column: Column::fixed(title(TenantColumn::Behind, state), if sort == TenantColumn::Behind { 7 } else { 6 })
            .at_right(),
        value: |tenant, _| cell(behind(tenant)),
    });
    out.push(Shown {
        which: TenantColumn::Size,
        column: Column::fixed(title(TenantColumn::Size, state), 6).at_right().droppable(3),
        value: |tenant, _| cell(size(tenant)),
    });
    if state.latest.databases.iter().any(|database| database.cache != CacheView::NotConfigured) {
        let width = if sort == TenantColumn::Keys { 5 } else { 4 };
        out.push(Shown {
            which: TenantColumn::Keys,
            column: Column::fixed(title(TenantColumn::Keys, state), width).at_right().droppable(4),
            value: keys_cell,
        });
    }
    // What tenants do is read where there is room for it.
    if super::shows_activity(state) {
        out.push(Shown {
            which: TenantColumn::Activity,
            column: Column::fixed(title(TenantColumn::Activity, state), 6).at_right().droppable(4),
            value: |tenant, look| cell(activity::rows(look.state, &tenant.key)),
        });
    }
}

/// What the slugs need: they come first, the schema gets the rest.
fn slug_width(longest: usize) -> u16 {
    // Bytes are never fewer than columns.
    u16::try_from(longest).unwrap_or(u16::MAX).min(40)
}

/// Status, plan and owner, where the registry and the role give them.
fn registry_columns(out: &mut Vec<Shown>, title: &dyn Fn(TenantColumn) -> String, extent: &Extent) {
    if extent.status {
        out.push(Shown {
            which: TenantColumn::Status,
            column: Column::fixed(title(TenantColumn::Status), 9).droppable(6),
            value: |tenant, look| {
                let word: String = tenant.status.as_ref().map_or_else(|| "-".to_owned(), |status| status.safe().into());
                styled(word, if look.state.is_active(tenant) { look.theme.muted } else { look.theme.warn })
            },
        });
    }
    if extent.plan {
        out.push(Shown {
            which: TenantColumn::Plan,
            column: Column::fixed(title(TenantColumn::Plan), 8).droppable(7),
            value: |tenant, _| tenant.plan.as_ref().map_or_else(|| cell("-"), |plan| cell(plan.safe())),
        });
    }
    if extent.owner {
        out.push(Shown {
            which: TenantColumn::Owner,
            column: Column::wide(title(TenantColumn::Owner), 8, 1).up_to(20).droppable(8),
            value: |tenant, _| tenant.owner.as_ref().map_or_else(|| cell("-"), |owner| cell(owner.safe())),
        });
    }
}

fn one_word(tenant: &Tenant, look: &Look<'_>) -> Cell {
    let (word, style) = state_or_status(tenant, look.state, look.theme);
    styled(word, style)
}

fn state_cell(tenant: &Tenant, look: &Look<'_>) -> Cell {
    styled(state_word(tenant.state), state_style(tenant.state, look.theme))
}

/// The count of cache keys; `?` where the cache does not answer, `..` while the first pass runs.
fn keys_cell(tenant: &Tenant, look: &Look<'_>) -> Cell {
    if tenant.cache_keys.is_some() {
        return cell(count(tenant.cache_keys));
    }
    let cache = look.state.latest.database(&tenant.key.database).map(|database| &database.cache);
    match cache {
        Some(CacheView::Counting { .. }) => styled("..", look.theme.muted),
        Some(CacheView::Failed { .. }) => styled("?", look.theme.warn),
        Some(CacheView::NotConfigured | CacheView::Counted { .. }) | None => styled("-", Style::new()),
    }
}
