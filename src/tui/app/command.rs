//! What the dashboard asks the outside to do. Made by `update`, carried out by `tui::run`.

use crate::fleet::FleetCommand;
use crate::jobs::service::ServiceCommand;
use crate::model::tenant::DatabaseName;

/// Something for a worker or the terminal to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// For the collector.
    Fleet(FleetCommand),
    /// For the job service of a database.
    Service {
        /// Whose.
        database: DatabaseName,
        /// What.
        command: ServiceCommand,
    },
    /// Send text to the terminal's clipboard (OSC 52). Safe text: lines of `SafeText` joined by line ends.
    Copy(String),
    /// Write a file into the working directory.
    Export {
        /// The file's name: letters, digits, `-`, `_` and `.` only.
        name: String,
        /// What goes into it.
        content: String,
    },
    /// Write what the screen shows into a file of the state folder.
    DumpScreen {
        /// The file's name: letters, digits, `-` and `.` only.
        name: String,
    },
    /// Ring the bell.
    Bell,
    /// Leave the screen and stop (ctrl-z).
    Suspend,
    /// Leave for good with this exit status.
    Quit(u8),
}

impl Command {
    /// Whether carrying it out writes into a database.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self {
            Self::Service { command, .. } => match command {
                ServiceCommand::Init
                | ServiceCommand::Order { .. }
                | ServiceCommand::Resume(_)
                | ServiceCommand::Retry(_)
                | ServiceCommand::RetryWhenFree { .. }
                | ServiceCommand::Pause(_)
                | ServiceCommand::Skip { .. }
                | ServiceCommand::Flush(_)
                | ServiceCommand::Cancel(_) => true,
                ServiceCommand::StopFlush
                | ServiceCommand::ReadOutcomes(_)
                | ServiceCommand::ReadAudit(_)
                | ServiceCommand::PlanLife(_)
                | ServiceCommand::ReadCode { .. }
                | ServiceCommand::Stop(_) => false,
            },
            Self::Fleet(_)
            | Self::Copy(_)
            | Self::Export { .. }
            | Self::DumpScreen { .. }
            | Self::Bell
            | Self::Suspend
            | Self::Quit(_) => false,
        }
    }
}
