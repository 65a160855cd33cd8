//! What every writing command checks before it asks.

use crate::cli::exit::{Failure, Outcome};
use crate::cli::output;
use crate::fleet::Reading;
use crate::model::life::Trashed;
use crate::model::tenant::Tenant;
use crate::postgres::session::Target;
use crate::text::{Untrusted, sanitise};

/// Whether this database may be written, and is prepared for it.
///
/// # Errors
/// Exit 5: read-only for whatever reason, or not initialised.
pub fn check_writable(target: &Target, reading: &Reading) -> Outcome<()> {
    check_not_read_only(target, reading)?;
    let name = &target.config.name;
    let initialised = reading.snapshot.databases.first().and_then(|database| database.initialised);
    if initialised == Some(false) {
        return Err(Failure::refused(format!(
            "{name} was never initialised: jobs are recorded in a schema tenantui of its own; run `tenantui init` first"
        )));
    }
    Ok(())
}

/// Whether this database may be written at all.
///
/// # Errors
/// Exit 5: read-only for whatever reason.
pub fn check_not_read_only(target: &Target, reading: &Reading) -> Outcome<()> {
    let name = &target.config.name;
    if target.config.read_only {
        return Err(Failure::refused(format!("{name} is read-only (read_only in its configuration, or --read-only)")));
    }
    match &reading.context.read_only_why {
        Some(why) => Err(Failure::refused(format!("{name} is read-only: {}", why.safe()))),
        None => Ok(()),
    }
}

/// Whether a plan may be made for this server at all: what a standby or the wrong server has may be old.
///
/// # Errors
/// Exit 5 where it is none that may be written.
pub fn check_server(target: &Target, reading: &Reading) -> Outcome<()> {
    let why = reading.snapshot.databases.first().and_then(|database| database.server.read_only_why());
    match why {
        Some(why) => Err(Failure::refused(format!("{} is read-only: {}", target.config.name, why.safe()))),
        None => Ok(()),
    }
}

/// Says what a plan is worth that is printed and never run, where it may be of old facts.
pub fn note_server(target: &Target, reading: &Reading) {
    if let Some(note) = reading.snapshot.databases.first().and_then(|database| database.server.note()) {
        output::note(format!("{}: {}", target.config.name, note.safe()));
    }
}

/// Where a word names a dropped tenant whose place no row keeps: since when it is in the trash, and what there is to do.
pub fn in_trash<'a>(word: &str, mut readings: impl Iterator<Item = &'a Reading>) -> Option<String> {
    let is_it = |trashed: &&Trashed| trashed.is_named(|name| name.is_written(word));
    let found = |reading: &'a Reading| reading.snapshot.databases.iter().flat_map(|view| &*view.trash).find(is_it);
    let trashed = readings.find_map(found)?;
    let since = trashed.drop.as_ref().map(|drop| drop.at.strftime("since %Y-%m-%d %H:%M UTC, ").to_string());
    Some(format!("\"{}\" is in the trash {}{}", sanitise(word), since.unwrap_or_default(), trashed.words()))
}

/// The one tenant that a word can mean, of all that were found in these readings.
///
/// # Errors
/// Exit 1 where there is none, 2 where there are several.
pub fn only_one<'a, T>(
    word: &str,
    mut found: Vec<T>,
    tenant: impl Fn(&T) -> &Tenant,
    readings: impl Iterator<Item = &'a Reading>,
) -> Outcome<T> {
    let shown = sanitise(word);
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::failed(
            in_trash(word, readings)
                .unwrap_or_else(|| format!("there is no tenant \"{shown}\"; `tenantui tenants` lists them")),
        )),
        (Some(last), false) => {
            let databases: Vec<String> =
                found.iter().chain([&last]).map(|found| tenant(found).key.database.to_string()).collect();
            if databases.iter().any(|name| *name != databases[0]) {
                let hint = "add --database with one of them";
                return Err(Failure::usage(format!(
                    "\"{shown}\" is ambiguous: it is in {}; {hint}",
                    databases.join(", ")
                )));
            }
            let who = |found: &T| {
                let (slug, schema) = (tenant(found).slug.safe(), tenant(found).schema.as_ref().map(Untrusted::safe));
                schema.map_or_else(|| slug.to_string(), |schema| format!("{slug} (schema {schema})"))
            };
            let all: Vec<String> = found.iter().chain([&last]).map(who).collect();
            Err(Failure::usage(format!(
                "\"{shown}\" is ambiguous in {}: it is {}; name the key or the schema that only one of them has, or mend the \
                 registry where both are the same",
                databases[0],
                all.join(" and ")
            )))
        }
    }
}
