//! How the provisioning form is drawn.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::new_tenant::{NewTenant, Stop, Verdict};
use super::parts::{LABEL, labelled};
use super::scroll::draw_text;
use crate::model::ident::MAX_IDENT_BYTES;
use crate::text::sanitise;
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::{boxes, columns, put, put_fit, put_safe, wrap};

/// Width of the two fields, brackets included.
const FIELD: u16 = 28;
/// Lines of a refusal at least; more where there is room.
const REFUSAL: usize = 4;

impl NewTenant {
    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        let environment = Some(self.input.environment);
        if let Some(sql) = &self.sql {
            return draw_text(frame, area, ("SQL of the new tenant", environment), sql, theme);
        }
        let buf = frame.buffer_mut();
        let width = 74.min(area.width);
        let room = usize::from(width.saturating_sub(4));
        let has_role = self.input.layout.role.is_some();
        let steps = self.steps(room.saturating_sub(usize::from(LABEL)));
        let others = columns(steps.len() + usize::from(has_role)) + 10;
        let most = usize::from(area.height.saturating_sub(others)).max(REFUSAL);
        let in_lines = |why: Option<String>| {
            let why = why.map(|why| wrap(&sanitise(&why), room.saturating_sub(usize::from(LABEL))));
            why.unwrap_or_default().into_iter().take(most).collect::<Vec<_>>()
        };
        let (of_schema, of_rest) = self.refusals();
        let (of_schema, of_rest) = (in_lines(of_schema), in_lines(of_rest));
        let height = others + columns(of_schema.len() + of_rest.len());
        let place = boxes::centred(area, width, height);
        let title = format!("New tenant in {}", sanitise(&self.input.database));
        let inside = boxes::draw(buf, place, environment, &title, theme);
        self.draw_fields(buf, inside, theme);
        let refusal = |buf: &mut Buffer, y: u16, lines: &[String]| {
            for (y, line) in (y..).zip(lines) {
                put_safe(buf, inside, LABEL, y, inside.width, line, theme.error, theme);
            }
            y + columns(lines.len())
        };
        let mut y = refusal(buf, 3, &of_schema);
        if has_role {
            self.draw_role(buf, inside, y, theme);
            y += 1;
        }
        y = refusal(buf, y, &of_rest);
        self.draw_template(buf, inside, y, theme);
        y += 2;
        put(buf, inside, 0, y, "Steps", theme.muted);
        for line in &steps {
            put(buf, inside, LABEL, y, line, Style::new());
            y += 1;
        }
        put_fit(buf, inside, 0, y, inside.width, self.undo(), Style::new());
        let focus = match self.focus {
            Stop::Cancel => Some(0),
            Stop::Sql => Some(1),
            Stop::Create => Some(2),
            Stop::Name | Stop::Plan | Stop::Key | Stop::Role => None,
        };
        let all = [
            Button { title: "Cancel", off: None },
            Button { title: "Show SQL", off: None },
            Button { title: "Create tenant", off: off.or(self.off()) },
        ];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, focus, theme);
    }

    /// Why it cannot be made: what is wrong with key and schema, and what with the rest.
    fn refusals(&self) -> (Option<String>, Option<String>) {
        match (&self.input.drives, &self.verdict) {
            (Err(why), _) => (None, Some(why.safe().to_string())),
            (Ok(_), Verdict::Refused(_, why)) => (Some(why.clone()), None),
            (Ok(_), Verdict::Empty) => (None, None),
            (Ok(_), Verdict::Free(_)) => {
                let role = if self.role { self.role_name().and_then(Result::err) } else { None };
                (None, role.or_else(|| self.why_not_made().map(|why| format!("Not made: {}", why.safe()))))
            }
        }
    }

    fn draw_fields(&self, buf: &mut Buffer, inside: Rect, theme: &Theme) {
        let right = LABEL + FIELD + 2;
        put(buf, inside, 0, 0, "Name", theme.muted);
        self.name.draw(buf, inside, (LABEL, 0, FIELD), self.focus == Stop::Name, theme);
        if !self.plans.is_empty() {
            let x = put(buf, inside, right, 0, "Plan ", theme.muted);
            let word = self.chosen_plan().map_or_else(|| "(none)".to_owned(), |plan| plan.safe().fit(14).into());
            let style = if self.focus == Stop::Plan { theme.selection } else { theme.field };
            put(buf, inside, x, 0, &format!("[ {word} v ]"), style);
        }
        put(buf, inside, 0, 1, "Key", theme.muted);
        self.key.draw(buf, inside, (LABEL, 1, FIELD), self.focus == Stop::Key, theme);
        let note = if self.key_edited { "as typed" } else { "from the name, editable" };
        put_fit(buf, inside, right, 1, inside.width, note, theme.muted);
        put(buf, inside, 0, 2, "Schema", theme.muted);
        let (schema, style, verdict) = match &self.verdict {
            Verdict::Empty => (sanitise(&self.input.layout.naming.schema_template), theme.muted, String::new()),
            Verdict::Free(name) => {
                let bytes = name.schema.raw().len();
                (sanitise(name.schema.raw()), theme.ok, format!("free ({bytes} of {MAX_IDENT_BYTES} bytes)"))
            }
            Verdict::Refused(Some(name), _) => (sanitise(name.schema.raw()), theme.error, "refused:".to_owned()),
            Verdict::Refused(None, _) => ("-".to_owned(), theme.error, "refused:".to_owned()),
        };
        // A long schema takes the room of the note, which then follows it.
        let room = inside.width.saturating_sub(LABEL + columns(verdict.len()) + 2);
        let end = put_safe(buf, inside, LABEL, 2, room, &schema, Style::new(), theme);
        put(buf, inside, right.max(end + 2).min(LABEL + room + 2), 2, &verdict, style);
    }

    /// `[x] t_blue_fox   password shown once`; what the framework always makes cannot be chosen.
    fn draw_role(&self, buf: &mut Buffer, inside: Rect, y: u16, theme: &Theme) {
        put(buf, inside, 0, y, "Role", theme.muted);
        let name = match self.role_name() {
            Some(Ok(name)) if self.role => sanitise(&name),
            Some(Err(_)) if self.role => "-".to_owned(),
            Some(_) | None if self.role => "a login role of its own".to_owned(),
            Some(_) | None => "none of its own".to_owned(),
        };
        let mark = if self.role { "[x]" } else { "[ ]" };
        let style = if self.focus == Stop::Role { theme.selection } else { Style::new() };
        let x = if self.asks_for_role() { put(buf, inside, LABEL, y, mark, style) + 1 } else { LABEL };
        let end = put_safe(buf, inside, x, y, FIELD, &name, Style::new(), theme);
        let note = match (self.role, self.asks_for_role()) {
            (true, _) => "its password is shown once",
            (false, true) => "Space makes one",
            (false, false) => "",
        };
        put_fit(buf, inside, (LABEL + FIELD + 2).max(end + 2), y, inside.width, note, theme.muted);
    }

    fn draw_template(&self, buf: &mut Buffer, inside: Rect, y: u16, theme: &Theme) {
        let Some(folder) = &self.input.folder else {
            labelled(
                buf,
                inside,
                y,
                ("Template", "an empty schema: no migration folder is configured"),
                theme.warn,
                theme,
            );
            return;
        };
        let Some(last) = folder.files.last() else {
            labelled(buf, inside, y, ("Template", "an empty schema: the migration folder is empty"), theme.warn, theme);
            return;
        };
        let target = format!("{} (newest)", last.version.untrusted().safe());
        let end = labelled(buf, inside, y, ("Template", &target), Style::new(), theme);
        let words = self.migrations();
        put_fit(buf, inside, (LABEL + FIELD + 2).max(end + 2), y, inside.width, &words, Style::new());
    }
}
