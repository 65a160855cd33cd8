//! A real streaming standby: `pg_basebackup` of a server of its own, hot, on a socket and a port of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use tenantui::demo::servers::{PostgresOptions, ServerProcess};

use super::{PgHandle, TestDatabase, own_pg, run, setting, tcp, wait_until};

/// A primary and what follows it. Fields end in this order: the standby first.
pub struct Pair {
    pub standby: Standby,
    pub primary: PgHandle,
}

/// A server that was made as a copy of another one and streams from it, until it is promoted.
pub struct Standby {
    process: ServerProcess,
    folder: PathBuf,
    port: u16,
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.process.end(Signal::QUIT);
    }
}

/// The pair that tests share which promote nothing and stop nothing.
pub fn pair() -> &'static Pair {
    static SHARED: OnceLock<Pair> = OnceLock::new();
    SHARED.get_or_init(|| own_pair(&[]))
}

/// A pair for one test that promotes, pauses or stops; settings of the standby besides the primary's.
pub fn own_pair(standby: &[(&str, &str)]) -> Pair {
    let primary = own_pg(PostgresOptions {
        settings: vec![setting("max_wal_senders", "4"), setting("synchronous_commit", "on")],
        hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "local replication all trust"]
            .map(str::to_owned)
            .to_vec(),
        ..tcp()
    });
    let standby = Standby::of(&primary, standby);
    Pair { standby, primary }
}

impl Standby {
    fn of(primary: &PgHandle, settings: &[(&str, &str)]) -> Self {
        let folder = primary.home.make_folder("standby").unwrap_or_else(|error| panic!("{error}"));
        let data = folder.join("data");
        let output = primary
            .home
            .command(&primary.bin("pg_basebackup"))
            .args([
                "--username=postgres",
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ])
            .arg(format!("--host={}", primary.server.socket_folder().display()))
            .arg(format!("--port={}", primary.server.port()))
            .arg(format!("--pgdata={}", data.display()))
            .stderr(Stdio::piped())
            .output()
            .expect("pg_basebackup runs");
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        let own = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("unix_socket_directories", folder.display().to_string()),
            ("fsync", "off".to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("wal_retrieve_retry_interval", "200ms".to_owned()),
            ("log_statement", "all".to_owned()),
        ];
        let given = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in own.into_iter().chain(given) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let program = primary.bin("postgres");
        let process =
            primary.home.start(&program, &arguments, &folder.join("log")).unwrap_or_else(|error| panic!("{error}"));
        let standby = Self { process, folder, port };
        wait_until(Duration::from_secs(60), "the standby", || run(&standby.url("postgres"), "select 1").is_ok());
        standby
    }

    /// The URL over TCP as the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The primary's database as this server has it, for tests to ask.
    pub fn open(&self, database: &TestDatabase) -> TestDatabase {
        TestDatabase {
            name: database.name.clone(),
            port: self.port,
            socket_folder: self.folder.clone(),
            socket_url: self.url(&database.name),
        }
    }

    /// Runs statements in the database `postgres`.
    pub fn admin(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        run(&self.url("postgres"), statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes a primary of it. Connections stay open.
    pub fn promote(&self) {
        let rows = self.admin("select pg_promote(true, 30)");
        assert_eq!(rows[0][0].as_deref(), Some("t"), "promoted");
    }

    /// Everything that it logged, every statement among it.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("the standby's log")
    }
}

impl Pair {
    /// Waits until the standby has replayed all that the primary has written so far.
    pub fn catch_up(&self) {
        let rows = self.primary.admin("select pg_current_wal_flush_lsn()");
        let position = rows[0][0].clone().expect("a position");
        let sql = format!("select pg_last_wal_replay_lsn() >= '{position}'::pg_lsn");
        wait_until(Duration::from_secs(30), "the standby to catch up", || {
            self.standby.admin(&sql)[0][0].as_deref() == Some("t")
        });
    }
}
