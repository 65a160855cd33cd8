//! Bytes for the terminal, made in memory: frames of changed cells only, and text for the clipboard.

use std::io;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType as CrosstermClear, EndSynchronizedUpdate};
use crossterm::{Command, queue};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// The most bytes that are sent to the terminal's clipboard; several terminals take no more.
pub const CLIPBOARD_BYTES: usize = 74_000;

/// Writing to memory cannot fail.
pub(super) fn put(bytes: &mut Vec<u8>, command: impl Command) {
    let _ = queue!(bytes, command);
}

/// The bytes that put text into the terminal's clipboard (OSC 52), wrapped for tmux and screen.
///
/// # Errors
/// When the text is longer than [`CLIPBOARD_BYTES`].
pub fn clipboard_bytes(text: &str, tmux: bool, screen: bool) -> Result<Vec<u8>, String> {
    if text.len() > CLIPBOARD_BYTES {
        return Err(format!(
            "{} bytes are more than terminals take ({CLIPBOARD_BYTES}); export it instead",
            text.len()
        ));
    }
    let mut plain = Vec::new();
    put(&mut plain, CopyToClipboard::to_clipboard_from(text));
    let wrapped = |opening: &[u8], body: &[u8]| [opening, body, b"\x1b\\"].concat();
    if tmux {
        let doubled: Vec<u8> =
            plain.iter().flat_map(|byte| if *byte == 0x1b { vec![0x1b, 0x1b] } else { vec![*byte] }).collect();
        // tmux itself takes the plain form (set-clipboard on); the wrapped form passes it on to the outer terminal.
        return Ok([plain, wrapped(b"\x1bPtmux;", &doubled)].concat());
    }
    if screen {
        // screen takes strings of at most 768 bytes; an ESC \ inside would end the wrapping.
        let body = plain.strip_suffix(b"\x1b\\").map_or_else(|| plain.clone(), |body| [body, b"\x07"].concat());
        return Ok(body.chunks(512).flat_map(|chunk| wrapped(b"\x1bP", chunk)).collect());
    }
    Ok(plain)
}

/// Makes frames in memory: only changed cells, nothing at all where nothing changed.
#[derive(Debug)]
pub struct FrameBackend {
    bytes: Vec<u8>,
    size: Size,
    cursor_shown: bool,
    position: Position,
    /// Where the terminal's cursor was put last; drawing cells moves it away.
    placed: Option<Position>,
}

impl FrameBackend {
    /// For a terminal of this size, whose cursor is hidden.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            bytes: Vec::new(),
            size: Size::new(columns, rows),
            cursor_shown: false,
            position: Position::ORIGIN,
            placed: None,
        }
    }

    /// The terminal has a new size.
    pub const fn set_size(&mut self, columns: u16, rows: u16) {
        self.size = Size::new(columns, rows);
    }

    /// The screen was left and entered again: the cursor is hidden.
    pub const fn entered_again(&mut self) {
        self.cursor_shown = false;
        self.placed = None;
    }

    /// The bytes of the frame, as one synchronized update; `None` where nothing changed.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let mut frame = Vec::with_capacity(self.bytes.len() + 32);
        put(&mut frame, BeginSynchronizedUpdate);
        short_colours(&self.bytes, &mut frame);
        self.bytes.clear();
        put(&mut frame, EndSynchronizedUpdate);
        Some(frame)
    }
}

/// Writes the 16 colours as every terminal knows them: `ESC [31m`, where crossterm writes `ESC [38;5;1m`, which only
/// terminals of 256 colours understand, and which is longer.
fn short_colours(bytes: &[u8], into: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        let (before, sequence) = rest.split_at(at + 2);
        into.extend_from_slice(before);
        let end = sequence.iter().position(|byte| (0x40..0x7f).contains(byte)).unwrap_or(sequence.len());
        let (parameters, after) = sequence.split_at(end);
        match after.first() {
            Some(b'm') => {
                let parameters = String::from_utf8_lossy(parameters);
                into.extend_from_slice(short_parameters(&parameters).as_bytes());
            }
            Some(_) | None => into.extend_from_slice(parameters),
        }
        rest = after;
    }
    into.extend_from_slice(rest);
}

fn short_parameters(parameters: &str) -> String {
    let parts: Vec<&str> = parameters.split(';').collect();
    let mut out: Vec<String> = Vec::with_capacity(parts.len());
    let mut rest = parts.as_slice();
    while let [first, more @ ..] = rest {
        rest = more;
        let base = match *first {
            "38" => Some(30),
            "48" => Some(40),
            _ => None,
        };
        if let (Some(base), ["5", index, beyond @ ..]) = (base, more)
            && let Ok(index @ 0..16) = index.parse::<u8>()
        {
            out.push((base + if index < 8 { index } else { index - 8 + 60 }).to_string());
            rest = beyond;
        } else if let (Some(_), ["5", index, beyond @ ..]) = (base, more) {
            out.extend([*first, "5", index].map(str::to_owned));
            rest = beyond;
        } else if let (Some(_), ["2", r, g, b, beyond @ ..]) = (base, more) {
            out.extend([*first, "2", r, g, b].map(str::to_owned));
            rest = beyond;
        } else {
            out.push((*first).to_owned());
        }
    }
    out.join(";")
}

impl Backend for FrameBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_some() {
            self.placed = None;
            CrosstermBackend::new(&mut self.bytes).draw(content)?;
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown {
            put(&mut self.bytes, Hide);
            self.cursor_shown = false;
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !self.cursor_shown {
            put(&mut self.bytes, Show);
            self.cursor_shown = true;
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.position)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.position = position.into();
        if self.placed != Some(self.position) {
            put(&mut self.bytes, MoveTo(self.position.x, self.position.y));
            self.placed = Some(self.position);
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        let kind = match kind {
            ClearType::All => CrosstermClear::All,
            ClearType::AfterCursor => CrosstermClear::FromCursorDown,
            ClearType::BeforeCursor => CrosstermClear::FromCursorUp,
            ClearType::CurrentLine => CrosstermClear::CurrentLine,
            ClearType::UntilNewLine => CrosstermClear::UntilNewLine,
        };
        put(&mut self.bytes, Clear(kind));
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::widgets::Paragraph;

    #[test]
    fn a_frame_that_changes_nothing_has_no_bytes() {
        let mut terminal = Terminal::new(FrameBackend::new(20, 3)).expect("terminal");
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hello"), frame.area())).expect("draws");
        let first = terminal.backend_mut().take_frame().expect("bytes");
        assert!(first.starts_with(b"\x1b[?2026h") && first.ends_with(b"\x1b[?2026l"), "{first:?}");
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hello"), frame.area())).expect("draws");
        assert_eq!(terminal.backend_mut().take_frame(), None);
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hellO"), frame.area())).expect("draws");
        let third = terminal.backend_mut().take_frame().expect("bytes");
        assert!(third.len() < 80, "only the changed cell: {third:?}");
    }

    #[test]
    fn a_cursor_that_stays_has_no_bytes() {
        let mut terminal = Terminal::new(FrameBackend::new(20, 3)).expect("terminal");
        for round in 0..3 {
            terminal
                .draw(|frame| {
                    frame.render_widget(Paragraph::new("x"), frame.area());
                    frame.set_cursor_position((4, 1));
                })
                .expect("draws");
            assert_eq!(terminal.backend_mut().take_frame().is_some(), round == 0);
        }
    }

    #[test]
    fn the_16_colours_are_written_as_every_terminal_knows_them() {
        let short = |bytes: &[u8]| {
            let mut out = Vec::new();
            short_colours(bytes, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(short(b"\x1b[2;3H\x1b[38;5;1mred\x1b[39m"), "\x1b[2;3H\x1b[31mred\x1b[39m");
        assert_eq!(short(b"\x1b[38;5;9;48;5;12;1mx"), "\x1b[91;104;1mx");
        assert_eq!(short(b"\x1b[38;5;74;48;2;5;5;1mx"), "\x1b[38;5;74;48;2;5;5;1mx");
        assert_eq!(short(b"38;5;1m \xe6\x97\xa5"), "38;5;1m \u{65e5}");
        assert_eq!(short(b"\x1b[?2026h\x1b[0m"), "\x1b[?2026h\x1b[0m");
    }

    #[test]
    fn clipboard_text_is_capped_and_wrapped() {
        assert!(clipboard_bytes(&"x".repeat(CLIPBOARD_BYTES + 1), false, false).is_err());
        let plain = clipboard_bytes("acme", false, false).expect("fits");
        assert_eq!(plain, b"\x1b]52;c;YWNtZQ==\x1b\\");
        let tmux = clipboard_bytes("acme", true, false).expect("fits");
        assert!(tmux.windows(7).any(|part| part == b"\x1bPtmux;"), "{tmux:?}");
        assert!(tmux.windows(9).any(|part| part == b"\x1b\x1b]52;c;Y"), "{tmux:?}");
        let screen = clipboard_bytes(&"a".repeat(3_000), false, true).expect("fits");
        assert!(screen.starts_with(b"\x1bP\x1b]52;c;"), "{screen:?}");
        assert!(screen.split(|byte| *byte == 0x1b).all(|part| part.len() < 768));
    }
}
