//! Asks before leaving while a job runs in this process.
//!
//! ```text
//! +-A job runs here------------------------------------------------------+
//! |   17  migrate 180 tenants to 0042   61/180   about 4 min left        |
//! |                                                                      |
//! | Leaving waits up to 20 s for the steps that run; what is not done by |
//! | then is cancelled (ctrl-c: at once) and rolled back whole; a tool's  |
//! | own command is ended where it is. The job is paused: C in any        |
//! | tenantui goes on with it, and so does tenantui job ID resume.        |
//! |                                                                      |
//! | [ Stay ]   Leave                                                     |
//! +----------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{Step, button_step, lines, moved};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::job::JobView;
use crate::model::job_words::what_is_left;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put_fit, put_safe, wrap};

/// The most jobs that are named.
const SHOWN: usize = 4;

/// Asks before leaving.
#[derive(Debug, Clone)]
pub struct Quit {
    jobs: Vec<JobView>,
    /// The key that goes on with a job.
    continues: String,
    focus: usize,
}

impl Quit {
    /// Opens it on the jobs that run here.
    #[must_use]
    pub fn new((jobs, continues): (Vec<JobView>, String)) -> Self {
        Self { jobs, continues, focus: 0 }
    }

    /// Takes a key.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match button_step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press if self.focus == 0 => DialogOutcome::Close,
            Step::Press => DialogOutcome::Do(vec![DialogAction::Quit]),
            step => {
                self.focus = moved(self.focus, 2, step);
                DialogOutcome::Stay
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let width = 72.min(area.width);
        let text = wrap(
            &format!(
                "Leaving waits up to 20 s for the steps that run; what is not done by then is cancelled (ctrl-c: at \
                 once) and rolled back whole; a tool's own command is ended where it is. The job is paused: {} in any \
                 tenantui goes on with it, and so does \
                 tenantui job ID resume.",
                self.continues
            ),
            usize::from(width.saturating_sub(4)),
        );
        let rows = self.jobs.len().min(SHOWN + 1);
        let place = boxes::centred(area, width, columns(rows + text.len()) + 5);
        let buf = frame.buffer_mut();
        let title = if self.jobs.len() == 1 { "A job runs here" } else { "Jobs run here" };
        let inside = boxes::draw(buf, place, None, title, theme);
        let mut y = 0;
        for job in self.jobs.iter().take(SHOWN) {
            let left = what_is_left(job).map(|left| format!("   {left}")).unwrap_or_default();
            let line = format!("{:>4}  {} {}", job.id, job.kind.word(), job.what.safe());
            let numbers = format!("   {}/{}{left}", job.done + job.failed + job.blocked, job.total);
            let room = inside.width.saturating_sub(columns(numbers.len()));
            let x = put_safe(buf, inside, 0, y, room, &line, Style::new(), theme);
            put_fit(buf, inside, x, y, inside.width, &numbers, Style::new());
            y += 1;
        }
        if self.jobs.len() > SHOWN {
            put_fit(buf, inside, 2, y, inside.width, &format!("and {} more", self.jobs.len() - SHOWN), theme.muted);
            y += 1;
        }
        lines(buf, inside, y + 1, &text, Style::new());
        let all = [Button { title: "Stay", off: None }, Button { title: "Leave", off: None }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}
