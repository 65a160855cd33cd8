//! The fleet that faults happen to: small tenants in Boundary's layout, whose files leave a mark each time they run.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::invariant::{Open, Watch};
use crate::support::victim::{Aim, End, Victim};
use crate::support::{PgHandle, TestDatabase};

/// The files' versions.
pub const VERSIONS: [u32; 3] = [101, 102, 103];
/// The version of a file whose statement no transaction can hold, where a test adds it.
pub const ALONE: u32 = 104;
/// How long one run of the program may take before the test fails: longer than every patience in it.
pub const LONG: Duration = Duration::from_secs(180);

/// What every file makes: four tables, an index, a column of a table that was there, and one mark. The mark has no key:
/// a file that ran twice leaves two.
fn content(version: u32, sleep: &str) -> String {
    let first = if version == VERSIONS[0] {
        "create table if not exists users (id int primary key);\n--;;\n\
         create table if not exists marks (version bigint not null);\n--;;\n"
    } else {
        ""
    };
    format!(
        "{first}create table a_{version} (id bigint primary key, note text not null default '-');\n--;;\n\
         create table b_{version} (id bigint primary key, a bigint not null references a_{version} (id));\n--;;\n\
         {sleep}\
         create table c_{version} (id bigint primary key, name varchar(40) unique);\n--;;\n\
         create table d_{version} (id bigint primary key, at timestamptz);\n--;;\n\
         create index d_{version}_at on d_{version} (at);\n--;;\n\
         alter table users add column u_{version} int;\n--;;\n\
         insert into marks (version) values ({version});\n"
    )
}

/// How somebody goes on with a job: a worker, or an operator where that one would wait first.
pub fn next(open: &Open) -> Vec<String> {
    let id = open.job.to_string();
    let words = match open.state.as_str() {
        "queued" | "running" if open.attempt < 2 => vec!["worker", "--drain"],
        "failed" => vec!["job", &id, "retry", "--yes"],
        _ => vec!["job", &id, "resume", "--yes"],
    };
    words.into_iter().map(str::to_owned).collect()
}

/// A database, its folder of migrations, and a configuration of both.
pub struct Fleet {
    pub home: TempDir,
    pub db: TestDatabase,
    pub tenants: usize,
    /// Variables that the program is started with.
    pub variables: Vec<(&'static str, String)>,
    /// All that was seen so far.
    pub watch: Watch,
}

impl Fleet {
    /// So many tenants in a new database of this server; `sleep` is what each file sleeps.
    pub fn new(pg: &PgHandle, tenants: usize, sleep: Duration) -> Self {
        let db = pg.database("faults");
        db.sql(
            "create table public.tenants (id uuid primary key default gen_random_uuid(), slug varchar(100) not null unique, \
             name varchar(255) not null, schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
             check (status in ('active', 'suspended', 'deleted')), created_at timestamptz not null default now(), \
             updated_at timestamptz, deleted_at timestamptz);
             create table public.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))",
        );
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("migrations");
        std::fs::create_dir(&folder).expect("a folder");
        let sleep = match sleep {
            Duration::ZERO => String::new(),
            sleep => format!("select pg_sleep({});\n--;;\n", sleep.as_secs_f64()),
        };
        for version in VERSIONS {
            std::fs::write(folder.join(format!("{version}-make.up.sql")), content(version, &sleep)).expect("a file");
        }
        let watch = Watch::new(&db);
        let mut fleet = Self { home, db, tenants, variables: Vec::new(), watch };
        fleet.connect_to(fleet.db.port);
        fleet.must(0, &["init", "--yes"]);
        fleet.watch.look_for_zombies(&fleet.db);
        fleet.reset();
        fleet
    }

    /// Writes the configuration: the database at this port of 127.0.0.1.
    pub fn connect_to(&self, port: u16) {
        self.configure("config.toml", port);
    }

    /// Writes a further configuration of this name, for a second operator who comes another way.
    pub fn configure(&self, name: &str, port: u16) {
        let text = format!(
            "[[database]]\nname = \"eu-1\"\nurl = \"postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable\"\n\
             [database.migrations]\npath = \"{}\"\nallow = [{}]\n",
            self.db.name,
            self.home.path().join("migrations").display(),
            VERSIONS.map(|version| format!("\"{version}:search-path\"")).join(", ")
        );
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("a configuration");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("the mode");
    }

    /// Adds a file whose statement no transaction can hold.
    pub fn add_alone(&self) {
        self.file(ALONE, &format!("-- :disable-transaction\ncreate index concurrently e_{ALONE} on a_101 (note)"));
    }

    /// Writes the file of a version anew.
    pub fn file(&self, version: u32, sql: &str) {
        let path = self.home.path().join("migrations").join(format!("{version}-make.up.sql"));
        std::fs::write(path, sql).expect("a file");
    }

    /// Empty tenants, and no job that is still open: what is left of the last round is dropped by schema.
    pub fn reset(&mut self) {
        let mut sql = String::from("delete from public.tenants; ");
        for row in self.db.sql("select quote_ident(nspname) from pg_namespace where nspname like 'tenant\\_%'") {
            sql.push_str(&format!("drop schema {} cascade; ", row[0].as_deref().expect("a name")));
        }
        for number in 0..self.tenants {
            sql.push_str(&format!(
                "insert into public.tenants (slug, name, schema_name) values ('t{number}', 'T {number}', 'tenant_t{number}'); \
                 create schema tenant_t{number}; \
                 create table tenant_t{number}.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024)); "
            ));
        }
        self.db.sql(&sql);
        self.watch.next_round(&self.db);
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Victim {
        self.start_as("config.toml", arguments, &Aim::default())
    }

    /// Starts the program with this configuration; from then on `aim` points at it.
    pub fn start_as(&self, config: &str, arguments: &[&str], aim: &Aim) -> Victim {
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = self.home.path().join(config);
        let path = path.to_str().expect("UTF-8");
        Victim::start(self.home.path(), &[&["--config", path], arguments].concat(), &variables, aim)
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> End {
        self.start(arguments).wait(LONG)
    }

    /// Runs a command that must end so.
    pub fn must(&self, code: i32, arguments: &[&str]) -> End {
        let end = self.run(arguments);
        assert_eq!(end.code, Some(code), "{arguments:?}\nout: {}\nerr: {}", end.out, end.err);
        end
    }

    /// Asks whether all is well.
    pub fn check(&mut self, after: &str) {
        self.watch.check(&self.db, after);
    }

    /// Goes on, undisturbed, until no job is open: as an operator and a worker would. Then everything must be done,
    /// and every tenant as if nothing had ever happened. Says how often an operator was needed.
    pub fn finish(&mut self, after: &str) -> usize {
        let mut resumed = 0;
        let started = Instant::now();
        let mut said = String::new();
        loop {
            let open = self.watch.open(&self.db);
            let Some(open) = open.first() else { break };
            assert!(started.elapsed() < LONG, "{after}: {open:?} is still open; {said}");
            if open.state == "paused" || open.state == "failed" {
                resumed += 1;
                let why = self.db.value(&format!("select reason from tenantui.job where id = {}", open.job));
                println!("faults: {after}: job {} was {}: {why}", open.job, open.state);
            }
            let arguments = next(open);
            let end = self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            said = format!("exit {:?}, err: {}", end.code, end.err);
            self.check(after);
        }
        self.watch.check_done(&self.db, after);
        resumed
    }
}
