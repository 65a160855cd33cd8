//! The message line, and the list of what was said.
//!
//! Info fades. An error stays until the operator presses a key: of what comes meanwhile only another error takes the line,
//! and the news that what it tells of is over. Everything is kept in `:messages`, and the line says how much of it did not
//! get there. An answer to a key always finds the line free, for the key has cleared it.

use std::time::Duration;

use super::App;
use super::state::State;
use crate::model::tenant::DatabaseName;
use crate::text::Untrusted;

/// Messages that are kept.
const MESSAGES: usize = 500;

/// A line that tells the operator something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: jiff::Timestamp,
    /// When, monotonic: for fading.
    pub since: Duration,
    /// How bad.
    pub level: Level,
    /// What failed, why, what to do.
    pub text: Untrusted,
    /// The database whose lost link it tells of: true until that is back.
    pub link_of: Option<DatabaseName>,
}

/// How bad a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Fades after 5 seconds.
    Info,
    /// Stays until a key, or another message.
    Warning,
    /// Stays until a key, or another error.
    Error,
}

impl Level {
    /// Whether it goes by itself.
    #[must_use]
    pub const fn fades(self) -> bool {
        match self {
            Self::Info => true,
            Self::Warning | Self::Error => false,
        }
    }
}

/// Puts a message into the list, and on the line where nothing there has to stay.
fn take(state: &mut State, message: Message) {
    state.messages.push_back(message.clone());
    while state.messages.len() > MESSAGES {
        state.messages.pop_front();
    }
    let Some(shown) = &state.message else {
        state.message = Some(message);
        return;
    };
    let (stays, covers) = match shown.level {
        Level::Error => (true, message.level == Level::Error),
        // What is said in one go: the worst of it.
        Level::Info | Level::Warning => (false, shown.level <= message.level || shown.since != message.since),
    };
    // The line holds one of the two; where an error is about, the other is told of.
    state.kept_back += usize::from(stays);
    if covers {
        state.message = Some(message);
    }
}

impl App {
    /// Puts a line into the message line and into `:messages`.
    pub(super) fn say(&mut self, level: Level, text: impl AsRef<str>) {
        self.say_of(None, level, text);
    }

    /// The same, of a link that is lost.
    pub(super) fn say_lost(&mut self, database: &DatabaseName, text: impl AsRef<str>) {
        self.say_of(Some(database.clone()), Level::Error, text);
    }

    /// What was said of this link is over: the line is free for what follows.
    pub(super) fn link_is_back(&mut self, database: &DatabaseName) {
        if self.state.message.as_ref().is_some_and(|shown| shown.link_of.as_ref() == Some(database)) {
            self.state.message = None;
        }
    }

    fn say_of(&mut self, link_of: Option<DatabaseName>, level: Level, text: impl AsRef<str>) {
        let now = self.state.now;
        let message = Message { at: now.wall, since: now.elapsed, level, text: Untrusted::new(text), link_of };
        take(&mut self.state, message);
        self.dirty = true;
    }

    /// The operator has pressed something: whatever is on the line has been there to be read.
    pub(super) fn hush(&mut self) {
        self.state.message = None;
        self.state.kept_back = 0;
    }
}
