//! The whole way for each tool whose ledger is written: a database that the tool made, its folder, `migrate --all`, and
//! the ledgers that come of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{home, json, tenantui, text};
use crate::ledger_rows::{Ledger, WRITTEN};
use crate::ledgers::{fixture, loaded};
use crate::support::TestDatabase;

/// A tool's fixture with a configuration.
struct Shop {
    home: TempDir,
    database: TestDatabase,
}

impl Shop {
    async fn new(name: &str) -> Self {
        let shop = Self { home: home(), database: loaded(name).await };
        let config = shop.home.path().join("config.toml");
        let (url, path) = (shop.database.url(), fixture(name).join("migrations"));
        let head = "[[database]]\nname = \"shop\"";
        let migrations = format!("[database.migrations]\ntool = \"{name}\"\npath = \"{}\"", path.display());
        fs::write(&config, format!("{head}\nurl = \"{url}\"\n{migrations}\n")).expect("a configuration");
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("the mode");
        shop
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tenantui(self.home.path());
        command.arg("--config").arg(self.home.path().join("config.toml")).args(arguments);
        command.output().expect("runs")
    }

    /// The document of a command that ends so.
    fn json(&self, codes: &[i32], arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let code = output.status.code().expect("a code");
        assert!(codes.contains(&code), "{arguments:?} ended {code}: {}", text(&output.stderr));
        json(&output)
    }
}

/// Of a list of tenants, name and field of each, sorted.
fn fields(document: &Value, name: &str, field: &str) -> Vec<(String, String)> {
    let tenants = document["tenants"].as_array().expect("a list");
    let word = |tenant: &Value, field: &str| tenant[field].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = tenants.iter().map(|tenant| (word(tenant, name), word(tenant, field))).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn each_tools_tenants_are_migrated_and_their_ledgers_are_the_tools_own() {
    for (name, tool) in WRITTEN {
        let shop = Shop::new(name).await;
        assert!(shop.run(&["init", "--yes"]).status.success(), "{name}");
        // Where a tool left a failure or a lock behind, that tenant is left out by name: 4.
        let done = shop.json(&[0, 4], &["migrate", "--all", "--yes", "--json"]);
        let results = fields(&done, "tenant", "result");
        for tenant in ["globex", "initech"] {
            assert!(results.contains(&(tenant.to_owned(), "done".to_owned())), "{name}: {done}");
        }
        let states = fields(&shop.json(&[0], &["tenants", "--json"]), "slug", "state");
        for tenant in ["acme", "globex", "initech"] {
            assert!(states.contains(&(tenant.to_owned(), "ok".to_owned())), "{name}: {states:?}");
        }
        let ledger = |schema: &str| Ledger::new(&shop.database, tool, schema);
        let made_by_tool = ledger("tenant_acme");
        for schema in ["tenant_globex", "tenant_initech"] {
            assert_eq!(ledger(schema).rows(), made_by_tool.rows(), "{name}/{schema}");
            assert_eq!(ledger(schema).shape(), made_by_tool.shape(), "{name}/{schema}");
            let orders = format!("select count(*) from pg_class where oid = to_regclass('{schema}.orders')");
            assert_eq!(shop.database.value(&orders), "1", "{name}/{schema}");
        }
        let again = shop.json(&[0, 4], &["migrate", "--all", "--dry-run", "--json"]);
        assert_eq!(again["plans"][0]["steps"], 0, "{name}: {again}");
    }
}
