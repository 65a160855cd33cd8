//! What a service manager is told (systemd's sd_notify protocol): one datagram to the socket that `$NOTIFY_SOCKET`
//! names. Where nobody asked, nothing is sent. Must not decide when something is ready.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// The service manager that started this process, where there is one that wants to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manager(Option<PathBuf>);

impl Manager {
    /// The manager of `$NOTIFY_SOCKET`: an absolute path, or `@name` for Linux's abstract sockets. Anything else is no
    /// socket that a manager would name.
    #[must_use]
    pub fn of(socket: Option<&OsStr>) -> Self {
        Self(socket.filter(|name| matches!(name.as_bytes(), [b'/' | b'@', _, ..])).map(PathBuf::from))
    }

    /// The work can be done: `READY=1`, and the words for `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Only the words for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", one_line(status)));
    }

    /// The process is on its way out.
    pub fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
    }

    /// A manager that cannot be told is no reason to end: the log says it.
    fn tell(&self, message: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket.as_os_str(), message.as_bytes()) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // A manager that does not read must not hold us up.
    sender.set_nonblocking(true)?;
    match socket.as_bytes().split_first() {
        Some((b'@', name)) => sender.send_to_addr(message, &abstract_address(name)?)?,
        _ => sender.send_to(message, socket)?,
    };
    Ok(())
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A line break would begin another field.
fn one_line(words: &str) -> String {
    words.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        let mut bytes = [0; 256];
        let count = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn a_manager_hears_of_both_ends_in_one_message_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let manager = Manager::of(Some(path.as_os_str()));
        manager.ready("waits for jobs\nREADY=0");
        assert_eq!(received(&socket), "READY=1\nSTATUS=waits for jobs READY=0");
        manager.stopping("bye");
        assert_eq!(received(&socket), "STOPPING=1\nSTATUS=bye");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_is_reached_too() {
        let name = format!("tenantui-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&abstract_address(name.as_bytes()).expect("a name")).expect("a socket");
        Manager::of(Some(OsStr::new(&format!("@{name}")))).status("here");
        assert_eq!(received(&socket), "STATUS=here");
    }

    #[test]
    fn without_a_manager_nothing_is_sent_and_nothing_fails() {
        for none in [None, Some(""), Some("/"), Some("@"), Some("relative")] {
            let manager = Manager::of(none.map(OsStr::new));
            assert_eq!(manager, Manager::default(), "{none:?}");
            manager.ready("x");
        }
        Manager::of(Some(OsStr::new("/nowhere/at/all"))).ready("x");
    }
}
