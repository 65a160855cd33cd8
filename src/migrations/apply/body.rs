//! Files as messages, and which part of a message a refusal means.

use std::borrow::Cow;

use super::run::{FileRun, Sending};
use super::verify;
use super::wire::Refused;
use crate::migrations::folder::MigrationFile;
use crate::migrations::lexer::{Kind, Lexer, Statements, Token};

/// What parts two statements of one message: on a line of its own, behind whatever comment the first ends with.
const PARTING: &str = "\n;\n";

/// One message.
pub(super) struct Message<'a> {
    pub(super) sql: Cow<'a, str>,
    /// In the order of the message.
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Which file it belongs to, from 0.
    pub(super) file: usize,
    pub(super) of: Of,
    /// Where it begins, in bytes.
    from: usize,
}

/// What a part of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// The guard before statements that are sent before it is known how the file before them ended.
    Front,
    /// What stands before the file.
    Before,
    /// The file's statement of this number, from 0.
    Statement(usize),
    /// What verifies it: the message of this number, from 0.
    Verify(usize),
    /// What stands behind the file.
    After,
}

/// The messages of files that share a transaction.
pub(super) fn messages<'a>(runs: &'a [FileRun<'_>], sending: Sending) -> Vec<Message<'a>> {
    let mut messages = Vec::new();
    let mut behind: Option<Message<'a>> = None;
    for (file, run) in runs.iter().enumerate() {
        let one = |of: Of, sql: &'a str| Some((file, of, sql)).filter(|_| !sql.is_empty());
        let statements = run
            .file
            .statements
            .iter()
            .enumerate()
            .map(|(index, statement)| (file, Of::Statement(index), &*statement.sql));
        let (front, before) = (one(Of::Front, &run.front), one(Of::Before, &run.before));
        let together = match sending {
            Sending::Together => is_told_apart(run.file),
            Sending::OneByOne => false,
        };
        if together {
            // What stands behind the file before it opens with a guard of its own.
            let front = front.filter(|_| behind.is_none());
            messages.extend(joined(behind.take(), front.into_iter().chain(before).chain(statements)));
        } else {
            messages.extend(behind.take());
            messages.extend(joined(None, front.into_iter().chain(before)).filter(|_| before.is_some()));
            messages.extend(statements.filter_map(|statement| joined(None, front.into_iter().chain([statement]))));
        }
        let verify = run.verify.into_iter().flat_map(verify::messages).enumerate();
        messages.extend(verify.filter_map(|(index, sql)| joined(None, [(file, Of::Verify(index), sql)].into_iter())));
        behind = joined(None, one(Of::After, &run.after).into_iter());
    }
    messages.extend(behind);
    messages
}

/// Parts behind what there is of a message.
fn joined<'a>(message: Option<Message<'a>>, parts: impl Iterator<Item = (usize, Of, &'a str)>) -> Option<Message<'a>> {
    parts.fold(message, |message, (file, of, sql)| match message {
        None => Some(Message { sql: Cow::Borrowed(sql), parts: vec![Part { file, of, from: 0 }] }),
        Some(Message { sql: before, mut parts }) => {
            parts.push(Part { file, of, from: before.len() + PARTING.len() });
            Some(Message { sql: Cow::Owned(format!("{before}{PARTING}{sql}")), parts })
        }
    })
}

/// Whether the statements of a file can share a message: the server must see each of them end where its tool ends it, and
/// answer it with one answer, by which they are counted.
fn is_told_apart(file: &MigrationFile) -> bool {
    file.statements.len() == 1 || file.statements.iter().all(|statement| is_one(&statement.sql))
}

fn is_one(sql: &str) -> bool {
    // Where `standard_conforming_strings` is off a backslash hides the quote behind it.
    let certain = |token: Token<'_>| {
        token.closed && !(token.kind == Kind::Text && token.text.starts_with('\'') && token.text.contains('\\'))
    };
    Lexer::new(sql).all(certain) && count(sql) == 1
}

/// How many statements there are in a text.
fn count(sql: &str) -> usize {
    let mut statements = Statements::default();
    let (mut count, mut is_open) = (0, false);
    for token in Lexer::new(sql).filter(|token| token.is_significant()) {
        let ends = statements.ends_with(&token);
        count += usize::from(ends && is_open);
        is_open = !ends;
    }
    count + usize::from(is_open)
}

impl Message<'_> {
    /// Which part a refusal of this message means, and at which character of it, from 1.
    pub(super) fn meant(&self, refused: &Refused) -> (usize, Option<u32>) {
        let counted = self.counted(refused.behind);
        let Some((placed, position)) = refused.position.and_then(|position| self.placed(position)) else {
            return (counted, None);
        };
        // A message is read as a whole before anything of it runs: what stands last may be refused first.
        let certain = placed == counted || (refused.behind == 0 && placed > counted);
        if certain { (placed, Some(position)) } else { (counted, None) }
    }

    /// The part of the statement behind so many.
    fn counted(&self, behind: usize) -> usize {
        let mut through = 0;
        let ends = self.parts.iter().skip(1).map(|part| part.from);
        let until = self.parts.iter().zip(ends).position(|(part, end)| {
            through += count(&self.sql[part.from..end]);
            behind < through
        });
        until.unwrap_or(self.parts.len() - 1)
    }

    /// The part at this character of the message, from 1, and which character of the part it is.
    fn placed(&self, position: u32) -> Option<(usize, u32)> {
        let characters = usize::try_from(position).ok()?.checked_sub(1)?;
        let byte = self.sql.char_indices().nth(characters).map_or(self.sql.len(), |(byte, _)| byte);
        let placed = self.parts.iter().rposition(|part| part.from <= byte)?;
        let before = self.sql[..self.parts[placed].from].chars().count();
        Some((placed, position.checked_sub(u32::try_from(before).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Untrusted;

    fn refused(behind: usize, position: Option<u32>) -> Refused {
        Refused { sqlstate: "42601".to_owned(), message: Untrusted::new(""), position, in_catalog: false, behind }
    }

    fn message() -> Message<'static> {
        let parts = [
            (0, Of::Before, "CREATE TABLE l (); INSERT INTO l VALUES (';');"),
            (0, Of::Statement(0), "CREATE TABLE ä (id int) -- one;"),
            (0, Of::Statement(1), "CREATE INDEX ON ä (id);"),
        ];
        joined(None, parts.into_iter()).expect("parts")
    }

    #[test]
    fn what_is_refused_is_told_by_what_was_through_before_it() {
        let message = message();
        let meant: Vec<usize> = (0..5).map(|behind| message.meant(&refused(behind, None)).0).collect();
        assert_eq!(meant, [0, 0, 1, 2, 2]);
    }

    #[test]
    fn a_place_in_the_message_is_one_in_its_statement() {
        let message = message();
        let at = |text: &str| {
            let byte = message.sql.find(text).expect("is in it");
            Some(u32::try_from(message.sql[..byte].chars().count() + 1).expect("short"))
        };
        assert_eq!(message.meant(&refused(3, at("INDEX"))), (2, Some(8)));
        assert_eq!(message.meant(&refused(2, at("ä"))), (1, Some(14)));
        // The server reads all of it first, and refuses its last statement before the first has run.
        assert_eq!(message.meant(&refused(0, at("INDEX"))), (2, Some(8)));
        // A place in a text that the server made itself is none in the message.
        assert_eq!(message.meant(&refused(3, Some(2))), (2, None));
        assert_eq!(message.meant(&refused(2, Some(9_999))), (1, None));
    }

    #[test]
    fn only_what_ends_where_its_tool_ends_it_shares_a_message() {
        for sql in ["SELECT 1", "SELECT 1;", "SELECT 1; -- ;", "DO $$ BEGIN; END $$;", "SELECT E'\\';'", "SELECT ';'"] {
            assert!(is_one(sql), "{sql}");
        }
        for sql in ["SELECT 1; SELECT 2", "SELECT '", "/* ", "SELECT $$ ;", "SELECT '\\'", "-- nothing", ";"] {
            assert!(!is_one(sql), "{sql}");
        }
    }
}
