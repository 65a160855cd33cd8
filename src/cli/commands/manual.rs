//! `keys`, `completions` and `man`: made from the command line and the dashboard's table of actions.

use std::io;

use clap::CommandFactory as _;

use crate::cli::args::{Arguments, Keys};
use crate::cli::exit::{Outcome, Status};
use crate::cli::keymap::{self, KeyLine};
use crate::cli::output::{self, Style};

#[derive(serde::Serialize)]
struct Document<'a> {
    keys: Vec<Key<'a>>,
}

#[derive(serde::Serialize)]
struct Key<'a> {
    section: &'static str,
    keys: &'a [String],
    action: &'static str,
    help: &'static str,
    writes: bool,
}

/// Prints the dashboard's keys.
///
/// # Errors
/// When the output cannot be written.
pub fn keys(lines: &[KeyLine], arguments: Keys) -> Outcome<Status> {
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document {
            keys: lines
                .iter()
                .map(|line| Key {
                    section: line.section,
                    keys: &line.keys,
                    action: line.name,
                    help: line.help,
                    writes: line.writes,
                })
                .collect(),
        })?,
        Style::Csv => output::data(&keymap::table(lines).csv()?)?,
        Style::Text => output::table(&keymap::table(lines))?,
    }
    Ok(Status::Done)
}

/// Prints completions for a shell.
///
/// # Errors
/// When the output cannot be written.
pub fn completions(shell: clap_complete::Shell) -> Outcome<Status> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tenantui", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(Status::Done)
}

/// Prints the man page: the program, every command, the keys.
///
/// # Errors
/// When the output cannot be written.
pub fn man(lines: &[KeyLine]) -> Outcome<Status> {
    output::data(&page(lines)?)?;
    Ok(Status::Done)
}

fn page(lines: &[KeyLine]) -> Result<String, io::Error> {
    let mut command = Arguments::command();
    command.build();
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(".SH COMMANDS\n");
    commands(&command, "tenantui", &mut page)?;
    page.push_str(&keymap::roff(lines));
    let mut rest = Vec::new();
    man.render_extra_section(&mut rest)?;
    man.render_version_section(&mut rest)?;
    page.push_str(&String::from_utf8_lossy(&rest));
    Ok(page)
}

/// Each command with its own options, once; those of every command stand at the top.
fn commands(of: &clap::Command, path: &str, page: &mut String) -> Result<(), io::Error> {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        let hidden = command.clone().mut_args(|argument| {
            let global = argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
            argument.hide(global)
        });
        let man = clap_mangen::Man::new(hidden.clone().bin_name(path.clone()));
        let mut part = Vec::new();
        man.render_description_section(&mut part)?;
        if hidden.get_arguments().any(|argument| !argument.is_hide_set()) {
            man.render_options_section(&mut part)?;
        }
        let part = String::from_utf8_lossy(&part).replace(".SH DESCRIPTION", "").replace(".SH OPTIONS", "");
        page.push_str(&format!(".SS {path}\n"));
        for line in part.lines().filter(|line| !line.trim().is_empty()) {
            page.push_str(line);
            page.push('\n');
        }
        commands(command, &path, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_man_page_names_every_command_and_key() {
        let keys = [KeyLine {
            section: "Tenants",
            keys: vec!["M".into()],
            name: "migrate",
            help: "migrate the marked tenants",
            writes: true,
        }];
        let page = page(&keys).expect("a page");
        for command in Arguments::command().get_subcommands() {
            assert!(page.contains(&format!(".SS tenantui {}\n", command.get_name())), "{}", command.get_name());
        }
        assert!(page.contains("\\fBM\\fR\nmigrate the marked tenants"), "{page}");
        assert!(page.contains(".SS Tenants\n"), "{page}");
        assert!(page.contains("128+n"), "{page}");
    }
}
