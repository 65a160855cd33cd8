//! The program as a process that may be killed, frozen and thawed at any moment, also from another thread.
//! `TENANTUI_FAULTS_PROGRAM` names another build of it: a long run is not disturbed by the next compilation.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::program;

/// What signals reach: a process that is not reaped yet, or nothing. A number that the system may have given away again
/// is never signalled.
#[derive(Debug, Clone, Default)]
pub struct Aim(Arc<Mutex<Option<Pid>>>);

impl Aim {
    /// Sends a signal; `false`: the process has ended.
    pub fn send(&self, signal: Signal) -> bool {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Kills it, as soon as it exists: a proxy may see its first bytes before we know its number.
    pub fn kill(&self) -> bool {
        let give_up = Instant::now() + Duration::from_secs(5);
        while self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none() && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.send(Signal::KILL)
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct End {
    /// Its exit status; `None`: a signal.
    pub code: Option<i32>,
    /// SIGKILL ended it.
    pub killed: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
}

/// A running program.
pub struct Victim {
    child: Child,
    aim: Aim,
    out: PathBuf,
    err: PathBuf,
    started: Instant,
}

/// The variable that takes a safeguard out of a debug build.
const SABOTAGE: &str = "TENANTUI_TEST_SABOTAGE";

impl Victim {
    /// Starts the program with nothing of this machine's around it; from then on `aim` points at it. Its output goes to
    /// files in this folder.
    pub fn start(home: &Path, arguments: &[&str], variables: &[(&str, &str)], aim: &Aim) -> Self {
        let given = std::env::var_os("TENANTUI_FAULTS_PROGRAM").map(PathBuf::from);
        let mut command = Command::new(given.as_deref().unwrap_or_else(|| program()));
        let name = uuid::Uuid::new_v4().simple().to_string();
        let (out, err) = (home.join(format!("{name}.out")), home.join(format!("{name}.err")));
        command
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("USER", "faults")
            // A safeguard that is taken out of the tests' own process is taken out of the program, too.
            .envs(std::env::var(SABOTAGE).map(|word| (SABOTAGE, word)))
            .envs(variables.iter().copied())
            .args(arguments)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        let child = command.spawn().expect("the program starts");
        *aim.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pid::from_child(&child));
        Self { child, aim: aim.clone(), out, err, started: Instant::now() }
    }

    /// Where to send signals.
    pub fn aim(&self) -> Aim {
        self.aim.clone()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        // Behind the lock: a reaped process must not be aimed at.
        let mut pid = self.aim.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.child.try_wait().expect("asked").is_some();
        if ended {
            *pid = None;
        }
        !ended
    }

    /// Waits for the end; a program that takes longer than `limit` is killed, and the test fails.
    pub fn wait(mut self, limit: Duration) -> End {
        while self.is_running() {
            if self.started.elapsed() > limit {
                self.aim.send(Signal::KILL);
                let (out, err) = (self.text(true), self.text(false));
                panic!("the program still runs after {limit:?}\nout: {out}\nerr: {err}");
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        let took = self.started.elapsed();
        let status = self.child.wait().expect("its status");
        let end = End {
            code: status.code(),
            killed: status.signal() == Some(Signal::KILL.as_raw()),
            out: self.text(true),
            err: self.text(false),
            took,
        };
        for file in [&self.out, &self.err] {
            // The folder goes with the test; what stays until then is only clutter.
            let _ = std::fs::remove_file(file);
        }
        end
    }

    /// Kills it and waits.
    pub fn kill(self) -> End {
        self.aim.send(Signal::KILL);
        self.wait(Duration::from_secs(600))
    }

    fn text(&self, out: bool) -> String {
        let bytes = std::fs::read(if out { &self.out } else { &self.err }).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        if self.is_running() {
            self.aim.send(Signal::KILL);
            let _ = self.child.wait();
            *self.aim.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
