//! A row that row level security hides is not taken for a row that is not there: its schema is no orphan, and is left alone.

use std::sync::Arc;

use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{ReadOptions, read_once};
use tenantui::jobs::life::plan::{self, LifeRequest};
use tenantui::model::environment::Environment;
use tenantui::model::life::LifeKind;
use tenantui::postgres::session::{Patience, Reader, Target};

use super::Place;
use crate::support::{pg, redis};

const SCHEMAS: &str = "tenant_acme,tenant_globex,tenant_hooli,tenant_stray";

/// A role that may do all of this, and `tenant_stray`, which has no row. `more` is done with the role's name for `:role`.
fn place(more: &str) -> Place {
    let place = Place::new("life_hidden");
    let role = pg().role("hidden");
    let grants = format!(
        "grant create on database \"{0}\" to :role; grant usage on schema tenantui to :role; \
         grant all on all tables in schema tenantui to :role; grant all on all sequences in schema tenantui to :role; \
         grant select, insert, update, delete on public.tenants to :role; alter schema tenant_acme owner to :role; \
         grant all on all tables in schema tenant_acme to :role; create schema tenant_stray authorization :role; ",
        place.db.name
    );
    place.db.sql(&format!("{grants}{more}").replace(":role", &role));
    place.configure_as(&role, "development", "");
    place
}

/// Row level security that shows all rows but one.
const HIDES_ACME: &str = "alter table public.tenants enable row level security; \
                          create policy others on public.tenants using (slug <> 'acme');";

fn state(place: &Place, schema: &str) -> (String, String) {
    let list = place.json(0, &["tenants", "--json"]);
    let all = list["tenants"].as_array().expect("a list");
    let tenant = all.iter().find(|tenant| tenant["schema"] == schema).expect("it is listed");
    (tenant["state"].as_str().unwrap_or_default().to_owned(), tenant["problems"][0].as_str().unwrap_or("-").to_owned())
}

fn offered(place: &Place) -> Vec<String> {
    let list = place.json(0, &["repair", "--json"]);
    let all = list["repairs"].as_array().expect("a list").iter();
    all.filter_map(|offer| offer["command"].as_str()).map(str::to_owned).collect()
}

/// What `doctor` says of rows that may be hidden, and how it takes that.
fn doctor(place: &Place) -> Option<(String, String)> {
    let document = place.json(0, &["doctor", "--json"]);
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = document["checks"].as_array().expect("checks").iter();
    let mut about = checks.filter(|check| text(check, "found").contains("row level security"));
    about.next().map(|check| (text(check, "result"), text(check, "advice")))
}

#[test]
fn a_schema_whose_row_may_be_hidden_is_no_orphan() {
    let place = place(HIDES_ACME);
    for schema in ["tenant_acme", "tenant_stray"] {
        let (state, why) = state(&place, schema);
        assert_eq!(state, "no_access", "{schema}: {why}");
        assert!(why.contains("row level security") && why.contains("BYPASSRLS"), "{why}");
    }
    let commands = offered(&place);
    assert!(!commands.iter().any(|command| command.contains("tenant_acme") || command.contains("tenant_stray")));
    let (result, advice) = doctor(&place).expect("a check");
    assert!(result == "warn" && advice.contains("BYPASSRLS"), "{result}: {advice}");
    for order in [
        &["drop", "tenant_acme", "--confirm", "tenant_acme", "--yes"][..],
        &["drop", "tenant_stray", "--confirm", "tenant_stray", "--yes"],
        &["repair", "tenant_acme", "--yes"],
        &["repair", "tenant_acme", "--by", "adopt", "--yes"],
        &["suspend", "tenant_acme", "--yes"],
    ] {
        let words = place.words(5, order);
        assert!(words.contains("row level security") && words.contains("USING (true)"), "{order:?}: {words}");
    }
    // Nor is it said to whoever wants to make it that it could be adopted or removed.
    let words = place.words(5, &["provision", "acme", "--name", "ACME", "--yes"]);
    assert!(words.contains("row level security") && !words.contains("repair"), "{words}");
    assert_eq!((place.schemas().as_str(), place.row("acme").as_str()), (SCHEMAS, "ACME|active"));
}

/// The slug of one is the id of another, whose row is not seen: its keys would go with the first one's.
#[test]
fn cache_keys_stay_where_rows_may_be_hidden() {
    let place = place("");
    let role = place.db.value("select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tenant_stray'");
    let url = redis().database();
    place.configure_as(&role, "development", &format!("[database.cache]\nurl = \"{url}\""));
    let trash = {
        place.db.sql(&format!(
            "alter schema tenant_globex owner to {role}; grant all on all tables in schema tenant_globex to {role}"
        ));
        place.drop("globex", "tenant_globex")
    };
    let mut keys = redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).expect("Redis");
    let mut pipe = redis::pipe();
    for key in ["tenant:acme:a", "tenant:globex:a"] {
        pipe.cmd("SET").arg(key).arg("x").ignore();
    }
    pipe.exec(&mut keys).expect("filled");
    place.db.sql(HIDES_ACME);
    for order in
        [&["cache", "hooli", "--flush", "--confirm", "hooli", "--yes"][..], &["cache", "hooli", "--flush", "--dry-run"]]
    {
        let words = place.words(5, order);
        assert!(
            words.contains("which keys are another tenant's is not known") && words.contains("BYPASSRLS"),
            "{words}"
        );
    }
    let plan = place.words(0, &["purge", &trash, "--confirm", &trash, "--yes"]);
    assert!(plan.contains("which cache keys are another tenant's is not known: they stay"), "{plan}");
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut keys).expect("a size"), 2);
}

#[test]
fn a_policy_that_shows_all_rows_hides_none() {
    let place = place(&format!("{HIDES_ACME} create policy every on public.tenants for select to :role using (true)"));
    assert_eq!(state(&place, "tenant_stray").0, "orphan_schema");
    assert_ne!(state(&place, "tenant_acme").0, "no_access");
    assert_eq!(doctor(&place), None);
    assert!(place.words(5, &["drop", "tenant_acme", "--confirm", "tenant_acme", "--yes"]).contains("suspend it first"));
    place.drop("tenant_stray", "tenant_stray");
    // One that takes rows away again stands above it.
    place.db.sql("create policy less on public.tenants as restrictive using (slug <> 'acme')");
    assert_eq!(state(&place, "tenant_acme").0, "no_access");
}

/// Behind a view and a query it is the server that says whether rows are taken away.
#[test]
fn a_view_and_a_query_hide_what_their_table_hides() {
    for (tenants, sees_all) in [
        ("table = \"public.mine\"", false),
        ("table = \"public.everybodys\"", true),
        ("query = \"select id, slug, schema_name from public.tenants\"", false),
        ("query = \"select id, slug, schema_name from public.everybodys\"", true),
    ] {
        let place = place(&format!(
            "{HIDES_ACME} create view public.mine as select * from public.tenants; alter view public.mine owner to :role; \
             create view public.everybodys as select * from public.tenants; grant select on public.everybodys to :role"
        ));
        let url = std::fs::read_to_string(place.config()).expect("the configuration");
        std::fs::write(place.config(), format!("{url}\n[database.tenants]\n{tenants}\n")).expect("written");
        let wanted = if sees_all { "orphan_schema" } else { "no_access" };
        assert_eq!(state(&place, "tenant_stray").0, wanted, "{tenants}");
        assert_eq!(state(&place, "tenant_acme").0 == "no_access", !sees_all, "{tenants}");
    }
}

/// The list may be older than the policy: what is ordered is asked anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_made_after_the_list_was_read_stops_the_drop() {
    let place = place("");
    let role = place.db.value("select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tenant_stray'");
    let config = Database::new("eu-1".into(), Environment::Development, place.db.url_as(&role).into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reading = read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let stray = reading.snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == "tenant_stray").expect("an orphan");
    let request = LifeRequest::of(LifeKind::Drop, Arc::clone(stray), Arc::clone(&reading.context.layout));
    let reader = Reader::open(&target, Patience::Background).await.expect("a session");
    assert_eq!(plan::read(&reader, &target, &request).await.expect("a plan").refusal, None);
    place.db.sql(HIDES_ACME);
    let refusal = plan::read(&reader, &target, &request).await.expect("a plan").refusal.expect("it is refused");
    assert!(refusal.raw().contains("row level security"), "{refusal:?}");
}
