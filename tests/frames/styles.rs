//! Frames in a second theme: the words are the same, and which cells look how is a snapshot of its own, a line for each
//! row, rows that look alike together.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Color;
use tenantui::tui::theme::{Depth, EMBEDDED, Theme};

use super::stage::text;
use crate::support::picture::Picture;

/// The theme of the second frames.
pub fn second() -> Theme {
    Theme::read("high-contrast", Depth::Sixteen).expect("a theme")
}

/// `white on red, bold`; empty for a cell without any style.
fn look(cell: &Cell) -> String {
    let colour = |colour: Color| colour.to_string().to_lowercase();
    let mut parts = Vec::new();
    match (cell.fg, cell.bg) {
        (Color::Reset, Color::Reset) => {}
        (fg, Color::Reset) => parts.push(colour(fg)),
        (fg, bg) => parts.push(format!("{} on {}", colour(fg), colour(bg))),
    }
    if !cell.modifier.is_empty() {
        parts.push(format!("{:?}", cell.modifier).to_lowercase().replace(" | ", " "));
    }
    parts.join(", ")
}

/// The looks of a row: columns and what they look like.
fn row(buffer: &Buffer, y: u16) -> String {
    let mut out = String::new();
    let looks: Vec<String> = (0..buffer.area.width).map(|x| look(&buffer[(x, y)])).collect();
    let mut x = 0;
    while x < looks.len() {
        let end = (x..looks.len()).find(|at| looks[*at] != looks[x]).unwrap_or(looks.len());
        if !looks[x].is_empty() {
            let _ = write!(out, "  {x}-{} {}", end - 1, looks[x]);
        }
        x = end;
    }
    out
}

fn map(buffer: &Buffer) -> String {
    let mut out = format!("{}x{}\n", buffer.area.width, buffer.area.height);
    let rows: Vec<String> = (0..buffer.area.height).map(|y| row(buffer, y)).collect();
    let mut y = 0;
    while y < rows.len() {
        let end = (y..rows.len()).find(|at| rows[*at] != rows[y]).unwrap_or(rows.len());
        if !rows[y].is_empty() {
            let which = if end - y == 1 { y.to_string() } else { format!("{y}-{}", end - 1) };
            let _ = writeln!(out, "{which}:{}", rows[y]);
        }
        y = end;
    }
    out
}

/// Compares pairs of frames, the first in the default theme: the same words, and the looks that were committed.
pub fn check(name: &str, frames: &[(Buffer, Buffer)]) {
    let mut all = String::new();
    for (default, second) in frames {
        assert_eq!(text(default), text(second), "{name}: a theme changes no word");
        all.push_str(&map(second));
    }
    insta::with_settings!({snapshot_path => "../snapshots/styles"}, {
        insta::assert_snapshot!(name, all);
    });
}

/// Writes pictures of a frame in each theme, with all, 256, 16 and no colours, where they are asked for.
pub fn pictures(name: &str, draw: impl Fn(&Theme) -> Buffer) {
    let Some(folder) = std::env::var_os("TENANTUI_PICTURES") else { return };
    for (theme, depth) in
        EMBEDDED.iter().flat_map(|name| [Depth::True, Depth::Indexed, Depth::Sixteen, Depth::None].map(|d| (name, d)))
    {
        let folder = std::path::Path::new(&folder).join(format!("{theme}-{depth:?}").to_lowercase());
        std::fs::create_dir_all(&folder).expect("a folder");
        let frame = draw(&Theme::read(theme, depth).expect("a theme"));
        std::fs::write(folder.join(format!("{name}.svg")), Picture::from(&frame).svg()).expect("a picture");
    }
}
