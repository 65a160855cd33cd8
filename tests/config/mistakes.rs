//! What is wrong in a configuration is told with its file, its place and what is allowed.

use super::*;

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
            "[[database]]\n[database.cache]\nurl = 'redis://h:0/1'",
            "config.toml:3:7: database[1].cache.url: impossible value: the port must be 1 to 65535",
        ),
        (
            "[[database]]\n[database.cache]\nurl = 'redis://h?db=3'",
            "database[1].cache.url: impossible value: after the ? only protocol may stand",
        ),
        (
            "[[database]]\n[database.cache]\nurl = 'redis-sentinel://h/0'",
            "database[1].cache.url: impossible value: it does not say which master is wanted",
        ),
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
