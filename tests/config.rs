//! The configuration as a user meets it: where it is found, what overrides what, and what a mistake is told.

mod mistakes;
mod template;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use tenantui::config::surroundings::Surroundings;
use tenantui::config::{Config, LayoutChoice, LoadRequest, Pooler, Source, load};
use tenantui::model::environment::Environment;
use tenantui::model::ledger::Tool;

/// A secret that must never come out.
const MARKER: &str = "zQ7!marker~secret";

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        path
    }

    fn around(&self, variables: &[(&str, &str)]) -> Surroundings {
        let mut around = Surroundings::fixed(variables.iter().copied());
        around.config_dir = Some(self.path("home/.config"));
        around.home = Some(self.path("home"));
        around.system_dir = self.path("etc");
        around.user = Some("os-user".to_owned());
        around
    }

    fn request(&self, variables: &[(&str, &str)]) -> LoadRequest {
        LoadRequest::new(self.around(variables))
    }

    /// Loads a file of this text.
    fn load(&self, text: impl AsRef<[u8]>) -> Result<Config, String> {
        self.load_with(text, &[])
    }

    fn load_with(&self, text: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> Result<Config, String> {
        let mut request = self.request(variables);
        request.config = Some(self.write("config.toml", text));
        load(&request).map_err(|error| {
            let shown = format!("{error}");
            assert!(!shown.contains('\n'), "one line: {shown}");
            shown.replace(&format!("{}/", self.folder.path().display()), "")
        })
    }
}

fn error(text: &str) -> String {
    Room::new().load(text).expect_err(text)
}

fn names(config: &Config) -> Vec<&str> {
    config.databases.iter().map(|database| &*database.name).collect()
}

#[test]
fn the_file_is_found_in_order() {
    let room = Room::new();
    room.write("etc/tenantui/config.toml", "[[database]]\nname = 'system'\n");
    assert_eq!(names(&load(&room.request(&[])).expect("system")), ["system"]);
    room.write("home/.config/tenantui/config.toml", "[[database]]\nname = 'users'\n");
    assert_eq!(names(&load(&room.request(&[])).expect("users")), ["users"]);
    let named = room.write("named.toml", "[[database]]\nname = 'named'\n");
    let named = named.to_str().expect("UTF-8");
    assert_eq!(names(&load(&room.request(&[("TENANTUI_CONFIG", named)])).expect("named")), ["named"]);
    let mut request = room.request(&[("TENANTUI_CONFIG", named)]);
    request.config = Some(room.write("flag.toml", "[[database]]\nname = 'flag'\n"));
    let config = load(&request).expect("flag");
    assert_eq!(names(&config), ["flag"]);
    assert_eq!(config.source, Source::File(room.path("flag.toml")));
}

#[test]
fn a_named_file_that_is_absent_is_an_error_and_never_the_next_one() {
    let room = Room::new();
    room.write("etc/tenantui/config.toml", "[[database]]\n");
    let mut request = room.request(&[]);
    request.config = Some(room.path("absent.toml"));
    let error = load(&request).expect_err("absent").to_string();
    assert!(error.contains("absent.toml") && error.contains("No such file"), "{error}");
}

#[test]
fn without_a_file_the_environment_counts() {
    let room = Room::new();
    let config =
        load(&room.request(&[("DATABASE_URL", "postgresql://a@db.example/app"), ("PGHOST", "other")])).expect("url");
    assert_eq!((config.source, &*config.databases[0].name), (Source::DatabaseUrl, "app"));
    assert_eq!(config.databases[0].environment, Environment::Production);
    let config = load(&room.request(&[("PGHOST", "db.example"), ("PGDATABASE", "fleet")])).expect("libpq");
    assert_eq!((config.source, &*config.databases[0].name), (Source::Libpq, "fleet"));
    assert_eq!(config.databases[0].environment, Environment::Production);
    let config = load(&room.request(&[])).expect("nothing at all");
    assert_eq!((&*config.databases[0].name, config.databases[0].environment), ("os-user", Environment::Development));
    // DATABASE_URL counts only without a file.
    room.write("etc/tenantui/config.toml", "[[database]]\nname = 'system'\n");
    assert_eq!(names(&load(&room.request(&[("DATABASE_URL", "postgresql://a@h/app")])).expect("file")), ["system"]);
}

#[test]
fn a_url_means_that_one_database_and_keeps_the_ui() {
    let room = Room::new();
    let file = room.write("c.toml", "[ui]\ntheme = 'mono'\n[[database]]\nname = 'eu'\nurl = 'nonsense'\n");
    let mut request = room.request(&[]);
    request.config = Some(file);
    request.url = Some("postgresql://x@localhost/one".to_owned().into());
    let config = load(&request).expect("the url");
    assert_eq!((names(&config), config.ui.theme.as_str(), config.source.clone()), (vec!["one"], "mono", Source::Url));
    assert_eq!(config.databases[0].url.expose_secret(), "postgresql://x@localhost/one");
    let config = load(&room.request(&[("TENANTUI_URL", "postgresql://x@localhost/two")])).expect("variable");
    assert_eq!(names(&config), ["two"]);
    request.url = Some(format!("mysql://x:{MARKER}@h/db").into());
    let error = load(&request).expect_err("not ours");
    assert!(error.is_usage() && error.to_string().starts_with("--url: "), "{error}");
    assert!(!error.to_string().contains(MARKER), "{error}");
}

#[test]
fn flags_beat_variables_beat_the_file() {
    let room = Room::new();
    let file =
        "[ui]\ntheme = 'mono'\nrefresh = '7s'\n[[database]]\nname = 'a'\n[[database]]\nname = 'b'\nread_only = true\n";
    let config = room.load(file).expect("file");
    assert_eq!((config.ui.theme.as_str(), config.ui.refresh), ("mono", Duration::from_secs(7)));
    assert_eq!(config.databases.iter().map(|d| d.read_only).collect::<Vec<_>>(), [false, true]);
    let variables = [
        ("TENANTUI_THEME", "high-contrast"),
        ("TENANTUI_REFRESH", "2s"),
        ("TENANTUI_MOUSE", "1"),
        ("TENANTUI_DATABASE", "a"),
        ("TENANTUI_READ_ONLY", "true"),
    ];
    let config = room.load_with(file, &variables).expect("variables");
    assert_eq!(
        (config.ui.theme.as_str(), config.ui.refresh, config.ui.mouse),
        ("high-contrast", Duration::from_secs(2), true)
    );
    assert_eq!(names(&config), ["a"]);
    assert!(config.databases[0].read_only);
    let mut request = room.request(&variables);
    request.config = Some(room.path("config.toml"));
    request.database = Some("b".to_owned());
    assert_eq!(names(&load(&request).expect("flag")), ["b"]);
    request.database = Some("c".to_owned());
    assert_eq!(
        load(&request).expect_err("unknown").to_string(),
        "--database: there is no database of this name; allowed: a, b"
    );
    // A read-only database stays so, whatever is said.
    request.database = Some("b".to_owned());
    request.around = room.around(&[("TENANTUI_READ_ONLY", "false")]);
    assert!(load(&request).expect("still").databases[0].read_only);
    for (name, value) in [("TENANTUI_REFRESH", "1ms"), ("TENANTUI_MOUSE", "maybe"), ("TENANTUI_THEME", "neon")] {
        let error = room.load_with(file, &[(name, value)]).expect_err(name);
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
    }
}

#[test]
fn every_option_arrives() {
    let room = Room::new();
    fs::create_dir_all(room.path("m/shared")).expect("folders");
    room.write("l.toml", "");
    let config = room
        .load(
            r#"
            [[database]]
            name = "eu-1"
            environment = "staging"
            url = "postgresql://ops@localhost/app"
            password_command = ["bin/secret", "a b"]
            pooler = "session"
            layout = "./l.toml"
            [database.tenants]
            table = "crm.customers"
            schema = "t_{slug}"
            exclude = ["t_archive", "T odd"]
            values = { paid_until = "2100-01-01", "On trial" = "" }
            [database.migrations]
            tool = "golang-migrate"
            path = "./m"
            shared_path = "m/shared"
            command = ["rails", "db:migrate"]
            allow = ["20240101000000:extension"]
            [database.cache]
            url = "rediss-sentinel://a,b/0?master=m"
            ca = "ca.pem"
            cert = "client.pem"
            key = "~/client.key"
            keys = ["tenant:{id}:*"]
            [database.jobs]
            parallel = 64
            canary = 0
            batches = []
            max_failures = 1
            lock_timeout = "250ms"
            statement_timeout = "1h"
        "#,
        )
        .expect("loads");
    let database = &config.databases[0];
    assert_eq!(
        (&*database.name, database.environment, database.pooler),
        ("eu-1", Environment::Staging, Pooler::Session)
    );
    let program = room.path("bin/secret").display().to_string();
    assert_eq!(database.password_command, Some(vec![program, "a b".to_owned()]));
    assert_eq!(database.layout, LayoutChoice::File(room.path("l.toml")));
    let table = database.tenants.table.as_ref().expect("a table");
    assert_eq!(table.quoted(), "\"crm\".\"customers\"");
    assert_eq!(database.tenants.schema.as_deref(), Some("t_{slug}"));
    assert_eq!(database.tenants.exclude.iter().map(|s| s.raw()).collect::<Vec<_>>(), ["t_archive", "T odd"]);
    let values: Vec<_> = database.tenants.values.iter().map(|(column, text)| (column.raw(), text.as_str())).collect();
    assert_eq!(values, [("On trial", ""), ("paid_until", "2100-01-01")]);
    let migrations = &database.migrations;
    assert_eq!((migrations.tool, migrations.path.clone()), (Some(Tool::GolangMigrate), Some(room.path("m"))));
    assert_eq!(migrations.shared_path, Some(room.path("m/shared")));
    assert_eq!(
        (migrations.allow[0].version.as_str(), migrations.allow[0].rule.as_str()),
        ("20240101000000", "extension")
    );
    let cache = database.cache.as_ref().expect("a cache");
    assert_eq!((cache.keys.as_slice(), &cache.ca), (&["tenant:{id}:*".to_owned()][..], &Some(room.path("ca.pem"))));
    let client = cache.client.as_ref().expect("a certificate");
    assert_eq!((&client.0, client.1.ends_with("client.key")), (&room.path("client.pem"), true));
    let jobs = &database.jobs;
    assert_eq!((jobs.parallel, jobs.canary, jobs.batches.len(), jobs.max_failures), (64, 0, 0, 1));
    assert_eq!((jobs.lock_timeout, jobs.statement_timeout), (Duration::from_millis(250), Duration::from_secs(3_600)));
}

#[test]
fn variables_stand_for_any_value() {
    let text = r#"
        [ui]
        refresh = "${SECONDS_}s"
        mouse = "${MOUSE}"
        [[database]]
        url = "postgresql://ops:${PW}@localhost/app$$x"
        [database.jobs]
        parallel = "${P}"
        batches = ["${P}", 9]
    "#;
    let room = Room::new();
    let variables = [("SECONDS_", "9"), ("MOUSE", "on"), ("PW", "a%20${b}"), ("P", "8")];
    let config = room.load_with(text, &variables).expect("loads");
    assert_eq!((config.ui.refresh, config.ui.mouse), (Duration::from_secs(9), true));
    assert_eq!(config.databases[0].url.expose_secret(), "postgresql://ops:a%20${b}@localhost/app$x");
    assert_eq!((config.databases[0].jobs.parallel, config.databases[0].jobs.batches.clone()), (8, vec![8, 9]));
    let error = room.load(text).expect_err("unset");
    assert_eq!(error, "config.toml:3:19: ui.refresh: the environment variable SECONDS_ is not set");
    // A number in quotes is a mistake unless a variable stands there.
    assert!(room.load("[[database]]\n[database.jobs]\nparallel = '4'").is_err());
}

#[test]
fn the_environment_follows_the_host() {
    let room = Room::new();
    for (url, expected) in [
        ("postgresql://u@localhost/a", Environment::Development),
        ("postgresql://u@127.8.0.1/a", Environment::Development),
        ("postgresql://u@[::1]/a", Environment::Development),
        ("postgresql://u@%2Frun%2Fpg/a", Environment::Development),
        ("host=/tmp user=u", Environment::Development),
        ("postgresql://u@10.0.0.1/a", Environment::Production),
        ("postgresql://u@localhost.evil.example/a", Environment::Production),
        ("host=localhost hostaddr=10.0.0.1 user=u", Environment::Production),
    ] {
        let config = room.load(format!("[[database]]\nurl = \"{url}\"")).expect(url);
        assert_eq!(config.databases[0].environment, expected, "{url}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let room = Room::new();
    let text = format!(
        "[[database]]\nurl = 'host=localhost password={MARKER}'\n[database.cache]\nurl = 'redis://:{MARKER}@h'"
    );
    let config = room.load_with(text, &[("PGPASSWORD", MARKER)]).expect("loads");
    assert!(!format!("{config:?}").contains(MARKER));
    let mut request = room.request(&[("PGPASSWORD", MARKER)]);
    request.url = Some(MARKER.to_owned().into());
    assert!(!format!("{request:?}").contains(MARKER));
}
