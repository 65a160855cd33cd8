//! Boundary's layout and registry, as its jobs know them.

use super::*;

/// The registry of Boundary's first release.
pub const REGISTRY: &str = "create table public.tenants (id varchar(36) primary key, slug varchar(100) not null unique, \
    name varchar(255) not null, schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
    check (status in ('active', 'suspended', 'deleted')), settings text, created_at text not null, updated_at text, deleted_at text)";

fn column(name: &str, type_name: &str, not_null: bool, has_default: bool) -> Column {
    Column {
        name: Ident::new(name).expect("a name"),
        type_name: type_name.into(),
        not_null,
        has_default,
        is_generated: false,
    }
}

/// The columns of [`REGISTRY`].
pub fn columns() -> RegistryColumns {
    RegistryColumns {
        id: Some(column("id", "character varying(36)", true, false)),
        slug: column("slug", "character varying(100)", true, false),
        name: Some(column("name", "character varying(255)", true, false)),
        schema_name: Some(column("schema_name", "character varying(63)", true, false)),
        status: Some(column("status", "character varying(20)", true, true)),
        plan: None,
        domain: None,
        settings: Some(column("settings", "text", false, false)),
        created_at: Some(column("created_at", "text", true, false)),
        updated_at: Some(column("updated_at", "text", false, false)),
        deleted_at: Some(column("deleted_at", "text", false, false)),
    }
}

pub fn boundary(registry: Registry) -> Layout {
    Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry,
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
        shared_schema: None,
        new_values: Vec::new(),
        found_on: None,
    }
}
