//! `config template|check|path|layout`.

use crate::cache;
use crate::cli::args::{ConfigAction, Connection};
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::{output, session};
use crate::config::{self, Config, Source};
use crate::layout::file;
use crate::text;

/// Prints the template, the check's result or the path.
///
/// # Errors
/// Exit 2 where the configuration is wrong.
pub fn run(connection: &Connection, action: ConfigAction) -> Outcome<Status> {
    match action {
        ConfigAction::Template => output::data(config::template())?,
        ConfigAction::Check => output::data(&check(&session::load(connection)?)?)?,
        ConfigAction::Path => return path(connection),
        ConfigAction::Layout { name } => output::data(layout(&name)?)?,
    }
    Ok(Status::Done)
}

fn layout(name: &str) -> Outcome<&'static str> {
    file::text(name).ok_or_else(|| {
        let known: Vec<&str> = file::names().collect();
        Failure::new(Status::Usage, format!("\"{name}\" is no layout; there are {}", known.join(", ")))
    })
}

fn path(connection: &Connection) -> Outcome<Status> {
    match session::source(connection)? {
        Some(path) => output::data(&format!("{}\n", text::sanitise(&path.display().to_string())))?,
        None => output::note("there is no configuration file: DATABASE_URL or libpq's environment variables count"),
    }
    Ok(Status::Done)
}

/// What loading does not look at: a fault in the files of a cache takes nothing but the cache away.
fn check(config: &Config) -> Outcome<String> {
    for database in &config.databases {
        let checked = database.cache.as_ref().map_or(Ok(()), cache::check);
        checked.map_err(|error| Failure::usage(format!("database {}: {error}", database.name)))?;
    }
    Ok(words(config))
}

fn words(config: &Config) -> String {
    let source = match &config.source {
        Source::File(path) => path.display().to_string(),
        Source::Url => "--url".to_owned(),
        Source::DatabaseUrl => "DATABASE_URL".to_owned(),
        Source::Libpq => "libpq's environment variables".to_owned(),
        Source::Memory => "memory".to_owned(),
    };
    let mut out = format!("{}: good\n", text::sanitise(&source));
    for database in &config.databases {
        let read_only = if database.read_only { ", read-only" } else { "" };
        let folder = database.migrations.path.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
        let cache = if database.cache.is_some() { "configured" } else { "none" };
        out.push_str(&text::sanitise(&format!(
            "database {}: {}{read_only}; migrations {folder}; cache {cache}",
            database.name, database.environment
        )));
        out.push('\n');
    }
    out
}
