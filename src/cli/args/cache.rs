//! The arguments of `cache`.

use clap::Args;

use super::Format;

/// `cache`.
#[derive(Debug, Clone, Args)]
pub struct Cache {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Remove all cache keys of this tenant, as the plan says and after a question
    #[arg(long)]
    pub flush: bool,
    /// The tenant's slug once more, to say that this one is meant; --yes never replaces it
    #[arg(long, value_name = "SLUG", requires = "flush")]
    pub confirm: Option<String>,
    /// Answer the question of --flush with yes
    #[arg(long, requires = "flush")]
    pub yes: bool,
    /// Say what --flush would remove, and remove nothing
    #[arg(long, requires = "flush")]
    pub dry_run: bool,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}
