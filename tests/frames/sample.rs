//! A fleet for frames: the one of the drawings, made of plain types.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tenantui::layout::{About, Column, Layout, NameRule, Naming, Registry, RegistryColumns, Statuses};
use tenantui::migrations::folder::{Finding, Folder, FolderFacts, MigrationFile, Statement};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::{CacheView, DatabaseView, FileView};
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::JobId;
use tenantui::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use tenantui::model::link::LinkState;
use tenantui::model::server::ServerRole;
use tenantui::model::tenant::{
    DatabaseName, FailedStep, KeySample, MigrationDetail, MigrationState, NotMeasured, TableDetail, Tenant,
    TenantDetail, TenantKey, TenantState, Ttl, Unmeasured,
};
use tenantui::model::times::{StepTime, StepTimes};
use tenantui::text::Untrusted;

pub use super::sample_jobs::{audit, jobs, log, outcomes};

/// The sizes of the drawings.
pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// The files: version and name, oldest first.
pub const FILES: [(&str, &str); 4] = [
    ("0039", "rename_plan_column"),
    ("0040", "drop_legacy_flags"),
    ("0041", "split_address"),
    ("0042", "add_invoice_index"),
];

/// 12:04:31 on a day.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_726_671 + second).expect("a time")
}

/// `eu-1`.
pub fn eu1() -> DatabaseName {
    "eu-1".into()
}

/// A tenant at a version of [`FILES`] (`None`: no ledger).
pub fn tenant(slug: &str, version: Option<usize>, state: TenantState) -> Tenant {
    let versions: Vec<Version> = FILES.iter().map(|(version, _)| Version::new(version)).collect();
    let applied = version.map_or(0, |index| index + 1);
    let schema = format!("t_{}", slug.replace('-', "_"));
    let number = u64::from(slug.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
    Tenant {
        key: TenantKey::row(&eu1(), slug),
        id: Some(slug.into()),
        slug: slug.into(),
        name: None,
        status: Some("active".into()),
        domains: Vec::new(),
        plan: Some(if number % 3 == 0 { "pro" } else { "basic" }.into()),
        deleted: false,
        schema: Some(schema.as_str().into()),
        schema_oid: Some(16_400),
        owner: Some("shop".into()),
        state,
        ledger: match version {
            Some(_) => LedgerState::Read(LedgerReading {
                tool: Tool::Migratus,
                table: "schema_migrations".into(),
                applied: Arc::new(AppliedSet {
                    versions: versions[..applied].to_vec(),
                    current: versions[..applied].last().cloned(),
                    ..AppliedSet::default()
                }),
                dirty: false,
                locked: None,
            }),
            None => LedgerState::Absent,
        },
        applied: Some(u32::try_from(applied).expect("few")),
        pending: Some(versions[applied..].into()),
        ahead: Some(Arc::default()),
        tables: Some(20),
        size_bytes: Some((number % 4_000 + 12) * 1_048_576),
        size_exact: false,
        cache_keys: Some(number % 40_000),
        created_at: Some(format!("2024-03-{:02}T10:00:00Z", number % 27 + 1).into()),
        changed: std::sync::Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}

/// The tenants of the drawings, and as many others as are asked for.
pub fn tenants(others: usize) -> Vec<Tenant> {
    let mut out = vec![
        tenant("abacus", Some(3), TenantState::Ok),
        tenant("acme", Some(0), TenantState::Behind),
        tenant("acorn", Some(0), TenantState::Behind),
        tenant("adler-labs", Some(1), TenantState::Behind),
        tenant("aeon", Some(3), TenantState::Ok),
        tenant("agora", Some(2), TenantState::Behind),
        tenant("alba", None, TenantState::NeverMigrated),
        tenant("albatross", None, TenantState::MissingSchema),
        tenant("albion", Some(0), TenantState::Locked),
        tenant("alcove", None, TenantState::NoAccess),
    ];
    out[3].failed_step = Some(Arc::new(FailedStep {
        job: JobId(17),
        version: Some(Version::new("0041")),
        sqlstate: Some("55P03".into()),
        message: "canceling statement due to lock timeout".into(),
    }));
    out[4].status = Some("suspended".into());
    out[7].schema_oid = None;
    out[7].size_bytes = None;
    out[7].problems = vec!["its schema t_albatross does not exist".into()];
    out[9].ledger = LedgerState::NoAccess("GRANT SELECT ON t_alcove.schema_migrations TO ops_ro would help".into());
    out[9].pending = None;
    for number in 0..others {
        let version = if number % 6 == 0 { 2 } else { 3 };
        let state = if version == 3 { TenantState::Ok } else { TenantState::Behind };
        out.push(tenant(&format!("shop-{number:04}"), Some(version), state));
    }
    out
}

/// Names that try to break a terminal.
pub fn hostile() -> Vec<Tenant> {
    let names = [
        "\u{1b}[31mred\u{7}".to_owned(),
        "bidi-\u{202e}gnp.exe".to_owned(),
        "日本語のとても長い名前のテナント会社株式".to_owned(),
        format!("marks-a{}", "\u{301}".repeat(200)),
        "x".repeat(63),
        "tab\tnew\nline".to_owned(),
        "zero\u{200b}width\u{feff}".to_owned(),
        "flags-🇩🇪-👩‍👩‍👧-❤️".to_owned(),
        "\u{e0041}\u{e0042}tags".to_owned(),
    ];
    names
        .iter()
        .map(|name| {
            let mut tenant = tenant(name, Some(0), TenantState::Behind);
            tenant.status = Some(Untrusted::new(name));
            tenant.plan = Some(Untrusted::new(name));
            tenant.owner = Some(Untrusted::new(name));
            tenant.created_at = Some(Untrusted::new(name));
            tenant.problems = vec![Untrusted::new(name)];
            tenant
        })
        .collect()
}

/// `eu-1`, well.
pub fn database(environment: Environment) -> DatabaseView {
    DatabaseView {
        name: eu1(),
        environment,
        address: "saas@db1".into(),
        user: "saas".into(),
        layout: Some("boundary".into()),
        tool: Some(Tool::Migratus),
        server_version: Some("15.20".into()),
        read_only: false,
        read_only_why: None,
        warnings: Vec::new(),
        link: LinkState::Up { latency_ms: 12 },
        server: ServerRole::Primary { timeline: Some("00000001".to_owned()) },
        pooled: false,
        back: None,
        error: None,
        unread: false,
        taken_at: Some(at(-3)),
        progress: None,
        files: Some(
            FILES
                .iter()
                .map(|(version, name)| FileView {
                    version: Version::new(version),
                    name: (*name).into(),
                    has_down: *version != "0039",
                    notes: if *version == "0040" { vec!["drops a column".into()] } else { Vec::new() },
                })
                .collect(),
        ),
        target: Some(Version::new("0042")),
        times: times(),
        cache: CacheView::Counted { at: at(-41), keys: 1_204_000, recounting: false },
        initialised: Some(true),
        schema_rule: Some("t_{slug}".into()),
        trash: std::sync::Arc::default(),
        left_roles: Arc::default(),
    }
}

/// How long the files took before; the newest never ran.
pub fn times() -> Arc<StepTimes> {
    let time = |mean_ms: u64, runs: u32| StepTime { mean_ms, longest_ms: mean_ms * 3, runs, last_at: at(-90_000) };
    let all = [("0039", 120, 20), ("0040", 1_240, 20), ("0041", 9_300, 20), ("0042", 2_000, 20)];
    Arc::new(all.into_iter().map(|(version, mean, runs)| (Version::new(version), time(mean, runs))).collect())
}

/// The folder behind the files.
pub fn folder() -> Folder {
    let files = FILES.iter().map(|(version, name)| {
        let sql: Arc<str> = format!(
            "-- {name}\nalter table users add column street text;\nupdate users set street = split_part(address, ',', 1);\n"
        )
        .into();
        let findings = if *version == "0040" {
            vec![Finding { rule: "drop-column", refuses: false, line: 2, message: "drops a column".into() }]
        } else {
            Vec::new()
        };
        Arc::new(MigrationFile {
            version: Version::new(version),
            name: (*name).into(),
            path: PathBuf::from(format!("migrations/{version}_{name}.up.sql")),
            statements: vec![Statement { line: 2, sql: sql.clone() }],
            sql,
            sha256: [7; 32],
            down: None,
            verify: None,
            below: String::new(),
            position: 0,
            is_code: false,
            transactional: true,
            findings,
        })
    });
    Folder {
        path: "migrations".into(),
        tool: Tool::Migratus,
        files: files.collect(),
        notes: Vec::new(),
        facts: FolderFacts::default(),
    }
}

/// A layout with a registry table that has a plan.
pub fn layout() -> Layout {
    let column = |name: &str| Column {
        name: Ident::new(name).expect("a name"),
        type_name: "text".into(),
        not_null: true,
        has_default: false,
        is_generated: false,
    };
    let public = SchemaName::public();
    Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry: Registry::Table {
            table: QualifiedName { schema: public.clone(), name: Ident::new("tenants").expect("a name") },
            oid: 16_390,
            columns: RegistryColumns {
                id: Some(column("id")),
                slug: column("slug"),
                name: Some(column("name")),
                schema_name: Some(column("schema_name")),
                status: Some(column("status")),
                plan: Some(column("plan")),
                domain: None,
                settings: None,
                created_at: Some(column("created_at")),
                updated_at: None,
                deleted_at: None,
            },
        },
        naming: Naming {
            rule: NameRule::Boundary,
            schema_template: "tenant_{slug}".into(),
            hyphens_become_underscores: true,
            read_back: false,
            folds: false,
        },
        expected_tool: Some(Tool::Migratus),
        statuses: Statuses {
            active: Some("active".into()),
            suspended: Some("suspended".into()),
            deleted: Some("deleted".into()),
        },
        role: None,
        access: None,
        domains: None,
        about: About::default(),
        cache_keys: Vec::new(),
        search_path_extra: Vec::new(),
        exclude: Vec::new(),
        tenant_tables: Vec::new(),
        shared_schema: Some(public),
        new_values: Vec::new(),
        found_on: None,
    }
}

/// Keys of the three prefixes; the server says nothing of the last.
fn cache_sample() -> Vec<KeySample> {
    let key = |prefix: &str, rest: &str, kind: Option<&str>, ttl: Option<Ttl>| KeySample {
        prefix: prefix.into(),
        key: format!("tenant:acme:{prefix}{rest}").into(),
        kind: kind.map(Into::into),
        ttl,
    };
    vec![
        key("cart:", "1", Some("hash"), Some(Ttl::Never)),
        key("rate:", "api", None, None),
        key("session:", "71b2", Some("string"), Some(Ttl::Seconds(900))),
        key("session:", "9c\u{1b}[2J", Some("string"), Some(Ttl::Seconds(41))),
    ]
}

/// What was read of an open tenant.
pub fn detail(of: &Tenant) -> TenantDetail {
    let table = |name: &str, total: u64, rows: u64, dead: u8| TableDetail {
        name: name.into(),
        rows_estimate: Some(rows),
        total_bytes: Some(total * 1_048_576),
        not_measured: None,
        table_bytes: Some(total * 1_048_576 * 7 / 10),
        index_bytes: Some(total * 1_048_576 * 3 / 10),
        toast_bytes: Some(0),
        dead_percent: Some(dead),
    };
    let mut tables =
        vec![table("events", 201, 1_900_000, 3), table("invoices", 72, 210_000, 41), table("users", 9, 31_000, 0)];
    tables.extend((0..35).map(|number| table(&format!("lookup_{number:02}"), 1, 100, 0)));
    tables[5].total_bytes = None;
    tables[5].not_measured = Some(NotMeasured::Locked);
    tables[5].table_bytes = None;
    tables[5].index_bytes = None;
    let applied = of.applied.unwrap_or(0) as usize;
    TenantDetail {
        key: of.key.clone(),
        measured_at: at(-41),
        total_bytes: Some(317 * 1_048_576),
        tables,
        unmeasured: Unmeasured { locked: 1, no_time: 0 },
        migrations: FILES
            .iter()
            .enumerate()
            .map(|(index, (version, name))| MigrationDetail {
                version: Version::new(version),
                name: Some((*name).into()),
                applied_at: (index < applied).then(|| "2026-11-19 09:12:44".into()),
                state: if index < applied { MigrationState::Applied } else { MigrationState::Pending },
                checksum_ok: (index < applied).then_some(index != 0 || applied > 1),
            })
            .collect(),
        cache_by_prefix: vec![("session:".into(), 1_800), ("cart:".into(), 190), ("rate:".into(), 11)],
        cache_sample: cache_sample(),
        sample_unknown: None,
        jobs: Vec::new(),
        members: Vec::new(),
        health: Vec::new(),
        objects_outside: Vec::new(),
        role: None,
        why: "skipped by job 12 (55P03 lock timeout), never retried".into(),
        problems: Vec::new(),
    }
}
