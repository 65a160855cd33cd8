//! The sample fleet of the key scripts: a layout, tenants, a picture, jobs.

use std::sync::Arc;

use tenantui::layout::{About, Column, Layout, NameRule, Naming, Registry, RegistryColumns, Statuses};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::{CacheView, DatabaseView, FileView, Snapshot};
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobId, JobKind, JobState, JobView};
use tenantui::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use tenantui::model::link::LinkState;
use tenantui::model::server::ServerRole;
use tenantui::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};

use super::{FILES, epoch};

fn column(name: &str, type_name: &str) -> Column {
    let name = Ident::new(name).expect("a name");
    Column { name, type_name: type_name.to_owned(), not_null: true, has_default: false, is_generated: false }
}

/// Boundary's layout.
pub fn layout() -> Layout {
    Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry: Registry::Table {
            table: QualifiedName {
                schema: SchemaName::existing("public").expect("a name"),
                name: Ident::new("tenants").expect("a name"),
            },
            oid: 1,
            columns: RegistryColumns {
                id: Some(column("id", "uuid")),
                slug: column("slug", "text"),
                name: Some(column("name", "text")),
                schema_name: Some(column("schema_name", "text")),
                status: Some(column("status", "text")),
                plan: None,
                domain: None,
                settings: None,
                created_at: Some(column("created_at", "timestamp with time zone")),
                updated_at: None,
                deleted_at: None,
            },
        },
        naming: Naming {
            rule: NameRule::Boundary,
            schema_template: "tenant_{slug}".to_owned(),
            hyphens_become_underscores: true,
            read_back: false,
            folds: false,
        },
        expected_tool: Some(Tool::Migratus),
        statuses: Statuses {
            active: Some("active".to_owned()),
            suspended: Some("suspended".to_owned()),
            deleted: Some("deleted".to_owned()),
        },
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
    }
}

/// A tenant at the first `applied` files.
pub fn tenant(database: &DatabaseName, slug: &str, number: usize, applied: usize) -> Tenant {
    let versions: Vec<Version> = FILES[..applied].iter().map(|version| Version::new(version)).collect();
    let pending: Vec<Version> = FILES[applied..].iter().map(|version| Version::new(version)).collect();
    let state = match applied {
        0 => TenantState::NeverMigrated,
        4 => TenantState::Ok,
        _ => TenantState::Behind,
    };
    Tenant {
        key: TenantKey::row(database, &number.to_string()),
        id: Some(number.to_string().into()),
        slug: slug.into(),
        name: Some(slug.replace('-', " ").to_uppercase().into()),
        status: Some("active".into()),
        plan: None,
        domains: Vec::new(),
        deleted: false,
        schema: Some(format!("tenant_{}", slug.replace('-', "_")).into()),
        schema_oid: Some(10_000 + u32::try_from(number).expect("small")),
        owner: Some("app".into()),
        state,
        ledger: LedgerState::Read(LedgerReading {
            tool: Tool::Migratus,
            table: "schema_migrations".into(),
            applied: Arc::new(AppliedSet { current: versions.last().cloned(), versions, ..AppliedSet::default() }),
            dirty: false,
            locked: None,
        }),
        applied: Some(u32::try_from(applied).expect("small")),
        pending: Some(pending.into()),
        ahead: Some(Arc::from([])),
        tables: Some(20),
        size_bytes: Some(1_000_000 * (number as u64 + 1)),
        size_exact: false,
        cache_keys: Some(number as u64),
        created_at: Some("2026-02-09T10:00:00Z".into()),
        changed: std::sync::Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}

/// A database that answers.
pub fn database(name: &str, environment: Environment) -> DatabaseView {
    DatabaseView {
        name: name.into(),
        environment,
        address: "ops@db1".into(),
        user: "ops".into(),
        layout: Some("boundary".into()),
        tool: Some(Tool::Migratus),
        server_version: Some("15.20".into()),
        read_only: false,
        read_only_why: None,
        warnings: Vec::new(),
        link: LinkState::Up { latency_ms: 3 },
        server: ServerRole::Primary { timeline: Some("00000001".to_owned()) },
        pooled: false,
        back: None,
        error: None,
        unread: false,
        taken_at: Some(epoch()),
        progress: None,
        files: Some(
            FILES
                .iter()
                .map(|version| FileView {
                    version: Version::new(version),
                    name: "a-change".into(),
                    has_down: true,
                    notes: Vec::new(),
                })
                .collect(),
        ),
        target: Some(Version::new(FILES[3])),
        times: std::sync::Arc::default(),
        cache: CacheView::NotConfigured,
        initialised: Some(true),
        schema_rule: Some("tenant_{slug}".into()),
        trash: std::sync::Arc::default(),
        left_roles: Arc::default(),
    }
}

/// Six tenants: two behind, one never migrated, three up to date.
pub fn snapshot(environment: Environment) -> Snapshot {
    let name: DatabaseName = "eu-1".into();
    let tenants = [("abacus", 4), ("acme", 2), ("acorn", 3), ("agora", 4), ("alba", 0), ("zebra-corp", 4)];
    Snapshot {
        revision: 1,
        databases: vec![database("eu-1", environment)],
        tenants: tenants
            .iter()
            .enumerate()
            .map(|(number, (slug, applied))| Arc::new(tenant(&name, slug, number, *applied)))
            .collect(),
        shared: Vec::new(),
        jobs: Vec::new(),
        detail: None,
        vitals: Vec::new(),
        activity: Arc::default(),
    }
}

/// A job of database `eu-1`.
pub fn job(id: i32, kind: JobKind, state: JobState, counts: [u32; 4]) -> JobView {
    let [total, done, failed, pending] = counts;
    JobView {
        database: "eu-1".into(),
        id: JobId(id),
        kind,
        what: "3 tenants to 20260104000000".into(),
        state,
        reason: None,
        attempt: 1,
        total,
        done,
        skipped: 0,
        failed,
        blocked: 0,
        pending,
        created_by: "ops".into(),
        created_at: epoch(),
        started_at: Some(epoch()),
        ended_at: None,
        until: None,
        worker: Some("host 1".into()),
        mine: true,
        rate_per_minute: None,
        left_seconds: None,
        comparing: false,
        waits: None,
        steps: (0, 0),
        pause_requested: false,
        cancel_requested: false,
        stop_now: false,
    }
}
