//! Stops a job after its current tenants.
//!
//! ```text
//! +-[PROD] Stop job 17---------------------------------------------------+
//! | migrate 180 tenants to 0042: 61 done, 1 failed, 118 waiting.         |
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
use crate::model::job::JobView;
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
    /// Opens it on a job.
    #[must_use]
    pub fn new((job, environment): (JobView, Environment)) -> Self {
        Self { job, environment, focus: 0 }
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match button_step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press if self.focus == 0 => DialogOutcome::Close,
            Step::Press => DialogOutcome::Do(vec![DialogAction::Cancel(self.job.database.clone(), self.job.id)]),
            step => {
                self.focus = moved(self.focus, 2, step);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let job = &self.job;
        let width = 72.min(area.width);
        let text: Vec<String> = [
            format!(
                "{} {}: {} done, {} failed, {} waiting.",
                job.kind.word(),
                job.what.safe().fit(60),
                job.done,
                job.failed,
                job.pending
            ),
            "The tenants that run now finish; the others stay as they are.".to_owned(),
            "What is done stays done. The rest can be ordered again later.".to_owned(),
        ]
        .iter()
        .flat_map(|line| wrap(line, usize::from(width.saturating_sub(4))))
        .collect();
        let place = boxes::centred(area, width, columns(text.len()) + 4);
        let buf = frame.buffer_mut();
        let inside = boxes::draw(buf, place, Some(self.environment), &format!("Stop job {}", job.id), theme);
        lines(buf, inside, 0, &text, Style::new());
        let all = [Button { title: "Go on", off: None }, Button { title: "Stop the job", off: None }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
