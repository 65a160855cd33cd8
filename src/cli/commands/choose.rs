//! Which tenants of which databases a command means.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::across::Across;
use super::writing;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::session::{self, Session};
use crate::fleet::{LedgersRead, ReadOptions, Reading, Sizes};
use crate::model::filter::Filter;
use crate::model::tenant::{DatabaseName, Tenant, TenantState};
use crate::model::times::StepTimes;
use crate::postgres::session::Target;

/// What the command line named.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Slugs or schemas.
    pub slugs: &'a [String],
    /// Every tenant that is not deleted.
    pub all: bool,
    /// Those in these states.
    pub state: &'a [TenantState],
    /// Those that fit.
    pub filter: Option<Filter>,
    /// Whether sizes are needed: filters ask for them, and the smallest go first.
    pub sizes: Sizes,
    /// What is done to them, in one word: `migrated`.
    pub done: &'static str,
}

/// One database of the order, with the tenants that are meant.
pub struct Aim {
    /// How to reach it.
    pub target: Target,
    /// How it stands.
    pub reading: Reading,
    /// The tenants.
    pub tenants: Vec<Arc<Tenant>>,
}

/// The databases of an order.
pub struct Chosen {
    /// Those that answer.
    pub aims: Vec<Aim>,
    /// Those that are left out because they do not, and why.
    pub down: Vec<(DatabaseName, Failure)>,
}

impl Chosen {
    /// What came of the order so far: those that are down are told.
    ///
    /// # Errors
    /// Never: there is always one that answers.
    pub fn across(&mut self) -> Outcome<Across> {
        let mut across = Across::new(self.aims.len() + self.down.len());
        for (name, failure) in self.down.drain(..) {
            across.take(&name, Err(failure), false)?;
        }
        Ok(across)
    }
}

impl Aim {
    /// Whether a tenant of this slug or schema is meant.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tenants.iter().any(|tenant| tenant.is_named(|known| known.is_written(name)))
    }

    /// How long migrations took here before.
    #[must_use]
    pub fn times(&self) -> Arc<StepTimes> {
        let view = self.reading.snapshot.database(&self.target.config.name);
        view.map(|view| Arc::clone(&view.times)).unwrap_or_default()
    }
}

impl Wanted<'_> {
    /// Refuses an order that names nobody.
    ///
    /// # Errors
    /// Exit 2.
    pub fn check(&self) -> Outcome<()> {
        if self.slugs.is_empty() && !self.all && self.state.is_empty() && self.filter.is_none() {
            return Err(Failure::usage("which tenants? Name them, or add --all, --state STATE or --filter FILTER"));
        }
        Ok(())
    }

    /// Reads the databases and finds the tenants. For names all must answer: what one means is not guessed while a
    /// database is down. A set is of those that answer, and the others are left out by name.
    ///
    /// # Errors
    /// Exit 1 for an unknown tenant, 2 for an ambiguous one, 3 without a link, 5 for one that is never touched.
    pub async fn choose(&self, session: &Session) -> Outcome<Chosen> {
        if self.slugs.is_empty() {
            let mut chosen = those_that_answer(session, self.filter.as_ref(), self.sizes).await?;
            for aim in &mut chosen.aims {
                aim.tenants = self.by_set(&aim.reading);
            }
            return Ok(chosen);
        }
        let mut aims = read_all(session, &self.reads()).await?;
        for slug in self.slugs.iter().collect::<BTreeSet<_>>() {
            let (database, tenant) = find(&aims, slug)?;
            if let Some(aim) = aims.get_mut(database) {
                self.check_tenant(&aim.reading, &tenant)?;
                aim.tenants.push(tenant);
            }
        }
        Ok(Chosen { aims: aims.into_iter().filter(|aim| !aim.tenants.is_empty()).collect(), down: Vec::new() })
    }

    /// The same tenants as they are now.
    ///
    /// # Errors
    /// Exit 3 without a link.
    pub async fn again(&self, aim: &Aim) -> Outcome<Aim> {
        let target = aim.target.clone();
        let reading = session::read_again(&target, &self.reads()).await?;
        let chosen: BTreeSet<_> = aim.tenants.iter().map(|tenant| &tenant.key).collect();
        let tenants = if self.slugs.is_empty() {
            self.by_set(&reading)
        } else {
            reading.snapshot.tenants.iter().filter(|tenant| chosen.contains(&tenant.key)).cloned().collect()
        };
        Ok(Aim { target, reading, tenants })
    }

    /// What is read for them: of tenants that are named, how the others stand is not asked.
    fn reads(&self) -> ReadOptions {
        let ledgers = match self.slugs {
            [] => LedgersRead::All,
            names => LedgersRead::Of { names: names.to_vec(), standing: 0 },
        };
        ReadOptions { sizes: self.sizes, ledgers, ..ReadOptions::default() }
    }

    /// `--all`, `--state` and `--filter`: never the deleted, never orphans.
    fn by_set(&self, reading: &Reading) -> Vec<Arc<Tenant>> {
        let tenants = reading.snapshot.tenants.iter();
        let now = jiff::Timestamp::now();
        tenants
            .filter(|tenant| !tenant.deleted && tenant.state != TenantState::OrphanSchema)
            .filter(|tenant| self.state.is_empty() || self.state.contains(&tenant.state))
            .filter(|tenant| self.filter.as_ref().is_none_or(|filter| filter.fits(tenant, now)))
            .cloned()
            .collect()
    }

    /// Plans leave these out without a word, since a set never means them; a name does.
    fn check_tenant(&self, reading: &Reading, tenant: &Tenant) -> Outcome<()> {
        let mut trash = reading.snapshot.databases.iter().flat_map(|view| view.trash.iter());
        let why = if let Some(trashed) = trash.find(|trashed| trashed.is_of(tenant)) {
            format!("is in the trash, {}", trashed.words())
        } else if tenant.deleted {
            "is deleted in the registry".to_owned()
        } else if tenant.state == TenantState::OrphanSchema {
            "is a schema without a row in the registry".to_owned()
        } else {
            return Ok(());
        };
        let (slug, done) = (tenant.slug.safe(), self.done);
        Err(Failure::refused(format!("nothing was done: \"{slug}\" {why}, and such are never {done}")))
    }
}

/// Canaries that are named must be among the tenants that are meant.
///
/// # Errors
/// Exit 2.
pub fn check_canaries(aims: &[Aim], names: &[String]) -> Outcome<()> {
    match names.iter().find(|name| !aims.iter().any(|aim| aim.has(name))) {
        Some(name) => Err(Failure::usage(format!(
            "canary \"{}\" is not among the tenants chosen; name one that is",
            crate::text::sanitise(name)
        ))),
        None => Ok(()),
    }
}

/// All databases for an order over the one tenant that a word means: how the others stand is not asked, which would take
/// most of the time in a large fleet.
///
/// # Errors
/// Exit 3 where one is down.
pub async fn databases_of(session: &Session, word: &str) -> Outcome<Vec<Aim>> {
    let ledgers = LedgersRead::Of { names: vec![word.to_owned()], standing: 0 };
    read_all(session, &ReadOptions { sizes: Sizes::Never, ledgers, ..ReadOptions::default() }).await
}

async fn read_all(session: &Session, options: &ReadOptions) -> Outcome<Vec<Aim>> {
    let reads = session.read(options).await;
    let status = session::tell_down(&reads);
    if status != Status::Done {
        let hint = if session.has_several() { "; --database NAME leaves the others out" } else { "" };
        return Err(Failure::new(status, format!("nothing was done{hint}")));
    }
    let found = reads.into_iter().filter_map(|read| read.reading.ok());
    Ok(found.map(|(target, reading)| Aim { target, reading, tenants: Vec::new() }).collect())
}

/// The databases of which a tenant may fit the filter and that answer, with no tenants chosen; those that do not answer
/// with the reason.
///
/// # Errors
/// Exit 2 where the filter leaves out all of them, 3 where none answers.
pub async fn those_that_answer(session: &Session, filter: Option<&Filter>, sizes: Sizes) -> Outcome<Chosen> {
    if let Some(why) = session.nowhere(filter) {
        return Err(Failure::usage(why));
    }
    let reads = session.read_where(filter, &ReadOptions { sizes, ..ReadOptions::default() }).await;
    if reads.iter().all(|read| read.reading.is_err()) {
        return Err(Failure::new(session::tell_down(&reads), "nothing was done"));
    }
    let mut chosen = Chosen { aims: Vec::new(), down: Vec::new() };
    for read in reads {
        match read.reading {
            Ok((target, reading)) => chosen.aims.push(Aim { target, reading, tenants: Vec::new() }),
            Err(Failure { status, message }) => {
                let message = format!("{message}; it is left out");
                chosen.down.push((Arc::clone(&read.database.name), Failure { status, message }));
            }
        }
    }
    Ok(chosen)
}

/// The one tenant that a word means, and whose it is.
///
/// # Errors
/// Exit 1 where there is none, 2 where there are several.
pub(super) fn find(aims: &[Aim], slug: &str) -> Outcome<(usize, Arc<Tenant>)> {
    let all: Vec<(usize, &Arc<Tenant>)> = aims
        .iter()
        .enumerate()
        .flat_map(|(index, aim)| aim.reading.snapshot.tenants.iter().map(move |tenant| (index, tenant)))
        .collect();
    let found = named(&all, slug, |(_, tenant)| tenant);
    let (index, tenant) = writing::only_one(slug, found, |(_, tenant)| tenant, aims.iter().map(|aim| &aim.reading))?;
    Ok((index, Arc::clone(tenant)))
}

/// Those whom a word names: by slug or schema, else by either as it is shown, where it has what no terminal gets. One
/// tenant's slug may be another's schema: both are meant then, and the caller asks which.
pub(super) fn named<T: Clone>(all: &[T], word: &str, tenant: impl Fn(&T) -> &Tenant) -> Vec<T> {
    let exactly = |tenant: &Tenant| tenant.is_named(|name| name.raw() == word);
    let as_shown = |tenant: &Tenant| tenant.is_named(|name| name.is_written(word));
    let ways: [&dyn Fn(&Tenant) -> bool; 2] = [&exactly, &as_shown];
    let by = |way: &dyn Fn(&Tenant) -> bool| all.iter().filter(|one| way(tenant(one))).cloned().collect::<Vec<T>>();
    ways.into_iter().map(by).find(|found| !found.is_empty()).unwrap_or_default()
}
