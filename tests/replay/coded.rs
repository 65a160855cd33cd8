//! Every operation that a database of Apartment, django-tenants and Triplex can have, by the command and by that
//! framework's own rules. Their migrations are code: the tool's own command carries them out, here a script that leaves
//! what the tool leaves, in whichever schema it was aimed at.

mod by_system;
mod systems;

use std::fs;

use serde_json::Value;

pub(super) use systems::{APARTMENT_3, DJANGO, System, TRIPLEX};
use systems::{APARTMENT_4, Listed};

use super::operations::Place;
use super::{configured, layout_lines, says};
use crate::cli::{tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{pg, quote, redis};

/// A tenant that is there and behind, a shared schema, and a cache.
pub(super) struct Stage {
    pub(super) place: Place,
    keys: redis::Connection,
    lines: [String; 2],
}

impl Stage {
    pub(super) fn new(system: &System) -> Self {
        let db = pg().database(&format!("{}_ops", system.layout.replace('-', "_")));
        let one = system.one.replace("{first}", system.first).replace("{second}", system.second);
        db.sql(&format!(
            "{} {} create schema one; set search_path = one; {} {one}",
            system.registry, system.first, system.first
        ));
        let url = redis().database();
        let keys = redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).expect("Redis");
        let layout = if system.listed == Listed::Statuses { "layout = \"own.toml\"\n" } else { "" };
        let cache = format!("{}[database.cache]\nurl = \"{url}\"\nkeys = [\"{{schema}}:*\"]\n", system.tenants);
        let migrations = format!("[database.migrations]\npath = \"{}\"\n{}", system.folder, system.more);
        let home = configured(&db, &format!("{layout}{cache}{migrations}"));
        let folder = home.path().join(".config/tenantui");
        for (name, text) in system.files {
            let path = folder.join(system.folder).join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        fs::write(folder.join("tool.sql"), format!("begin; {} {} commit;", system.first, system.second))
            .expect("a script");
        if system.listed == Listed::Statuses {
            let printed = tenantui(home.path()).args(["config", "layout", system.layout]).output().expect("runs");
            let words = "[statuses]\nactive = \"active\"\nsuspended = \"frozen\"\n\n[ledger]";
            fs::write(folder.join("own.toml"), text(&printed.stdout).replacen("[ledger]", words, 1)).expect("a layout");
        }
        let slug = format!("{}{}", db.name, system.ending);
        let place = Place { db, home, slug };
        place.expect(0, &["init", "--yes"]);
        Self { place, keys, lines: [layout.to_owned(), cache + &migrations] }
    }

    /// Names the command that carries the migrations out.
    pub(super) fn command(&self) {
        let config = self.place.home.path().join(".config/tenantui/config.toml");
        let psql = pg().bin("psql");
        let [layout, lines] = &self.lines;
        let text = format!(
            "[[database]]\nname = \"one\"\nurl = \"{}\"\n{layout}{lines}command = [{:?}, \"-qX\", \"-v\", \"ON_ERROR_STOP=1\", \"-v\", \"schema={{schema}}\", \"-f\", \"tool.sql\"]\n",
            self.place.db.url(),
            psql.display().to_string()
        );
        fs::write(config, text).expect("a configuration");
    }

    /// Schemas with the table of the second migration.
    fn stands(&self) -> String {
        self.place
            .db
            .value("select coalesce(string_agg(schemaname, ',' order by schemaname), '') from pg_tables where tablename = 'notes' and schemaname <> '1234'")
    }

    fn fill(&mut self, keys: &[String]) {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd("SET").arg(key).arg("x").ignore();
        }
        pipe.exec(&mut self.keys).expect("filled");
    }

    fn left(&mut self) -> Vec<String> {
        let mut left: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut self.keys).expect("keys");
        left.sort_unstable();
        left
    }
}

fn goes_round(system: &System) {
    let mut stage = Stage::new(system);
    recognised(system, &stage.place);
    made(system, &stage);
    migrated(system, &stage);
    lived(system, &stage.place);
    cached(&mut stage);
    buried(system, &mut stage);
    if system.listed != Listed::Scan {
        repaired(system, &stage.place);
    }
}

fn recognised(system: &System, place: &Place) {
    let document = place.json(0, &["tenants", "--json"]);
    assert_eq!(document["databases"][0]["layout"], system.layout);
    assert_eq!(tenant(&document, "slug", "one")["state"], "behind", "{document:#}");
    let lines = layout_lines(&place.json(0, &["doctor", "--json"]));
    assert!(lines.iter().any(|(_, found)| found.contains(system.told)), "{} in {lines:#?}", system.told);
}

/// A new tenant, with a role of its own where that is asked for.
fn made(system: &System, stage: &Stage) {
    let (place, slug) = (&stage.place, stage.place.slug.as_str());
    // Without the tool's command nothing is made: tenantui does not write a ledger that goes with code.
    let words = place.words(2, &["provision", slug, "--name", "Mine", "--yes"]);
    assert!(words.contains("Set command in"), "{words}");
    // Its ledgers are Django's; the command that keeps to a schema is not.
    assert!(system.layout != "django-tenants" || words.contains("migrate_schemas"), "{words}");
    assert!(place.words(2, &["migrate", "--all", "--yes"]).contains("Set command in"));
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    stage.command();
    for name in system.refused {
        let words = place.words(2, &["provision", name, "--name", "x", "--yes"]);
        assert!(!words.is_empty(), "{name}");
    }
    // Whoever makes a tenant that is found by its domain knows that none is made.
    let plan = place.expect(0, &["provision", slug, "--name", "Mine", "--role", "--dry-run"]);
    let (words, without) = (text(&plan.stdout), "domain      none: the application writes it into");
    assert_eq!(words.contains(without), system.layout == "django-tenants", "{words}");
    let made = place.json(0, &["provision", slug, "--name", "Mine", "--role", "--yes", "--json"]);
    assert_eq!(tenant(&made, "tenant", slug)["result"], "done", "{made}");
    assert_eq!(made["credentials"][0]["role"], slug, "{made}");
    assert_eq!(stage.stands(), slug);
    let may = format!(
        "select has_schema_privilege({0}, {0}, 'usage') and has_table_privilege({0}, {1}, 'insert') \
         and not has_schema_privilege({0}, {0}, 'create') and not has_schema_privilege({0}, 'one', 'usage')",
        format_args!("'{slug}'"),
        format_args!("'{}.notes'", quote(slug))
    );
    assert_eq!(place.db.value(&may), "t", "its own schema and no other");
    let one = place.json(0, &["tenant", slug, "--json"]);
    assert_eq!((&one["version"], &one["applied"]), (&Value::from(system.newest.0), &system.newest.1.into()), "{one:#}");
    let again = place.run_again(slug);
    assert!(again.contains("already"), "{again}");
}

/// One migration reaches the tenant that lacks it, nothing else, and a second run has nothing to do.
fn migrated(system: &System, stage: &Stage) {
    let (place, slug) = (&stage.place, stage.place.slug.as_str());
    place.expect(0, &["migrate", "--all", "--yes"]);
    let mut both = [slug, "one"];
    both.sort_unstable();
    let stands = stage.stands();
    let mut found: Vec<&str> = stands.split(',').collect();
    found.sort_unstable();
    assert_eq!(found, both, "and nothing in public");
    assert!(place.words(0, &["migrate", "--all", "--yes"]).contains("nothing is pending"));
    assert_eq!(tenant(&place.json(0, &["tenants", "--json"]), "slug", "one")["version"], system.newest.0);
    place.db.sql(&format!("insert into {}.notes (body) values ('mine')", quote(slug)));
    assert_eq!(place.db.value("select count(*) from one.notes"), "0");
    // What the tool's code did only the tool can undo.
    let words = place.words(2, &["rollback", "one", "--steps", "1", "--yes"]);
    assert!(words.contains("is driven by its own command"), "{words}");
}

/// Name and status, where anything lists them.
fn lived(system: &System, place: &Place) {
    let slug = place.slug.as_str();
    let refused = |command: &[&str], why: &str| {
        let words = place.words(5, command);
        assert!(words.contains(why), "{command:?}: {words}");
    };
    let rename = ["rename", slug, "--name", "Other", "--yes"];
    let (suspend, activate) = (["suspend", slug, "--yes"], ["activate", slug, "--yes"]);
    let archive = ["archive", slug, "--yes"];
    match system.listed {
        Listed::Scan => {
            for command in [&rename[..], &suspend, &activate, &archive] {
                refused(command, "no table lists the tenants");
            }
        }
        Listed::Names => {
            place.expect(0, &rename);
            for command in [suspend, activate, archive] {
                refused(&command, "has no status for it");
            }
        }
        Listed::Statuses => {
            place.expect(0, &rename);
            place.expect(0, &suspend);
            let status = format!(
                "select status || ' ' || (discarded_at is not null) from public.companies where subdomain = '{slug}'"
            );
            assert_eq!(place.db.value(&status), "frozen false");
            assert!(place.words(0, &suspend).contains("already"));
            place.expect(0, &activate);
            place.expect(0, &archive);
            // The layout has a column for it and no word.
            assert_eq!(place.db.value(&status), "active true");
            refused(&archive, "already");
            place.expect(0, &activate);
            assert_eq!(place.db.value(&status), "active false");
            refused(&["drop", slug, "--confirm", slug, "--yes"], "suspend");
            place.expect(0, &suspend);
        }
    }
    if system.listed != Listed::Scan {
        let document = place.json(0, &["tenants", "--json"]);
        assert_eq!(tenant(&document, "slug", slug)["name"], "Other");
    }
}

fn cached(stage: &mut Stage) {
    let slug = stage.place.slug.clone();
    // Where the name holds a wildcard, it is one letter of the name and no more.
    let near = format!("{}x:a", slug.trim_end_matches('*'));
    stage.fill(&[format!("{slug}:a"), format!("{slug}:views:b"), near.clone(), "one:a".to_owned()]);
    let counted = stage.place.json(0, &["cache", &slug, "--json"]);
    assert_eq!(counted["keys"], 2, "{counted}");
    stage.place.expect(5, &["cache", &slug, "--flush"]);
    stage.place.expect(0, &["cache", &slug, "--flush", "--confirm", &slug, "--yes"]);
    let mut left = vec![near, "one:a".to_owned()];
    left.sort_unstable();
    assert_eq!(stage.left(), left);
    stage.fill(&[format!("{slug}:again")]);
}

/// To the trash and back, to the trash and away: schema, role, cache keys, row.
fn buried(system: &System, stage: &mut Stage) {
    let slug = stage.place.slug.clone();
    let (place, slug) = (&stage.place, slug.as_str());
    place.expect(5, &["drop", slug, "--yes"]);
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    assert!(!text(&place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]).stderr).is_empty());
    place.expect(0, &["undrop", slug, "--yes"]);
    assert_eq!(place.db.value(&format!("select body from {}.notes", quote(slug))), "mine");
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    if system.listed != Listed::Scan {
        let words = place.words(5, &["provision", slug, "--name", "Mine", "--yes"]);
        assert!(words.contains("undrop") && words.contains("purge"), "{words}");
    }
    if system.layout == "django-tenants" {
        domains_keep(place, slug);
    }
    place.expect(0, &["purge", slug, "--confirm", slug, "--yes"]);
    let left = format!(
        "select (select count(*) from pg_namespace where nspname like 'zz%' or nspname = '{slug}') || ' ' \
         || (select count(*) from pg_roles where rolname = '{slug}')"
    );
    assert_eq!(place.db.value(&left), "0 0");
    let rows = match system.layout {
        "apartment" if system.listed != Listed::Scan => "select string_agg(subdomain, ',') from public.companies",
        "django-tenants" => "select string_agg(schema_name, ',' order by id) from public.customers_client",
        _ => "select 'one'",
    };
    assert!(!place.db.value(rows).contains(slug));
    let near = format!("{}x:a", slug.trim_end_matches('*'));
    let mut wanted = vec![near, "one:a".to_owned()];
    wanted.sort_unstable();
    assert_eq!(stage.left(), wanted);
    // Its name is free again.
    let place = &stage.place;
    place.expect(0, &["provision", slug, "--name", "Again", "--yes"]);
    assert_eq!(place.db.value(&format!("select count(*) from {}.notes", quote(slug))), "0");
}

/// A client of django-tenants has domains that point at its row. They go with it; what else points there is found before
/// the schema goes.
fn domains_keep(place: &Place, slug: &str) {
    place.db.sql(&format!(
        "insert into public.customers_domain (domain, is_primary, tenant_id) \
         select d || schema_name || '.example.org', d = '', id from public.customers_client, (values (''), ('www.')) v (d) \
         where schema_name in ('one', '{slug}'); \
         create table public.certificates (domain_id bigint references public.customers_domain (id)); \
         insert into public.certificates select id from public.customers_domain where domain = '{slug}.example.org'"
    ));
    let purge = ["purge", slug, "--confirm", slug, "--yes"];
    let words = place.words(5, &purge);
    assert!(words.contains("1 row of \"public\".\"certificates\" (\"domain_id\") points"), "{words}");
    place.db.sql("drop table public.certificates");
    let plan = place.json(0, &["purge", slug, "--dry-run", "--json"]);
    let mut steps =
        plan["steps"].as_array().expect("steps").iter().map(|step| step["what"].as_str().unwrap_or_default());
    let last = "remove its registry row and its 2 domains in \"public\".\"customers_domain\"";
    assert_eq!(steps.next_back(), Some(last), "{plan:#}");
    assert!(plan["sql"].to_string().contains("DELETE FROM \\\"public\\\".\\\"customers_domain\\\" WHERE"), "{plan:#}");
}

/// Orphans both ways.
fn repaired(system: &System, place: &Place) {
    let (table, key) = match system.layout {
        "apartment" => ("public.companies", "subdomain"),
        _ => ("public.customers_client", "schema_name"),
    };
    let offers = |wanted: &[&str]| {
        let document = place.json(0, &["repair", "--json"]);
        let word = |offer: &Value, field: &str| offer[field].as_str().unwrap_or("-").to_owned();
        let list = document["repairs"].as_array().expect("a list").iter();
        let list = list.filter(|offer| offer["state"] != "orphan_role");
        let found: Vec<String> = list.map(|offer| word(offer, "tenant") + " " + &word(offer, "by")).collect();
        assert_eq!(found, wanted);
    };
    offers(&[]);
    if system.layout == "django-tenants" {
        let left = place.db.value("select string_agg(domain, ',' order by domain) from public.customers_domain");
        assert_eq!(left, "one.example.org,www.one.example.org", "another tenant's domains stay");
        place.db.sql("delete from public.customers_domain");
    }
    place.db.sql(&format!("delete from {table} where {key} = 'one'"));
    offers(&["one adopt", "one drop"]);
    let words = place.words(5, &["provision", "one", "--name", "One", "--yes"]);
    assert!(words.contains("repair one") && words.contains("drop one"), "{words}");
    place.expect(0, &["repair", "one", "--by", "adopt", "--yes"]);
    assert_eq!(place.db.value(&format!("select count(*) from {table} where {key} = 'one'")), "1");
    offers(&[]);
    place.db.sql("drop schema one cascade");
    offers(&["one forget", "one make"]);
    place.expect(0, &["repair", "one", "--by", "make", "--yes"]);
    place.expect(0, &["migrate", "one", "--yes"]);
    assert_eq!(tenant(&place.json(0, &["tenants", "--json"]), "slug", "one")["version"], system.newest.0);
    if system.layout == "django-tenants" {
        place.db.sql(
            "insert into public.customers_domain (domain, is_primary, tenant_id) \
             select 'new.example.org', true, id from public.customers_client where schema_name = 'one'",
        );
    }
    place.db.sql("drop schema one cascade");
    place.expect(0, &["repair", "one", "--by", "forget", "--yes"]);
    offers(&[]);
    if system.layout == "django-tenants" {
        let gone =
            "select string_agg(before->>'domains', ' ' order by id) from tenantui.audit where before ? 'domains'";
        assert!(place.db.value(gone).ends_with("[\"new.example.org\"]"), "{}", place.db.value(gone));
        assert_eq!(place.db.value("select count(*) from public.customers_domain"), "0");
    }
    says(&layout_lines(&place.json(0, &["doctor", "--json"])), "ok", system.layout);
}
