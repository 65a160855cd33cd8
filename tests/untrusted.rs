//! Ten thousand hostile strings through the real program: from a real database into every command, its log, the screens,
//! the clipboard, and what is said at the end. No byte of them drives the terminal, and columns stay aligned.

use std::fmt::Write as _;
use std::time::Duration;

use tenantui::text::is_unsafe;

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::faults::{Dice, count, report};
use crate::support::hostile;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A registry whose every text is hostile, schemas and tables with hostile names, a migration that fails with hostile
/// words. The number of texts.
fn evil(fleet: &Fleet, dice: &mut Dice, rows: usize) -> usize {
    let mut sql = String::from(
        "alter table public.tenants drop constraint if exists tenants_status_check;
         alter table public.tenants alter slug type text, alter name type text, alter schema_name type text, alter status type text;
         alter table public.tenants add plan text, add owner_note text;
         insert into public.tenants (slug, name, schema_name, status, plan) values ",
    );
    for row in 0..rows {
        let (slug, schema) = (hostile::name(dice, 90), hostile::name(dice, 50));
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(
            sql,
            "{comma}({}, {}, {}, {}, {})",
            quoted(&format!("{slug}{row}")),
            quoted(&hostile::text(dice)),
            quoted(&format!("{schema}{row}")),
            quoted(&hostile::text(dice)),
            quoted(&hostile::text(dice))
        );
    }
    fleet.database.sql(&sql);
    let schemas = rows / 40;
    fleet.database.sql(&format!(
        "do $$ declare s text; begin
           for s in select schema_name from public.tenants where slug not in ('acme', 'beta-two', 'gone') limit {schemas} loop
             execute format('create schema %I', s);
             execute format('create table %I.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))', s);
             execute format('create table %I.%I (id int)', s, substr(s, 1, 40));
             execute format('comment on schema %I is %L', s, s);
           end loop; end $$"
    ));
    let message = hostile::name(dice, 200);
    fleet.file(
        "20260401000000-fails",
        &format!("do $do$ begin raise exception '%', E{}; end $do$;", quoted(&message.replace('\\', "\\\\"))),
    );
    rows * 5 + schemas * 2 + 1
}

/// What every stream of the program has to be; the table's columns are checked where `heads` begins one.
fn assert_harmless(said: &str, what: &str) {
    let odd: Vec<char> = said.chars().filter(|c| is_unsafe(*c) && *c != '\n').collect();
    assert!(odd.is_empty(), "{what} lets {odd:?} through");
}

/// The first row's heads stand over their columns: before each head that stands at the left of its column, every row has a
/// blank. Read by a terminal, so that a wide character counts as it is drawn.
fn assert_aligned(table: &str, left: &[&str]) {
    let rows: Vec<&str> = table.lines().collect();
    let heads: Vec<usize> =
        left.iter().map(|head| rows[0].find(head).unwrap_or_else(|| panic!("no {head}: {}", rows[0]))).collect();
    let one = |count: u16| std::num::NonZero::new(count).expect("not none");
    let mut terminal = vt100::Parser::new(one(1), one(2_000), 0);
    for row in &rows {
        terminal.process(b"\r\x1b[2K");
        // This terminal leaves the replacement character out; others give it a column.
        terminal.process(row.replace('\u{fffd}', "?").as_bytes());
        let width = u16::try_from(tenantui::text::width(row)).expect("short");
        for head in heads.iter().filter(|head| **head > 0) {
            let at = u16::try_from(*head).expect("short");
            let cell = terminal.screen().cell(0, at - 1).expect("a cell");
            assert!(
                at >= width || cell.contents().trim().is_empty(),
                "{:?} before column {at} of {row:?}",
                cell.contents()
            );
        }
    }
}

/// The bytes of a screen without the sequences that the dashboard is known to send; anything else is a failure.
fn assert_only_known_sequences(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    while let Some(at) = rest.find('\u{1b}') {
        assert_harmless(&rest[..at].replace(['\r', '\n'], ""), "the screen");
        let sequence = &rest[at + 1..];
        if let Some(body) = sequence.strip_prefix('[') {
            let end = body.find(|c: char| c.is_ascii_alphabetic()).expect("an end");
            let (parameters, after) = body.split_at(end);
            assert!(parameters.chars().all(|c| c.is_ascii_digit() || ";?:".contains(c)), "{parameters:?}");
            assert!("mHJKhl".contains(&after[..1]), "a sequence that ends in {:?}", &after[..1]);
            rest = &after[1..];
        } else if let Some(body) = sequence.strip_prefix("]52;c;") {
            let end = body.find('\u{1b}').expect("an end");
            assert!(body[..end].chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c)));
            rest = body[end..].strip_prefix("\u{1b}\\").expect("the end of the string");
        } else {
            panic!("an unknown sequence: {:?}", &sequence[..sequence.len().min(20)]);
        }
    }
    assert_harmless(&rest.replace(['\r', '\n'], ""), "the screen");
}

#[test]
fn ten_thousand_strings_through_the_real_program() {
    let mut dice = Dice::new("the real program");
    let fleet = Fleet::new();
    fleet.init();
    let rows = count("rows", 2_000);
    let texts = evil(&fleet, &mut dice, rows);
    let run = |arguments: &[&str]| {
        let mut command = fleet.command();
        command.env("TENANTUI_LOG", "debug").env("XDG_STATE_HOME", fleet.home.path().join("state"));
        let output = command.args(arguments).output().expect("runs");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_harmless(&out, &format!("{arguments:?}"));
        assert_harmless(&err, &format!("{arguments:?}"));
        (out, err)
    };
    let slugs: Vec<Option<String>> = fleet
        .database
        .sql("select slug from public.tenants order by random() limit 6")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    let migrated = fleet.database.value(
        "select slug from public.tenants t join pg_namespace n on n.nspname = t.schema_name where slug not in ('acme', 'beta-two') limit 1",
    );
    let (table, _) = run(&["tenants"]);
    assert!(table.lines().count() > rows, "all are listed");
    assert_aligned(&table, &["TENANT", "SCHEMA", "STATUS", "STATE"]);
    for arguments in [
        vec!["tenants", "--json"],
        vec!["tenants", "--csv"],
        vec!["migrations"],
        vec!["migrations", "--json"],
        vec!["doctor"],
        vec!["doctor", "--json"],
        vec!["doctor", "--grants"],
        vec!["repair"],
        vec!["audit"],
        vec!["jobs"],
        vec!["migrate", "--all", "--dry-run"],
        vec!["migrate", &migrated, "--yes", "--canary", "0"],
        vec!["job", "1"],
        vec!["jobs"],
        vec!["job", "1", "--json"],
        vec!["audit"],
        vec!["audit", "--json"],
        vec!["rollback", &migrated, "--dry-run"],
        vec!["suspend", &migrated, "--yes"],
        vec!["tenants", "--status", &migrated],
        vec!["tenants", "--state", &migrated],
        vec!["provision", &migrated, "--name", &migrated, "--dry-run"],
        vec!["rename", &migrated, "--name", &migrated, "--dry-run"],
        vec!["suspend", &migrated, "--dry-run"],
        vec!["archive", &migrated, "--dry-run"],
        vec!["drop", &migrated, "--dry-run"],
        vec!["purge", &migrated, "--dry-run"],
        vec!["repair", &migrated, "--dry-run"],
        vec!["import", &migrated, "--dry-run"],
        vec!["rename", &migrated, "--name", &migrated, "--yes"],
        vec![migrated.as_str()],
    ] {
        run(&arguments);
    }
    for slug in slugs.iter().flatten() {
        for more in [&[][..], &["--json"]] {
            run(&[&["tenant", slug.as_str()], more].concat());
        }
        run(&["cache", slug]);
        run(&["drop", slug, "--confirm", slug, "--yes"]);
    }
    let log = std::fs::read_to_string(fleet.home.path().join("state/tenantui/tenantui.log")).unwrap_or_default();
    assert_harmless(&log, "the log");
    let bytes = on_screen(&fleet);
    report(
        "strings through the real program",
        &format!(
            "{texts} in a registry of {rows} rows, 40 commands, the log ({} bytes), {bytes} bytes of screens",
            log.len()
        ),
    );
}

/// Pages through everything; the bytes that came.
fn on_screen(fleet: &Fleet) -> usize {
    let config = fleet.home.path().join("config.toml").display().to_string();
    let mut tty = Tty::start(&["--config", &config], 200, 50, None, &[]);
    tty.wait_for_screen();
    tty.wait_for("data live");
    for _ in 0..30 {
        tty.type_keys("\u{1b}[6~");
        tty.type_keys("yr");
        tty.wait_until_quiet(Duration::from_millis(60));
    }
    for keys in [
        "\r",
        "\t",
        "\t",
        "\t",
        "\u{1b}",
        "2",
        "i",
        "\u{1b}",
        "3",
        "\r",
        "i",
        "\u{1b}",
        "\u{1b}",
        "1",
        ":messages\r",
        ":audit\r",
        "1",
        "?",
        "\u{1b}",
        "gg",
        "M",
    ] {
        tty.type_keys(keys);
        tty.wait_until_quiet(Duration::from_millis(150));
    }
    let copied = super::terminal::clipboard(&tty).expect("a row was copied");
    assert_harmless(&copied.replace('\t', " "), "the clipboard");
    tty.signal("TERM");
    assert_eq!(tty.exit_code(PATIENCE), 143);
    wait_until(PATIENCE, "the main screen", || !tty.screen().screen().alternate_screen());
    let bytes = tty.bytes();
    assert_only_known_sequences(&bytes);
    bytes.len()
}
