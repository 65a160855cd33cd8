//! `tenantui demo`: a real fleet on private servers that nobody else can reach, and that ends without a trace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tenantui::demo::{Demo, DemoOptions, start};

use crate::support::{program, wait_until};

async fn small_demo(tenants: u32) -> Demo {
    start(DemoOptions { tenants }, &|_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The processes whose command line names a folder.
fn processes_of(folder: &Path) -> Vec<u32> {
    let needle = folder.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&needle)
    })
    .collect()
}

/// The inodes of all TCP sockets that listen on this machine.
fn listening_inodes() -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| fields.get(9).map(|f| (*f).to_owned()))
        .collect()
}

fn sockets_of(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_user_can_enter_and_it_ends_without_a_trace() {
    let demo = small_demo(3).await;
    let folder: PathBuf = demo.folder().to_owned();
    let mode = fs::metadata(&folder).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let processes = processes_of(&folder);
    assert!(processes.len() >= 2, "PostgreSQL and Redis run: {processes:?}");
    let open = listening_inodes();
    for pid in processes {
        let reachable: Vec<_> = sockets_of(pid).into_iter().filter(|socket| open.contains(socket)).collect();
        assert!(reachable.is_empty(), "process {pid} listens on TCP");
    }
    drop(demo);
    assert!(!folder.exists(), "{} is left", folder.display());
    wait_until(Duration::from_secs(10), "all processes to end", || processes_of(&folder).is_empty());
}

/// A `tenantui demo` that was caught while it makes its tenants, in a temporary folder of its own.
struct Caught {
    child: Child,
    place: TempDir,
}

impl Caught {
    /// As this user, or as another one where we are root.
    fn start(other_user: Option<u32>) -> Self {
        let place = TempDir::new().expect("a folder");
        // The servers of root's demo run as another user, who must be able to pass through.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let mut command = Command::new(program());
        if let Some(uid) = other_user {
            let copy = place.path().join("tenantui");
            fs::copy(program(), &copy).expect("a copy that another user can reach");
            command = Command::new(copy);
            command.uid(uid).gid(uid).current_dir("/");
        }
        let mut child = command
            .args(["demo", "--tenants", "400"])
            .env("TMPDIR", place.path())
            .env("HOME", place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
        let mut said = Vec::new();
        let seeding = lines.by_ref().map(|line| line.expect("a line")).any(|line| {
            let making = line.contains("making tenants");
            said.push(line);
            making
        });
        assert!(seeding, "the demo ended before it made tenants: {said:#?}");
        // Whoever reads no more makes the next line an error to the writer: go on reading until the end.
        std::thread::spawn(move || lines.count());
        Self { child, place }
    }

    fn folder(&self) -> PathBuf {
        let entries = fs::read_dir(self.place.path()).expect("the folder").map(|entry| entry.expect("an entry").path());
        let is_demo =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tenantui-"));
        entries.into_iter().find(is_demo).expect("the demo's folder")
    }

    /// Ends it by a signal, and sees that nothing stays behind. The exit code or, negative, the signal it died of.
    fn end_by(mut self, signal: Signal) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let folder = self.folder();
        assert!(processes_of(&folder).len() >= 2, "PostgreSQL and Redis run");
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a signal");
        let status = self.child.wait().expect("its end");
        wait_until(Duration::from_secs(20), "the servers to end", || processes_of(&folder).is_empty());
        wait_until(Duration::from_secs(20), "the folder to go", || !folder.exists());
        status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
    }
}

#[test]
fn sigterm_ends_it_without_a_trace() {
    assert_eq!(Caught::start(None).end_by(Signal::TERM), 128 + 15);
}

#[test]
fn sighup_ends_it_without_a_trace() {
    assert_eq!(Caught::start(None).end_by(Signal::HUP), 128 + 1);
}

#[test]
fn kill_leaves_no_server_and_no_folder() {
    assert_eq!(Caught::start(None).end_by(Signal::KILL), -9);
}

/// Root starts its servers as another user; this is the same as an ordinary user. Where the tests do not run as root,
/// the tests above have shown it already, and it runs as the user there is.
#[test]
fn it_runs_as_an_ordinary_user() {
    let nobody = rustix::process::geteuid().is_root().then_some(65_534);
    let caught = Caught::start(nobody);
    let folder = caught.folder();
    let users = processes_of(&folder).into_iter().filter_map(|pid| {
        use std::os::unix::fs::MetadataExt;
        Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid())
    });
    let expected = nobody.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    assert!(users.into_iter().all(|user| user == expected));
    assert_eq!(caught.end_by(Signal::KILL), -9);
}

/// product.md, "The demo": off a terminal it prints the fleet, makes a tenant, migrates those behind, and ends with 0.
#[test]
fn without_a_terminal_it_shows_itself() {
    let place = TempDir::new().expect("a folder");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let output = Command::new(program())
        .args(["demo", "--tenants", "60"])
        .env("TMPDIR", place.path())
        .env("HOME", place.path())
        .stdin(Stdio::null())
        .output()
        .expect("the program");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    let rows = |word: &str| out.lines().filter(|line| line.split_whitespace().any(|cell| cell == word)).count();
    // Shown before and after: only before are tenants behind, and the new one is there only after.
    assert!(rows("behind") >= 5, "{out}");
    assert_eq!(rows("behind") + 1, rows("done"), "all that were behind, and the new tenant, are done:\n{out}");
    assert_eq!(
        (rows("locked"), rows("missing_schema"), rows("orphan_schema"), rows("suspended")),
        (2, 2, 2, 2),
        "{out}"
    );
    assert!(err.contains("making tenants"), "progress goes to standard error: {err}");
    assert_eq!(fs::read_dir(place.path()).expect("the folder").count(), 0, "nothing is left");
}
