//! Why one tenant failed in a job, and what can be done about it.
//!
//! ```text
//! +-Job 17, tenant adler-labs----------------------------------------------------+
//! | adler-labs stays at 0040: step 0041 failed, rolled back.                     |
//! |                                                                              |
//! | 55P03  canceling statement due to lock timeout                               |
//! | Blocker    pid 4411  app@web-3  idle in transaction 00:03:12                 |
//! | Statement  2 of 4, line 7: alter table users add column street text          |
//! | Tried      3 times.  Other tenants: 61 done, 118 waiting.                    |
//! |                                                                              |
//! | What next  R retry the failed   y copy report   Esc back                     |
//! +------------------------------------------------------------------------------+
//! ```

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, labelled, moved};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::job::{JobView, Outcome, TenantOutcome};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{Piece, boxes, columns, piece, put_pieces, put_safe, wrap};

/// Why one tenant failed.
#[derive(Debug, Clone)]
pub struct FailureCard {
    job: JobView,
    outcome: TenantOutcome,
    /// `R` was pressed: which of the two buttons is focused.
    asking: Option<usize>,
}

impl FailureCard {
    /// Opens it on one result of a job.
    #[must_use]
    pub fn new((job, outcome): (JobView, TenantOutcome)) -> Self {
        Self { job, outcome, asking: None }
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
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
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => DialogOutcome::Close,
            KeyCode::Char('R') if self.can_retry() => {
                self.asking = Some(0);
                DialogOutcome::Stay
            }
            KeyCode::Char('y') => DialogOutcome::DoAndStay(vec![DialogAction::Copy(self.report())]),
            _ => DialogOutcome::Stay,
        }
    }

    fn can_retry(&self) -> bool {
        match self.outcome.outcome {
            Outcome::Failed | Outcome::Blocked | Outcome::Unknown => true,
            Outcome::Running | Outcome::Pending | Outcome::LeftOut | Outcome::Skipped | Outcome::Done => false,
        }
    }

    /// What happened, in one sentence.
    fn headline(&self) -> String {
        let outcome = &self.outcome;
        let slug = outcome.slug.safe();
        let at = outcome
            .version
            .as_ref()
            .map_or_else(|| "without a version".to_owned(), |v| format!("at {}", v.untrusted().safe()));
        let step = outcome.failure.as_ref().and_then(|failure| failure.version.as_ref());
        let step = step.map_or_else(|| "a step".to_owned(), |version| format!("step {}", version.untrusted().safe()));
        match outcome.outcome {
            Outcome::Failed => format!("{slug} stays {at}: {step} failed, rolled back."),
            Outcome::Blocked => format!("{slug} stays {at}: a lock kept {step} out; nothing was changed."),
            Outcome::Unknown => {
                format!("{slug}: it is not known whether {step} was done; the ledger decides at the next run.")
            }
            Outcome::LeftOut => format!("{slug} stays {at}: it was left out of the plan."),
            Outcome::Running | Outcome::Pending | Outcome::Skipped | Outcome::Done => {
                format!("{slug} stands {at}: {}.", outcome.outcome.word())
            }
        }
    }

    /// The counts of the job's other tenants.
    fn others(&self) -> String {
        let job = &self.job;
        format!("Other tenants: {} done, {} failed, {} waiting.", job.done, job.failed.saturating_sub(1), job.pending)
    }

    /// The report for the clipboard: safe lines.
    fn report(&self) -> String {
        let mut lines = vec![
            format!(
                "job {} ({} {}), tenant {}, schema {}",
                self.job.id,
                self.job.kind.word(),
                self.job.what.safe(),
                self.outcome.slug.safe(),
                self.outcome.schema.safe()
            ),
            self.headline(),
        ];
        if let Some(failure) = &self.outcome.failure {
            let code = failure.sqlstate.as_deref().map(crate::text::sanitise).unwrap_or_default();
            lines.push(format!("{code} {}", failure.message.safe()).trim().to_owned());
            if let Some(blocker) = &failure.blocker {
                lines.push(format!("blocker: {}", blocker.safe()));
            }
            if let Some(statement) = &failure.statement {
                lines.push(format!(
                    "statement {} of {}, line {}: {}",
                    statement.number,
                    statement.of,
                    statement.line,
                    statement.text.safe()
                ));
            }
            lines.push(format!("tried {} times", failure.tries));
        }
        lines.join("\n")
    }

    /// The lines below the message: label and value.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(failure) = &self.outcome.failure {
            if let Some(blocker) = &failure.blocker {
                facts.push(("Blocker", blocker.safe().into()));
            }
            if let Some(statement) = &failure.statement {
                let text = statement.text.safe();
                facts.push((
                    "Statement",
                    format!("{} of {}, line {}: {text}", statement.number, statement.of, statement.line),
                ));
            }
            let times = if failure.tries == 1 { "once".to_owned() } else { format!("{} times", failure.tries) };
            facts.push(("Tried", format!("{times}.  {}", self.others())));
        } else {
            facts.push(("Job", self.others()));
        }
        facts
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let width = 80.min(area.width);
        let room = usize::from(width.saturating_sub(4));
        let head = wrap(&self.headline(), room);
        let message = self.outcome.failure.as_ref().map(|failure| {
            let code = failure
                .sqlstate
                .as_deref()
                .map(|code| format!("{}  ", crate::text::sanitise(code)))
                .unwrap_or_default();
            let mut lines = wrap(&format!("{code}{}", failure.message.safe()), room);
            if lines.len() > 6 {
                lines.truncate(5);
                lines.push("(cut; y copies all of it)".to_owned());
            }
            lines
        });
        let message = message.unwrap_or_else(|| vec!["No failure was recorded.".to_owned()]);
        let facts = self.facts();
        let height = columns(head.len() + message.len() + facts.len()) + 5;
        let place = boxes::centred(area, width, height);
        let buf = frame.buffer_mut();
        let title = format!("Job {}, tenant {}", self.job.id, self.outcome.slug.safe());
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
            let all = [Button { title: "Cancel", off: None }, Button { title: &retry, off: None }];
            buttons::draw(buf, inside, last, &all, Some(focus), theme);
        } else {
            put_pieces(buf, inside, 0, last, &self.keys(theme));
        }
    }

    fn keys(&self, theme: &Theme) -> Vec<Piece> {
        let mut out = vec![piece("What next  ", theme.muted)];
        if self.can_retry() {
            out.push(piece("R", theme.key));
            out.push(piece(" retry what failed   ", Style::new()));
        }
        for (key, title) in [("y", " copy report   "), ("Esc", " back")] {
            out.push(piece(key, theme.key));
            out.push(piece(title, Style::new()));
        }
        out
    }
}
