//! How migrating in several databases is drawn: a line for each, what is warned of, and the plan behind it as a text.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::dry_run;
use super::migrate_fleet::{FleetPart, MigrateFleet, PartOrder, Stop, View, tenants};
use super::parts::labelled;
use super::scroll::draw_text;
use super::which_set::WhichSet;
use crate::text::{Untrusted, counted, grouped, sanitise, time_left};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put, put_fit, put_safe};

/// Databases that have a line; of the others the last line tells.
const LINES: usize = 10;

/// Rows of the page beside its databases and warnings: border, tenants, heads, what follows, words, buttons.
const FIXED: usize = 9;

/// The most rows of the page: it fits in 80 by 24.
const ROWS: usize = 22;

/// The most warnings that are named on the page, of either kind.
const NAMED: usize = 3;

const HEADS: &str = "DATABASE      ENV     TENANTS LEFT OUT  TARGET      CANARY    TIME";

impl MigrateFleet {
    /// Draws it; `off` says why it cannot be started now.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        match &self.view {
            View::WhichSet(focus) => {
                let which = WhichSet {
                    environment: self.strictest(),
                    set: &self.input.set,
                    shown: self.input.shown.as_deref().map_or(0, tenants),
                    all: self.tenants(),
                    blocked: None,
                };
                which.draw(frame.buffer_mut(), area, *focus, theme);
            }
            View::Databases => self.draw_databases(frame.buffer_mut(), area, off, theme),
            View::Plan(scroll) => {
                let title = ("Plan by database; nothing is written", Some(self.strictest()));
                draw_text(frame, area, title, scroll, theme);
            }
        }
    }

    fn draw_databases(&self, buf: &mut Buffer, area: Rect, off: Option<&str>, theme: &Theme) {
        let parts = &self.input.parts;
        let lines = parts.len().min(LINES) + usize::from(parts.len() > LINES);
        let told = self.told_lines(ROWS.saturating_sub(FIXED + lines), theme);
        let place = boxes::centred(area, 78.min(area.width), columns(lines + told.len() + FIXED));
        let jobs = self.orders().count();
        let title = match parts.len() {
            all if all == jobs => format!("Migrate in {jobs} databases"),
            all => format!("Migrate in {jobs} of {all} databases"),
        };
        let inside = boxes::draw(buf, place, Some(self.strictest()), &title, theme);
        let set = format!("{}  ({})", grouped(self.tenants() as u64), self.input.set);
        labelled(buf, inside, 0, ("Tenants", &set), Style::new(), theme);
        put_fit(buf, inside, 0, 1, inside.width, HEADS, theme.heading);
        let mut y = 2;
        for part in parts.iter().take(LINES) {
            let (words, style) = match &part.order {
                Ok(order) => (line(part, order), Style::new()),
                Err(why) => (format!("{:<13} off: {why}", cut(&part.database, 13)), theme.warn),
            };
            put_safe(buf, inside, 0, y, inside.width, &words, style, theme);
            y += 1;
        }
        if parts.len() > LINES {
            put(buf, inside, 0, y, &format!("and {}", counted(parts.len() - LINES, "more database")), theme.muted);
            y += 1;
        }
        for (label, value, style) in &told {
            labelled(buf, inside, y, (label, value), *style, theme);
            y += 1;
        }
        let words = if self.orders().any(|(_, order)| order.shared.is_some()) {
            "One job each; shared schemas go first, and a canary waits for you"
        } else {
            "Each is a job of its own; where it has a canary it then waits for you"
        };
        let words = format!("{words} ({}).", self.input.continues);
        put_fit(buf, inside, 0, y, inside.width, &words, theme.muted);
        self.draw_end(buf, inside, (y + 2, off), theme);
    }

    /// The words to type, and the buttons.
    fn draw_end(&self, buf: &mut Buffer, inside: Rect, (y, off): (u16, Option<&str>), theme: &Theme) {
        let x = put(buf, inside, 0, y, "Type  ", Style::new());
        let x = put(buf, inside, x, y, &self.phrase(), theme.title);
        let x = put(buf, inside, x, y, "  to start: ", Style::new());
        self.field.draw(buf, inside, (x, y, inside.width.saturating_sub(x)), true, theme);
        let untyped = if self.tried { "the words do not match" } else { "type the words first" };
        let off = off.or((!self.matches()).then_some(untyped));
        let jobs = self.orders().count();
        let start = format!("Start {}", counted(jobs, "job"));
        let all =
            [Button { title: "Cancel", off: None }, Button { title: "Plan", off: None }, Button { title: &start, off }];
        let focus = match self.focus {
            Stop::Cancel => 0,
            Stop::Plan => 1,
            Stop::Start => 2,
        };
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(focus), theme);
    }

    /// What is warned of, in at most so many lines: of the files, and of code that runs beside them.
    fn told_lines(&self, room: usize, theme: &Theme) -> Vec<(&'static str, String, Style)> {
        let looking = self.orders().any(|(_, order)| self.warnings(order).1.is_none());
        let code: Vec<String> = self
            .orders()
            .flat_map(|(part, order)| self.warnings(order).1.unwrap_or_default().iter().map(|words| of(part, words)))
            .collect();
        let code_lines = match (&code[..], looking) {
            ([], true) => vec![("looking for code that runs with other rights".to_owned(), theme.muted)],
            ([], false) => vec![("none that runs with other rights".to_owned(), Style::new())],
            (found, _) => first(found, room.min(NAMED + 1) / 2, theme),
        };
        let file_lines = first(&self.file_warnings(), room.saturating_sub(code_lines.len()), theme);
        let label = |label: &'static str, lines: Vec<(String, Style)>| {
            let rest = std::iter::repeat("");
            std::iter::once(label).chain(rest).zip(lines).map(|(label, (value, style))| (label, value, style))
        };
        label("Warning", file_lines).chain(label("Code", code_lines)).collect()
    }

    /// Warnings of the files. What all databases have in common is told once, and needs no name.
    fn file_warnings(&self) -> Vec<String> {
        let mut all: Vec<(String, Vec<&FleetPart>)> = Vec::new();
        for (part, order) in self.orders() {
            let shared = order.shared.iter().flat_map(|(plan, _)| dry_run::shared_warnings(plan));
            for words in shared.chain(self.warnings(order).0.iter().map(|words| words.safe().to_string())) {
                match all.iter_mut().find(|(known, _)| *known == words) {
                    Some((_, parts)) => parts.push(part),
                    None => all.push((words, vec![part])),
                }
            }
        }
        let orders = self.orders().count();
        let told = |(words, parts): (String, Vec<&FleetPart>)| {
            if parts.len() == orders {
                return words;
            }
            let names: Vec<String> = parts.iter().map(|part| sanitise(&part.database)).collect();
            format!("{}: {words}", names.join(", "))
        };
        all.into_iter().map(told).collect()
    }

    /// The text behind `Plan`: by database what is warned of, and each tenant's steps.
    pub(super) fn plan_text(&self) -> String {
        let mut lines = Vec::new();
        for part in &self.input.parts {
            let name = sanitise(&part.database);
            let order = match &part.order {
                Ok(order) => order,
                Err(why) => {
                    lines.extend([format!("-- {name}: nothing is ordered: {why}"), String::new()]);
                    continue;
                }
            };
            let tenants = counted(order.plan.tenants.len(), "tenant");
            lines.push(format!("-- {name}  {}  {tenants}", part.environment.badge()));
            let told = |(label, words): (&str, String)| format!("{label}{words}");
            if let Some((shared, _)) = &order.shared {
                lines.extend(dry_run::findings_of_shared(shared).map(told));
                lines.extend((0..dry_run::rows(shared)).map(|row| format!("first: {}", dry_run::row(shared, row))));
            }
            if let Some(driven) = &order.driven {
                lines.extend([
                    format!("command  {}  (once per tenant)", driven.words()),
                    format!("limits   {}", driven.limits()),
                ]);
            }
            lines.extend(dry_run::findings(&order.plan).map(told));
            if self.warnings(order).1.is_none() {
                lines.push("code     that runs with other rights is still looked for".to_owned());
            }
            lines.extend((0..dry_run::rows(&order.plan)).map(|row| dry_run::row(&order.plan, row)));
            lines.push(String::new());
        }
        lines.pop();
        lines.join("\n")
    }
}

/// Words with the database that they are of.
fn of(part: &FleetPart, words: &Untrusted) -> String {
    format!("{}: {}", sanitise(&part.database), words.safe())
}

/// As many as there is room for, and how many more there are.
fn first(all: &[String], room: usize, theme: &Theme) -> Vec<(String, Style)> {
    let room = room.clamp(1, NAMED);
    let named = if all.len() <= room { all.len() } else { room - 1 };
    let more = match all.len() - named {
        0 => None,
        more if named == 0 => Some(format!("{more}: see Plan")),
        more => Some(format!("and {more} more: see Plan")),
    };
    all[..named].iter().cloned().chain(more).map(|words| (words, theme.warn)).collect()
}

fn cut(text: &str, columns: usize) -> String {
    crate::text::fit(&sanitise(text), columns)
}

fn line(part: &FleetPart, order: &PartOrder) -> String {
    let plan = &order.plan;
    let target = plan.target.as_ref().map_or_else(|| "-".to_owned(), |target| target.untrusted().safe().to_string());
    let canary = match (plan.canary, plan.tenants.first()) {
        (0, _) | (_, None) => "none".to_owned(),
        (1, Some(first)) => first.slug.safe().to_string(),
        (many, Some(_)) => format!("{many} tenants"),
    };
    let time = plan.estimate.seconds().map_or_else(|| "unknown".to_owned(), time_left);
    format!(
        "{:<13} {:<7} {:>7} {:>8}  {:<11} {:<9} {time}",
        cut(&part.database, 13),
        part.environment.badge(),
        grouped(plan.tenants.len() as u64),
        grouped(plan.left_out.len() as u64),
        cut(&target, 11),
        cut(&canary, 9),
    )
}
