//! The folder in which private servers live, and the watchdog that ends both with us.
//!
//! The watchdog is a small shell that reads a pipe of which only this process (and, for an instant, a server that is
//! being started) holds the other end. Lines tell it what exists; when the pipe closes, whatever the reason, it ends
//! the servers and removes the folder. `PR_SET_PDEATHSIG` cannot do this: it fires when the starting *thread* ends.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{PipeWriter, Write, pipe};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use super::ServerError;

/// Reads what exists, and cleans up when the pipe closes. Signals of a terminal must not end it before us.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM QUIT PIPE
pids= folder=
while read -r word value; do
  case $word in
    pid) pids="$pids $value" ;;
    gone) kept=; for pid in $pids; do [ "$pid" = "$value" ] || kept="$kept $pid"; done; pids=$kept ;;
    folder) folder=$value ;;
  esac
done
for pid in $pids; do kill -QUIT "$pid"; done
tries=0
while [ -n "$pids" ] && [ $tries -lt 100 ]; do
  left=; for pid in $pids; do kill -0 "$pid" && left="$left $pid"; done; pids=$left
  [ -z "$pids" ] || sleep 0.05
  tries=$((tries + 1))
done
for pid in $pids; do kill -KILL "$pid"; done
if [ -n "$folder" ]; then
  tries=0
  until rm -rf -- "$folder" || [ $tries -ge 20 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
"#;

/// Tells the watchdog its own process id through standard input, then becomes the server: no instant at which a server
/// exists that the watchdog does not know of.
const ANNOUNCE: &str = r#"echo "pid $$" >&0; exec "$@" </dev/null"#;

/// The longest path of a Unix socket is about 107 bytes; the folder's own part leaves room for file names.
const LONGEST_FOLDER: usize = 70;

/// Another user that servers run as, because PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

impl ServiceAccount {
    /// The account for servers: none for an ordinary user; for root the account `postgres`, else `nobody`.
    ///
    /// # Errors
    /// When we are root and there is neither.
    pub fn needed() -> Result<Option<Self>, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(|error| ServerError::io("/etc/passwd", &error))?;
        ["postgres", "nobody"].iter().find_map(|name| Self::in_passwd(&accounts, name)).map(Some).ok_or_else(|| {
            ServerError(
                "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as. Run this \
                 as an ordinary user"
                    .to_owned(),
            )
        })
    }

    fn in_passwd(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Self { uid, gid })
    }
}

/// A temporary folder with mode 0700 that ends, with every server started in it, when this value is dropped or this
/// process ends. Servers started in it must be dropped first.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    account: Option<ServiceAccount>,
    pipe: Mutex<Option<PipeWriter>>,
    watchdog: Child,
}

impl Home {
    /// Makes the folder, and starts the watchdog.
    ///
    /// # Errors
    /// When no folder or process can be made.
    pub fn new() -> Result<Self, ServerError> {
        let account = ServiceAccount::needed()?;
        let name = Uuid::new_v4().simple().to_string();
        let folder = parent_folder(account.is_some()).join(format!("tenantui-{}", &name[..16]));
        let (reader, writer) = pipe().map_err(|error| ServerError::io("a pipe for the watchdog", &error))?;
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "tenantui-watchdog"])
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::from(reader))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| ServerError::io("the watchdog /bin/sh", &error))?;
        let home = Self { folder, account, pipe: Mutex::new(Some(writer)), watchdog };
        home.tell(&format!("folder {}", home.folder.display()))?;
        let folder = &home.folder;
        DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .map_err(|error| ServerError::io(format_args!("cannot make {}", folder.display()), &error))?;
        home.give(folder)?;
        Ok(home)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The account servers run as, where we are root.
    #[must_use]
    pub fn account(&self) -> Option<ServiceAccount> {
        self.account
    }

    /// Makes a folder inside, mode 0700, that servers may write.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf, ServerError> {
        let folder = self.folder.join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| ServerError::io(format_args!("cannot make {}", folder.display()), &error))?;
        self.give(&folder)?;
        Ok(folder)
    }

    /// Makes a path belong to the servers' account.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give(&self, path: &Path) -> Result<(), ServerError> {
        let Some(account) = self.account else { return Ok(()) };
        chown(path, Some(account.uid), Some(account.gid))
            .map_err(|error| ServerError::io(format_args!("cannot chown {}", path.display()), &error))
    }

    /// A command that runs as the servers' account with a small, known environment and no standard input or output.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Starts a server as a child that the watchdog knows, in a process group of its own (so that a terminal's
    /// interrupt does not reach it), with its output in a log file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, program: &Path, arguments: &[String], log: &Path) -> Result<ServerProcess, ServerError> {
        let starting =
            |error: &std::io::Error| ServerError::io(format_args!("cannot start {}", program.display()), error);
        let out = fs::File::create(log).map_err(|error| starting(&error))?;
        let err = out.try_clone().map_err(|error| starting(&error))?;
        let pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = pipe.as_ref().ok_or_else(|| ServerError("the watchdog has ended".to_owned()))?;
        let writer = writer.try_clone().map_err(|error| starting(&error))?;
        let child = self
            .command(Path::new("/bin/sh"))
            .args(["-c", ANNOUNCE, "tenantui-server"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::from(writer))
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .process_group(0)
            .spawn()
            .map_err(|error| starting(&error))?;
        let told = pipe.as_ref().and_then(|writer| writer.try_clone().ok());
        Ok(ServerProcess { child, told, ended: false })
    }

    fn tell(&self, line: &str) -> Result<(), ServerError> {
        let pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut writer) = pipe.as_ref() else { return Ok(()) };
        writer.write_all(format!("{line}\n").as_bytes()).map_err(|error| ServerError::io("the watchdog", &error))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The watchdog removes the folder when the pipe closes; waiting for it makes the end complete when we return.
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.watchdog.wait();
    }
}

/// A running server process. Ends with SIGQUIT (PostgreSQL: immediate shutdown) when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    told: Option<PipeWriter>,
    ended: bool,
}

impl ServerProcess {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), ServerError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Err(ServerError("no process id".to_owned())) };
        kill_process(pid, signal).map_err(|error| ServerError(format!("signal to {}: {error}", self.child.id())))
    }

    /// Sends the signal, waits for the end for at most ten seconds, then kills.
    pub fn end(&mut self, signal: Signal) {
        if self.ended {
            return;
        }
        self.ended = true;
        let _ = self.signal(signal);
        let give_up = Instant::now() + Duration::from_secs(10);
        while self.is_running() {
            if Instant::now() > give_up {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // From here on the number may belong to another process: the watchdog must not signal it.
        if let Some(mut told) = self.told.take() {
            let _ = told.write_all(format!("gone {}\n", self.child.id()).as_bytes());
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
    }
}

/// The system's temporary folder, or `/tmp` where that is too long for sockets or closed to the servers' account.
fn parent_folder(for_other_account: bool) -> PathBuf {
    let wanted = env::temp_dir();
    let short = wanted.as_os_str().len() + 26 <= LONGEST_FOLDER;
    let plain = wanted.to_str().is_some_and(|text| wanted.is_absolute() && !text.contains(char::is_whitespace));
    let open = !for_other_account
        || wanted.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|data| data.mode() & 0o001 != 0));
    if short && plain && open { wanted } else { PathBuf::from("/tmp") }
}

#[cfg(test)]
mod tests {
    use super::ServiceAccount;

    #[test]
    fn accounts_are_read_from_passwd_and_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n\
                      nobody:x:0:0::/:/bin/false\n";
        assert_eq!(ServiceAccount::in_passwd(passwd, "postgres"), Some(ServiceAccount { uid: 101, gid: 104 }));
        assert_eq!(ServiceAccount::in_passwd(passwd, "nobody"), None);
        assert_eq!(ServiceAccount::in_passwd(passwd, "post"), None);
    }
}
