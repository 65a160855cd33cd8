//! The real program in a real (pseudo) terminal: what it shows, and that the terminal comes back whole on every way out.

mod comfort;
mod jobs;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::picture::Picture;
use crate::support::{program, wait_until};

/// A database at which nobody answers: the dashboard has to work without.
const NOBODY: [&str; 2] = ["--url", "postgresql://ops:x@127.0.0.1:9/none?sslmode=disable"];

const PATIENCE: Duration = Duration::from_secs(60);

struct Tty {
    master: Option<Box<dyn MasterPty + Send>>,
    keyboard: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    output: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    reader: Option<std::thread::JoinHandle<()>>,
    size: (u16, u16),
    folder: tempfile::TempDir,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Tty {
    /// The program with these arguments; `wrapper` is a shell script that runs it as `"$@"`.
    fn start(arguments: &[&str], columns: u16, rows: u16, wrapper: Option<&str>, variables: &[(&str, &str)]) -> Self {
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
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut chunk) {
                seen.lock().expect("not poisoned").extend_from_slice(&chunk[..count]);
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let keyboard = pair.master.take_writer().expect("a writer");
        let (master, keyboard) = (Some(pair.master), Some(keyboard));
        Self { master, keyboard, child, output, stop, reader: Some(reader), size: (columns, rows), folder }
    }

    /// Closes our side of the terminal: all three descriptors of it.
    fn vanish(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The reader sees that it should stop with the next bytes.
        self.type_keys("2");
        self.reader.take().expect("reading").join().expect("a reader");
        self.keyboard = None;
        self.master = None;
    }

    fn screen(&self) -> vt100::Parser {
        let cells = |count: u16| std::num::NonZero::new(count).unwrap_or(std::num::NonZero::<u16>::MIN);
        let mut parser = vt100::Parser::new(cells(self.size.1), cells(self.size.0), 0);
        parser.process(&self.output.lock().expect("not poisoned"));
        parser
    }

    fn text(&self) -> String {
        self.screen().screen().contents()
    }

    fn type_keys(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().expect("open");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    fn wait_for(&self, text: &str) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !self.text().contains(text) {
            assert!(Instant::now() < give_up, "no `{text}` on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_screen(&self) {
        wait_until(PATIENCE, "the alternate screen", || self.screen().screen().alternate_screen());
        self.wait_for("Tenants");
    }

    fn signal(&self, name: &str) {
        // Not by the program `kill`: a small system has only the shell's own.
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("running");
        let signal = match name {
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "QUIT" => Signal::QUIT,
            "CONT" => Signal::CONT,
            other => panic!("no signal {other}"),
        };
        kill_process(pid, signal).expect("a signal");
    }

    fn exit_code(&mut self, limit: Duration) -> u32 {
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
    fn modes(&self) -> String {
        format!("{:?}", self.master.as_ref().expect("open").get_termios().expect("modes"))
    }

    fn assert_restored(&self, modes: &str) {
        wait_until(PATIENCE, "the main screen", || !self.screen().screen().alternate_screen());
        let parser = self.screen();
        assert!(!parser.screen().hide_cursor(), "the cursor is back");
        assert!(!parser.screen().bracketed_paste(), "pasting is plain again");
        assert_eq!(self.modes(), modes, "the terminal's modes");
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // Ended already in most tests.
        let _ = self.child.kill();
    }
}

#[test]
fn the_terminal_comes_back_after_q_and_after_signals() {
    for (way, code) in [("q", 0), ("TERM", 143), ("HUP", 129), ("INT", 130), ("QUIT", 131)] {
        let mut tty = Tty::start(&NOBODY, 80, 24, Some("stty -a >/dev/null; read line; exec \"$@\""), &[]);
        let modes = tty.modes();
        tty.type_keys("\n");
        tty.wait_for_screen();
        assert_ne!(tty.modes(), modes, "raw mode");
        if way == "q" {
            tty.type_keys("q");
        } else {
            tty.signal(way);
        }
        assert_eq!(tty.exit_code(PATIENCE), code, "{way}");
        tty.assert_restored(&modes);
    }
}

#[test]
fn a_panic_of_the_dashboard_puts_the_terminal_back_before_its_message() {
    let variables = [("TENANTUI_TEST_PANIC", "ui"), ("RUST_BACKTRACE", "0")];
    let mut tty = Tty::start(&NOBODY, 80, 24, Some("read line; exec \"$@\""), &variables);
    let modes = tty.modes();
    tty.type_keys("\n");
    tty.wait_for_screen();
    tty.type_keys("\u{1b}[24~");
    assert_ne!(tty.exit_code(PATIENCE), 0);
    tty.assert_restored(&modes);
    assert!(tty.text().contains("asked for by TENANTUI_TEST_PANIC"), "{}", tty.text());
}

#[test]
fn a_panic_of_a_worker_leaves_the_dashboard_whole() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[("TENANTUI_TEST_PANIC", "worker")]);
    tty.wait_for_screen();
    tty.type_keys("\u{1b}[24~");
    tty.type_keys("3");
    tty.wait_for("Jobs");
    assert!(tty.screen().screen().alternate_screen());
    assert!(!tty.text().contains("panicked"), "{}", tty.text());
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn a_terminal_that_vanishes_ends_the_program_within_three_seconds() {
    // The shell leads the session and ignores the hang-up, so that the program is told nothing (sudo, tmux, nohup).
    let script = "trap '' HUP; \"$@\"; echo $? > code";
    let mut tty = Tty::start(&NOBODY, 80, 24, Some(script), &[]);
    tty.wait_for_screen();
    tty.vanish();
    let begun = Instant::now();
    let file = tty.folder.path().join("code");
    let code = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_until(Duration::from_secs(10), "the end of the program", || code().ends_with('\n'));
    assert_eq!(code().trim(), "129");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let mut tty = Tty::start(&NOBODY, 80, 24, Some("read line; exec \"$@\""), &[]);
    let modes = tty.modes();
    tty.type_keys("\n");
    tty.wait_for_screen();
    tty.type_keys("2");
    tty.wait_for("Migrations");
    tty.type_keys("\u{1a}");
    tty.assert_restored(&modes);
    tty.signal("CONT");
    wait_until(PATIENCE, "the alternate screen", || tty.screen().screen().alternate_screen());
    tty.wait_for("> Migrations");
    assert_ne!(tty.modes(), modes, "raw mode again");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
    tty.assert_restored(&modes);
}

#[test]
fn a_storm_of_sizes_does_no_harm() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    let mut seed: u32 = 20_260_214;
    for _ in 0..300 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (columns, rows) = ((seed >> 8) % 240, (seed >> 20) % 70);
        let new = size(u16::try_from(columns).expect("small"), u16::try_from(rows).expect("small"));
        tty.master.as_ref().expect("open").resize(new).expect("resized");
    }
    tty.output.lock().expect("not poisoned").clear();
    tty.size = (100, 30);
    tty.master.as_ref().expect("open").resize(size(100, 30)).expect("resized");
    tty.wait_for("Tenants");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn too_small_a_terminal_keeps_the_state() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    tty.type_keys("2");
    tty.wait_for("Migrations");
    tty.size = (40, 10);
    tty.master.as_ref().expect("open").resize(size(40, 10)).expect("resized");
    tty.wait_for("60");
    tty.output.lock().expect("not poisoned").clear();
    tty.size = (80, 24);
    tty.master.as_ref().expect("open").resize(size(80, 24)).expect("resized");
    tty.wait_for("Migrations");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn the_first_frame_waits_for_no_server() {
    let begun = Instant::now();
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    // The goal is 50 ms (benches/frame.rs); this machine may be busy with a hundred other tests.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    tty.type_keys("q");
    tty.exit_code(PATIENCE);
}

#[test]
fn the_demo_is_filtered_provisioned_and_migrated_by_keyboard() {
    let mut tty = Tty::start(&["demo", "--tenants", "12"], 80, 24, None, &[]);
    tty.wait_for("behind");
    tty.wait_for("data live");
    tty.wait_for(" ok ");
    tty.type_keys("N");
    tty.wait_for("New tenant");
    tty.type_keys("Blue Fox Ltd");
    tty.wait_for("blue-fox-ltd");
    tty.type_keys("\t\t\t\t\t");
    tty.type_keys("\r");
    tty.wait_for("blue-fox-ltd");
    wait_until(Duration::from_secs(60), "the new tenant under the cursor", || {
        tty.text().lines().any(|line| line.contains('>') && line.contains("blue-fox-l"))
    });
    tty.type_keys("/blufox\r");
    wait_until(PATIENCE, "one tenant", || tty.text().contains("1/1"));
    tty.type_keys("\u{1b}");
    // Esc and what follows would be one key with Alt, if they came together.
    wait_until(PATIENCE, "all tenants again", || !tty.text().contains("1/1"));
    tty.type_keys(":behind\r");
    tty.wait_for("filter");
    tty.type_keys("a");
    tty.type_keys("M");
    tty.wait_for("Migrate");
    let count = tty.text().lines().find_map(|line| {
        let words = line.split_once("Type  migrate ")?.1;
        words.split_whitespace().next().map(str::to_owned)
    });
    let count = count.unwrap_or_else(|| panic!("no words to type:\n{}", tty.text()));
    tty.type_keys(&format!("migrate {count}"));
    tty.type_keys("\r");
    tty.wait_for("paused");
    tty.type_keys("3");
    tty.wait_for("> 2 ");
    tty.type_keys("C");
    tty.wait_for("Continue");
    tty.type_keys("\t\r");
    wait_until(Duration::from_secs(60), "the end of the job", || {
        tty.text().lines().any(|line| line.contains("migrate") && line.contains("done"))
    });
    idle_sends_nothing(&mut tty);
    // Nobody is behind any more: without the filter all are there.
    tty.type_keys("\u{1b}");
    tty.wait_for("/13");
    let folder = tty.folder.path().to_owned();
    tty.type_keys("ec");
    tty.wait_for("written:");
    assert!(exports(&folder) > 0);
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

/// The picture of the README is one of the running program: `scripts/screenshot` writes it, the test holds what is on
/// it.
#[test]
fn the_readmes_picture_shows_a_fleet_and_its_job() {
    let mut tty = Tty::start(&["demo", "--tenants", "60"], 110, 32, None, &[]);
    tty.wait_for("data live");
    tty.wait_for(" ok ");
    tty.type_keys(":behind\r");
    tty.wait_for("filter");
    tty.type_keys("aM");
    tty.wait_for("Type  migrate");
    tty.type_keys("migrate 8");
    tty.type_keys("\r");
    tty.wait_for("paused (canary)");
    tty.type_keys("u");
    tty.type_keys("\u{1b}");
    tty.wait_for("/60");
    tty.type_keys("jjj  jj");
    wait_until(Duration::from_secs(60), "counted cache keys", || !tty.text().contains(" -\n"));
    if let Some(folder) = std::env::var_os("TENANTUI_PICTURES") {
        std::fs::create_dir_all(&folder).expect("a folder");
        let svg = Picture::from(tty.screen().screen()).svg();
        std::fs::write(Path::new(&folder).join("screenshot.svg"), svg).expect("a picture");
    }
    tty.type_keys("q");
    // A paused job is no running one: nothing is asked.
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

/// With nothing going on, a refresh and more goes by without one byte.
fn idle_sends_nothing(tty: &mut Tty) {
    tty.type_keys("1");
    let sent = || tty.output.lock().expect("not poisoned").len();
    let (mut known, mut since) = (sent(), Instant::now());
    wait_until(Duration::from_secs(60), "seven seconds without a byte", || {
        if sent() != known {
            (known, since) = (sent(), Instant::now());
        }
        since.elapsed() >= Duration::from_secs(7)
    });
}

fn exports(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder");
    files.filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|end| end == "csv"))).count()
}
