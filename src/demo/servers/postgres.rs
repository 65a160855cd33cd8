//! A private PostgreSQL: `initdb` into the home, `postgres` as a direct child.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::home::{Home, ServerProcess};
use super::{PostgresPrograms, ServerError};

/// How a private PostgreSQL is started.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Listen on 127.0.0.1 on this port; 0 takes a free one; `None`: Unix socket only.
    pub tcp_port: Option<u16>,
    /// Further `-c name=value` settings.
    pub settings: Vec<(String, String)>,
    /// Lines of `pg_hba.conf`; empty: trust for local and loopback.
    pub hba: Vec<String>,
}

/// The number in the socket's name where there is no TCP port.
const SOCKET_NUMBER: u16 = 5432;

/// How long a start may take before it counts as failed. Slow, loaded machines exist.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Settings of a server whose data nobody will miss, before the caller's own.
const THROW_AWAY: [(&str, &str); 13] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("max_wal_senders", "0"),
    ("shared_buffers", "64MB"),
    ("max_connections", "100"),
    ("unix_socket_permissions", "0700"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
    ("dynamic_shared_memory_type", "posix"),
    ("jit", "off"),
];

/// A running private PostgreSQL with the superuser `postgres`. Dropped, it ends at once.
#[derive(Debug)]
pub struct PostgresServer {
    process: ServerProcess,
    programs: PostgresPrograms,
    arguments: Vec<String>,
    sockets: PathBuf,
    log: PathBuf,
    data: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// Makes a cluster in `NAME` below the home, and starts it. Returns when it accepts connections.
    ///
    /// # Errors
    /// When a program fails; the message has the last lines of its output.
    pub fn start(
        home: &Home,
        name: &str,
        programs: &PostgresPrograms,
        options: &PostgresOptions,
    ) -> Result<Self, ServerError> {
        let sockets = home.make_folder(name)?;
        let data = sockets.join("data");
        let log = sockets.join("log");
        init(home, programs, &data, options)?;
        let mut tries = 0;
        loop {
            let port = match options.tcp_port {
                None => SOCKET_NUMBER,
                Some(0) => free_port()?,
                Some(port) => port,
            };
            let arguments = arguments(&data, &sockets, port, options);
            let process = home.start(&programs.program("postgres"), &arguments, &log)?;
            let (programs, sockets) = (programs.clone(), sockets.clone());
            let (log, data) = (log.clone(), data.clone());
            let mut server = Self { process, programs, arguments, sockets, log, data, port };
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                // Somebody may have taken the free port in between: another one, a few times.
                Err(_) if options.tcp_port == Some(0) && tries < 5 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The folder of its Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.sockets
    }

    /// The port: of TCP where it listens there, and in the socket's file name always.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The programs that it runs from.
    #[must_use]
    pub fn programs(&self) -> &PostgresPrograms {
        &self.programs
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A URL over the Unix socket.
    #[must_use]
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        let host =
            percent_encoding::utf8_percent_encode(&self.sockets.to_string_lossy(), percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        format!("postgresql://{user}@{host}:{}/{database}", self.port)
    }

    /// Ends it as an administrator would (`fast`) or as a crash does (`immediate`), and starts it again.
    ///
    /// # Errors
    /// When it does not come up again.
    pub fn restart(&mut self, home: &Home, immediate: bool) -> Result<(), ServerError> {
        self.stop(immediate);
        self.start_again(home)
    }

    /// Ends it: `immediate` as a crash does, else with a checkpoint.
    pub fn stop(&mut self, immediate: bool) {
        self.process.end(if immediate { Signal::QUIT } else { Signal::INT });
    }

    /// Starts a stopped server again on the same port and data.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self, home: &Home) -> Result<(), ServerError> {
        self.process.end(Signal::QUIT);
        // Left behind by a kill: its number may by now be another process's.
        let _ = fs::remove_file(self.data.join("postmaster.pid"));
        self.process = home.start(&self.programs.program("postgres"), &self.arguments, &self.log)?;
        self.wait_until_ready()
    }

    /// The last lines of its log, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let state = self.data.join("postmaster.pid");
        let give_up = Instant::now() + START_LIMIT;
        loop {
            // The file's eighth line is the state; the server writes "ready" when it accepts connections.
            let ready =
                fs::read_to_string(&state).is_ok_and(|text| text.lines().nth(7).is_some_and(|s| s.trim() == "ready"));
            if ready {
                return Ok(());
            }
            if !self.process.is_running() {
                return Err(ServerError(format!("the private PostgreSQL ended while starting:\n{}", self.log_tail())));
            }
            if Instant::now() > give_up {
                return Err(ServerError(format!(
                    "the private PostgreSQL did not start within {} s:\n{}",
                    START_LIMIT.as_secs(),
                    self.log_tail()
                )));
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Runs `initdb`, and writes `pg_hba.conf`.
fn init(home: &Home, programs: &PostgresPrograms, data: &Path, options: &PostgresOptions) -> Result<(), ServerError> {
    let program = programs.program("initdb");
    let output = home
        .command(&program)
        .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| {
            let hint = if home.account().is_some() {
                ". PostgreSQL runs as another user than root: every folder above the program must be open to others"
            } else {
                ""
            };
            ServerError(format!("cannot run {}: {error}{hint}", program.display()))
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(ServerError(format!("{} failed ({}):\n{}", program.display(), output.status, said.trim())));
    }
    let default = ["local all all trust".to_owned(), "host all all 127.0.0.1/32 trust".to_owned()];
    let lines = if options.hba.is_empty() { &default[..] } else { &options.hba[..] };
    let hba = data.join("pg_hba.conf");
    fs::write(&hba, lines.join("\n") + "\n").map_err(|error| ServerError::io(hba.display(), &error))
}

fn arguments(data: &Path, sockets: &Path, port: u16, options: &PostgresOptions) -> Vec<String> {
    let mut list = vec!["-D".to_owned(), data.display().to_string()];
    let listen = if options.tcp_port.is_some() { "127.0.0.1" } else { "" };
    let own = [
        ("listen_addresses".to_owned(), listen.to_owned()),
        ("port".to_owned(), port.to_string()),
        ("unix_socket_directories".to_owned(), sockets.display().to_string()),
    ];
    let given = THROW_AWAY.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    for (name, value) in own.into_iter().chain(given).chain(options.settings.iter().cloned()) {
        list.push("-c".to_owned());
        list.push(format!("{name}={value}"));
    }
    list
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16, ServerError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| ServerError::io("no free port on 127.0.0.1", &error))
}

/// The last lines of a log file.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
