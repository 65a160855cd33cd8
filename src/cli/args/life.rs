//! The arguments of `rename`, `suspend`, `activate`, `archive`, `drop`, `undrop`, `purge` and `repair`.

use clap::{Args, ValueEnum};

use super::{Consent, Format};
use crate::model::life::Repair;

/// `rename`.
#[derive(Debug, Clone, Args)]
pub struct Rename {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Its new display name
    #[arg(long)]
    pub name: String,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `suspend` and `archive`.
#[derive(Debug, Clone, Args)]
pub struct Withdraw {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// End the sessions of the tenant's own role too
    #[arg(long)]
    pub end_sessions: bool,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `activate`.
#[derive(Debug, Clone, Args)]
pub struct Activate {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `undrop`.
#[derive(Debug, Clone, Args)]
pub struct Undrop {
    /// The tenant's slug, its schema, or its name in the trash; without it the trash is listed
    pub slug: Option<String>,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `purge`.
#[derive(Debug, Clone, Args)]
pub struct Purge {
    /// The tenant's slug, its schema, or its name in the trash; without it the trash is listed
    pub slug: Option<String>,
    /// How.
    #[command(flatten)]
    pub removal: Removal,
}

/// `drop`.
#[derive(Debug, Clone, Args)]
pub struct Remove {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// End the sessions of the tenant's own role first
    #[arg(long)]
    pub end_sessions: bool,
    /// How.
    #[command(flatten)]
    pub removal: Removal,
}

/// What `drop` and `purge` need besides whom.
#[derive(Debug, Clone, Args)]
pub struct Removal {
    /// The name of its schema, to confirm that this one is meant; --yes never replaces it
    #[arg(long, value_name = "SCHEMA", requires = "slug")]
    pub confirm: Option<String>,
    /// An object outside the schema that goes with it, as the plan names it; once for each of them
    #[arg(long, value_name = "OBJECT", requires = "slug")]
    pub dependant: Vec<String>,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `repair`.
#[derive(Debug, Clone, Args)]
pub struct Mend {
    /// The tenant's slug, its schema, the shared schema, or a role left behind; without it all that can be repaired is listed
    pub slug: Option<String>,
    /// How, where there are several ways
    #[arg(long = "by", value_enum, value_name = "WAY", requires = "slug")]
    pub way: Option<Way>,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// Ways to repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Write a registry row for a schema that has none
    Adopt,
    /// Remove the registry row of a schema that does not exist
    Forget,
    /// Create the missing schema of a registry row, empty
    Make,
    /// Take away a lock that a migration tool left behind
    Unlock,
    /// Remove the login role of a tenant that is gone
    Role,
}

impl From<Way> for Repair {
    fn from(way: Way) -> Self {
        match way {
            Way::Adopt => Self::Adopt,
            Way::Forget => Self::Forget,
            Way::Make => Self::Make,
            Way::Unlock => Self::Unlock,
            Way::Role => Self::Role,
        }
    }
}
