//! What the configuration overrides, and what is learnt from the tenants that are there.

use super::*;

#[tokio::test]
async fn other_names_of_the_columns_are_understood_where_no_layout_fits() {
    let db = pg().database("other_names");
    db.sql(
        "create table tenants(uuid uuid, subdomain text, display_name text, db_schema text, state text, tier text, inserted_at timestamptz, hostname text);
         insert into tenants values (null, 'acme', 'ACME', 't_acme', 'active', 'pro', '2026-02-09 10:00:00+00', 'shop.acme.example');
         create schema t_acme",
    );
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!(&*layout.name, "plain");
    let rows = registry::rows(&open(&config).await, &layout).await.expect("rows");
    let row = &rows[0];
    let text = |value: &Option<tenantui::text::Untrusted>| value.as_ref().map(|text| text.raw().to_owned());
    assert_eq!(row.slug.raw(), "acme");
    assert_eq!(text(&row.schema).as_deref(), Some("t_acme"));
    assert_eq!(text(&row.status).as_deref(), Some("active"));
    assert_eq!(text(&row.plan).as_deref(), Some("pro"));
    assert_eq!(row.domains, ["shop.acme.example".into()]);
    assert_eq!(text(&row.created_at).as_deref(), Some("2026-02-09T10:00:00Z"));
}

#[tokio::test]
async fn the_schema_rule_of_new_tenants_is_read_off_the_old_ones() {
    let db = pg().database("learn");
    db.sql(
        "create table tenants(slug text, schema_name text);
         insert into tenants values ('acme', 't_acme'), ('blue-fox', 't_blue_fox'), ('t', 't_t'), ('x', 't_x')",
    );
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!(layout.naming.schema_template, "t_{slug}");
    assert_eq!(layout.naming.check("new-one").expect("legal").schema.raw(), "t_new_one");
    // What the configuration says is not guessed over.
    let mut config = config;
    config.tenants.schema = Some("tenant_{slug}".to_owned());
    assert_eq!(surveyed(&config).await.expect("a layout").naming.schema_template, "tenant_{slug}");
}

#[tokio::test]
async fn an_overriding_table_schema_and_exclusion_are_obeyed() {
    let db = pg().database("overrides");
    db.sql(
        "create schema app; create table app.clients(id int primary key, slug text, name text);
         insert into app.clients values (1, 'acme', 'ACME'), (2, 'blue-fox', 'Blue'), (3, 'archive', 'Archive');
         create schema c_acme; create schema c_blue_fox; create schema c_archive; create schema c_stray; create schema c_old",
    );
    let mut config = config(&db, "postgres");
    config.tenants.table = Some(name("app", "clients"));
    config.tenants.schema = Some("c_{slug}".to_owned());
    config.tenants.exclude = ["c_archive", "c_old"].map(|name| SchemaName::existing(name).expect("a name")).to_vec();
    assert_eq!(listed(&config).await, ["acme:unknown", "blue-fox:unknown", "c_stray:orphan_schema"]);
    config.tenants.table = Some(name("app", "nothing"));
    let text = surveyed(&config).await.expect_err("absent").to_string();
    assert!(text.contains("app.nothing is absent"), "{text}");
}

#[tokio::test]
async fn a_scan_takes_the_underscore_literally() {
    let db = pg().database("scan");
    for schema in ["tenant_acme", "tenantx", "tenants_archive", "tenant_", "Tenant_Big", "zz_dropped_1_tenant_old"] {
        db.sql(&format!("create schema \"{schema}\""));
    }
    let mut config = config(&db, "postgres");
    config.tenants.scan = Some("tenant_%".to_owned());
    assert_eq!(listed(&config).await, ["acme:unknown", "tenant_:unknown"]);
    config.tenants.scan = Some("%".to_owned());
    assert_eq!(
        listed(&config).await,
        ["Tenant_Big:unknown", "acme:unknown", "tenant_:unknown", "tenants_archive:unknown", "tenantx:unknown"]
    );
}

#[tokio::test]
async fn a_query_lists_tenants_and_cannot_write() {
    let db = pg().database("query");
    db.sql(
        "create table customers(id int primary key, sub text, born timestamptz, gone bool);
         insert into customers values (1, 'acme', '2026-02-09 11:00:00.5+01', false), (2, 'blue', null, true);
         create schema tenant_acme;
         create function wipe() returns text language plpgsql as $$ begin delete from customers; return 'x'; end $$",
    );
    let mut config = config(&db, "postgres");
    let query = |text: &str| Some(text.to_owned());
    config.tenants.query = query(
        "select id, sub as slug, upper(sub) as name, born as created_at, sub || '.example' as domain from customers -- all;",
    );
    assert_eq!(listed(&config).await, ["acme:unknown", "blue:missing_schema"]);
    let reader = open(&config).await;
    let layout = survey(&reader, &config).await.expect("a layout");
    let mut rows = registry::rows(&reader, &layout).await.expect("rows");
    rows.sort_by(|a, b| a.slug.cmp(&b.slug));
    assert_eq!(rows[0].created_at.as_ref().map(|at| at.raw()), Some("2026-02-09T10:00:00Z"));
    assert_eq!(rows[0].id.as_ref().map(|id| id.raw()), Some("1"));
    assert_eq!(rows[0].domains, ["acme.example".into()]);

    for (bad, wanted) in [
        ("select id from customers", "need a slug"),
        ("select slug from nowhere", "[database.tenants] query: relation \"nowhere\" does not exist (42P01)"),
        ("with gone as (delete from customers returning sub) select sub as slug from gone", "0A000"),
        ("select 1; delete from customers", "one statement"),
        ("delete from customers", "must be a SELECT"),
    ] {
        config.tenants.query = query(bad);
        let text = match survey(&reader, &config).await {
            Ok(layout) => registry::rows(&reader, &layout).await.expect_err(bad).to_string(),
            Err(error) => error.to_string(),
        };
        assert!(text.contains(wanted), "{bad}: {text}");
    }
    for sneaky in [
        "select wipe() as slug",
        "select set_config('transaction_read_only', 'off', true) || wipe() as slug",
        "select set_config('default_transaction_read_only', 'off', false) || wipe() as slug",
    ] {
        config.tenants.query = query(sneaky);
        let layout = survey(&reader, &config).await.expect("a layout");
        registry::rows(&reader, &layout).await.expect_err(sneaky);
        assert_eq!(reader.rows("select 1").await.expect("the session goes on").len(), 1);
    }
    // A setting that succeeds does not outlive the query.
    config.tenants.query = query("select set_config('default_transaction_read_only', 'off', false) as slug");
    let layout = survey(&reader, &config).await.expect("a layout");
    registry::rows(&reader, &layout).await.expect("rows");
    let rows = reader.rows("show default_transaction_read_only").await.expect("a setting");
    assert_eq!(rows[0].text(0), Some("on"));
    assert_eq!(db.value("select count(*) from customers"), "2");
}

#[tokio::test]
async fn words_that_the_status_column_refuses_are_not_offered() {
    let db = pg().database("statuses");
    db.sql("create type state as enum ('active', 'closed'); create table tenants(slug text, status state)");
    let layout = surveyed(&config(&db, "postgres")).await.expect("a layout");
    assert_eq!((layout.statuses.active.as_deref(), layout.statuses.suspended), (Some("active"), None));
    db.sql("drop table tenants; create table tenants(slug text, status varchar(20) check (status in ('active', 'suspended')))");
    let layout = surveyed(&config(&db, "postgres")).await.expect("a layout");
    assert_eq!((layout.statuses.suspended.as_deref(), layout.statuses.deleted), (Some("suspended"), None));
    db.sql("drop table tenants; create table tenants(slug text)");
    let layout = surveyed(&config(&db, "postgres")).await.expect("a layout");
    assert_eq!(layout.statuses.active, None);
}

#[test]
fn a_template_is_learnt_only_from_agreement() {
    let learn = |pairs: &[(&str, &str)]| judge::learn_template(pairs);
    let tenants = [("acme", "tenant_acme"), ("blue-fox", "tenant_blue_fox"), ("t", "tenant_t")];
    assert_eq!(learn(&tenants), Some(("tenant_{slug}".to_owned(), true)));
    assert_eq!(learn(&[("a-b", "a-b"), ("c-d", "c-d"), ("e", "e")]), Some(("{slug}".to_owned(), false)));
    assert_eq!(learn(&[("a", "a_t"), ("b", "b_t"), ("c", "c_t")]), Some(("{slug}_t".to_owned(), true)));
    assert_eq!(learn(&[("a", "t_a"), ("b", "t_b")]), None, "too few");
    assert_eq!(learn(&[("a", "s1"), ("b", "s2"), ("c", "s3"), ("d", "s4")]), None, "no rule");
    assert_eq!(learn(&[("a", "t_a"), ("b", "t_b"), ("c", "t_c"), ("d", "other")]), None, "three of four");
    assert_eq!(learn(&[]), None);
}
