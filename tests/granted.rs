//! `grant_to`: an application that logs in as another role than the one that makes its tenants may use the new ones.

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::cli_grants::{grant, owned, unique};
use crate::support::pg;

fn block(fleet: &Fleet, url: &str, to: &str, more: &str) -> String {
    format!("{}{more}[database.tenants]\ngrant_to = [\"{to}\"]\n", fleet.block("eu-1", url))
}

/// A fleet whose application logs in as this role.
fn fleet() -> (Fleet, String) {
    let (fleet, app) = (Fleet::new(), pg().role("the_app"));
    fleet.configure(&block(&fleet, &fleet.database.url(), &app, ""));
    fleet.init();
    (fleet, app)
}

/// What the role may do with a table: `rw`, `r`, or nothing; `-` where it may not even enter the schema.
fn may(fleet: &Fleet, role: &str, table: &str) -> String {
    let (schema, _) = table.split_once('.').expect("a schema");
    fleet.database.value(&format!(
        "select case when not has_schema_privilege('{role}', '{schema}', 'USAGE') then '-' else \
         case when has_table_privilege('{role}', '{table}', 'SELECT') then 'r' else '' end || \
         case when has_table_privilege('{role}', '{table}', 'INSERT, UPDATE, DELETE') then 'w' else '' end end"
    ))
}

#[test]
fn the_application_may_use_a_new_tenant_and_what_comes_later() {
    let (fleet, app) = fleet();
    let plan = text(&fleet.expect(0, &["provision", "new-one", "--name", "New", "--dry-run"]).stderr)
        + &text(&fleet.expect(0, &["provision", "new-one", "--name", "New", "--dry-run"]).stdout);
    assert!(plan.contains(&format!("grants      {app}: the schema, and what the files make")), "{plan}");
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    assert_eq!(may(&fleet, &app, "tenant_new_one.notes"), "rw");
    let told = fleet.json(0, &["job", "1", "--json"]).to_string();
    assert!(!told.contains("may use the schemas"), "{told}");
    fleet.file("20260401000000-more", "create table more (id serial primary key);");
    fleet.expect(0, &["migrate", "new-one", "--yes"]);
    assert_eq!(may(&fleet, &app, "tenant_new_one.more"), "rw");
    assert_eq!(
        fleet.database.value(&format!("select has_sequence_privilege('{app}', 'tenant_new_one.more_id_seq', 'USAGE')")),
        "t"
    );
    // It gets nothing of the structure, and nothing of the others.
    assert_eq!(fleet.database.value(&format!("select has_schema_privilege('{app}', 'tenant_new_one', 'CREATE')")), "f");
    assert_eq!(may(&fleet, &app, "tenant_acme.notes"), "-");
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains(&format!("new schemas are granted to \"{app}\"")), "{doctor}");
}

/// A tenant whose schema comes before its files, and whose row comes last; and one whose schema is made for a row.
#[test]
fn it_may_where_a_tenant_is_made_in_pieces_or_repaired() {
    let (fleet, app) = fleet();
    fleet
        .file("20260401000000-alone", "-- :disable-transaction\ncreate index concurrently notes_body on notes (body);");
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    assert_eq!(may(&fleet, &app, "tenant_new_one.notes"), "rw");
    assert_eq!(may(&fleet, &app, "tenant_new_one.schema_migrations"), "rw");
    fleet.expect(0, &["repair", "gone", "--by", "make", "--yes"]);
    fleet.expect(0, &["migrate", "gone", "--yes"]);
    assert_eq!(may(&fleet, &app, "tenant_gone.notes"), "rw");
}

/// Where files run with the rights of the schema's owner, it is what that one makes that the application gets.
#[test]
fn it_may_use_what_the_owner_makes() {
    let (fleet, owner) = owned();
    let (writer, app) = (unique(&fleet, "writer"), pg().role("the_app"));
    let options = |url: &str| block(&fleet, url, &app, "run_as = \"owner\"\n") + &format!("owner = \"{owner}\"\n");
    fleet.configure(&options(&fleet.database.url()));
    grant(&fleet, "writing", &writer);
    fleet.configure(&options(&fleet.database.url_as(&writer)));
    fleet.init();
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    fleet.file("20260401000000-more", "create table more (id int);");
    fleet.expect(0, &["migrate", "new-one", "--yes"]);
    for table in ["notes", "more"] {
        assert_eq!(may(&fleet, &app, &format!("tenant_new_one.{table}")), "rw", "{table}");
    }
}

#[test]
fn a_role_that_is_not_there_is_told_before_anything_is_made() {
    let (fleet, _) = fleet();
    fleet.configure(&block(&fleet, &fleet.database.url(), "Nobody Here", ""));
    let words = text(&fleet.expect(5, &["provision", "new-one", "--name", "New", "--yes"]).stderr);
    assert!(words.contains("there is no such role: CREATE ROLE \"Nobody Here\""), "{words}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains("there is no role \"Nobody Here\": no tenant is made"), "{doctor}");
    fleet.configure(&block(&fleet, &fleet.database.url(), "pg_monitor", ""));
    let words = text(&fleet.expect(2, &["tenants"]).stderr);
    assert!(words.contains("grant_to") && words.contains("a role of the server's own"), "{words}");
    // PostgreSQL lets no role be called so: the advice to make it would be refused.
    for (option, no_role, why) in
        [("grant_to = [\"public\"]", "public", "it means everybody"), ("owner = \"none\"", "none", "it means nobody")]
    {
        let block = fleet.block("eu-1", &fleet.database.url());
        fleet.configure(&format!("{block}[database.tenants]\n{option}\n"));
        let words = text(&fleet.expect(2, &["doctor"]).stderr);
        let expected = format!("PostgreSQL has no role \"{no_role}\", {why}: name one of yours");
        assert!(words.contains(&expected), "{words}");
    }
}
