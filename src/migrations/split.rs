//! Cutting a file into the pieces that are sent as one message each, exactly as its tool does.

use std::sync::Arc;

use super::folder::Statement;
use super::lexer::{Lexer, Token};

/// The text without a byte-order mark, which PostgreSQL takes for a part of the first word.
#[must_use]
pub fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A whole file as one piece; none where it has nothing but space and comments.
#[must_use]
pub fn whole(text: &str) -> Vec<Statement> {
    let part = without_bom(text);
    piece(text, text.len() - part.len(), part).into_iter().collect()
}

/// A part of a file that begins at this offset, as one piece; none where there is nothing to run in it.
#[must_use]
pub fn piece(file: &str, offset: usize, part: &str) -> Option<Statement> {
    let before = file.get(..offset).unwrap_or_default();
    piece_from_line(1 + breaks(before), part)
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

fn piece_from_line(line: u32, part: &str) -> Option<Statement> {
    let start = part.len() - part.trim_start().len();
    let line = line.saturating_add(breaks(&part[..start]));
    let sql = part.trim();
    let runs = Lexer::new(sql).any(|token: Token<'_>| token.is_significant());
    runs.then(|| Statement { line, sql: Arc::from(sql) })
}

/// Migratus: pieces are parted by lines that hold `--;;`. The whole line is the separator, also what stands before the
/// mark; a last line without a line break is none (it is a comment then). Migratus takes comments out before it sends
/// a piece; they are left in here, where they do no harm, because it does not look whether a string holds the dashes.
#[must_use]
pub fn migratus(text: &str) -> Vec<Statement> {
    let text = without_bom(text);
    let mut pieces = Vec::new();
    let (mut from, mut at, mut line, mut first_line) = (0, 0, 1, 1);
    for content in text.split_inclusive('\n') {
        let end = at + content.len();
        line += 1;
        if content.ends_with('\n') && content.contains("--;;") {
            pieces.extend(piece_from_line(first_line, &text[from..at]));
            from = end;
            first_line = line;
        }
        at = end;
    }
    pieces.extend(piece_from_line(first_line, &text[from..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(u32, String)> {
        migratus(text).into_iter().map(|piece| (piece.line, piece.sql.to_string())).collect()
    }

    #[test]
    fn migratus_parts_at_lines_with_the_mark() {
        let found = texts("CREATE TABLE a (id int);\n--;;\n\nCREATE INDEX i ON a (id);\n -- ;; not one\nSELECT 1\n");
        assert_eq!(
            found,
            [
                (1, "CREATE TABLE a (id int);".to_owned()),
                (4, "CREATE INDEX i ON a (id);\n -- ;; not one\nSELECT 1".to_owned())
            ]
        );
    }

    #[test]
    fn migratus_drops_the_whole_line_of_the_mark() {
        assert_eq!(
            texts("SELECT 1;\nSELECT 2; --;; gone\r\nSELECT 3"),
            [(1, "SELECT 1;".to_owned()), (3, "SELECT 3".to_owned())]
        );
    }

    #[test]
    fn a_mark_on_the_last_line_without_a_break_is_a_comment() {
        assert_eq!(texts("SELECT 1\n--;;"), [(1, "SELECT 1\n--;;".to_owned())]);
        assert_eq!(texts("SELECT 1;\n--;;\n--;;\n-- only a comment\n--;;\n"), [(1, "SELECT 1;".to_owned())]);
    }

    #[test]
    fn a_byte_order_mark_is_not_sent() {
        assert_eq!(texts("\u{feff}SELECT 1"), [(1, "SELECT 1".to_owned())]);
        assert_eq!(&*whole("\u{feff}\nSELECT 1\n")[0].sql, "SELECT 1");
        assert_eq!(whole("\u{feff}\nSELECT 1\n")[0].line, 2);
    }

    #[test]
    fn nothing_to_run_is_no_piece() {
        assert!(whole("").is_empty());
        assert!(whole(" -- a comment\n/* another */\n").is_empty());
    }
}
