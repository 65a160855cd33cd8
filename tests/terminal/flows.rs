//! The flows of an operator's day in the real program against real servers: to find a tenant, to see why it is behind, to
//! deal with a migration that failed, to drop a tenant and bring it back, to lose the link. Provisioning and a rollout
//! with a canary are in the test of the demo.

use std::time::Duration;

use super::bytes::{configure, dashboard};
use super::exports;
use crate::cli_fleet::Fleet;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::{own_pg, tcp, wait_until};

/// What was sent to the terminal's clipboard last.
pub fn clipboard(tty: &Tty) -> Option<String> {
    let bytes = tty.bytes();
    let at = bytes.windows(7).rposition(|part| part == b"\x1b]52;c;")? + 7;
    let rest = &bytes[at..];
    let end = rest.iter().position(|byte| *byte == 0x1b || *byte == 7)?;
    Some(String::from_utf8(decoded(&rest[..end])).expect("UTF-8"))
}

/// Base64, as OSC 52 has it.
fn decoded(digits: &[u8]) -> Vec<u8> {
    let value = |digit: &u8| match digit {
        b'A'..=b'Z' => u32::from(digit - b'A'),
        b'a'..=b'z' => u32::from(digit - b'a') + 26,
        b'0'..=b'9' => u32::from(digit - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let three = |four: &[u8]| {
        let word = four.iter().fold(0, |sum, digit| sum << 6 | value(digit));
        let padding = four.iter().filter(|digit| **digit == b'=').count();
        word.to_be_bytes()[1..4 - padding].to_vec()
    };
    digits.chunks(4).flat_map(three).collect()
}

fn esc(tty: &mut Tty) {
    tty.type_keys("\u{1b}");
    // With what follows it, it would be a key with Alt.
    tty.wait_until_quiet(Duration::from_millis(150));
}

/// Filters until one tenant is left, which Enter opens, and goes back to the list of it.
fn only(tty: &mut Tty, filter: &str, slug: &str) {
    tty.type_keys(&format!("/{filter}"));
    tty.wait_for("1/1");
    tty.type_keys("\r");
    tty.wait_for(&format!("Tenants > {slug}"));
    esc(tty);
    tty.wait_for("1/1");
}

#[test]
fn found_read_failed_and_reported() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.file("20260501000000-again", "alter table notes add column author text;");
    fleet.database.sql(
        "create function tenant_acme.wide() returns int language sql security definer as 'select 1'; \
         create function tenant_acme.tight() returns int language sql as 'select 1'",
    );
    configure(&fleet, "development");
    let mut tty = dashboard(&fleet, 80, 24, &[]);
    // 1: from anywhere, by what is known of it.
    only(&mut tty, "acm", "acme");
    esc(&mut tty);
    tty.type_keys("2");
    tty.wait_for("> Migrations");
    tty.type_keys(":acme\r");
    tty.wait_for("Tenants > acme");
    esc(&mut tty);
    // 2: why it is behind, and what it lacks.
    tty.type_keys("1:behind\r");
    tty.wait_for("filter");
    only(&mut tty, "acme", "acme");
    tty.type_keys("\r");
    tty.wait_for("2 behind");
    tty.wait_for("Why:");
    tty.type_keys("\t");
    tty.wait_for("pending");
    tty.type_keys("Gi");
    tty.wait_for("alter table notes add column author text;");
    tty.leave("alter table notes add column author text;");
    // 6: it fails, with one message; the card says why; the report is copied.
    tty.type_keys("M");
    tty.wait_for("Migrate");
    // The plan says what its files would run unawares.
    tty.wait_for("in tenant_acme: function wide()");
    tty.wait_until_quiet(Duration::from_millis(300));
    assert!(!tty.text().contains("tight()"), "{}", tty.text());
    tty.type_keys("\t\t\t\t\r");
    tty.wait_for("1 failed");
    tty.type_keys("1");
    tty.wait_for("failed 1");
    // While it was migrating, it was not behind, and the filtered list was empty: Enter had nothing to open.
    tty.wait_for(">!acme");
    tty.open("\r", "What next");
    assert!(tty.text().contains("42701"), "{}", tty.text());
    tty.type_keys("y");
    wait_until(PATIENCE, "a report", || clipboard(&tty).is_some_and(|text| text.contains("42701")));
    let report = clipboard(&tty).expect("copied");
    assert!(report.contains("acme") && report.contains("20260501000000"), "{report}");
    // R tries again; the server still says no.
    tty.open("R", "Retry");
    tty.type_keys("\t\r");
    let again = "select count(*) from tenantui.job where attempt = 2 and state in ('failed', 'paused')";
    wait_until(PATIENCE, "another try", || fleet.database.value(again) == "1");
    skipped_with_a_note(&fleet, &mut tty);
    tty.signal("TERM");
    assert_eq!(tty.exit_code(PATIENCE), 143);
}

/// From the card of the tenant that failed: the job goes on without it, and nobody is left to decide about.
fn skipped_with_a_note(fleet: &Fleet, tty: &mut Tty) {
    tty.type_keys("3");
    tty.wait_for("> Jobs");
    tty.open("\r", "42701");
    tty.open("\r", "What next");
    tty.open("K", "Skip acme in job");
    // Without a note it is not skipped.
    tty.type_keys("\t\r");
    tty.wait_for("type a note");
    tty.type_keys("ticket 4711");
    tty.wait_for("ticket 4711");
    tty.type_keys("\r");
    let note = "select coalesce(string_agg(distinct note, ','), '') from tenantui.step where note is not null";
    wait_until(PATIENCE, "the note in the record", || fleet.database.value(note).contains("ticket 4711"));
    tty.wait_for("skipped");
    tty.wait_for("failed, 1 skipped");
    let columns =
        "select count(*) from pg_attribute where attrelid = 'tenant_acme.notes'::regclass and attname = 'author'";
    assert_eq!(fleet.database.value(columns), "1", "what was done in it stays done");
}

/// Into the trash again, and then for good: both ask for a name.
fn dropped_and_purged(fleet: &Fleet, tty: &mut Tty) {
    let left =
        |like: &str| fleet.database.value(&format!("select count(*) from pg_namespace where nspname like '{like}'"));
    tty.open("D", "Type the schema name");
    tty.type_keys("tenant_beta_two\r");
    wait_until(PATIENCE, "the trash", || left("zz_dropped_%_tenant_beta_two") == "1");
    wait_until(PATIENCE, "the list to show that it is gone", || is_dropped(tty));
    let trashed = fleet.database.value("select nspname from pg_namespace where nspname like 'zz_dropped_%'");
    tty.type_keys(":purge\r");
    tty.wait_for("for good");
    tty.wait_for("Type the schema name");
    tty.wait_until_quiet(Duration::from_millis(300));
    // The tenant's name is not the schema's.
    tty.type_keys("beta-two\r");
    tty.wait_for("does not match");
    assert_eq!(left("zz_dropped_%"), "1");
    tty.type_keys("\u{15}");
    tty.type_keys(&format!("{trashed}\r"));
    tty.wait_for("purge done");
    assert_eq!(left("zz_dropped_%"), "0");
    let rows = "select count(*) from public.tenants where slug = 'beta-two'";
    assert_eq!(fleet.database.value(rows), "0");
    tty.wait_for("0/0");
}

/// Screen 4: who is in whose way, found among the rest, sorted and read in full; and on the way back what was filtered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_says_who_is_in_whose_way() {
    let fleet = Fleet::new();
    configure(&fleet, "development");
    let holder = fleet.database.connect().await;
    let hold = "set application_name = 'till-roll'; begin; lock table tenant_acme.notes in access exclusive mode";
    holder.batch_execute(hold).await.expect("held");
    let waiter = fleet.database.connect().await;
    waiter.batch_execute("set application_name = 'counter'").await.expect("set");
    let waits = tokio::spawn(async move { waiter.batch_execute("select count(*) from tenant_acme.notes").await });
    let mut tty = dashboard(&fleet, 80, 24, &[]);
    tty.type_keys("4");
    tty.wait_for("Connections");
    tty.wait_for("[Sessions");
    tty.type_keys("\t");
    tty.wait_for("[Locks 2!]");
    tty.wait_for("in the way of 1");
    tty.wait_for("counter");
    // Found among all, and the only one left.
    tty.type_keys("/till");
    tty.wait_for("1 found");
    tty.open("\r", "[Locks 1/2!]");
    assert!(!tty.text().contains("counter"), "{}", tty.text());
    tty.type_keys("\r");
    tty.wait_for("begin; lock table");
    tty.leave("begin; lock table");
    esc(&mut tty);
    tty.wait_for("[Locks 2!]");
    // The list alone, by the time they wait.
    tty.type_keys("z");
    tty.wait_for("zoomed (z)");
    assert!(!tty.text().contains("Connections"), "{}", tty.text());
    tty.type_keys("ssss");
    tty.wait_for("WAITv");
    let line = |word: &str| tty.text().lines().position(|line| line.contains(word));
    wait_until(PATIENCE, "the order", || line("counter") < line("till-roll"));
    tty.type_keys("z");
    tty.wait_for("Connections");
    // Once the way is free, nobody waits.
    holder.batch_execute("rollback").await.expect("let go");
    waits.await.expect("no panic").expect("counted");
    tty.wait_for("Nobody waits for a lock.");
    esc(&mut tty);
    tty.wait_for("TENANT^");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

/// The row of the tenant that is dropped has the registry's word.
fn is_dropped(tty: &Tty) -> bool {
    tty.text().lines().any(|line| line.contains("> beta-two") && line.contains("deleted"))
}

#[test]
fn suspended_dropped_brought_back_and_purged() {
    let fleet = Fleet::new();
    fleet.init();
    configure(&fleet, "production");
    let status = |fleet: &Fleet| fleet.database.value("select status from public.tenants where slug = 'beta-two'");
    let is_there = |fleet: &Fleet, schema: &str| {
        fleet.database.value(&format!("select count(*) from pg_namespace where nspname like '{schema}'")) == "1"
    };
    let mut tty = dashboard(&fleet, 100, 30, &[]);
    only(&mut tty, "beta-two", "beta-two");
    tty.type_keys("D");
    tty.wait_for("W opens them");
    tty.open("W", "production");
    tty.type_keys("production\r");
    tty.wait_for("WRITES ON");
    // Not before it is suspended.
    tty.type_keys("D");
    tty.wait_for("suspend");
    esc(&mut tty);
    tty.type_keys(":suspend\r");
    tty.wait_for("write the status: suspended");
    assert!(!tty.text().contains('\u{202e}'), "the name is shown harmlessly");
    tty.wait_until_quiet(Duration::from_millis(300));
    tty.type_keys("\t\t\r");
    tty.wait_for("suspend done");
    assert_eq!(status(&fleet), "suspended");
    let row = |tty: &Tty| tty.text().lines().any(|line| line.contains("> beta-two") && line.contains("suspended"));
    wait_until(PATIENCE, "the list to show it", || row(&tty));
    tty.open("D", "Type the schema name");
    tty.type_keys("tenant_beta\r");
    tty.wait_for("does not match");
    tty.type_keys("_two\r");
    // What is said fades: it is looked for first.
    tty.wait_for("drop done");
    assert!(is_there(&fleet, "zz_dropped_%_tenant_beta_two"));
    assert_eq!(status(&fleet), "deleted");
    wait_until(PATIENCE, "the list to show that it is gone", || is_dropped(&tty));
    // What the row says is known of the trash too.
    tty.open("U", "back to");
    tty.type_keys("\t\t\r");
    tty.wait_for("undrop done");
    assert!(is_there(&fleet, "tenant_beta_two"));
    assert_eq!(status(&fleet), "suspended");
    wait_until(PATIENCE, "the list to show it", || row(&tty));
    dropped_and_purged(&fleet, &mut tty);
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn a_lost_link_leaves_the_screen_and_comes_back() {
    let mut pg = own_pg(tcp());
    let fleet = Fleet::on(pg.database("flows"));
    fleet.init();
    configure(&fleet, "development");
    // These servers do not wait for their disk.
    fleet.database.sql("checkpoint");
    let mut tty = dashboard(&fleet, 100, 30, &[]);
    pg.server.stop(true);
    tty.wait_for("LINK LOST");
    tty.wait_for("Showing what was known");
    // What reads only what is known goes on; what would write says why not.
    only(&mut tty, "acme", "acme");
    let folder = tty.folder.path().to_owned();
    tty.type_keys("ec");
    wait_until(PATIENCE, "the export", || exports(&folder) == 1);
    // A try to connect that fails otherwise than the one before says so in the same line.
    tty.wait_for_answer("M", "no link");
    esc(&mut tty);
    pg.server.start_again(&pg.home).expect("started");
    tty.wait_for("back after");
    tty.wait_for("link ok");
    tty.type_keys("M");
    tty.wait_for("Migrate in");
    tty.leave("Migrate in");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}
