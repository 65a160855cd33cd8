//! Bars of progress and share, and tabs.

use super::{Piece, piece};
use crate::tui::theme::Theme;

/// `[####......]`, `width` columns with its brackets; empty where that is less than 3.
#[must_use]
pub fn progress(done: u64, of: u64, width: u16) -> String {
    bar(done, of, width, '.')
}

/// `[###       ]`: the share of a whole; anything above nothing shows at least one mark, all but everything is not full.
#[must_use]
pub fn share(part: u64, of: u64, width: u16) -> String {
    bar(part, of, width, ' ')
}

fn bar(part: u64, of: u64, width: u16, rest: char) -> String {
    if width < 3 {
        return String::new();
    }
    let inner = usize::from(width) - 2;
    let part = part.min(of);
    let wide = u128::from(part) * inner as u128;
    let mut filled = if of == 0 { 0 } else { usize::try_from(wide / u128::from(of)).unwrap_or(inner) };
    if part > 0 {
        filled = filled.max(1);
    }
    let mut out = String::with_capacity(usize::from(width));
    out.push('[');
    out.extend(std::iter::repeat_n('#', filled));
    out.extend(std::iter::repeat_n(rest, inner - filled));
    out.push(']');
    out
}

/// Values over time, the newest at the right, one column each: `_..:||:._`. Nothing is blank, the highest is `|`.
#[must_use]
pub fn sparkline(values: &[u64], width: u16) -> String {
    const STEPS: [char; 4] = ['_', '.', ':', '|'];
    let shown = &values[values.len().saturating_sub(usize::from(width))..];
    let highest = shown.iter().copied().max().unwrap_or(0);
    let mark = |value: u64| match value {
        0 => ' ',
        value => {
            let step = u128::from(value - 1) * STEPS.len() as u128 / u128::from(highest.max(1));
            STEPS[usize::try_from(step).unwrap_or(0).min(STEPS.len() - 1)]
        }
    };
    let blanks = usize::from(width) - shown.len();
    std::iter::repeat_n(' ', blanks).chain(shown.iter().map(|value| mark(*value))).collect()
}

/// `[Tables]  Migrations  Cache  Jobs`.
#[must_use]
pub fn tabs(words: &[&'static str], chosen: usize, theme: &Theme) -> Vec<Piece> {
    let mut out = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push(piece("  ", theme.muted));
        }
        if index == chosen {
            out.push(piece(format!("[{word}]"), theme.title));
        } else {
            out.push(piece(*word, theme.muted));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_say_what_they_are_given() {
        assert_eq!(progress(61, 180, 20), "[######............]");
        assert_eq!(progress(0, 180, 6), "[....]");
        assert_eq!(progress(180, 180, 6), "[####]");
        assert_eq!(share(1, 10_000, 6), "[#   ]");
        assert_eq!(share(9_999, 10_000, 6), "[### ]");
        assert_eq!(share(0, 0, 6), "[    ]");
        assert_eq!(share(1, 1, 2), "");
    }

    #[test]
    fn a_sparkline_shows_the_newest_at_the_right() {
        assert_eq!(sparkline(&[0, 1, 25, 50, 75, 100], 8), "   __.:|");
        assert_eq!(sparkline(&[100, 1, 4, 4], 3), "_||");
        assert_eq!(sparkline(&[0, 0], 3), "   ");
        assert_eq!(sparkline(&[u64::MAX, 1], 2), "|_");
        assert_eq!(sparkline(&[], 0), "");
    }

    proptest! {
        #[test]
        fn bars_have_the_width_they_were_given(part in any::<u64>(), of in any::<u64>(), width in 3_u16..300) {
            prop_assert_eq!(progress(part, of, width).len(), usize::from(width));
            prop_assert_eq!(sparkline(&[part, of], width).len(), usize::from(width));
        }
    }
}
