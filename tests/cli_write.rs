//! The commands that write, on a real fleet: consent, results, exit statuses, and what they leave in the database.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cli::{fields, json, text};
use crate::cli_fleet::{Fleet, slugs, tenant};
use crate::support::{pg, program, wait_until};

#[test]
fn nothing_is_written_before_init_and_without_consent() {
    let fleet = Fleet::new();
    assert_eq!(fleet.json(0, &["jobs", "--json"]), json!({"jobs": []}));
    for order in [&["migrate", "acme", "--yes"][..], &["provision", "new-one", "--name", "New", "--yes"]] {
        let words = text(&fleet.expect(5, order).stderr);
        assert!(words.contains("tenantui init"), "{words}");
    }
    assert!(text(&fleet.expect(0, &["init", "--dry-run"]).stderr).contains("create the schema tenantui"));
    assert!(text(&fleet.expect(5, &["init"]).stderr).contains("--yes"));
    fleet.expect(5, &["--read-only", "init", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from pg_namespace where nspname = 'tenantui'"), "0");
    fleet.init();
    assert!(text(&fleet.expect(0, &["init", "--yes"]).stderr).contains("nothing to do"));
    for refused in [
        &["migrate", "acme"][..],
        &["--read-only", "migrate", "acme", "--yes"],
        &["provision", "new-one", "--name", "New"],
        &["--read-only", "provision", "new-one", "--name", "New", "--yes"],
    ] {
        let output = fleet.expect(5, refused);
        assert!(output.stdout.is_empty(), "{refused:?}");
    }
    fleet.expect(5, &["--read-only", "worker", "--once"]);
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&block.replace("[database.migrations]", "read_only = true\n[database.migrations]"));
    fleet.expect(5, &["migrate", "acme", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    assert_eq!(fleet.database.value("select count(*) from public.tenants"), "3");
}

#[test]
fn a_role_that_may_not_write_by_its_settings_is_refused_in_words() {
    let fleet = Fleet::new();
    fleet.init();
    let role = pg().role("reading");
    pg().admin(&format!("alter role {role} superuser; alter role {role} set default_transaction_read_only = on"));
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&role)));
    let words = text(&fleet.expect(5, &["migrate", "acme", "--yes"]).stderr);
    assert!(words.contains("default_transaction_read_only") && words.contains("25006"), "{words}");
}

#[test]
fn provision_makes_a_tenant_once() {
    let fleet = Fleet::new();
    fleet.init();
    let plan = fleet.json(0, &["provision", "blue-fox", "--name", "Blue Fox Ltd", "--dry-run", "--json"]);
    assert_eq!(plan["schema"], "tenant_blue_fox");
    assert_eq!(plan["migrations"].as_array().map(Vec::len), Some(3));
    assert_eq!(fleet.database.value("select count(*) from public.tenants where slug = 'blue-fox'"), "0");
    let made = fleet.json(0, &["provision", "blue-fox", "--name", "Blue Fox Ltd", "--yes", "--json"]);
    assert_eq!(fields(&made), ["jobs", "tenants"]);
    let row = tenant(&made, "tenant", "blue-fox");
    assert_eq!((row["result"].as_str(), row["version"].as_str()), (Some("done"), Some("20260301000000")));
    assert_eq!(fleet.database.value("select count(*) from tenant_blue_fox.schema_migrations"), "3");
    assert_eq!(
        fleet.database.value("select status || name from public.tenants where slug = 'blue-fox'"),
        "activeBlue Fox Ltd"
    );
    let again = text(&fleet.expect(5, &["provision", "blue-fox", "--name", "Again", "--yes"]).stderr);
    assert!(again.contains("blue-fox"), "{again}");
    // A schema that is there already is never reused.
    fleet.expect(5, &["provision", "lost", "--name", "Lost", "--yes"]);
    for (slug, part) in [("Bad_Slug", "_"), ("-x", "-"), ("", "")] {
        let words = text(&fleet.expect(2, &["provision", "--name", "X", "--yes", "--", slug]).stderr);
        assert!(words.contains(part), "{words}");
    }
    fleet.expect(2, &["provision", "fine", "--name", " ", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "1");
}

#[test]
fn migrate_tells_every_tenant_and_leaves_out_by_name() {
    let fleet = Fleet::new();
    fleet.init();
    let dry = fleet.json(4, &["migrate", "--all", "--dry-run", "--json"]);
    let plan = &dry["plans"][0];
    assert_eq!(plan["tenants"].as_array().map(Vec::len), Some(1));
    assert_eq!((plan["tenants"][0]["tenant"].as_str(), plan["up_to_date"].as_u64()), (Some("acme"), Some(1)));
    assert_eq!(plan["left_out"][0]["tenant"], "gone");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    fleet.expect(1, &["migrate", "acme", "nobody", "--yes"]);
    let done = fleet.json(4, &["migrate", "--all", "--yes", "--json"]);
    let acme = tenant(&done, "tenant", "acme");
    assert_eq!((acme["result"].as_str(), acme["version"].as_str()), (Some("done"), Some("20260301000000")));
    assert_eq!(tenant(&done, "tenant", "gone")["result"], "left out");
    assert_eq!((&done["jobs"][0]["state"], done["tenants"].as_array().map(Vec::len)), (&json!("done"), Some(2)));
    assert_eq!(
        fleet
            .database
            .value("select count(*) from pg_indexes where indexname = 'notes_author' and schemaname = 'tenant_acme'"),
        "1"
    );
    // Nothing pending: no job.
    let again = fleet.expect(0, &["migrate", "acme", "beta-two", "--yes"]);
    assert!(again.stdout.is_empty() && text(&again.stderr).contains("nothing is pending"));
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "1");
    let jobs = fleet.json(0, &["jobs", "--json"]);
    let job = &jobs["jobs"][0];
    assert_eq!(
        fields(job),
        [
            "attempt",
            "blocked",
            "created_by",
            "database",
            "done",
            "failed",
            "id",
            "kind",
            "pending",
            "skipped",
            "state",
            "total",
            "worker"
        ]
    );
    let id = job["id"].to_string();
    let one = fleet.json(0, &["job", &id, "--json"]);
    assert_eq!(
        (one["jobs"][0]["kind"].as_str(), &tenant(&one, "tenant", "acme")["result"]),
        (Some("migrate"), &json!("done"))
    );
    assert!(text(&fleet.expect(0, &["jobs"]).stdout).contains("migrate"));
    assert!(text(&fleet.expect(0, &["job", &id, "follow"]).stdout).contains("acme"));
    fleet.expect(5, &["job", &id, "resume", "--yes"]);
    fleet.expect(1, &["job", "4711"]);
    fleet.expect(0, &["worker", "--once"]);
    fleet.expect(0, &["worker", "--drain"]);
}

#[test]
fn a_name_that_is_never_migrated_is_refused_and_not_passed_over() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql("update public.tenants set status = 'deleted' where slug = 'acme'");
    for (name, why) in [("acme", "deleted"), ("tenant_lost", "without a row")] {
        let words = text(&fleet.expect(5, &["migrate", name, "--yes"]).stderr);
        assert!(words.contains(why) && !words.contains("nothing is pending"), "{words}");
    }
    fleet.expect(4, &["migrate", "--all", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
}

#[test]
fn a_dry_run_says_what_would_be_refused() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.file("20260401000000-index", "-- :disable-transaction\nvacuum notes;\nvacuum notes;");
    for order in [&["migrate", "acme"][..], &["provision", "new-one", "--name", "New"]] {
        for end in ["--dry-run", "--yes"] {
            let output = fleet.expect(5, &[order, &[end]].concat());
            // The plan says it where there is one, the refusal where there is none.
            let words = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert!(
                words.contains(
                    "20260401000000-index.up.sql:2: runs outside of a transaction and has several statements"
                ),
                "{order:?} {end}: {words}"
            );
        }
    }
    fleet.file("20260401000000-index", "commit;");
    for order in [&["migrate", "acme", "--yes"][..], &["provision", "new-one", "--name", "New", "--dry-run"]] {
        let words = text(&fleet.expect(5, order).stderr);
        assert!(words.contains("allow = [\"20260401000000:transaction-control\"]"), "{order:?}: {words}");
    }
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
}

#[test]
fn a_failing_tenant_is_told_with_the_servers_words_and_can_be_retried() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.tenant("clash", "Clash", 2);
    fleet.database.sql("create table tenant_clash.notes_author (x int)");
    let done = fleet.json(4, &["migrate", "acme", "clash", "--canary", "0", "--yes", "--json"]);
    let clash = tenant(&done, "tenant", "clash");
    assert_eq!((clash["result"].as_str(), clash["sqlstate"].as_str()), (Some("failed"), Some("42P07")));
    assert!(clash["message"].as_str().is_some_and(|words| words.contains("notes_author")), "{clash}");
    assert_eq!(tenant(&done, "tenant", "acme")["result"], "done");
    fleet.database.sql("drop table tenant_clash.notes_author");
    let id = done["jobs"][0]["id"].to_string();
    fleet.expect(5, &["job", &id, "retry"]);
    let retried = fleet.json(0, &["job", &id, "retry", "--yes", "--json"]);
    assert_eq!(tenant(&retried, "tenant", "clash")["result"], "done");
}

#[test]
fn a_file_that_would_break_its_transaction_is_refused_at_plan_time() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.file("20260401000000-commit", "create table t (id int);\ncommit;");
    let output = fleet.expect(5, &["migrate", "acme", "--yes"]);
    let words = text(&output.stderr);
    assert!(words.contains("20260401000000-commit.up.sql:2"), "{words}");
    let dry = fleet.json(5, &["migrate", "acme", "--dry-run", "--json"]);
    assert_eq!(dry["plans"][0]["refusals"][0]["line"], 2);
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    // Up to the version before, it can be migrated.
    fleet.expect(0, &["migrate", "acme", "--to", "20260301000000", "--yes"]);
    fleet.expect(2, &["migrate", "acme", "--to", "1999", "--dry-run"]);
}

#[test]
fn a_signal_pauses_the_job_and_resume_ends_it() {
    let fleet = Fleet::new();
    fleet.init();
    for slug in ["one", "two"] {
        fleet.tenant(slug, slug, 3);
    }
    fleet.file("20260501000000-slow", "select pg_sleep(2);\n--;;\ncreate table slow (id int);");
    let child = std::process::Command::new(program())
        .env_clear()
        .env("HOME", fleet.home.path())
        .arg("--config")
        .arg(fleet.home.path().join("config.toml"))
        .args(["migrate", "one", "two", "acme", "--parallel", "1", "--canary", "0", "--yes", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let pid = Pid::from_child(&child);
    let asleep = || {
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = '{}' and query like '%pg_sleep(2)%' and state = 'active' and pid <> pg_backend_pid()",
            fleet.database.name
        );
        fleet.database.value(&sql) != "0"
    };
    wait_until(Duration::from_secs(20), "the slow migration", asleep);
    kill_process(pid, Signal::TERM).expect("sent");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(143), "{:?} {}", output.status, text(&output.stderr));
    let document = json(&output);
    assert_eq!(document["jobs"][0]["state"], "paused", "{document}");
    assert_eq!(document["jobs"][0]["done"], 1, "the running step was finished: {document}");
    let busy = text(&fleet.expect(5, &["migrate", "two", "--yes"]).stderr);
    let id = document["jobs"][0]["id"].to_string();
    assert!(busy.contains(&format!("job {id}")) && busy.contains("resume"), "{busy}");
    let resumed = fleet.json(0, &["job", &id, "resume", "--yes", "--json"]);
    assert_eq!(resumed["jobs"][0]["done"], 3);
    assert_eq!(fleet.database.value("select count(*) from pg_tables where tablename = 'slow'"), "3");
}

#[test]
fn init_makes_a_registry_where_there_is_none() {
    let fleet = Fleet::new();
    let empty = pg().database("cli");
    fleet.configure(&fleet.block("eu-1", &empty.url()));
    fleet.expect(5, &["init", "--registry"]);
    fleet.expect(0, &["init", "--registry", "--dry-run"]);
    assert_eq!(
        empty.value("select to_regclass('public.tenants') is null and to_regnamespace('tenantui') is null"),
        "t"
    );
    fleet.expect(0, &["init", "--registry", "--yes"]);
    let again = text(&fleet.expect(0, &["init", "--registry", "--yes"]).stderr);
    assert!(again.contains("nothing to do"), "{again}");
    let document = fleet.json(0, &["tenants", "--json"]);
    assert_eq!((document["databases"][0]["layout"].as_str(), slugs(&document).len()), (Some("boundary"), 0));
    fleet.expect(0, &["provision", "first-one", "--name", "First", "--yes"]);
    assert_eq!(empty.value("select schema_name || status from public.tenants"), "tenant_first_oneactive");
    let refused = |values: &str| {
        empty
            .try_sql(&format!("insert into public.tenants (slug, name, schema_name, status) values ({values})"))
            .is_err()
    };
    assert!(refused("'x', 'X', 'tenant_x', 'happy'") && refused("'first-one', 'X', 'tenant_y', 'active'"));
    assert!(refused(&format!("'y', 'Y', '{}', 'active'", "\u{e9}".repeat(40))), "bytes are counted, not characters");
    assert_eq!(empty.value("select count(*) from tenantui.audit where target = 'public.tenants'"), "1");
    // A registry that is there is left alone.
    let theirs = pg().database("cli");
    theirs.sql("create table public.tenants (slug text)");
    fleet.configure(&fleet.block("eu-1", &theirs.url()));
    fleet.expect(0, &["init", "--registry", "--yes"]);
    assert_eq!(
        theirs.value("select count(*) from pg_attribute where attrelid = 'public.tenants'::regclass and attnum > 0"),
        "1"
    );
}
