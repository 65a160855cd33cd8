//! The two forms of connection strings, taken apart as libpq does it.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::ConninfoError;

/// Keys and values of a connection string, unchecked. A later value of a key replaces an earlier one, as in libpq.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl fmt::Debug for Params {
    /// Values may be secrets: only keys are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

impl Params {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// When it is neither a URL nor a list of `key=value`.
    pub fn parse(text: &str) -> Result<Self, ConninfoError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
            return parse_url(rest);
        }
        if let Some((scheme, _)) = text.split_once("://")
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            return Err(syntax(&format!("a URL must start with postgresql:// or postgres://, not {scheme}://")));
        }
        parse_list(text)
    }

    /// The value of a key; empty values count as absent, as in libpq.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    pub(super) fn set(&mut self, key: &str, value: String) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }
}

fn syntax(words: &str) -> ConninfoError {
    ConninfoError::Syntax(words.to_owned())
}

fn decode(text: &str, what: &str) -> Result<String, ConninfoError> {
    let bytes = text.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let hex = |at: usize| bytes.get(index + at).is_some_and(u8::is_ascii_hexdigit);
        if *byte == b'%' && !(hex(1) && hex(2)) {
            return Err(syntax(&format!("a percent sign in the {what} must be written %25")));
        }
    }
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| syntax(&format!("the {what} is not UTF-8 when decoded")))?;
    if decoded.contains('\0') {
        return Err(syntax(&format!("the {what} contains %00")));
    }
    Ok(decoded.into_owned())
}

/// What follows `postgresql://`.
fn parse_url(rest: &str) -> Result<Params, ConninfoError> {
    let mut params = Params::default();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, dbname) = rest.split_once('/').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let hosts = match authority.rsplit_once('@') {
        Some((login, hosts)) => {
            if login.contains('@') {
                return Err(syntax("an @ in the user name or password must be written %40"));
            }
            let (user, password) = login.split_once(':').map_or((login, None), |(user, pass)| (user, Some(pass)));
            params.set("user", decode(user, "user name")?);
            if let Some(password) = password {
                params.set("password", decode(password, "password")?);
            }
            hosts
        }
        None => authority,
    };
    parse_hosts(hosts, &mut params)?;
    if let Some(dbname) = dbname {
        if dbname.contains('/') {
            // libpq takes it as part of the name; it is nearly always a socket's path that was not encoded.
            return Err(syntax("a / in the host or database name must be written %2F"));
        }
        params.set("dbname", decode(dbname, "database name")?);
    }
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| syntax("a parameter after the ? has no value (key=value)"))?;
        let key = decode(key, "name of a parameter")?;
        let value = decode(value, "value of a parameter")?;
        // JDBC's spelling, which libpq follows in URLs.
        if key == "ssl" {
            if value != "true" {
                return Err(ConninfoError::BadValue { key, allowed: "true (or use sslmode)".to_owned() });
            }
            params.set("sslmode", "require".to_owned());
        } else {
            params.set(&key, value);
        }
    }
    Ok(params)
}

fn parse_hosts(hosts: &str, params: &mut Params) -> Result<(), ConninfoError> {
    if hosts.is_empty() {
        return Ok(());
    }
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for one in hosts.split(',') {
        let (name, port) = if let Some(rest) = one.strip_prefix('[') {
            let (name, after) =
                rest.split_once(']').ok_or_else(|| syntax("an IPv6 address starts with [ and has no ]"))?;
            if name.is_empty() {
                return Err(syntax("an IPv6 address between [ and ] is empty"));
            }
            match after.strip_prefix(':') {
                Some(port) => (name, port),
                None if after.is_empty() => (name, ""),
                None => return Err(syntax("after the ] of an IPv6 address only :port may follow")),
            }
        } else {
            one.split_once(':').unwrap_or((one, ""))
        };
        names.push(decode(name, "host")?);
        ports.push(decode(port, "port")?);
    }
    if names.iter().any(|name| !name.is_empty()) || names.len() > 1 {
        params.set("host", names.join(","));
    }
    if ports.iter().any(|port| !port.is_empty()) || ports.len() > 1 {
        params.set("port", ports.join(","));
    }
    Ok(())
}

/// `key=value key='quoted value'`, with backslash escapes, as libpq's conninfo_parse.
fn parse_list(text: &str) -> Result<Params, ConninfoError> {
    let mut params = Params::default();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(params);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_ascii_whitespace()) {
            key.push(c);
        }
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        // What stands before the missing = may be part of a password: it is not repeated.
        if chars.next_if_eq(&'=').is_none() {
            return Err(syntax("a word without = (a value with spaces is written in '...')"));
        }
        if key.is_empty() {
            return Err(syntax("a = without a key before it"));
        }
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let value = list_value(&mut chars)?;
        if value.contains('\0') {
            return Err(syntax("a value contains a NUL character"));
        }
        params.set(&key, value);
    }
}

fn list_value(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, ConninfoError> {
    let quoted = chars.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match chars.next() {
            None if quoted => return Err(syntax("a value that starts with ' has no ' at its end")),
            None => return Ok(value),
            Some('\\') => value.extend(chars.next()),
            Some('\'') if quoted => return Ok(value),
            Some(c) if !quoted && c.is_ascii_whitespace() => return Ok(value),
            Some(c) => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        Params::parse(text).expect("parses").0
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(
            parsed("postgresql://ops:s%40c@db1.internal:5433/app?sslmode=verify-full&connect_timeout=3"),
            pairs(&[
                ("user", "ops"),
                ("password", "s@c"),
                ("host", "db1.internal"),
                ("port", "5433"),
                ("dbname", "app"),
                ("sslmode", "verify-full"),
                ("connect_timeout", "3"),
            ])
        );
        assert_eq!(parsed("postgres://%2Frun%2Fpg/app"), pairs(&[("host", "/run/pg"), ("dbname", "app")]));
        assert_eq!(parsed("postgresql:///app?host=/tmp"), pairs(&[("dbname", "app"), ("host", "/tmp")]));
        assert_eq!(parsed("postgresql://[::1]:6000"), pairs(&[("host", "::1"), ("port", "6000")]));
        assert_eq!(parsed("postgresql://h?ssl=true"), pairs(&[("host", "h"), ("sslmode", "require")]));
        assert_eq!(parsed("postgresql://"), pairs(&[]));
    }

    #[test]
    fn lists_are_taken_apart() {
        assert_eq!(
            parsed(r"host = localhost  user='a \'b' password=x\ y dbname=''"),
            pairs(&[("host", "localhost"), ("user", "a 'b"), ("password", "x y"), ("dbname", "")])
        );
        assert_eq!(parsed(""), pairs(&[]));
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        for text in [
            "postgresql://ops:marker@x@host/db",
            "postgresql://ops:mark%er@host/db",
            "host=a marker",
            "password='marker",
            "mysql://ops:marker@host",
            "postgresql://ops:marker@[::1/db",
            "postgresql://ops:marker@/var/run/db",
        ] {
            let error = Params::parse(text).expect_err(text).to_string();
            assert!(!error.contains("marker"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = Params::parse(&text);
            let _ = Params::parse(&format!("postgresql://{text}"));
        }

        #[test]
        fn quoted_values_survive(value in "[^\0]*") {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            let params = Params::parse(&format!("password='{quoted}'")).expect("parses");
            prop_assert_eq!(params.get("password").unwrap_or_default(), value);
        }
    }
}
