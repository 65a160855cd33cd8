//! Reading a database into its picture, cheap things first: what is known is shown while the rest is being read.

use std::sync::Arc;
use std::time::Instant;

use super::FleetError;
use super::files::{self, Whose};
use super::live;
use super::look;
use super::picture::Picture;
use super::record::{add_made, read_jobs, read_trash};
use super::rights;
use super::session::Session;
use crate::layout::TakenNames;
use crate::migrations::dialects::{Found, Ledgers};
use crate::migrations::ledgers;
use crate::postgres::session::QueryError;
use crate::postgres::{catalog, locks, of_all, questions, registry, survey};
use crate::text::{Untrusted, grouped};

/// Schemas whose ledgers are read between two looks at the session's growth.
const SLICE: usize = 1_000;

/// What a reading covers besides the registry, the schemas and the jobs, which it always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Find the layout again.
    pub layout: bool,
    /// Count tables and estimate sizes: a scan of `pg_class`.
    pub counts: Counts,
    /// Whose ledgers are read.
    pub ledgers: LedgersOf,
}

/// Whose ledgers a reading reads; all are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgersOf {
    /// Everybody's.
    All,
    /// Theirs of which the statistics say that they have changed.
    Changed,
    /// Nobody's but the shared one: who is wanted is read by [`ledgers_of`].
    Shared,
}

/// Whether a reading counts tables and estimates sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// It does.
    Read,
    /// Only where they are not known yet.
    Known,
    /// It does not.
    Later,
}

impl Scope {
    /// Everything.
    pub const ALL: Self = Self { layout: true, counts: Counts::Read, ledgers: LedgersOf::All };
    /// What may have changed.
    pub const CHANGES: Self = Self { layout: false, counts: Counts::Known, ledgers: LedgersOf::Changed };

    /// Whether this reading counts; `known`: there are counts already.
    const fn counts_now(self, known: bool) -> bool {
        match self.counts {
            Counts::Read => true,
            Counts::Known => !known,
            Counts::Later => false,
        }
    }
}

/// Reads a database. `show` is called whenever there is more to show than before.
///
/// # Errors
/// When the link breaks, or layout or registry cannot be read; the picture keeps what was known.
pub async fn refresh(
    session: &mut Session,
    picture: &mut Picture,
    scope: Scope,
    show: &mut (dyn FnMut(&mut Picture) + Send),
) -> Result<(), FleetError> {
    let seen = look::look(session, picture).await?;
    let scope = match scope.counts {
        Counts::Read | Counts::Known if seen.all_anew => Scope::ALL,
        Counts::Read | Counts::Known | Counts::Later => scope,
    };
    let rights = rights::take(session, picture, scope.counts).await?;
    // With the first picture nothing was known to compare with: what changed under it is found by the second.
    let regranted = rights.is_some() && rights != picture.rights;
    // What the layout has of the registry depends on what may be read of it.
    let scope = Scope { layout: scope.layout || regranted, ..scope };
    let pulse = look::take_pulse(session, picture).await?;
    let same = pulse.is_some() && pulse == picture.pulse && !seen.replayed_more;
    if scope == Scope::CHANGES && same && picture.error.is_none() {
        read_folders(picture).await;
        read_locks(session, picture).await?;
        read_jobs(session, picture).await?;
        picture.taken_at = Some(jiff::Timestamp::now());
        return Ok(());
    }
    let started = Instant::now();
    picture.pulse = None;
    picture.stale = true;
    let registry = read_registry(session, picture, scope.layout).await;
    if registry.is_ok() || regranted {
        // What it may no more is said even where nothing can be read now; why not is the first error then.
        let lacks = rights::read_lacks(session, picture, scope.counts).await;
        registry.and(lacks)?;
    } else {
        registry?;
    }
    if picture.taken_at.is_some() {
        // A row that says `deleted` is shown with the way back. The first reading shows its rows before anything else.
        read_trash(session, picture).await?;
    }
    read_folders(picture).await;
    show(picture);
    if scope.counts_now(picture.totals.is_some()) {
        read_counts(session, picture).await?;
        show(picture);
    }
    read_ledgers(session, picture, scope.ledgers, show).await?;
    // An order is not planned by what the layout asks: who reads for one does not wait for it.
    if scope.counts != Counts::Later
        && picture.layout.as_ref().is_some_and(|layout| layout.about.of_all().next().is_some())
    {
        read_of_all(session, picture, scope.ledgers == LedgersOf::All, show).await?;
    }
    read_locks(session, picture).await?;
    read_jobs(session, picture).await?;
    picture.taken_at = Some(jiff::Timestamp::now());
    picture.progress = None;
    picture.error = None;
    // Taken before the reading: what changed meanwhile shows as a difference next time.
    picture.pulse = pulse;
    picture.rights = rights;
    picture.replayed = seen.replayed.map(|position| (position, Instant::now()));
    picture.reading_took = started.elapsed();
    Ok(())
}

/// The layout, and by it the rows and their schemas.
async fn read_registry(session: &mut Session, picture: &mut Picture, again: bool) -> Result<(), FleetError> {
    read_layout(session, picture, again).await?;
    read_rows(session, picture).await
}

async fn read_layout(session: &mut Session, picture: &mut Picture, again: bool) -> Result<(), FleetError> {
    if picture.layout.is_some() && !again {
        return Ok(());
    }
    let layout = survey::survey(session.reader().await?, picture.config()).await.map_err(|error| match error {
        survey::SurveyError::Query(QueryError::Link(link)) => FleetError::Link(link),
        survey::SurveyError::NoAccess(why) => FleetError::Forbidden(why),
        other => FleetError::Unusable(other.to_string().into()),
    })?;
    picture.layout = Some(Arc::new(layout));
    Ok(())
}

async fn read_rows(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    let Some(layout) = picture.layout.clone() else { return Ok(()) };
    let reader = session.reader().await?;
    let schemas = catalog::schemas_of(reader, &layout).await?;
    let mut rows = registry::rows(reader, &layout).await.map_err(|error| match error {
        registry::RegistryError::Query(QueryError::Link(link)) => FleetError::Link(link),
        forbidden @ registry::RegistryError::NoAccess { .. } => FleetError::Forbidden(forbidden.to_string().into()),
        other => FleetError::Unusable(other.to_string().into()),
    })?;
    add_made(session, &layout, &mut rows).await?;
    let reader = session.reader().await?;
    picture.told = questions::about_fleet(reader, &layout).await?;
    let user = reader.facts().user.clone();
    let rows_hidden = layout.about.hidden_rows.is_some();
    let taken = TakenNames { rows_hidden, ..catalog::taken_names(&rows, &schemas) };
    picture.base = catalog::tenants(&picture.config().name, &layout, &rows, &schemas, &user);
    if *picture.taken != taken {
        picture.taken = Arc::new(taken);
    }
    let existing: std::collections::HashSet<u32> = schemas.iter().map(|schema| schema.oid).collect();
    picture.ledgers.retain(|oid, _| existing.contains(oid));
    picture.exact.retain(|oid, _| existing.contains(oid));
    picture.schemas = schemas;
    Ok(())
}

async fn read_folders(picture: &mut Picture) {
    let migrations = picture.config().migrations.clone();
    let verify = migrations.verify_path.as_ref();
    let whose = whose(picture);
    if let Some(files) = files::refresh(&picture.files, migrations.path.as_ref(), verify, whose.clone()).await {
        picture.files = files;
        picture.stale = true;
    }
    let shared = Whose { ledgers: whose.ledgers.or(picture.files.tool), scope: picture.shared_scope(), ..whose };
    if let Some(files) = files::refresh(&picture.shared_files, migrations.shared_path.as_ref(), verify, shared).await {
        picture.shared_files = files;
        picture.stale = true;
    }
}

/// Without a configured tool and without files that tell, the ledgers do.
fn whose(picture: &Picture) -> Whose {
    Whose { configured: picture.config().migrations.tool, ledgers: picture.ledger_tool(), scope: picture.scope() }
}

/// Counts tables and estimates sizes, of all schemas.
///
/// # Errors
/// When the link breaks.
pub async fn read_counts(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    let reader = session.reader().await?;
    picture.totals = Some(catalog::totals(reader).await?);
    Ok(())
}

async fn read_ledgers(
    session: &mut Session,
    picture: &mut Picture,
    of: LedgersOf,
    show: &mut (dyn FnMut(&mut Picture) + Send),
) -> Result<(), FleetError> {
    let hints = picture.hints();
    let found = ledgers::find(session.reader().await?, &hints).await?;
    let tenants = picture.base.iter().filter_map(|tenant| tenant.schema_oid).collect();
    let shared = picture.shared_schema().map(|schema| schema.oid);
    picture.wide = ledgers::database_wide(&found, &hints, &tenants, shared);
    let wanted = wanted(picture, &found, of);
    picture.found = Arc::new(found);
    if files::is_of_another_tool(&picture.files, &whose(picture)) {
        // The files alone did not say whose they are; the ledgers do.
        read_folders(picture).await;
    }
    let count = wanted.len();
    for (slice, schemas) in wanted.chunks(SLICE).enumerate() {
        read_these(session, picture, schemas).await?;
        let done = (slice * SLICE + schemas.len()).min(count);
        if done < count {
            let text = format!("ledgers {}/{}", grouped(done as u64), grouped(count as u64));
            picture.progress = Some(Untrusted::new(text));
            show(picture);
        }
    }
    picture.outdated.clear();
    picture.interner.forget_unused();
    Ok(())
}

/// Reads the ledgers of these schemas, which the reading before left out.
///
/// # Errors
/// When the link breaks.
pub async fn ledgers_of(session: &mut Session, picture: &mut Picture, schemas: &[u32]) -> Result<(), FleetError> {
    read_these(session, picture, schemas).await?;
    picture.stale = true;
    Ok(())
}

async fn read_these(session: &mut Session, picture: &mut Picture, schemas: &[u32]) -> Result<(), FleetError> {
    let found = Arc::clone(&picture.found);
    let read = ledgers::read(session.reader().await?, &found, schemas, &mut picture.interner, |_| {}).await?;
    session.opened(read.relations);
    picture.ledgers.extend(read.states);
    Ok(())
}

/// What the layout asks of every tenant; `all`: also of those whose tables have not changed.
async fn read_of_all(
    session: &mut Session,
    picture: &mut Picture,
    all: bool,
    show: &mut (dyn FnMut(&mut Picture) + Send),
) -> Result<(), FleetError> {
    let Some(layout) = picture.layout.clone() else { return Ok(()) };
    show(picture);
    let todo = of_all::look(session.reader().await?, &layout, &picture.base, &mut picture.of_all, all).await?;
    for (done, slice) in todo.asks.chunks(SLICE).enumerate() {
        if done > 0 {
            let (done, count) = (grouped((done * SLICE) as u64), grouped(todo.asks.len() as u64));
            picture.progress = Some(Untrusted::new(format!("what the layout asks of each {done}/{count}")));
            show(picture);
        }
        let more = of_all::ask(session.reader().await?, slice, todo.relations, &mut picture.of_all).await?;
        session.opened(todo.relations * slice.len());
        if !more {
            break;
        }
    }
    Ok(())
}

/// Who migrates at this moment, by the locks that the tools take. What may not be seen is nobody's lock.
async fn read_locks(session: &mut Session, picture: &mut Picture) -> Result<(), FleetError> {
    let reader = session.reader().await?;
    let tenants = picture.base.iter().filter_map(|tenant| Some((tenant.schema_oid?, tenant.schema.as_ref()?.raw())));
    let keys = live::keys(&picture.found, reader.facts().database.raw(), tenants);
    let held = if keys.is_empty() { Ok(Vec::new()) } else { locks::held(reader).await };
    let live = match held {
        Ok(held) => keys.judge(&held),
        Err(QueryError::Link(link)) => return Err(link.into()),
        Err(error) => live::Live {
            database: vec![format!("whether a tool migrates at this moment is not known: {error}").into()],
            ..live::Live::default()
        },
    };
    if live != picture.live {
        picture.live = live;
        picture.stale = true;
    }
    Ok(())
}

/// The schemas of tenants and the shared one whose ledgers are to be read.
fn wanted(picture: &Picture, found: &Ledgers, of: LedgersOf) -> Vec<u32> {
    let tenants = match of {
        LedgersOf::All | LedgersOf::Changed => picture.base.as_slice(),
        LedgersOf::Shared => &[],
    };
    let tenants = tenants.iter().filter_map(|tenant| tenant.schema_oid);
    let shared = picture.shared_schema().map(|schema| schema.oid);
    let wide = picture.wide.iter().copied();
    let mut wanted: Vec<u32> = tenants
        .chain(shared)
        .chain(wide)
        .filter(|oid| !(of == LedgersOf::Changed && is_unchanged(picture, found, *oid)))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn is_unchanged(picture: &Picture, found: &Ledgers, oid: u32) -> bool {
    if !picture.ledgers.contains_key(&oid) || picture.outdated.contains(&oid) {
        return false;
    }
    match (picture.found.by_schema.get(&oid), found.by_schema.get(&oid)) {
        (None, None) => true,
        (Some(Found::Ledger(before)), Some(Found::Ledger(now))) => {
            before.table_oid == now.table_oid
                && before.readable == now.readable
                && before.tool == now.tool
                && before.companion == now.companion
                && before.companion_denied == now.companion_denied
                && before.activity.is_unchanged(&now.activity)
        }
        (before, now) => before == now,
    }
}
