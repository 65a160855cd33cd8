//! Tables whose columns share the width: fixed ones keep theirs, wide ones share the rest, and where that is not
//! enough the least important ones go.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{columns, put, put_safe, restyle_row};
use crate::text::{fit, width};
use crate::tui::theme::Theme;

/// Columns of the marks at the left of a row: blank, mark, blank.
pub const MARKS: u16 = 3;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The heading, with the mark of the order: `TENANT^`.
    pub title: String,
    /// Numbers stand at the right.
    pub right: bool,
    /// Of texts that are too long the end is shown: they begin alike.
    pub ends: bool,
    /// The fewest columns it can do with.
    pub min: u16,
    /// The most it makes use of.
    pub max: u16,
    /// Its share of what is left over; 0: it stays at `min`.
    pub weight: u16,
    /// Where the width is not enough the highest goes first; 0 never goes.
    pub drop: u8,
}

impl Column {
    /// A column of a fixed width, at the left.
    #[must_use]
    pub fn fixed(title: impl Into<String>, width: u16) -> Self {
        Self { title: title.into(), right: false, ends: false, min: width, max: width, weight: 0, drop: 0 }
    }

    /// A column that takes part in sharing what is left over.
    #[must_use]
    pub fn wide(title: impl Into<String>, min: u16, weight: u16) -> Self {
        Self { title: title.into(), right: false, ends: false, min, max: u16::MAX, weight, drop: 0 }
    }

    /// Its text stands at the right.
    #[must_use]
    pub fn at_right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Of a text that is too long the end is shown.
    #[must_use]
    pub const fn showing_ends(mut self) -> Self {
        self.ends = true;
        self
    }

    /// It takes at most this many columns.
    #[must_use]
    pub const fn up_to(mut self, max: u16) -> Self {
        self.max = max;
        self
    }

    /// It may go; the highest first.
    #[must_use]
    pub const fn droppable(mut self, rank: u8) -> Self {
        self.drop = rank;
        self
    }
}

/// A column that has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which.
    pub index: usize,
    /// Its first column.
    pub x: u16,
    /// Its width.
    pub width: u16,
}

/// Gives columns their places in `room` columns, beginning at `start`, one blank between.
#[must_use]
pub fn place(all: &[Column], start: u16, room: u16) -> Vec<Placed> {
    let mut kept: Vec<usize> = (0..all.len()).collect();
    let need = |kept: &[usize]| -> u32 {
        kept.iter().map(|index| u32::from(all[*index].min) + 1).sum::<u32>() + u32::from(start)
    };
    while need(&kept) > u32::from(room) + 1 {
        let Some(least) =
            kept.iter().copied().filter(|index| all[*index].drop > 0).max_by_key(|index| all[*index].drop)
        else {
            break;
        };
        kept.retain(|index| *index != least);
    }
    let mut widths: Vec<u16> = kept.iter().map(|index| all[*index].min).collect();
    share(all, &kept, &mut widths, (u32::from(room) + 1).saturating_sub(need(&kept)));
    let mut placed = Vec::with_capacity(kept.len());
    let mut x = start;
    for (index, width) in kept.into_iter().zip(widths) {
        if x >= room {
            break;
        }
        let width = width.min(room - x);
        placed.push(Placed { index, x, width });
        x = x.saturating_add(width).saturating_add(1);
    }
    placed
}

/// Shares what is left over by weight; what a full column does not take goes to the others.
fn share(all: &[Column], kept: &[usize], widths: &mut [u16], mut left: u32) {
    while left > 0 {
        let open = |at: usize, widths: &[u16]| all[kept[at]].weight > 0 && widths[at] < all[kept[at]].max;
        let weights: u32 =
            (0..kept.len()).filter(|at| open(*at, widths)).map(|at| u32::from(all[kept[at]].weight)).sum();
        if weights == 0 {
            return;
        }
        let pot = left;
        for at in 0..kept.len() {
            if left > 0 && open(at, widths) {
                let column = &all[kept[at]];
                let part = (pot * u32::from(column.weight) / weights).max(1).min(left);
                let part = part.min(u32::from(column.max - widths[at]));
                widths[at] = widths[at].saturating_add(u16::try_from(part).unwrap_or(u16::MAX));
                left -= part;
            }
        }
    }
}

/// Draws the headings, each over the whole width of its column: what is underlined or clicked is all of it.
pub fn heading(buf: &mut Buffer, area: Rect, y: u16, all: &[Column], placed: &[Placed], style: Style) {
    for place in placed {
        let column = &all[place.index];
        let title = fit(&column.title, usize::from(place.width));
        if !column.title.is_empty() {
            put(buf, area, place.x, y, &" ".repeat(usize::from(place.width)), style);
        }
        put(buf, area, aligned(column, place, &title), y, &title, style);
    }
}

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Safe text.
    pub text: String,
    /// Its style, over the row's.
    pub style: Style,
}

/// A plain cell.
pub fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style: Style::new() }
}

/// A cell with a style.
pub fn styled(text: impl Into<String>, style: Style) -> Cell {
    Cell { text: text.into(), style }
}

/// How a row is shown apart from its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowMark {
    /// The cursor is on it.
    pub cursor: bool,
    /// It is marked.
    pub marked: bool,
    /// Something of it failed.
    pub failed: bool,
    /// What it says may no longer be true.
    pub stale: bool,
}

/// Draws a row. `cells` has one cell for each of `all`.
pub fn row(
    buf: &mut Buffer,
    area: Rect,
    y: u16,
    (all, placed): (&[Column], &[Placed]),
    cells: &[Cell],
    mark: RowMark,
    theme: &Theme,
) {
    if y >= area.height {
        return;
    }
    // The mark at the far left: the cursor hides the others, which then show behind the blank.
    let (first, second) = match (mark.cursor, mark.marked, mark.failed) {
        (true, true, _) => (">", "*"),
        (true, false, true) => (">", "!"),
        (true, false, false) => (">", " "),
        (false, true, true) => ("*", "!"),
        (false, true, false) => ("*", " "),
        (false, false, true) => ("!", " "),
        (false, false, false) => (" ", " "),
    };
    let mark_style = if mark.failed { theme.error } else { theme.mark };
    put(buf, area, 1, y, first, mark_style);
    put(buf, area, 2, y, second, mark_style);
    for place in placed {
        let (Some(cell), column) = (cells.get(place.index), &all[place.index]) else { continue };
        let room = usize::from(place.width);
        let text = if column.ends { fit_end(&cell.text, room) } else { fit(&cell.text, room) };
        let style = if mark.stale { theme.stale } else { cell.style };
        put_safe(buf, area, aligned(column, place, &text), y, place.width, &text, style, theme);
    }
    if mark.cursor {
        restyle_row(buf, area, y, theme.cursor);
    }
}

/// The end of a text that is too long, behind two dots.
fn fit_end(text: &str, room: usize) -> String {
    if width(text) <= room || room < 3 {
        return fit(text, room);
    }
    let mut left = room - 2;
    let end = text.grapheme_indices(true).rev().take_while(|(_, grapheme)| {
        let wide = width(grapheme);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    });
    let at = end.last().map_or(text.len(), |(at, _)| at);
    format!("..{}", &text[at..])
}

fn aligned(column: &Column, place: &Placed, text: &str) -> u16 {
    if column.right { place.x + place.width.saturating_sub(columns(width(text))) } else { place.x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenants() -> Vec<Column> {
        vec![
            Column::wide("TENANT", 12, 2),
            Column::wide("SCHEMA", 12, 1).droppable(1),
            Column::fixed("STATE", 10),
            Column::fixed("VERSION", 7).at_right(),
            Column::fixed("BEHIND", 6).at_right(),
            Column::fixed("SIZE", 6).at_right().droppable(2),
            Column::fixed("KEYS", 4).at_right().droppable(3),
        ]
    }

    fn kept(room: u16) -> Vec<usize> {
        place(&tenants(), MARKS, room).iter().map(|place| place.index).collect()
    }

    #[test]
    fn keys_then_size_then_schema_go() {
        assert_eq!(kept(80), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(kept(65), [0, 1, 2, 3, 4, 5]);
        assert_eq!(kept(60), [0, 1, 2, 3, 4]);
        assert_eq!(kept(56), [0, 1, 2, 3, 4]);
        assert_eq!(kept(50), [0, 2, 3, 4]);
    }

    #[test]
    fn the_rest_is_shared_and_all_of_it_used() {
        let placed = place(&tenants(), MARKS, 80);
        let last = placed.last().expect("columns");
        assert_eq!(last.x + last.width, 80);
    }

    #[test]
    fn the_end_of_what_begins_alike_is_shown() {
        assert_eq!(fit_end("tenant_basalt_games", 11), "..alt_games");
        assert_eq!(fit_end("tenant_a", 11), "tenant_a");
        assert_eq!(fit_end("tenant_日本", 6), "..日本");
        assert_eq!(fit_end("tenant_日本", 5), "..本");
        assert_eq!(fit_end("tenant", 2), "..");
    }

    proptest! {
        #[test]
        fn ends_fit(text in "[a-z日é]{0,12}", room in 0_usize..10) {
            prop_assert!(width(&fit_end(&text, room)) <= room);
        }

        #[test]
        fn columns_never_overlap_nor_leave_the_room(room in 0_u16..300, mins in prop::collection::vec((0_u16..40, 0_u16..4, 0_u8..4), 0..9)) {
            let all: Vec<Column> = mins.iter().map(|(min, weight, drop)| Column { title: "T".into(), right: false, ends: false, min: *min, max: u16::MAX, weight: *weight, drop: *drop }).collect();
            let mut end = 0;
            for place in place(&all, MARKS, room) {
                prop_assert!(place.x >= end);
                prop_assert!(place.x + place.width <= room);
                end = place.x + place.width;
            }
        }
    }
}
