//! One reader at a time, replaced before its backend grows: a backend keeps every relation that it ever opened.

use crate::postgres::session::{LinkError, Patience, Reader, Target};

/// Relations after which a session is replaced. A relation costs its backend 6 to 19 kB (performance.md 1), so this
/// stays below 80 MB.
const MOST_RELATIONS: usize = 4_000;

/// A source of readers for one database.
#[derive(Debug)]
pub struct Session {
    target: Target,
    patience: Patience,
    reader: Option<Reader>,
    relations: usize,
}

impl Session {
    /// No connection is made yet.
    #[must_use]
    pub const fn new(target: Target, patience: Patience) -> Self {
        Self { target, patience, reader: None, relations: 0 }
    }

    /// The reader; opened where there is none, it is closed, or it has opened too many relations.
    ///
    /// # Errors
    /// When the server cannot be reached or will not have us.
    pub async fn reader(&mut self) -> Result<&Reader, LinkError> {
        let usable = self.relations < MOST_RELATIONS && self.reader.as_ref().is_some_and(|reader| !reader.is_closed());
        if !usable {
            self.reader = None;
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let reader = Reader::open(&self.target, self.patience).await?;
                self.relations = 0;
                reader
            }
        };
        Ok(self.reader.insert(reader))
    }

    /// The database's configuration.
    #[must_use]
    pub fn config(&self) -> &crate::config::Database {
        &self.target.config
    }

    /// Counts relations that the last questions opened.
    pub const fn opened(&mut self, relations: usize) {
        self.relations += relations;
    }

    /// Drops the connection, so that the next question makes a new one.
    pub fn close(&mut self) {
        self.reader = None;
    }

    /// Waits for the end of the connection, and says why it ended; for ever where there is none.
    pub async fn ended(&self) -> LinkError {
        let Some(reader) = &self.reader else { return std::future::pending().await };
        let mut ended = reader.ended();
        match ended.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            // The task that would say it is gone without a word, which `is_open` tells as well.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Why the connection that there was is gone.
    #[must_use]
    pub fn why_closed(&self) -> Option<LinkError> {
        self.reader.as_ref().and_then(Reader::why_closed)
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| !reader.is_closed())
    }
}
