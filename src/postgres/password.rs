//! Where a password comes from: the configured command, else the connection string, `PGPASSWORD`, the pass file, or a
//! question on the terminal. Passwords live in secret types only, and no error repeats what a command printed.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

use super::passfile;
use crate::config::conninfo::Conninfo;
use crate::text::Untrusted;

/// How long a password command may take: it may ask the operator for the key of a key ring.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// The most that is read of its output.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Where the password of a login came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Nowhere,
    Command { fresh: bool },
    ConnectionString,
    Environment,
    PassFile(PathBuf),
    Prompt,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("no password was given"),
            Self::Command { .. } => f.write_str("the password came from password_command"),
            Self::ConnectionString => f.write_str("the password came from the connection string"),
            Self::Environment => f.write_str("the password came from PGPASSWORD"),
            Self::PassFile(path) => write!(f, "the password came from the pass file {}", path.display()),
            Self::Prompt => f.write_str("the password was typed"),
        }
    }
}

/// What is kept between two logins.
#[derive(Default)]
pub(super) struct Kept {
    /// What the command printed.
    pub command: Option<SecretString>,
    /// What was typed.
    pub typed: Option<SecretString>,
    /// The operator was asked: once is enough.
    pub asked: bool,
}

/// A password for one login.
pub(super) struct Password {
    pub secret: Option<SecretString>,
    pub origin: Origin,
    /// The pass file was there and not used, in words.
    pub ignored: Option<String>,
}

/// Gets the password in libpq's order, `password_command` first.
pub(super) async fn obtain(
    kept: &mut Kept,
    command: Option<&[String]>,
    conninfo: &Conninfo,
    passfile: Option<PathBuf>,
) -> Result<Password, CommandError> {
    let plain = |secret: &SecretString, origin| Password { secret: Some(secret.clone()), origin, ignored: None };
    if let Some(typed) = &kept.typed {
        return Ok(plain(typed, Origin::Prompt));
    }
    if let Some(command) = command {
        if let Some(printed) = &kept.command {
            return Ok(plain(printed, Origin::Command { fresh: false }));
        }
        let printed = run(command, COMMAND_LIMIT).await?;
        kept.command = Some(printed.clone());
        return Ok(plain(&printed, Origin::Command { fresh: true }));
    }
    if let Some(password) = &conninfo.password {
        return Ok(plain(password, Origin::ConnectionString));
    }
    if let Some(password) = &conninfo.env_password {
        return Ok(plain(password, Origin::Environment));
    }
    let mut ignored = None;
    if let Some(path) = passfile {
        match passfile::look_up(&path, conninfo) {
            passfile::Found::Password(password) => return Ok(plain(&password, Origin::PassFile(path))),
            passfile::Found::Ignored(why) => ignored = Some(why),
            passfile::Found::Nothing => {}
        }
    }
    Ok(Password { secret: None, origin: Origin::Nowhere, ignored })
}

/// Why a password command gave no password. Never holds what it printed to standard output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("password_command is empty")]
    Empty,
    #[error("password_command {} could not be started: {why}", program.safe())]
    Start { program: Untrusted, why: String },
    #[error("password_command {} failed ({status}){}", program.safe(), after_colon(stderr))]
    Failed { program: Untrusted, status: String, stderr: Untrusted },
    #[error("password_command {} did not end within {} s", program.safe(), limit.as_secs())]
    TooSlow { program: Untrusted, limit: Duration },
    #[error("password_command {} printed no password", program.safe())]
    Nothing { program: Untrusted },
    #[error("password_command {} printed something that is not UTF-8", program.safe())]
    NotText { program: Untrusted },
}

fn after_colon(text: &Untrusted) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", text.safe()) }
}

/// Runs the command without a shell and takes the first line of its standard output.
pub(super) async fn run(command: &[String], limit: Duration) -> Result<SecretString, CommandError> {
    let (name, arguments) = command.split_first().ok_or(CommandError::Empty)?;
    let program = Untrusted::new(name);
    let start = |error: std::io::Error| CommandError::Start { program: program.clone(), why: error.to_string() };
    let mut child = tokio::process::Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = tokio::time::timeout(limit, async {
        let (printed, complaints) = tokio::join!(read_limited(stdout), read_limited(stderr));
        (child.wait().await, printed, complaints)
    });
    let Ok((status, printed, complaints)) = ended.await else {
        return Err(CommandError::TooSlow { program, limit });
    };
    let status = status.map_err(start)?;
    let line = printed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let password = std::str::from_utf8(line).map(|text| Zeroizing::new(text.to_owned()));
    if !status.success() {
        let stderr = complaint(&complaints, password.as_ref().map(|text| text.as_str()).unwrap_or_default());
        return Err(CommandError::Failed { program, status: status.to_string(), stderr });
    }
    match password {
        Err(_) => Err(CommandError::NotText { program }),
        Ok(text) if text.is_empty() => Err(CommandError::Nothing { program }),
        Ok(text) => Ok(SecretString::from(text.as_str())),
    }
}

async fn read_limited(stream: Option<impl AsyncRead + Unpin>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(mut stream) = stream {
        // What cannot be read is as if it had not been printed: the exit status and the empty line tell.
        let read = (&mut stream).take(OUTPUT_LIMIT).read_to_end(&mut bytes).await;
        if read.is_ok() {
            // A command that prints on must not block on a full pipe; the limit above keeps us from keeping it.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
    bytes
}

/// The first lines of standard error, without the password should it stand there too.
fn complaint(stderr: &[u8], password: &str) -> Untrusted {
    let text = String::from_utf8_lossy(stderr);
    let mut words: String = text.trim().lines().take(3).collect::<Vec<_>>().join(" / ").chars().take(300).collect();
    if !password.is_empty() {
        words = words.replace(password, "***");
    }
    Untrusted::new(words)
}

/// A secret's text, for the client library.
pub(super) fn exposed(secret: &SecretString) -> &str {
    secret.expose_secret()
}
