//! The dashboard in a real terminal: from a key to the screen while a refresh runs, idleness, memory.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::{Outcome, own_memory_kb, program};

/// Keys whose way to the screen is timed.
const KEYS: usize = 300;
/// How long the dashboard is left alone.
const IDLE: Duration = Duration::from_secs(30);

/// What came from the program: how many bytes, and when the last.
struct Seen {
    bytes: usize,
    at: Instant,
    parser: vt100::Parser,
}

/// Opens the dashboard on the fleet and prints what was measured.
pub fn run(config: &Path, tenants: u32) -> Outcome<()> {
    let pty = native_pty_system().openpty(PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 })?;
    let mut command = CommandBuilder::new(program());
    command.arg("--config");
    command.arg(config);
    command.env("TERM", "xterm-256color");
    let started = Instant::now();
    let mut child = pty.slave.spawn_command(command)?;
    let pid = child.process_id().unwrap_or_default().to_string();
    let mut keyboard = pty.master.take_writer()?;
    let mut output = pty.master.try_clone_reader()?;
    let parser = vt100::Parser::new(
        50.try_into().map_err(|_| "a terminal has rows")?,
        200.try_into().map_err(|_| "a terminal has columns")?,
        0,
    );
    let seen = Arc::new(Mutex::new(Seen { bytes: 0, at: started, parser }));
    let reader = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            if let Ok(mut seen) = reader.lock() {
                seen.bytes += count;
                seen.at = Instant::now();
                seen.parser.process(&buffer[..count]);
            }
        }
    });
    let text = |wanted: &str| seen.lock().is_ok_and(|seen| seen.parser.screen().contents().contains(wanted));
    until(|| seen.lock().is_ok_and(|seen| seen.bytes > 0))?;
    println!("first frame after {:.0} ms", millis(started.elapsed()));
    // A row without a schema and a schema without a row make the list's length differ by a few.
    until(|| text(" 1/"))?;
    println!("first rows after {:.0} ms", millis(started.elapsed()));
    until(|| text("data live"))?;
    println!("fleet of {tenants} read whole after {:.1} s", started.elapsed().as_secs_f64());
    let mut times = keys(&mut keyboard, &seen)?;
    times.sort_by(f64::total_cmp);
    println!(
        "key to screen while refreshing: median {:.1} ms, 99th percentile {:.1} ms, longest {:.1} ms",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
    settle(&seen)?;
    let (bytes, cpu) = (seen.lock().map_or(0, |seen| seen.bytes), cpu_ticks(&pid));
    std::thread::sleep(IDLE);
    let sent = seen.lock().map_or(0, |seen| seen.bytes) - bytes;
    let share = (cpu_ticks(&pid) - cpu) as f64 / (IDLE.as_secs_f64() * 100.0) * 100.0;
    println!("idle for {} s: {sent} bytes, {share:.2} % of a core", IDLE.as_secs());
    println!("memory of its own: {} MB", own_memory_kb(&pid) / 1_024);
    keyboard.write_all(b"q")?;
    child.wait()?;
    Ok(())
}

/// Presses the cursor keys, with a refresh asked for all the time; the time from each key to the bytes of its frame.
fn keys(keyboard: &mut Box<dyn Write + Send>, seen: &Mutex<Seen>) -> Outcome<Vec<f64>> {
    let mut times = Vec::with_capacity(KEYS);
    for number in 0..KEYS {
        if number % 20 == 0 {
            keyboard.write_all(b"r")?;
        }
        std::thread::sleep(Duration::from_millis(25));
        let before = seen.lock().map_or(0, |seen| seen.bytes);
        let pressed = Instant::now();
        keyboard.write_all(if number % 40 < 20 { b"j" } else { b"k" })?;
        until(|| seen.lock().is_ok_and(|seen| seen.bytes > before))?;
        times.push(seen.lock().map_or(f64::MAX, |seen| millis(seen.at.duration_since(pressed))));
    }
    Ok(times)
}

/// Waits until nothing was sent for some seconds.
fn settle(seen: &Mutex<Seen>) -> Outcome<()> {
    until(|| seen.lock().is_ok_and(|seen| seen.at.elapsed() > Duration::from_secs(12)))
}

fn until(condition: impl Fn() -> bool) -> Outcome<()> {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !condition() {
        if Instant::now() > give_up {
            return Err("the dashboard did not get there within two minutes".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// User and system time of a process, in ticks of 10 ms.
fn cpu_ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    field(11) + field(12)
}
