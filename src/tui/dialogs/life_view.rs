//! How the dialog of a tenant's life is drawn.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::life::{Life, Phase, Stop, is_open};
use super::parts::{LABEL, labelled};
use super::scroll::draw_text;
use crate::jobs::life::plan::{LifeRequest, Subject};
use crate::model::life::{CacheFact, LifeKind, LifePlan};
use crate::text::{Untrusted, counted, human_bytes, sanitise};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put, put_fit, put_hints, put_right, put_safe, wrap};

const WIDTH: u16 = 76;
/// Rows of objects outside that are shown at least.
const OBJECTS: usize = 4;
/// Rows of the screen that the dialog leaves free where it can.
const FREE: u16 = 4;

/// A line: what it is about, and what is said.
type Line = (String, String);

/// The objects outside the schema in rows: which object each is of, and its words.
struct Marks {
    rows: Vec<(usize, String)>,
    shown: usize,
}

impl Marks {
    /// Those of a plan, with so many rows of the dialog for them; no object is cut.
    fn of(plan: &LifePlan, room: usize, rows: usize) -> Self {
        let words = |object: &Untrusted| wrap(object.safe().as_str(), room.saturating_sub(4));
        let objects = plan.dependants.iter().enumerate();
        let all: Vec<_> =
            objects.flat_map(|(at, object)| words(object).into_iter().map(move |row| (at, row))).collect();
        Self { shown: all.len().min(rows.max(OBJECTS)), rows: all }
    }

    fn height(&self) -> u16 {
        if self.rows.is_empty() { 0 } else { columns(self.shown) + 1 }
    }

    /// The rows in sight when the cursor is on this object.
    fn window(&self, at: usize) -> &[(usize, String)] {
        let end = self.rows.iter().rposition(|(of, _)| *of == at).map_or(0, |last| last + 1).max(self.shown);
        self.rows.get(end.saturating_sub(self.shown)..end).unwrap_or_default()
    }
}

impl Life {
    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let title = self.title();
        if let Some(scroll) = &self.reading {
            return draw_text(frame, area, (&title, Some(self.input.environment)), scroll, theme);
        }
        let room = usize::from(WIDTH.min(area.width).saturating_sub(4));
        let text = match &self.phase {
            Phase::Planned(plan) => plan_lines(plan, room),
            Phase::Choose(_) | Phase::Name | Phase::Planning | Phase::Failed(_) => Vec::new(),
        };
        let others = columns(text.len()) + self.field_height() + 1;
        let marks = match &self.phase {
            Phase::Planned(plan) if self.wants_marks() => {
                Marks::of(plan, room, usize::from(area.height.saturating_sub(FREE + others + 4)))
            }
            Phase::Choose(_) | Phase::Name | Phase::Planning | Phase::Failed(_) | Phase::Planned(_) => {
                Marks { rows: Vec::new(), shown: 0 }
            }
        };
        let extra = match &self.phase {
            Phase::Choose(_) => columns(self.input.choices.len().min(12)) + 1,
            Phase::Name => 3,
            Phase::Planning => 2,
            Phase::Failed(why) => columns(wrap(why.safe().as_str(), room).len()) + 1,
            Phase::Planned(_) => others + marks.height(),
        };
        let place = boxes::centred(area, WIDTH, extra + 3);
        let buf = frame.buffer_mut();
        let inside = boxes::draw(buf, place, Some(self.input.environment), &title, theme);
        let last = inside.height.saturating_sub(1);
        match &self.phase {
            Phase::Choose(at) => self.draw_choices(buf, inside, *at, theme),
            Phase::Name => self.draw_name(buf, inside, theme),
            Phase::Planning => {
                put_fit(buf, inside, 0, 0, inside.width, "Reading what there is ...", theme.muted);
                draw_buttons(buf, inside, last, &[Button { title: "Cancel", off: None }], 0, theme);
            }
            Phase::Failed(why) => {
                for (y, line) in wrap(why.safe().as_str(), room).iter().enumerate() {
                    put(buf, inside, 0, columns(y), line, theme.error);
                }
                draw_buttons(buf, inside, last, &[Button { title: "Close", off: None }], 0, theme);
            }
            Phase::Planned(plan) => self.draw_plan(buf, inside, (plan, &text, &marks), off, theme),
        }
    }

    fn title(&self) -> String {
        let slug = self.named().map(|name| name.safe().fit(40).to_string());
        let what = match self.input.kind {
            LifeKind::Drop => "Drop tenant".to_owned(),
            kind => kind.title().to_owned(),
        };
        match (self.input.kind, slug) {
            (LifeKind::Drop, _) | (_, None) => what,
            (_, Some(slug)) => format!("{what} {slug}"),
        }
    }

    /// To whom it is done, as far as that is one.
    fn named(&self) -> Option<&Untrusted> {
        match &self.phase {
            Phase::Planned(plan) => Some(&plan.tenant.slug),
            Phase::Choose(_) => {
                let mut slugs = self.input.choices.iter().map(|(_, request)| slug(request));
                let first = slugs.next().flatten()?;
                slugs.all(|other| other == Some(first)).then_some(first)
            }
            Phase::Name | Phase::Planning | Phase::Failed(_) => self.request().and_then(slug),
        }
    }

    fn field_height(&self) -> u16 {
        if self.has_field() { 2 } else { u16::from(self.offers_sessions()) }
    }

    fn draw_choices(&self, buf: &mut Buffer, inside: Rect, at: usize, theme: &Theme) {
        let shown = usize::from(inside.height.saturating_sub(2)).max(1);
        let top = (at + 1).saturating_sub(shown);
        // Where not all of it is to one tenant, those say to whom it is.
        let apart = self.input.kind == LifeKind::Repair && self.named().is_none();
        for (row, (index, (words, request))) in self.input.choices.iter().enumerate().skip(top).take(shown).enumerate()
        {
            let style = if index == at { theme.selection } else { Style::new() };
            let mark = if index == at { "> " } else { "  " };
            let x = put(buf, inside, 0, columns(row), mark, style);
            let whose = slug(request).filter(|_| apart).map(|slug| format!("{}: ", slug.safe())).unwrap_or_default();
            let words = format!("{whose}{}", sanitise(words));
            put_fit(buf, inside, x, columns(row), inside.width.saturating_sub(x), &words, style);
        }
        let hints = [("j k", "move"), ("Enter", "choose"), ("Esc", "cancel")];
        put_hints(buf, inside, (0, inside.height.saturating_sub(1)), inside.width, &hints, theme);
    }

    fn draw_name(&self, buf: &mut Buffer, inside: Rect, theme: &Theme) {
        put_fit(buf, inside, 0, 0, LABEL, "New name", theme.muted);
        self.field.draw(buf, inside, (LABEL, 0, inside.width.saturating_sub(LABEL)), true, theme);
        let hints = [("Enter", "shows the plan"), ("Esc", "cancel")];
        put_hints(buf, inside, (0, inside.height.saturating_sub(1)), inside.width, &hints, theme);
    }

    fn draw_plan(
        &self,
        buf: &mut Buffer,
        inside: Rect,
        (plan, text, marks): (&LifePlan, &[Line], &Marks),
        off: Option<&str>,
        theme: &Theme,
    ) {
        let below = marks.height() + self.field_height() + 1;
        let room = usize::from(inside.height.saturating_sub(below));
        let mut y = 0;
        for (label, value) in text.iter().take(room) {
            let style = if label.is_empty() && y == 0 { theme.warn } else { Style::new() };
            if label == "!" {
                put_safe(buf, inside, 0, y, inside.width, value, theme.error, theme);
            } else if label == "=" {
                put_safe(buf, inside, 0, y, inside.width, value, style, theme);
            } else {
                labelled(buf, inside, y, (label, value), style, theme);
            }
            y += 1;
        }
        y = inside.height.saturating_sub(below);
        y = self.draw_marks(buf, inside, y, (plan, marks), theme);
        if self.offers_sessions() {
            let asked = self.request().is_some_and(|request| request.end_sessions);
            let role = plan.role.as_ref().map_or_else(String::new, |role| role.name.safe().fit(40).to_string());
            let words = format!("[{}] end the sessions of the role {role}  (Space)", if asked { "x" } else { " " });
            let style = if self.focus == Stop::Sessions { theme.selection } else { Style::new() };
            put_fit(buf, inside, 0, y, inside.width, &words, style);
        }
        if self.has_field() {
            let x = put(buf, inside, 0, y + 1, "Type the schema name to go on: ", theme.muted);
            self.field.draw_bare(buf, inside, (x, y + 1, inside.width.saturating_sub(x)), true, theme);
        }
        self.draw_plan_buttons(buf, inside, plan, off, theme);
    }

    fn draw_marks(
        &self,
        buf: &mut Buffer,
        inside: Rect,
        y: u16,
        (plan, marks): (&LifePlan, &Marks),
        theme: &Theme,
    ) -> u16 {
        let window = marks.window(self.at);
        let (Some((first, _)), Some((last, _))) = (window.first(), window.last()) else { return y };
        let (all, on_list) = (plan.dependants.len(), self.focus == Stop::Dependants);
        let end = if window.len() < marks.rows.len() {
            put_right(buf, inside, inside.width, y, &format!("{}-{} of {all}", first + 1, last + 1), theme.warn)
        } else {
            inside.width
        };
        let how = match on_list {
            true if self.off().is_none() => "Enter goes on",
            true => "Space marks each",
            false => "Shift-Tab goes there",
        };
        let words = format!("{all} outside the schema go too, {} marked; {how}", self.marked.len());
        put_fit(buf, inside, 0, y, end.saturating_sub(1), &words, theme.warn);
        let mut before = None;
        for (row, (index, words)) in (y + 1..).zip(window) {
            let style = if on_list && *index == self.at { theme.selection } else { Style::new() };
            let mark = if self.marked.contains(index) { "[x] " } else { "[ ] " };
            // What goes on below stands under the object's name.
            let mark = if before == Some(index) { "    " } else { mark };
            let x = put(buf, inside, 0, row, mark, style);
            put_safe(buf, inside, x, row, inside.width.saturating_sub(x), words, style, theme);
            before = Some(index);
        }
        y + marks.height()
    }

    fn draw_plan_buttons(&self, buf: &mut Buffer, inside: Rect, plan: &LifePlan, off: Option<&str>, theme: &Theme) {
        let why = self.off();
        let off = off.or(why.as_deref());
        let mut all = vec![(Stop::Cancel, Button { title: if is_open(plan) { "Cancel" } else { "Close" }, off: None })];
        if !plan.sql.is_empty() {
            all.push((Stop::Sql, Button { title: "Show SQL", off: None }));
        }
        if is_open(plan) {
            all.push((Stop::Go, Button { title: plan.kind.title(), off }));
        }
        let focus = all.iter().position(|(stop, _)| *stop == self.focus);
        let buttons: Vec<Button<'_>> = all.iter().map(|(_, button)| *button).collect();
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &buttons, focus, theme);
    }
}

/// The tenant of a request, where it is about one.
fn slug(request: &LifeRequest) -> Option<&Untrusted> {
    match &request.subject {
        Subject::Tenant(tenant) => Some(&tenant.slug),
        Subject::Trash(trashed) => Some(trashed.slug()),
        Subject::Role(_) | Subject::Shared(_) => None,
    }
}

fn draw_buttons(buf: &mut Buffer, inside: Rect, y: u16, all: &[Button<'_>], focus: usize, theme: &Theme) {
    buttons::draw(buf, inside, y, all, Some(focus), theme);
}

/// The plan, line by line: `=` stands over the whole width, `!` says that it cannot be.
fn plan_lines(plan: &LifePlan, room: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let whole = |lines: &mut Vec<Line>, mark: &str, text: &str| {
        lines.extend(wrap(text, room).into_iter().map(|line| (mark.to_owned(), line)));
    };
    match plan.kind {
        LifeKind::Drop => {
            whole(&mut lines, "=", "This removes the tenant's data. It cannot run in bulk.");
            lines.push(("=".to_owned(), String::new()));
        }
        LifeKind::Purge => {
            whole(&mut lines, "=", "This removes the tenant for good. Nothing brings it back but a backup.");
            lines.push(("=".to_owned(), String::new()));
        }
        LifeKind::Rename
        | LifeKind::Suspend
        | LifeKind::Activate
        | LifeKind::Archive
        | LifeKind::Undrop
        | LifeKind::Repair => {}
    }
    for (label, value) in facts(plan) {
        folded(&mut lines, &label, &value, room);
    }
    if let Some(why) = &plan.refusal {
        whole(&mut lines, "!", &format!("Not possible: {}", why.safe()));
    } else if let Some(why) = &plan.nothing {
        whole(&mut lines, "=", &format!("Nothing to do: {}", why.safe()));
    }
    for (index, (_, what)) in plan.steps.iter().enumerate() {
        folded(&mut lines, &format!("Step {}", index + 1), what, room);
    }
    for note in &plan.notes {
        folded(&mut lines, "Note", note.safe().as_str(), room);
    }
    lines
}

fn folded(lines: &mut Vec<Line>, label: &str, text: &str, room: usize) {
    for (index, line) in wrap(text, room.saturating_sub(usize::from(LABEL))).into_iter().enumerate() {
        lines.push((if index == 0 { label.to_owned() } else { String::new() }, line));
    }
}

fn facts(plan: &LifePlan) -> Vec<Line> {
    let mut lines = Vec::new();
    let safe = |text: &Untrusted| text.safe().to_string();
    let since = plan.tenant.status_since.map(|at| format!(" since {}", at.strftime("%Y-%m-%d"))).unwrap_or_default();
    let status = plan.tenant.status.as_ref().map(|status| format!(", {}{since}", status.safe())).unwrap_or_default();
    lines.push(("Tenant".to_owned(), format!("{}{status}", plan.tenant.slug.safe())));
    if let Some(name) = &plan.tenant.name {
        lines.push(("Name".to_owned(), safe(name)));
    }
    if let Some(schema) = &plan.schema {
        let holds = plan.tables.map(|tables| {
            let size = plan
                .size_bytes
                .map_or_else(|| "size not measured".to_owned(), |size| format!("{} exact", human_bytes(size)));
            let rows = plan.rows_estimate.map(|rows| format!(", about {}", counted(rows, "row"))).unwrap_or_default();
            format!(": {}, {size}{rows}", counted(tables, "table"))
        });
        lines.push(("Schema".to_owned(), format!("{}{}", schema.safe(), holds.unwrap_or_default())));
    }
    if let Some(original) = plan.original.as_ref().filter(|original| plan.schema.as_ref() != Some(original)) {
        lines.push(("Was".to_owned(), safe(original)));
    }
    let sessions = plan.sessions.as_ref().map(|sessions| sessions.len().to_string());
    if plan.tables.is_some() {
        let keys = match plan.cache {
            CacheFact::NotConfigured => "none configured".to_owned(),
            CacheFact::NoPattern => "no pattern".to_owned(),
            CacheFact::RowsHidden => "rows hidden".to_owned(),
            CacheFact::Keys(Some(keys)) => counted(keys, "key"),
            CacheFact::Keys(None) => "not counted".to_owned(),
        };
        let backup = plan.last_backup.map_or_else(|| "unknown".to_owned(), |at| at.strftime("%Y-%m-%d").to_string());
        let sessions = sessions.unwrap_or_else(|| "unknown".to_owned());
        lines.push(("Cache".to_owned(), format!("{keys}   Sessions now {sessions}   Last backup {backup}")));
    }
    lines
}
