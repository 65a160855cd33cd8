//! Aims at schemas with any name: what PGOPTIONS and URLs say is asked of libpq and of tokio-postgres themselves.

use std::process::Command;

use tenantui::config::conninfo::Conninfo;
use tenantui::config::surroundings::Surroundings;
use tenantui::migrations::aim::{Address, UrlAim, pgoptions, search_path};
use tenantui::model::ident::SchemaName;
use tokio_postgres::NoTls;

use crate::support::{pg, quote};

const HOSTILE: [&str; 18] = [
    "tenant_acme",
    "Tenant_Acme",
    "with space",
    "tab\tand\nline",
    "quote\"inside",
    "apostrophe's",
    "comma,public",
    "dollar$user$",
    "back\\slash",
    "\\",
    "-c search_path=public",
    "percent%20&options=x",
    "café ünïcode 漢字",
    "\u{202e}bidi",
    "1starts_with_digit",
    "semi;colon--",
    "a=b#c?d/e@f:g",
    "{url} {schema}",
];

#[tokio::test]
async fn every_name_is_reached_by_libpq_and_by_a_driver_that_cuts_urls_up_itself() {
    let db = pg().database("aim");
    let conninfo = Conninfo::parse(&db.url(), &Surroundings::fixed([("PGUSER", "postgres")])).expect("a URL");
    let psql = pg().bin("psql");
    for name in HOSTILE {
        db.sql(&format!("create schema {}", quote(name)));
        let schema = SchemaName::tenant(name).expect("a name");
        let path = search_path(&[&schema]);
        let address = Address { conninfo: &conninfo, sslmode: "disable", schema: name, path: &path };
        let url = address.url(UrlAim::Options, None);
        let ask = |url: &str, options: Option<String>| {
            let mut command = Command::new(&psql);
            command.env_remove("PGOPTIONS").args([
                "-qXAt",
                "-d",
                url,
                "-c",
                "select current_schemas(false)::text[] = array[current_schema()]::text[], current_schema()",
            ]);
            if let Some(options) = options {
                command.env("PGOPTIONS", options);
            }
            let output = command.output().expect("psql");
            assert!(output.status.success(), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let wanted = format!("t|{name}\n");
        assert_eq!(ask(&db.url(), Some(pgoptions(&path))), wanted, "PGOPTIONS for {name:?}");
        assert_eq!(ask(&url, None), wanted, "libpq's URL for {name:?}");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let row = client.query_one("select current_schema()::text", &[]).await.expect("a row");
        assert_eq!(row.get::<_, Option<String>>(0).as_deref(), Some(name), "another driver's URL for {name:?}");
    }
}

#[tokio::test]
async fn a_socket_is_reached_too() {
    let db = pg().database("aim");
    db.sql("create schema tenant_acme");
    let conninfo = Conninfo::parse(&db.socket_url(), &Surroundings::fixed([("PGUSER", "postgres")])).expect("a URL");
    let address = Address { conninfo: &conninfo, sslmode: "disable", schema: "tenant_acme", path: "tenant_acme" };
    let url = address.url(UrlAim::Options, None);
    let output = Command::new(pg().bin("psql")).args(["-qXAt", "-d", &url, "-c", "select current_schema()"]).output();
    assert_eq!(String::from_utf8_lossy(&output.expect("psql").stdout).trim(), "tenant_acme", "{url}");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let row = client.query_one("select current_schema()::text", &[]).await.expect("a row");
    assert_eq!(row.get::<_, String>(0), "tenant_acme");
}
