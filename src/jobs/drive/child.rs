//! The command as a process: in a group of its own, without a shell, with nothing to read, and never longer than it may.
//!
//! The group is led by a guard, a shell that does nothing but wait for the end of a pipe which only this process holds.
//! When this process ends, however it ends, the guard kills the group: no child of a worker that is gone goes on. It
//! also keeps the group's number from being given away while the command's own children may still live.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use super::output::{Lines, Output};
use crate::jobs::shared::Shared;
use crate::model::job::LogMark;
use crate::text::counted;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// How long output is read that a child of the command holds open behind its end.
const DRAIN: Duration = Duration::from_secs(2);
/// What the guard does.
const GUARD: &str = "trap '' TERM INT HUP QUIT; cat >/dev/null; kill -KILL 0";

/// What to start.
pub(super) struct Order {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// Where; `None`: where this process is.
    pub(super) folder: Option<PathBuf>,
    /// What is added to this process's own variables, of which libpq's and tenantui's are left out.
    pub(super) variables: Vec<(String, String)>,
    /// How long it may take.
    pub(super) limit: Duration,
    /// What must not be shown.
    pub(super) secret: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It took too long, and was ended.
    TooLong,
    /// The operator, or the end of this process, did not wait for it.
    Stopped,
    /// The job is another worker's: it was ended.
    Fenced,
    /// It never ran.
    NotStarted(String),
}

/// Runs it to its end. Its output goes to the job's log, line by line.
pub(super) async fn run(shared: &Shared<'_>, slug: &str, order: &Order) -> (End, Output) {
    let mut output = Output::new(order.secret.as_deref());
    let end = match Group::start(order) {
        Ok(group) => group.run(shared, slug, order.limit, &mut output).await,
        Err(why) => End::NotStarted(why),
    };
    if output.hidden() > 0 {
        let words = format!("{} of its output not shown", counted(output.hidden(), "more line"));
        shared.reports.line(LogMark::Note, slug, words).await;
    }
    (end, output)
}

/// The guard, the command, and the pipe that keeps the guard waiting: dropped, it ends them all.
struct Group {
    id: Pid,
    guard: Child,
    _life: ChildStdin,
    child: Child,
    /// Both of its outputs, in the order in which they were written.
    printed: pipe::Receiver,
}

impl Group {
    fn start(order: &Order) -> Result<Self, String> {
        let no_guard = |why: &dyn std::fmt::Display| format!("/bin/sh, which guards the command, did not start: {why}");
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| no_guard(&error))?;
        let life = guard.stdin.take().ok_or_else(|| no_guard(&"it has no input"))?;
        let number = guard.id().and_then(|id| i32::try_from(id).ok());
        let (number, id) = number
            .and_then(|number| Some((number, Pid::from_raw(number)?)))
            .ok_or_else(|| no_guard(&"it ended at once"))?;
        let (program, arguments) = order.words.split_first().ok_or("the command is empty")?;
        let no_pipe = |error: std::io::Error| format!("no pipe for the output of {program}: {error}");
        let (into, printed) = pipe::pipe().map_err(no_pipe)?;
        let stdout = into.into_blocking_fd().map_err(no_pipe)?;
        let stderr = stdout.try_clone().map_err(no_pipe)?;
        let mut command = Command::new(program);
        // What surrounds us may name another database, or hold what is ours alone.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("PG") || name_text.starts_with("TENANTUI_") {
                command.env_remove(&name);
            }
        }
        command
            .args(arguments)
            .envs(order.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(number);
        if let Some(folder) = &order.folder {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|error| format!("the command {program} could not be started: {error}"))?;
        Ok(Self { id, guard, _life: life, child, printed })
    }

    async fn run(self, shared: &Shared<'_>, slug: &str, limit: Duration, output: &mut Output) -> End {
        let Self { id, mut guard, _life, mut child, printed } = self;
        let mut pump = std::pin::pin!(pump(printed, shared, slug, output));
        let mut pumped = false;
        let asked = tokio::select! {
            biased;
            end = exit(&mut child, pump.as_mut(), &mut pumped) => Err(end),
            () = tokio::time::sleep(limit) => Ok(End::TooLong),
            () = shared.taken() => Ok(End::Fenced),
            () = shared.end_now() => Ok(End::Stopped),
        };
        let end = match asked {
            Err(end) => end,
            Ok(why) => {
                shared.reports.line(LogMark::Note, slug, ending(&why, limit)).await;
                signal(id, Signal::TERM);
                let left = exit(&mut child, pump.as_mut(), &mut pumped);
                if tokio::time::timeout(GRACE, left).await.is_err() {
                    signal(id, Signal::KILL);
                    exit(&mut child, pump.as_mut(), &mut pumped).await;
                }
                why
            }
        };
        // Output that is still held open is a child's that the command left behind.
        if !pumped && tokio::time::timeout(DRAIN, pump.as_mut()).await.is_err() {
            let words = "the command left processes behind; they are ended";
            shared.reports.line(LogMark::Note, slug, words).await;
        }
        signal(id, Signal::KILL);
        if let Err(error) = guard.wait().await {
            tracing::warn!(%error, "the guard of a command");
        }
        end
    }
}

fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        tracing::debug!(%error, "the command's group is gone");
    }
}

fn ending(why: &End, limit: Duration) -> String {
    let why = match why {
        End::TooLong => format!("it did not end within {} s", limit.as_secs()),
        End::Fenced => "the job is another worker's".to_owned(),
        End::Stopped | End::Exited(_) | End::NotStarted(_) => "stopped".to_owned(),
    };
    format!("{why}: the command is ended")
}

/// Waits for the command's end, moving its output meanwhile.
async fn exit(child: &mut Child, mut pump: std::pin::Pin<&mut impl Future<Output = ()>>, pumped: &mut bool) -> End {
    loop {
        tokio::select! {
            status = child.wait() => {
                return match status {
                    Ok(status) => End::Exited(status),
                    Err(error) => End::NotStarted(format!("the command's end could not be waited for: {error}")),
                };
            }
            () = pump.as_mut(), if !*pumped => *pumped = true,
        }
    }
}

/// Moves its output to the log.
async fn pump(mut printed: pipe::Receiver, shared: &Shared<'_>, slug: &str, output: &mut Output) {
    let mut lines = Lines::default();
    let mut bytes = vec![0_u8; 16 * 1024];
    loop {
        // What cannot be read is as if it had not been printed: the exit status tells.
        let read = printed.read(&mut bytes).await.unwrap_or(0);
        let ready = if read == 0 { lines.end().into_iter().collect() } else { lines.take(&bytes[..read]) };
        for line in ready {
            if let Some(line) = output.line(&line) {
                shared.reports.line(LogMark::Note, slug, line).await;
            }
        }
        if read == 0 {
            return;
        }
    }
}
