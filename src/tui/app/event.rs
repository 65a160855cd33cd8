//! Everything that can happen to the dashboard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::fleet::JobContext;
use crate::model::fleet::Snapshot;
use crate::model::job::JobEvent;

/// The time at which an event happened. Carried with it, so that rules about time are tested without a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, for times on the screen.
    pub wall: jiff::Timestamp,
    /// Monotonic, since the dashboard started: for every countdown and timeout.
    pub elapsed: Duration,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A key was pressed (or repeats).
    Key(KeyEvent),
    /// The mouse was pressed, or its wheel turned.
    Mouse(MouseEvent),
    /// Something to say that no key asked for.
    Note(String),
    /// Text was pasted: goes into fields only, never confirms.
    Paste(String),
    /// The terminal has a new size.
    Resize {
        /// Columns; 0 is possible.
        columns: u16,
        /// Rows; 0 is possible.
        rows: u16,
    },
    /// The terminal has to be drawn from scratch: after a suspension.
    Redraw,
    /// The collector has a new picture.
    Snapshot(Arc<Snapshot>),
    /// What jobs are ordered with changed.
    Contexts(Arc<Vec<JobContext>>),
    /// A worker tells something.
    Job(JobEvent),
    /// The end of an export: the written file, or why it failed.
    Exported(Result<PathBuf, String>),
    /// Text was sent to the terminal's clipboard, or why not.
    Copied(Result<usize, String>),
    /// A command could not be put into its queue: what, and why.
    Undelivered {
        /// What was to be done, in words.
        what: String,
        /// Why not: the queue is full, or its worker has ended.
        why: String,
    },
    /// SIGTERM, SIGHUP or SIGINT: the number. The program stops.
    Signal(i32),
    /// Time passed, and something on the screen ages.
    Clock,
}
