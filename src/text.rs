//! The one choke point between outside text and a terminal.
//!
//! What comes from a database, Redis, a file or a subprocess is [`Untrusted`] until [`Untrusted::safe`] has made
//! [`SafeText`] of it. Characters of the classes Cc, Cf, Zl, Zp, Co and Cn become visible escapes, and at most two
//! combining marks stay on one base. Widths are those of terminals, so that columns stay aligned.

mod human;
mod shell;
mod wrap;

use std::fmt;
use std::sync::Arc;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use human::{
    clock, counted, duration, grouped, human_bytes, rough_time, short_age, short_bytes, short_count, time_left,
};
pub use shell::shell_word;
pub use wrap::wrap;

use crate::sabotage::{self, Safeguard};

/// The most combining marks that stay on one base character.
const MAX_MARKS: usize = 2;

/// Text from outside: data, not yet fit for a terminal. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    /// Takes text from outside.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// The bytes as they came, for comparison, SQL parameters and JSON values; never for a terminal.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text as a terminal may get it.
    #[must_use]
    pub fn safe(&self) -> SafeText {
        SafeText(sanitise(&self.0))
    }

    /// Whether somebody wrote this text: as it is, or as they are shown it, where it has what no terminal gets.
    #[must_use]
    pub fn is_written(&self, written: &str) -> bool {
        self.raw() == written || sanitise(&self.0) == written
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", sanitise(&self.0))
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Text that a terminal may get: no control, format, separator, private or unassigned characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SafeText(String);

impl SafeText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Columns on a terminal.
    #[must_use]
    pub fn width(&self) -> usize {
        width(&self.0)
    }

    /// At most `columns` columns; what is cut ends in `..`. Never splits a grapheme or a cell.
    #[must_use]
    pub fn fit(&self, columns: usize) -> Self {
        Self(fit(&self.0, columns))
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<SafeText> for String {
    fn from(text: SafeText) -> Self {
        text.0
    }
}

/// Whether a character must not reach a terminal, a log or a table.
#[must_use]
pub fn is_unsafe(character: char) -> bool {
    if character.is_ascii() {
        // Most text is ASCII, and the list of a large fleet is megabytes of it.
        return character.is_ascii_control();
    }
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::Surrogate
    )
}

/// Whether a character stands on the one before it: a combining mark, or one with no cell of its own (some vowels and
/// finals of Hangul are letters without one).
fn is_mark(character: char) -> bool {
    !character.is_ascii()
        && (character.width() == Some(0)
            || matches!(
                character.general_category(),
                GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark | GeneralCategory::SpacingMark
            ))
}

/// Whether terminals do not agree on a character's columns: variation selectors and the skin tones of emoji, which only
/// change how the one before looks, and the few letters that are wider than two.
fn has_no_certain_width(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{1f3fb}'..='\u{1f3ff}')
        || character.width().is_some_and(|columns| columns > 2)
}

/// Makes any text safe, as [`Untrusted::safe`] does, for the few places that hold a plain string.
#[must_use]
pub fn sanitise(text: &str) -> String {
    if sabotage::removed(Safeguard::Sanitiser) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.chars() {
        if is_mark(character) && !is_unsafe(character) && !has_no_certain_width(character) {
            marks += 1;
            if marks > MAX_MARKS {
                continue;
            }
            if out.is_empty() {
                // A mark with no base of its own would combine with whatever the screen has before it.
                out.push('\u{25cc}');
            }
            out.push(character);
        } else {
            marks = 0;
            match character {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{1b}' => out.push_str("\\e"),
                other if is_unsafe(other) || has_no_certain_width(other) => {
                    out.push_str(&format!("\\u{{{:x}}}", u32::from(other)))
                }
                other => out.push(other),
            }
        }
    }
    out
}

/// Columns on a terminal of text that is safe: those of its characters. Terminals do not agree on more.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// Safe text in pieces that are drawn as one, each with its columns: graphemes; where one is wider than two columns, or
/// terminals do not agree on its width (some syllables of Indian scripts, of Khmer), its characters with their marks.
pub fn cells(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.graphemes(true).flat_map(|grapheme| {
        let columns = width(grapheme);
        let whole = columns <= 2 && columns == UnicodeWidthStr::width(grapheme);
        let mut rest = grapheme;
        std::iter::from_fn(move || {
            let mut characters = rest.char_indices().skip(1);
            let begins = |at: &(usize, char)| !whole && at.1.width() != Some(0);
            let end = characters.find(begins).map_or(rest.len(), |(index, _)| index);
            let (cell, after) = rest.split_at(end);
            rest = after;
            (!cell.is_empty()).then(|| (cell, width(cell)))
        })
    })
}

/// Cuts text to `columns` columns at a grapheme's edge; what is cut ends in `..`.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let dots = columns.min(2);
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let cells = width(grapheme);
        if used + cells + dots > columns {
            break;
        }
        used += cells;
        out.push_str(grapheme);
    }
    out.push_str(&".."[..dots]);
    out
}

/// JSON text in which unsafe characters are escapes: a JSON reader gets the value unchanged, a terminal never
/// gets the character. `json` must be valid JSON.
#[must_use]
pub fn json_for_terminal(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        // Outside strings JSON has only its own white space, which a writer puts there on purpose.
        if is_unsafe(character) && character != '\n' {
            let mut units = [0_u16; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_become_visible() {
        let text = Untrusted::new("a\u{1b}]52;c;eA==\u{7}b\u{202e}c\nd\u{2028}e\u{e0041}f\u{9b}g");
        assert_eq!(text.safe().as_str(), "a\\e]52;c;eA==\\u{7}b\\u{202e}c\\nd\\u{2028}e\\u{e0041}f\\u{9b}g");
    }

    #[test]
    fn marks_are_capped_and_never_lack_a_base() {
        assert_eq!(Untrusted::new(format!("a{}", "\u{301}".repeat(200))).safe().as_str(), "a\u{301}\u{301}");
        assert_eq!(Untrusted::new("\u{301}a").safe().as_str(), "\u{25cc}\u{301}a");
    }

    #[test]
    fn what_terminals_do_not_agree_on_is_shown_as_an_escape_or_cut_apart() {
        assert_eq!(sanitise("\u{2764}\u{fe0f}"), "\u{2764}\\u{fe0f}");
        assert_eq!(sanitise("\u{1f44d}\u{1f3fd}"), "\u{1f44d}\\u{1f3fd}");
        // Vowels of Hangul are letters without a cell: no more of them than marks.
        assert_eq!(sanitise(&format!("\u{1112}{}", "\u{1161}".repeat(50))), "\u{1112}\u{1161}\u{1161}");
        let pieces: Vec<(&str, usize)> = cells("\u{1780}\u{17d2}\u{1780}e\u{301}\u{65e5}\u{ac9}").collect();
        assert_eq!(
            pieces,
            [("\u{1780}\u{17d2}", 1), ("\u{1780}", 1), ("e\u{301}", 1), ("\u{65e5}", 2), ("\u{ac9}", 1)]
        );
    }

    #[test]
    fn wide_text_is_cut_between_cells() {
        assert_eq!(fit("日本語日本語", 7), "日本..");
        assert_eq!(fit("acme", 4), "acme");
        assert_eq!(fit("acme-corp", 1), ".");
        assert_eq!(fit("acme-corp", 0), "");
    }

    #[test]
    fn json_keeps_its_value_and_loses_its_controls() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{e0041}\u{7f}"});
        let text = json_for_terminal(&serde_json::to_string(&value).expect("json"));
        assert!(!text.chars().any(is_unsafe), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("still json"), value);
    }

    proptest! {
        #[test]
        fn safe_text_has_nothing_unsafe(text in any::<String>()) {
            let safe = Untrusted::new(&text).safe();
            prop_assert!(!safe.as_str().chars().any(is_unsafe));
        }

        #[test]
        fn fitted_text_fits(text in any::<String>(), columns in 0_usize..40) {
            prop_assert!(Untrusted::new(&text).safe().fit(columns).width() <= columns);
        }
    }
}
