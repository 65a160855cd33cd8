//! Runs the statements of files on a session whose transaction is open, and says which of them failed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::body::{self, Message, Of, Part};
use super::guard;
use super::step::BOOKKEEPING;
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
    /// What its messages begin with where no guard stands before them: where it raises, nothing of the message runs. For
    /// a file that is sent before it is known how the one before it ended.
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
    let mut running = files.send(client, patience);
    while let Some(Told { end, .. }) = running.next().await {
        if end != FileEnd::Ran {
            return end;
        }
    }
    FileEnd::Ran
}

/// Files that share a transaction, in their order. What stands behind each of them opens with the guard, and is where it can
/// be in front of the next one's message: nothing of a later file runs where an earlier one left something changed.
pub struct Files<'r> {
    runs: &'r [FileRun<'r>],
    messages: Vec<Message<'r>>,
}

/// What is known of a file that was sent.
pub struct Told {
    /// Which, from 0.
    pub file: usize,
    /// How it ended. `Ran`: its statements are through; what is found behind them may still be told of it.
    pub end: FileEnd,
    /// How long it took since the one before.
    pub took: Duration,
}

/// Files that are sent; what becomes of them is asked for one by one.
pub struct Running<'f> {
    files: &'f Files<'f>,
    sent: wire::Sent<'f>,
    /// The next message to be answered.
    at: usize,
    /// When something was told last.
    since: Instant,
    /// The last file that was told to have run.
    ran: Option<usize>,
    /// Which file failed and why, before it is known what it left.
    fault: Option<(usize, Fault)>,
    /// What verifies the file said.
    looked: Vec<Answer>,
    /// What nobody asked for yet.
    told: VecDeque<Told>,
}

impl<'r> Files<'r> {
    /// Makes messages of them.
    #[must_use]
    pub fn new(runs: &'r [FileRun<'r>], sending: Sending) -> Self {
        Self { runs, messages: body::messages(runs, sending) }
    }

    /// Sends them all at once: one round trip. `patience` counts for each answer from the one before.
    pub fn send<'f>(&'f self, client: &'f Client, patience: Duration) -> Running<'f> {
        let messages = self.messages.iter().map(|message| &*message.sql);
        Running {
            files: self,
            sent: wire::send_all(client, messages, patience),
            at: 0,
            since: Instant::now(),
            ran: None,
            fault: None,
            looked: Vec::new(),
            told: VecDeque::new(),
        }
    }
}

impl Running<'_> {
    /// What is known next; `None` when all is told. Each file is told once to have run, in their order, or how the first one
    /// ended that did not: what stands behind that is not asked for. Where a message is refused for how its text reads, the
    /// guard in front of it was not asked, and what the file before left is for the server to say: see [`refused`].
    pub async fn next(&mut self) -> Option<Told> {
        while self.told.is_empty() {
            let message = self.files.messages.get(self.at)?;
            let answer = self.sent.next().await?;
            self.at += 1;
            self.heard(message, answer);
        }
        self.told.pop_front()
    }

    fn heard(&mut self, message: &Message<'_>, answer: Answer) {
        let refused = match answer {
            Ok(rows) => {
                if let [Part { of: Of::Verify(_), .. }] = *message.parts {
                    self.looked.push(Ok(rows));
                }
                return message.parts.iter().for_each(|part| self.passed(*part));
            }
            Err(Trouble::Lost(why)) => {
                let file = message.parts.last().map_or(0, |part| part.file);
                return self.tell(file, FileEnd::Lost(why));
            }
            Err(Trouble::Server(refused)) => refused,
        };
        let (index, position) = message.meant(&refused);
        // Where the message was refused for how its text reads, nothing of it ran. A fault that waits goes on waiting.
        if refused.behind > 0 || self.fault.is_none() {
            message.parts[..index].iter().for_each(|part| self.passed(*part));
        }
        self.refused(message.parts[index], position, Trouble::Server(refused));
    }

    fn passed(&mut self, part: Part) {
        let run = &self.files.runs[part.file];
        match part.of {
            Of::Statement(index) => {
                // What verifies it, and what it left, decides where there is more to come.
                if self.fault.is_none() && run.verify.is_none() && index + 1 == run.file.statements.len() {
                    self.tell(part.file, FileEnd::Ran);
                }
            }
            Of::After => match (self.fault.take(), run.verify) {
                (Some((file, fault)), _) => self.tell(file, FileEnd::Escaped(fault)),
                (None, Some(verify)) => {
                    let end = verify::judge(verify, std::mem::take(&mut self.looked));
                    self.tell(part.file, end);
                }
                (None, None) if self.ran != Some(part.file) => self.tell(part.file, FileEnd::Ran),
                (None, None) => {}
            },
            Of::Front | Of::Before | Of::Verify(_) => {}
        }
    }

    fn refused(&mut self, part: Part, position: Option<u32>, trouble: Trouble) {
        match part.of {
            Of::Before => self.tell(part.file, FileEnd::Refused(Fault::server(&trouble))),
            Of::Statement(index) => {
                let run = &self.files.runs[part.file];
                self.fault.get_or_insert_with(|| (part.file, Fault::at(run.file, index, position, &trouble)));
            }
            Of::Verify(_) => self.looked.push(Err(trouble)),
            Of::Front | Of::After => {
                let (file, fault) = self.fault.take().map_or((part.file, None), |(file, fault)| (file, Some(fault)));
                self.tell(file, behind(fault, trouble));
            }
        }
    }

    fn tell(&mut self, file: usize, end: FileEnd) {
        if end == FileEnd::Ran {
            self.ran = Some(file);
        }
        self.told.push_back(Told { file, end, took: self.since.elapsed() });
        self.since = Instant::now();
    }
}

/// What a verify file says, by itself, within the transaction that is open.
pub(super) async fn verified(client: &Client, verify: &MigrationFile, patience: Duration) -> FileEnd {
    let messages: Vec<&str> = verify::messages(verify).collect();
    verify::judge(verify, wire::ask_in_order(client, &messages, patience).await)
}

/// What the refusal of a guard, or of what stands behind it, says, with the fault of the file before it.
fn behind(fault: Option<Fault>, trouble: Trouble) -> FileEnd {
    let refused = match trouble {
        Trouble::Lost(why) => return FileEnd::Lost(why),
        Trouble::Server(refused) => refused,
    };
    match (fault, guard::reasons(&refused.sqlstate, refused.message.raw())) {
        (fault, Some(reasons)) if guard::escaped(&reasons) => {
            FileEnd::Escaped(fault.unwrap_or_else(|| {
                Fault::ours(format!("{reasons}; what it committed stays. Repair this tenant by hand"))
            }))
        }
        (Some(fault), _) => FileEnd::Refused(fault),
        (None, Some(reasons)) => FileEnd::Refused(Fault::ours(format!("{reasons}; rolled back"))),
        (None, None) => FileEnd::Refused(Fault::server(&Trouble::Server(refused))),
    }
}

/// What the refusal of one of several files comes to: `Escaped` where one of them had ended the transaction `xid` before the
/// guard was asked. Rolls back first.
pub async fn refused(client: &Client, xid: &str, fault: Fault) -> FileEnd {
    let question = format!("SELECT pg_catalog.txid_status({})", xid.parse::<u64>().unwrap_or_default());
    // The answer to ROLLBACK is its own matter: outside of a transaction the server only warns.
    let mut answers = wire::ask_in_order(client, &["ROLLBACK", &question], BOOKKEEPING).await;
    match answers.pop() {
        Some(Ok(rows)) if rows.iter().flatten().any(|row| row.text(0) == Some("committed")) => FileEnd::Escaped(fault),
        Some(Err(Trouble::Lost(why))) => FileEnd::Lost(why),
        Some(Ok(_) | Err(Trouble::Server(_))) | None => FileEnd::Refused(fault),
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
