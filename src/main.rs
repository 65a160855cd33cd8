//! The thin binary: parse, hand the two faces what they need of each other, exit.

use std::process::ExitCode;

use clap::Parser as _;
use tenantui::cli;
use tenantui::cli::args::Arguments;
use tenantui::cli::keymap::KeyLine;
use tenantui::tui::app::action::ACTIONS;
use tenantui::tui::app::keymap::Keymap;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let keys = key_lines();
    cli::run(arguments, &keys, async |dashboard| {
        Err(format!("{} databases: the dashboard is not built yet", dashboard.targets.len()))
    })
}

/// The dashboard's table of actions, for `keys`, the man page and the README.
fn key_lines() -> Vec<KeyLine> {
    let keymap = Keymap::embedded().ok();
    let lines = ACTIONS.iter().map(|info| KeyLine {
        keys: keymap.as_ref().map(|keymap| keymap.keys_of(info.action).join(", ")).unwrap_or_default(),
        name: info.name.to_owned(),
        title: info.title.to_owned(),
        help: info.help.to_owned(),
        writes: info.writes,
    });
    lines.collect()
}
