//! The arguments of `rollback` and `redo`.

use clap::Args;

use super::{Consent, Format, Rollout, filter, state};
use crate::model::filter::FilterText;
use crate::model::tenant::TenantState;

/// `rollback` and `redo`.
#[derive(Debug, Clone, Default, Args)]
pub struct Undo {
    /// Slugs or schemas of tenants
    #[arg(value_name = "SLUG", conflicts_with_all = ["all", "state", "filter"])]
    pub slugs: Vec<String>,
    /// Every tenant that is not deleted, the suspended ones included, orphans never
    #[arg(long, conflicts_with = "state")]
    pub all: bool,
    /// Every tenant in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub state: Vec<TenantState>,
    /// Every tenant that fits this filter, written as for `tenants`: 'plan:pro version:0042'
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub filter: Option<FilterText>,
    /// How many migrations of each tenant, the newest first; 1 unless given
    #[arg(long, value_name = "N", conflicts_with = "to", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: Option<u32>,
    /// Down to this version, which stays
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// How it goes through the tenants.
    #[command(flatten)]
    pub rollout: Rollout,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}
