//! Simple queries and what comes back: results by statement, errors told apart by what a worker does about them.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::postgres::session::{LinkError, LinkErrorKind, QueryError, TextRow};
use crate::text::Untrusted;

/// Messages of servers are cut here before they are stored or shown.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// What went wrong with a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server refused a statement, and the session lives.
    Server(Box<Refused>),
    /// The session is gone, or did not answer in time and must be thrown away.
    Lost(Untrusted),
}

/// A server's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its code.
    pub sqlstate: String,
    /// Its words, with detail and hint, cut.
    pub message: Untrusted,
    /// Where in the statement: characters from 1.
    pub position: Option<u32>,
    /// The object that it names is of the server's own catalog.
    pub in_catalog: bool,
    /// How many statements of the same message were through before it.
    pub behind: usize,
}

impl Trouble {
    /// The server's code, where it refused.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server(refused) => Some(&refused.sqlstate),
            Self::Lost(_) => None,
        }
    }

    /// The words.
    #[must_use]
    pub fn message(&self) -> &Untrusted {
        match self {
            Self::Server(refused) => &refused.message,
            Self::Lost(why) => why,
        }
    }
}

impl From<Trouble> for QueryError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Server(refused) => Self::Server { sqlstate: refused.sqlstate, message: refused.message },
            Trouble::Lost(message) => Self::Link(LinkError { kind: LinkErrorKind::Unreachable, message }),
        }
    }
}

/// What comes back of a message: one list of rows for each of its statements, or why not.
pub type Answer = Result<Vec<Vec<TextRow>>, Trouble>;

/// Cuts text at a character's edge.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What an error of the driver means.
#[must_use]
pub fn trouble(client: &Client, error: &tokio_postgres::Error) -> Trouble {
    let Some(db) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        return Trouble::Lost(Untrusted::new(cut(&text, MAX_MESSAGE_BYTES)));
    };
    let mut text = cut(db.message(), MAX_MESSAGE_BYTES).to_owned();
    if let Some(detail) = db.detail() {
        text.push_str("; ");
        text.push_str(cut(detail, MAX_MESSAGE_BYTES));
    }
    if let Some(hint) = db.hint() {
        text.push_str("; hint: ");
        text.push_str(cut(hint, MAX_MESSAGE_BYTES));
    }
    let code = db.code().code();
    let text = Untrusted::new(cut(&text, MAX_MESSAGE_BYTES));
    // The session ends with these whatever the driver has noticed so far.
    let fatal = matches!(code, "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03") || code.starts_with("08");
    if fatal || client.is_closed() || db.severity() == "FATAL" || db.severity() == "PANIC" {
        return Trouble::Lost(Untrusted::new(format!("{} ({code})", text.raw())));
    }
    let position = match db.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
        Some(tokio_postgres::error::ErrorPosition::Internal { .. }) | None => None,
    };
    let in_catalog = db.schema() == Some("pg_catalog");
    Trouble::Server(Box::new(Refused { sqlstate: code.to_owned(), message: text, position, in_catalog, behind: 0 }))
}

/// Sends one message; one list of rows for each of its statements. No answer within `patience` counts as a lost
/// session: the caller must throw it away.
///
/// # Errors
/// When the server refuses one of the statements, or the session is lost.
pub async fn ask(client: &Client, sql: &str, patience: Duration) -> Result<Vec<Vec<TextRow>>, Trouble> {
    within(patience, answer(client, sql)).await
}

/// Sends several messages at once and reads their answers in order: one round trip. The server takes them one after
/// another, each as if it had been sent alone. `patience` counts for each answer from the one before.
pub async fn ask_in_order(client: &Client, messages: &[&str], patience: Duration) -> Vec<Answer> {
    let mut sent = send_all(client, messages.iter().copied(), patience);
    let mut answers = Vec::with_capacity(messages.len());
    while let Some(answer) = sent.next().await {
        answers.push(answer);
    }
    answers
}

/// Messages that are sent; their answers are asked for one by one.
pub struct Sent<'m> {
    requests: VecDeque<Request<'m>>,
    patience: Duration,
}

/// One of them, and its answer where that was there at once.
type Request<'m> = (BoxFuture<'m, Answer>, Poll<Answer>);

/// Sends several messages at once: see [`ask_in_order`].
pub fn send_all<'m>(client: &'m Client, messages: impl IntoIterator<Item = &'m str>, patience: Duration) -> Sent<'m> {
    let mut nobody = Context::from_waker(Waker::noop());
    let requests = messages.into_iter().map(|message| {
        // A request is written to the session's queue when it is first polled: so the order is certain.
        let mut request: BoxFuture<'m, Answer> = Box::pin(answer(client, message));
        let early = request.as_mut().poll(&mut nobody);
        (request, early)
    });
    Sent { requests: requests.collect(), patience }
}

impl Sent<'_> {
    /// The next answer; `None` when all are there.
    pub async fn next(&mut self) -> Option<Answer> {
        let (request, early) = self.requests.pop_front()?;
        match early {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => Some(within(self.patience, request).await),
        }
    }
}

async fn within(patience: Duration, answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(Trouble::Lost(Untrusted::new(format!("no answer within {} s", patience.as_secs())))))
}

/// One list of rows for each statement of a message. A refusal says how many were through before it.
async fn answer(client: &Client, sql: &str) -> Answer {
    let mut all = Vec::new();
    let mut rows = Vec::new();
    let refused = |error: tokio_postgres::Error, behind: usize| match trouble(client, &error) {
        Trouble::Server(refused) => Trouble::Server(Box::new(Refused { behind, ..*refused })),
        lost @ Trouble::Lost(_) => lost,
    };
    let stream = client.simple_query_raw(sql).await.map_err(|error| refused(error, 0))?;
    let mut stream = pin!(stream);
    while let Some(message) = stream.next().await {
        match message {
            Ok(SimpleQueryMessage::Row(row)) => {
                rows.push(TextRow::new((0..row.len()).map(|index| row.get(index).map(Into::into)).collect()));
            }
            Ok(SimpleQueryMessage::CommandComplete(_)) => all.push(std::mem::take(&mut rows)),
            // RowDescription, and whatever a later driver adds: nothing of ours.
            Ok(_) => {}
            Err(error) => return Err(refused(error, all.len())),
        }
    }
    Ok(all)
}

/// Sends what a question needs before it (a clean session, an open transaction) and the question, at once: the answer to
/// the last. A session on which one of the others is refused is none to work on, and counts as lost.
///
/// # Errors
/// When the server refuses the question, or the session is lost.
pub async fn ask_behind(client: &Client, messages: &[&str], patience: Duration) -> Result<Vec<Vec<TextRow>>, Trouble> {
    let mut answers = ask_in_order(client, messages, patience).await;
    let last = answers.pop();
    if let Some(trouble) = answers.into_iter().find_map(Result::err) {
        return Err(Trouble::Lost(trouble.message().clone()));
    }
    last.unwrap_or_else(|| Err(Trouble::Lost(Untrusted::new("no answer"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
