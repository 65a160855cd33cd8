//! What makes a tenant: one transaction where all its files run in one; otherwise the schema first, the row last.

mod role;
mod role_sql;
mod sql;
mod transaction;

use std::sync::Arc;

pub(super) use self::role::Role;
pub use self::role_sql::by_hand as role_by_hand;
pub(super) use self::sql::{NOW_TEXT, insert_row_sql};
pub(super) use self::transaction::make;
use super::gate;
use super::granted::Granted;
use super::orders::OrderError;
use super::params::{Params, ProvisionParams};
use super::preflight::KnownNames;
use super::report::Report;
use super::shared::Shared;
use crate::config::RunAs;
use crate::migrations::alone;
use crate::migrations::apply::guard::Guard;
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName};
use crate::model::job::StepAction;
use crate::postgres::session::{Target, WriterSession};

/// Everything that is needed to make one tenant, checked.
pub(super) struct Maker<'a> {
    pub(super) slug: String,
    pub(super) schema: SchemaName,
    target: &'a Target,
    provision: &'a ProvisionParams,
    registry: Option<RegistryTable>,
    known: Option<Arc<KnownNames>>,
    /// Its steps, in order.
    pub(super) steps: Vec<MakerStep>,
    /// It gets a ledger that tenantui writes.
    has_ledger: bool,
    /// The role that its schema belongs to; `None`: the one that makes it.
    owner: Option<Ident>,
    /// Whose rights its files run with.
    run_as: RunAs,
    /// What roles that are there get of it.
    granted: Option<&'a Granted>,
    /// Its login role, where it gets one.
    pub(super) role: Option<Role<'a>>,
    /// What runs behind its migrations.
    pub(super) seed: Option<Arc<MigrationFile>>,
    /// It is the only tenant of its job: every step of it is told.
    pub(super) is_alone: bool,
}

/// A step of one tenant.
pub(super) struct MakerStep {
    pub(super) seq: i32,
    pub(super) action: StepAction,
    pub(super) file: Option<Arc<MigrationFile>>,
    pub(super) done: bool,
    /// Its statement may have been sent by an attempt whose end nobody saw.
    pub(super) intent: bool,
    pub(super) schema_oid: Option<u32>,
}

impl MakerStep {
    /// Whether it cannot be part of a transaction with others: a command's, or a file's that runs alone.
    fn runs_alone(&self) -> bool {
        match &self.file {
            Some(_) if self.action == StepAction::Command => true,
            Some(file) => matches!(alone::of(file), Ok(Some(_))),
            None => false,
        }
    }
}

/// What one transaction makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The tenant, whole.
    Whole,
    /// Its schema, role and ledger, and the files up to the first that runs alone. No registry row: nobody uses it yet.
    Schema,
    /// The seed and the registry row of a schema that is whole; its oid.
    Row(u32),
}

impl Part {
    /// Whether it makes the schema, and with it the role.
    pub(super) const fn makes_schema(self) -> bool {
        match self {
            Self::Whole | Self::Schema => true,
            Self::Row(_) => false,
        }
    }

    /// Whether it writes the registry row, and with it all that comes last.
    const fn makes_row(self) -> bool {
        match self {
            Self::Whole | Self::Row(_) => true,
            Self::Schema => false,
        }
    }
}

struct RegistryTable {
    table: QualifiedName,
    slug: Ident,
    id: Option<Ident>,
    /// The column of schemas, where that is another one than the slug's.
    schema: Option<Ident>,
}

impl RegistryTable {
    /// The table that gets the rows of a job, where one lists the tenants.
    fn of(params: &Params) -> Result<Option<Self>, OrderError> {
        let Some(registry) = &params.registry else { return Ok(None) };
        Ok(Some(Self {
            table: registry.table().map_err(wrong)?,
            slug: Ident::new(&registry.slug).map_err(wrong)?,
            id: registry.id.as_deref().map(Ident::new).transpose().map_err(wrong)?,
            schema: registry
                .schema_name
                .as_deref()
                .filter(|column| *column != registry.slug)
                .map(Ident::new)
                .transpose()
                .map_err(wrong)?,
        }))
    }

    const fn names(&self) -> (&QualifiedName, &Ident) {
        (&self.table, &self.slug)
    }
}

fn wrong(error: IdentError) -> OrderError {
    gate::refused(format!("the job's record: {error}"))
}

/// What the opening found.
struct Opened {
    guard: Guard,
    /// The row's id, as text.
    id: Option<String>,
    /// The new schema's oid.
    oid: String,
}

/// What all tenants of a job share.
pub(super) struct Making<'a> {
    pub(super) target: &'a Target,
    pub(super) params: &'a Params,
    /// Each new schema gets a ledger that tenantui writes.
    pub(super) has_ledger: bool,
    pub(super) seed: Option<Arc<MigrationFile>>,
    /// Somebody sees the passwords that are made: without that no role gets one.
    pub(super) shows_credentials: bool,
    /// The names that were taken when it began.
    pub(super) known: Option<Arc<KnownNames>>,
}

impl Making<'_> {
    /// Reads the names that are taken.
    pub(super) async fn know_names(&mut self, session: &WriterSession) -> Result<(), OrderError> {
        let registry = RegistryTable::of(self.params)?;
        let known = KnownNames::read(session, registry.as_ref().map(RegistryTable::names)).await?;
        self.known = Some(Arc::new(known));
        Ok(())
    }
}

impl<'a> Maker<'a> {
    /// The maker of one tenant.
    ///
    /// # Errors
    /// When the record holds what is no name.
    pub(super) fn new(
        making: &Making<'a>,
        provision: &'a ProvisionParams,
        steps: Vec<MakerStep>,
    ) -> Result<Self, OrderError> {
        let role = match (&provision.role, &making.params.role) {
            (Some(name), Some(rule)) => Some(Role::new(name, rule, making.shows_credentials)?),
            (None, _) => None,
            (Some(_), None) => return Err(gate::refused("the job's record does not say what its roles may do")),
        };
        Ok(Self {
            slug: provision.slug.clone(),
            schema: SchemaName::tenant(&provision.schema).map_err(wrong)?,
            target: making.target,
            provision,
            registry: RegistryTable::of(making.params)?,
            known: making.known.clone(),
            steps,
            has_ledger: making.has_ledger,
            granted: making.params.granted.as_ref(),
            owner: making.params.owner.as_deref().map(Ident::new).transpose().map_err(wrong)?,
            run_as: making.params.run_as(),
            role,
            seed: making.seed.clone(),
            is_alone: making.params.provision.len() == 1,
        })
    }

    /// Whose default privileges count for what is made in its schema later; `None`: those of the role that runs this.
    fn makes_later(&self) -> Option<&Ident> {
        match self.run_as {
            RunAs::Login => None,
            RunAs::Owner => self.owner.as_ref(),
        }
    }

    /// A step in words.
    pub(super) fn step_name(&self, seq: i32) -> String {
        match self.steps.iter().find(|step| step.seq == seq).map(|step| (step.action, &step.file)) {
            Some((StepAction::Command, Some(file))) => {
                format!("run the command to {}", file.version.untrusted().safe())
            }
            Some((_, Some(file))) => format!("migrate {}", file.version.untrusted().safe()),
            Some((action, None)) => self.words(action).to_owned(),
            None => "finish".to_owned(),
        }
    }

    /// What a step without a file does.
    const fn words(&self, action: StepAction) -> &'static str {
        words(action, self.registry.is_some())
    }

    /// Tells how far the open transaction is.
    async fn through(&self, shared: &Shared<'_>, seq: i32) {
        if !self.is_alone {
            return;
        }
        let through = self.steps.iter().filter(|step| step.seq <= seq).count();
        shared.reports.send(Report::StepsThrough(u32::try_from(through).unwrap_or(u32::MAX))).await;
    }

    /// Whether something runs outside of a transaction: the tenant is then made piece by piece.
    pub(super) fn is_in_pieces(&self) -> bool {
        self.steps.iter().any(MakerStep::runs_alone)
    }

    /// Whether its transaction changes what others' change too, so that one goes behind the other.
    pub(super) fn takes_turns(&self) -> bool {
        use super::params::Value;
        self.provision.row.iter().any(|value| value.value == Value::NextNumber)
            || self.steps.iter().filter_map(|step| step.file.as_ref()).any(|file| file.is_one_at_a_time())
            || self.seed.as_ref().is_some_and(|seed| seed.is_one_at_a_time())
    }

    /// The files that run within this part's transaction.
    fn in_transaction(&self, part: Part) -> impl Iterator<Item = &MakerStep> {
        let count = match part {
            Part::Whole => self.steps.len(),
            Part::Schema => self.steps.iter().position(MakerStep::runs_alone).unwrap_or(self.steps.len()),
            Part::Row(_) => 0,
        };
        self.steps.iter().take(count).filter(|step| step.file.is_some())
    }

    /// The steps that are done when this part is.
    fn made(&self, part: Part) -> Vec<i32> {
        let of = |actions: &[StepAction]| -> Vec<i32> {
            self.steps.iter().filter(|step| actions.contains(&step.action)).map(|step| step.seq).collect()
        };
        match part {
            Part::Whole => self.steps.iter().map(|step| step.seq).collect(),
            Part::Schema => {
                let mut made = of(&[StepAction::Schema, StepAction::Role]);
                made.extend(self.in_transaction(part).map(|step| step.seq));
                made
            }
            Part::Row(_) => of(&[StepAction::Row, StepAction::Grants, StepAction::Seed, StepAction::Active]),
        }
    }

    /// Whether the record says that a part is done.
    pub(super) fn is_done(&self, part: Part) -> bool {
        let mark = self.mark(part);
        self.steps.iter().any(|step| step.seq == mark && step.done)
    }

    /// The step by which it is known whether a part is done.
    pub(super) fn mark(&self, part: Part) -> i32 {
        match part {
            Part::Whole | Part::Row(_) => self.first(StepAction::Row),
            Part::Schema => self.first(StepAction::Schema),
        }
    }

    fn first(&self, action: StepAction) -> i32 {
        let own = self.steps.iter().find(|step| step.action == action).or_else(|| self.steps.first());
        own.map_or(1, |step| step.seq)
    }
}

/// What a step without a file does; `listed`: a table lists the tenants.
const fn words(action: StepAction, listed: bool) -> &'static str {
    match action {
        StepAction::Row if listed => "reserve row",
        StepAction::Row => "reserve the name",
        StepAction::Schema => "create schema",
        StepAction::Role => "create role",
        StepAction::Grants => "grants",
        StepAction::Seed => "run the seed",
        StepAction::Active => "mark active",
        StepAction::Migrate
        | StepAction::Rollback
        | StepAction::Rehearse
        | StepAction::Command
        | StepAction::Import
        | StepAction::Life(_) => "migrate",
    }
}
