//! What a command prints: cut into lines, the lines cut, their number bounded, and the end kept for the report. The
//! password is taken out before anything is kept or shown; everything else about a line is the choke point's matter.

use std::collections::VecDeque;
use std::time::Instant;

use crate::migrations::apply::wire::cut;
use crate::text::counted;

/// The longest line that is shown.
const MAX_LINE: usize = 600;
/// So much of the end is kept.
const MAX_TAIL: usize = 3 * 1024;
/// So many lines are shown at once; after that [`PER_SECOND`].
const BURST: f64 = 300.0;
/// Lines per second that are shown of a command that prints without end.
const PER_SECOND: f64 = 20.0;
/// A shorter password is not looked for: it would be found in every other word.
const MIN_SECRET: usize = 4;

/// Cuts bytes into lines. A carriage return ends one too: progress bars draw with it.
#[derive(Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    /// Bytes of the line that were not kept.
    more: usize,
}

impl Lines {
    /// The lines that end within these bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => lines.extend(self.end()),
                // Twice what is shown: the password must be found whole before the line is cut.
                _ if self.line.len() < 2 * MAX_LINE => self.line.push(*byte),
                _ => self.more += 1,
            }
        }
        lines
    }

    /// The line that has no end; `None` where it is empty.
    pub(super) fn end(&mut self) -> Option<String> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        let more = std::mem::take(&mut self.more);
        (!line.is_empty()).then(|| if more > 0 { format!("{line}... ({})", counted(more, "more byte")) } else { line })
    }
}

/// What came of a command's output.
pub(super) struct Output {
    secrets: Vec<String>,
    tail: VecDeque<String>,
    tail_bytes: usize,
    budget: f64,
    since: Instant,
    hidden: u64,
}

impl Output {
    /// Nothing yet. `secret` is what must not be shown.
    pub(super) fn new(secret: Option<&str>) -> Self {
        let mut secrets: Vec<String> = Vec::new();
        if let Some(secret) = secret.filter(|secret| secret.len() >= MIN_SECRET) {
            let encoded = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
            secrets.extend([secret.to_owned(), encoded]);
        }
        Self { secrets, tail: VecDeque::new(), tail_bytes: 0, budget: BURST, since: Instant::now(), hidden: 0 }
    }

    /// Takes a line in; gives back what is to be shown of it, where it is to be shown.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        let mut line = line.to_owned();
        for secret in &self.secrets {
            line = line.replace(secret, "***");
        }
        if line.len() > MAX_LINE {
            line = format!("{}...", cut(&line, MAX_LINE));
        }
        self.tail_bytes += line.len();
        self.tail.push_back(line.clone());
        while self.tail_bytes > MAX_TAIL && self.tail.len() > 1 {
            self.tail_bytes -= self.tail.pop_front().map_or(0, |first| first.len());
        }
        let now = Instant::now();
        self.budget = BURST.min(self.budget + now.duration_since(self.since).as_secs_f64() * PER_SECOND);
        self.since = now;
        if self.budget < 1.0 {
            self.hidden += 1;
            return None;
        }
        self.budget -= 1.0;
        Some(line)
    }

    /// Lines that were not shown.
    pub(super) const fn hidden(&self) -> u64 {
        self.hidden
    }

    /// The last lines, the newest last.
    pub(super) fn tail(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_returns_of_both_kinds_and_are_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\r\ntw"), ["one"]);
        assert_eq!(lines.take(b"o\rthree\n\n"), ["two", "three"]);
        assert!(lines.take(&vec![b'x'; 10_000]).is_empty());
        let long = lines.end().expect("a line");
        assert!(long.len() < 1_300 && long.ends_with("(8,800 more bytes)"), "{}", long.len());
        assert_eq!(lines.take(b"\xff\xfe\n"), ["\u{fffd}\u{fffd}"]);
        assert_eq!(lines.end(), None);
    }

    #[test]
    fn the_end_is_kept_and_the_rest_is_counted() {
        let mut output = Output::new(None);
        let shown = (0..100_000).filter(|number| output.line(&format!("line {number}")).is_some()).count();
        assert!((300..600).contains(&shown), "{shown}");
        assert_eq!(output.hidden() + shown as u64, 100_000);
        let tail: Vec<&str> = output.tail().collect();
        assert_eq!(tail.last(), Some(&"line 99999"));
        assert!(tail.iter().map(|line| line.len()).sum::<usize>() <= MAX_TAIL);
    }

    #[test]
    fn a_password_is_not_shown_in_either_form() {
        let mut output = Output::new(Some("p@ss/w"));
        assert_eq!(output.line("url postgresql://u:p%40ss%2Fw@h").as_deref(), Some("url postgresql://u:***@h"));
        assert_eq!(output.line("password=p@ss/w!").as_deref(), Some("password=***!"));
        assert!(output.tail().all(|line| !line.contains("ss/w")));
    }
}
