//! The arguments of `tenants`.

use clap::{Args, ValueEnum};

use super::{Format, filter, state};
use crate::model::filter::FilterText;
use crate::model::tenant::TenantState;

/// `tenants`.
#[derive(Debug, Clone, Default, Args)]
pub struct Tenants {
    /// Only tenants that fit: words of slug, name, schema, id or domain, and fields such as state:behind plan:pro
    /// behind>2 size>1GB age>30d !status:suspended; :NAME is a saved filter of the configuration
    #[arg(value_parser = filter)]
    pub filter: Option<FilterText>,
    /// Only tenants in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub state: Vec<TenantState>,
    /// Only tenants with this status in the registry
    #[arg(long)]
    pub status: Option<String>,
    /// Sort by this column; numbers largest first
    #[arg(long, value_enum, value_name = "COLUMN")]
    pub sort: Option<SortBy>,
    /// Turn the order round
    #[arg(long)]
    pub reverse: bool,
    /// Measure exact sizes instead of estimating them
    #[arg(long)]
    pub exact: bool,
    /// Count the cache keys
    #[arg(long)]
    pub cache: bool,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// Columns to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names of the columns")]
pub enum SortBy {
    Slug,
    Name,
    Status,
    State,
    Schema,
    Version,
    Applied,
    Pending,
    Tables,
    Size,
    Keys,
    Created,
}
