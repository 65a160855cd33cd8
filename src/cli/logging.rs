//! The log: a file in the state folder, only where `TENANTUI_LOG` asks for one. What is written has passed the choke
//! point, and statements (which the PostgreSQL client logs at debug) never get there.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::exit::{Failure, Outcome};
use crate::config::surroundings::state_folder;
use crate::text;

/// The variable that asks for a log, with a filter such as `info` or `tenantui=debug`.
pub const VARIABLE: &str = "TENANTUI_LOG";

/// Crates whose debug output may hold statements, values or secrets.
const QUIET: [&str; 5] = ["tokio_postgres", "postgres_protocol", "redis", "rustls", "tokio_postgres_rustls"];

/// Starts the log where it is asked for.
///
/// # Errors
/// Exit 2 where the filter cannot be read; 1 where the file cannot be written.
pub fn start() -> Outcome<()> {
    let Some(filter) = std::env::var_os(VARIABLE).filter(|filter| !filter.is_empty()) else { return Ok(()) };
    let filter = filter.to_string_lossy().into_owned();
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!("{VARIABLE} is no filter: {error}; write info, debug or tenantui=trace"))
    })?;
    let (path, file) = open()?;
    let no_statements = filter_fn(|metadata| {
        let quiet = QUIET.iter().any(|name| metadata.target().split("::").next() == Some(name));
        !quiet || *metadata.level() <= LevelFilter::INFO
    });
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(SafeWriter(file)))
        .with_filter(filter.and(no_statements));
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|error| Failure::failed(format!("the log {} cannot be started: {error}", path.display())))
}

fn open() -> Outcome<(PathBuf, fs::File)> {
    let folder = state_folder().ok_or_else(|| Failure::failed("there is no folder for the log: HOME is not set"))?;
    let path = folder.join("tenantui.log");
    let failed = |error: io::Error| Failure::failed(format!("the log {} cannot be written: {error}", path.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    Ok((path, file))
}

/// One event is one line, made safe.
struct SafeWriter<W>(W);

impl<W: Write> Write for SafeWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = text::sanitise(text.trim_end_matches('\n'));
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_cannot_drive_a_terminal() {
        let mut writer = SafeWriter(Vec::new());
        writer.write_all(b"one \x1b]0;x\x07\nforged line\n").expect("memory");
        assert_eq!(writer.0, b"one \\e]0;x\\u{7}\\nforged line\n");
    }
}
