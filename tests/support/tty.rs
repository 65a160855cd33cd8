//! The real program in a pseudo-terminal: what is typed, what it sends, and how fast the line takes it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use super::{program, wait_until};

/// How long is waited for what has to come. Slow, loaded machines exist.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A line that takes nothing.
pub const STUCK: u32 = u32::MAX;

/// 9,600 baud: ten bits a byte.
pub const BAUD_9600: u32 = 960;

/// A tenth of a second: a slow line takes its bytes in parts of this length.
const PART: Duration = Duration::from_millis(100);

/// The program in its terminal.
pub struct Tty {
    master: Option<Box<dyn MasterPty + Send>>,
    keyboard: Option<Box<dyn Write + Send>>,
    pub child: Box<dyn Child + Send + Sync>,
    output: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    /// Bytes a second; 0: as fast as they come.
    pace: Arc<AtomicU32>,
    reader: Option<std::thread::JoinHandle<()>>,
    size: (u16, u16),
    pub folder: tempfile::TempDir,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Tty {
    /// The program with these arguments; `wrapper` is a shell script that runs it as `"$@"`.
    pub fn start(
        arguments: &[&str],
        columns: u16,
        rows: u16,
        wrapper: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        let mut command = match wrapper {
            None => CommandBuilder::new(program()),
            Some(script) => {
                let mut command = CommandBuilder::new("/bin/sh");
                command.args(["-c", script, "sh"]);
                command.arg(program());
                command
            }
        };
        command.args(arguments);
        let folder = tempfile::tempdir().expect("a folder");
        command.cwd(folder.path());
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", folder.path());
        command.env("HOME", folder.path());
        command.env("XDG_STATE_HOME", folder.path().join("state"));
        for name in ["NO_COLOR", "COLORTERM", "XDG_STATE_HOME", "TMUX", "STY", "DATABASE_URL", "TENANTUI_CONFIG"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let output = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&output);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pace = Arc::new(AtomicU32::new(0));
        let paced = Arc::clone(&pace);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let most = match paced.load(Ordering::SeqCst) {
                    0 => chunk.len(),
                    STUCK => 0,
                    pace => usize::try_from(pace / 10).expect("small"),
                };
                if most < chunk.len() {
                    // The pace of the line itself.
                    std::thread::sleep(PART);
                }
                if most == 0 && !stopped.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(count @ 1..) = reader.read(&mut chunk[..most]) else { return };
                seen.lock().expect("not poisoned").extend_from_slice(&chunk[..count]);
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let keyboard = pair.master.take_writer().expect("a writer");
        let (master, keyboard) = (Some(pair.master), Some(keyboard));
        let reader = Some(reader);
        Self { master, keyboard, child, output, stop, pace, reader, size: (columns, rows), folder }
    }

    /// Closes our side of the terminal: all three descriptors of it.
    pub fn vanish(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The reader sees that it should stop with the next bytes.
        self.type_keys("2");
        self.reader.take().expect("reading").join().expect("a reader");
        self.keyboard = None;
        self.master = None;
    }

    /// From now on the line takes so many bytes a second; 0: as fast as they come.
    pub fn pace(&self, bytes: u32) {
        self.pace.store(bytes, Ordering::SeqCst);
    }

    /// Bytes that have come so far.
    pub fn sent(&self) -> usize {
        self.output.lock().expect("not poisoned").len()
    }

    /// The bytes that have come so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.output.lock().expect("not poisoned").clone()
    }

    /// The screen is looked at as if nothing had been drawn yet.
    pub fn forget(&self) {
        self.output.lock().expect("not poisoned").clear();
    }

    /// Waits until nothing has come for so long.
    pub fn wait_until_quiet(&self, how_long: Duration) {
        let (mut known, mut since) = (self.sent(), Instant::now());
        wait_until(PATIENCE, "a quiet line", || {
            if self.sent() != known {
                (known, since) = (self.sent(), Instant::now());
            }
            since.elapsed() >= how_long
        });
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.master.as_ref().expect("open").resize(size(columns, rows)).expect("resized");
    }

    /// The program's number.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("running")
    }

    pub fn screen(&self) -> vt100::Parser {
        let cells = |count: u16| std::num::NonZero::new(count).unwrap_or(std::num::NonZero::<u16>::MIN);
        let mut parser = vt100::Parser::new(cells(self.size.1), cells(self.size.0), 0);
        parser.process(&self.output.lock().expect("not poisoned"));
        parser
    }

    pub fn text(&self) -> String {
        self.screen().screen().contents()
    }

    pub fn type_keys(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().expect("open");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    pub fn wait_for(&self, text: &str) {
        let give_up = Instant::now() + Duration::from_secs(60);
        // All that has come is read anew each time: only where there is more than before.
        let mut looked_at = None;
        loop {
            let sent = self.sent();
            if looked_at.replace(sent) != Some(sent) && self.text().contains(text) {
                return;
            }
            assert!(Instant::now() < give_up, "no `{text}` on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types the keys, again after a while, until they are answered so: for an answer that what is said next may cover.
    pub fn wait_for_answer(&mut self, keys: &str, text: &str) {
        wait_until(PATIENCE, text, || {
            self.type_keys(keys);
            let typed = Instant::now();
            let mut there = self.text().contains(text);
            while !there && typed.elapsed() < Duration::from_millis(500) {
                std::thread::sleep(Duration::from_millis(10));
                there = self.text().contains(text);
            }
            there
        });
    }

    /// Types the keys that open a dialog, and waits until it is there for the program, too: what is typed before its frame
    /// has arrived is dropped.
    pub fn open(&mut self, keys: &str, text: &str) {
        self.type_keys(keys);
        self.wait_for(text);
        self.wait_until_quiet(Duration::from_millis(300));
    }

    /// Leaves by Esc what shows the text: tried again where the program dropped the key, because the frame with the text
    /// had not arrived when it came.
    pub fn leave(&mut self, text: &str) {
        wait_until(PATIENCE, "the way out", || {
            self.type_keys("\u{1b}");
            // With what follows it, it would be a key with Alt.
            self.wait_until_quiet(Duration::from_millis(150));
            !self.text().contains(text)
        });
    }

    pub fn wait_for_screen(&self) {
        wait_until(PATIENCE, "the alternate screen", || self.screen().screen().alternate_screen());
        self.wait_for("Tenants");
    }

    pub fn signal(&self, name: &str) {
        // Not by the program `kill`: a small system has only the shell's own.
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("running");
        let signal = match name {
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "QUIT" => Signal::QUIT,
            "CONT" => Signal::CONT,
            "TSTP" => Signal::TSTP,
            other => panic!("no signal {other}"),
        };
        kill_process(pid, signal).expect("a signal");
    }

    pub fn exit_code(&mut self, limit: Duration) -> u32 {
        let mut code = None;
        let give_up = Instant::now() + limit;
        while code.is_none() {
            assert!(Instant::now() < give_up, "the program does not end; it shows\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
            code = self.child.try_wait().expect("a child").map(|status| status.exit_code());
        }
        code.expect("ended")
    }

    /// The modes of the terminal, as text.
    pub fn modes(&self) -> String {
        format!("{:?}", self.master.as_ref().expect("open").get_termios().expect("modes"))
    }

    pub fn assert_restored(&self, modes: &str) {
        wait_until(PATIENCE, "the main screen", || !self.screen().screen().alternate_screen());
        let parser = self.screen();
        assert!(!parser.screen().hide_cursor(), "the cursor is back");
        assert!(!parser.screen().bracketed_paste(), "pasting is plain again");
        // They follow the screen: one that is stopped may be between the two.
        wait_until(PATIENCE, "the terminal's modes", || self.modes() == modes);
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Ended already in most tests.
        let _ = self.child.kill();
    }
}
