//! `provision`.

use std::path::PathBuf;

use clap::Args;

use super::{Consent, Format};

/// `provision`.
#[derive(Debug, Clone, Default, Args)]
pub struct Provision {
    /// The tenant's slug
    #[arg(required_unless_present = "from")]
    pub slug: Option<String>,
    /// Its display name
    #[arg(long, required_unless_present = "from")]
    pub name: Option<String>,
    /// Its plan, where the registry has a column for it
    #[arg(long, value_name = "WORD")]
    pub plan: Option<String>,
    /// Its settings, a JSON object, where the registry has a column for them
    #[arg(long, value_name = "JSON")]
    pub settings: Option<String>,
    /// Make the tenants of this CSV file instead: slug,name and, where the registry has them, plan and settings
    #[arg(long, value_name = "FILE", conflicts_with_all = ["slug", "name", "plan", "settings"])]
    pub from: Option<PathBuf>,
    /// Also make a login role of the tenant's own; where the layout has one it is made in any case
    #[arg(long)]
    pub role: bool,
    /// SQL that runs in each new tenant behind its migrations, in the same transaction
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Tenants at a time
    #[arg(long, value_name = "N", conflicts_with = "slug", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
    /// Stop when so many tenants have failed
    #[arg(long, value_name = "N", conflicts_with = "slug", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: Option<u32>,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}
