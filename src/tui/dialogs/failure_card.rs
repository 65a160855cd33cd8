//! Why one tenant failed in a job, and what can be done about it.
//!
//! ```text
//! +-Job 17, tenant adler-labs----------------------------------------------------+
//! | adler-labs stays at 0040: step 0041 failed, rolled back.                     |
//! |                                                                              |
//! | 55P03  canceling statement due to lock timeout                               |
//! | Blocker    pid 4411  app@web-3  idle in transaction 00:03:12                 |
//! | Statement  2 of 4, line 7: alter table users add column street text          |
//! | Tried      3 times, last 12:04:30.  Others: 61 done, 0 failed, 118 waiting.  |
//! | Same       40 others stand here for this reason; K and T can serve all.      |
//! |                                                                              |
//! | What next  R retry what failed   T retry when the lock is free               |
//! |            K skip tenant   l full log   y copy report   Esc back             |
//! +------------------------------------------------------------------------------+
//! ```

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::card_keys::{Asked, CardKeys};
use super::card_words::wrapped;
use super::parts::{LABEL, Step, button_step, labelled, moved};
use super::scroll::{Scroll, draw_text};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::job::{JobState, JobView, Outcome, TenantOutcome};
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{Piece, boxes, columns, piece, pieces_width, put_fit, put_pieces, put_safe, wrap};

/// Why one tenant failed.
#[derive(Debug, Clone)]
pub struct FailureCard {
    pub(super) job: JobView,
    pub(super) outcome: TenantOutcome,
    /// Schemas of all tenants with the same cause, this one's included.
    pub(super) same: Vec<String>,
    /// The lines of the job's log about this tenant, safe.
    pub(super) log: Vec<String>,
    /// When it was last heard of in the log: `12:04:30`.
    pub(super) last: Option<String>,
    /// `R` was pressed: which of the two buttons is focused.
    asking: Option<usize>,
    /// The log is being read.
    reading: Option<Scroll>,
    /// The keys of what it asks for.
    pub(super) keys: CardKeys,
}

impl FailureCard {
    /// Opens it on one result of a job.
    #[must_use]
    pub fn new((job, outcome): (JobView, TenantOutcome)) -> Self {
        Self {
            job,
            outcome,
            same: Vec::new(),
            log: Vec::new(),
            last: None,
            asking: None,
            reading: None,
            keys: CardKeys::default(),
        }
    }

    /// The tenants that failed for the same reason, this one included.
    #[must_use]
    pub fn with_same(mut self, same: Vec<String>) -> Self {
        self.same = same;
        self
    }

    /// The log's lines about this tenant, and when the last one was.
    #[must_use]
    pub fn with_log(mut self, lines: &[String], last: Option<String>) -> Self {
        self.log = lines.iter().map(|line| sanitise(line)).collect();
        self.last = last;
        self
    }

    /// The keys that the operator has for what the card asks for.
    #[must_use]
    pub fn with_keys(mut self, keys: CardKeys) -> Self {
        self.keys = keys;
        self
    }

    /// The job.
    #[must_use]
    pub const fn job(&self) -> &JobView {
        &self.job
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        if let Some(scroll) = &mut self.reading {
            match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.reading = None,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(scroll.lines().join("\n"))]);
                }
                _ => scroll.key(key),
            }
            return DialogOutcome::Stay;
        }
        if let Some(focus) = self.asking {
            match button_step(key) {
                Step::Press if focus == 1 => {
                    return DialogOutcome::Do(vec![DialogAction::Retry(self.job.database.clone(), self.job.id)]);
                }
                Step::Close | Step::Press => self.asking = None,
                step => self.asking = Some(moved(focus, 2, step)),
            }
            return DialogOutcome::Stay;
        }
        self.card_key(key)
    }

    fn card_key(&mut self, key: KeyEvent) -> DialogOutcome {
        let (database, job) = (self.job.database.clone(), self.job.id);
        let outcome = || Box::new(self.outcome.clone());
        let asked = self.keys.asked(key);
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => DialogOutcome::Close,
            _ if asked == Some(Asked::Retry) && self.can_retry() => {
                self.asking = Some(0);
                DialogOutcome::Stay
            }
            _ if asked == Some(Asked::RetryWhenFree) && self.can_wait() => {
                DialogOutcome::Do(vec![DialogAction::AskRetryWhenFree { database, job, outcome: outcome() }])
            }
            _ if asked == Some(Asked::Skip) && self.can_skip() => {
                DialogOutcome::Do(vec![DialogAction::AskSkip { database, job, outcome: outcome() }])
            }
            _ if asked == Some(Asked::Continue) && self.can_continue() => {
                DialogOutcome::Do(vec![DialogAction::AskContinue(database, job)])
            }
            KeyCode::Char('l') => {
                self.reading = Some(Scroll::of_text(&self.full_log()));
                DialogOutcome::Stay
            }
            KeyCode::Char('y') => DialogOutcome::DoAndStay(vec![DialogAction::Copy(self.report())]),
            _ => DialogOutcome::Stay,
        }
    }

    /// Nobody runs the job now.
    const fn stands(&self) -> bool {
        match self.job.state {
            JobState::Queued | JobState::Running => false,
            JobState::Orphaned | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => true,
        }
    }

    const fn is_open(&self) -> bool {
        match self.job.state {
            JobState::Done | JobState::Cancelled => false,
            JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused | JobState::Failed => true,
        }
    }

    fn can_retry(&self) -> bool {
        self.stands() && self.is_open() && crate::tui::app::causes::wants_decision(self.outcome.outcome)
    }

    pub(super) fn can_wait(&self) -> bool {
        self.is_open() && crate::tui::app::causes::waits_for_lock(&self.outcome)
    }

    pub(super) fn can_skip(&self) -> bool {
        self.is_open() && crate::tui::app::causes::wants_decision(self.outcome.outcome)
    }

    const fn can_continue(&self) -> bool {
        match self.job.state {
            JobState::Paused | JobState::Orphaned => true,
            JobState::Queued | JobState::Running | JobState::Done | JobState::Failed | JobState::Cancelled => false,
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let title = format!("Job {}, tenant {}", self.job.id, self.outcome.slug.safe());
        if let Some(scroll) = &self.reading {
            return draw_text(frame, area, (&format!("Log: {title}"), None), scroll, theme);
        }
        let width = 80.min(area.width);
        let room = usize::from(width.saturating_sub(4));
        let head = wrap(&self.headline(), room);
        let message = self.message(room);
        let facts = wrapped(self.facts(), room.saturating_sub(usize::from(LABEL)));
        let keys = self.keys(room, off.is_some(), theme);
        let below = if self.asking.is_some() { 1 } else { keys.len() + usize::from(off.is_some()) };
        let place = boxes::centred(area, width, columns(head.len() + message.len() + facts.len() + below) + 4);
        let buf = frame.buffer_mut();
        let inside = boxes::draw(buf, place, None, &title, theme);
        let mut y = 0;
        for line in &head {
            put_safe(buf, inside, 0, y, inside.width, line, theme.title, theme);
            y += 1;
        }
        y += 1;
        for line in &message {
            put_safe(buf, inside, 0, y, inside.width, line, theme.error, theme);
            y += 1;
        }
        for (label, value) in &facts {
            labelled(buf, inside, y, (label, value), Style::new(), theme);
            y += 1;
        }
        let last = inside.height.saturating_sub(1);
        if let Some(focus) = self.asking {
            let retry = format!("Retry {} failed", self.job.failed + self.job.blocked);
            let all = [Button { title: "Cancel", off: None }, Button { title: &retry, off }];
            buttons::draw(buf, inside, last, &all, Some(focus), theme);
            return;
        }
        y += 1;
        if let Some(off) = off {
            put_fit(buf, inside, LABEL, y, inside.width, &format!("Writing is off: {off}"), theme.warn);
            y += 1;
        }
        for (row, pieces) in keys.iter().enumerate() {
            if row == 0 {
                put_fit(buf, inside, 0, y, LABEL, "What next", theme.muted);
            }
            put_pieces(buf, inside, LABEL, y, pieces);
            y += 1;
        }
    }

    /// The keys that do something here, in as many rows as they need.
    fn keys(&self, room: usize, off: bool, theme: &Theme) -> Vec<Vec<Piece>> {
        let again = if self.outcome.outcome == Outcome::Unknown { "run again" } else { "retry what failed" };
        let skip = if self.outcome.outcome == Outcome::Unknown { "mark skipped" } else { "skip tenant" };
        let all = [
            (self.can_retry(), true, self.keys.of_asked(Asked::Retry), again),
            (self.can_wait(), true, self.keys.of_asked(Asked::RetryWhenFree), "retry when the lock is free"),
            (self.can_skip(), true, self.keys.of_asked(Asked::Skip), skip),
            (self.can_continue(), true, self.keys.of_asked(Asked::Continue), "continue the job"),
            (true, false, "l", "full log"),
            (true, false, "y", "copy report"),
            (true, false, "Esc", "back"),
        ];
        let mut rows: Vec<Vec<Piece>> = vec![Vec::new()];
        for (_, writes, key, title) in all.into_iter().filter(|(can, ..)| *can) {
            let (key_style, style) = if writes && off { (theme.muted, theme.muted) } else { (theme.key, Style::new()) };
            let pieces = [piece(key, key_style), piece(format!(" {title}"), style)];
            let gap = if rows.last().is_some_and(|row| !row.is_empty()) { "   " } else { "" };
            let wide = rows.last().map_or(0, |row| pieces_width(row)) + gap.len() + pieces_width(&pieces);
            if wide > room.saturating_sub(usize::from(LABEL)) {
                rows.push(Vec::new());
            } else if let Some(row) = rows.last_mut() {
                row.push(piece(gap, Style::new()));
            }
            if let Some(row) = rows.last_mut() {
                row.extend(pieces);
            }
        }
        rows
    }
}
