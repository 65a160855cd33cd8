//! What stands under the mouse: looked up in the frame itself, drawn once more with a theme whose colours are the names
//! of the roles. So there is no second geometry to keep right, and a click can only mean what is there to be seen.

use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};

use super::app::state::State;
use super::frame::FrameBackend;
use super::theme::{ROLES, Theme};

/// The first of the 256 colours that stand for roles: no part of the dashboard draws with it otherwise.
const FIRST: u8 = 100;

/// A frame whose roles can be read.
#[derive(Debug)]
pub struct Frame {
    buffer: Buffer,
}

/// A theme whose colours are the numbers of the roles.
fn tags() -> Theme {
    let mut theme = Theme::default();
    for (number, role) in (FIRST..).zip(ROLES) {
        theme.set(role, Style::new().fg(Color::Indexed(number)));
    }
    theme
}

impl Frame {
    /// The frame of a state; `None` where it cannot be drawn.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let mut terminal = Terminal::new(FrameBackend::new(state.size.0, state.size.1)).ok()?;
        let theme = tags();
        let frame = terminal.draw(|frame| super::screens::draw(frame, state, &theme)).ok()?;
        Some(Self { buffer: frame.buffer.clone() })
    }

    fn symbol(&self, x: u16, y: u16) -> &str {
        self.buffer.cell((x, y)).map_or(" ", |cell| cell.symbol())
    }

    /// The role of a cell.
    #[must_use]
    pub fn role(&self, x: u16, y: u16) -> Option<&'static str> {
        match self.buffer.cell((x, y))?.fg {
            Color::Indexed(number) => ROLES.get(usize::from(number.checked_sub(FIRST)?)).copied(),
            _ => None,
        }
    }

    fn width(&self) -> u16 {
        self.buffer.area.width
    }

    /// The text of a row from one column to before another.
    #[must_use]
    pub fn text(&self, columns: std::ops::Range<u16>, y: u16) -> String {
        columns.map(|x| self.symbol(x, y)).collect()
    }

    /// The columns around a cell over which something holds.
    fn run(&self, x: u16, holds: impl Fn(u16) -> bool) -> std::ops::Range<u16> {
        let start = (0..x).rev().take_while(|x| holds(*x)).last().unwrap_or(x);
        let end = (x..self.width()).take_while(|x| holds(*x)).last().map_or(x, |last| last + 1);
        start..end
    }

    /// The key of the hint (`M migrate`) at a place: the key itself, or its words.
    #[must_use]
    pub fn key(&self, x: u16, y: u16) -> Option<String> {
        let is_key = |x: u16| self.role(x, y) == Some("key");
        let at = (0..=x).rev().find(|x| is_key(*x))?;
        let run = self.run(at, is_key);
        // Words belong to the key before them as far as no gap of two blanks stands between.
        let blank = |x: u16| self.symbol(x, y) == " ";
        if at != x && (self.text(run.end..x + 1, y).contains("  ") || (blank(x) && blank(x + 1))) {
            return None;
        }
        self.text(run, y).split_whitespace().next().map(str::to_owned)
    }

    /// The word at a place with its role.
    #[must_use]
    pub fn word(&self, x: u16, y: u16) -> Option<(String, Option<&'static str>)> {
        let solid = |x: u16| self.symbol(x, y) != " ";
        solid(x).then(|| (self.text(self.run(x, solid), y), self.role(x, y)))
    }

    /// The heading of the column at a place, without the mark of the order. The blank between two columns is the one's
    /// whose word it touches.
    #[must_use]
    pub fn heading(&self, x: u16, y: u16) -> Option<String> {
        let heads = |x: u16| self.role(x, y) == Some("heading");
        let word = |x: u16| heads(x) && self.symbol(x, y) != " ";
        let at = match (heads(x), x.checked_sub(1).filter(|left| heads(*left))) {
            (true, _) => x,
            (false, Some(left)) if word(left) || !word(x + 1) => left,
            (false, _) => Some(x + 1).filter(|right| heads(*right))?,
        };
        let title = self.text(self.run(at, heads), y);
        let title = title.trim().trim_end_matches(['^', 'v']);
        (!title.is_empty()).then(|| title.to_owned())
    }

    /// The words at a place that are apart from others by two blanks: `behind 208`.
    #[must_use]
    pub fn words(&self, x: u16, y: u16) -> Option<String> {
        let near = |x: u16| self.symbol(x, y) != " " || (x > 0 && self.symbol(x - 1, y) != " ");
        let text = self.text(self.run(x, near), y);
        near(x).then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The title of what may be a button at a place, without its brackets.
    #[must_use]
    pub fn button(&self, x: u16, y: u16) -> Option<String> {
        let role = self.role(x, y).filter(|role| matches!(*role, "selection" | "title" | "muted"))?;
        let title = self.text(self.run(x, |x| self.role(x, y) == Some(role)), y);
        let title = title.trim().trim_start_matches("[ ").trim_end_matches(" ]").trim();
        (!title.is_empty()).then(|| title.to_owned())
    }

    /// The columns of the text field at a place.
    #[must_use]
    pub fn field(&self, x: u16, y: u16) -> Option<std::ops::Range<u16>> {
        // The cursor of the field that has the keys looks like a button's focus, which has a bracket.
        let is_field = |x: u16| match self.role(x, y) {
            Some("field") => true,
            Some("selection") => x > 0 && self.role(x - 1, y) == Some("field") || self.role(x + 1, y) == Some("field"),
            Some(_) | None => false,
        };
        is_field(x).then(|| self.run(x, is_field))
    }

    /// Whether the keys go into the text field of these columns.
    #[must_use]
    pub fn takes_keys(&self, columns: &std::ops::Range<u16>, y: u16) -> bool {
        columns.clone().any(|x| self.role(x, y) == Some("selection"))
    }

    /// The title of the button that has the focus.
    #[must_use]
    pub fn focused_button(&self) -> Option<String> {
        let area = self.buffer.area;
        (0..area.height).find_map(|y| {
            let at = (0..area.width).find(|x| self.role(*x, y) == Some("selection") && self.symbol(*x, y) == "[")?;
            self.button(at, y)
        })
    }

    /// The row of a list's cursor, and its columns.
    #[must_use]
    pub fn cursor(&self) -> Option<(u16, std::ops::Range<u16>)> {
        let area = self.buffer.area;
        (0..area.height).find_map(|y| {
            let at = (0..area.width).find(|x| self.role(*x, y) == Some("cursor"))?;
            Some((y, self.run(at, |x| self.role(x, y) == Some("cursor"))))
        })
    }
}
