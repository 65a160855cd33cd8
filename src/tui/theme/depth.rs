//! How many colours a terminal shows, and what becomes of a colour that it cannot show.

use anstyle::{Ansi256Color, AnsiColor, RgbColor};
use anstyle_lossy::palette::VGA;
use ratatui::style::Color;

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, dim, underlined and reversed are all there is.
    None,
    /// The 16 of the terminal's own scheme.
    Sixteen,
    /// 256.
    Indexed,
    /// All.
    True,
}

impl Depth {
    /// What the terminal says of itself in its environment: `NO_COLOR` (set and not empty) beats everything, then
    /// `COLORTERM`, then `TERM`. What says nothing has the 16 colours that every terminal of the last decades has.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).unwrap_or_default();
        if !set("NO_COLOR").is_empty() {
            return Self::None;
        }
        if matches!(set("COLORTERM").as_str(), "truecolor" | "24bit") {
            return Self::True;
        }
        let term = set("TERM");
        // VT100 and its children, and the entries of terminfo without colours (xterm-mono, screen-m, vt220-m).
        let plain = ["-m", "-mono"].iter().any(|end| term.ends_with(end));
        if plain || term == "dumb" || (term.starts_with("vt") && term["vt".len()..].starts_with(['1', '2', '3', '4'])) {
            Self::None
        } else if term.ends_with("-direct") {
            Self::True
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    /// Whether a colour can be shown as it is.
    #[must_use]
    pub const fn shows(self, colour: Color) -> bool {
        match (self, colour) {
            (Self::None, _) => false,
            (Self::True, _) => true,
            (Self::Indexed, Color::Rgb(..)) | (Self::Sixteen, Color::Rgb(..) | Color::Indexed(16..)) => false,
            (Self::Indexed | Self::Sixteen, _) => true,
        }
    }

    /// The nearest colour that can be shown; `None` where there are no colours.
    #[must_use]
    pub const fn nearest(self, colour: Color) -> Option<Color> {
        if self.shows(colour) {
            return Some(colour);
        }
        match (self, colour) {
            (Self::Indexed, Color::Rgb(r, g, b)) => {
                Some(Color::Indexed(anstyle_lossy::rgb_to_xterm(RgbColor(r, g, b)).index()))
            }
            (Self::Sixteen, Color::Rgb(r, g, b)) => Some(named(anstyle_lossy::rgb_to_ansi(RgbColor(r, g, b), VGA))),
            (Self::Sixteen, Color::Indexed(index)) => {
                Some(named(anstyle_lossy::xterm_to_ansi(Ansi256Color(index), VGA)))
            }
            (_, _) => None,
        }
    }
}

const fn named(colour: AnsiColor) -> Color {
    match colour {
        AnsiColor::Black => Color::Black,
        AnsiColor::Red => Color::Red,
        AnsiColor::Green => Color::Green,
        AnsiColor::Yellow => Color::Yellow,
        AnsiColor::Blue => Color::Blue,
        AnsiColor::Magenta => Color::Magenta,
        AnsiColor::Cyan => Color::Cyan,
        AnsiColor::White => Color::Gray,
        AnsiColor::BrightBlack => Color::DarkGray,
        AnsiColor::BrightRed => Color::LightRed,
        AnsiColor::BrightGreen => Color::LightGreen,
        AnsiColor::BrightYellow => Color::LightYellow,
        AnsiColor::BrightBlue => Color::LightBlue,
        AnsiColor::BrightMagenta => Color::LightMagenta,
        AnsiColor::BrightCyan => Color::LightCyan,
        AnsiColor::BrightWhite => Color::White,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        let depth = |set: &[(&str, &str)]| {
            Depth::of(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "tmux-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("COLORTERM", "24bit")]), Depth::None);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "vt220")]), Depth::None);
        assert_eq!(depth(&[("TERM", "screen-m")]), Depth::None);
        assert_eq!(depth(&[("TERM", "vte")]), Depth::Sixteen);
        assert_eq!(depth(&[]), Depth::Sixteen);
    }

    #[test]
    fn a_colour_becomes_the_nearest_that_there_is() {
        let blue = Color::Rgb(0x56, 0xb4, 0xe9);
        assert_eq!(Depth::True.nearest(blue), Some(blue));
        assert!(matches!(Depth::Indexed.nearest(blue), Some(Color::Indexed(16..))));
        assert_eq!(Depth::Sixteen.nearest(Color::Rgb(255, 85, 85)), Some(Color::LightRed));
        assert!(matches!(Depth::Sixteen.nearest(Color::Indexed(124)), Some(Color::Red)));
        assert_eq!(Depth::Sixteen.nearest(Color::Indexed(3)), Some(Color::Indexed(3)));
        assert_eq!(Depth::Sixteen.nearest(Color::Green), Some(Color::Green));
        assert_eq!(Depth::None.nearest(Color::Green), None);
    }
}
