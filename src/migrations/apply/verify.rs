//! What verifies a migration, in its transaction: a read-only subtransaction that is rolled back whatever it saw.
//!
//! The server restores what was writable when the subtransaction ends; so the ledger's row behind it can be written,
//! and the guard finds everything as the file left it.

use super::run::{Fault, FileEnd, statement};
use super::wire::{Answer, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::postgres::session::TextRow;

/// Opens it.
const OPEN: &str = "SAVEPOINT tenantui_verify; SET TRANSACTION READ ONLY";
/// Takes it back.
const CLOSE: &str = "ROLLBACK TO SAVEPOINT tenantui_verify; RELEASE SAVEPOINT tenantui_verify";

/// What is sent.
pub(super) fn messages(verify: &MigrationFile) -> impl Iterator<Item = &str> {
    std::iter::once(OPEN).chain(verify.statements.iter().map(|statement| &*statement.sql)).chain(std::iter::once(CLOSE))
}

/// What the answers mean: an error fails it, and so does a row whose first column is false or NULL.
pub(super) fn judge(verify: &MigrationFile, answers: Vec<Answer>) -> FileEnd {
    let statements = verify.statements.len();
    for (index, answer) in answers.into_iter().enumerate() {
        // The first and the last answer are those of the subtransaction itself.
        let number = index.checked_sub(1).filter(|number| *number < statements);
        match (answer, number) {
            (Err(Trouble::Lost(why)), _) => return FileEnd::Lost(why),
            (Err(trouble @ Trouble::Server(_)), Some(number)) => {
                return FileEnd::Refused(failed(verify, Fault::of(verify, number, &trouble)));
            }
            (Err(trouble @ Trouble::Server(_)), None) => {
                return FileEnd::Refused(failed(verify, Fault::server(&trouble)));
            }
            (Ok(rows), Some(number)) => {
                if let Some(words) = rows.iter().flatten().find_map(says_no) {
                    let fault = Fault { statement: statement(verify, number, None), ..Fault::ours(words) };
                    return FileEnd::Refused(failed(verify, fault));
                }
            }
            (Ok(_), None) => {}
        }
    }
    FileEnd::Ran
}

/// Why a row fails the whole, where it does. The protocol of simple queries names no types: `f` is what a false is.
fn says_no(row: &TextRow) -> Option<String> {
    match row.text(0) {
        None if row.width() == 0 => None,
        None => Some("its first column is NULL".to_owned()),
        Some("f") => {
            let more: Vec<&str> = (1..row.width()).filter_map(|column| row.text(column)).take(4).collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
            Some(format!("its first column is false{more}"))
        }
        Some(_) => None,
    }
}

/// A verify that writes is refused by the server (25006). That is no server's state which may pass, as it is elsewhere.
fn failed(verify: &MigrationFile, fault: Fault) -> Fault {
    let line = fault.statement.as_ref().map(|statement| format!(":{}", statement.line)).unwrap_or_default();
    let message = format!("verify: {}{line}: {}", verify.below, fault.message.raw());
    let sqlstate = fault.sqlstate.filter(|code| code != "25006");
    Fault { message: message.into(), sqlstate, ..fault }
}
