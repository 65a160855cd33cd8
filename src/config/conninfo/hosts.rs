//! Several hosts in one connection string, and which of their servers will do. The lists are read as libpq reads them.

use std::net::IpAddr;
use std::path::PathBuf;

use super::params::bad;
use super::{ConninfoError, Host, Params};

/// One of several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where the server is.
    pub host: Host,
    /// The address to use instead of looking the host up.
    pub hostaddr: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Place {
    /// `host:port`, or the socket's folder with the port.
    #[must_use]
    pub fn words(&self) -> String {
        let port = self.port;
        match &self.host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(folder) => format!("{}:{port}", folder.display()),
            Host::DefaultSocket => format!("local socket:{port}"),
        }
    }

    /// Whether the server is on this machine, as far as the connection string says.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.is_local() && self.hostaddr.is_none_or(|address| address.to_canonical().is_loopback())
    }
}

/// `target_session_attrs`: what a server has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttrs {
    /// Anything.
    Any,
    /// It takes writes, and sessions do not start read-only.
    ReadWrite,
    /// It takes no writes, or sessions start read-only.
    ReadOnly,
    /// Not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby where there is one, else anything.
    PreferStandby,
}

impl SessionAttrs {
    const ALL: [Self; 6] =
        [Self::Any, Self::ReadWrite, Self::ReadOnly, Self::Primary, Self::Standby, Self::PreferStandby];

    /// libpq's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    pub(super) fn of(all: &Params) -> Result<Self, ConninfoError> {
        let Some(word) = all.get("target_session_attrs") else { return Ok(Self::Any) };
        Self::ALL
            .into_iter()
            .find(|attrs| attrs.word() == word)
            .map_or_else(|| bad("target_session_attrs", &Self::ALL.map(Self::word).join(", ")), Ok)
    }
}

/// Whether the hosts are tried in an order that differs from one connection to the next.
pub(super) fn load_balance(all: &Params) -> Result<bool, ConninfoError> {
    match all.get("load_balance_hosts") {
        None | Some("disable") => Ok(false),
        Some("random") => Ok(true),
        Some(_) => bad("load_balance_hosts", "disable, random"),
    }
}

/// The places of `host`, `hostaddr` and `port`: the first, and the further ones.
pub(super) fn places(all: &Params) -> Result<(Place, Vec<Place>), ConninfoError> {
    let list = |key: &str| all.get(key).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>());
    let (hosts, addresses) = (list("host"), list("hostaddr"));
    let count = addresses.as_ref().or(hosts.as_ref()).map_or(1, Vec::len);
    if hosts.as_ref().is_some_and(|hosts| hosts.len() != count) {
        return bad("host", "as many as hostaddr has");
    }
    let ports = list("port").unwrap_or_else(|| vec![""]);
    if ports.len() != 1 && ports.len() != count {
        return bad("port", "one, or one for each host");
    }
    let at = |list: &Option<Vec<&str>>, index: usize| {
        list.as_ref().and_then(|list| list.get(index).map(|text| (*text).to_owned())).filter(|text| !text.is_empty())
    };
    let one = |index: usize| -> Result<Place, ConninfoError> {
        let hostaddr = address(at(&addresses, index).as_deref())?;
        let host = host(at(&hosts, index).as_deref(), hostaddr)?;
        let port = port(if ports.len() == 1 { ports[0] } else { ports[index] })?;
        Ok(Place { host, hostaddr, port })
    };
    Ok((one(0)?, (1..count).map(one).collect::<Result<_, _>>()?))
}

fn address(text: Option<&str>) -> Result<Option<IpAddr>, ConninfoError> {
    match text.map(str::parse) {
        None => Ok(None),
        Some(Ok(address)) => Ok(Some(address)),
        Some(Err(_)) => bad("hostaddr", "a numeric IPv4 or IPv6 address for each host"),
    }
}

fn host(text: Option<&str>, hostaddr: Option<IpAddr>) -> Result<Host, ConninfoError> {
    match text {
        Some(path) if path.starts_with('/') => Ok(Host::Unix(PathBuf::from(path))),
        Some(name) if name.starts_with('@') => Err(ConninfoError::Unsupported {
            key: "host".to_owned(),
            yet: true,
            why: "abstract Unix sockets cannot be reached; use a socket's folder",
        }),
        Some(name) => Ok(Host::Tcp(name.to_owned())),
        None => Ok(hostaddr.map_or(Host::DefaultSocket, |address| Host::Tcp(address.to_string()))),
    }
}

fn port(text: &str) -> Result<u16, ConninfoError> {
    if text.is_empty() {
        return Ok(5432);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => bad("port", "1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let (first, others) = places(&Params::parse(text).expect(text)).expect(text);
        std::iter::once(first).chain(others).map(|place| place.words()).collect()
    }

    #[test]
    fn each_host_has_its_port() {
        assert_eq!(words("postgresql://a:1,b:2,[::1]:3/d"), ["a:1", "b:2", "[::1]:3"]);
        assert_eq!(words("postgresql://a,b:2/d"), ["a:5432", "b:2"]);
        assert_eq!(words("host=a,b port=7"), ["a:7", "b:7"]);
        assert_eq!(words("host=a,/run/pg,c port=1,,3"), ["a:1", "/run/pg:5432", "c:3"]);
        assert_eq!(words("hostaddr=127.0.0.1,::1 host=a,b"), ["a:5432", "b:5432"]);
        assert_eq!(words("hostaddr=127.0.0.1,::1"), ["127.0.0.1:5432", "[::1]:5432"]);
        assert_eq!(words(""), ["local socket:5432"]);
    }

    #[test]
    fn lists_of_other_lengths_are_refused() {
        for (text, key) in [
            ("host=a,b port=1,2,3", "port"),
            ("host=a,b,c hostaddr=127.0.0.1,::1", "host"),
            ("host=a hostaddr=127.0.0.1,::1", "host"),
            ("host=a port=1,2", "port"),
            ("hostaddr=db.example", "hostaddr"),
            ("host=a,b port=1,0", "port"),
        ] {
            let error = places(&Params::parse(text).expect(text)).expect_err(text).to_string();
            assert!(error.contains(&format!("\"{key}\"")), "{text}: {error}");
        }
    }
}
