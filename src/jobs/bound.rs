//! What a job is bound to: the plan that was confirmed, and the server that it was made for. Pure rules; the record
//! and the sessions are asked elsewhere.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::params::hex;
use crate::model::job::JobKind;
use crate::model::server::ServerIdentity;
use crate::postgres::session::ServerFacts;

/// A step's part of the plan. What provisioning learns only by making its tenant is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepIdentity<'a> {
    pub(super) seq: i32,
    pub(super) action: &'a str,
    pub(super) tenant_key: Option<&'a str>,
    pub(super) tenant_id: Option<&'a str>,
    pub(super) slug: &'a str,
    pub(super) schema: &'a str,
    pub(super) schema_oid: Option<u32>,
    pub(super) from: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    /// SHA-256 of the file, in hexadecimal.
    pub(super) file: Option<&'a str>,
}

/// Takes a plan in and becomes its SHA-256: parameters first, then every step in order.
pub(super) struct PlanHash {
    hash: Sha256,
    steps: u64,
    kind: JobKind,
}

impl PlanHash {
    /// Begins with what the job's row says. The parameters are taken as a value, so that neither their order nor the
    /// spaces of their JSON matter: the server keeps neither.
    pub(super) fn new(kind: JobKind, scope: &str, params: &Value) -> Self {
        let mut started = Self { hash: Sha256::new(), steps: 0, kind };
        started.part("tenantui record 2");
        started.part(kind.word());
        started.part(scope);
        let mut json = String::new();
        canonical(params, &mut json);
        started.part(&json);
        started
    }

    /// One more step.
    pub(super) fn step(&mut self, step: &StepIdentity<'_>) {
        self.steps += 1;
        self.part(&step.seq.to_string());
        self.part(step.action);
        let tenant_known = match self.kind {
            JobKind::Migrate
            | JobKind::Rollback
            | JobKind::Redo
            | JobKind::Rehearse
            | JobKind::Import
            | JobKind::Life(_) => true,
            // Its row, its id and its schema are what the job makes.
            JobKind::Provision => false,
        };
        self.optional(step.tenant_key.filter(|_| tenant_known));
        self.optional(step.tenant_id.filter(|_| tenant_known));
        self.part(step.slug);
        self.part(step.schema);
        let oid = step.schema_oid.filter(|_| tenant_known).map(|oid| oid.to_string());
        self.optional(oid.as_deref());
        self.optional(step.from);
        self.optional(step.version);
        self.optional(step.file);
    }

    /// The hash, in hexadecimal.
    pub(super) fn finish(mut self) -> String {
        self.part(&self.steps.to_string());
        hex(&self.hash.finalize())
    }

    /// Each part stands behind its length, so that no two plans run together into one text.
    fn part(&mut self, text: &str) {
        self.hash.update((text.len() as u64).to_be_bytes());
        self.hash.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.hash.update([u8::from(text.is_some())]);
        self.part(text.unwrap_or_default());
    }
}

/// JSON with its keys in order and no spaces.
fn canonical(value: &Value, into: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            into.push('{');
            for (key, value) in entries {
                into.push_str(&Value::from(key.as_str()).to_string());
                into.push(':');
                canonical(value, into);
                into.push(',');
            }
            into.push('}');
        }
        Value::Array(values) => {
            into.push('[');
            for value in values {
                canonical(value, into);
                into.push(',');
            }
            into.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => into.push_str(&value.to_string()),
    }
}

/// The server and the database that a job was made for or claimed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// `None` where the role may not read it: not compared then.
    pub(super) system_identifier: Option<String>,
    pub(super) database_oid: u32,
    /// The first eight hexadecimal digits of a WAL file's name; `None` where it is not known: not compared then.
    pub(super) timeline: Option<String>,
}

/// What a server is to a job that was made elsewhere or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The same, as far as anybody can tell.
    Home,
    /// The same history on a later timeline: a standby was promoted, or the server was restored.
    LaterTimeline {
        /// The job's.
        from: String,
        /// The server's.
        to: String,
    },
    /// The same history on an earlier timeline: the primary that a failover left behind.
    OldPrimary {
        /// The job's.
        from: String,
        /// The server's.
        to: String,
    },
    /// Another server.
    OtherServer,
    /// Another database, or one that was dropped and made again.
    OtherDatabase,
}

impl Home {
    /// Of a session.
    pub(super) fn of(facts: &ServerFacts) -> Self {
        Self::planned_on(&facts.identity())
    }

    /// Of what was read before an order was given.
    pub(super) fn planned_on(server: &ServerIdentity) -> Self {
        let ServerIdentity { system_identifier, database_oid, timeline } = server.clone();
        Self { system_identifier, database_oid, timeline }
    }

    /// What the server `now` is to what was made for `self`. Timelines are numbers in hexadecimal; a larger one began
    /// later.
    pub(super) fn place(&self, now: &Self) -> Place {
        if let (Some(before), Some(now)) = (&self.system_identifier, &now.system_identifier)
            && before != now
        {
            return Place::OtherServer;
        }
        if self.database_oid != now.database_oid {
            return Place::OtherDatabase;
        }
        let (Some(from), Some(to)) = (&self.timeline, &now.timeline) else { return Place::Home };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        match number(from).cmp(&number(to)) {
            std::cmp::Ordering::Equal => Place::Home,
            std::cmp::Ordering::Less => Place::LaterTimeline { from: from.clone(), to: to.clone() },
            std::cmp::Ordering::Greater => Place::OldPrimary { from: from.clone(), to: to.clone() },
        }
    }
}

impl Place {
    /// Why nothing of the job may be written there by who began elsewhere; `None` at home.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::Home => None,
            Self::LaterTimeline { from, to } => Some(format!(
                "a failover (or a restore) happened: the server went from timeline {from} to {to}. Look whether commits \
                 were lost, then resume the job: it goes by what the record says now"
            )),
            Self::OldPrimary { from, to } => Some(format!(
                "this is the old primary of a failover (split brain): it is on timeline {to}, the job on {from}. \
                 Nothing is written here; aim at the new primary, and stop this one"
            )),
            Self::OtherServer => Some(
                "another server answers than the one the job was made for: their system identifiers differ. Aim at \
                 the right one, or plan again here"
                    .to_owned(),
            ),
            Self::OtherDatabase => Some(
                "the database is not the one the job was made for (dropped and made again, or restored under the same \
                 name?). Cancel the job and plan again"
                    .to_owned(),
            ),
        }
    }

    /// Why nothing is ordered there of what was planned elsewhere; `None` at home.
    pub(super) fn since_plan(&self) -> Option<String> {
        match self {
            Self::Home => None,
            Self::LaterTimeline { from, to } => Some(format!(
                "a failover (or a restore) happened since it was planned: the server went from timeline {from} to {to}. \
                 Look whether commits were lost, and plan again"
            )),
            Self::OldPrimary { from, to } => Some(format!(
                "this is the old primary of a failover (split brain): it is on timeline {to}, and what was planned was \
                 read on {from}. Nothing is written here; aim at the new primary, and stop this one"
            )),
            Self::OtherServer => Some(
                "another server answers than the one it was planned on: their system identifiers differ. Aim at the \
                 right one, or plan again here"
                    .to_owned(),
            ),
            Self::OtherDatabase => Some(
                "the database is not the one it was planned on (dropped and made again, or restored under the same \
                 name?). Plan again"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn home(system: Option<&str>, oid: u32, timeline: Option<&str>) -> Home {
        Home { system_identifier: system.map(str::to_owned), database_oid: oid, timeline: timeline.map(str::to_owned) }
    }

    #[test]
    fn a_later_timeline_is_a_failover_and_an_earlier_one_a_split_brain() {
        let job = home(Some("7"), 5, Some("0000000A"));
        assert_eq!(job.place(&job), Place::Home);
        assert!(matches!(job.place(&home(Some("7"), 5, Some("0000000B"))), Place::LaterTimeline { .. }));
        // 16, in hexadecimal.
        assert!(matches!(job.place(&home(Some("7"), 5, Some("00000010"))), Place::LaterTimeline { .. }));
        let old = job.place(&home(Some("7"), 5, Some("00000009")));
        assert!(matches!(old, Place::OldPrimary { .. }));
        let words = old.refusal().expect("refused");
        assert!(words.contains("old primary of a failover (split brain)") && words.contains("00000009"), "{words}");
    }

    #[test]
    fn another_server_or_database_is_never_home_whatever_its_timeline_is() {
        let job = home(Some("7"), 5, Some("00000001"));
        for timeline in [None, Some("00000001"), Some("00000002")] {
            assert_eq!(job.place(&home(Some("8"), 5, timeline)), Place::OtherServer);
            assert_eq!(job.place(&home(Some("7"), 6, timeline)), Place::OtherDatabase);
            assert_eq!(job.place(&home(None, 6, timeline)), Place::OtherDatabase);
        }
    }

    #[test]
    fn what_a_role_may_not_read_is_not_compared() {
        let job = home(None, 5, None);
        assert_eq!(job.place(&home(Some("8"), 5, Some("00000003"))), Place::Home);
        assert_eq!(home(Some("7"), 5, Some("00000003")).place(&job), Place::Home);
    }

    fn step(seq: i32) -> StepIdentity<'static> {
        StepIdentity {
            seq,
            action: "migrate",
            tenant_key: Some("r:7"),
            tenant_id: Some("7"),
            slug: "acme",
            schema: "tenant_acme",
            schema_oid: Some(4711),
            from: None,
            version: Some("1"),
            file: Some("ab"),
        }
    }

    fn hash(kind: JobKind, params: &Value, steps: &[StepIdentity<'_>]) -> String {
        let mut hash = PlanHash::new(kind, "migrate", params);
        for step in steps {
            hash.step(step);
        }
        hash.finish()
    }

    #[test]
    fn every_part_of_a_step_counts() {
        let params = serde_json::json!({"format": 2});
        let base = hash(JobKind::Migrate, &params, &[step(1)]);
        let others = [
            StepIdentity { seq: 2, ..step(1) },
            StepIdentity { action: "verify", ..step(1) },
            StepIdentity { tenant_key: None, ..step(1) },
            StepIdentity { tenant_id: Some("8"), ..step(1) },
            StepIdentity { slug: "acne", ..step(1) },
            StepIdentity { schema: "tenant_acne", ..step(1) },
            StepIdentity { schema_oid: Some(4712), ..step(1) },
            StepIdentity { from: Some("0"), ..step(1) },
            StepIdentity { from: Some(""), ..step(1) },
            StepIdentity { version: Some("2"), ..step(1) },
            StepIdentity { file: Some("ac"), ..step(1) },
        ];
        let mut seen = std::collections::BTreeSet::from([base]);
        for other in others {
            assert!(seen.insert(hash(JobKind::Migrate, &params, &[other])), "a change went unseen: {other:?}");
        }
        assert!(seen.insert(hash(JobKind::Migrate, &params, &[])));
        assert!(seen.insert(hash(JobKind::Migrate, &params, &[step(1), step(2)])));
        assert!(seen.insert(hash(JobKind::Provision, &params, &[step(1)])));
        assert!(seen.insert(hash(JobKind::Migrate, &serde_json::json!({"format": 3}), &[step(1)])));
    }

    #[test]
    fn what_provisioning_learns_by_making_its_tenant_does_not_count() {
        let params = serde_json::json!({"format": 2});
        let before = StepIdentity { tenant_key: None, tenant_id: None, schema_oid: None, ..step(1) };
        assert_eq!(hash(JobKind::Provision, &params, &[before]), hash(JobKind::Provision, &params, &[step(1)]));
        assert_ne!(hash(JobKind::Migrate, &params, &[before]), hash(JobKind::Migrate, &params, &[step(1)]));
    }

    proptest! {
        #[test]
        fn the_order_and_the_spaces_of_json_do_not_count(pairs in proptest::collection::btree_map("[a-z\"é]{0,6}", any::<u32>(), 0..6)) {
            let forward: Vec<String> = pairs.iter().map(|(key, value)| format!("{}: {value}", Value::from(key.as_str()))).collect();
            let mut backward = forward.clone();
            backward.reverse();
            let read = |parts: &[String]| -> Value { serde_json::from_str(&format!("{{{}}}", parts.join(" , "))).expect("JSON") };
            prop_assert_eq!(hash(JobKind::Migrate, &read(&forward), &[]), hash(JobKind::Migrate, &read(&backward), &[]));
        }

        #[test]
        fn place_is_a_matter_of_numbers(from in 1_u32..2000, to in 1_u32..2000) {
            let at = |timeline: u32| home(Some("7"), 5, Some(&format!("{timeline:08X}")));
            let place = at(from).place(&at(to));
            prop_assert_eq!(place == Place::Home, from == to);
            let later = matches!(place, Place::LaterTimeline { .. });
            let old = matches!(place, Place::OldPrimary { .. });
            prop_assert_eq!((later, old), (to > from, to < from));
        }
    }
}
