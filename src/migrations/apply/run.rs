//! Runs the statements of files on a session whose transaction is open, and says which of them failed.

use std::time::Duration;

use tokio_postgres::Client;

use super::body::{Body, Of};
use super::guard;
use super::verify;
use super::wire::{self, Answer, Trouble};
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

    /// A refusal of a file's statement, which was sent alone.
    #[must_use]
    pub fn of(file: &MigrationFile, index: usize, trouble: &Trouble) -> Self {
        let position = match trouble {
            Trouble::Server(refused) => refused.position,
            Trouble::Lost(_) => None,
        };
        Self::at(file, index, position, trouble)
    }

    fn at(file: &MigrationFile, index: usize, position: Option<u32>, trouble: &Trouble) -> Self {
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

/// A file, and what is written around it.
pub struct FileRun<'a> {
    /// What stands before it.
    pub before: String,
    /// What every message of it begins with: where that raises, nothing of the message runs. For a file that is sent
    /// before it is known how the one before it ended.
    pub front: String,
    /// The file.
    pub file: &'a MigrationFile,
    /// What verifies it.
    pub verify: Option<&'a MigrationFile>,
    /// What stands behind it: the guard first.
    pub after: String,
}

/// How the statements of a file are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// As its tool sends them: the server shows and logs which of them runs.
    OneByOne,
    /// As few messages as can be told apart afterwards: for many small statements in a schema that is new.
    Together,
}

/// Sends `before`, the statements of the file, what verifies it, and `after` (which opens with the guard), all at once:
/// the server takes them in order, and refuses what stands behind a failure.
pub async fn file(client: &Client, run: &FileRun<'_>, patience: Duration) -> FileEnd {
    let files = Files::new(std::slice::from_ref(run), Sending::OneByOne);
    files.send(client, patience).next().await.unwrap_or(FileEnd::Ran)
}

/// Files that share a transaction, in their order. What stands behind each of them opens with the guard, so nothing of a
/// later file runs where an earlier one left something changed.
pub struct Files<'r> {
    runs: &'r [FileRun<'r>],
    bodies: Vec<Body<'r>>,
}

/// Files that are sent; their ends are asked for one by one.
pub struct Running<'f> {
    files: &'f Files<'f>,
    sent: wire::Sent<'f>,
    at: usize,
}

impl<'r> Files<'r> {
    /// Makes messages of them.
    #[must_use]
    pub fn new(runs: &'r [FileRun<'r>], sending: Sending) -> Self {
        Self { runs, bodies: runs.iter().map(|run| Body::of(run, sending)).collect() }
    }

    /// Sends them all at once: one round trip. `patience` counts for each answer from the one before.
    pub fn send<'f>(&'f self, client: &'f Client, patience: Duration) -> Running<'f> {
        let messages = (0..self.runs.len()).flat_map(|index| self.messages(index));
        Running { files: self, sent: wire::send_all(client, messages, patience), at: 0 }
    }

    fn messages(&self, index: usize) -> impl Iterator<Item = &str> {
        let run = &self.runs[index];
        let verify = run.verify.into_iter().flat_map(verify::messages);
        self.bodies[index]
            .messages
            .iter()
            .map(|message| &*message.sql)
            .chain(verify)
            .chain(std::iter::once(&*run.after))
    }
}

impl Running<'_> {
    /// How the next file ended; `None` when all did. What stands behind a file that did not run is not asked for.
    pub async fn next(&mut self) -> Option<FileEnd> {
        let run = self.files.runs.get(self.at)?;
        let mut answers = Vec::new();
        for _ in self.files.messages(self.at) {
            answers.extend(self.sent.next().await);
        }
        let end = judge(run, &self.files.bodies[self.at], answers);
        self.at += 1;
        Some(end)
    }
}

/// What a verify file says, by itself, within the transaction that is open.
pub(super) async fn verified(client: &Client, verify: &MigrationFile, patience: Duration) -> FileEnd {
    let messages: Vec<&str> = verify::messages(verify).collect();
    verify::judge(verify, wire::ask_in_order(client, &messages, patience).await)
}

fn judge(run: &FileRun<'_>, body: &Body<'_>, mut answers: Vec<Answer>) -> FileEnd {
    let tail = answers.pop().and_then(Result::err);
    let looked = answers.split_off(answers.len().min(body.messages.len()));
    let refused = answers.into_iter().zip(&body.messages).find_map(|(answer, message)| Some((answer.err()?, message)));
    let fault = match refused {
        Some((Trouble::Lost(why), _)) => return FileEnd::Lost(why),
        Some((Trouble::Server(refused), message)) => {
            let (of, position) = message.meant(&refused);
            let trouble = Trouble::Server(refused);
            match of {
                Of::Before => return FileEnd::Refused(Fault::server(&trouble)),
                Of::Statement(index) => Some(Fault::at(run.file, index, position, &trouble)),
            }
        }
        None => None,
    };
    match (behind(fault, tail), run.verify) {
        (FileEnd::Ran, Some(verify)) => verify::judge(verify, looked),
        (end, _) => end,
    }
}

/// What the answer to the guard and what follows it says, with the fault of the file before it.
fn behind(fault: Option<Fault>, tail: Option<Trouble>) -> FileEnd {
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
