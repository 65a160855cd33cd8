//! Simple queries and what comes back: results by statement, errors told apart by what a worker does about them.

use std::time::Duration;

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
    Trouble::Server(Box::new(Refused { sqlstate: code.to_owned(), message: text, position, in_catalog }))
}

/// Sends one message; one list of rows for each of its statements. No answer within `patience` counts as a lost
/// session: the caller must throw it away.
///
/// # Errors
/// When the server refuses one of the statements, or the session is lost.
pub async fn ask(client: &Client, sql: &str, patience: Duration) -> Result<Vec<Vec<TextRow>>, Trouble> {
    match tokio::time::timeout(patience, client.simple_query(sql)).await {
        Ok(Ok(messages)) => Ok(by_statement(messages)),
        Ok(Err(error)) => Err(trouble(client, &error)),
        Err(_) => Err(Trouble::Lost(Untrusted::new(format!("no answer within {} s", patience.as_secs())))),
    }
}

/// Sends several messages at once and reads their answers in order: one round trip. The server takes them one after
/// another, each as if it had been sent alone. `patience` counts for each answer from the one before.
pub async fn ask_in_order(
    client: &Client,
    messages: &[&str],
    patience: Duration,
) -> Vec<Result<Vec<Vec<TextRow>>, Trouble>> {
    let mut sent = Vec::with_capacity(messages.len());
    for message in messages {
        // A request is written to the session's queue when it is first polled: so the order is certain.
        let mut request = Box::pin(client.simple_query(message));
        let early = futures_util::poll!(request.as_mut());
        sent.push((request, early));
    }
    let mut answers = Vec::with_capacity(messages.len());
    for (request, early) in sent {
        let answer = match early {
            std::task::Poll::Ready(answer) => Ok(answer),
            std::task::Poll::Pending => tokio::time::timeout(patience, request).await,
        };
        answers.push(match answer {
            Ok(Ok(rows)) => Ok(by_statement(rows)),
            Ok(Err(error)) => Err(trouble(client, &error)),
            Err(_) => Err(Trouble::Lost(Untrusted::new(format!("no answer within {} s", patience.as_secs())))),
        });
    }
    answers
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

fn by_statement(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<TextRow>> {
    let mut all = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push(TextRow::new((0..row.len()).map(|index| row.get(index).map(Into::into)).collect()));
            }
            SimpleQueryMessage::CommandComplete(_) => all.push(std::mem::take(&mut rows)),
            // RowDescription, and whatever a later driver adds: nothing of ours.
            _ => {}
        }
    }
    all
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
