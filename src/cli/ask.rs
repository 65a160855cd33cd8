//! Questions before a write. On a terminal they are asked; elsewhere `--yes` is needed.

use std::io::{self, IsTerminal as _, Write as _};

use super::args::Consent;
use super::exit::{Failure, Outcome, Status};
use super::output;
use super::signals::Signals;
use crate::config;
use crate::model::environment::Environment;
use crate::text;

/// Whether somebody can be asked.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for the go-ahead of a write to this database: on production its environment's name is typed, elsewhere `y`.
///
/// # Errors
/// Exit 5 where the answer is no, or where nobody can be asked and `--yes` is not given; 128+n on a signal.
pub async fn confirm(question: &str, database: &config::Database, consent: Consent, signals: &Signals) -> Outcome<()> {
    if consent.yes {
        return Ok(());
    }
    if !is_interactive() {
        return Err(Failure::refused("nothing was done: there is no terminal to ask on; add --yes to go ahead"));
    }
    let agreed = match database.environment {
        Environment::Production => {
            let word = database.environment.word();
            let prompt = format!("{question} This is {}. Type {word} to go ahead: ", database.name);
            answer(&prompt, signals).await?.trim() == word
        }
        Environment::Staging | Environment::Development => {
            let typed = answer(&format!("{question} [y/N] "), signals).await?;
            matches!(typed.trim(), "y" | "Y" | "yes")
        }
    };
    if agreed { Ok(()) } else { Err(Failure::refused("nothing was done: not confirmed")) }
}

/// A question that `--yes` does not answer. Where nobody can be asked the answer is no.
///
/// # Errors
/// 128+n on a signal.
pub async fn yes(question: &str, signals: &Signals) -> Outcome<bool> {
    if !is_interactive() {
        return Ok(false);
    }
    let typed = answer(&format!("{question} [y/N] "), signals).await?;
    Ok(matches!(typed.trim(), "y" | "Y" | "yes"))
}

/// A word that is typed; `None` where nobody can be asked.
///
/// # Errors
/// 128+n on a signal.
pub async fn word(prompt: &str, signals: &Signals) -> Outcome<Option<String>> {
    if !is_interactive() {
        return Ok(None);
    }
    Ok(Some(answer(prompt, signals).await?.trim_end_matches(['\n', '\r']).to_owned()))
}

/// One line from the terminal.
async fn answer(prompt: &str, signals: &Signals) -> Outcome<String> {
    let mut err = io::stderr().lock();
    write!(err, "{}", text::sanitise(prompt))?;
    err.flush()?;
    drop(err);
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        line = line => Ok(line.map_err(io::Error::other)??),
        number = signals.wait(1) => {
            // The terminal's line ends where the question stands.
            output::note("\n");
            Err(Failure::new(Status::Signal(number), "nothing was done"))
        }
    }
}
