//! The configuration as a user meets it: where it is found, what overrides what, and what a mistake is told.

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
fn mistakes_name_file_place_option_and_what_is_allowed() {
    for (text, expected) in [
        (
            "[ui]\ntheem = 'x'",
            "config.toml:2:1: ui.theem: unknown option; allowed here: filters, keymap, mouse, refresh, theme",
        ),
        ("[ui]\nrefresh = 5", "config.toml:2:11: ui.refresh: must be a duration in quotes"),
        ("[ui]\nrefresh = '5m'", "config.toml:2:11: ui.refresh: must be a whole number with its unit: ms, s, min or h"),
        ("[ui]\nmouse = 'yes'", "config.toml:2:9: ui.mouse: must be true or false, without quotes"),
        ("[ui]\ntheme = 'neon'", "ui.theme: impossible value; allowed: default, mono, high-contrast, or a file"),
        ("[ui]\nkeymap = './none.toml'", "config.toml:2:10: ui.keymap: there is no such file"),
        (
            "[ui.filters]\nbig = 'size>1XB'",
            "config.toml:2:7: ui.filters.big: at 1: size is compared with a number, as in size>1GB",
        ),
        (
            "[ui.filters]\nBig = 'size>1GB'",
            "config.toml:2:7: ui.filters.Big: the name of a filter is a lower case letter",
        ),
        ("[ui.filters]\nbig = 3", "config.toml:2:7: ui.filters.big: must be a string, in quotes"),
        ("ui = 3", "config.toml:1:6: ui: must be a table, [ui]"),
        ("[database]\nname = 'x'", "config.toml:1:1: database: must be written [[database]]"),
        (
            "[[database]]\n[database.jobs]\nparallel = 100",
            "config.toml:3:12: database[1].jobs.parallel: must be a whole number from 1 to 64",
        ),
        (
            "[[database]]\n[database.cache]\nurl = 'redis://h'\nca = 'x'",
            "config.toml:4:6: database[1].cache.url: must start with rediss:// or rediss-sentinel://",
        ),
        (
            "[[database]]\n[database.cache]\nurl = 'rediss://h'\ncert = 'x'",
            "config.toml:4:8: database[1].cache.key: is missing: cert needs it",
        ),
        (
            "[[database]]\n[[database]]\nname = 'b'\n[database.jobs]\nbatches = [1, 0]",
            "config.toml:5:15: database[2].jobs.batches",
        ),
        (
            "[[database]]\nenvironment = 'prod'",
            "database[1].environment: impossible value; allowed: production, staging, development",
        ),
        ("[[database]]\nname = 'a b'", "database[1].name: must be 1 to 40 letters"),
        (
            "[[database]]\nname = 'a'\n[[database]]\nname = 'a'",
            "config.toml:4:8: database[2].name: another database has this name",
        ),
        ("[[database]]\nlayout = 'rails'", "database[1].layout: impossible value; allowed: auto, boundary, brokkr"),
        ("[[database]]\nlayout = './x.toml'", "database[1].layout: there is no such file"),
        ("[[database]]\npassword_command = 'pass'", "database[1].password_command: must be a list of strings"),
        ("[[database]]\npassword_command = []", "database[1].password_command: must be a program"),
        (
            "[[database]]\n[database.tenants]\ntable = 'a'\nscan = 'b%'",
            "database[1].tenants.scan: only one of table, query and scan",
        ),
        ("[[database]]\n[database.tenants]\nquery = 'delete from t'", "database[1].tenants.query: must be one SELECT"),
        ("[[database]]\n[database.tenants]\nschema = 'x'", "database[1].tenants.schema: must contain {slug}"),
        ("[[database]]\n[database.tenants]\nexclude = ['']", "database[1].tenants.exclude: not the name of a schema"),
        ("[[database]]\n[database.tenants]\nvalues = { '' = 'x' }", "not the name of a column"),
        (
            "[[database]]\n[database.tenants]\nvalues = { a = true }",
            "database[1].tenants.values.a: must be a string, in quotes",
        ),
        (
            "[[database]]\n[database.migrations]\ntool = 'cobol'",
            "database[1].migrations.tool: impossible value; allowed: auto, rails",
        ),
        (
            "[[database]]\n[database.migrations]\npath = 'nowhere'",
            "database[1].migrations.path: there is no such folder",
        ),
        (
            "[[database]]\n[database.migrations]\nallow = ['x']",
            "database[1].migrations.allow: must be a file's version and a rule",
        ),
        ("[[database]]\n[database.cache]\nkeys = []", "config.toml:2:1: database[1].cache.url: is missing"),
        ("[[database]]\n[database.cache]\nurl = 'http://x'", "database[1].cache.url: must start with redis://"),
        (
            "[[database]]\nurl = 'postgresql://u@h?sslmode=allow'",
            "database[1].url: the connection parameter \"sslmode=allow\" is not supported",
        ),
        (
            "[[database]]\nurl = 'postgresql://u@h?schema=x'",
            "database[1].url: the connection parameter \"schema\" is not one of libpq's (Prisma's own",
        ),
        (
            "[[database]]\nurl = 'postgresql://u@h1:1,h2:2,h3/x?port=1,2'",
            "database[1].url: the connection parameter \"port\" has an impossible value; allowed: one, or one for each host",
        ),
        (
            "[[database]]\nurl = 'service=eu'",
            "database[1].url: the service \"eu\" (PGSERVICE, or service= in the connection string): it is not in ",
        ),
        ("[ui]\nmouse = true\nmouse = false", "config.toml:3:1: not TOML: duplicate key"),
        ("[ui", "config.toml:1:"),
        ("", "config.toml: has no [[database]]"),
        ("[ui]\n", "config.toml: has no [[database]]"),
    ] {
        let shown = error(text);
        assert!(shown.contains(expected), "{text}\n  {shown}\n  {expected}");
    }
}

#[test]
fn files_that_are_no_text_are_told_so() {
    let room = Room::new();
    let error = |bytes: &[u8]| room.load(bytes).expect_err("not a configuration");
    assert!(
        error(b"[ui]\nmouse = \xff").contains("config.toml:2:9: is not valid UTF-8"),
        "{}",
        error(b"[ui]\nmouse = \xff")
    );
    assert!(error(b"\xff\xfe[\0u\0").contains("UTF-16"));
    assert!(error(&vec![b' '; (1 << 20) + 1]).contains("larger than 1 MB"));
    assert!(error(b"[ui]\nmouse = \0").contains("config.toml:2:"));
    // A byte order mark is harmless.
    assert!(room.load(b"\xef\xbb\xbf[[database]]\n").is_ok());
    let mut request = room.request(&[]);
    request.config = Some(room.folder.path().to_owned());
    assert!(load(&request).expect_err("a folder").to_string().contains("is a folder"));
}

#[test]
fn a_password_needs_a_file_that_others_cannot_read() {
    let room = Room::new();
    let with = format!("[[database]]\nurl = 'postgresql://ops:{}@localhost/app'", MARKER.replace('!', "%21"));
    let cache = format!("[[database]]\n[database.cache]\nurl = 'redis://:{MARKER}@h'");
    let key = format!("[[database]]\nurl = 'host=localhost sslpassword={MARKER}'");
    let without = "[[database]]\nurl = 'postgresql://ops:${PW}@localhost/app'";
    for (text, secret) in [(with.as_str(), true), (cache.as_str(), true), (key.as_str(), true), (without, false)] {
        let mut request = room.request(&[("PW", MARKER)]);
        let path = room.write("c.toml", text);
        request.config = Some(path.clone());
        for mode in [0o600, 0o400, 0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
            match load(&request) {
                Ok(_) => assert!(!secret || mode & 0o077 == 0, "{mode:o} {text}"),
                Err(error) => {
                    let shown = error.to_string();
                    assert!(secret && mode & 0o077 != 0, "{mode:o}: {shown}");
                    assert!(shown.contains("chmod 600") && shown.contains(":2:") || shown.contains(":3:"), "{shown}");
                    assert!(!shown.contains("zQ7"), "{shown}");
                }
            }
        }
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
