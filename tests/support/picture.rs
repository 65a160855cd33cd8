//! Pictures of screens as SVG: what a terminal shows, with its colours. For judging frames by eye and for the README.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// One cell of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What stands there; empty for the second half of a wide character.
    pub symbol: String,
    /// `#rrggbb` of the text and of the ground, as shown.
    pub fg: String,
    pub bg: String,
    pub bold: bool,
    pub dim: bool,
    pub underline: bool,
}

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Rows of cells.
    pub rows: Vec<Vec<Cell>>,
}

const GROUND: &str = "#12151a";
const TEXT: &str = "#d5d9e0";

/// The 16 colours, in the order of ANSI.
const PALETTE: [&str; 16] = [
    "#20252d", "#e05561", "#8cc265", "#d8a04c", "#4aa5f0", "#c162de", "#42b3c2", "#c5cad3", "#5c6370", "#ff6a75",
    "#a5e075", "#f0c674", "#6cb8ff", "#de73ff", "#56d4e2", "#f2f4f8",
];
const CELL: (f32, f32) = (8.43, 18.0);

fn indexed(index: u8) -> String {
    if let Some(colour) = PALETTE.get(usize::from(index)) {
        return (*colour).to_owned();
    }
    if index >= 232 {
        let level = 8 + (u32::from(index) - 232) * 10;
        return format!("#{level:02x}{level:02x}{level:02x}");
    }
    let cube = u32::from(index) - 16;
    let level = |part: u32| if part == 0 { 0 } else { 55 + part * 40 };
    format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

fn colour(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Reset => otherwise.to_owned(),
        Color::Black => indexed(0),
        Color::Red => indexed(1),
        Color::Green => indexed(2),
        Color::Yellow => indexed(3),
        Color::Blue => indexed(4),
        Color::Magenta => indexed(5),
        Color::Cyan => indexed(6),
        Color::Gray => indexed(7),
        Color::DarkGray => indexed(8),
        Color::LightRed => indexed(9),
        Color::LightGreen => indexed(10),
        Color::LightYellow => indexed(11),
        Color::LightBlue => indexed(12),
        Color::LightMagenta => indexed(13),
        Color::LightCyan => indexed(14),
        Color::White => indexed(15),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(index) => indexed(index),
    }
}

impl From<&Buffer> for Picture {
    fn from(buffer: &Buffer) -> Self {
        let rows = (0..buffer.area.height).map(|y| {
            let mut row = Vec::new();
            let mut covered = false;
            for x in 0..buffer.area.width {
                let cell = &buffer[(x, y)];
                let (mut fg, mut bg) = (colour(cell.fg, TEXT), colour(cell.bg, GROUND));
                if cell.modifier.contains(Modifier::REVERSED) {
                    std::mem::swap(&mut fg, &mut bg);
                }
                row.push(Cell {
                    symbol: if covered { String::new() } else { cell.symbol().to_owned() },
                    fg,
                    bg,
                    bold: cell.modifier.contains(Modifier::BOLD),
                    dim: cell.modifier.contains(Modifier::DIM),
                    underline: cell.modifier.contains(Modifier::UNDERLINED),
                });
                covered = !covered && cell.symbol().width() > 1;
            }
            row
        });
        Self { rows: rows.collect() }
    }
}

impl From<&vt100::Screen> for Picture {
    fn from(screen: &vt100::Screen) -> Self {
        let colour = |colour: vt100::Color, otherwise: &str| match colour {
            vt100::Color::Default => otherwise.to_owned(),
            vt100::Color::Idx(index) => indexed(index),
            vt100::Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        };
        let (height, width) = screen.size();
        let (height, width) = (u16::from(height), u16::from(width));
        let rows = (0..height).map(|y| {
            (0..width)
                .filter_map(|x| screen.cell(y, x))
                .map(|cell| {
                    let (mut fg, mut bg) = (colour(cell.fgcolor(), TEXT), colour(cell.bgcolor(), GROUND));
                    if cell.inverse() {
                        std::mem::swap(&mut fg, &mut bg);
                    }
                    Cell {
                        symbol: cell.contents().to_owned(),
                        fg,
                        bg,
                        bold: cell.bold(),
                        dim: cell.dim(),
                        underline: cell.underline(),
                    }
                })
                .collect()
        });
        Self { rows: rows.collect() }
    }
}

impl Picture {
    /// The picture as SVG, in a window's frame.
    pub fn svg(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let margin = 14.0;
        #[allow(clippy::cast_precision_loss)]
        let (width, height) = (columns as f32 * CELL.0 + 2.0 * margin, self.rows.len() as f32 * CELL.1 + 2.0 * margin);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
        );
        for (y, row) in self.rows.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let top = margin + y as f32 * CELL.1;
            let mut x = 0;
            while x < row.len() {
                let end = (x..row.len()).find(|at| !same(&row[x], &row[*at])).unwrap_or(row.len());
                draw_run(&mut out, &row[x..end], x, top, margin);
                x = end;
            }
        }
        out.push_str("</svg>\n");
        out
    }
}

/// Whether two cells look alike apart from what stands in them.
fn same(a: &Cell, b: &Cell) -> bool {
    (&a.fg, &a.bg, a.bold, a.dim, a.underline) == (&b.fg, &b.bg, b.bold, b.dim, b.underline)
}

fn draw_run(out: &mut String, run: &[Cell], x: usize, top: f32, margin: f32) {
    let first = &run[0];
    #[allow(clippy::cast_precision_loss)]
    let (left, width) = (margin + x as f32 * CELL.0, run.len() as f32 * CELL.0);
    if first.bg != GROUND {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{:.2}\" fill=\"{}\"/>",
            CELL.1, first.bg
        );
    }
    if first.underline {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"1\" fill=\"{}\"/>",
            top + CELL.1 - 3.0,
            first.fg
        );
    }
    let weight = if first.bold { " font-weight=\"bold\"" } else { "" };
    let opacity = if first.dim { " opacity=\"0.55\"" } else { "" };
    // Word by word, each at its own place: no font's widths can push the rest of a row aside.
    let mut at = 0;
    while at < run.len() {
        if run[at].symbol.trim().is_empty() {
            at += 1;
            continue;
        }
        let end = (at..run.len()).find(|end| run[*end].symbol.trim().is_empty()).unwrap_or(run.len());
        let text: String = run[at..end].iter().map(|cell| cell.symbol.as_str()).collect();
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        #[allow(clippy::cast_precision_loss)]
        let place = left + at as f32 * CELL.0;
        let _ = writeln!(
            out,
            "<text x=\"{place:.2}\" y=\"{:.2}\" fill=\"{}\"{weight}{opacity} xml:space=\"preserve\">{text}</text>",
            top + CELL.1 - 5.0,
            first.fg
        );
        at = end;
    }
}
