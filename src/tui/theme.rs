//! Colours by meaning. Nothing may depend on colour alone: whatever a role colours has a word or a mark as well.
//!
//! A theme is a TOML file of roles; the embedded ones are in `assets/themes`. A user's file names only what it changes.
//! A colour that the terminal cannot show becomes the next one of its list, else the nearest that there is.

mod depth;
#[cfg(test)]
mod tests;

pub use depth::Depth;

use std::collections::BTreeMap;
use std::path::Path;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use toml::Spanned;

use crate::model::environment::Environment;
use crate::text::sanitise;

const DEFAULT: &str = include_str!("../../assets/themes/default.toml");
const MONO: &str = include_str!("../../assets/themes/mono.toml");
const HIGH_CONTRAST: &str = include_str!("../../assets/themes/high-contrast.toml");

/// The names of the embedded themes.
pub const EMBEDDED: [&str; 3] = ["default", "mono", "high-contrast"];

/// The roles in the order of [`Theme::slot`], for messages.
pub const ROLES: [&str; 20] = [
    "ok",
    "warn",
    "error",
    "muted",
    "accent",
    "title",
    "heading",
    "border",
    "key",
    "production",
    "staging",
    "development",
    "writes",
    "mark",
    "cursor",
    "selection",
    "field",
    "bar",
    "escape",
    "stale",
];

/// A theme: one style for each meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Theme {
    /// All is well.
    pub ok: Style,
    /// Somebody should look.
    pub warn: Style,
    /// Something failed.
    pub error: Style,
    /// Less important.
    pub muted: Style,
    /// Worth a look.
    pub accent: Style,
    /// Titles and what is open.
    pub title: Style,
    /// Headings of columns.
    pub heading: Style,
    /// Borders of dialogs.
    pub border: Style,
    /// Keys in hints.
    pub key: Style,
    /// The badge of production, and its whole header line.
    pub production: Style,
    /// The badge of staging.
    pub staging: Style,
    /// The badge of development.
    pub development: Style,
    /// The write lock is open.
    pub writes: Style,
    /// Marked rows.
    pub mark: Style,
    /// The row under the cursor.
    pub cursor: Style,
    /// The focused button, the open tab.
    pub selection: Style,
    /// Text fields.
    pub field: Style,
    /// Bars.
    pub bar: Style,
    /// Visible escapes in untrusted text.
    pub escape: Style,
    /// Rows that are no longer known to be true.
    pub stale: Style,
}

/// A colour as a theme writes it: a name of the 16, `#rrggbb`, or a number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Colour(Color);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            let shown = sanitise(&text);
            format!("\"{shown}\" is not a colour; allowed are the 16 names (\"red\", \"light-red\"...), \"#rrggbb\" and \"0\" to \"255\"")
        })
    }
}

/// A colour, or several: the first that the terminal can show.
#[derive(Debug, Clone, Default)]
struct Choice(Vec<Color>);

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = Choice;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a colour, or a list of colours of which the first that can be shown counts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Choice, E> {
                Colour::try_from(text.to_owned()).map(|colour| Choice(vec![colour.0])).map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Choice, A::Error> {
                let mut colours = Vec::new();
                while let Some(Colour(colour)) = list.next_element()? {
                    colours.push(colour);
                }
                Ok(Choice(colours))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl Choice {
    fn shown(&self, depth: Depth) -> Option<Color> {
        let whole = self.0.iter().copied().find(|colour| depth.shows(*colour));
        whole.or_else(|| self.0.last().and_then(|colour| depth.nearest(*colour)))
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoleStyle {
    fg: Choice,
    bg: Choice,
    bold: bool,
    dim: bool,
    reverse: bool,
    underline: bool,
}

impl RoleStyle {
    fn style(&self, depth: Depth) -> Style {
        let mut style = Style::new();
        style.fg = self.fg.shown(depth);
        style.bg = self.bg.shown(depth);
        let lost_ground = !self.bg.0.is_empty() && style.bg.is_none();
        for (on, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            // A background is gone without colours; what it said has to be said by reversing.
            (self.reverse || lost_ground, Modifier::REVERSED),
            (self.underline, Modifier::UNDERLINED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}

/// The roles that a text names, each with its line.
fn roles(text: &str) -> Result<BTreeMap<String, (usize, RoleStyle)>, String> {
    let line = |at: usize| text.get(..at).map_or(0, |before| before.matches('\n').count() + 1);
    let roles: BTreeMap<Spanned<String>, RoleStyle> = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| format!("line {}: ", line(span.start))).unwrap_or_default();
        format!("{place}{}", sanitise(error.message()))
    })?;
    Ok(roles.into_iter().map(|(role, style)| (role.get_ref().clone(), (line(role.span().start), style))).collect())
}

impl Theme {
    /// The theme of a name ([`EMBEDDED`]) or of a file, in the colours that the terminal says it has.
    ///
    /// # Errors
    /// When there is no such theme, or the file does not parse: what failed, why, what to do.
    pub fn load(name: &str) -> Result<Self, String> {
        Self::read(name, Depth::of(|name| std::env::var(name).ok()))
    }

    /// As [`Self::load`], with the choice of colours made by the caller.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(name: &str, depth: Depth) -> Result<Self, String> {
        match name {
            "default" | "" => Self::parse(DEFAULT, depth),
            "mono" => Self::parse(MONO, depth),
            "high-contrast" => Self::parse(HIGH_CONTRAST, depth),
            file => {
                let shown = sanitise(file);
                let text = std::fs::read_to_string(Path::new(file)).map_err(|error| {
                    let names = EMBEDDED.join(", ");
                    format!("ui.theme: \"{shown}\" is neither {names} nor a file that can be read ({error})")
                })?;
                Self::parse(&text, depth).map_err(|why| format!("ui.theme: {shown}: {why}"))
            }
        }
    }

    /// A theme of its text: the default, and the roles that the text names.
    ///
    /// # Errors
    /// With the line, when the text is not a theme.
    pub fn parse(text: &str, depth: Depth) -> Result<Self, String> {
        let mut theme = Self::default();
        for layer in [DEFAULT, text] {
            for (role, (line, style)) in roles(layer)? {
                let Some(slot) = theme.slot(&role) else {
                    let all = ROLES.join(", ");
                    return Err(format!("line {line}: \"{}\" is not a role; roles are: {all}", sanitise(&role)));
                };
                *slot = style.style(depth);
            }
        }
        Ok(theme)
    }

    /// Gives a role of [`ROLES`] another style; what is no role is left alone.
    pub fn set(&mut self, role: &str, style: Style) {
        if let Some(slot) = self.slot(role) {
            *slot = style;
        }
    }

    /// The style of a role of [`ROLES`].
    #[must_use]
    pub fn style_of(&self, role: &str) -> Option<Style> {
        self.clone().slot(role).copied()
    }

    fn slot(&mut self, role: &str) -> Option<&mut Style> {
        Some(match role {
            "ok" => &mut self.ok,
            "warn" => &mut self.warn,
            "error" => &mut self.error,
            "muted" => &mut self.muted,
            "accent" => &mut self.accent,
            "title" => &mut self.title,
            "heading" => &mut self.heading,
            "border" => &mut self.border,
            "key" => &mut self.key,
            "production" => &mut self.production,
            "staging" => &mut self.staging,
            "development" => &mut self.development,
            "writes" => &mut self.writes,
            "mark" => &mut self.mark,
            "cursor" => &mut self.cursor,
            "selection" => &mut self.selection,
            "field" => &mut self.field,
            "bar" => &mut self.bar,
            "escape" => &mut self.escape,
            "stale" => &mut self.stale,
            _ => return None,
        })
    }

    /// The style of an environment's badge.
    #[must_use]
    pub const fn environment(&self, environment: Environment) -> Style {
        match environment {
            Environment::Production => self.production,
            Environment::Staging => self.staging,
            Environment::Development => self.development,
        }
    }
}
