//! `provision` from the command: files of tenants, what is there already, roles and seeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cli::{fields, json, text};
use crate::cli_fleet::{Fleet, slugs, tenant};
use crate::support::{own_pg, pg, program, tcp, wait_until};

fn csv(fleet: &Fleet, text: &str) -> PathBuf {
    let path = fleet.home.path().join("tenants.csv");
    fs::write(&path, text).expect("written");
    path
}

fn from(path: &Path, more: &[&str]) -> Vec<String> {
    let words = ["provision", "--from", path.to_str().expect("a path")].into_iter().chain(more.iter().copied());
    words.map(str::to_owned).collect()
}

fn run(fleet: &Fleet, code: i32, path: &Path, more: &[&str]) -> std::process::Output {
    let words = from(path, more);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    fleet.expect(code, &words)
}

#[test]
fn a_file_of_tenants_is_made_and_made_again_without_harm() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql(
        "alter table public.tenants add column plan text check (plan in ('free', 'pro')), add column settings jsonb",
    );
    let path =
        csv(&fleet, "slug,name,plan,settings\none,One Ltd,pro,\"{\"\"a\"\": 1}\"\ntwo,Two Ltd,,\nacme,ACME Corp,,\n");
    let dry = json(&run(&fleet, 0, &path, &["--dry-run", "--json"]));
    assert_eq!((dry["tenants"].as_array().map(Vec::len), &dry["present"]), (Some(2), &json!(["acme"])), "{dry}");
    assert_eq!(dry["tenant"], json!(null));
    let made = json(&run(&fleet, 0, &path, &["--yes", "--json"]));
    assert_eq!(fields(&made), ["jobs", "tenants"]);
    for slug in ["one", "two"] {
        let row = tenant(&made, "tenant", slug);
        assert_eq!((row["result"].as_str(), row["version"].as_str()), (Some("done"), Some("20260301000000")));
    }
    let there = tenant(&made, "tenant", "acme");
    assert_eq!((there["result"].as_str(), there["message"].as_str()), (Some("done"), Some("already provisioned")));
    let row = "select name || plan || (settings->>'a') from public.tenants where slug = 'one'";
    assert_eq!(fleet.database.value(row), "One Ltdpro1");
    // Once more: nothing is left to do, and no job is made.
    let again = json(&run(&fleet, 0, &path, &["--yes", "--json"]));
    assert_eq!((again["jobs"].as_array().map(Vec::len), again["tenants"].as_array().map(Vec::len)), (Some(0), Some(3)));
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "1");
    // What is there in another form is named with its line, and nothing is done.
    let path = csv(
        &fleet,
        "slug,name,plan,settings\nthree,Three,,\none,Other,,\ntwo,Two Ltd,pro,\none-more,X,,\nacme,ACME Corp,,\"{\"\"b\"\": 2}\"\n",
    );
    let words = text(&run(&fleet, 5, &path, &["--yes"]).stderr);
    for wanted in [
        "tenants.csv:3: the tenant one exists already, and not as it is asked for: its name is \"One Ltd\"",
        "tenants.csv:4: the tenant two exists already, and not as it is asked for: its plan is none",
        "tenants.csv:6: the tenant acme exists already, and not as it is asked for: its settings are others",
        "3 lines of it are wrong",
    ] {
        assert!(words.contains(wanted), "{wanted} in {words}");
    }
    // Names that the layout refuses and schemas that are left over, each with its line.
    let path = csv(&fleet, "slug,name\nBad_Slug,B\nlost,Lost\nfine,Fine\n");
    let words = text(&run(&fleet, 2, &path, &["--yes"]).stderr);
    assert!(words.contains("tenants.csv:2: \"Bad_Slug\" cannot be a tenant"), "{words}");
    assert!(
        words.contains("tenants.csv:3: the schema \"tenant_lost\" exists already") && words.contains("repair"),
        "{words}"
    );
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "1");
    assert!(!slugs(&fleet.json(0, &["tenants", "--json"])).contains(&"three"));
}

/// Whatever is wrong with a file is told before anything is planned, with the line as an editor counts it.
#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line_before_any_plan() {
    let fleet = Fleet::new();
    fleet.init();
    let told = |code: i32, file: &str, wanted: &[&str]| {
        let path = csv(&fleet, file);
        for how in ["--dry-run", "--yes"] {
            let end = run(&fleet, code, &path, &[how]);
            let words = text(&end.stderr);
            for wanted in wanted {
                assert!(words.contains(wanted), "{wanted} in {words}");
            }
            assert!(end.stdout.is_empty() && !words.contains("make "), "a plan: {words}");
        }
    };
    told(2, "slug,nam\na-b,B\n", &["tenants.csv:1: the line of heads names a column \"nam\""]);
    told(2, "\r\n\r\nslug,nam\r\na-b,B\r\n", &["tenants.csv:3: the line of heads"]);
    told(2, "slug\na-b\n", &["tenants.csv:1: the line of heads does not name name"]);
    told(2, "slug,name,slug\n", &["tenants.csv:1: the line of heads names slug twice"]);
    told(2, "", &["tenants.csv:1: the line of heads does not name slug"]);
    // Every bad line, each with its own number, and with what the layout says of the others.
    told(
        2,
        "slug,name\r\nfine,Fine\r\n\r\nshort\r\n\r\nBad_Slug,B\r\nlong,L,more\r\n\"a\",\"two\r\nlines\"\r\nlast,\r\n",
        &[
            "tenants.csv:4: it has 1 field, and the line of heads has 2: slug,name",
            "tenants.csv:6: \"Bad_Slug\" cannot be a tenant",
            "tenants.csv:7: it has 3 fields, and the line of heads has 2: slug,name",
            "tenants.csv:8: \"a\" cannot be a tenant",
            "tenants.csv:10: the name is empty",
            "5 lines of it are wrong",
        ],
    );
    // What the registry has no place for, or does not allow.
    told(
        5,
        "slug,name,plan,settings\nfine,Fine,,\nplanned,P,pro,\nset-up,S,,{}\n",
        &[
            "tenants.csv:3: this registry has no column for a plan",
            "tenants.csv:4: this registry has no column for settings",
        ],
    );
    fleet.database.sql(
        "alter table public.tenants add column plan text check (plan in ('free', 'pro')), add column settings jsonb",
    );
    told(
        2,
        "slug,name,plan,settings\nfine,Fine,pro,\nplanned,P,gold,\nset-up,S,,{x\n",
        &[
            "tenants.csv:3: the registry does not allow \"gold\" in column plan",
            "tenants.csv:4: the settings are no JSON",
            "2 lines of it are wrong",
        ],
    );
    std::fs::write(fleet.home.path().join("tenants.csv"), b"slug,name\nfine,Fine\nodd,\xff\n").expect("written");
    let words = text(&run(&fleet, 2, &fleet.home.path().join("tenants.csv"), &["--yes"]).stderr);
    assert!(words.contains("tenants.csv:3: name is no UTF-8"), "{words}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
}

/// Also what only the server would say: of a role that is there, of settings that are JSON and no jsonb.
#[test]
fn roles_that_are_there_and_settings_that_jsonb_refuses_are_told_with_their_lines() {
    let server = own_pg(tcp());
    let fleet = Fleet::on(server.database("lines"));
    fleet.init();
    fleet.database.sql(
        "alter table public.tenants add column plan text check (plan in ('free', 'pro')), add column settings jsonb; \
         create role tenant_held login; create role tenant_kept login",
    );
    let path = csv(
        &fleet,
        "slug,name,plan,settings\nheld,H,,\nset-up,S,,\"{\"\"a\"\":\"\"\\u0000\"\"}\"\nfine,F,pro,\"{\"\"b\"\":1}\"\nkept,K,gold,\n\
         half,H,,\"{\"\"a\"\":\"\"\\ud800\"\"}\"\nfar,F,,\"{\"\"a\"\":1e-20000}\"\n",
    );
    for (how, roles) in [(&["--role", "--dry-run"][..], true), (&["--role", "--yes"], true), (&["--yes"], true)] {
        let end = run(&fleet, 2, &path, how);
        let words = text(&end.stderr);
        for wanted in [
            "tenants.csv:3: the settings have a character that PostgreSQL keeps nowhere, \\u0000 (a)",
            "tenants.csv:5: the registry does not allow \"gold\" in column plan",
            "tenants.csv:6: the settings are no JSON",
            "tenants.csv:7: the settings have a number that PostgreSQL's jsonb does not keep, 1e-20000",
        ] {
            assert!(words.contains(wanted), "{wanted} in {words}");
        }
        let of_role = ["tenants.csv:2: the role tenant_held exists", "tenants.csv:5: the role tenant_kept exists"];
        assert!(of_role.iter().all(|wanted| words.contains(wanted) == roles), "{words}");
        assert!(end.stdout.is_empty() && !words.contains("make "), "a plan: {words}");
    }
    // One alone, and one whose settings would be compared.
    for slug in ["alone", "acme"] {
        let arguments =
            ["provision", slug, "--name", "ACME Corp", "--settings", "{\"a\":{\"b\":\"\\u0000\"}}", "--dry-run"];
        let words = text(&fleet.expect(2, &arguments).stderr);
        assert!(words.contains("\\u0000 (a.b): write them without"), "{words}");
    }
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
}

/// Where no table lists the tenants, too.
#[test]
fn a_file_where_there_is_no_registry_is_judged_line_by_line() {
    let server = own_pg(tcp());
    let fleet = Fleet::on(server.database("lines"));
    let schemas = ["public", "zeta"].map(|schema| {
        format!(
            "create schema if not exists {schema}; create table {schema}.task_executions (id int); create table \
             {schema}.contexts (id int); create table {schema}.__diesel_schema_migrations (version varchar(50) primary key, \
             run_on timestamp not null default now());"
        )
    });
    let db = server.database("unlisted");
    db.sql(&schemas.concat());
    db.sql("create role held login");
    fleet.configure(&fleet.block("eu-1", &db.url()));
    fleet.init();
    fleet.expect(0, &["drop", "zeta", "--confirm", "zeta", "--yes"]);
    let path = csv(&fleet, "slug,name,plan\nfine,F,\nheld,H,\nzeta,Z,\nplanned,P,pro\n");
    for how in ["--dry-run", "--yes"] {
        let end = run(&fleet, 5, &path, &[how]);
        let words = text(&end.stderr);
        for wanted in [
            "tenants.csv:3: the role held exists already",
            "tenants.csv:4: \"zeta\" is in the trash, and could not come back",
            "tenants.csv:5: this database has no registry, and so no column for a plan",
            "3 lines of it are wrong",
        ] {
            assert!(words.contains(wanted), "{wanted} in {words}");
        }
        assert!(end.stdout.is_empty() && !words.contains("make "), "a plan: {words}");
    }
}

/// What stopped with its process goes on when it is asked for again, and not when something else is.
#[test]
fn a_run_that_was_asked_to_end_is_finished_by_the_same_command() {
    let fleet = Fleet::new();
    fleet.init();
    let path = csv(&fleet, "slug,name\nfirst,First\nsecond,Second\n");
    fleet.file("20260501000000-slow", "select pg_sleep(1.5);");
    let child = std::process::Command::new(program())
        .env_clear()
        .env("HOME", fleet.home.path())
        .arg("--config")
        .arg(fleet.home.path().join("config.toml"))
        .args(from(&path, &["--parallel", "1", "--yes"]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let asleep = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and query like '%pg_sleep(1.5)%' and pid <> pg_backend_pid()",
        fleet.database.name
    );
    wait_until(Duration::from_secs(20), "the first tenant", || fleet.database.value(&asleep) != "0");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("sent");
    assert_eq!(child.wait_with_output().expect("ends").status.code(), Some(143));
    let words = text(&fleet.expect(5, &["provision", "third", "--name", "Third", "--yes"]).stderr);
    assert!(!words.contains("finished first"), "{words}");
    let words = text(&run(&fleet, 0, &path, &["--yes"]).stderr);
    assert!(words.contains("is paused; it is finished first"), "{words}");
    let made = "select count(*) from public.tenants where slug in ('first', 'second')";
    assert_eq!(fleet.database.value(made), "2");
}

#[test]
fn one_tenant_that_is_there_as_asked_is_already_provisioned() {
    let fleet = Fleet::new();
    fleet.init();
    let same = ["provision", "acme", "--name", "ACME Corp", "--yes", "--json"];
    let there = fleet.json(0, &same);
    assert_eq!(tenant(&there, "tenant", "acme")["message"], "already provisioned");
    let roled = ["provision", "acme", "--name", "ACME Corp", "--role", "--yes"];
    let words = text(&fleet.expect(5, &roled).stderr);
    assert!(words.contains("not as it is asked for: it has no login role tenant_acme"), "{words}");
    for part in ["CREATE ROLE \"tenant_acme\" LOGIN", "ON SCHEMA \"tenant_acme\"", "\\password tenant_acme"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let words = text(&fleet.expect(5, &["provision", "acme", "--name", "Other", "--yes"]).stderr);
    assert!(words.contains("its name is \"ACME Corp\""), "{words}");
    fleet.database.sql("update public.tenants set status = 'suspended' where slug = 'acme'");
    assert!(text(&fleet.expect(5, &same).stderr).contains("it is suspended"));
    fleet
        .database
        .sql("update public.tenants set status = 'active' where slug = 'acme'; drop schema tenant_acme cascade");
    assert!(text(&fleet.expect(5, &same).stderr).contains("its registry row has no schema"));
    fleet.database.sql("create schema tenant_acme");
    assert!(text(&fleet.expect(5, &same).stderr).contains("there and empty"));
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    fleet.expect(2, &["provision", "acme"]);
    fleet.expect(2, &["provision", "acme", "--name", "A", "--from", "x.csv"]);
    fleet.expect(2, &["provision", "acme", "--name", "A", "--parallel", "3"]);
}

#[test]
fn one_new_tenant_costs_the_ledgers_of_a_few_others() {
    let fleet = Fleet::new();
    fleet.init();
    // In the order of the list: thirty that are behind, thirty that are up to date, thirty that are behind.
    fleet.database.sql(
        "do $$ declare n int; own text; begin for n in 1..90 loop
             own := 'tenant_many_' || lpad(n::text, 2, '0');
             insert into public.tenants (slug, name, schema_name) values ('many-' || lpad(n::text, 2, '0'), 'Many', own);
             execute format('create schema %I', own);
             perform set_config('search_path', own, true);
             execute 'create table schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))';
             execute 'insert into schema_migrations values (20260101000000, now(), ''create-notes'')';
             execute 'create table notes (id bigint primary key, body text not null)';
             if n between 31 and 60 then
                 execute 'insert into schema_migrations values (20260201000000, now(), ''add-author''), (20260301000000, now(), ''index-author'')';
                 execute 'alter table notes add column author text; create index notes_author on notes (author)';
             end if;
         end loop; end $$",
    );
    let scans = |schema: &str| {
        let sql = "select coalesce(sum(seq_scan), 0) from pg_stat_user_tables where relname = 'schema_migrations'";
        fleet.database.value(&format!("{sql} and schemaname like '{schema}'")).parse::<u32>().expect("a number")
    };
    // A session's statistics arrive when it ends; making the ledger's index scanned it once.
    let limit = Duration::from_secs(20);
    wait_until(limit, "what making them did is counted", || scans("tenant_many_%") == 90);
    let told = text(&fleet.expect(0, &["provision", "newest", "--name", "N", "--yes"]).stderr);
    assert!(told.contains("structure compared with beta-two: the same"), "{told}");
    wait_until(limit, "the look at a ledger is counted", || scans("tenant_many_31") > 1);
    assert_eq!((scans("tenant_many_61"), scans("tenant_many_90")), (1, 1), "enough siblings were found before them");
    // Who is asked for is read, wherever it stands.
    let there = fleet.json(0, &["provision", "many-90", "--name", "Many", "--yes", "--json"]);
    let row = tenant(&there, "tenant", "many-90");
    assert_eq!(
        (row["message"].as_str(), row["version"].as_str()),
        (Some("already provisioned"), Some("20260101000000"))
    );
    // So with the other orders for one: nobody asks how the rest stands.
    fleet.expect(0, &["migrate", "many-90", "--yes"]);
    wait_until(limit, "the migration is counted", || scans("tenant_many_90") > 1);
    fleet.database.sql("insert into tenant_many_90.schema_migrations values (-1, now(), 'tool')");
    let mended = text(&fleet.expect(0, &["repair", "many-90", "--by", "unlock", "--yes"]).stderr);
    assert!(mended.contains("many-90"), "{mended}");
    assert_eq!(scans("tenant_many_61"), 1, "one that nobody named");
}

#[test]
fn a_role_is_made_with_its_password_as_data_and_a_seed_runs() {
    let fleet = Fleet::new();
    fleet.init();
    let slug = pg().role("cli").replace('_', "-");
    let seed = fleet.home.path().join("seed.sql");
    fs::write(&seed, "create table seeded (id int); insert into seeded values (1), (2);").expect("written");
    let words = ["provision", &slug, "--name", "Roled", "--role", "--seed", seed.to_str().expect("a path"), "--yes"];
    let plan = text(&fleet.expect(0, &[&words[..7], &["--dry-run"]].concat()).stdout);
    assert!(plan.contains("with a password that is shown once") && plan.contains("seed.sql"), "{plan}");
    let output = fleet.expect(0, &[&words[..], &["--json"]].concat());
    let made = json(&output);
    assert_eq!(fields(&made), ["credentials", "jobs", "tenants"]);
    let role = format!("tenant_{}", slug.replace('-', "_"));
    let credentials = &made["credentials"][0];
    let password = credentials["password"].as_str().expect("a password");
    assert_eq!(
        (credentials["tenant"].as_str(), credentials["role"].as_str(), password.len()),
        (Some(slug.as_str()), Some(role.as_str()), 32)
    );
    assert!(!text(&output.stderr).contains(password), "data goes to standard output alone");
    assert_eq!(fleet.database.value(&format!("select count(*) from {role}.seeded")), "2");
    // Told once: the job's results are told again, the password is not.
    let id = made["jobs"][0]["id"].to_string();
    let told = text(&fleet.expect(0, &["job", &id, "--json"]).stdout);
    assert!(!told.contains(password) && !told.contains("credentials"), "{told}");
    assert!(!text(&fleet.expect(0, &["audit", "--json"]).stdout).contains(password));
    // As text each comes as soon as its tenant is there: what kills the program behind it takes none away.
    let (one, two) = (pg().role("cli").replace('_', "-"), pg().role("cli").replace('_', "-"));
    let list = fleet.home.path().join("two.csv");
    fs::write(&list, format!("slug,name\n{one},One\n{two},Two\n")).expect("written");
    let from = ["provision", "--from", list.to_str().expect("a path"), "--role", "--parallel", "1", "--yes"];
    let out = text(&fleet.expect(0, &from).stdout);
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split("  ").collect()).collect();
    for (line, slug) in lines.iter().zip([&one, &two]) {
        assert!(line[0] == slug && line[1].starts_with("tenant_") && line[2].len() == 32, "{out}");
    }
    assert!(lines[2][0].starts_with("TENANT") && out.matches("PASSWORD").count() == 0, "{out}");
    // The role outlives its tenant here; the name is refused until it is gone.
    fleet.database.sql(&format!("delete from public.tenants where slug = '{slug}'; drop schema {role} cascade"));
    let words = text(&fleet.expect(5, &words).stderr);
    assert!(words.contains(&role) && words.contains("exists already on this server"), "{words}");
    // What a seed and a file would do to others is said, and not what costs nobody anything in a new tenant.
    let seed_path = seed.to_str().expect("a path");
    fs::write(&seed, "create table kept (id int);\ndrop schema tenant_acme cascade; truncate kept;").expect("written");
    fleet.file("20260401000000-shared", "create index on orders (id);\n--;;\ngrant select on public.tenants to public");
    let other = ["provision", "x-y", "--name", "X", "--seed", seed_path, "--dry-run"];
    let plan = json(&fleet.expect(0, &[&other[..], &["--json"]].concat()));
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("seed.sql:2: drops a schema with all that is in it"), "{warnings}");
    assert!(
        warnings.contains("20260401000000-shared.up.sql:3: ") && !warnings.contains("deletes all rows"),
        "{warnings}"
    );
    let words = text(&fleet.expect(0, &other).stdout);
    assert!(words.contains("  warning     seed.sql:2: drops a schema"), "{words}");
    // A seed that a rule refuses, before anything is asked.
    fs::write(&seed, "select 1;\ncommit;").expect("written");
    let words = text(
        &fleet
            .expect(2, &["provision", "x-y", "--name", "X", "--seed", seed.to_str().expect("a path"), "--yes"])
            .stderr,
    );
    assert!(words.contains("seed.sql:2:"), "{words}");
}

/// Killed in the middle, run again: what was made is there, what was left is finished, and the rest is made.
#[test]
fn a_killed_run_is_gone_on_with_by_the_same_command() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.file("20260501000000-slow", "select pg_sleep(0.1);");
    let lines: String = (0..30).map(|n| format!("new-{n:02},New {n}\n")).collect();
    let path = csv(&fleet, &format!("slug,name\n{lines}"));
    let mut child = std::process::Command::new(program())
        .env_clear()
        .env("HOME", fleet.home.path())
        .arg("--config")
        .arg(fleet.home.path().join("config.toml"))
        .args(from(&path, &["--yes", "--parallel", "2"]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let made = || fleet.database.value("select count(*) from public.tenants where slug like 'new-%'");
    wait_until(Duration::from_secs(30), "some tenants", || made().parse::<u32>().unwrap_or(0) >= 3);
    child.kill().expect("killed");
    child.wait().expect("gone");
    let again = json(&run(&fleet, 0, &path, &["--yes", "--json"]));
    assert_eq!((made(), again["tenants"].as_array().map(Vec::len)), ("30".into(), Some(30)), "{again}");
    assert_eq!(again["jobs"].as_array().map(Vec::len), Some(1), "the killed one, finished: {again}");
    let whole = "select count(*) from pg_class where relname = 'schema_migrations' and relnamespace::regnamespace::text like 'tenant_new%'";
    assert_eq!(fleet.database.value(whole), "30");
    assert_eq!(
        fleet.database.value("select count(*) from tenantui.audit where action = 'provision' and outcome = 'done'"),
        "30"
    );
}

/// What the order would be refused for is said by the dry run, with the same words and the same end.
#[test]
fn a_dry_run_ends_as_the_run_would() {
    let fleet = Fleet::new();
    fleet.init();
    let words =
        |code: i32, how: &str| text(&fleet.expect(code, &["provision", "blue-fox", "--name", "Blue Fox", how]).stderr);
    words(0, "--dry-run");
    fleet.database.sql("alter table public.tenants add column on_trial boolean");
    words(0, "--dry-run");
    fleet.database.sql(
        "update public.tenants set on_trial = false; alter table public.tenants alter column on_trial set not null",
    );
    for how in ["--dry-run", "--yes"] {
        let words = words(5, how);
        assert!(words.contains("no meaning that tenantui knows: on_trial (boolean)"), "{how}: {words}");
    }
    fleet.database.sql("alter table public.tenants alter column on_trial set default false");
    fleet.database.sql("alter table public.tenants add constraint odd check (status <> 'active') not valid");
    for how in ["--dry-run", "--yes"] {
        assert!(words(5, how).contains("the registry does not allow \"active\" in column status"), "{how}");
    }
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
}
