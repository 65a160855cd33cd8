//! What the terminal gets, in bytes: the first picture, a key, a refresh; and nothing at all while nothing changes.
//! `scripts/terminal` prints the figures.

use std::time::Duration;

use crate::cli_fleet::Fleet;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;

/// A fleet of so many tenants besides the usual three; it is read every second.
pub fn fleet(tenants: usize, environment: &str) -> Fleet {
    let fleet = Fleet::new();
    fleet.database.sql(&format!(
        "do $$ begin for n in 1..{tenants} loop
           insert into public.tenants (slug, name, schema_name)
             values (format('shop-%s', lpad(n::text, 3, '0')), format('Shop %s', n), format('tenant_shop_%s', n));
           execute format('create schema tenant_shop_%s', n);
           execute format('create table tenant_shop_%s.schema_migrations (id bigint unique not null, applied timestamp, \
             description varchar(1024))', n);
           execute format('insert into tenant_shop_%s.schema_migrations values (20260101000000, now(), ''x'')', n);
         end loop; end $$"
    ));
    configure(&fleet, environment);
    fleet
}

/// The fleet's configuration: read every second, in this environment.
pub fn configure(fleet: &Fleet, environment: &str) {
    let block = fleet.block("eu-1", &fleet.database.url());
    let block = block.replacen("name = ", &format!("environment = \"{environment}\"\nname = "), 1);
    fleet.configure(&format!("[ui]\nrefresh = \"1s\"\n{block}"));
}

/// The dashboard on this fleet, with everything read.
pub fn dashboard(fleet: &Fleet, columns: u16, rows: u16, variables: &[(&str, &str)]) -> Tty {
    let config = fleet.home.path().join("config.toml").display().to_string();
    let tty = Tty::start(&["--config", &config], columns, rows, Some("read line; exec \"$@\""), variables);
    let mut tty = tty;
    tty.type_keys("\n");
    tty.wait_for_screen();
    tty.wait_for("data live");
    tty.wait_until_quiet(Duration::from_millis(1_500));
    tty
}

/// A key's frame has come whole when nothing more comes for this long.
const WHOLE: Duration = Duration::from_millis(250);

#[test]
fn an_idle_dashboard_sends_nothing_and_a_change_little() {
    let fleet = fleet(60, "development");
    let sizes = [(80, 24), (120, 40), (200, 50)];
    let mut all: Vec<Tty> = sizes.iter().map(|(columns, rows)| dashboard(&fleet, *columns, *rows, &[])).collect();
    let first: Vec<usize> = all.iter().map(Tty::sent).collect();
    let mut keys = vec![Vec::new(); all.len()];
    for (tty, keys) in all.iter_mut().zip(&mut keys) {
        for key in ["j", "j", "k", "j"] {
            let before = tty.sent();
            tty.type_keys(key);
            wait_until(PATIENCE, "the key's frame", || tty.sent() > before);
            tty.wait_until_quiet(WHOLE);
            keys.push(tty.sent() - before);
        }
    }
    let quiet = |how_long| all.iter().for_each(|tty| tty.wait_until_quiet(Duration::from_millis(how_long)));
    // Beside the list a tenant is read once the cursor rests on it.
    quiet(1_500);
    let before: Vec<usize> = all.iter().map(Tty::sent).collect();
    fleet.database.sql("update public.tenants set status = 'suspended' where slug = 'acme'");
    wait_until(PATIENCE, "the change", || all.iter().zip(&before).all(|(tty, before)| tty.sent() > *before));
    quiet(1_200);
    let changed: Vec<usize> = all.iter().map(Tty::sent).collect();
    let mut idle = vec![0; all.len()];
    // Three readings go by: what is waited for is that nothing comes. A loaded machine may show a slower link once.
    for _ in 0..8 {
        let before: Vec<usize> = all.iter().map(Tty::sent).collect();
        std::thread::sleep(Duration::from_secs(3));
        idle = all.iter().zip(&before).map(|(tty, before)| tty.sent() - before).collect();
        if idle.iter().all(|bytes| *bytes == 0) {
            break;
        }
    }
    for (number, (columns, rows)) in sizes.into_iter().enumerate() {
        let (least, most) = (keys[number].iter().min().expect("keys"), keys[number].iter().max().expect("keys"));
        let (change, idle) = (changed[number] - before[number], idle[number]);
        println!(
            "terminal-bytes: {columns}x{rows}: {} until all is read, {least} to {most} for a key, {change} for a refresh that \
             changed one tenant, {idle} for three that changed nothing",
            first[number]
        );
        assert_eq!(idle, 0, "{columns}x{rows}");
        let cells = usize::from(columns) * usize::from(rows);
        assert!(*most < cells && change < cells, "a key {most}, a change {change} of {cells} cells");
    }
    for tty in &mut all {
        tty.type_keys("q");
        assert_eq!(tty.exit_code(PATIENCE), 0);
    }
}
