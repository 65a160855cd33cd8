//! Colours by meaning. Nothing may depend on colour alone: whatever a role colours has a word or a mark as well.
//!
//! A theme is a TOML file of roles; the embedded ones are in `assets/themes`. A user's file names only what it changes.

use std::collections::BTreeMap;
use std::path::Path;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use crate::model::environment::Environment;
use crate::text::sanitise;

const DEFAULT: &str = include_str!("../../assets/themes/default.toml");
const MONO: &str = include_str!("../../assets/themes/mono.toml");
const HIGH_CONTRAST: &str = include_str!("../../assets/themes/high-contrast.toml");

/// The roles in the order of [`Theme::slot`], for messages.
const ROLES: [&str; 20] = [
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
            format!("\"{text}\" is not a colour; allowed are the 16 names (\"red\", \"light-red\"...), \"#rrggbb\" and \"0\" to \"255\"")
        })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoleStyle {
    fg: Option<Colour>,
    bg: Option<Colour>,
    bold: bool,
    dim: bool,
    reverse: bool,
    underline: bool,
}

impl RoleStyle {
    fn style(&self, colours: bool) -> Style {
        let mut style = Style::new();
        style.fg = self.fg.filter(|_| colours).map(|colour| colour.0);
        style.bg = self.bg.filter(|_| colours).map(|colour| colour.0);
        for (on, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            // A background is gone without colours; what it said has to be said by reversing.
            (self.reverse || (!colours && self.bg.is_some()), Modifier::REVERSED),
            (self.underline, Modifier::UNDERLINED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}

impl Theme {
    /// The theme of a name (`default`, `mono`, `high-contrast`) or of a file; without colours where `NO_COLOR` is set.
    ///
    /// # Errors
    /// When there is no such theme, or the file does not parse: what failed, why, what to do.
    pub fn load(name: &str) -> Result<Self, String> {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self::read(name, colours)
    }

    /// As [`Self::load`], with the choice of colours made by the caller.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(name: &str, colours: bool) -> Result<Self, String> {
        match name {
            "default" | "" => Self::parse(DEFAULT, colours),
            "mono" => Self::parse(MONO, colours),
            "high-contrast" => Self::parse(HIGH_CONTRAST, colours),
            file => {
                let shown = sanitise(file);
                let text = std::fs::read_to_string(Path::new(file)).map_err(|error| {
                    format!("ui.theme: \"{shown}\" is neither default, mono, high-contrast nor a file that can be read ({error})")
                })?;
                Self::parse(&text, colours).map_err(|why| format!("ui.theme: {shown}: {why}"))
            }
        }
    }

    /// A theme of its text: the default, and the roles that the text names.
    ///
    /// # Errors
    /// With line and column, when the text is not a theme.
    pub fn parse(text: &str, colours: bool) -> Result<Self, String> {
        let mut theme = Self::default();
        for layer in [DEFAULT, text] {
            let roles: BTreeMap<String, RoleStyle> =
                toml::from_str(layer).map_err(|error| sanitise(&error.to_string()).replace("\\n", "; "))?;
            for (role, style) in roles {
                let Some(slot) = theme.slot(&role) else {
                    return Err(format!("\"{}\" is not a role; roles are: {}", sanitise(&role), ROLES.join(", ")));
                };
                *slot = style.style(colours);
            }
        }
        Ok(theme)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_themes_name_every_role() {
        for text in [DEFAULT, MONO, HIGH_CONTRAST] {
            let roles: BTreeMap<String, RoleStyle> = toml::from_str(text).expect("a theme");
            assert_eq!(roles.len(), ROLES.len());
            for role in ROLES {
                assert!(roles.contains_key(role), "{role}");
            }
            Theme::parse(text, true).expect("a theme");
        }
    }

    #[test]
    fn without_colours_only_modifiers_are_left() {
        for name in ["default", "mono", "high-contrast"] {
            let mut theme = Theme::read(name, false).expect("a theme");
            for role in ROLES {
                let style = *theme.slot(role).expect("a role");
                assert_eq!((style.fg, style.bg), (None, None), "{name}: {role}");
            }
            assert!(theme.cursor.add_modifier.contains(Modifier::REVERSED), "{name}");
        }
    }

    #[test]
    fn mono_has_no_colours_even_where_they_are_possible() {
        let mut theme = Theme::read("mono", true).expect("a theme");
        for role in ROLES {
            let style = *theme.slot(role).expect("a role");
            assert_eq!((style.fg, style.bg), (None, None), "{role}");
        }
    }

    #[test]
    fn a_users_file_changes_only_what_it_names() {
        let own = Theme::parse("ok = { fg = \"#00ff00\", bold = true }", true).expect("a theme");
        let default = Theme::read("default", true).expect("a theme");
        assert_eq!(own.ok.fg, Some(Color::Rgb(0, 255, 0)));
        assert_eq!(own.error, default.error);
    }

    #[test]
    fn errors_name_the_place_and_what_is_allowed() {
        let unknown = Theme::parse("okay = {}", true).expect_err("no role");
        assert!(unknown.contains("okay") && unknown.contains("roles are: ok, warn"), "{unknown}");
        let colour = Theme::parse("ok = { fg = \"greenish\" }", true).expect_err("no colour");
        assert!(colour.contains("line 1"), "{colour}");
        let key = Theme::parse("ok = { fgg = \"green\" }", true).expect_err("no key");
        assert!(key.contains("fgg"), "{key}");
        let file = Theme::read("no/such/file\u{1b}.toml", true).expect_err("no file");
        assert!(file.contains("no/such/file\\e.toml") && file.contains("mono"), "{file}");
    }
}
