//! How a table is brought into the width of a terminal: a row that goes on in the next line is read by nobody.
//!
//! Columns in which nothing is known go first. Then long texts are cut, the widest first; what says least is left out where
//! that is not enough, and texts are cut short at last. What is printed whole has the same width in every row: times,
//! versions, codes.

/// A text that is cut keeps so many columns, as long as there is something else to give up.
const COMFORTABLE: usize = 16;
/// The same of a text that goes on in the lines below.
const WRAPPED: usize = 24;
/// No column that is shown has less, where the terminal has any room at all.
const LEAST: usize = 4;
/// The same of a text that goes on below: most words stay whole.
const LEAST_WRAPPED: usize = 12;
/// Between two columns.
pub(super) const GAP: usize = 2;

/// A column, as far as its width goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// What its widest cell needs, the head included.
    pub(super) natural: usize,
    /// What its head needs.
    pub(super) head: usize,
    /// Whether a cell may be cut: a number may not.
    pub(super) cut: bool,
    /// It has the same width in every row, and is cut last.
    pub(super) whole: bool,
    /// What does not fit goes on in the lines below.
    pub(super) wraps: bool,
    /// Nothing is known in any row.
    pub(super) empty: bool,
    /// Its place among those that are left out for want of room, the first first; those that count nothing before the others.
    pub(super) gives_way: Option<(bool, usize)>,
}

impl Column {
    /// The least that it has while others can still be left out.
    fn comfortable(&self) -> usize {
        let least = if self.wraps { WRAPPED } else { COMFORTABLE };
        if self.cut && !self.whole { self.natural.min(least.max(self.head)) } else { self.natural }
    }

    fn least(&self) -> usize {
        let least = if self.wraps { LEAST_WRAPPED } else { LEAST };
        if self.cut { self.natural.min(least) } else { self.natural }
    }
}

/// The columns that are shown, by their place, with their widths; and those with something in them that are not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shape {
    pub(super) shown: Vec<(usize, usize)>,
    pub(super) left_out: Vec<usize>,
}

/// Brings columns into a width.
pub(super) fn fit(columns: &[Column], width: usize) -> Shape {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needs = |shown: &[usize], of: fn(&Column) -> usize| {
        let cells: usize = shown.iter().map(|at| of(&columns[*at])).sum();
        cells + GAP * shown.len().saturating_sub(1)
    };
    while needs(&shown, |column| column.natural) > width {
        let Some(at) = shown.iter().rposition(|at| columns[*at].empty) else { break };
        shown.remove(at);
    }
    let mut left_out = Vec::new();
    while needs(&shown, Column::comfortable) > width {
        let next = shown.iter().filter_map(|at| Some((columns[*at].gives_way?, *at))).min();
        let Some((_, next)) = next else { break };
        shown.retain(|at| *at != next);
        left_out.push(next);
    }
    left_out.sort_unstable();
    let floor = if needs(&shown, Column::comfortable) > width { Column::least } else { Column::comfortable };
    Shape { shown: cut(columns, &shown, width, floor), left_out }
}

/// Takes from the widest, a column at a time, what is too much.
fn cut(columns: &[Column], shown: &[usize], width: usize, floor: fn(&Column) -> usize) -> Vec<(usize, usize)> {
    let mut widths: Vec<(usize, usize)> = shown.iter().map(|at| (*at, columns[*at].natural)).collect();
    let gaps = GAP * shown.len().saturating_sub(1);
    let mut excess = (widths.iter().map(|(_, width)| width).sum::<usize>() + gaps).saturating_sub(width);
    while excess > 0 {
        let can = widths.iter_mut().filter(|(at, width)| *width > floor(&columns[*at]));
        let Some((_, widest)) = can.max_by_key(|(at, width)| (!columns[*at].whole, *width)) else { break };
        *widest -= 1;
        excess -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(natural: usize) -> Column {
        Column { natural, head: 4, cut: true, whole: false, wraps: false, empty: false, gives_way: None }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let columns = [text(10), text(20)];
        assert_eq!(fit(&columns, 32).shown, [(0, 10), (1, 20)]);
        // Even what nothing is known of.
        let columns = [text(10), Column { empty: true, ..text(20) }];
        assert_eq!(fit(&columns, 32).shown.len(), 2);
        assert_eq!(fit(&columns, 31), Shape { shown: vec![(0, 10)], left_out: Vec::new() });
    }

    #[test]
    fn the_widest_is_cut_before_anything_is_left_out_and_the_least_important_goes_first() {
        let number = Column { cut: false, ..text(8) };
        let columns = [
            text(20),
            text(60),
            Column { gives_way: Some((true, 1)), ..number },
            Column { gives_way: Some((true, 0)), ..number },
        ];
        let shape = fit(&columns, 80);
        assert_eq!((shape.shown[1], shape.left_out.len()), ((1, 38), 0));
        let shape = fit(&columns, 50);
        assert_eq!((shape.shown.last(), shape.left_out.as_slice()), (Some(&(2, 8)), &[3][..]));
        let shape = fit(&columns, 34);
        assert_eq!((shape.shown, shape.left_out), (vec![(0, 16), (1, 16)], vec![2, 3]));
        assert_eq!(fit(&columns, 20).shown, [(0, 9), (1, 9)]);
    }

    proptest! {
        /// As long as every text may be cut, every row fits.
        #[test]
        fn rows_fit(naturals in prop::collection::vec((1_usize..90, any::<bool>(), prop::option::of((any::<bool>(), 0_usize..9))), 1..12),
            width in 20_usize..200) {
            let columns: Vec<Column> = naturals.iter()
                .map(|(natural, wraps, gives_way)| Column { wraps: *wraps, gives_way: *gives_way, ..text(*natural) })
                .collect();
            let shape = fit(&columns, width);
            let total: usize = shape.shown.iter().map(|(_, width)| width).sum();
            let total = total + GAP * shape.shown.len().saturating_sub(1);
            let least = LEAST_WRAPPED * shape.shown.len() + GAP * shape.shown.len().saturating_sub(1);
            prop_assert!(total <= width.max(least), "{total} > {width}: {shape:?}");
            prop_assert!(shape.shown.iter().all(|(at, width)| *width <= columns[*at].natural && *width > 0));
        }
    }
}
