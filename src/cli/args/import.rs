//! `import`.

use clap::Args;

use super::{Consent, JsonFormat};

/// `import`.
#[derive(Debug, Clone, Default, Args)]
pub struct Import {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Only these tables; by default all that public and the tenant both have
    #[arg(long = "table", value_name = "NAME", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Move the tables themselves instead of copying their rows; they are named with --table
    #[arg(long = "move", requires = "tables")]
    pub moves: bool,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: JsonFormat,
}
