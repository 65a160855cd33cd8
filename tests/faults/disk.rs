//! Disks that are full: the program's own output, and the server's data.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fleet::{Fleet, LONG};
use super::kills::MIGRATE;
use super::report;
use crate::support::{own_pg, pg, program, tcp};

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_our_output_stops_no_job() {
    let mut fleet = Fleet::new(pg(), 2, Duration::ZERO);
    fleet.undisturbed();
    fleet.reset();
    let config = fleet.home.path().join("config.toml");
    let run = |arguments: &[&str]| {
        let full = || OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
        Command::new(program())
            .env_clear()
            .env("HOME", fleet.home.path())
            .arg("--config")
            .arg(&config)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .expect("runs")
    };
    for arguments in [&["tenants", "--json"][..], &["jobs"], &[&MIGRATE[..], &["--json"]].concat()] {
        let output = run(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains("No space left") && !err.contains("this is a bug"), "{arguments:?}: {err}");
    }
    fleet.check("a full disk under the output");
    assert!(fleet.watch.open(&fleet.db).is_empty(), "the job was run to its end all the same");
    fleet.finish("a full disk under the output");
    report("full disk under our output", "3 commands say so and exit 1, the job is done");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_of_the_server_fails_the_step_and_nothing_else() {
    let pg = own_pg(tcp());
    let mut fleet = Fleet::new(&pg, 3, Duration::ZERO);
    fleet.undisturbed();
    fleet.reset();
    fleet.watch.may_fail = true;
    // 24 MiB in one file. A segment of the log has 16 and still fits below the limit, as on a disk of its own.
    let large = "create table large (t text);\n--;;\nalter table large alter t set storage plain;\n--;;\n\
                 insert into large select repeat(md5(i::text), 60) from generate_series(1, 12000) i;";
    std::fs::write(fleet.home.path().join("migrations/105-large.up.sql"), large).expect("a file");
    // Of the postmaster, as its own user: what it starts from now on inherits the limit.
    let limit = |bytes: &str| {
        // It takes what COPY writes first: one that ends before that breaks the pipe.
        let program = format!("cat > /dev/null && prlimit --pid {} --fsize={bytes}:", pg.server.id());
        fleet.db.sql(&format!("copy (select 1) to program '{program}'"));
    };
    limit("18874368");
    let end = fleet.start(&[&MIGRATE[..], &["--json"]].concat()).wait(LONG);
    let said = format!("exit {:?}: {}\n{}", end.code, end.out, end.err);
    limit("unlimited");
    fleet.check(&said);
    assert_eq!(end.code, Some(4), "{said}");
    assert!(said.contains("could not extend file") || said.contains("File too large"), "{said}");
    let left = fleet.db.value("select count(*) from pg_class where relname = 'large'");
    assert_eq!(left, "0", "the step was rolled back: {said}");
    let ledgers = fleet.db.value("select count(*) from tenantui.step where state = 'done' and version = '103' and job_id = (select max(id) from tenantui.job)");
    assert_eq!(ledgers, "3", "what was committed before stays: {said}");
    let job = fleet.watch.open(&fleet.db)[0].job;
    let end = fleet.must(0, &["job", &job.to_string(), "retry", "--yes"]);
    assert_eq!(fleet.db.value("select count(*) from pg_class where relname = 'large'"), "3", "{}", end.err);
    fleet.check("a retry when there is room again");
    report("full disk of the server", "the step failed and left nothing; done when there was room");
}
