//! `tenantui demo`: a real fleet on private servers that nobody else can reach, and that ends without a trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenantui::demo::{Demo, DemoOptions, start};

use crate::support::wait_until;

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
