//! Faults of real parts against the real program: processes killed, servers stopped, links cut; and after every fault
//! one question to the database whether anything is half done, done twice, or lost.
//!
//! Every run prints its seed; `TENANTUI_FAULTS_SEED` repeats it, as far as two processes and a server can be repeated.
//! `TENANTUI_FAULTS_<WHAT>` scales a count: the defaults are what every push runs, `scripts/faults` runs the figures
//! of docs/reliability.md. `TENANTUI_FAULTS_REPORT` names a file that the figures are added to.

mod controls;
mod disk;
mod fleet;
mod invariant;
mod kills;
mod links;
mod messages;
mod races;
mod stops;
mod zombies;

use std::io::Write as _;
use std::time::Duration;

/// How often a fault happens: what the environment says, else the number of every push.
pub fn count(what: &str, default: usize) -> usize {
    let name = format!("TENANTUI_FAULTS_{}", what.to_uppercase());
    match std::env::var(&name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => default,
    }
}

/// Whether all of a set is tried, not only what every push has time for.
pub fn full() -> bool {
    std::env::var_os("TENANTUI_FAULTS_FULL").is_some()
}

/// Says a test's figures, and keeps them where `TENANTUI_FAULTS_REPORT` says.
pub fn report(name: &str, figures: &str) {
    println!("faults: {name}: {figures}");
    if let Some(path) = std::env::var_os("TENANTUI_FAULTS_REPORT") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{name}\t{figures}")).expect("the report is written");
    }
}

/// Numbers from a seed that is printed: splitmix64.
pub struct Dice(u64);

impl Dice {
    /// A new row of numbers for this test, from the seed of this run.
    pub fn new(test: &str) -> Self {
        let seed = match std::env::var("TENANTUI_FAULTS_SEED") {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("TENANTUI_FAULTS_SEED is a number, not {text:?}")),
            Err(_) => u64::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().expect("eight bytes")),
        };
        println!("faults: {test}: TENANTUI_FAULTS_SEED={seed}");
        // Every test has a row of its own, whichever run before it.
        let own = test.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self(own)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of the numbers below this.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("fits")).expect("fits")
    }

    /// A time between none and this.
    pub fn time(&mut self, limit: Duration) -> Duration {
        let micros = usize::try_from(limit.as_micros()).expect("fits");
        Duration::from_micros(u64::try_from(self.below(micros + 1)).expect("fits"))
    }

    /// True so often in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
