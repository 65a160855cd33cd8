//! A line of 9,600 baud: at most one frame is on its way, keys are answered all the same, and leaving waits for no frame.

use std::path::Path;
use std::time::{Duration, Instant};

use super::bytes::{dashboard, fleet};
use super::exports;
use crate::support::tty::{BAUD_9600, PATIENCE, STUCK, Tty};
use crate::support::wait_until;

fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("running");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.filter_map(Result::ok).map(name).map(|name| name.trim().to_owned()).collect()
}

/// Frames that were begun.
fn frames(bytes: &[u8]) -> usize {
    bytes.windows(8).filter(|part| *part == b"\x1b[?2026h").count()
}

/// Whether the thread that writes waits for the line.
pub fn is_full(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("running");
    let waits = |task: &Path| {
        let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
        read("comm").trim() == "screen" && !read("wchan").starts_with("futex")
    };
    tasks.filter_map(Result::ok).any(|task| waits(&task.path()))
}

/// Keys that draw much, until the line takes no more.
pub fn fill(tty: &mut Tty) {
    let give_up = Instant::now() + PATIENCE;
    let mut full = 0;
    for key in ["2", "3", "1"].iter().cycle() {
        assert!(Instant::now() < give_up, "the line never fills");
        tty.type_keys(key);
        // A key, its frame: the line is full when the writer is found waiting several times in a row.
        std::thread::sleep(Duration::from_millis(30));
        full = if is_full(tty.pid()) { full + 1 } else { 0 };
        if full > 5 {
            return;
        }
    }
}

#[test]
fn at_9600_baud_frames_are_skipped_and_keys_answered() {
    let fleet = fleet(80, "development");
    let mut tty = dashboard(&fleet, 200, 50, &[]);
    let at_first = threads(tty.pid()).len();
    tty.pace(BAUD_9600);
    let (sent, begun) = (tty.sent(), Instant::now());
    fill(&mut tty);
    tty.type_keys("1");
    let keys = 240;
    for _ in 0..keys / 2 {
        tty.type_keys("j");
        std::thread::sleep(Duration::from_millis(8));
        tty.type_keys("k");
    }
    // No frame can come in time: that the key was answered is seen by the file.
    tty.type_keys("j");
    let folder = tty.folder.path().to_owned();
    let asked = Instant::now();
    tty.type_keys("ec");
    wait_until(PATIENCE, "the export", || exports(&folder) > 0);
    let answered = asked.elapsed();
    assert!(answered < Duration::from_secs(1), "answered after {answered:?}");
    let (behind, busy) = (tty.sent(), begun.elapsed());
    let now = threads(tty.pid());
    assert!(now.len() <= at_first + 1, "threads pile up: {now:?}");
    // What is still on its way: what the kernel keeps for the line, and one frame.
    tty.pace(0);
    tty.wait_until_quiet(Duration::from_millis(700));
    let bytes = tty.bytes();
    let on_its_way = bytes.len() - behind;
    let drawn = frames(&bytes[sent..]);
    println!(
        "terminal-bytes: 200x50 at 9600 baud: {keys} keys and more in {:.1} s, {drawn} frames, a key answered after {} ms, \
         {on_its_way} bytes on their way at the end",
        busy.as_secs_f32(),
        answered.as_millis()
    );
    assert!(drawn < keys / 2, "{drawn} frames of {keys} keys");
    assert!(on_its_way < 40_000, "{on_its_way} bytes were queued");
    assert!(tty.text().contains("written:"), "the last frame is the newest:\n{}", tty.text());
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn leaving_waits_for_no_frame_and_gives_the_terminal_back() {
    let fleet = fleet(80, "development");
    for _ in 0..3 {
        let config = fleet.home.path().join("config.toml").display().to_string();
        let mut tty = Tty::start(&["--config", &config], 200, 50, Some("read line; exec \"$@\""), &[]);
        let modes = tty.modes();
        tty.type_keys("\n");
        tty.wait_for_screen();
        tty.wait_for("data live");
        tty.pace(STUCK);
        fill(&mut tty);
        // A pseudo-terminal lets its writer wait until 4 kB were read: at 9,600 baud that is all the time that leaving has.
        tty.pace(12 * BAUD_9600);
        let begun = Instant::now();
        tty.type_keys("q");
        assert_eq!(tty.exit_code(PATIENCE), 0);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        tty.pace(0);
        tty.assert_restored(&modes);
        let bytes = tty.bytes();
        let left = bytes.windows(8).rposition(|part| part == b"\x1b[?1049l").expect("left");
        assert_eq!(frames(&bytes[left..]), 0, "nothing is drawn on the screen that was given back");
    }
}
