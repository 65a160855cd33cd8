//! When an open tenant is read again, and by which names.

use super::super::ledger_now;
use super::*;
use crate::layout::{About, Layout, NameRule, Naming, Registry, Statuses};
use crate::migrations::dialects::{FoundLedger, Ledgers, Readable};
use crate::model::ident::{Ident, SchemaName};
use crate::model::ledger::LedgerState;
use crate::model::ledger::Tool;
use crate::model::tenant::TenantState;
use crate::postgres::ledgers::Activity;

fn tenant(state: TenantState) -> Tenant {
    Tenant {
        key: TenantKey::row(&"eu-1".into(), "7"),
        id: Some("7".into()),
        slug: "blue-fox".into(),
        name: None,
        status: None,
        plan: None,
        deleted: false,
        schema: Some("t_blue_fox".into()),
        schema_oid: Some(1),
        owner: None,
        state,
        ledger: LedgerState::Unread,
        applied: None,
        pending: None,
        ahead: None,
        tables: None,
        size_bytes: None,
        size_exact: false,
        cache_keys: None,
        domains: Vec::new(),
        created_at: None,
        changed: Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}

fn picture(state: TenantState) -> Arc<Snapshot> {
    Arc::new(Snapshot { tenants: vec![Arc::new(tenant(state))], ..Snapshot::default() })
}

/// The reason why a tenant is behind was that of the moment before it was known to be.
#[tokio::test(start_paused = true)]
async fn a_tenant_that_changed_while_it_was_measured_is_measured_again() {
    let key = tenant(TenantState::Unknown).key;
    let (_open, open) = watch::channel(Some(key.clone()));
    let (ask, asked) = watch::channel(0);
    let (pictures, snapshots) = watch::channel(picture(TenantState::Unknown));
    let (_contexts, contexts) = watch::channel(Arc::default());
    let (updates, _updates) = mpsc::channel(1);
    let mut desk = Desk { databases: Vec::new(), open, asked, snapshots, contexts, updates };
    let measured = desk.stands(Some(&key));
    pictures.send_replace(picture(TenantState::Behind));
    let began = tokio::time::Instant::now();
    assert_eq!(desk.wait(Some(&key), measured, true).await, Some(Occasion::Outdated));
    assert!(began.elapsed() < EVERY, "it waited for the next round");
    // What was measured as it stands now is up to date until the next round.
    let measured = desk.stands(Some(&key));
    pictures.send_replace(picture(TenantState::Behind));
    assert_eq!(desk.wait(Some(&key), measured, true).await, Some(Occasion::Outdated));
    assert!(began.elapsed() >= EVERY, "nothing had changed");
    // Only what somebody asks for is measured to its end.
    let measured = desk.stands(Some(&key));
    ask.send_replace(1);
    assert_eq!(desk.wait(Some(&key), measured, true).await, Some(Occasion::Asked));
}

/// The ledger of the tenant's schema, found when that was called so.
fn context(schema: &str) -> JobContext {
    let ledger = FoundLedger {
        tool: Tool::Migratus,
        certain: true,
        name: QualifiedName {
            schema: SchemaName::existing(schema).expect("a name"),
            name: Ident::new("schema_migrations").expect("a name"),
        },
        companion: None,
        companion_denied: None,
        table_oid: 2,
        readable: Readable::Yes,
        activity: Activity::default(),
    };
    let layout = Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry: Registry::Scan { pattern: None, requires: Vec::new() },
        naming: Naming {
            rule: NameRule::Boundary,
            schema_template: "t_{slug}".to_owned(),
            hyphens_become_underscores: true,
            read_back: false,
            folds: false,
        },
        expected_tool: None,
        statuses: Statuses::default(),
        role: None,
        access: None,
        domains: None,
        about: About::default(),
        cache_keys: Vec::new(),
        search_path_extra: Vec::new(),
        exclude: Vec::new(),
        shared_schema: None,
        new_values: Vec::new(),
        found_on: None,
        tenant_tables: Vec::new(),
    };
    JobContext {
        database: "eu-1".into(),
        layout: Arc::new(layout),
        folder: None,
        folder_error: None,
        shared: None,
        found: Arc::new(Ledgers { by_schema: [(1, Found::Ledger(ledger))].into() }),
        lens: Arc::default(),
        initialised: true,
        taken: Arc::default(),
        read_only_why: None,
    }
}

/// A drop and an undrop rename the schema; its ledger is found anew only after its row was read.
#[test]
fn a_ledger_is_read_where_its_schema_is_called_now() {
    let table = |tenant: &Tenant| match ledger_now(&context("zz_dropped_94_t_blue_fox"), tenant) {
        Some(Found::Ledger(ledger)) => Some(ledger.name.quoted()),
        Some(Found::Unclear { .. }) | None => None,
    };
    let tenant = tenant(TenantState::Ok);
    assert_eq!(table(&tenant).as_deref(), Some("\"t_blue_fox\".\"schema_migrations\""));
    assert_eq!(table(&Tenant { schema_oid: None, ..tenant }), None);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_ledger_is_found_elsewhere_is_measured_again() {
    let key = tenant(TenantState::Ok).key;
    let (_open, open) = watch::channel(Some(key.clone()));
    let (_asked, asked) = watch::channel(0);
    let (_pictures, snapshots) = watch::channel(picture(TenantState::Ok));
    let (sender, contexts) = watch::channel(Arc::new(vec![context("zz_dropped_94_t_blue_fox")]));
    let (updates, _updates) = mpsc::channel(1);
    let mut desk = Desk { databases: Vec::new(), open, asked, snapshots, contexts, updates };
    let measured = desk.stands(Some(&key));
    sender.send_replace(Arc::new(vec![context("t_blue_fox")]));
    let began = tokio::time::Instant::now();
    assert_eq!(desk.wait(Some(&key), measured, true).await, Some(Occasion::Outdated));
    assert!(began.elapsed() < EVERY, "it waited for the next round");
}
