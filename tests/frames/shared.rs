//! The dialog where the tenants are up to date, and what they share is not.

use std::sync::Arc;

use tenantui::config;
use tenantui::migrations::plan::{PlanOptions, SharedTarget, shared};
use tenantui::model::environment::Environment;
use tenantui::model::ident::SchemaName;
use tenantui::model::ledger::LedgerState;
use tenantui::tui::dialogs::{Dialog, Migrate, MigrateInput};
use uuid::Uuid;

use super::dialogs::check;
use super::sample::{eu1, folder, layout, times};

#[test]
fn the_shared_schema_alone() {
    let target = SharedTarget {
        schema: SchemaName::public(),
        oid: 2_200,
        ledger: LedgerState::Absent,
        folder: Some(Arc::new(folder())),
        folder_error: None,
        unlock: "tenantui repair public --by unlock".to_owned(),
    };
    let url = String::from("postgresql://saas@db1/app");
    let config = config::Database::new(eu1(), Environment::Production, url.into());
    let plan = shared(&eu1(), &target, PlanOptions::from(&config)).expect("a plan").with_times(&times());
    let dialog = Dialog::Migrate(Box::new(Migrate::new(MigrateInput {
        database: eu1(),
        environment: Environment::Production,
        set: "tenants: 207 of 207 up to date".to_owned(),
        plan: Arc::new(plan),
        shown: None,
        shared: None,
        layout: Arc::new(layout()),
        jobs: config::Jobs::default(),
        driven: None,
        key: Uuid::nil(),
    })));
    check("migrate_shared_alone", &dialog);
}
