//! `rename`, `suspend`, `activate`, `archive`, `drop`, `undrop`, `purge`: what is done to one tenant as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::choose::{self, Aim};
use super::life_plan::{document, words};
use super::running::{self, Results, Start};
use super::trash;
use super::writing;
use crate::cli::args::{Activate, Consent, Format, Purge, Removal, Remove, Rename, Undrop, Withdraw};
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::Session;
use crate::jobs::life::plan::LifeRequest;
use crate::jobs::life::{history, plan};
use crate::jobs::orders;
use crate::jobs::service::{LifeOrder, Order};
use crate::model::life::{LifeKind, LifePlan, Trashed};
use crate::model::tenant::{Tenant, TenantState};
use crate::postgres::session::{Patience, Reader};
use crate::text::{Untrusted, sanitise, shell_word};

/// What the command line says besides whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) consent: Consent,
    pub(super) format: Format,
    /// `--confirm`.
    pub(super) confirm: Option<&'a str>,
    /// `--dependant`.
    pub(super) dependants: &'a [String],
}

impl How<'_> {
    pub(super) const fn plain(consent: Consent, format: Format) -> Self {
        Self { consent, format, confirm: None, dependants: &[] }
    }
}

/// Gives a tenant another display name.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 for an ambiguous one, 3 without a link, 5 where it is refused.
pub async fn rename(session: &Session, arguments: &Rename) -> Outcome<Status> {
    let (aim, tenant) = tenant(session, &arguments.slug).await?;
    let mut request = LifeRequest::of(LifeKind::Rename, tenant, layout(&aim));
    request.becomes = Some(Untrusted::new(&arguments.name));
    carry_out(session, &aim, request, How::plain(arguments.consent, arguments.format)).await
}

/// Suspends or archives one.
///
/// # Errors
/// As [`rename`].
pub async fn withdraw(session: &Session, arguments: &Withdraw, kind: LifeKind) -> Outcome<Status> {
    let (aim, tenant) = tenant(session, &arguments.slug).await?;
    let mut request = LifeRequest::of(kind, tenant, layout(&aim));
    request.end_sessions = arguments.end_sessions;
    carry_out(session, &aim, request, How::plain(arguments.consent, arguments.format)).await
}

/// Activates one again.
///
/// # Errors
/// As [`rename`].
pub async fn activate(session: &Session, arguments: &Activate) -> Outcome<Status> {
    let (aim, tenant) = tenant(session, &arguments.slug).await?;
    let request = LifeRequest::of(LifeKind::Activate, tenant, layout(&aim));
    carry_out(session, &aim, request, How::plain(arguments.consent, arguments.format)).await
}

/// Moves one into the trash. One that is there already, or was removed, is no error.
///
/// # Errors
/// As [`rename`].
pub async fn drop(session: &Session, arguments: &Remove) -> Outcome<Status> {
    let aims = choose::databases_of(session, &arguments.slug).await?;
    let how = how(&arguments.removal);
    match choose::find(&aims, &arguments.slug) {
        Ok((index, tenant)) => {
            let Some(aim) = aims.get(index) else { return Err(nobody(&arguments.slug)) };
            let mut request = LifeRequest::of(LifeKind::Drop, tenant, layout(aim));
            request.end_sessions = arguments.end_sessions;
            carry_out(session, aim, request, how).await
        }
        Err(unknown) => match trashed(&aims, &arguments.slug)? {
            Some((_, trashed)) => Ok(in_trash(&trashed)),
            None => gone(&aims, &arguments.slug).await?.ok_or(unknown),
        },
    }
}

/// Brings one back from the trash; without a name it lists that.
///
/// # Errors
/// As [`rename`].
pub async fn undrop(session: &Session, arguments: &Undrop) -> Outcome<Status> {
    let Some(slug) = &arguments.slug else { return trash::list(session, arguments.format).await };
    let aims = choose::databases_of(session, slug).await?;
    let how = How::plain(arguments.consent, arguments.format);
    match trashed(&aims, slug)? {
        Some((aim, trashed)) => {
            let request = LifeRequest::of_trash(LifeKind::Undrop, trashed, layout(aim));
            carry_out(session, aim, request, how).await
        }
        None => {
            let (_, tenant) = choose::find(&aims, slug)?;
            Err(not_in_trash(&tenant, "there is nothing to bring back"))
        }
    }
}

/// Removes a dropped tenant for good; without a name it lists the trash. One that was removed already is no error.
///
/// # Errors
/// As [`rename`].
pub async fn purge(session: &Session, arguments: &Purge) -> Outcome<Status> {
    let Some(slug) = &arguments.slug else { return trash::list(session, arguments.removal.format).await };
    let aims = choose::databases_of(session, slug).await?;
    match trashed(&aims, slug)? {
        Some((aim, trashed)) => {
            let request = LifeRequest::of_trash(LifeKind::Purge, trashed, layout(aim));
            carry_out(session, aim, request, how(&arguments.removal)).await
        }
        None => match choose::find(&aims, slug) {
            Ok((_, tenant)) => Err(not_in_trash(&tenant, "`tenantui drop` puts it there first")),
            Err(unknown) => gone(&aims, slug).await?.ok_or(unknown),
        },
    }
}

/// What keeps it from being there may be a purge that stopped on its way, and the way on.
fn not_in_trash(tenant: &Tenant, otherwise: &str) -> Failure {
    let problem = tenant.problems.first().filter(|_| tenant.state == TenantState::MissingSchema);
    let why = problem.map_or_else(|| otherwise.to_owned(), |problem| problem.safe().to_string());
    Failure::refused(format!("{} is not in the trash: {why}", tenant.slug.safe()))
}

fn how(removal: &Removal) -> How<'_> {
    How {
        consent: removal.consent,
        format: removal.format,
        confirm: removal.confirm.as_deref(),
        dependants: &removal.dependant,
    }
}

fn nobody(word: &str) -> Failure {
    Failure::failed(format!("there is no tenant \"{}\"; `tenantui tenants` lists them", sanitise(word)))
}

fn in_trash(trashed: &Trashed) -> Status {
    output::note(format!("nothing to do: it is in the trash already, {}", trashed.words()));
    Status::Done
}

fn layout(aim: &Aim) -> Arc<crate::layout::Layout> {
    Arc::clone(&aim.reading.context.layout)
}

fn trash_of(aim: &Aim) -> Arc<[Trashed]> {
    aim.reading.snapshot.databases.first().map(|view| Arc::clone(&view.trash)).unwrap_or_default()
}

/// The one tenant that a word means.
pub(super) async fn tenant(session: &Session, word: &str) -> Outcome<(Aim, Arc<Tenant>)> {
    let mut aims = choose::databases_of(session, word).await?;
    let (index, tenant) = choose::find(&aims, word)?;
    Ok((aims.swap_remove(index), tenant))
}

/// The one schema in the trash that a word means.
fn trashed<'a>(aims: &'a [Aim], word: &str) -> Outcome<Option<(&'a Aim, Trashed)>> {
    let by = |is: &dyn Fn(&Untrusted) -> bool| -> Vec<(&'a Aim, Trashed)> {
        let of = |aim: &'a Aim| {
            let all = trash_of(aim);
            all.iter().filter(|trashed| trashed.is_named(is)).map(|trashed| (aim, trashed.clone())).collect::<Vec<_>>()
        };
        aims.iter().flat_map(of).collect()
    };
    let mut found = by(&|name| name.raw() == word);
    if found.is_empty() {
        found = by(&|name| name.is_written(word));
    }
    if found.len() < 2 {
        return Ok(found.pop());
    }
    let names: Vec<String> =
        found.iter().map(|(aim, trashed)| format!("{} in {}", trashed.schema.safe(), aim.target.config.name)).collect();
    let databases: BTreeSet<&str> = found.iter().map(|(aim, _)| &*aim.target.config.name).collect();
    // With several of one database the name of the database says nothing.
    let or = if databases.len() == found.len() { ", or add --database" } else { "" };
    Err(Failure::usage(format!(
        "\"{}\" was dropped more than once: name the schema in the trash ({}){or}",
        sanitise(word),
        names.join(", ")
    )))
}

/// A tenant that was removed before is no error.
async fn gone(aims: &[Aim], word: &str) -> Outcome<Option<Status>> {
    for aim in aims {
        let reader = Reader::open(&aim.target, Patience::Foreground).await?;
        if let Some(at) = history::purged(&reader, word).await? {
            output::note(format!("it was removed for good on {}: nothing was done", at.strftime("%Y-%m-%d %H:%M UTC")));
            return Ok(Some(Status::Done));
        }
    }
    Ok(None)
}

/// Plans, prints, asks, orders and runs.
pub(super) async fn carry_out(session: &Session, aim: &Aim, request: LifeRequest, how: How<'_>) -> Outcome<Status> {
    let (target, style) = (&aim.target, Style::from(how.format));
    let reader = Reader::open(target, Patience::Background).await?;
    let plan = plan::read(&reader, target, &request).await?;
    std::mem::drop(reader);
    if how.consent.dry_run {
        writing::note_server(target, &aim.reading);
        match style {
            Style::Json => output::json(&document(&plan))?,
            Style::Text | Style::Csv => output::data(&words(&plan, &target.config))?,
        }
        if let Some(why) = &plan.refusal {
            return Err(Failure::refused(format!("it would be refused: {}", why.safe())));
        }
        note_nothing(&plan);
        return Ok(Status::Done);
    }
    writing::check_server(target, &aim.reading)?;
    output::note(words(&plan, &target.config));
    if let Some(why) = &plan.refusal {
        return Err(Failure::refused(format!("nothing was done: {}", why.safe())));
    }
    if note_nothing(&plan) {
        return Ok(Status::Done);
    }
    writing::check_writable(target, &aim.reading)?;
    let dependants = dependants(&plan, how, session).await?;
    let typed = typed(&plan, how, session).await?;
    let question = format!("{} {}?", plan.kind.title(), plan.tenant.slug.safe());
    ask::confirm(&question, &target.config, how.consent, &session.signals).await?;
    let order = Order::Life(Box::new(LifeOrder { request, plan, typed, dependants }));
    let job = orders::order(target, &order, Uuid::new_v4()).await?;
    let mut results = Results::new(style);
    let view = results.run(target, job, Start::Ordered, how.consent, &session.signals).await?;
    results.print()?;
    Ok(running::status(&view, &session.signals, Status::Failed))
}

/// Whether there is nothing to do, and then why.
fn note_nothing(plan: &LifePlan) -> bool {
    if let Some(why) = &plan.nothing {
        output::note(format!("nothing to do: {}", why.safe()));
    }
    plan.nothing.is_some()
}

/// Each object outside the schema, confirmed by itself: on the command line, or asked. `--yes` does not answer it.
async fn dependants(plan: &LifePlan, how: How<'_>, session: &Session) -> Outcome<Vec<Untrusted>> {
    if !plan.kind.is_typed() {
        return Ok(Vec::new());
    }
    let named = |object: &&Untrusted| how.dependants.iter().any(|name| object.is_written(name));
    let (mut confirmed, open): (Vec<&Untrusted>, Vec<&Untrusted>) = plan.dependants.iter().partition(named);
    for (at, object) in open.iter().copied().enumerate() {
        let question = format!("{} is outside the schema and goes with it. Let it go?", object.safe());
        if !ask::yes(&question, &session.signals).await? {
            let rest: Vec<String> =
                open[at..].iter().map(|object| format!("--dependant {}", shell_word(object.raw()))).collect();
            return Err(Failure::refused(format!(
                "nothing was done: what depends on the schema is confirmed one by one; add {}",
                rest.join(" ")
            )));
        }
        confirmed.push(object);
    }
    Ok(confirmed.into_iter().cloned().collect())
}

/// The schema's name: on the command line, or asked. `--yes` does not answer it.
async fn typed(plan: &LifePlan, how: How<'_>, session: &Session) -> Outcome<Option<String>> {
    let Some(word) = plan.word_to_type() else { return Ok(None) };
    let typed = match how.confirm {
        Some(word) => word.to_owned(),
        None => ask::word("Type the name of its schema to go on: ", &session.signals).await?.ok_or_else(|| {
            Failure::refused(format!(
                "nothing was done: add --confirm {} to say that this schema is meant",
                shell_word(word.raw())
            ))
        })?,
    };
    if plan.is_confirmed_by(&typed) {
        Ok(Some(typed))
    } else {
        let typed = sanitise(&typed);
        Err(Failure::refused(format!("nothing was done: \"{typed}\" is not the name of its schema, {}", word.safe())))
    }
}
