//! The command face: the same core without a terminal.
//!
//! Data goes to standard output, everything else to standard error; the exit status is the contract of product.md.
//! This module holds no rule of the domain, and never imports the dashboard: `main` hands in what it takes from it.

pub mod args;
mod ask;
mod commands;
pub mod exit;
pub mod keymap;
mod logging;
pub mod output;
mod panics;
pub mod session;
pub mod signals;
mod since;
pub mod systemd;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Arguments, Command, Tenants};
use self::exit::{Failure, Outcome, Status};
use self::keymap::KeyLine;
use self::session::Session;
use self::signals::Signals;
use crate::config::Config;
use crate::config::surroundings::Surroundings;
use crate::migrations::plan::Direction;
use crate::model::life::LifeKind;
use crate::postgres::session::Target;
use crate::text;

/// A dashboard ready to be opened: the passwords are asked, the terminal is there.
#[derive(Debug)]
pub struct Dashboard {
    /// The configuration.
    pub config: Config,
    /// One per database, in the order of the configuration.
    pub targets: Vec<Target>,
    /// How it is drawn, and what it keeps.
    pub look: Look,
}

/// What the command line says of the dashboard.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Draw with ASCII only.
    pub ascii: bool,
    /// Use the mouse, whatever the configuration says.
    pub mouse: bool,
    /// Keep how the fleet was looked at; a demo leaves no trace.
    pub keep: bool,
}

impl Look {
    fn of(connection: &args::Connection) -> Self {
        Self { ascii: connection.ascii || !is_utf8(), mouse: connection.mouse, keep: true }
    }
}

/// Ends the program for a mistake that was found before the command line could be carried out.
#[must_use]
pub fn refuse(message: &str) -> ExitCode {
    output::note(format!("tenantui: {message}"));
    ExitCode::from(Status::Usage.code())
}

/// The command line, read. Prepares the program's last words too: what a panic says has passed the choke point.
///
/// # Errors
/// With the exit status, where it is wrong or only asks for help; everything is said then.
pub fn arguments() -> Result<Arguments, ExitCode> {
    panics::speak_safely();
    let error = match Arguments::try_parse() {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error,
    };
    let odd = |argument: std::ffi::OsString| argument.to_string_lossy().chars().any(text::is_unsafe);
    if std::env::args_os().any(odd) {
        // What is said of a wrong argument repeats it, and a script may have it from anywhere.
        output::note(error.render().to_string());
        return Err(ExitCode::from(Status::Usage.code()));
    }
    error.exit()
}

/// The user's key map with its path: the file that the configuration names, else `keymap.toml` of the configuration's
/// folder, where it is there.
///
/// # Errors
/// When it cannot be read.
pub fn keymap_file(connection: &args::Connection) -> Result<Option<(String, String)>, String> {
    let named = session::keymap_file(connection);
    let is_named = named.is_some();
    let beside = || Surroundings::process().config_dir.map(|folder| folder.join("tenantui").join("keymap.toml"));
    let Some(path) = named.or_else(beside) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((text, path.display().to_string()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Carries out what the command line says. `dashboard` opens the dashboard and returns when it is closed.
pub fn run<F>(arguments: Arguments, keys: &[KeyLine], dashboard: F) -> ExitCode
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    let ended = start(arguments, keys, dashboard);
    let status = match ended {
        Ok(status) => status,
        Err(failure) => {
            if !failure.message.is_empty() {
                tracing::error!("{}", failure.message);
                output::note(format!("tenantui: {}", failure.message));
            }
            failure.status
        }
    };
    tracing::info!(status = status.code(), "ended");
    ExitCode::from(status.code())
}

fn start<F>(arguments: Arguments, keys: &[KeyLine], dashboard: F) -> Outcome<Status>
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    logging::start()?;
    let command = arguments.command.as_ref().map_or_else(|| "dashboard".to_owned(), name);
    tracing::info!(command, version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "started");
    let runtime = threads(arguments.command.as_ref())
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime could not be started: {error}")))?;
    let ended = runtime.block_on(dispatch(arguments, keys, dashboard));
    // A question that nobody answered may still be reading the terminal: do not wait for it.
    runtime.shutdown_background();
    ended
}

/// Which command it is, and nothing that was given to it: a URL may hold a password.
fn name(command: &Command) -> String {
    let whole = format!("{command:?}");
    whole.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_lowercase()
}

/// A command waits for one server at a time: on one thread, an answer wakes nobody else. What draws, or goes on with
/// several jobs, has more.
fn threads(command: Option<&Command>) -> tokio::runtime::Builder {
    match command {
        None | Some(Command::Demo(_) | Command::Worker(_)) => tokio::runtime::Builder::new_multi_thread(),
        Some(_) => tokio::runtime::Builder::new_current_thread(),
    }
}

async fn dispatch<F>(arguments: Arguments, keys: &[KeyLine], dashboard: F) -> Outcome<Status>
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    let connection = &arguments.connection;
    match arguments.command {
        Some(Command::Config { action }) => return commands::config::run(connection, action),
        Some(Command::Keys(arguments)) => return commands::manual::keys(keys, arguments),
        Some(Command::Completions { shell }) => return commands::manual::completions(shell),
        Some(Command::Man) => return commands::manual::man(keys),
        Some(Command::Demo(options)) => {
            return commands::demo::run(options, Look { keep: false, ..Look::of(connection) }, dashboard).await;
        }
        None if is_screen() => {
            let session = Session::open(connection, Signals::listen()?)?;
            return open(session, Look::of(connection), dashboard).await;
        }
        _ => {}
    }
    let signals = Signals::listen()?;
    let mut session = Session::open(connection, signals.clone())?;
    let jobs = matches!(
        arguments.command,
        Some(
            Command::Provision(_)
                | Command::Migrate(_)
                | Command::Rollback(_)
                | Command::Redo(_)
                | Command::Worker(_)
                | Command::Job(_)
                | Command::Rename(_)
                | Command::Suspend(_)
                | Command::Activate(_)
                | Command::Archive(_)
                | Command::Drop(_)
                | Command::Undrop(_)
                | Command::Purge(_)
                | Command::Repair(_)
                | Command::Cache(args::Cache { flush: true, .. })
        )
    );
    session.reads_only = !(jobs
        || matches!(
            arguments.command,
            Some(Command::Init(_) | Command::Import(_) | Command::Cache(_) | Command::Doctor(_))
        ));
    let examines = matches!(arguments.command, Some(Command::Doctor(_)));
    let work = async {
        look_around(&session, examines).await;
        command(&session, arguments.command.as_ref()).await
    };
    tokio::select! {
        // Commands that run a job end by themselves after the first signal, with the job paused.
        number = signals.wait(if jobs { usize::MAX } else { 1 }) => Ok(Status::Signal(number)),
        ended = work => ended,
    }
}

/// Which of the configuration's servers is the old primary of a promoted pair is known before a command that writes reads
/// anything: `--database` leaves no server out for that, and the databases that it means are read anyway. What examines
/// (`examines`) asks each by itself, and has to know of all before the first.
async fn look_around(session: &Session, examines: bool) {
    if examines {
        session.neighbours.look(&[]).await;
    } else if !session.reads_only {
        let meant: Vec<&str> = session.databases.iter().map(|database| &*database.name).collect();
        session.neighbours.look(&meant).await;
    }
}

async fn command(session: &Session, command: Option<&Command>) -> Outcome<Status> {
    match command {
        None => commands::tenants::run(session, &Tenants::default()).await,
        Some(Command::Tenants(arguments)) => commands::tenants::run(session, arguments).await,
        Some(Command::Tenant(arguments)) => commands::tenant::run(session, arguments).await,
        Some(Command::Cache(arguments)) => commands::cache::run(session, arguments).await,
        Some(Command::Migrations(arguments)) => commands::migrations::run(session, arguments).await,
        Some(Command::Import(arguments)) => commands::import::run(session, arguments).await,
        Some(Command::Provision(arguments)) => commands::provision::run(session, arguments).await,
        Some(Command::Migrate(arguments)) => commands::migrate::run(session, arguments).await,
        Some(Command::Rollback(arguments)) => commands::rollback::run(session, arguments, Direction::Down).await,
        Some(Command::Redo(arguments)) => commands::rollback::run(session, arguments, Direction::Again).await,
        Some(Command::Rename(arguments)) => commands::life::rename(session, arguments).await,
        Some(Command::Suspend(arguments)) => commands::life::withdraw(session, arguments, LifeKind::Suspend).await,
        Some(Command::Activate(arguments)) => commands::life::activate(session, arguments).await,
        Some(Command::Archive(arguments)) => commands::life::withdraw(session, arguments, LifeKind::Archive).await,
        Some(Command::Drop(arguments)) => commands::life::drop(session, arguments).await,
        Some(Command::Undrop(arguments)) => commands::life::undrop(session, arguments).await,
        Some(Command::Purge(arguments)) => commands::life::purge(session, arguments).await,
        Some(Command::Repair(arguments)) => commands::repair::run(session, arguments).await,
        Some(Command::Jobs(arguments)) => commands::jobs::run(session, arguments).await,
        Some(Command::Job(arguments)) => commands::job::run(session, arguments).await,
        Some(Command::Audit(arguments)) => commands::audit::run(session, arguments).await,
        Some(Command::Server(arguments)) => commands::server::run(session, arguments).await,
        Some(Command::Worker(arguments)) => commands::worker::run(session, *arguments).await,
        Some(Command::Init(arguments)) => commands::init::run(session, *arguments).await,
        Some(Command::Doctor(arguments)) => commands::doctor::run(session, *arguments).await,
        Some(
            Command::Demo(_) | Command::Config { .. } | Command::Keys(_) | Command::Completions { .. } | Command::Man,
        ) => Ok(Status::Done),
    }
}

/// Whether a dashboard can be drawn here.
#[must_use]
pub fn is_screen() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// Whether the locale can show more than ASCII.
fn is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Opens the dashboard. Passwords are asked for before the screen is taken.
async fn open<F>(session: Session, look: Look, dashboard: F) -> Outcome<Status>
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    let mut targets = Vec::new();
    for database in &session.databases {
        targets.push(session.target(database)?);
    }
    for target in &targets {
        let conninfo = target.conninfo();
        let given = conninfo.password.is_some() || conninfo.env_password.is_some();
        if !given && target.config.password_command.is_none() {
            // A link that is down is the dashboard's to show; only the question for a password has to come before it.
            let _ = target.log_in().await;
        }
    }
    // Others than those that are shown may know of a promotion; the screen does not wait for them.
    let neighbours = session.neighbours.clone();
    tokio::spawn(async move { neighbours.look(&[]).await });
    let mut config = session.config;
    config.ui.mouse |= look.mouse;
    let ready = Dashboard { config, targets, look };
    dashboard(ready).await
}
