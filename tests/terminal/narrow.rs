//! The commands' tables on a terminal that is narrower than they are.

use super::bytes::fleet;
use crate::cli::text;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;
use tenantui::text::width;

/// What a command prints on a terminal of so many columns, line by line as it was sent: a line that is longer than the
/// terminal was cut by nobody, and would go on in the next one.
fn printed(config: &str, arguments: &[&str], columns: u16) -> String {
    let all = [&["--config", config][..], arguments].concat();
    let mut tty = Tty::start(&all, columns, 40, None, &[]);
    assert_eq!(tty.exit_code(PATIENCE), 0, "{arguments:?}: {}", tty.text());
    wait_until(PATIENCE, "the table", || String::from_utf8_lossy(&tty.bytes()).contains('\n'));
    String::from_utf8_lossy(&tty.bytes()).replace('\r', "")
}

/// Lines of the table: those below its heads, up to what is said beside it.
fn rows<'t>(printed: &'t str, head: &str) -> Vec<&'t str> {
    let from = printed.lines().skip_while(|line| !line.starts_with(head));
    from.take_while(|line| !line.is_empty() && !line.contains(" tenants: ")).collect()
}

#[test]
fn tables_fit_into_eighty_columns_and_are_whole_in_a_pipe() {
    let fleet = fleet(3, "development");
    fleet.init();
    let database = &fleet.database;
    let long = "a-customer-with-a-name-that-is-longer-than-most-of-the-others";
    let schema = format!("tenant_{}", &long.replace('-', "_")[..50]);
    database.sql(&format!(
        "insert into public.tenants (slug, name, schema_name) values ('{long}', '日本の顧客', '{schema}'); create schema {schema}; \
         create table {schema}.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024)); \
         insert into {schema}.schema_migrations values (20260101000000, now(), 'x')"
    ));
    // A job with an end worth reading, one in the trash, and an audit of both.
    fleet.expect(4, &["migrate", long, "--yes"]);
    database.sql("update public.tenants set status = 'suspended' where slug = 'shop-001'");
    fleet.expect(0, &["drop", "shop-001", "--confirm", "tenant_shop_1", "--yes"]);
    let config = fleet.home.path().join("config.toml").display().to_string();
    for (arguments, head) in [
        (&["tenants"][..], "TENANT"),
        (&["jobs"], "ID"),
        (&["job", "1"], "DATABASE"),
        (&["job", "1"], "TENANT"),
        (&["undrop"], "TENANT"),
        (&["audit"], "AT"),
        (&["migrations"], "VERSION"),
        (&["tenant", long], "TABLE"),
    ] {
        let piped = text(&fleet.expect(0, arguments).stdout);
        let whole = rows(&piped, head);
        assert!(whole.len() > 1, "{arguments:?}: {piped}");
        for columns in [80, 60] {
            let printed = printed(&config, arguments, columns);
            let table = rows(&printed, head);
            assert!(table.len() >= whole.len(), "{arguments:?} on {columns}: {printed}");
            let most = table.iter().map(|line| width(line)).max().unwrap_or(0);
            assert!(most <= usize::from(columns), "{arguments:?} on {columns} has {most}: {printed}");
        }
        // Where there is room nothing is cut.
        let wide = printed_wide(&config, arguments);
        for line in &whole {
            assert!(wide.contains(line), "{arguments:?}: {line}\n{wide}");
        }
    }
    let job = printed(&config, &["job", "1"], 80);
    let words: Vec<&str> = rows(&job, "TENANT").iter().flat_map(|row| row.split_whitespace()).collect();
    assert!(words.join(" ").ends_with("relation \"notes\" does not exist"), "why it failed is read whole: {job}");
    let doctor = printed(&config, &["doctor"], 80);
    assert!(doctor.lines().all(|line| width(line) <= 80), "{doctor}");
    let jobs = printed(&config, &["jobs"], 60);
    assert!(jobs.contains("no room for ") && jobs.contains("a wider terminal has it"), "{jobs}");
}

fn printed_wide(config: &str, arguments: &[&str]) -> String {
    printed(config, arguments, 1000)
}
