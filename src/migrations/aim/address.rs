//! The forms in which a schema is named to a driver: `PGOPTIONS`, and URLs. Names are quoted as `search_path` wants it,
//! then as the place wants it, so that no character of a name means anything to anybody on the way.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::UrlAim;
use crate::config::conninfo::{Conninfo, Host};
use crate::model::ident::SchemaName;

/// What stands in a URL as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The value of `search_path` that leads to these schemas. Names that need no quotes have none: some drivers cut
/// options up by rules of their own.
#[must_use]
pub fn search_path(schemas: &[&SchemaName]) -> String {
    let name = |schema: &&SchemaName| {
        let raw = schema.raw();
        let plain = raw.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !raw.starts_with(|first: char| first.is_ascii_digit());
        if plain { raw.to_owned() } else { schema.quoted() }
    };
    schemas.iter().map(name).collect::<Vec<_>>().join(",")
}

/// `PGOPTIONS`: the server cuts it up at spaces, and a backslash takes the meaning from the character behind it.
#[must_use]
pub fn pgoptions(search_path: &str) -> String {
    let mut out = String::from("-c search_path=");
    for c in search_path.chars() {
        if c == '\\' || matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A database as a tool is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// Where, and who.
    pub conninfo: &'a Conninfo,
    /// `sslmode`, in a word that every driver knows.
    pub sslmode: &'a str,
    /// The schema's name, as it is.
    pub schema: &'a str,
    /// The search path, as [`search_path`] writes it.
    pub path: &'a str,
}

impl Address<'_> {
    /// The libpq form. A socket's folder is a parameter: as the host of a URL most drivers refuse it.
    #[must_use]
    pub fn url(&self, aim: UrlAim, password: Option<&str>) -> String {
        let Conninfo { user, port, dbname, .. } = self.conninfo;
        let mut parameters: Vec<(&str, String)> = Vec::new();
        let mut url = match &self.conninfo.host {
            Host::Tcp(host) => {
                parameters.push(("sslmode", self.sslmode.to_owned()));
                let password = password.map(|password| format!(":{}", encoded(password))).unwrap_or_default();
                let host = if host.contains(':') { format!("[{host}]") } else { encoded(host) };
                format!("postgresql://{}{password}@{host}:{port}/{}", encoded(user), encoded(dbname))
            }
            Host::Unix(folder) => {
                parameters.push(("host", folder.display().to_string()));
                self.local(&mut parameters, password)
            }
            Host::DefaultSocket => self.local(&mut parameters, password),
        };
        match aim {
            UrlAim::Nothing => {}
            UrlAim::Options | UrlAim::CurrentSchema => parameters.push(("options", pgoptions(self.path))),
            UrlAim::Schema => {
                parameters.push(("schema", self.schema.to_owned()));
                parameters.push(("options", pgoptions(self.path)));
            }
        }
        append(&mut url, &parameters);
        url
    }

    fn local(&self, parameters: &mut Vec<(&str, String)>, password: Option<&str>) -> String {
        parameters.push(("port", self.conninfo.port.to_string()));
        parameters.push(("user", self.conninfo.user.clone()));
        parameters.extend(password.map(|password| ("password", password.to_owned())));
        format!("postgresql:///{}", encoded(&self.conninfo.dbname))
    }

    /// The JDBC form. pgjdbc knows no sockets: the server of this machine is asked over its network then.
    #[must_use]
    pub fn jdbc(&self, login: bool, password: Option<&str>) -> String {
        let Conninfo { user, port, dbname, .. } = self.conninfo;
        let host = match &self.conninfo.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
            Host::Tcp(host) => encoded(host),
            Host::Unix(_) | Host::DefaultSocket => "localhost".to_owned(),
        };
        let mut url = format!("jdbc:postgresql://{host}:{port}/{}", encoded(dbname));
        let mut parameters = vec![("currentSchema", self.path.to_owned()), ("sslmode", self.sslmode.to_owned())];
        if login {
            parameters.push(("user", user.clone()));
            parameters.extend(password.map(|password| ("password", password.to_owned())));
        }
        append(&mut url, &parameters);
        url
    }
}

fn append(url: &mut String, parameters: &[(&str, String)]) {
    for (index, (name, value)) in parameters.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&encoded(value));
    }
}
