//! Tests of fields, and whether they hold.

use crate::model::tenant::{Tenant, TenantState};

/// One field, one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    pub negated: bool,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    State(Vec<TenantState>),
    /// One of these texts, in lower case; `*` stands for anything.
    Text(TextField, Vec<String>),
    /// One of these versions; `None`: no version at all.
    Version(Vec<Option<String>>),
    Flag(FlagField, bool),
    Number(NumberField, Compare, u64),
    /// All of these: a saved filter, which is never written but as `!:name`.
    All(Vec<Test>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextField {
    Status,
    Plan,
    Database,
    Tool,
    Owner,
    Slug,
    Name,
    Schema,
    Id,
    Domain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagField {
    Failed,
    Deleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberField {
    Behind,
    Applied,
    Tables,
    Size,
    Keys,
    /// In seconds.
    Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Is,
    Over,
    AtLeast,
    Under,
    AtMost,
}

impl Compare {
    const fn holds(self, value: u64, limit: u64) -> bool {
        match self {
            Self::Is => value == limit,
            Self::Over => value > limit,
            Self::AtLeast => value >= limit,
            Self::Under => value < limit,
            Self::AtMost => value <= limit,
        }
    }

    /// Its sign.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Is => ":",
            Self::Over => ">",
            Self::AtLeast => ">=",
            Self::Under => "<",
            Self::AtMost => "<=",
        }
    }
}

impl TextField {
    pub(super) const ALL: [Self; 10] = [
        Self::Status,
        Self::Plan,
        Self::Database,
        Self::Tool,
        Self::Owner,
        Self::Slug,
        Self::Name,
        Self::Schema,
        Self::Id,
        Self::Domain,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Plan => "plan",
            Self::Database => "database",
            Self::Tool => "tool",
            Self::Owner => "owner",
            Self::Slug => "slug",
            Self::Name => "name",
            Self::Schema => "schema",
            Self::Id => "id",
            Self::Domain => "domain",
        }
    }

    /// The text; `None` in it where there is none, `None` altogether where it is not known.
    fn of(self, tenant: &Tenant) -> Option<Option<&str>> {
        match self {
            Self::Status => Some(tenant.status.as_ref().map(|text| text.raw())),
            Self::Plan => Some(tenant.plan.as_ref().map(|text| text.raw())),
            Self::Database => Some(Some(&*tenant.key.database)),
            Self::Tool => match tenant.ledger.reading() {
                Some(reading) => Some(Some(reading.tool.word())),
                None => (tenant.applied == Some(0)).then_some(None),
            },
            Self::Owner => Some(tenant.owner.as_ref().map(|text| text.raw())),
            Self::Slug => Some(Some(tenant.slug.raw())),
            Self::Name => Some(tenant.name.as_ref().map(|text| text.raw())),
            Self::Schema => Some(tenant.schema.as_ref().map(|text| text.raw())),
            Self::Id => Some(tenant.id.as_ref().map(|text| text.raw())),
            Self::Domain => Some(tenant.domains.first().map(|text| text.raw())),
        }
    }

    /// Whether what a tenant has there fits, any of several; `None` where it is not known.
    fn any(self, tenant: &Tenant, fits: impl Fn(&str) -> bool) -> Option<bool> {
        if self == Self::Domain {
            return Some(tenant.domains.iter().any(|domain| fits(domain.raw())));
        }
        // A column that is empty for this tenant is a fact: it is not the value asked for.
        Some(self.of(tenant)?.is_some_and(fits))
    }
}

impl FlagField {
    pub(super) const ALL: [Self; 2] = [Self::Failed, Self::Deleted];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    const fn of(self, tenant: &Tenant) -> bool {
        match self {
            Self::Failed => tenant.failed_step.is_some(),
            Self::Deleted => tenant.deleted,
        }
    }
}

impl NumberField {
    pub(super) const ALL: [Self; 6] = [Self::Behind, Self::Applied, Self::Tables, Self::Size, Self::Keys, Self::Age];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Applied => "applied",
            Self::Tables => "tables",
            Self::Size => "size",
            Self::Keys => "keys",
            Self::Age => "age",
        }
    }

    fn of(self, tenant: &Tenant, now: jiff::Timestamp) -> Option<u64> {
        match self {
            Self::Behind => tenant.pending_count().map(|count| count as u64),
            Self::Applied => tenant.applied.map(u64::from),
            Self::Tables => tenant.tables.map(u64::from),
            Self::Size => tenant.size_bytes,
            Self::Keys => tenant.cache_keys,
            Self::Age => {
                // Kept as the registry has it where it is no timestamp: then the age is not known.
                let made: jiff::Timestamp = tenant.created_at.as_ref()?.raw().parse().ok()?;
                u64::try_from(now.as_second() - made.as_second()).ok().or(Some(0))
            }
        }
    }
}

impl Test {
    /// The opposite of all of these together.
    pub(super) const fn none_of(tests: Vec<Self>) -> Self {
        Self { negated: true, what: What::All(tests) }
    }

    /// Whether the answer may be another one later, of the same tenant.
    pub(super) fn hangs_on_time(&self) -> bool {
        match &self.what {
            What::All(tests) => tests.iter().any(Self::hangs_on_time),
            What::State(_) | What::Text(..) | What::Version(_) | What::Flag(..) => false,
            What::Number(field, ..) => match field {
                NumberField::Age => true,
                NumberField::Behind
                | NumberField::Applied
                | NumberField::Tables
                | NumberField::Size
                | NumberField::Keys => false,
            },
        }
    }

    /// Whether it asks for what is measured one tenant at a time.
    pub(super) fn asks_for_measures(&self) -> bool {
        match &self.what {
            What::All(tests) => tests.iter().any(Self::asks_for_measures),
            What::State(_) | What::Text(..) | What::Version(_) | What::Flag(..) => false,
            What::Number(field, ..) => match field {
                NumberField::Size | NumberField::Keys => true,
                NumberField::Behind | NumberField::Applied | NumberField::Tables | NumberField::Age => false,
            },
        }
    }

    /// Whether it holds of every tenant of a database, or of none of them; `None` where that hangs on the tenant.
    pub(super) fn holds_in(&self, database: &str) -> Option<bool> {
        let holds = match &self.what {
            What::Text(TextField::Database, wanted) => {
                let name = database.to_lowercase();
                Some(wanted.iter().any(|pattern| like(pattern, &name)))
            }
            What::All(tests) => all(tests.iter().map(|test| test.holds_in(database))),
            What::State(_) | What::Text(..) | What::Version(_) | What::Flag(..) | What::Number(..) => None,
        };
        holds.map(|holds| holds != self.negated)
    }

    /// Whether it holds; `None` where that is not known.
    pub(super) fn holds(&self, tenant: &Tenant, now: jiff::Timestamp) -> Option<bool> {
        self.what.holds(tenant, now).map(|holds| holds != self.negated)
    }
}

impl What {
    fn holds(&self, tenant: &Tenant, now: jiff::Timestamp) -> Option<bool> {
        match self {
            Self::State(states) => (tenant.state != TenantState::Unknown).then(|| states.contains(&tenant.state)),
            Self::Text(field, wanted) => field.any(tenant, |value| {
                let value = value.to_lowercase();
                wanted.iter().any(|pattern| like(pattern, &value))
            }),
            Self::Version(wanted) => match tenant.version() {
                Some(version) => {
                    Some(wanted.iter().any(|wanted| wanted.as_deref().is_some_and(|w| like(w, version.raw()))))
                }
                // Without a version a tenant has none only where its ledger is known to be absent or empty.
                None => (tenant.applied == Some(0)).then(|| wanted.contains(&None)),
            },
            Self::Flag(field, wanted) => Some(field.of(tenant) == *wanted),
            Self::Number(field, compare, limit) => field.of(tenant, now).map(|value| compare.holds(value, *limit)),
            Self::All(tests) => all(tests.iter().map(|test| test.holds(tenant, now))),
        }
    }
}

/// Whether all of them hold: one that fails decides it, whatever is unknown of the others.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// Whether a text is like a pattern in which `*` stands for anything.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}
