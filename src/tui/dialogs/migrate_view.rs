//! How the migrate dialog is drawn: the plan, its SQL, the dry run (the plan, tenant by tenant).

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::dry_run;
use super::migrate::{Migrate, Stop};
use super::migrate_words::{left_out_line, shared_line, steps, target_line, then_line};
use super::parts::{LABEL, labelled, position, scroll_footer};
use super::scroll::{Scroll, draw_text};
use super::which_set::WhichSet;
use crate::config::RunAs;
use crate::text::{Untrusted, duration, grouped, time_left};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put, put_fit, put_safe, wrap};

pub(super) const WIDTH: u16 = 80;

/// The most refusals and the most warnings that the plan's page names; the dry run has them all.
const NAMED: usize = 3;

/// What the dialog shows.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// Marks are hidden: which set is meant? The focused button.
    WhichSet(usize),
    /// The plan in ten lines.
    Plan,
    /// The files' SQL.
    Sql(Scroll),
    /// Tenant by tenant; the first visible row.
    DryRun(usize),
}

/// A line of the plan's page.
struct Line {
    label: &'static str,
    value: String,
    style: Style,
}

/// A line for each of the first few, and how many more there are.
fn warned(lines: &mut Vec<Line>, label: &'static str, warnings: &[String], theme: &Theme) {
    for value in warnings.iter().take(NAMED) {
        lines.push(Line { label, value: value.clone(), style: theme.warn });
    }
    if warnings.len() > NAMED {
        let value = format!("and {} more: see Plan", warnings.len() - NAMED);
        lines.push(Line { label: "", value, style: theme.warn });
    }
}

/// The most rows of the plan's page: with the words and the buttons it fits in twenty.
const ROWS: usize = 15;

/// Lines that are too long go on below, as long as all of them fit.
fn spread(lines: Vec<Line>) -> Vec<Line> {
    let room = usize::from(WIDTH - 4 - LABEL);
    let mut more = ROWS.saturating_sub(lines.len());
    let mut out = Vec::with_capacity(ROWS);
    for line in lines {
        let mut rows = wrap(&line.value, room);
        if rows.len() < 2 || more == 0 {
            out.push(line);
            continue;
        }
        let last = (rows.len() - 1).min(more);
        more -= last;
        let rest = rows.split_off(last).join(" ");
        let label = |row: usize| if row == 0 { line.label } else { "" };
        let rows = rows.into_iter().chain([rest]).enumerate();
        out.extend(rows.map(|(row, value)| Line { label: label(row), value, style: line.style }));
    }
    out
}

impl Migrate {
    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        match &self.view {
            View::WhichSet(focus) => self.draw_sets(frame.buffer_mut(), area, *focus, theme),
            View::Plan => self.draw_plan(frame.buffer_mut(), area, off, theme),
            View::Sql(scroll) => {
                let title = if self.input.driven.is_some() { "Command of this plan" } else { "SQL of this plan" };
                draw_text(frame, area, (title, Some(self.input.environment)), scroll, theme);
            }
            View::DryRun(top) => self.draw_dry_run(frame.buffer_mut(), area, *top, theme),
        }
    }

    fn draw_sets(&self, buf: &mut Buffer, area: Rect, focus: usize, theme: &Theme) {
        let which = WhichSet {
            environment: self.input.environment,
            set: &self.input.set,
            shown: self.input.shown.as_ref().map_or(0, |plan| plan.tenants.len()),
            all: self.input.plan.tenants.len(),
            blocked: self.blocked.as_ref().map(|blocked| blocked.words.as_str()),
        };
        which.draw(buf, area, focus, theme);
    }

    fn draw_plan(&self, buf: &mut Buffer, area: Rect, off: Option<&str>, theme: &Theme) {
        let lines = spread(self.plan_lines(theme));
        let phrase = self.phrase();
        let height = columns(lines.len()) + if phrase.is_some() { 5 } else { 4 };
        let place = boxes::centred(area, WIDTH, height);
        let title = format!("Migrate in {}", crate::text::sanitise(&self.input.database));
        let inside = boxes::draw(buf, place, Some(self.input.environment), &title, theme);
        let last = inside.height.saturating_sub(1);
        for (y, line) in lines.iter().enumerate() {
            let y = columns(y);
            if y < last {
                let end = labelled(buf, inside, y, (line.label, &line.value), line.style, theme);
                if line.label == "Canary" {
                    self.draw_canary(buf, inside, y, end, theme);
                }
            }
        }
        if let Some(phrase) = phrase {
            let y = last.saturating_sub(1);
            let x = put(buf, inside, 0, y, "Type  ", Style::new());
            let x = put(buf, inside, x, y, &phrase, theme.title);
            let x = put(buf, inside, x, y, "  to start: ", Style::new());
            self.field.draw_bare(buf, inside, (x, y, inside.width.saturating_sub(x).min(24)), true, theme);
        }
        // Five buttons leave room for one word.
        let off = off.map(|why| why.strip_prefix("writes are ").unwrap_or(why));
        let start = if self.has_canary() { "Start canary" } else { "Start" };
        let all = [
            Button { title: "Cancel", off: None },
            Button { title: "Rehearse", off: off.or(self.why_not_rehearsed()) },
            Button { title: if self.input.driven.is_some() { "Command" } else { "Show SQL" }, off: None },
            Button { title: "Plan", off: None },
            Button { title: start, off: off.or(self.off()) },
        ];
        let focus = match self.focus {
            Stop::Canary | Stop::Wait => None,
            Stop::Cancel => Some(0),
            Stop::Rehearse => Some(1),
            Stop::Sql => Some(2),
            Stop::DryRun => Some(3),
            Stop::Start => Some(4),
        };
        buttons::draw(buf, inside, last, &all, focus, theme);
    }

    /// Behind the canary's line: its field while it has the keys, else what happens after the canary.
    fn draw_canary(&self, buf: &mut Buffer, inside: Rect, y: u16, end: u16, theme: &Theme) {
        if self.focus == Stop::Canary {
            let room = 40;
            self.canary.draw(buf, inside, (LABEL, y, room), true, theme);
            let x = LABEL + room + 1;
            put_fit(buf, inside, x, y, inside.width.saturating_sub(x), "how many, or their names", theme.muted);
            return;
        }
        if !self.has_canary() {
            return;
        }
        let x = put(buf, inside, end + 3, y, "then wait for me ", Style::new());
        let style = if self.focus == Stop::Wait { theme.selection } else { theme.title };
        put(buf, inside, x, y, if self.wait { "[x]" } else { "[ ]" }, style);
    }

    fn plan_lines(&self, theme: &Theme) -> Vec<Line> {
        let plan = &self.plan;
        let plain = Style::new();
        let mut lines = vec![self.set_line(), Line { label: "Target", value: target_line(plan), style: plain }];
        if let Some(blocked) = &self.blocked {
            lines.push(Line { label: "Blocked", value: blocked.words.clone(), style: theme.warn });
        }
        if let Some((shared, _)) = &self.input.shared {
            let style = if self.shared_is_refused() { theme.error } else { theme.warn };
            lines.push(Line { label: "Shared", value: shared_line(shared), style });
        }
        if !plan.left_out.is_empty() {
            lines.push(Line { label: "Left out", value: left_out_line(plan), style: theme.warn });
        }
        for refusal in plan.refusals.iter().take(NAMED) {
            let value = format!(
                "{} line {}: {}",
                refusal.file.version.untrusted().safe(),
                refusal.finding.line,
                refusal.finding.message.safe()
            );
            lines.push(Line { label: "Refused", value, style: theme.error });
        }
        if plan.refusals.len() > NAMED {
            let value = format!("and {} more: see Plan", plan.refusals.len() - NAMED);
            lines.push(Line { label: "", value, style: theme.error });
        }
        let (own, code) = self.warnings();
        let safe = |warnings: &[Untrusted]| warnings.iter().map(|warning| warning.safe().to_string()).collect();
        let mut files: Vec<String> =
            self.input.shared.iter().flat_map(|(plan, _)| dry_run::shared_warnings(plan)).collect();
        files.append(&mut safe(own));
        warned(&mut lines, "Warning", &files, theme);
        match code {
            _ if plan.tenants.is_empty() => {}
            None => {
                let value = "looking for code that runs with other rights".to_owned();
                lines.push(Line { label: "Code", value, style: theme.muted });
            }
            Some([]) => {
                let value = "none that runs with other rights".to_owned();
                lines.push(Line { label: "Code", value, style: plain });
            }
            Some(found) => warned(&mut lines, "Code", &safe(found), theme),
        }
        if !plan.shared {
            lines.push(Line { label: "Canary", value: self.canary_line(), style: plain });
            if let Some(error) = self.canary_error.as_ref().filter(|_| self.focus == Stop::Canary) {
                lines.push(Line { label: "", value: error.clone(), style: theme.error });
            }
        }
        if plan.tenants.len() > 1 {
            lines.push(Line { label: "Then", value: then_line(plan), style: plain });
        }
        match &self.input.driven {
            Some(driven) => {
                let value = format!("{}  (once per tenant)", driven.words());
                lines.push(Line { label: "Command", value, style: plain });
                lines.push(Line { label: "Limits", value: driven.limits(), style: plain });
            }
            None => lines.push(Line { label: "Timeouts", value: self.timeouts_line(), style: plain }),
        }
        match plan.runs_as() {
            RunAs::Login => {}
            RunAs::Owner => {
                let value = "of the owner of each schema, who owns what the files make".to_owned();
                lines.push(Line { label: "Rights", value, style: plain });
            }
        }
        lines.push(Line { label: "Time", value: self.time_line(), style: plain });
        lines
    }

    /// Who is migrated: the tenants, or what all of them share.
    fn set_line(&self) -> Line {
        if self.plan.shared {
            let who = self.plan.tenants.first().map(|target| &target.slug);
            let who = who.or_else(|| self.plan.left_out.first().map(|left| &left.slug));
            let name: String = who.map_or_else(|| "-".to_owned(), |slug| slug.safe().into());
            let value = format!("{name}, shared by all  ({})", crate::text::sanitise(&self.input.set));
            return Line { label: "Schema", value, style: Style::new() };
        }
        Line { label: "Tenants", value: self.tenants_line(), style: Style::new() }
    }

    fn tenants_line(&self) -> String {
        let plan = &self.plan;
        let mut more = vec![crate::text::sanitise(&self.input.set)];
        if plan.up_to_date > 0 {
            more.push(format!("{} up to date", grouped(plan.up_to_date as u64)));
        }
        format!("{}  ({})", grouped(plan.tenants.len() as u64), more.join("; "))
    }

    fn canary_line(&self) -> String {
        if self.focus == Stop::Canary {
            return String::new();
        }
        if !self.has_canary() {
            let why = if self.plan.tenants.len() < 2 { "none: a single tenant" } else { "none: canary = 0" };
            return why.to_owned();
        }
        let names: Vec<String> = self
            .plan
            .tenants
            .iter()
            .take(self.plan.canary.min(3))
            .map(|tenant| tenant.slug.safe().fit(20).into())
            .collect();
        let more = if self.plan.canary > 3 { ", .." } else { "" };
        let how = if self.plan.options.canary_tenants.is_empty() { "smallest of the set" } else { "chosen" };
        format!("{}{more} ({how})", names.join(", "))
    }

    fn timeouts_line(&self) -> String {
        let jobs = &self.input.jobs;
        format!("lock {}, statement {}", duration(jobs.lock_timeout), duration(jobs.statement_timeout))
    }

    fn time_line(&self) -> String {
        let estimate = &self.plan.estimate;
        let time = estimate.seconds().map_or_else(|| "unknown".to_owned(), time_left);
        format!("{time}  ({})", estimate.basis())
    }

    /// What the dry run begins with: what is refused, and the warnings, in full.
    pub(super) fn dry_head(&self) -> Vec<String> {
        let shared = self.input.shared.iter().flat_map(|(plan, _)| dry_run::findings_of_shared(plan));
        let rows = |(label, words): (&str, String)| {
            let rows = wrap(&words, usize::from(WIDTH - 4) - label.len());
            let below = " ".repeat(label.len());
            let row = |(place, row): (usize, &String)| format!("{}{row}", if place == 0 { label } else { &below });
            rows.iter().enumerate().map(row).collect::<Vec<String>>()
        };
        shared.chain(dry_run::findings(&self.plan)).flat_map(rows).collect()
    }

    /// Rows of the dry run behind its head.
    pub(super) fn dry_rows(&self) -> usize {
        dry_run::rows(&self.plan)
    }

    /// One of them, as text.
    pub(super) fn dry_text(&self, row: usize) -> String {
        dry_run::row(&self.plan, row)
    }

    fn draw_dry_run(&self, buf: &mut Buffer, area: Rect, top: usize, theme: &Theme) {
        let head = self.dry_head();
        let count = head.len() + self.dry_rows();
        let height = columns(count + 5).clamp(8, area.height.saturating_sub(2).max(8));
        let place = boxes::centred(area, boxes::MAX_WIDTH, height);
        let tenants = match self.plan.tenants.len() {
            1 => "1 tenant".to_owned(),
            many => format!("{} tenants", grouped(many as u64)),
        };
        let title = format!("Dry run: {} in {tenants}; nothing is written", steps(self.plan.steps()));
        let inside = boxes::draw(buf, place, Some(self.input.environment), &title, theme);
        let rows = inside.height.saturating_sub(1);
        let top = top.min(count.saturating_sub(usize::from(rows)));
        for y in 0..rows {
            let row = top + usize::from(y);
            if row >= count {
                break;
            }
            let (text, style) = match head.get(row) {
                // What goes on below belongs to what stands above.
                Some(text)
                    if head[..=row]
                        .iter()
                        .rev()
                        .find(|row| !row.starts_with(' '))
                        .is_some_and(|row| row.starts_with("refused")) =>
                {
                    (text.clone(), theme.error)
                }
                Some(text) => (text.clone(), theme.warn),
                None => {
                    let text = self.dry_text(row - head.len());
                    let style = if text.starts_with("left out") { theme.warn } else { Style::new() };
                    (text, style)
                }
            };
            put_safe(buf, inside, 0, y, inside.width, &text, style, theme);
        }
        let place = position(top, count, rows);
        let hints = [("j k", "scroll"), ("y", "copy all"), ("Esc", "back to the plan")];
        scroll_footer(buf, inside, rows, &hints, &place, theme);
    }
}
