//! Stops a job after its current tenants; where it is stopping already, cancels the statements that run now.
//!
//! ```text
//! +-[PROD] Stop job 17---------------------------------------------------+
//! | migrate 180 tenants to 0042: 61 done, 1 failed, 118 waiting.         |
//! | By ana, runs on app3 4411.                                           |
//! | The tenants that run now finish; the others stay as they are.        |
//! | What is done stays done. The rest can be ordered again later.        |
//! |                                                                      |
//! | [ Go on ]   Stop the job                                             |
//! +----------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, lines, moved};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::environment::Environment;
use crate::model::job::{JobState, JobView};
use crate::model::job_words::{and_skipped, done, whose};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, wrap};

/// Stops a job.
#[derive(Debug, Clone)]
pub struct StopJob {
    job: JobView,
    environment: Environment,
    focus: usize,
}

impl StopJob {
    /// Opens it on a job; one that is stopping already is asked about its running statements.
    #[must_use]
    pub fn new((job, environment): (JobView, Environment)) -> Self {
        Self { job, environment, focus: 0 }
    }

    /// The job.
    #[must_use]
    pub const fn job(&self) -> &JobView {
        &self.job
    }

    /// The second cancel.
    const fn now(&self) -> bool {
        self.job.cancel_requested
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match button_step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press if self.focus == 0 => DialogOutcome::Close,
            Step::Press => DialogOutcome::Do(vec![DialogAction::Cancel {
                database: self.job.database.clone(),
                job: self.job.id,
                now: self.now(),
            }]),
            step => {
                self.focus = moved(self.focus, 2, step);
                DialogOutcome::Stay
            }
        }
    }

    fn text(&self) -> Vec<String> {
        let job = &self.job;
        let mut text = vec![
            format!(
                "{} {}: {} done, {} failed{}, {} waiting.",
                job.kind.word(),
                job.what.safe().fit(60),
                done(job),
                job.failed,
                and_skipped(job),
                job.pending
            ),
            format!("Ordered {}.", whose(job)),
        ];
        let running = match job.state {
            JobState::Running => true,
            JobState::Queued
            | JobState::Orphaned
            | JobState::Paused
            | JobState::Done
            | JobState::Failed
            | JobState::Cancelled => false,
        };
        if self.now() {
            text.push("It is stopping: its current tenants finish first.".to_owned());
            text.push(
                "Cancel the running statements now? Each of their steps is rolled back whole, and its tenant \
                       stays where it was. A statement that cannot run in a transaction may leave something behind, \
                       which the next run finds."
                    .to_owned(),
            );
        } else if running {
            text.push("The tenants that run now finish; the others stay as they are.".to_owned());
            text.push("What is done stays done. The rest can be ordered again later.".to_owned());
        } else {
            text.push("Nobody runs it: it is cancelled at once.".to_owned());
            text.push("What is done stays done. The rest can be ordered again later.".to_owned());
        }
        text
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let job = &self.job;
        let width = 72.min(area.width);
        let room = usize::from(width.saturating_sub(4));
        let text: Vec<String> = self.text().iter().flat_map(|line| wrap(line, room)).collect();
        let place = boxes::centred(area, width, columns(text.len()) + 4);
        let buf = frame.buffer_mut();
        let title = if self.now() { format!("Stop job {} now", job.id) } else { format!("Stop job {}", job.id) };
        let inside = boxes::draw(buf, place, Some(self.environment), &title, theme);
        lines(buf, inside, 0, &text, Style::new());
        let (keep, stop) =
            if self.now() { ("Let them finish", "Cancel the running statements") } else { ("Go on", "Stop the job") };
        let all = [Button { title: keep, off: None }, Button { title: stop, off }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
