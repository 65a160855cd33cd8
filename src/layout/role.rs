//! The role of a tenant and what it is granted, as a layout file says it: data, with the checks of names. Nothing here
//! writes SQL; provisioning does, from what stands here.

use serde::{Deserialize, Serialize};

use super::NameError;
use super::file::Wrong;
use super::naming::{SCHEMA_MARK, SLUG_MARK};
use crate::model::ident::{Ident, MAX_IDENT_BYTES, SchemaName};
use crate::text::Untrusted;

/// `[role]`: the role that belongs to one tenant. A layout without it has one role for all tenants.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// Its name, with `{schema}` or `{slug}` in it once.
    pub name: String,
    /// Whether it may log in, and so has a password.
    pub login: bool,
    /// When it is made.
    pub made: RoleMade,
    /// Names that the framework refuses besides those that PostgreSQL refuses.
    #[serde(default)]
    pub rule: RoleNames,
    /// `search_path` as it is set on the role: schemas, `{schema}` for the tenant's. Empty: it is left alone.
    #[serde(default)]
    pub search_path: Vec<String>,
}

/// `role.made`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleMade {
    /// With every tenant, as the framework does.
    Always,
    /// Where the operator asks for it: the framework knows one role for all.
    Asked,
}

/// `role.rule`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleNames {
    /// Whatever PostgreSQL takes.
    #[default]
    Any,
    /// Cloacina's rule of user names.
    Cloacina,
}

/// `[grants]`: what the tenant's role gets. The lists of objects are for those that exist after the migrations;
/// `default` is for objects that the provisioning role makes in the schema later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// On the tenant's schema.
    pub schema: Vec<Privilege>,
    /// On all its tables.
    pub tables: Vec<Privilege>,
    /// On all its sequences.
    pub sequences: Vec<Privilege>,
    /// On all its functions.
    pub functions: Vec<Privilege>,
    /// ALTER DEFAULT PRIVILEGES IN SCHEMA.
    pub default: DefaultGrants,
}

impl Grants {
    /// What an application needs of its tables, where a layout does not say it: to read and write rows, and nothing of the
    /// structure.
    #[must_use]
    pub fn usual() -> Self {
        let rows = || vec![Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete];
        let numbers = || vec![Privilege::Usage, Privilege::Select];
        let code = || vec![Privilege::Execute];
        Self {
            schema: vec![Privilege::Usage],
            tables: rows(),
            sequences: numbers(),
            functions: code(),
            default: DefaultGrants { tables: rows(), sequences: numbers(), functions: code() },
        }
    }
}

/// `[grants.default]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "named like the kinds of objects")]
pub struct DefaultGrants {
    pub tables: Vec<Privilege>,
    pub sequences: Vec<Privilege>,
    pub functions: Vec<Privilege>,
}

/// A privilege of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "PostgreSQL's words")]
pub enum Privilege {
    All,
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Execute,
}

impl Privilege {
    /// The word of GRANT.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Usage => "USAGE",
            Self::Create => "CREATE",
            Self::Execute => "EXECUTE",
        }
    }
}

/// A tenant's role and its grants, of one layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role.
    pub rule: RoleRule,
    /// What it is granted.
    pub grants: Grants,
}

/// Roles that no tenant may have: PostgreSQL's own, as Cloacina lists them.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "postgres", "pg_database_owner", "pg_read_all_data", "pg_write_all_data", "pg_read_all_settings",
    "pg_read_all_stats", "pg_stat_scan_tables", "pg_monitor", "pg_read_server_files", "pg_write_server_files",
    "pg_execute_server_program", "pg_signal_backend", "pg_checkpoint",
];

impl RoleNames {
    /// The framework's own verdict on the name of a role.
    ///
    /// # Errors
    /// Which part of the rule is broken.
    pub fn verdict(self, name: &str) -> Result<(), NameError> {
        let refuse = |what: String| {
            Err(NameError { why: Untrusted::new(format!("Cloacina does not allow the role \"{name}\": {what}")) })
        };
        match self {
            Self::Any => Ok(()),
            Self::Cloacina => {
                if name.is_empty() || name.len() > MAX_IDENT_BYTES {
                    return refuse(format!("it has {} bytes, 1 to {MAX_IDENT_BYTES} are allowed", name.len()));
                }
                let first = |c: char| c.is_ascii_alphabetic() || c == '_';
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !name.starts_with(first) || !name.chars().all(word) {
                    return refuse("letters, digits and underscores, a letter or underscore first".to_owned());
                }
                match RESERVED.iter().find(|word| word.eq_ignore_ascii_case(name)) {
                    Some(word) => refuse(format!("\"{word}\" is PostgreSQL's own")),
                    None => Ok(()),
                }
            }
        }
    }
}

impl RoleRule {
    /// The name of a tenant's role.
    ///
    /// # Errors
    /// Where PostgreSQL would cut, reserve or refuse it, or the framework does.
    pub fn name_of(&self, slug: &str, schema: &SchemaName) -> Result<Ident, NameError> {
        let name = self.name.replace(SLUG_MARK, slug).replace(SCHEMA_MARK, schema.raw());
        self.rule.verdict(&name)?;
        let refuse =
            |what: String| NameError { why: Untrusted::new(format!("the role \"{name}\" cannot be made: {what}")) };
        if name.starts_with("pg_") || matches!(name.as_str(), "public" | "none") {
            return Err(refuse("the name is reserved by PostgreSQL".to_owned()));
        }
        Ident::new(&name).map_err(|error| refuse(error.to_string()))
    }

    /// The schemas of the role's search path, for one tenant.
    ///
    /// # Errors
    /// When a name is none; a checked layout file has no such.
    pub fn path_of(&self, schema: &SchemaName) -> Result<Vec<SchemaName>, NameError> {
        let one = |name: &String| match name.as_str() {
            SCHEMA_MARK => Ok(schema.clone()),
            name => SchemaName::existing(name)
                .map_err(|error| NameError { why: Untrusted::new(format!("role.search_path: {error}")) }),
        };
        self.search_path.iter().map(one).collect()
    }
}

/// What of `[role]` and `[grants]` cannot be.
pub(super) fn check(role: Option<&RoleRule>, grants: Option<&Grants>) -> Result<(), Wrong> {
    let Some(role) = role else {
        return match grants {
            Some(_) => Err(Wrong::new("grants", "there is no [role] that could get them")),
            None => Ok(()),
        };
    };
    let marks = role.name.matches(SLUG_MARK).count() + role.name.matches(SCHEMA_MARK).count();
    if marks != 1 {
        return Err(Wrong::new("role.name", format!("\"{}\" must hold {{schema}} or {{slug}} once", role.name)));
    }
    if let Some(name) = role.search_path.iter().find(|name| *name != SCHEMA_MARK && SchemaName::existing(name).is_err())
    {
        return Err(Wrong::new("role.search_path", format!("\"{name}\" is no schema")));
    }
    let Some(grants) = grants else { return Ok(()) };
    use Privilege::{All, Create, Delete, Execute, Insert, References, Select, Trigger, Truncate, Update, Usage};
    let tables = [All, Select, Insert, Update, Delete, Truncate, References, Trigger].as_slice();
    let sequences = [All, Select, Update, Usage].as_slice();
    let functions = [All, Execute].as_slice();
    for (option, given, allowed) in [
        ("grants.schema", &grants.schema, [All, Usage, Create].as_slice()),
        ("grants.tables", &grants.tables, tables),
        ("grants.sequences", &grants.sequences, sequences),
        ("grants.functions", &grants.functions, functions),
        ("grants.default.tables", &grants.default.tables, tables),
        ("grants.default.sequences", &grants.default.sequences, sequences),
        ("grants.default.functions", &grants.default.functions, functions),
    ] {
        if let Some(wrong) = given.iter().find(|privilege| !allowed.contains(privilege)) {
            let words: Vec<String> = allowed.iter().map(|one| one.sql().to_ascii_lowercase()).collect();
            let wrong = wrong.sql().to_ascii_lowercase();
            return Err(Wrong::new(option, format!("{wrong} is none of {}", words.join(", "))));
        }
    }
    Ok(())
}
