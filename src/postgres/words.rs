//! Errors of a link in words: what failed, the server's or the system's words, and what to do next.

use std::error::Error as _;
use std::io;

use rustls::{AlertDescription, CertificateError};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::errors::{LinkError, LinkErrorKind, QueryError};
use super::password::Origin;
use super::wire::{Endpoint, WireError};
use crate::config::conninfo::{Conninfo, Host, SslMode};
use crate::text::Untrusted;

/// Longest text taken from a server: a message can have any length.
const MAX_WORDS: usize = 2_000;

/// A link error about this server.
pub(super) fn link_error(conninfo: &Conninfo, kind: LinkErrorKind, words: &str, hint: &str) -> LinkError {
    let hint = if hint.is_empty() { String::new() } else { format!(". {hint}") };
    let message = format!("cannot connect to {}: {}{hint}", conninfo.address(), words.trim_end_matches('.'));
    LinkError { kind, message: Untrusted::new(message) }
}

/// The server's message with detail and hint, cut at a fixed length.
pub(super) fn server_words(error: &DbError) -> String {
    let mut words = error.message().to_owned();
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        words.push_str("; ");
        words.push_str(more);
    }
    cut(words)
}

fn cut(words: String) -> String {
    if words.len() <= MAX_WORDS { words } else { words.chars().take(MAX_WORDS).chain("..".chars()).collect() }
}

/// Any error of the client library in one line.
pub(super) fn library_words(error: &Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{} ({})", server_words(server), server.code().code());
    }
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    cut(words)
}

/// An error of a statement; `ended` is why the connection is gone, where it is.
pub(super) fn query_error(error: &Error, ended: Option<LinkError>) -> QueryError {
    match error.as_db_error() {
        Some(server) => QueryError::Server {
            sqlstate: server.code().code().to_owned(),
            message: Untrusted::new(server_words(server)),
        },
        None => match ended {
            Some(ended) => QueryError::Link(ended),
            None => QueryError::Unexpected { what: Untrusted::new(library_words(error)) },
        },
    }
}

/// Why a connection that was up is gone.
pub(super) fn ended(address: &str, error: Option<&Error>) -> LinkError {
    let words = match error {
        None => "the session was closed".to_owned(),
        Some(error) if error.is_closed() => "the server closed the connection without a word".to_owned(),
        Some(error) => library_words(error),
    };
    LinkError {
        kind: LinkErrorKind::Unreachable,
        message: Untrusted::new(format!("the link to {address} was lost: {words}")),
    }
}

/// The stream could not be opened.
pub(super) fn of_wire(conninfo: &Conninfo, error: &WireError) -> LinkError {
    use LinkErrorKind::{Refused, Unreachable};
    match error {
        WireError::Lookup(error) => link_error(
            conninfo,
            Unreachable,
            &format!("the host's name cannot be looked up: {error}"),
            "Check the host in the connection string, and the name server",
        ),
        WireError::Connect(place, error) => {
            link_error(conninfo, Unreachable, &connect_words(place, error), connect_hint(place, error))
        }
        WireError::NoTls => link_error(
            conninfo,
            Refused,
            "the server does not offer TLS",
            &format!(
                "sslmode is {}; switch TLS on in the server (ssl = on), or, on a network that you trust, set sslmode=disable",
                conninfo.sslmode.word()
            ),
        ),
        WireError::NotPostgres => link_error(
            conninfo,
            Unreachable,
            "the answer to the request for TLS is not PostgreSQL's",
            "Is another service listening on this port?",
        ),
        WireError::Handshake(error) => of_handshake(conninfo, error),
    }
}

fn connect_words(place: &Endpoint, error: &io::Error) -> String {
    match place {
        Endpoint::Tcp(address) => format!("{address}: {error}"),
        Endpoint::Unix(path) => format!("{}: {error}", path.display()),
    }
}

fn connect_hint(place: &Endpoint, error: &io::Error) -> &'static str {
    match (place, error.kind()) {
        (Endpoint::Unix(_), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            "No server has its socket there: is it running, and is this its port and folder (unix_socket_directories)?"
        }
        (Endpoint::Unix(_), io::ErrorKind::PermissionDenied) => "This account may not use the server's socket",
        (Endpoint::Tcp(_), io::ErrorKind::ConnectionRefused) => {
            "Nothing listens there: is the server running, and do listen_addresses and port agree?"
        }
        _ => "Check host and port, the network and its firewalls",
    }
}

fn of_handshake(conninfo: &Conninfo, error: &io::Error) -> LinkError {
    use LinkErrorKind::{Refused, Unreachable};
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::InvalidInput => link_error(
                conninfo,
                Refused,
                "the host is not a name that a certificate can have",
                "Use the host's name instead of its address, or sslmode=verify-ca",
            ),
            _ => link_error(
                conninfo,
                Unreachable,
                &format!("the connection broke during the TLS handshake: {error}"),
                "",
            ),
        };
    };
    let (words, hint) = match cause {
        rustls::Error::InvalidCertificate(problem) => certificate_words(conninfo, problem),
        rustls::Error::AlertReceived(alert) if conninfo.sslcert.is_some() => {
            (format!("the server ended the TLS handshake: {alert:?}"), CLIENT_CERTIFICATE.to_owned())
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => (
            "the server ended the TLS handshake: it has nothing in common with what is offered (HandshakeFailure)"
                .to_owned(),
            "tenantui speaks TLS 1.2 and 1.3, and checks certificates of RSA, P-256, P-384 and Ed25519 keys; a server with another one (P-521) needs a new certificate"
                .to_owned(),
        ),
        other => (
            format!("the TLS handshake failed: {other}"),
            "tenantui speaks TLS 1.2 and 1.3; check the server's ssl_min_protocol_version and its certificate"
                .to_owned(),
        ),
    };
    link_error(conninfo, Refused, &words, &hint)
}

fn host_name(conninfo: &Conninfo) -> String {
    match &conninfo.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(_) | Host::DefaultSocket => "localhost".to_owned(),
    }
}

fn certificate_words(conninfo: &Conninfo, problem: &CertificateError) -> (String, String) {
    let host = host_name(conninfo);
    match problem {
        CertificateError::UnknownIssuer => (
            "the server's certificate is of an authority that is not trusted here".to_owned(),
            "Set sslrootcert to the file of the server's authority; sslmode=require would encrypt without checking whom you talk to"
                .to_owned(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            format!("the server's certificate names no host in subjectAltName, so it is not valid for {host}"),
            "A name in its common name (CN) alone does not count; have it issued with a subjectAltName, or use sslmode=verify-ca"
                .to_owned(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!("the server's certificate is for {}, not for {host}", presented.join(", ")),
            "Connect by a name that it has, or use sslmode=verify-ca where the authority is your own".to_owned(),
        ),
        CertificateError::NotValidForName => (
            format!("the server's certificate is not valid for {host}"),
            "Connect by a name that it has, or use sslmode=verify-ca where the authority is your own".to_owned(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("the server's certificate has expired".to_owned(), "Have it renewed; check this machine's clock".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet".to_owned(), "Check this machine's clock".to_owned())
        }
        // The library has no better name for it: the certificate that `openssl req -x509` makes.
        CertificateError::Other(cause) if format!("{cause:?}").contains("CaUsedAsEndEntity") => (
            "the server's certificate is its own authority, and is not trusted here".to_owned(),
            "Set sslrootcert to a copy of the server's certificate (server.crt)".to_owned(),
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "the server's certificate is signed in a way that is not checked here".to_owned(),
            format!(
                "Have it issued by an authority with an RSA, P-256, P-384 or Ed25519 key and SHA-256 or better; sslmode is {}, and require would encrypt without checking whom you talk to",
                conninfo.sslmode.word()
            ),
        ),
        other => (
            format!("the server's certificate is not acceptable: {other}"),
            format!("sslmode is {}; have the certificate issued again, or weaken sslmode knowingly", conninfo.sslmode.word()),
        ),
    }
}

/// The login failed.
pub(super) fn of_login(conninfo: &Conninfo, error: &Error, origin: &Origin, ignored: Option<&str>) -> LinkError {
    if let Some(server) = error.as_db_error() {
        return of_server(conninfo, server, origin, ignored);
    }
    if needs_password(error) {
        let note = ignored.map(|why| format!(" Note: {why}.")).unwrap_or_default();
        return link_error(
            conninfo,
            LinkErrorKind::Refused,
            "the server asks for a password, and none was given",
            &format!(
                "Give one by password_command, the connection string, PGPASSWORD, or the pass file (~/.pgpass).{note}"
            ),
        );
    }
    let words = library_words(error);
    if words.starts_with("authentication error") {
        let hint = if words.contains("channel binding") {
            "channel_binding=require needs TLS and a SCRAM password (password_encryption = scram-sha-256) on the server"
        } else {
            "tenantui logs in with trust, peer, password, md5 and scram-sha-256"
        };
        return link_error(conninfo, LinkErrorKind::Refused, &words, hint);
    }
    // With TLS 1.3 the server judges our certificate after the handshake.
    if words.contains("received fatal alert") {
        return link_error(conninfo, LinkErrorKind::Refused, &words, CLIENT_CERTIFICATE);
    }
    let words = if error.is_closed() { "the server closed the connection during the login".to_owned() } else { words };
    link_error(conninfo, LinkErrorKind::Unreachable, &words, "")
}

const CLIENT_CERTIFICATE: &str = "Does the server trust the authority of the client's certificate (sslcert) and is it \
     still valid? See the server's log and its ssl_ca_file";

/// Whether the library stopped because the server wants a password and there is none.
pub(super) fn needs_password(error: &Error) -> bool {
    error.source().is_some_and(|cause| cause.to_string() == "password missing")
}

fn of_server(conninfo: &Conninfo, error: &DbError, origin: &Origin, ignored: Option<&str>) -> LinkError {
    let code = error.code().code();
    let words = format!("{} ({code})", server_words(error));
    let (kind, hint) = judge(conninfo, code, error.message(), origin);
    let note = ignored.map(|why| format!(". Note: {why}")).unwrap_or_default();
    link_error(conninfo, kind, &words, &format!("{hint}{note}"))
}

/// Whether a server's refusal may pass, and what to do about it.
fn judge(conninfo: &Conninfo, code: &str, message: &str, origin: &Origin) -> (LinkErrorKind, String) {
    use LinkErrorKind::{Refused, Unreachable};
    match code {
        "28000" if message.contains("client certificate") => (
            Refused,
            "Name a certificate by sslcert and its private key by sslkey (libpq's places: ~/.postgresql/postgresql.crt and .key)"
                .to_owned(),
        ),
        "28000" if message.starts_with("certificate authentication") => (
            Refused,
            format!("The certificate's common name has to be {}, or pg_ident.conf has to map it", conninfo.user),
        ),
        "28P01" => (Refused, format!("The password for role {} is wrong: {origin}", conninfo.user)),
        "28000" => (
            Refused,
            format!(
                "Either there is no such role that may log in, or the server's pg_hba.conf has no line for role {}, database {} and this address{}",
                conninfo.user,
                conninfo.dbname,
                if conninfo.sslmode == SslMode::Disable { " without TLS" } else { "" }
            ),
        ),
        "3D000" => (
            Refused,
            format!("Check the name after the / of the URL, or dbname: there is no database {}", conninfo.dbname),
        ),
        "42501" => (Refused, format!("GRANT CONNECT ON DATABASE to role {} would help", conninfo.user)),
        "53300" => (
            Unreachable,
            "The server has no free connection slot; max_connections or the role's limit is reached".to_owned(),
        ),
        "57P03" => (Unreachable, "The server is starting or stopping".to_owned()),
        "08P01" => pooler_hint(message),
        _ => match code.get(..2) {
            // Admin shutdown, crash, resources, system errors, connection errors: these pass.
            Some("57" | "53" | "58" | "08" | "XX") => (Unreachable, String::new()),
            _ => (Refused, String::new()),
        },
    }
}

/// `PgBouncer` has one code for all of its own errors; its words are not translated.
fn pooler_hint(message: &str) -> (LinkErrorKind, String) {
    let certain = ["no such database", "no such user", "not allowed", "unsupported", "auth", "SSL required"];
    if certain.iter().any(|words| message.contains(words)) {
        (LinkErrorKind::Refused, "These are a connection pooler's words: check its databases and users".to_owned())
    } else {
        (LinkErrorKind::Unreachable, "These are a connection pooler's words: its server may be down or busy".to_owned())
    }
}
