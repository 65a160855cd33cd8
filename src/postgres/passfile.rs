//! libpq's pass file: matching, escapes and the rule about permissions, as libpq has them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::config::conninfo::{Conninfo, Host};

/// The folders for which libpq looks for `localhost` in the pass file.
const USUAL_SOCKETS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// What looking into the pass file gave.
#[derive(Debug)]
pub(super) enum Found {
    /// No file, or no line for this server.
    Nothing,
    /// A password.
    Password(SecretString),
    /// The file is there and was not used, in words.
    Ignored(String),
}

/// The file to look into: the one named, else the user's own.
pub(super) fn path(conninfo: &Conninfo, home: Option<&Path>) -> Option<PathBuf> {
    conninfo.passfile.clone().or_else(|| home.map(|home| home.join(".pgpass")))
}

/// Looks for the password of this server, database and role.
pub(super) fn look_up(path: &Path, conninfo: &Conninfo) -> Found {
    let ignored = |why: &str| Found::Ignored(format!("the pass file {} was ignored: {why}", path.display()));
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return ignored(&error.to_string()),
    };
    if !meta.is_file() {
        return ignored("it is not a plain file");
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return ignored(&format!("group or others may read it; run: chmod 0600 {}", path.display()));
    }
    if meta.len() > 1 << 20 {
        return ignored("it is larger than 1 MB");
    }
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => match find(&bytes, conninfo) {
            Some(password) => String::from_utf8(password)
                .map_or_else(|_| ignored("its password is not UTF-8"), |text| Found::Password(text.into())),
            None => Found::Nothing,
        },
        Err(error) => ignored(&error.to_string()),
    }
}

fn find(bytes: &[u8], conninfo: &Conninfo) -> Option<Vec<u8>> {
    let hosts = hosts(conninfo);
    let port = conninfo.port.to_string();
    bytes.split(|byte| *byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let rest = hosts.iter().find_map(|host| matched(line, host.as_bytes()))?;
        let rest = matched(rest, port.as_bytes())?;
        let rest = matched(rest, conninfo.dbname.as_bytes())?;
        let rest = matched(rest, conninfo.user.as_bytes())?;
        Some(unescaped(rest))
    })
}

/// The names under which the server may stand in the file.
fn hosts(conninfo: &Conninfo) -> Vec<String> {
    match &conninfo.host {
        Host::Tcp(name) => vec![name.clone()],
        Host::DefaultSocket => vec!["localhost".to_owned()],
        Host::Unix(folder) => {
            let mut names = vec![folder.display().to_string()];
            if USUAL_SOCKETS.iter().any(|usual| folder == Path::new(usual)) {
                names.push("localhost".to_owned());
            }
            names
        }
    }
}

/// What follows a field that is `*` or, its escapes taken away, the token.
fn matched<'a>(field: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = field.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut at = 0;
    let mut token = token.iter();
    loop {
        match *field.get(at)? {
            b':' => return token.next().is_none().then(|| &field[at + 1..]),
            b'\\' => at += 1,
            _ => {}
        }
        if token.next()? != field.get(at)? {
            return None;
        }
        at += 1;
    }
}

/// The password: up to an unescaped colon, its escapes taken away.
fn unescaped(rest: &[u8]) -> Vec<u8> {
    let mut password = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(*bytes.next().unwrap_or(&b'\\')),
            other => password.push(*other),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::surroundings::Surroundings;

    fn password(file: &str, conninfo: &str) -> Option<String> {
        let around = Surroundings::fixed([("PGUSER", "u"), ("PGDATABASE", "d")]);
        let conninfo = Conninfo::parse(conninfo, &around).expect(conninfo);
        find(file.as_bytes(), &conninfo).map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn lines_match_as_in_libpq() {
        let found = |file: &str| password(file, "host=h port=1");
        assert_eq!(found("h:1:d:u:pw").as_deref(), Some("pw"));
        assert_eq!(found("*:*:*:*:pw\r\n").as_deref(), Some("pw"));
        assert_eq!(found("# h:1:d:u:no\n\nx:1:d:u:no\nh:1:d:u:first\nh:1:d:u:second").as_deref(), Some("first"));
        assert_eq!(found(r"h:1:d:u:a\:b\\c").as_deref(), Some(r"a:b\c"));
        assert_eq!(found("h:1:d:u:a:b").as_deref(), Some("a"));
        for other in ["h:1:d:x:pw", "hh:1:d:u:pw", "h:1:d:u", "h:11:d:u:pw", "h*:1:d:u:pw", "**:1:d:u:pw", ""] {
            assert_eq!(found(other), None, "{other}");
        }
        assert_eq!(password(r"\:\:1:1:d:u:pw", "host=::1 port=1").as_deref(), Some("pw"));
    }

    #[test]
    fn sockets_are_localhost_in_their_usual_folders() {
        assert_eq!(password("localhost:5432:d:u:pw", "").as_deref(), Some("pw"));
        assert_eq!(password("localhost:5432:d:u:pw", "host=/var/run/postgresql").as_deref(), Some("pw"));
        assert_eq!(password("/srv/pg:5432:d:u:pw", "host=/srv/pg").as_deref(), Some("pw"));
        assert_eq!(password("localhost:5432:d:u:pw", "host=/srv/pg"), None);
    }
}
