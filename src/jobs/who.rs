//! Who runs this process, for the record, the audit and the server's own list of sessions.

use crate::model::job::JobId;

/// The operating system's name of the operator: what the environment says, else the system's list of users. A service
/// manager or a container may set neither.
#[must_use]
pub fn os_user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .or_else(|| name_of(rustix::process::getuid().as_raw(), &std::fs::read_to_string("/etc/passwd").ok()?))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The name of a user id in the text of `/etc/passwd`.
fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let found = fields.nth(1)?.parse() == Ok(uid);
        found.then(|| name.to_owned())
    })
}

/// This machine's name.
#[must_use]
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown host".to_owned())
}

/// `host pid`: who runs a job.
#[must_use]
pub fn worker() -> String {
    format!("{} {}", host(), std::process::id())
}

/// The `application_name` of a job's sessions. The link cuts it at 63 bytes, so the user's name gives way here.
#[must_use]
pub fn application_name(job: Option<JobId>) -> String {
    named(&job.map_or_else(|| " order".to_owned(), |job| format!(" job {job}")))
}

/// The `application_name` of the sessions that a step's own command opens: no other session has it.
#[must_use]
pub fn command_name(job: JobId, seq: i32) -> String {
    named(&format!(" job {job} step {seq}"))
}

fn named(tail: &str) -> String {
    let user = os_user();
    let room = 63_usize.saturating_sub("tenantui ".len() + tail.len());
    format!("tenantui {}{tail}", crate::migrations::apply::wire::cut(&user, room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_an_environment_is_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n# ops\n:x:7::\n\nops:x:1000:1000::/home/ops:/bin/sh\nlast:x:1000\n";
        assert_eq!(name_of(0, passwd).as_deref(), Some("root"));
        assert_eq!(name_of(1000, passwd).as_deref(), Some("ops"));
        assert_eq!((name_of(7, passwd), name_of(100, passwd), name_of(0, "")), (None, None, None));
    }

    #[test]
    fn the_job_is_in_the_name_and_the_name_fits() {
        let name = application_name(Some(JobId(17)));
        assert!(name.starts_with("tenantui ") && name.ends_with(" job 17"), "{name}");
        assert!(name.len() <= 63);
    }
}
