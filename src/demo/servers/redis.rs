//! A private Redis (or Valkey): no persistence, one process.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ServerError;
use super::home::{Home, ServerProcess};
use super::postgres::{free_port, tail};

/// How a private Redis is started.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Listen on 127.0.0.1 on this port; 0 takes a free one; `None`: Unix socket only.
    pub tcp_port: Option<u16>,
    /// A password for the default user. It is written to a file that only the owner can read, never to the arguments.
    pub password: Option<String>,
    /// Further lines of the configuration, such as `rename-command SCAN ""`.
    pub lines: Vec<String>,
}

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running private Redis. Dropped, it ends at once.
#[derive(Debug)]
pub struct RedisServer {
    process: ServerProcess,
    program: PathBuf,
    configuration: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    port: u16,
}

impl RedisServer {
    /// Starts one in `NAME` below the home. Returns when it answers.
    ///
    /// # Errors
    /// When it does not start; the message has the last lines of its output.
    pub fn start(home: &Home, name: &str, program: &Path, options: &RedisOptions) -> Result<Self, ServerError> {
        let folder = home.make_folder(name)?;
        let mut tries = 0;
        loop {
            let port = match options.tcp_port {
                None => 0,
                Some(0) => free_port()?,
                Some(port) => port,
            };
            let socket = folder.join("redis.sock");
            let configuration = folder.join("redis.conf");
            write_configuration(&configuration, &folder, port, options)?;
            home.give(&configuration)?;
            let log = folder.join("log");
            let process = home.start(program, &[configuration.display().to_string()], &log)?;
            let mut server = Self { process, program: program.to_owned(), configuration, socket, log, port };
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                Err(_) if options.tcp_port == Some(0) && tries < 5 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its TCP port; 0 where it listens on the Unix socket only.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a crash does.
    pub fn stop(&mut self) {
        self.process.end(Signal::KILL);
    }

    /// Stops answering without closing connections, as an overloaded server does; `wake` undoes it.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn freeze(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::STOP)
    }

    /// Undoes `freeze`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn wake(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::CONT)
    }

    /// Starts a stopped server again, empty, on the same port and socket.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self, home: &Home) -> Result<(), ServerError> {
        self.stop();
        self.process = home.start(&self.program, &[self.configuration.display().to_string()], &self.log)?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let give_up = Instant::now() + START_LIMIT;
        while !answers(&self.socket) {
            if !self.process.is_running() {
                return Err(ServerError(format!("the private Redis ended while starting:\n{}", tail(&self.log))));
            }
            if Instant::now() > give_up {
                let limit = START_LIMIT.as_secs();
                return Err(ServerError(format!(
                    "the private Redis did not start within {limit} s:\n{}",
                    tail(&self.log)
                )));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn write_configuration(file: &Path, folder: &Path, port: u16, options: &RedisOptions) -> Result<(), ServerError> {
    let folder = folder.display();
    let mut text = format!(
        "bind 127.0.0.1\nport {port}\nunixsocket {folder}/redis.sock\nunixsocketperm 700\nsave \"\"\nappendonly no\n\
         databases 256\ndir {folder}\ndaemonize no\nloglevel warning\n"
    );
    if let Some(password) = &options.password {
        text.push_str(&format!("requirepass {password}\n"));
    }
    for line in &options.lines {
        text.push_str(line);
        text.push('\n');
    }
    let problem = |error: std::io::Error| ServerError::io(file.display(), &error);
    let _ = fs::remove_file(file);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(problem)?;
    out.write_all(text.as_bytes()).map_err(problem)
}

/// Whether it answers a PING, with or without a password.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let limit = Some(Duration::from_secs(2));
    if stream.set_read_timeout(limit).is_err() || stream.write_all(b"PING\r\n").is_err() {
        return false;
    }
    let mut answer = [0_u8; 7];
    stream.read_exact(&mut answer).is_ok() && (answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH"))
}
