//! Flags of `server`.

use clap::Args;

use super::Format;

/// `server`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Server {
    /// Read twice, so far apart, and tell what is done per second
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub pace: Option<u16>,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}
