//! Key to frame at 10,000 tenants (performance.md, P6): what the dashboard itself needs between a key and the bytes of
//! its frame, with a refresh of the whole picture after every twenty keys. Ends with 1 where a goal is missed.
//! Times are those that this thread ran, where the system tells them (Linux: in steps of up to 4 ms): other programs on
//! the machine do not count.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use tenantui::config;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::tenant::{DatabaseName, Tenant};
use tenantui::tui::app::event::{Event, Now};
use tenantui::tui::app::keymap::Keymap;
use tenantui::tui::app::{App, AppInput};
use tenantui::tui::frame::FrameBackend;
use tenantui::tui::kept::KeptView;
use tenantui::tui::theme::Theme;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/keys/desk.rs"]
mod desk;

const TENANTS: usize = 10_000;

struct Bench {
    app: App,
    terminal: Terminal<FrameBackend>,
    begun: Instant,
}

impl Bench {
    fn now(&self) -> Now {
        Now { wall: desk::epoch(), elapsed: self.begun.elapsed() }
    }

    fn event(&mut self, event: Event) -> (Duration, usize) {
        let now = self.now();
        let begun = ran(self.begun);
        self.app.update(now, event);
        let mut bytes = 0;
        if self.app.is_dirty() {
            let app = &self.app;
            self.terminal.draw(|frame| app.draw(frame)).expect("draws");
            bytes = self.terminal.backend_mut().take_frame().map_or(0, |frame| frame.len());
            self.app.frame_made();
            self.app.frame_shown();
        }
        (ran(self.begun).saturating_sub(begun), bytes)
    }

    /// A filter that comes as a whole: pasted, or by its name.
    fn whole(&mut self, text: &str) -> Duration {
        self.key(KeyCode::Char('/'));
        let time = self.event(Event::Paste(text.to_owned())).0;
        self.key(KeyCode::Esc);
        time
    }

    fn key(&mut self, code: KeyCode) -> Duration {
        self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))).0
    }
}

/// How long this thread ran; where the system does not tell, how much time went by.
fn ran(begun: Instant) -> Duration {
    // Linux brings the number up to date at its ticks, milliseconds apart, and when a thread gives way.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.as_deref().and_then(|told| told.split(' ').next()).and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

fn tenants() -> Vec<Arc<Tenant>> {
    let name: DatabaseName = "eu-1".into();
    (0..TENANTS)
        .map(|number| Arc::new(desk::tenant(&name, &format!("tenant-{number:05}-corp"), number, number % 5)))
        .collect()
}

/// A picture in which ten tenants changed.
fn refreshed(tenants: &mut [Arc<Tenant>], revision: u64) -> Arc<Snapshot> {
    for step in 0..10 {
        let place = (usize::try_from(revision).unwrap_or(0) * 97 + step * 11) % tenants.len();
        let mut changed = (*tenants[place]).clone();
        changed.cache_keys = Some(revision);
        tenants[place] = Arc::new(changed);
    }
    let mut snapshot = desk::snapshot(Environment::Production);
    snapshot.revision = revision;
    snapshot.tenants = tenants.to_vec();
    Arc::new(snapshot)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn line(what: &str, times: &mut [Duration], goal: Duration) -> bool {
    let (half, most, worst) = (percentile(times, 50), percentile(times, 99), percentile(times, 100));
    println!("{what:<40} p50 {half:>9.2?}  p99 {most:>9.2?}  max {worst:>9.2?}  goal p99 {goal:?}");
    most <= goal
}

fn main() -> ExitCode {
    let mut good = true;
    for (columns, rows) in [(80, 24), (200, 50)] {
        println!("{columns}x{rows}, {TENANTS} tenants");
        let begun = Instant::now();
        let config = config::Database::new("eu-1".into(), Environment::Production, String::new().into());
        let mut bench = Bench {
            app: App::new(AppInput {
                databases: vec![(Arc::new(config), "ops@db1".into())],
                refresh: Duration::from_secs(5),
                keymap: Keymap::embedded().expect("keymap"),
                filters: desk::filters(),
                theme: Theme::default(),
                ascii: true,
                kept: KeptView::default(),
                welcome: false,
                size: (columns, rows),
                zone: jiff::tz::TimeZone::UTC,
                now: Now { wall: desk::epoch(), elapsed: Duration::ZERO },
            }),
            terminal: Terminal::new(FrameBackend::new(columns, rows)).expect("terminal"),
            begun,
        };
        bench.event(Event::Redraw);
        good &= line("first frame", &mut [begun.elapsed()], Duration::from_millis(50));
        let mut all = tenants();
        let first = refreshed(&mut all, 1);
        bench.event(Event::Snapshot(first));
        let (mut keys, mut filter, mut narrowed, mut pictures, mut bytes) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for round in 0..200_u64 {
            for key in "jjjkjjGgg sjjS1jjj".chars() {
                keys.push(bench.key(KeyCode::Char(key)));
            }
            keys.push(bench.key(KeyCode::PageDown));
            let picture = refreshed(&mut all, round + 2);
            let (time, sent) = bench.event(Event::Snapshot(picture));
            pictures.push(time);
            bytes = bytes.max(sent);
            if round % 10 == 0 {
                bench.key(KeyCode::Char('/'));
                // Every second key meets a picture: what was found is found anew in it, and both are the key's time.
                for (place, key) in "04242corp".chars().enumerate() {
                    let mut time = bench.key(KeyCode::Char(key));
                    narrowed.push(time);
                    if place % 2 == 0 {
                        let picture = refreshed(&mut all, 1_000 + round * 10 + place as u64);
                        time += bench.event(Event::Snapshot(picture)).0;
                    }
                    filter.push(time);
                }
                bench.key(KeyCode::Esc);
                filter.push(bench.whole("size>0 state:behind 04242"));
            }
        }
        good &= line("key to frame", &mut keys, Duration::from_millis(16));
        good &= line("key in the filter to frame", &mut narrowed, Duration::from_millis(50));
        good &= line("the same, refreshing, and whole filters", &mut filter, Duration::from_millis(50));
        // A key seldom meets a picture (one of some 700 keys at five seconds), and then waits for it.
        good &= line("picture to frame (holds a key up)", &mut pictures, Duration::from_millis(50));
        println!("most bytes of a refresh: {bytes}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
