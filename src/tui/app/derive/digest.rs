//! What each tenant of a picture comes to, in a few numbers that lie side by side: ten thousand tenants lie far apart in
//! memory, and most of them are the same objects as in the picture before. Only those that changed are read again.

use std::collections::HashMap;
use std::sync::Arc;

use super::counts_for_versions;
use crate::fleet::JobContext;
use crate::layout::Statuses;
use crate::model::fleet::{FileView, Snapshot};
use crate::model::ledger::Version;
use crate::model::tenant::{DatabaseName, Tenant, TenantState};

/// One tenant in numbers.
#[derive(Debug, Clone)]
pub struct Digest {
    /// Bytes of the slug.
    pub slug: usize,
    /// Bytes of the schema's name.
    pub schema: usize,
    /// The state.
    pub state: TenantState,
    /// Its database's place in [`Digests::databases`].
    pub database: usize,
    /// The place in [`Digests::versions`] of the version where it stands.
    pub version: Option<usize>,
    /// Files that are pending below that version, by place: it has passed them by.
    pub passed: Box<[usize]>,
    /// Yes and no.
    pub has: Has,
}

/// What a tenant has and is.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "the fields of a tenant say it")]
pub struct Has {
    pub status: bool,
    pub active: bool,
    pub suspended: bool,
    pub plan: bool,
    pub owner: bool,
    pub created: bool,
    pub failed: bool,
    /// It counts for versions.
    pub counts: bool,
}

/// What became of the tenants since the picture before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// There are others, or files: everything is new.
    All,
    /// The same tenants at the same positions; these have something new.
    Some(Vec<usize>),
}

/// All tenants of a picture in numbers.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    of: Option<Arc<Snapshot>>,
    all: Vec<Digest>,
    databases: Vec<Database>,
    versions: Vec<Version>,
    places: HashMap<Version, usize>,
}

/// A database, its words for a status, and the order of its files.
#[derive(Debug, Clone)]
struct Database {
    name: DatabaseName,
    files: Option<Arc<[FileView]>>,
    statuses: Statuses,
    /// By the version's place: where its file stands.
    order: HashMap<usize, usize>,
}

impl Digests {
    /// The tenants, in the order of the picture.
    #[must_use]
    pub fn all(&self) -> &[Digest] {
        &self.all
    }

    /// A version by its place.
    #[must_use]
    pub fn version(&self, place: usize) -> Option<&Version> {
        self.versions.get(place)
    }

    /// The place of a version, where a tenant stands at it or a file is of it.
    #[must_use]
    pub fn place(&self, version: &Version) -> Option<usize> {
        self.places.get(version).copied()
    }

    /// The place of a database.
    #[must_use]
    pub fn database(&self, name: &DatabaseName) -> Option<usize> {
        self.databases.iter().position(|database| database.name == *name)
    }

    /// Whether the words of a database are others than those that its tenants were read with.
    #[must_use]
    pub fn have_other_words(&self, contexts: &[JobContext]) -> bool {
        self.databases.iter().any(|database| database.statuses != words(contexts, &database.name))
    }

    /// Takes in a picture; also tells the one before, to compare what changed with what it was.
    pub fn follow(&mut self, picture: &Arc<Snapshot>, contexts: &[JobContext]) -> (Changed, Option<Arc<Snapshot>>) {
        let before = self.of.replace(Arc::clone(picture));
        if let Some(old) = &before
            && !self.have_other_words(contexts)
            && let Some(changed) = self.changed(old, picture)
        {
            for place in &changed {
                self.all[*place] = self.digest(&picture.tenants[*place]);
            }
            return (Changed::Some(changed), before);
        }
        self.begin(picture, contexts);
        (Changed::All, before)
    }

    /// The positions of tenants that are other objects now; `None` where positions or files do not compare.
    fn changed(&self, old: &Snapshot, new: &Snapshot) -> Option<Vec<usize>> {
        let files = self.databases.iter().map(|database| (&database.name, &database.files));
        let same = old.tenants.len() == new.tenants.len()
            && files.eq(new.databases.iter().map(|database| (&database.name, &database.files)));
        if !same {
            return None;
        }
        let pairs = old.tenants.iter().zip(&new.tenants).enumerate();
        let changed = pairs.filter(|(_, (old, new))| !Arc::ptr_eq(old, new));
        changed.map(|(place, (old, new))| (old.key == new.key).then_some(place)).collect()
    }

    fn begin(&mut self, picture: &Snapshot, contexts: &[JobContext]) {
        (self.versions, self.places) = (Vec::new(), HashMap::new());
        let mut databases = Vec::with_capacity(picture.databases.len());
        for database in &picture.databases {
            let files = database.files.as_deref().unwrap_or_default().iter().enumerate();
            let order = files.map(|(at, file)| (self.place_of(&file.version), at)).collect();
            let statuses = words(contexts, &database.name);
            databases.push(Database { name: database.name.clone(), files: database.files.clone(), statuses, order });
        }
        self.databases = databases;
        self.all = Vec::with_capacity(picture.tenants.len());
        for tenant in &picture.tenants {
            let digest = self.digest(tenant);
            self.all.push(digest);
        }
    }

    fn place_of(&mut self, version: &Version) -> usize {
        if let Some(place) = self.places.get(version) {
            return *place;
        }
        let place = self.versions.len();
        self.versions.push(version.clone());
        self.places.insert(version.clone(), place);
        place
    }

    fn digest(&mut self, tenant: &Tenant) -> Digest {
        let version = tenant.version().map(|version| self.place_of(version));
        // Of a database that is not known no group is made, and nobody looks.
        let database = self.database(&tenant.key.database).unwrap_or(usize::MAX);
        let status = tenant.status.as_ref().map(|status| status.raw());
        let words = self.databases.get(database).map(|database| &database.statuses);
        let says =
            |is: fn(&Statuses, &str) -> bool| status.is_some_and(|status| words.is_some_and(|words| is(words, status)));
        let (active, suspended) = (says(Statuses::says_active), says(Statuses::says_suspended));
        Digest {
            slug: tenant.slug.raw().len(),
            schema: tenant.schema.as_ref().map_or(0, |schema| schema.raw().len()),
            state: tenant.state,
            database,
            version,
            passed: self.passed(tenant, database, version),
            has: Has {
                status: status.is_some(),
                active,
                suspended,
                plan: tenant.plan.is_some(),
                owner: tenant.owner.is_some(),
                created: tenant.created_at.is_some(),
                failed: tenant.failed_step.is_some(),
                counts: counts_for_versions(tenant),
            },
        }
    }

    fn passed(&self, tenant: &Tenant, database: usize, version: Option<usize>) -> Box<[usize]> {
        let Some(order) = self.databases.get(database).map(|database| &database.order) else { return Box::default() };
        let Some(stands) = version.and_then(|version| order.get(&version)) else { return Box::default() };
        let pending = tenant.pending.iter().flat_map(|pending| pending.iter());
        let places = pending.filter_map(|version| self.place(version));
        places.filter(|place| order.get(place).is_some_and(|at| at < stands)).collect()
    }
}

/// The words that a database has for a status; the usual ones until its layout is known.
fn words(contexts: &[JobContext], database: &str) -> Statuses {
    let context = contexts.iter().find(|context| &*context.database == database);
    context.map(|context| context.layout.statuses.clone()).unwrap_or_default()
}
