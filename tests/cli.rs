//! The command face as a script sees it: data on standard output, words on standard error, the exit status.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program;

/// The program with nothing of this machine's around it.
pub fn tenantui(home: &Path) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").env("TZ", "UTC");
    command
}

pub fn home() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub fn json(output: &Output) -> Value {
    let text = text(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in: {text}\n{}", self::text(&output.stderr)))
}

/// The names of the fields, sorted.
pub fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_command_of_the_help_has_help_of_its_own() {
    let home = home();
    let help = tenantui(home.path()).arg("--help").output().expect("runs");
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in &commands {
        let output = tenantui(home.path()).args([command, "--help"]).output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(text(&output.stdout).contains(&format!("Usage: tenantui {command}")), "{command}");
    }
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("a README");
    for command in &commands {
        assert!(readme.contains(&format!("`{command}")), "the README does not name {command}");
    }
    // What later releases bring is not offered yet.
    for later in ["backup", "restore", "clone", "drift"] {
        let output = tenantui(home.path()).arg(later).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{later}");
    }
}

#[test]
fn usage_is_exit_2_and_leaves_standard_output_empty() {
    let home = home();
    for wrong in [
        &["tenants", "--json", "--csv"][..],
        &["tenants", "--state", "happy"],
        &["provision", "acme"],
        &["migrate", "acme", "--all"],
        &["job", "0"],
        &["demo", "--tenants", "none"],
        &["nonsense"],
    ] {
        let output = tenantui(home.path()).args(wrong).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
    // Refused before anything is connected to.
    let url = "postgresql://nobody@127.0.0.1:1/none?sslmode=disable";
    let output = tenantui(home.path()).args(["--url", url, "migrate"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--all"), "{}", text(&output.stderr));
}

#[test]
fn the_template_is_a_configuration_and_check_says_what_it_says() {
    let home = home();
    let template = tenantui(home.path()).args(["config", "template"]).output().expect("runs");
    assert_eq!(template.status.code(), Some(0));
    let file = home.path().join("config.toml");
    fs::write(&file, "[[database]]\nname = \"eu-1\"\nurl = \"postgresql://ops@db.example/app\"\nread_only = true\n")
        .expect("written");
    let check = tenantui(home.path()).arg("--config").arg(&file).args(["config", "check"]).output().expect("runs");
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    assert!(text(&check.stdout).contains("database eu-1: production, read-only"), "{}", text(&check.stdout));
    // A cache whose files cannot be used: nothing else is stopped by it, so it is said where it is asked for.
    let cached = home.path().join("cached.toml");
    let with = "[[database]]\n[database.cache]\nurl = \"rediss://cache.example\"\nca = \"./none.pem\"\n";
    fs::write(&cached, with).expect("written");
    let check = tenantui(home.path()).arg("--config").arg(&cached).args(["config", "check"]).output().expect("runs");
    assert_eq!(check.status.code(), Some(2), "{}", text(&check.stdout));
    assert!(text(&check.stderr).contains("none.pem"), "{}", text(&check.stderr));
    let path = tenantui(home.path()).arg("--config").arg(&file).args(["config", "path"]).output().expect("runs");
    assert_eq!(text(&path.stdout), format!("{}\n", file.display()));
    let none = tenantui(home.path()).args(["config", "path"]).output().expect("runs");
    if !Path::new("/etc/tenantui/config.toml").exists() {
        assert!(none.stdout.is_empty() && none.status.success());
    }
}

#[test]
fn a_wrong_configuration_is_exit_2_with_its_place_and_without_its_secret() {
    let home = home();
    let file = home.path().join("config.toml");
    fs::write(&file, "[[database]]\nname = \"eu-1\"\nurl = \"postgresql://ops:sesame@h/d\"\nsesam = 1\n")
        .expect("written");
    for command in [&["tenants"][..], &["config", "check"], &["doctor"], &["jobs", "--json"]] {
        let output = tenantui(home.path()).arg("--config").arg(&file).args(command).output().expect("runs");
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {words}");
        assert!(output.stdout.is_empty() && words.contains("config.toml:") && !words.contains("sesame"), "{words}");
    }
    let missing = tenantui(home.path()).args(["--config", "/nowhere/at-all.toml", "tenants"]).output().expect("runs");
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("/nowhere/at-all.toml"));
    let unknown =
        tenantui(home.path()).args(["--url", "postgresql://a@h/d", "--database", "b", "jobs"]).output().expect("runs");
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
}

#[test]
fn saved_filters_count_in_commands_and_a_mistake_says_where() {
    let home = home();
    let file = home.path().join("config.toml");
    let link = "[[database]]\nname = \"eu-1\"\nurl = \"postgresql://ops@127.0.0.1:1/d?connect_timeout=1\"\n";
    fs::write(&file, format!("[ui.filters]\nunpaid = \"plan:free age>30d\"\n{link}")).expect("written");
    let run = |arguments: &[&str]| {
        let output = tenantui(home.path()).arg("--config").arg(&file).args(arguments).output().expect("runs");
        (output.status.code(), text(&output.stderr))
    };
    let (status, words) = run(&["tenants", "acme :big"]);
    assert_eq!(status, Some(2), "{words}");
    assert!(words.contains("at 6: there is no saved filter big; the saved ones are unpaid"), "{words}");
    for command in [&["migrate", "--filter", ":big", "--dry-run"][..], &["rollback", "--filter", "!:big", "--yes"]] {
        let (status, words) = run(command);
        assert!(status == Some(2) && words.contains("there is no saved filter big"), "{words}");
    }
    // One that is saved is understood: only the link is missing.
    for command in [&["tenants", "acme :unpaid"][..], &["migrate", "--filter", "!:unpaid", "--dry-run"]] {
        let (status, words) = run(command);
        assert_eq!(status, Some(3), "{words}");
    }
    let (status, words) = run(&["tenants", "plan:free behind>many"]);
    assert!(status == Some(2) && words.contains("at 11: behind is compared with a number"), "{words}");
}

#[test]
fn the_configuration_names_the_key_map_and_a_conflict_is_refused_with_both_names_and_the_line() {
    let home = home();
    let (config, keys) = (home.path().join("config.toml"), home.path().join("mine.toml"));
    fs::write(&config, "[ui]\nkeymap = \"mine.toml\"\n[[database]]\nname = \"eu-1\"\n").expect("written");
    fs::write(&keys, "[keys]\nrefresh = [\"ctrl-r\"]\n").expect("written");
    let run = || tenantui(home.path()).arg("--config").arg(&config).args(["keys", "--json"]).output().expect("runs");
    let list = json(&run());
    let key = list["keys"].as_array().expect("keys").iter().find(|key| key["action"] == "refresh").expect("refresh");
    assert_eq!(key["keys"], serde_json::json!(["ctrl-r"]));
    assert_eq!(key["section"], "Reading");
    fs::write(&keys, "[keys]\nrefresh = [\"ctrl-r\"]\nsort = [\"M\"]\n").expect("written");
    let refused = run();
    let words = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("mine.toml: line 3") && words.contains("sort") && words.contains("migrate"), "{words}");
    // Without a file of that name in the configuration, the one in the configuration's folder counts.
    let folder = home.path().join(".config/tenantui");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("keymap.toml"), "[keys]\nrefresh = [\"ctrl-t\"]\n").expect("written");
    let list = json(&tenantui(home.path()).args(["keys", "--json"]).output().expect("runs"));
    assert!(list["keys"].as_array().expect("keys").iter().any(|key| key["keys"] == serde_json::json!(["ctrl-t"])));
}

#[test]
fn no_link_is_exit_3_and_names_host_port_user_and_database() {
    let home = home();
    let url = "postgresql://ops:sesame@127.0.0.1:1/shop?sslmode=disable";
    for command in [
        &["tenants"][..],
        &["tenants", "--json"],
        &["tenant", "acme"],
        &["migrations"],
        &["jobs"],
        &["init", "--yes"],
        &["provision", "acme", "--name", "A", "--yes"],
        &["migrate", "--all", "--yes"],
        &["job", "1"],
        &["worker", "--once"],
        &["audit"],
        &["doctor"],
    ] {
        let output = tenantui(home.path()).args(["--url", url]).args(command).output().expect("runs");
        let words = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {words}");
        for part in ["127.0.0.1", "1", "ops", "shop"] {
            assert!(words.contains(part), "{command:?}: {words}");
        }
        assert!(!words.contains("sesame"), "{command:?}: {words}");
    }
    let output = tenantui(home.path()).args(["--url", url, "tenants", "--json"]).output().expect("runs");
    let document = json(&output);
    assert_eq!(fields(&document), ["databases", "shared", "tenants"]);
    assert_eq!(fields(&document["databases"][0]), ["error", "layout", "name", "read_only", "server_version", "tool"]);
    assert!(document["databases"][0]["error"].as_str().is_some_and(|error| error.contains("127.0.0.1")), "{document}");
}

#[test]
fn keys_man_and_completions_come_from_one_table() {
    let home = home();
    let keys = tenantui(home.path()).args(["keys", "--json"]).output().expect("runs");
    let keys = json(&keys);
    let list = keys["keys"].as_array().expect("a list");
    assert!(
        list.iter()
            .any(|key| key["action"] == "migrate" && key["keys"] == serde_json::json!(["M"]) && key["writes"] == true)
    );
    let man = text(&tenantui(home.path()).arg("man").output().expect("runs").stdout);
    for key in list {
        let help = key["help"].as_str().expect("help");
        let first: String = help.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
        assert!(key["keys"].as_array().is_some_and(Vec::is_empty) || man.contains(first.trim()), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tenantui(home.path()).args(["completions", shell]).output().expect("runs");
        assert!(script.status.success() && text(&script.stdout).contains("tenantui"), "{shell}");
    }
}

#[test]
fn the_key_table_of_the_readme_is_current() {
    let home = home();
    let keys = json(&tenantui(home.path()).args(["keys", "--json"]).output().expect("runs"));
    let mut table = String::from("\n\n| Keys | Action | Does | Writes |\n|---|---|---|---|\n");
    let mut section = "";
    for key in keys["keys"].as_array().expect("a list") {
        if key["section"] != section {
            section = key["section"].as_str().expect("a section");
            table.push_str(&format!("| **{section}** | | | |\n"));
        }
        let list = key["keys"].as_array().expect("keys").iter().filter_map(Value::as_str);
        let list: Vec<String> = list.map(|key| format!("`{}`", key.replace('|', "\\|"))).collect();
        let writes = if key["writes"] == true { "yes" } else { "" };
        let (action, help) = (key["action"].as_str().expect("name"), key["help"].as_str().expect("help"));
        table.push_str(&format!("| {} | {action} | {help} | {writes} |\n", list.join(" ")));
    }
    table.push('\n');
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("a README");
    let (before, rest) = readme.split_once("<!-- keys:").expect("a begin");
    let (head, rest) = rest.split_once("-->").expect("the end of the begin");
    let (now, after) = rest.split_once("<!-- /keys -->").expect("an end");
    if now != table && std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(path, format!("{before}<!-- keys:{head}-->{table}<!-- /keys -->{after}")).expect("written");
    } else {
        assert_eq!(
            now, table,
            "the README's key table is old: INSTA_UPDATE=always cargo test the_key_table writes it anew"
        );
    }
}

#[test]
fn the_readme_shows_two_commands_of_set_up() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("a README");
    let block = readme.split("```sh").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let commands: Vec<&str> = block.lines().filter(|line| line.starts_with("./")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let script = command.split_whitespace().next().expect("a command");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(script).exists(), "{script}");
    }
}

#[test]
fn a_closed_reader_ends_the_program_quietly() {
    let home = home();
    let shell = format!(
        "{{ '{0}' man; echo $? >&3; }} 3>code | true; {{ '{0}' keys; echo $? >&3; }} 3>>code | head -1",
        program().display()
    );
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(&shell)
        .current_dir(home.path())
        .env("HOME", home.path())
        .output()
        .expect("runs");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let codes = fs::read_to_string(home.path().join("code")).expect("codes");
    assert!(codes.lines().all(|code| code == "141" || code == "0"), "{codes}");
}

#[test]
fn the_log_is_written_only_where_it_is_asked_for() {
    let home = home();
    let log = home.path().join(".local/state/tenantui/tenantui.log");
    let url = "postgresql://ops:sesame@127.0.0.1:1/shop?sslmode=disable";
    tenantui(home.path()).args(["--url", url, "jobs"]).output().expect("runs");
    assert!(!log.exists());
    tenantui(home.path()).env("TENANTUI_LOG", "trace").args(["--url", url, "jobs"]).output().expect("runs");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&log).expect("a log").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!fs::read_to_string(&log).expect("text").contains("sesame"));
    // Where nothing went wrong, and where nothing could be done: that it ran, and how it ended.
    for (level, line, ended) in
        [("debug", &["keys"][..], "status=0"), ("info", &["--url", url, "jobs"], "status=3"), ("error", &["keys"], "")]
    {
        fs::remove_file(&log).expect("removed");
        tenantui(home.path()).env("TENANTUI_LOG", level).args(line).output().expect("runs");
        let text = fs::read_to_string(&log).expect("a log");
        let began = format!("command=\"{}\"", line.last().expect("a command"));
        assert_eq!(text.contains(&began) && text.contains(ended), level != "error", "{level} {line:?}: {text}");
        assert!(!text.contains("sesame"), "{text}");
    }
    let wrong = tenantui(home.path()).env("TENANTUI_LOG", "a=b=c").args(["--url", url, "jobs"]).output().expect("runs");
    assert_eq!(wrong.status.code(), Some(2));
}
