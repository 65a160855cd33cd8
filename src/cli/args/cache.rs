//! The arguments of `cache`.

use clap::Args;

use super::Format;

/// `cache`.
#[derive(Debug, Clone, Args)]
pub struct Cache {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Remove all cache keys of this tenant; needs --confirm
    #[arg(long)]
    pub flush: bool,
    /// The tenant's slug once more, to confirm --flush
    #[arg(long, value_name = "SLUG", requires = "flush")]
    pub confirm: Option<String>,
    /// Say what --flush would remove, and remove nothing
    #[arg(long, requires = "flush", conflicts_with = "confirm")]
    pub dry_run: bool,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}
