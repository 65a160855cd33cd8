//! Files that run with the rights of the schemas' owners: what they make is the owner's, as if its own tool had made it,
//! whichever role tenantui logs in as.

use std::fs;

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::cli_grants::{grant, owned, unique};

/// The options by which the files run as the owner, and new schemas are its too.
fn as_owner(fleet: &Fleet, user: &str, owner: &str) -> String {
    format!(
        "{}run_as = \"owner\"\n[database.tenants]\nowner = \"{owner}\"\n",
        fleet.block("eu-1", &fleet.database.url_as(user))
    )
}

/// A fleet of an application's role, and a small role that may write there, as `doctor --grants` prints it.
fn small() -> (Fleet, String, String) {
    let (fleet, owner) = owned();
    let writer = unique(&fleet, "writer");
    fleet.configure(&format!(
        "{}run_as = \"owner\"\n[database.tenants]\nowner = \"{owner}\"\n",
        fleet.block("eu-1", &fleet.database.url())
    ));
    let document = fleet.json(0, &["doctor", "--grants", "--json"]).to_string();
    assert!(!document.contains("DEFAULT PRIVILEGES") && document.contains("belongs to the owner"), "{document}");
    grant(&fleet, "writing", &writer);
    fleet.configure(&as_owner(&fleet, &writer, &owner));
    fleet.init();
    (fleet, owner, writer)
}

/// What of a schema is not this role's: schema, tables, indexes, sequences, functions.
fn not_of(fleet: &Fleet, schema: &str, owner: &str) -> String {
    fleet.database.value(&format!(
        "select coalesce(string_agg(what, ', '), '') from (select 'schema' as what, nspowner as own from pg_namespace where nspname = '{schema}' \
         union all select relname, relowner from pg_class where relnamespace = '{schema}'::regnamespace \
         union all select proname, proowner from pg_proc where pronamespace = '{schema}'::regnamespace) as all_of_it \
         where own <> '{owner}'::regrole"
    ))
}

#[test]
fn what_files_make_is_the_owners() {
    let (fleet, owner, writer) = small();
    fleet.file(
        "20260401000000-more",
        "create table more (id serial primary key, n int);\n--;;\ninsert into more (n) values (1);",
    );
    fleet.file("20260402000000-alone", "-- :disable-transaction\ncreate index concurrently more_n on more (n);");
    fs::write(
        fleet.folder().join("20260403000000-last.up.sql"),
        "create function who() returns text language sql as 'select 1::text';",
    )
    .expect("a file");
    fs::write(fleet.folder().join("20260403000000-last.down.sql"), "drop function who();").expect("a file");
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(
        doctor.contains("files run as the owner of each schema") && !doctor.contains("cannot change it"),
        "{doctor}"
    );
    let plan = text(&fleet.expect(0, &["migrate", "--all", "--dry-run"]).stdout);
    assert!(plan.contains("of the owner of each schema"), "{plan}");

    fleet.expect(0, &["migrate", "--all", "--yes"]);
    for schema in ["tenant_acme", "tenant_beta_two"] {
        assert_eq!(not_of(&fleet, schema, &owner), "");
        assert_eq!(fleet.database.value(&format!("select count(*) from {schema}.schema_migrations")), "6");
        assert_eq!(
            fleet
                .database
                .value(&format!("select indisvalid from pg_index where indexrelid = '{schema}.more_n'::regclass")),
            "t"
        );
    }
    fleet.expect(0, &["rollback", "acme", "--to", "20260402000000", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from tenant_acme.schema_migrations"), "5");
    fleet.expect(0, &["migrate", "acme", "--rehearse", "--yes"]);
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_acme", &owner), "");
    // The record is the writer's own, not the owner's.
    assert_eq!(not_of(&fleet, "tenantui", &writer), "");
}

#[test]
fn a_new_tenant_is_the_owners_with_its_seed_and_its_role() {
    let (fleet, owner, writer) = small();
    fleet.database.sql(&format!("alter role {writer} createrole"));
    let seed = fleet.home.path().join("seed.sql");
    fs::write(
        &seed,
        "create table seeded (id int); insert into seeded values (1); insert into notes values (1, 'x', 'y');",
    )
    .expect("a seed");
    let seed = seed.display().to_string();
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--role", "--seed", &seed, "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_new_one", &owner), "");
    assert_eq!(fleet.database.value("select count(*) from tenant_new_one.notes, tenant_new_one.seeded"), "1");
    let role = fleet.database.value("select rolname from pg_roles where rolname like '%new_one%'");
    let may = |table: &str| {
        fleet.database.value(&format!("select has_table_privilege('{role}', 'tenant_new_one.{table}', 'INSERT')"))
    };
    assert_eq!(may("notes"), "t");
    // What the next migration makes is the tenant's role's to use too.
    fleet.file("20260401000000-more", "create table more (id int);");
    fleet.expect(0, &["migrate", "new-one", "--yes"]);
    assert_eq!((may("more").as_str(), not_of(&fleet, "tenant_new_one", &owner).as_str()), ("t", ""));
    fleet.database.sql(&format!("drop owned by \"{role}\"; drop role \"{role}\""));
}

#[test]
fn a_tenant_that_is_made_in_pieces_is_the_owners_too() {
    let (fleet, owner, _) = small();
    fleet
        .file("20260401000000-alone", "-- :disable-transaction\ncreate index concurrently notes_body on notes (body);");
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_new_one", &owner), "");
    assert_eq!(fleet.database.value("select count(*) from tenant_new_one.schema_migrations"), "4");
}

#[test]
fn a_file_that_takes_the_login_role_back_is_refused() {
    let (fleet, owner, _) = small();
    fleet.file("20260401000000-back", "do $$ begin execute 'reset' || ' role'; end $$; create table mine (id int);");
    let words = text(&fleet.expect(4, &["migrate", "acme", "--yes"]).stdout);
    let told = fleet.json(0, &["job", "1", "--json"]).to_string();
    assert!(
        words.contains("role or session settings were changed") || told.contains("role or session settings"),
        "{words}\n{told}"
    );
    assert_eq!(fleet.database.value("select to_regclass('tenant_acme.mine') is null"), "t");
    assert_eq!(not_of(&fleet, "tenant_acme", &owner), "");
}

/// What a trigger does to the new row is found, whoever the files ran as.
#[test]
fn a_registry_row_that_is_not_as_written_is_found() {
    let (fleet, ..) = small();
    fleet.database.sql(
        "create function public.odd() returns trigger language plpgsql as \
         $$ begin update public.tenants set slug = slug || '-x' where id = new.id; return null; end $$; \
         create trigger odd after insert on public.tenants for each row execute function public.odd()",
    );
    let end = fleet.expect(1, &["provision", "new-one", "--name", "New", "--yes"]);
    let words = text(&end.stdout) + &text(&end.stderr);
    assert!(words.contains("is not as it was written"), "{words}");
    assert_eq!(fleet.database.value("select count(*) from pg_namespace where nspname = 'tenant_new_one'"), "0");
}

/// Nobody is talked into running files as a superuser.
#[test]
fn a_superuser_who_owns_a_schema_is_no_owner_to_run_as() {
    let (fleet, owner, writer) = small();
    let superuser = fleet.database.value("select current_user");
    fleet
        .database
        .sql(&format!("alter schema tenant_acme owner to \"{superuser}\"; grant \"{superuser}\" to {writer}"));
    let words = text(&fleet.expect(5, &["migrate", "--all", "--yes"]).stderr);
    assert!(words.contains(&superuser) && words.contains("is a superuser"), "{words}");
    let doctor = text(&fleet.run(&["doctor"]).stdout);
    assert!(doctor.contains(&format!("{superuser} is a superuser")), "{doctor}");
    assert!(!doctor.contains(&format!("GRANT {superuser}")), "{doctor}");
    fleet.configure(&as_owner(&fleet, &writer, &superuser));
    let words = text(&fleet.expect(5, &["provision", "new-one", "--name", "New", "--yes"]).stderr);
    assert!(words.contains("name an ordinary role") && !words.contains("GRANT"), "{words}");
    fleet.configure(&as_owner(&fleet, &writer, "pg_read_all_stats"));
    assert!(text(&fleet.expect(2, &["tenants"]).stderr).contains("a role of the server's own"));
    fleet.configure(&as_owner(&fleet, &writer, &owner).replace("run_as = \"owner\"", ""));
    let plan = text(&fleet.expect(0, &["provision", "new-one", "--name", "New", "--dry-run"]).stdout);
    assert!(plan.contains("of the schema alone"), "{plan}");
    fleet.database.sql(&format!("revoke \"{superuser}\" from {writer}"));
}

#[test]
fn an_owner_whose_role_may_not_be_taken_is_named_before_anything_is_ordered() {
    let (fleet, owner, writer) = small();
    fleet.database.sql(&format!("revoke {owner} from {writer}"));
    for schema in ["tenant_acme", "tenant_beta_two"] {
        fleet.database.sql(&format!("grant usage, create on schema {schema} to {writer}"));
        fleet.database.sql(&format!("grant all on all tables in schema {schema} to {writer}"));
    }
    for order in [&["migrate", "acme", "--yes"][..], &["provision", "new-one", "--name", "New", "--yes"]] {
        let words = text(&fleet.expect(5, order).stderr);
        assert!(
            words.contains(&owner) && words.contains("may not take") && words.contains("GRANT"),
            "{order:?}: {words}"
        );
    }
    let doctor = text(&fleet.run(&["doctor"]).stdout);
    assert!(doctor.contains("may not take the role of"), "{doctor}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    fleet.configure(&as_owner(&fleet, &writer, "nobody_at_all"));
    let words = text(&fleet.expect(5, &["provision", "new-one", "--name", "New", "--yes"]).stderr);
    assert!(words.contains("there is no such role"), "{words}");
    fleet.configure(&as_owner(&fleet, &writer, &owner).replace("run_as = \"owner\"", "run_as = \"root\""));
    let words = text(&fleet.expect(2, &["tenants"]).stderr);
    assert!(words.contains("run_as") && words.contains("login, owner"), "{words}");
}

/// The statement by which a role takes another's, and has its rights.
fn membership(fleet: &Fleet, owner: &str, user: &str) -> String {
    match fleet.database.value("select current_setting('server_version_num')::int >= 160000").as_str() {
        "t" => format!("GRANT {owner} TO {user} WITH INHERIT TRUE, SET TRUE"),
        _ => format!("ALTER ROLE {user} INHERIT"),
    }
}

/// The owner of new schemas is looked at before somebody orders one.
#[test]
fn doctor_says_whether_new_schemas_can_have_their_owner() {
    let (fleet, owner, writer) = small();
    let checks = |run_as: bool, named: &str| {
        let text = as_owner(&fleet, &writer, named);
        fleet.configure(&if run_as { text } else { text.replace("run_as = \"owner\"", "") });
        let document = fleet.json(0, &["doctor", "--json"]);
        let of =
            |check: &&serde_json::Value| check["found"].as_str().is_some_and(|found| found.contains("new schemas"));
        let all: Vec<String> =
            document["checks"].as_array().expect("checks").iter().filter(of).map(ToString::to_string).collect();
        all.join("\n")
    };
    for run_as in [true, false] {
        let fine = checks(run_as, &owner);
        assert!(fine.contains("\"ok\"") && fine.contains(&owner), "{fine}");
        let nobody = checks(run_as, "nobody_at_all");
        assert!(nobody.contains("\"warn\"") && nobody.contains("there is no such role"), "{nobody}");
        assert!(nobody.contains("CREATE ROLE \\\"nobody_at_all\\\""), "{nobody}");
    }
    let other = unique(&fleet, "other");
    fleet.database.sql(&format!("create role {other}"));
    let lacks = checks(false, &other);
    assert!(lacks.contains("\"warn\"") && lacks.contains(&format!("{writer} may not take that role")), "{lacks}");
    assert!(lacks.contains(&format!("GRANT {other} TO {writer}")), "{lacks}");
    let superuser = fleet.database.value("select current_user");
    let high = checks(false, &superuser);
    assert!(high.contains("is a superuser") && !high.contains("GRANT"), "{high}");
    fleet.database.sql(&format!("drop role {other}"));
}

/// A member that does not have its group's rights is told of these, and not of grants on every schema.
#[test]
fn a_member_without_the_owners_rights_is_told_how_to_have_them() {
    let (fleet, owner, writer) = small();
    let new = fleet.database.value("select current_setting('server_version_num')::int >= 160000") == "t";
    let (take, give) = if new {
        (
            format!("grant {owner} to {writer} with inherit false"),
            format!("grant {owner} to {writer} with inherit true"),
        )
    } else {
        (format!("alter role {writer} noinherit"), format!("alter role {writer} inherit"))
    };
    fleet.database.sql(&take);
    let helps = membership(&fleet, &owner, &writer);
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains(&format!("{writer} is a member of {owner}, and does not have its rights")), "{doctor}");
    assert!(doctor.contains(&helps), "{doctor}");
    // What it reads of the ledgers was granted: the files need no more, for they run as the owner.
    for schema in ["tenant_acme", "tenant_beta_two"] {
        fleet.database.sql(&format!("grant usage on schema {schema} to {writer}"));
        fleet.database.sql(&format!("grant select on {schema}.schema_migrations to {writer}"));
    }
    fleet.configure(&as_owner(&fleet, &writer, &owner).replace("run_as = \"owner\"", ""));
    let words = text(&fleet.expect(5, &["migrate", "acme", "--yes"]).stderr);
    assert!(words.contains("may not create in 1 schema") && words.contains(&helps), "{words}");
    fleet.configure(&as_owner(&fleet, &writer, &owner));
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_acme", &owner), "");
    // And what is told helps.
    fleet.database.sql(&helps);
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(!doctor.contains("does not have its rights"), "{doctor}");
    fleet.database.sql(&give);
}

/// Who makes a schema for another role goes on in it by that one's rights: without them the run would end at the schema.
#[test]
fn an_owner_of_new_schemas_whose_rights_are_not_had_is_named_before_anything_is_ordered() {
    let (fleet, owner, writer) = small();
    let new = fleet.database.value("select current_setting('server_version_num')::int >= 160000") == "t";
    let take = if new {
        format!("grant {owner} to {writer} with inherit false")
    } else {
        format!("alter role {writer} noinherit")
    };
    fleet.database.sql(&take);
    let helps = membership(&fleet, &owner, &writer);
    for run_as in ["run_as = \"owner\"", ""] {
        fleet.configure(&as_owner(&fleet, &writer, &owner).replace("run_as = \"owner\"", run_as));
        let words = text(&fleet.expect(5, &["provision", "new-one", "--name", "New", "--yes"]).stderr);
        assert!(words.contains(&format!("{writer} is a member of that role without its rights")), "{words}");
        assert!(words.contains(&helps), "{words}");
        let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
        let flat = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("and could not use the schema") && !flat.contains("ok new schemas"), "{doctor}");
        assert!(!doctor.contains("ok    privileges  new schemas"), "{doctor}");
    }
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    fleet.configure(&as_owner(&fleet, &writer, &owner));
    fleet.database.sql(&helps);
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_new_one", &owner), "");
}

/// Who drops a schema needs its owner's rights, and a membership that is there may not give them.
#[test]
fn a_drop_without_the_owners_rights_is_told_what_gives_them() {
    let (fleet, owner, writer) = small();
    let new = fleet.database.value("select current_setting('server_version_num')::int >= 160000") == "t";
    let (take, helps) = if new {
        (
            format!("grant {owner} to {writer} with inherit false"),
            format!("GRANT {owner} TO {writer} WITH INHERIT TRUE"),
        )
    } else {
        (format!("alter role {writer} noinherit"), format!("ALTER ROLE {writer} INHERIT"))
    };
    fleet.database.sql("update public.tenants set status = 'suspended' where slug = 'acme'");
    fleet.database.sql(&take);
    let drop = &["drop", "acme", "--confirm", "tenant_acme", "--yes"][..];
    let words = text(&fleet.expect(5, drop).stderr);
    assert!(words.contains(&format!("{writer} does not own the schema: {helps} is missing")), "{words}");
    fleet.database.sql(&helps);
    fleet.expect(0, drop);
    // Where there is no membership at all, that is what is missing.
    fleet.database.sql(&format!("revoke {owner} from {writer}"));
    let words = text(&fleet.expect(5, &["undrop", "acme", "--yes"]).stderr);
    assert!(words.contains(&format!("GRANT {owner} TO {writer} is missing")), "{words}");
}

/// `public` belongs to a role of the server's own by default: nothing is given to that one.
#[test]
fn a_shared_schema_of_the_databases_owner_is_to_be_given_to_the_application() {
    let (fleet, owner, writer) = small();
    let shared = fleet.home.path().join("shared");
    fs::create_dir(&shared).expect("a folder");
    fs::write(shared.join("20260115000000-plans.up.sql"), "create table plans (id int primary key)").expect("a file");
    if fleet.database.value("select nspowner::regrole from pg_namespace where nspname = 'public'")
        != "pg_database_owner"
    {
        return;
    }
    let configure = |user: &str, named: &str| {
        let text = as_owner(&fleet, user, &owner).replace(&format!("owner = \"{owner}\""), named);
        let with = format!("shared_path = \"{}\"\nrun_as", shared.display());
        fleet.configure(&text.replacen("run_as", &with, 1));
    };
    // The database's owner may act as that role, and others may not; no grant makes a member of it.
    let superuser = fleet.database.value("select current_user");
    for user in [&superuser, &writer] {
        fleet.database.sql(&format!("grant all on public.schema_migrations to {writer}"));
        for (named, to) in [
            (format!("owner = \"{owner}\""), format!("\"{owner}\"")),
            (String::new(), "the role of the application".to_owned()),
        ] {
            configure(user, &named);
            let words = text(&fleet.expect(5, &["migrate", "--shared", "--yes"]).stderr);
            assert!(words.contains(&format!("ALTER SCHEMA public OWNER TO {to}")), "{user}: {words}");
            assert!(words.contains("leave run_as out"), "{user}: {words}");
            assert!(!words.contains("TO pg_database_owner") && !words.contains("GRANT"), "{user}: {words}");
        }
    }
    // And what is told helps.
    configure(&writer, &format!("owner = \"{owner}\""));
    fleet
        .database
        .sql(&format!("alter schema public owner to {owner}; alter table public.schema_migrations owner to {owner}"));
    fleet.expect(0, &["migrate", "--shared", "--yes"]);
    assert_eq!(fleet.database.value("select relowner::regrole from pg_class where relname = 'plans'"), owner);
}

/// SET ROLE asks for the role that logged in, whatever role is set for it.
#[test]
fn a_login_role_that_acts_as_another_is_judged_by_what_it_may_take() {
    let (fleet, owner, writer) = small();
    let acts = unique(&fleet, "acts");
    // It acts as the small role, and is no member of the owner by itself.
    fleet
        .database
        .sql(&format!("create role {acts} login; grant {writer} to {acts}; alter role {acts} set role = {writer}"));
    fleet.configure(&as_owner(&fleet, &acts, &owner));
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains(&format!("{acts} logs in and acts as {writer}")), "{doctor}");
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    // It is taken by who logged in: the grant is for that one.
    fleet.database.sql(&format!("revoke {owner} from {writer}; grant {owner} to {acts}"));
    for schema in ["tenant_acme", "tenant_beta_two"] {
        fleet.database.sql(&format!(
            "grant usage, create on schema {schema} to {writer}; grant all on all tables in schema {schema} to {writer}"
        ));
    }
    fleet.file("20260401000000-more", "create table more (id int);");
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    assert_eq!(not_of(&fleet, "tenant_acme", &owner), "");
    fleet.database.sql(&format!("revoke {owner} from {acts}"));
    let words = text(&fleet.expect(5, &["migrate", "beta-two", "--yes"]).stderr);
    assert!(words.contains(&format!("{acts} may not take")) && words.contains(&format!("TO {acts}")), "{words}");
    fleet.database.sql(&format!("drop owned by {acts}; drop role {acts}"));
}

/// A ledger that the owner of its schema may not write is found before anything is ordered.
#[test]
fn a_ledger_of_somebody_else_is_named_before_the_run() {
    let (fleet, owner, _) = small();
    let superuser = fleet.database.value("select current_user");
    fleet.database.sql(&format!(
        "alter table tenant_acme.schema_migrations owner to \"{superuser}\"; \
         grant select on tenant_acme.schema_migrations to {owner}"
    ));
    let words = text(&fleet.expect(5, &["migrate", "--all", "--yes"]).stderr);
    let helps = format!("ALTER TABLE tenant_acme.schema_migrations OWNER TO {owner}");
    assert!(words.contains("may not write the ledger") && words.contains(&helps), "{words}");
    assert!(!words.contains("tenant_beta_two.schema_migrations"), "{words}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    fleet.database.sql(&helps);
    fleet.expect(0, &["migrate", "--all", "--yes"]);
    // A right is as good as being the owner.
    fleet.database.sql(&format!(
        "alter table tenant_acme.schema_migrations owner to \"{superuser}\"; \
         grant all on tenant_acme.schema_migrations to {owner}"
    ));
    fleet.file("20260401000000-more", "create table more (id int);");
    fleet.expect(0, &["migrate", "--all", "--yes"]);
}
