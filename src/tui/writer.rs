//! Bytes on their way to the terminal: one piece at a time, written by a thread of its own.
//!
//! A slow link drops frames and never holds up a key, and leaving does not wait for the rest of a frame. Must not know
//! what a piece holds.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

/// How long leaving waits for a terminal that does not take bytes. One that is only slow has to be given back all the same:
/// a pseudo-terminal whose reader takes 960 bytes a second lets its writer wait for four seconds.
pub(super) const LEAVE_WAITS: Duration = Duration::from_secs(5);

/// How long our own words wait for the terminal that was given back.
const WORDS_WAIT: Duration = Duration::from_millis(800);

/// What is written at once: on a slow line no more than this comes between the wish to leave and the bytes that do it. At
/// 9,600 baud it takes a quarter of a second.
const CHUNK: usize = 256;

/// Writes all of it, and keeps nothing back.
pub(super) fn write_now(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

/// Writes from a thread, so that a terminal that takes nothing cannot hold us for ever.
pub(super) fn within(patience: Duration, write: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new().name("leave".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(write());
    })?;
    receiver.recv_timeout(patience).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Says a line of our own words on the screen that was given back. A terminal that takes nothing does not hold us up.
pub(super) fn say(line: String) {
    // Where nobody can be told, the exit status and the job's record still speak.
    let _ = within(WORDS_WAIT, move || write_now(&mut io::stderr().lock(), format!("{line}\n").as_bytes()));
}

/// The thread that writes to the terminal: one piece at a time.
#[derive(Debug)]
pub struct Writer {
    pieces: SyncSender<Vec<u8>>,
    in_flight: bool,
}

/// Writes a piece in chunks for as long as the dashboard has the terminal. A chunk ends before an escape sequence where
/// there is one in it, so that what follows a piece that was given up is not taken for a part of it.
fn write_while(active: &AtomicBool, out: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    let mut rest = piece;
    while !rest.is_empty() {
        if !active.load(Ordering::SeqCst) {
            // The end of a string (text for the clipboard has no sequence in it); nothing otherwise.
            return if rest.len() < piece.len() { write_now(out, b"\x1b\\") } else { Ok(()) };
        }
        let most = rest.len().min(CHUNK);
        let end = if most < rest.len() { rest[1..most].iter().rposition(|byte| *byte == 0x1b) } else { None };
        let (chunk, after) = rest.split_at(end.map_or(most, |before| before + 1));
        write_now(out, chunk)?;
        rest = after;
    }
    Ok(())
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The terminal took it.
    Done,
    /// The terminal is gone.
    Gone,
}

impl Writer {
    /// Starts the thread; what becomes of each piece is told through `told`. Nothing is written while `active` is false.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(active: Arc<AtomicBool>, told: mpsc::UnboundedSender<Written>) -> io::Result<Self> {
        let (pieces, receiver): (SyncSender<Vec<u8>>, Receiver<Vec<u8>>) = sync_channel(1);
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            for piece in receiver {
                let mut out = io::stdout().lock();
                let outcome = match write_while(&active, &mut out, &piece) {
                    Ok(()) => Written::Done,
                    Err(error) => {
                        tracing::info!(%error, "the terminal takes no more bytes");
                        Written::Gone
                    }
                };
                drop(out);
                if told.send(outcome).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, in_flight: false })
    }

    /// Whether the terminal still works on the last piece.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.in_flight
    }

    /// Sends a piece. Whether it was taken: not while another one is in flight.
    pub fn send(&mut self, piece: Vec<u8>) -> bool {
        if self.in_flight || self.pieces.try_send(piece).is_err() {
            return false;
        }
        self.in_flight = true;
        true
    }

    /// The piece in flight has arrived.
    pub const fn arrived(&mut self) {
        self.in_flight = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many writes; then the dashboard leaves.
    struct Slow<'a> {
        left: usize,
        active: &'a AtomicBool,
        got: Vec<Vec<u8>>,
    }

    impl Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.got.push(bytes.to_vec());
            self.left = self.left.saturating_sub(1);
            self.active.store(self.left > 0, Ordering::SeqCst);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(piece: &[u8], writes: usize) -> Vec<Vec<u8>> {
        let active = AtomicBool::new(true);
        let mut slow = Slow { left: writes, active: &active, got: Vec::new() };
        write_while(&active, &mut slow, piece).expect("memory");
        slow.got
    }

    #[test]
    fn a_piece_is_given_up_before_a_sequence_and_within_a_chunk() {
        let piece = b"\x1b[1;1Hsome words of a row".repeat(100);
        let whole = written(&piece, usize::MAX);
        assert_eq!(whole.concat(), piece);
        assert!(whole.iter().all(|chunk| chunk.len() <= CHUNK && chunk.starts_with(b"\x1b")), "{whole:?}");
        let cut = written(&piece, 3);
        assert_eq!((cut.len(), cut[..3].concat()), (4, whole[..3].concat()));
        assert_eq!(cut[3], b"\x1b\\");
    }

    #[test]
    fn text_without_sequences_is_written_whole_and_ended_where_it_is_given_up() {
        let text = b"\x1b]52;c;".iter().copied().chain(std::iter::repeat_n(b'A', 5_000)).collect::<Vec<u8>>();
        assert_eq!(written(&text, usize::MAX).concat(), text);
        assert!(written(&text, 2).concat().ends_with(b"A\x1b\\"));
    }
}
