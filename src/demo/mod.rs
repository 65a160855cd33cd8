//! The demo: private servers, a fleet of a small shop in Boundary's layout, and a configuration for the faces.
//!
//! The test harness starts its servers with [`servers`] too. Whatever is made here ends with [`Demo`], or with the
//! process, however that ends. The demo never touches a server that it did not start.

mod assets;
mod fleet_plan;
mod keys;
mod room;
mod seed;
pub mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::{self, Config};
use crate::model::environment::Environment;
use servers::{
    Home, PostgresOptions, PostgresServer, RedisOptions, RedisServer, ServerError, find_postgres, find_redis,
};

/// How large the demo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// Tenants, rows without a schema and schemas without a row included.
    pub tenants: u32,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { tenants: 200 }
    }
}

/// What is being done, for standard error. Its `Display` is a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The servers are being started.
    Servers,
    /// Tenants are being made.
    Tenants {
        /// Made so far.
        done: u32,
        /// To be made.
        total: u32,
        /// Since the first.
        elapsed: Duration,
    },
    /// Cache keys are being written.
    Cache,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Servers => f.write_str("starting a private PostgreSQL and Redis"),
            Self::Tenants { done, total, elapsed } => {
                let rate = f64::from(*done) / elapsed.as_secs_f64().max(0.001);
                write!(f, "making tenants: {done} of {total}, {rate:.0} per second")
            }
            Self::Cache => f.write_str("writing cache keys"),
        }
    }
}

/// A running demo. Dropped, its servers end and its folder goes.
#[derive(Debug)]
pub struct Demo {
    // Dropped in this order: servers before the folder that they live in.
    postgres: PostgresServer,
    redis: RedisServer,
    migrations: PathBuf,
    shared: PathBuf,
    home: Home,
}

/// Starts the servers and fills them.
///
/// # Errors
/// When no server programs are found, when there is no room for the fleet, or when a server fails; the message says
/// what to do.
pub async fn start(options: DemoOptions, report: &(dyn Fn(Progress) + Send + Sync)) -> Result<Demo, ServerError> {
    let fleet = fleet_plan::plan(options.tenants)?;
    report(Progress::Servers);
    let tenants = options.tenants;
    let demo = tokio::task::spawn_blocking(move || start_servers(tenants))
        .await
        .map_err(|error| ServerError(format!("the servers could not be started: {error}")))??;
    seed::seed(&demo.postgres, &fleet, report).await?;
    report(Progress::Cache);
    keys::seed(&demo.redis, &fleet).await?;
    Ok(demo)
}

fn start_servers(tenants: u32) -> Result<Demo, ServerError> {
    let (programs, redis) = (find_postgres()?, find_redis()?);
    let home = Home::new()?;
    room::check(home.folder(), tenants)?;
    let (migrations, shared) = (home.folder().join("migrations"), home.folder().join("migrations-shared"));
    assets::unpack(&assets::TENANT, &migrations)?;
    assets::unpack(&assets::SHARED, &shared)?;
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut settings = vec![
        setting("shared_buffers", if tenants > 1_000 { "512MB" } else { "128MB" }),
        setting("max_wal_size", "1GB"),
        setting("checkpoint_timeout", "30min"),
    ];
    if tenants > 1_000 {
        // Large fleets are for measuring: nothing should begin to read all of them by itself.
        settings.push(setting("autovacuum_naptime", "1h"));
    }
    let options = PostgresOptions { tcp_port: None, settings, hba: vec!["local all all trust".to_owned()] };
    let postgres = PostgresServer::start(&home, "pg", &programs, &options)?;
    let redis = RedisServer::start(&home, "redis", &redis, &RedisOptions::default())?;
    Ok(Demo { postgres, redis, migrations, shared, home })
}

impl Demo {
    /// The configuration of the faces for this fleet: one database of the environment development.
    #[must_use]
    pub fn config(&self) -> Config {
        let database = config::Database {
            name: "demo".into(),
            environment: Environment::Development,
            url: SecretString::from(self.url()),
            password_command: None,
            read_only: false,
            pooler: config::Pooler::Auto,
            layout: config::LayoutChoice::Named("boundary".to_owned()),
            tenants: config::TenantsOverride::default(),
            migrations: config::Migrations {
                path: Some(self.migrations.clone()),
                shared_path: Some(self.shared.clone()),
                ..config::Migrations::default()
            },
            cache: Some(config::Cache::new(SecretString::from(self.cache_url()))),
            jobs: config::Jobs::default(),
            among_several: false,
        };
        let ui = config::Ui { refresh: Duration::from_secs(5), ..config::Ui::default() };
        Config { ui, databases: vec![Arc::new(database)], left_out: Vec::new(), source: config::Source::Memory }
    }

    /// The URL of the fleet's database, over the Unix socket, as its owner. It holds no password.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.socket_url(seed::OWNER, seed::OWNER)
    }

    /// The URL of the cache, over its Unix socket.
    #[must_use]
    pub fn cache_url(&self) -> String {
        format!("unix://{}", self.redis.socket().display())
    }

    /// The folder with everything of this demo.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The PostgreSQL programs, for `psql` and the like.
    #[must_use]
    pub fn programs(&self) -> &servers::PostgresPrograms {
        self.postgres.programs()
    }
}
