//! Leaves a tenant out of the rest of its job, with a note; or all tenants that the same cause met.
//!
//! ```text
//! +-[PROD] Skip adler-labs in job 17-------------------------------------+
//! | Job 17 goes on without it: its open steps are marked skipped.        |
//! | What is done in it stays done; it can be migrated by another job.    |
//! | Cause      55P03 canceling statement due to lock timeout             |
//! |                                                                      |
//! | Note       [ their clean-up runs until noon_                       ] |
//! | [ Cancel ]   Skip adler-labs   Skip all 41 of this cause             |
//! +----------------------------------------------------------------------+
//! ```

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::parts::{LABEL, Step, labelled, lines, moved, step};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::model::environment::Environment;
use crate::model::job::{JobView, Outcome, TenantOutcome};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::field::Field;
use crate::tui::widgets::{boxes, columns, put_fit, wrap};

/// What it is opened on.
#[derive(Debug, Clone)]
pub struct SkipInput {
    /// How careful to be.
    pub environment: Environment,
    /// The job.
    pub job: JobView,
    /// The tenant's result.
    pub outcome: TenantOutcome,
    /// The schemas of all tenants with the same cause, this one's included.
    pub same: Vec<String>,
}

/// Leaves a tenant out of the rest of its job.
#[derive(Debug, Clone)]
pub struct Skip {
    input: SkipInput,
    note: Field,
    /// 0: Cancel, 1: this tenant, 2: all of the same cause.
    focus: usize,
    tried: bool,
}

impl Skip {
    /// Opens it.
    #[must_use]
    pub fn new(input: SkipInput) -> Self {
        Self { input, note: Field::default(), focus: 0, tried: false }
    }

    /// The job.
    #[must_use]
    pub const fn job(&self) -> &JobView {
        &self.input.job
    }

    fn buttons(&self) -> usize {
        if self.input.same.len() > 1 { 3 } else { 2 }
    }

    fn has_note(&self) -> bool {
        !self.note.value().trim().is_empty()
    }

    /// Takes a key, or pasted text for the note.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        match input {
            DialogInput::Paste(text) => {
                self.note.paste(&text);
                DialogOutcome::Stay
            }
            DialogInput::Key(key) => self.key(key),
        }
    }

    fn key(&mut self, key: KeyEvent) -> DialogOutcome {
        match step(key) {
            Step::Close => DialogOutcome::Close,
            Step::Press => self.press(),
            what @ (Step::Next | Step::Previous) => {
                self.focus = moved(self.focus, self.buttons(), what);
                DialogOutcome::Stay
            }
            Step::Other => {
                let had = self.has_note();
                if self.note.key(key) {
                    self.tried = false;
                    // Enter behind a note skips the tenant that was asked about; without one the focus is on Cancel.
                    if !self.has_note() {
                        self.focus = 0;
                    } else if !had {
                        self.focus = 1;
                    }
                }
                DialogOutcome::Stay
            }
        }
    }

    fn press(&mut self) -> DialogOutcome {
        if self.focus == 0 {
            return DialogOutcome::Close;
        }
        if !self.has_note() {
            self.tried = true;
            return DialogOutcome::Stay;
        }
        let schemas =
            if self.focus == 2 { self.input.same.clone() } else { vec![self.input.outcome.schema.raw().to_owned()] };
        DialogOutcome::Do(vec![DialogAction::Skip {
            database: self.input.job.database.clone(),
            job: self.input.job.id,
            schemas,
            note: self.note.value().trim().to_owned(),
        }])
    }

    fn text(&self, room: usize) -> Vec<String> {
        let job = self.input.job.id;
        let unknown = match self.input.outcome.outcome {
            Outcome::Unknown => "It is not known whether its last step took effect; skipping does not find out.",
            Outcome::Failed
            | Outcome::Blocked
            | Outcome::Running
            | Outcome::Pending
            | Outcome::LeftOut
            | Outcome::Skipped
            | Outcome::Done => "",
        };
        [
            &format!("Job {job} goes on without it: its open steps are marked skipped."),
            "What is done in it stays done; another job can migrate it later.",
            unknown,
        ]
        .iter()
        .filter(|line| !line.is_empty())
        .flat_map(|line| wrap(line, room))
        .collect()
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let width = 76.min(area.width);
        let text = self.text(usize::from(width.saturating_sub(4)));
        let place = boxes::centred(area, width, columns(text.len()) + 7);
        let buf = frame.buffer_mut();
        let slug = self.input.outcome.slug.safe().fit(40);
        let title = format!("Skip {slug} in job {}", self.input.job.id);
        let inside = boxes::draw(buf, place, Some(self.input.environment), &title, theme);
        let y = lines(buf, inside, 0, &text, Style::new());
        if let Some(failure) = &self.input.outcome.failure {
            let code = failure.sqlstate.as_deref().map(crate::text::sanitise).unwrap_or_default();
            let cause = format!("{code} {}", failure.message.safe());
            labelled(buf, inside, y, ("Cause", cause.trim()), theme.error, theme);
        }
        put_fit(buf, inside, 0, y + 2, LABEL, "Note", theme.muted);
        self.note.draw(buf, inside, (LABEL, y + 2, inside.width.saturating_sub(LABEL)), true, theme);
        let wanted = (!self.has_note()).then_some(if self.tried { "say why: a note is wanted" } else { "type a note" });
        let off = off.or(wanted);
        let one = format!("Skip {}", self.input.outcome.slug.safe().fit(20));
        let all = format!("Skip all {} of this cause", self.input.same.len());
        // Why they are off stands above them: three buttons leave no room for it.
        if let Some(off) = off {
            put_fit(buf, inside, LABEL, y + 3, inside.width, &format!("(off: {off})"), theme.warn);
        }
        let mut buttons = vec![Button { title: "Cancel", off: None }, Button { title: &one, off: None }];
        if self.input.same.len() > 1 {
            buttons.push(Button { title: &all, off: None });
        }
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &buttons, Some(self.focus), theme);
    }
}
