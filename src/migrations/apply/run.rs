//! Runs the statements of one file on a session whose transaction is open, and says which of them failed.

use std::time::Duration;

use tokio_postgres::Client;

use super::guard;
use super::verify;
use super::wire::{self, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::model::job::FailedStatement;
use crate::text::Untrusted;

/// The longest piece of a statement that is kept for the report.
const MAX_STATEMENT_BYTES: usize = 2048;

/// How a file's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEnd {
    /// All statements and what follows them are through; nothing is committed.
    Ran,
    /// Refused; the transaction is still whole and will be rolled back.
    Refused(Fault),
    /// The file ended the transaction itself: part of it may be committed.
    Escaped(Fault),
    /// The session is gone; the server rolls back.
    Lost(Untrusted),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The server's code.
    pub sqlstate: Option<String>,
    /// Its words, or ours.
    pub message: Untrusted,
    /// Which statement of the file.
    pub statement: Option<FailedStatement>,
    /// The server named a table or an index of its own catalog, not of the tenant's.
    pub in_catalog: bool,
}

impl Fault {
    /// A fault of our own finding.
    #[must_use]
    pub fn ours(message: impl Into<Untrusted>) -> Self {
        Self { sqlstate: None, message: message.into(), statement: None, in_catalog: false }
    }

    /// A refusal of a file's statement.
    #[must_use]
    pub fn of(file: &MigrationFile, index: usize, trouble: &Trouble) -> Self {
        let position = match trouble {
            Trouble::Server(refused) => refused.position,
            Trouble::Lost(_) => None,
        };
        Self { statement: statement(file, index, position), ..Self::server(trouble) }
    }

    /// A refusal outside the file's statements.
    #[must_use]
    pub fn server(trouble: &Trouble) -> Self {
        let in_catalog = match trouble {
            Trouble::Server(refused) => refused.in_catalog,
            Trouble::Lost(_) => false,
        };
        Self {
            sqlstate: trouble.sqlstate().map(str::to_owned),
            message: trouble.message().clone(),
            statement: None,
            in_catalog,
        }
    }
}

/// Sends `before`, each statement of the file as a message of its own, what verifies it, and `after` (which opens with
/// the guard), all at once: the server takes them in order, and refuses what stands behind a failure.
pub async fn file(
    client: &Client,
    before: &str,
    file: &MigrationFile,
    verify: Option<&MigrationFile>,
    after: &str,
    patience: Duration,
) -> FileEnd {
    let mut messages = Vec::with_capacity(file.statements.len() + 2);
    messages.push(before);
    messages.extend(file.statements.iter().map(|statement| &*statement.sql));
    if let Some(verify) = verify {
        messages.extend(verify::messages(verify));
    }
    messages.push(after);
    let mut answers = wire::ask_in_order(client, &messages, patience).await;
    let tail = answers.pop().and_then(Result::err);
    let looked = answers.split_off(answers.len().min(1 + file.statements.len()));
    let mut answers = answers.into_iter().map(Result::err);
    let head = answers.next().flatten();
    let end = judge(file, head, answers, tail);
    match (end, verify) {
        (FileEnd::Ran, Some(verify)) => verify::judge(verify, looked),
        (end, _) => end,
    }
}

/// What a verify file says, by itself, within the transaction that is open.
pub(super) async fn verified(client: &Client, verify: &MigrationFile, patience: Duration) -> FileEnd {
    let messages: Vec<&str> = verify::messages(verify).collect();
    verify::judge(verify, wire::ask_in_order(client, &messages, patience).await)
}

fn judge(
    file: &MigrationFile,
    head: Option<Trouble>,
    body: impl Iterator<Item = Option<Trouble>>,
    tail: Option<Trouble>,
) -> FileEnd {
    if let Some(trouble) = head {
        return match trouble {
            Trouble::Server(_) => FileEnd::Refused(Fault::server(&trouble)),
            Trouble::Lost(why) => FileEnd::Lost(why),
        };
    }
    let failed = body.enumerate().find_map(|(index, trouble)| trouble.map(|trouble| (index, trouble)));
    let fault = match failed {
        Some((_, Trouble::Lost(why))) => return FileEnd::Lost(why),
        Some((index, trouble @ Trouble::Server(_))) => Some(Fault::of(file, index, &trouble)),
        None => None,
    };
    match (fault, tail) {
        (None, None) => FileEnd::Ran,
        (Some(fault), None) => FileEnd::Escaped(fault),
        (_, Some(Trouble::Lost(why))) => FileEnd::Lost(why),
        (fault, Some(Trouble::Server(refused))) => {
            match (fault, guard::reasons(&refused.sqlstate, refused.message.raw())) {
                (fault, Some(reasons)) if guard::escaped(&reasons) => FileEnd::Escaped(fault.unwrap_or_else(|| {
                    Fault::ours(format!("{reasons}; what it committed stays. Repair this tenant by hand"))
                })),
                (Some(fault), _) => FileEnd::Refused(fault),
                (None, Some(reasons)) => FileEnd::Refused(Fault::ours(format!("{reasons}; rolled back"))),
                (None, None) => FileEnd::Refused(Fault::server(&Trouble::Server(refused))),
            }
        }
    }
}

/// Which statement, at which line of the file: the server counts characters within the message.
pub(super) fn statement(file: &MigrationFile, index: usize, position: Option<u32>) -> Option<FailedStatement> {
    let statement = file.statements.get(index)?;
    let before = position.and_then(|at| usize::try_from(at).ok()).map_or(0, |at| {
        statement.sql.chars().take(at.saturating_sub(1)).filter(|character| *character == '\n').count()
    });
    Some(FailedStatement {
        number: u32::try_from(index + 1).unwrap_or(u32::MAX),
        of: u32::try_from(file.statements.len()).unwrap_or(u32::MAX),
        line: statement.line.saturating_add(u32::try_from(before).unwrap_or(0)),
        text: Untrusted::new(wire::cut(&statement.sql, MAX_STATEMENT_BYTES)),
    })
}
