//! What a job's row holds besides its steps: all that a worker in another process needs to run it later. Files are
//! named by version and hash; their bytes are found again in the worker's own folder.

mod registry;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

pub use self::registry::RegistryRef;
use super::granted::Granted;
use super::import::ImportPlan;
use super::life::params::LifeParams;
use super::service::Sibling;
use crate::config::RunAs;
use crate::layout::role::Grants;
use crate::migrations::folder::MigrationFile;
use crate::migrations::plan::Direction;
use crate::model::ident::Ident;

/// The form of these parameters; an older program leaves jobs of a newer form alone. From 2 on, `job.plan_sha256` is
/// over the record itself and is compared at each claim. From 3 on a job may undo, verify, or be of the shared schema.
/// From 4 on it may make several tenants, with roles and seeds, or be of a tenant's life. From 5 on its files may run with
/// the rights of the schemas' owners, and new schemas may belong to somebody; from 6 on roles that are there may get
/// something of new schemas. Only a job that has it is of such a form.
pub const FORMAT: u32 = 6;
const FORMAT_WITH_OWNERS: u32 = 5;
const FORMAT_WITHOUT_OWNERS: u32 = 4;

/// A job's parameters. Immutable once ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// [`FORMAT`].
    pub format: u32,
    /// The ledger's tool, as its word; `None` where no migrations run.
    pub tool: Option<String>,
    /// The files that run anywhere in this job, in order.
    pub files: Vec<FileRef>,
    /// Schemas behind the tenant's in the search path.
    pub search_path_extra: Vec<String>,
    /// Its files run with the rights of the owner of the tenant's schema.
    #[serde(default, skip_serializing_if = "is_false")]
    pub as_owner: bool,
    /// The role that the schemas of its new tenants belong to; `None`: the one that makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What roles that are there get of the schemas of its new tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// Where the tenant's row is compared.
    pub registry: Option<RegistryRef>,
    /// How the fleet is gone through.
    pub pace: Pace,
    /// Tenants that the plan left out.
    pub left_out: Vec<LeftOutRef>,
    /// The new tenants, where this is a provisioning. Before [`FORMAT`] 4 there was one, or null.
    #[serde(default, deserialize_with = "one_or_many")]
    pub provision: Vec<ProvisionParams>,
    /// What the new tenants' roles may do, where they get one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleRef>,
    /// Runs in each new tenant behind its migrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<SeedRef>,
    /// What is brought into a tenant from `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportPlan>,
    /// Whose structure and rights the new tenants' are compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<Sibling>,
    /// SHA-256 of the plan as it was confirmed, in hexadecimal; `None` where none was shown.
    #[serde(default)]
    pub confirmed: Option<String>,
    /// It is of the shared schema, which is no tenant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
    /// The ledgers' table, where it has another name than the tool gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// The command that does the work, where it is not tenantui.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandRef>,
    /// What is done to a tenant as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Box<LifeParams>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ProvisionParams>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Many(Vec<ProvisionParams>),
        One(Box<ProvisionParams>),
        None(()),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::Many(many) => many,
        Form::One(one) => vec![*one],
        Form::None(()) => Vec::new(),
    })
}

/// A file of SQL besides the migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedRef {
    /// Where it is, on the machine on which the job was ordered.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl SeedRef {
    /// The reference of a file.
    #[must_use]
    pub fn of(file: &MigrationFile) -> Self {
        Self { path: file.path.clone(), sha256: hex(&file.sha256) }
    }
}

/// The command that was confirmed. A worker runs what is configured where it runs, never what a record says, and only
/// where that is the same: whoever may write to the record must not get to run programs by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRef {
    /// Its program, for messages.
    pub program: String,
    /// SHA-256 of all its words, in hexadecimal.
    pub sha256: String,
}

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The same of the file that undoes it, where that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_sha256: Option<String>,
    /// The same of the file that verifies it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_sha256: Option<String>,
}

/// Order, numbers and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Tenants at a time.
    pub parallel: u32,
    /// The first so many tenants go alone.
    pub canary: u32,
    /// Batches after them, then the rest.
    pub batches: Vec<u32>,
    /// How long the next batch waits after one, in milliseconds.
    #[serde(default)]
    pub pause_ms: u64,
    /// Failed tenants at which the job stops.
    pub max_failures: u32,
    /// Pause after the canary.
    pub wait_after_canary: bool,
    /// `lock_timeout` in milliseconds.
    pub lock_timeout_ms: u64,
    /// `statement_timeout` in milliseconds.
    pub statement_timeout_ms: u64,
}

/// A tenant that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutRef {
    /// `TenantKey::local`.
    pub key: String,
    /// The slug.
    pub slug: String,
    /// The schema.
    pub schema: Option<String>,
    /// Where it stands.
    pub version: Option<String>,
    /// Why.
    pub why: String,
}

/// A new tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionParams {
    /// Its slug.
    pub slug: String,
    /// Its schema.
    pub schema: String,
    /// The registry's row: every column that is written.
    pub row: Vec<RowValue>,
    /// Its login role, where it gets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<TenantRole>,
}

/// A tenant's role. Its password is in no record: it is made when the role is, and shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRole {
    /// Its name.
    pub name: String,
    /// `search_path` as it is set on it; empty: it is left alone.
    pub search_path: Vec<String>,
}

/// What is the same of all roles of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRef {
    /// They may log in.
    pub login: bool,
    /// What they are granted.
    pub grants: Grants,
}

/// One column of the new row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowValue {
    /// The column.
    pub column: String,
    /// Its type, as `format_type` prints it; empty where the configuration names the column.
    pub type_name: String,
    /// What is written.
    pub value: Value,
}

/// What is written into a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// This text, cast to the column's type.
    Text(String),
    /// The time of the transaction.
    Now,
    /// The same as ISO 8601 text in UTC.
    NowText,
    /// One more than the largest.
    NextNumber,
}

impl FileRef {
    /// The reference of a file in a job that goes this way.
    #[must_use]
    pub fn of(file: &MigrationFile, direction: Direction) -> Self {
        let (down, up) = match direction {
            Direction::Up => (false, true),
            Direction::Down => (true, false),
            Direction::Again => (true, true),
        };
        let hash = |file: &Arc<MigrationFile>| hex(&file.sha256);
        Self {
            version: file.version.raw().to_owned(),
            name: file.name.raw().to_owned(),
            sha256: hex(&file.sha256),
            down_sha256: file.down.as_ref().filter(|_| down).map(hash),
            verify_sha256: file.verify.as_ref().filter(|_| up).map(hash),
        }
    }
}

impl CommandRef {
    /// The reference of a command.
    #[must_use]
    pub fn of(command: &[String]) -> Self {
        // The folders of two machines may differ; the program is the same by its name.
        let program = command.first().map(|word| word.rsplit('/').next().unwrap_or(word)).unwrap_or_default();
        let mut hash = Sha256::new();
        for word in std::iter::once(program).chain(command.iter().skip(1).map(String::as_str)) {
            hash.update((word.len() as u64).to_be_bytes());
            hash.update(word.as_bytes());
        }
        Self { program: program.to_owned(), sha256: hex(&hash.finalize()) }
    }
}

impl Params {
    /// The parameters of a job of this pace, which says by name whatever else it has.
    pub(super) const fn of(pace: Pace) -> Self {
        Self {
            format: FORMAT_WITHOUT_OWNERS,
            tool: None,
            files: Vec::new(),
            search_path_extra: Vec::new(),
            as_owner: false,
            owner: None,
            granted: None,
            registry: None,
            pace,
            left_out: Vec::new(),
            provision: Vec::new(),
            role: None,
            seed: None,
            import: None,
            siblings: Vec::new(),
            confirmed: None,
            shared: false,
            ledger: None,
            command: None,
            life: None,
        }
    }

    /// The same with owners: whose rights its files run with, and whom new schemas belong to.
    pub(super) fn owned(self, run_as: RunAs, owner: Option<&Ident>) -> Self {
        let as_owner = match run_as {
            RunAs::Login => false,
            RunAs::Owner => true,
        };
        let format = if as_owner || owner.is_some() { FORMAT_WITH_OWNERS.max(self.format) } else { self.format };
        Self { format, as_owner, owner: owner.map(|name| name.raw().to_owned()), ..self }
    }

    /// The same with what roles that are there get of new schemas.
    pub(super) fn granting(self, granted: Option<Granted>) -> Self {
        let format = if granted.is_some() { FORMAT } else { self.format };
        Self { format, granted, ..self }
    }

    /// Whose rights its files run with.
    pub(super) const fn run_as(&self) -> RunAs {
        if self.as_owner { RunAs::Owner } else { RunAs::Login }
    }

    /// The JSON of the row.
    ///
    /// # Errors
    /// Never for these types; kept instead of a panic.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_check_quotes_names_and_values() {
        let registry = RegistryRef {
            schema: "public".into(),
            table: "te\"nants".into(),
            id: Some("id".into()),
            slug: "slug".into(),
            schema_name: Some("schema_name".into()),
        };
        let sql = registry.check_sql(Some("7'"), "o'brien", "tenant_o").expect("names");
        assert_eq!(
            sql,
            "SELECT 1 FROM \"public\".\"te\"\"nants\" WHERE \"slug\" = 'o''brien' AND \"id\" = '7''' \
             AND COALESCE(\"schema_name\"::text, '') IN ('', 'tenant_o') LIMIT 1;"
        );
    }
}
