//! What is known of one database, and the part of the picture that follows from it. No I/O: `read` brings the facts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Memory;
use super::judge::{self, Facts};
use super::live::Live;
use super::publish::Part;
use super::pulse::Pulse;
use super::reference::Reference;
use super::seen::Seen;
use super::trash;
use crate::cache::{CacheCounts, CacheInput};
use crate::config;
use crate::jobs::failures::Begun;
use crate::jobs::init::InitStatus;
use crate::layout::{Layout, TakenNames};
use crate::migrations::dialects::{Interner, Ledgers};
use crate::migrations::folder::Folder;
use crate::migrations::lens::Lens;
use crate::migrations::standing::{Standing, Standings, fleet_reference};
use crate::model::fleet::{CacheView, SharedSchema};
use crate::model::job::{JobId, JobView};
use crate::model::ledger::{LedgerState, Tool, Version};
use crate::model::life::{LeftRole, Trashed};
use crate::model::link::LinkState;
use crate::model::server::{Back, ServerRole};
use crate::model::tenant::{FailedStep, Tenant, TenantKey, TenantState};
use crate::model::times::StepTimes;
use crate::postgres::catalog::{SchemaRow, Totals};
use crate::postgres::of_all::OfAll;
use crate::postgres::questions::Told;
use crate::postgres::rights::{Lacks, Rights};
use crate::postgres::session::{ServerFacts, Target};
use crate::text::Untrusted;

/// A migration folder as it was last read, or why it could not be.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The folder.
    pub folder: Option<Arc<Folder>>,
    /// Why there is none although one is configured.
    pub error: Option<Untrusted>,
    /// What the folder looked like on disk when it was read.
    pub signature: u64,
    /// The tool whose rules it was read by.
    pub tool: Option<Tool>,
    /// The tool that the files themselves tell.
    pub detected: Option<Tool>,
}

/// Everything known of one database.
#[derive(Debug)]
pub struct Picture {
    pub(super) target: Target,
    /// What the session turned out to be.
    pub facts: Option<ServerFacts>,
    /// What the server is, by the last answer.
    pub server: ServerRole,
    /// What was seen of servers before.
    pub memory: Memory,
    /// How long the last look at the server took.
    pub answered_in: Duration,
    /// How far the standby had replayed at the last whole reading, and when that was.
    pub replayed: Option<(String, Instant)>,
    /// How long the last whole reading took.
    pub reading_took: Duration,
    /// The last return of a lost link.
    pub back: Option<Back>,
    /// The link.
    pub link: LinkState,
    /// What failed when it was last read.
    pub error: Option<Untrusted>,
    /// When it was last read whole.
    pub taken_at: Option<jiff::Timestamp>,
    /// What is being read.
    pub progress: Option<Untrusted>,
    /// The layout.
    pub layout: Option<Arc<Layout>>,
    /// Every schema of the database.
    pub schemas: Vec<SchemaRow>,
    /// Registry rows and schemas brought together; what else is known comes on top.
    pub base: Vec<Tenant>,
    /// What the layout's questions about the fleet said.
    pub told: Told,
    /// What the layout's questions about every tenant said.
    pub of_all: OfAll,
    /// Names that a new tenant may collide with.
    pub taken: Arc<TakenNames>,
    /// Tables and estimated bytes, by the schema's oid; `None` before the first count.
    pub totals: Option<HashMap<u32, Totals>>,
    /// Measured sizes, by the schema's oid; `None` where a lock was in the way.
    pub exact: HashMap<u32, Option<u64>>,
    /// Recognised ledgers.
    pub found: Arc<Ledgers>,
    /// Schemas whose ledger is kept for the whole database.
    pub wide: Vec<u32>,
    /// Who migrates at this moment.
    pub live: Live,
    /// Ledgers as read, by the schema's oid.
    pub ledgers: HashMap<u32, LedgerState>,
    /// Schemas whose ledgers are read again whatever the statistics say; until then they are shown as they were.
    pub outdated: HashSet<u32>,
    /// Makes one set of equal ledgers.
    pub interner: Interner,
    /// The tenants' migrations.
    pub files: Files,
    /// The shared schema's migrations.
    pub shared_files: Files,
    /// The cache counter.
    pub cache: CacheView,
    /// Its last counts.
    pub cache_counts: Option<Arc<CacheCounts>>,
    /// Jobs, newest first.
    pub jobs: Arc<[JobView]>,
    /// How long migrations took here before.
    pub times: Arc<StepTimes>,
    /// The last step of these schemas failed.
    pub failed: HashMap<String, Arc<FailedStep>>,
    /// These schemas were made by a job that did not come to its end.
    pub begun: HashMap<String, Begun>,
    /// The schemas of these tenants were removed by a job that did not come to its end.
    pub purging: HashMap<String, JobId>,
    /// Versions of these schemas whose files have changed since tenantui applied them.
    pub changed: HashMap<String, Arc<[Version]>>,
    /// The look of the folder with which `changed` was found out.
    pub checked_files: u64,
    /// Schemas in the trash.
    pub trash: Arc<[Trashed]>,
    /// Login roles that tenants left behind.
    pub left_roles: Arc<[LeftRole]>,
    /// That there are some, or why they could not be read.
    pub roles_warning: Option<Untrusted>,
    /// Why the record of jobs could not be read.
    pub record_warning: Option<Untrusted>,
    /// The `tenantui` schema.
    pub initialised: Option<InitStatus>,
    /// The pulse at the last whole reading.
    pub pulse: Option<Pulse>,
    /// What the role's privileges followed from then.
    pub rights: Option<Rights>,
    /// What the role lacks to write anything at all.
    pub lacks: Option<Lacks>,
    /// Something of the tenants may differ from the last part.
    pub stale: bool,
    tenants: Arc<[Arc<Tenant>]>,
    pub(super) target_version: Option<Version>,
    pub(super) shared: Vec<SharedSchema>,
    pub(super) lens: Arc<Lens>,
}

impl Picture {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let cache = if target.config.cache.is_some() {
            CacheView::Counting { seen: 0, of: None }
        } else {
            CacheView::NotConfigured
        };
        Self {
            memory: Memory::sharing(target.timelines()),
            target,
            facts: None,
            server: ServerRole::Unknown,
            answered_in: Duration::ZERO,
            replayed: None,
            reading_took: Duration::ZERO,
            back: None,
            link: LinkState::Connecting,
            error: None,
            taken_at: None,
            progress: None,
            layout: None,
            schemas: Vec::new(),
            base: Vec::new(),
            told: Told::default(),
            of_all: OfAll::default(),
            taken: Arc::default(),
            totals: None,
            exact: HashMap::new(),
            found: Arc::default(),
            wide: Vec::new(),
            live: Live::default(),
            ledgers: HashMap::new(),
            outdated: HashSet::new(),
            interner: Interner::default(),
            files: Files::default(),
            shared_files: Files::default(),
            cache,
            cache_counts: None,
            jobs: Arc::new([]),
            times: Arc::default(),
            failed: HashMap::new(),
            begun: HashMap::new(),
            purging: HashMap::new(),
            changed: HashMap::new(),
            checked_files: 0,
            trash: Arc::default(),
            left_roles: Arc::default(),
            roles_warning: None,
            record_warning: None,
            initialised: None,
            pulse: None,
            rights: None,
            lacks: None,
            stale: true,
            tenants: Arc::new([]),
            target_version: None,
            shared: Vec::new(),
            lens: Arc::default(),
        }
    }

    /// The database's configuration.
    #[must_use]
    pub fn config(&self) -> &config::Database {
        &self.target.config
    }

    /// The part as it follows from what is known now. Tenants that did not change stay the same object.
    pub fn part(&mut self) -> Part {
        if self.stale {
            let (lens, seen) = self.seen();
            let mut reference = self.reference(&seen);
            let tenants = self.build_tenants(&seen, &mut reference);
            let target = reference.target(self.files.folder.as_deref());
            self.shared = self.shared_ledgers(&seen, &mut reference);
            self.tenants = tenants;
            self.target_version = target;
            self.lens = Arc::new(lens);
            self.stale = false;
        }
        Part {
            view: self.view(),
            tenants: Arc::clone(&self.tenants),
            shared: self.shared.clone(),
            jobs: Arc::clone(&self.jobs),
            context: self.context(),
        }
    }

    /// Why nothing may be written here, where that is so.
    #[must_use]
    pub fn read_only_why(&self) -> Option<Untrusted> {
        if self.config().read_only {
            return Some("this database is configured read-only (read_only, --read-only)".into());
        }
        if let Some(why) = self.server.read_only_why() {
            return Some(why);
        }
        if let Some(why) = self.facts.as_ref()?.read_only_why() {
            return Some(why.into());
        }
        if let Some(lacks) = self.lacks {
            return Some(Untrusted::new(lacks.words(&self.config().command("tenantui doctor --grants"))));
        }
        match self.initialised {
            Some(InitStatus::Newer(version)) => Some(Untrusted::new(format!(
                "the tenantui schema there is of version {version}, newer than this program; use the newer tenantui to write"
            ))),
            Some(InitStatus::Missing | InitStatus::Current | InitStatus::Older(_)) | None => None,
        }
    }

    /// Another database answers: nothing that was known holds, but what was seen of servers.
    pub fn forget(&mut self) {
        let fresh = Self::new(self.target.clone());
        let memory = std::mem::take(&mut self.memory);
        *self = Self {
            memory,
            link: self.link.clone(),
            facts: self.facts.take(),
            answered_in: self.answered_in,
            back: self.back,
            cache: self.cache.clone(),
            ..fresh
        };
    }

    /// The tenants of the last part.
    #[must_use]
    pub fn tenants(&self) -> Arc<[Arc<Tenant>]> {
        Arc::clone(&self.tenants)
    }

    /// What cache keys are counted for.
    #[must_use]
    pub fn cache_input(&self) -> CacheInput {
        let by_layout = self.layout.as_ref().map(|layout| &layout.cache_keys[..]).unwrap_or_default();
        CacheInput::of(self.config().cache.as_ref(), by_layout, &self.base).with_trash(&*self.trash)
    }

    fn reference(&self, seen: &Seen) -> Reference<'_> {
        if let Some(folder) = &self.files.folder {
            return Reference::Folder(Box::new(Standings::new(folder)));
        }
        // Deleted tenants and orphans do not say what the fleet should have.
        let counted = self.base.iter().filter(|tenant| !tenant.deleted && tenant.is_listed());
        // Where the shared schema gets the tenants' own migrations, it is ahead of those that are migrated lazily.
        let shared =
            self.shared_schema().filter(|_| self.shared_is_sibling()).and_then(|schema| seen.ledgers.get(&schema.oid));
        let ledgers = counted.filter_map(|tenant| seen.ledgers.get(&tenant.schema_oid?)).chain(shared);
        Reference::Fleet(fleet_reference(ledgers))
    }

    fn build_tenants(&self, seen: &Seen, reference: &mut Reference<'_>) -> Arc<[Arc<Tenant>]> {
        let last: HashMap<&TenantKey, &Arc<Tenant>> = self.tenants.iter().map(|tenant| (&tenant.key, tenant)).collect();
        let readable: HashMap<u32, bool> = self.schemas.iter().map(|schema| (schema.oid, schema.usage)).collect();
        let begun = self.begun_alone();
        let mut all: Vec<&Tenant> = self.base.iter().chain(&begun).collect();
        if !begun.is_empty() {
            all.sort_by(|a, b| a.slug.cmp(&b.slug).then_with(|| a.key.cmp(&b.key)));
        }
        all.into_iter()
            .map(|base| {
                let usage = base.schema_oid.is_none_or(|oid| readable.get(&oid).copied().unwrap_or(true));
                let tenant = self.build_tenant(base, usage, seen, reference);
                match last.get(&tenant.key) {
                    Some(same) if ***same == tenant => Arc::clone(same),
                    Some(_) | None => Arc::new(tenant),
                }
            })
            .collect()
    }

    fn build_tenant(&self, base: &Tenant, usage: bool, seen: &Seen, reference: &mut Reference<'_>) -> Tenant {
        let ledger = base.schema_oid.map_or(LedgerState::Unread, |oid| seen.of(oid));
        let standing = if base.schema_oid.is_some() { reference.standing(&ledger) } else { Standing::default() };
        let live = base.schema_oid.and_then(|oid| self.live.schemas.get(&oid));
        let facts = Facts {
            conflict: base.state == TenantState::Conflict,
            schema_exists: base.schema_oid.is_some(),
            has_row: base.state != TenantState::OrphanSchema,
            row_hidden: base.key.is_hidden(),
            schema_readable: usage,
            ledger: &ledger,
            standing: &standing,
            reference_exists: reference.exists(),
            live: live.is_some(),
        };
        let dropped = self.trash.iter().find_map(|trashed| trash::of_tenant(trashed, &base.key));
        let dropped = dropped.filter(|_| base.state == TenantState::MissingSchema);
        let deleted = base.deleted || dropped.is_some();
        // What it says is why the schema does not exist.
        let mut problems = dropped.map_or_else(|| base.problems.clone(), |said| vec![said]);
        problems.splice(0..0, self.half_words(base));
        let told = base.schema.as_ref().filter(|_| base.schema_oid.is_some());
        problems.extend(told.and_then(|schema| self.told.by_schema.get(schema.raw())).into_iter().flatten().cloned());
        problems.extend(base.schema_oid.into_iter().flat_map(|oid| self.of_all.of(oid)).cloned());
        problems.extend(live.cloned());
        problems.extend(judge::problem(&ledger));
        problems.extend(judge::undecided(&ledger, &standing, self.files.folder.as_ref().map(|folder| folder.tool)));
        let measured = base.schema_oid.and_then(|oid| self.exact.get(&oid).copied().flatten());
        // A schema that is not in the answer of a scan has nothing.
        let totals = self.totals.as_ref().zip(base.schema_oid);
        let totals = totals.map(|(all, oid)| all.get(&oid).copied().unwrap_or_default());
        Tenant {
            state: judge::state(facts),
            applied: standing.applied,
            pending: standing.pending,
            ahead: standing.ahead,
            tables: totals.map(|totals| totals.tables),
            size_bytes: measured.or(totals.map(|totals| totals.size_bytes)),
            size_exact: measured.is_some(),
            cache_keys: self
                .cache_counts
                .as_ref()
                .filter(|_| base.is_listed())
                .map(|counts| counts.per_tenant.get(&base.key).copied().unwrap_or(0)),
            changed: self.changed_of(base, &standing.changed),
            deleted,
            failed_step: base.schema.as_ref().and_then(|schema| self.failed.get(schema.raw()).map(Arc::clone)),
            problems,
            ledger,
            ..base.clone()
        }
    }

    /// What tenantui's own record says, and the checksums of the tool's ledger.
    fn changed_of(&self, base: &Tenant, by_ledger: &Arc<[Version]>) -> Arc<[Version]> {
        match base.schema.as_ref().and_then(|schema| self.changed.get(schema.raw())) {
            None => Arc::clone(by_ledger),
            Some(recorded) if by_ledger.is_empty() => Arc::clone(recorded),
            Some(recorded) => {
                let new = by_ledger.iter().filter(|version| !recorded.contains(version));
                recorded.iter().chain(new).cloned().collect()
            }
        }
    }
}
