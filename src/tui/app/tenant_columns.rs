//! The columns of the Tenants screen, which of them the operator chose, and the order by one of them.

use std::collections::BTreeSet;

use super::derive::Digests;
use crate::model::ledger::Version;
use crate::model::tenant::TenantState;

/// The order of the tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub column: TenantColumn,
    /// Largest first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { column: TenantColumn::Tenant, descending: false }
    }
}

/// What differs from the columns that a screen of this size has by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnChoice {
    /// Shown wherever there is room, before those that come by themselves.
    pub asked: BTreeSet<TenantColumn>,
    /// Never shown.
    pub hidden: BTreeSet<TenantColumn>,
}

/// What the columns need to know of all tenants: taken once for a picture, for a frame has no time to ask ten thousand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extent {
    /// The longest slug, in bytes.
    pub slug: usize,
    /// The longest name of a schema, in bytes.
    pub schema: usize,
    /// The longest version.
    pub version: Option<Version>,
    /// The states that there are.
    pub states: BTreeSet<TenantState>,
    /// Some tenant has a status.
    pub status: bool,
    /// Some tenant has a plan.
    pub plan: bool,
    /// Some tenant has an owner.
    pub owner: bool,
    /// Of some tenant it is known when it was made.
    pub created: bool,
}

impl Extent {
    /// What these have.
    #[must_use]
    pub fn of(digests: &Digests) -> Self {
        let mut extent = Self::default();
        let mut version: Option<&Version> = None;
        let length = |version: &Version| version.raw().len();
        for digest in digests.all() {
            extent.slug = extent.slug.max(digest.slug);
            extent.schema = extent.schema.max(digest.schema);
            let stands = digest.version.and_then(|place| digests.version(place));
            if stands.map(length) > version.map(length) {
                version = stands;
            }
            if !extent.states.contains(&digest.state) {
                extent.states.insert(digest.state);
            }
            extent.status |= digest.has.status;
            extent.plan |= digest.has.plan;
            extent.owner |= digest.has.owner;
            extent.created |= digest.has.created;
        }
        extent.version = version.cloned();
        extent
    }
}

/// Columns of the Tenants screen. Unknown values always come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words of the columns say it")]
pub enum TenantColumn {
    Tenant,
    Schema,
    State,
    Version,
    Behind,
    Size,
    Keys,
    Status,
    Created,
    Database,
    Plan,
    Owner,
    Activity,
}

impl TenantColumn {
    /// Every column, in the order of the chooser and of sorting.
    pub const ALL: [Self; 13] = [
        Self::Tenant,
        Self::Schema,
        Self::State,
        Self::Version,
        Self::Behind,
        Self::Size,
        Self::Keys,
        Self::Status,
        Self::Created,
        Self::Database,
        Self::Plan,
        Self::Owner,
        Self::Activity,
    ];

    /// Of numbers and dates the large and the new ones are asked for first.
    #[must_use]
    pub const fn largest_first(self) -> bool {
        match self {
            Self::Behind | Self::Size | Self::Keys => true,
            Self::Tenant
            | Self::Schema
            | Self::State
            | Self::Version
            | Self::Status
            | Self::Created
            | Self::Database
            | Self::Plan
            | Self::Owner
            | Self::Activity => false,
        }
    }

    /// Whether the tenants can be sorted by it: what they do is known of those on the screen alone.
    #[must_use]
    pub fn sorts(self) -> bool {
        self != Self::Activity
    }

    /// The column of a heading.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.word().eq_ignore_ascii_case(word))
    }

    /// Its heading, and its word in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tenant => "TENANT",
            Self::Schema => "SCHEMA",
            Self::State => "STATE",
            Self::Version => "VERSION",
            Self::Behind => "BEHIND",
            Self::Size => "SIZE",
            Self::Keys => "KEYS",
            Self::Status => "STATUS",
            Self::Created => "CREATED",
            Self::Database => "DATABASE",
            Self::Plan => "PLAN",
            Self::Owner => "OWNER",
            Self::Activity => "ROWS/S",
        }
    }
}
