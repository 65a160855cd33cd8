//! What is there before and behind a command: the tenant's ledger, and everything that it must leave alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::jobs::gate;
use crate::jobs::lane::Lane;
use crate::jobs::orders::OrderError;
use crate::migrations::dialects::{Found, Gap, Hints, Interner, LedgerScope, candidate_names, dialect, recognise};
use crate::migrations::folder::Folder;
use crate::migrations::ledgers;
use crate::migrations::lens::{Glance, Lens};
use crate::migrations::plan::standing;
use crate::model::job::JobId;
use crate::model::ledger::{LedgerState, Tool, Version};
use crate::postgres::ledgers::{candidates_sql, parse_candidates};
use crate::postgres::session::{Reader, TextRow};
use crate::text::Untrusted;

/// What is looked at.
pub(super) struct Place<'p> {
    pub(super) schema_oid: u32,
    pub(super) hints: &'p Hints,
    /// What counts of a ledger, and the files that its entries are named after.
    pub(super) scope: &'p LedgerScope,
    pub(super) folder: &'p Folder,
    /// Also whether other schemas' ledgers move, beside this job.
    pub(super) wide: Option<JobId>,
}

/// What was seen.
pub(super) struct Look {
    /// The tenant's ledger.
    pub(super) ledger: LedgerState,
    /// The ledger in `public`.
    pub(super) public: LedgerState,
    /// What is in `public`: kind and name with what changes when it does.
    pub(super) objects: BTreeMap<String, String>,
    /// The schemas, by oid: all where it was looked at all of them, else `public` alone.
    pub(super) schemas: BTreeMap<u32, String>,
    /// Schemas of other jobs that are at work: what moves there is theirs.
    busy: BTreeSet<String>,
    /// Changes that the server has counted in other ledgers, by schema; unknown ones are not here.
    pub(super) others: HashMap<u32, u64>,
    /// The server's transaction, to find what younger ones made.
    xid: String,
}

/// The objects of `public` that migrations make. Indexes are left out: rebuilding one is nobody's migration. What is in a
/// schema depends on it, and that is the only index by schema that the catalogs have: the tables of 10,000 tenants are
/// not gone through for it.
const OBJECTS: &str = "SELECT 'table ' || c.relname, c.oid || ' ' || c.relnatts FROM within AS w \
    JOIN pg_catalog.pg_class AS c ON w.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = w.objid \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
    UNION ALL SELECT 'function ' || f.proname, pg_catalog.string_agg(f.oid || ' ' || pg_catalog.md5(f.prosrc), ',' ORDER BY f.oid) \
    FROM within AS w JOIN pg_catalog.pg_proc AS f ON w.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND f.oid = w.objid \
    GROUP BY f.proname \
    UNION ALL SELECT 'type ' || t.typname, t.oid || ' ' || (SELECT pg_catalog.count(*) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid) \
    FROM within AS w JOIN pg_catalog.pg_type AS t ON w.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = w.objid \
    WHERE t.typtype IN ('e', 'd', 'r')";
/// What depends on `public` because it is in it.
const WITHIN: &str = "SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d \
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
    AND d.refobjid = (SELECT p.oid FROM pg_catalog.pg_namespace AS p WHERE p.nspname = 'public')";

fn sql(place: &Place<'_>) -> String {
    let candidates = candidates_sql(&candidate_names(place.hints));
    let candidates = candidates.trim_end().trim_end_matches(';');
    // Pushed down into the catalog query, so that one tenant's ledger costs as much as one.
    let some = format!(
        "SELECT q.* FROM ({candidates}) AS q (schema_oid, schema_name) WHERE q.schema_oid = {} OR q.schema_name = 'public'",
        place.schema_oid
    );
    let (ledgers, which, busy) = match place.wide {
        Some(job) => (
            candidates.to_owned(),
            "n.nspname !~ '^pg_(toast|temp)'",
            format!(
                "SELECT DISTINCT s.schema_name FROM tenantui.step AS s JOIN tenantui.job AS j ON j.id = s.job_id \
                 WHERE j.id <> {job} AND j.state IN ('queued', 'running', 'paused')"
            ),
        ),
        None => (some, "n.nspname = 'public'", "SELECT NULL::text WHERE false".to_owned()),
    };
    format!(
        "{ledgers}; SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace AS n WHERE {which}; \
         WITH within AS MATERIALIZED ({WITHIN}) {OBJECTS}; {busy}; \
         SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text"
    )
}

/// Looks.
pub(super) async fn look(reader: &Reader, place: &Place<'_>) -> Result<Look, OrderError> {
    let mut answers = reader.read(&sql(place)).await?.into_iter();
    let candidates = parse_candidates(&answers.next().unwrap_or_default())?;
    let mut schemas = BTreeMap::new();
    for row in answers.next().unwrap_or_default() {
        if let (Some(oid), Some(name)) = (row.parse(0)?, row.text(1)) {
            schemas.insert(oid, name.to_owned());
        }
    }
    let objects = pairs(&answers.next().unwrap_or_default());
    let busy = answers.next().unwrap_or_default();
    let busy = busy.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect();
    let xid = answers.next().unwrap_or_default();
    let xid = xid.first().and_then(|row| row.text(0)).unwrap_or_default().to_owned();
    let public_oid = schemas.iter().find(|(_, name)| *name == "public").map(|(oid, _)| *oid);
    let mut wanted = vec![place.schema_oid];
    wanted.extend(public_oid);
    let found = recognise(&candidates, place.hints);
    let read = ledgers::read(reader, &found, &wanted, &mut Interner::default(), |_| ()).await?;
    // Entries become versions, as the plan saw them.
    let ledger = read.state(place.schema_oid);
    let lens = Lens::new(Some(place.folder), place.scope, [&ledger]);
    let others =
        found.by_schema.iter().filter(|(oid, _)| !wanted.contains(oid)).filter_map(|(oid, found)| match found {
            Found::Ledger(ledger) => Some((*oid, ledger.activity.changes?)),
            Found::Unclear { .. } => None,
        });
    Ok(Look {
        ledger: lens.see(&ledger, &mut Glance::default()),
        public: public_oid.map_or(LedgerState::Absent, |oid| read.state(oid)),
        objects,
        others: others.collect(),
        schemas,
        busy,
        xid,
    })
}

fn pairs(rows: &[TextRow]) -> BTreeMap<String, String> {
    let text = |row: &TextRow, column: usize| row.text(column).unwrap_or_default().to_owned();
    rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
}

impl Look {
    /// What of these versions is not in the tenant's ledger; `None` where that is not known.
    pub(super) fn missing(&self, folder: &Folder, planned: &[Version]) -> Option<Vec<Version>> {
        let pending = standing(&self.ledger, folder).pending?;
        Some(planned.iter().filter(|version| pending.contains(version)).cloned().collect())
    }

    /// What of the plan this tenant is to get: all that it lacks, less what its tool never applies because the tenant is
    /// past it already.
    pub(super) fn expected(&self, folder: &Folder, planned: &[Version]) -> Option<Vec<Version>> {
        let mut missing = self.missing(folder, planned)?;
        if let (Gap::NeverApplied, Some(reading)) = (dialect(folder.tool).gap, self.ledger.reading())
            && let Some(newest) = reading.applied.versions.last()
        {
            missing.retain(|version| folder.is_before(version, newest) != Some(true));
        }
        Some(missing)
    }

    /// Where the tenant stands, for messages.
    pub(super) fn version(&self) -> String {
        let version = self.ledger.reading().and_then(|reading| reading.applied.current.clone());
        version.map_or_else(|| "-".to_owned(), |version| version.raw().to_owned())
    }

    /// Why no command is run on a ledger that stands so.
    pub(super) fn unfit(&self, tool: Tool) -> Option<Untrusted> {
        match &self.ledger {
            LedgerState::Absent => None,
            LedgerState::Read(reading) => {
                if reading.dirty {
                    return Some(format!("dirty: {} recorded a migration that failed", reading.tool).into());
                }
                let locked = reading.locked.as_ref().map(|why| format!("locked: {}", why.raw()).into());
                locked.or_else(|| {
                    (!crate::migrations::standing::comparable(reading.tool, tool))
                        .then(|| format!("its ledger is of {}, the files are of {tool}", reading.tool).into())
                })
            }
            LedgerState::Unread => Some("its ledger could not be read".into()),
            LedgerState::NoAccess(why)
            | LedgerState::DatabaseWide { why, .. }
            | LedgerState::Unreadable { why, .. } => Some(why.clone()),
        }
    }

    /// What changed in `public`, in words.
    pub(super) fn changes_in_public(&self, after: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, state) in &after.objects {
            match self.objects.get(name) {
                None => changes.push(format!("{} appeared", in_public(name))),
                Some(before) if before != state => changes.push(format!("{} changed", in_public(name))),
                Some(_) => {}
            }
        }
        let gone = self.objects.keys().filter(|name| !after.objects.contains_key(*name));
        changes.extend(gone.map(|name| format!("{} is gone", in_public(name))));
        if let (Some(before), Some(now)) = (self.public.reading(), after.public.reading())
            && before.applied != now.applied
        {
            let (was, is) = (before.applied.versions.len(), now.applied.versions.len());
            changes.push(format!("the ledger public.{} went from {was} to {is} entries", now.table));
        }
        changes
    }

    /// Other schemas whose ledgers moved, and not by another job of ours.
    pub(super) fn other_ledgers(&self, after: &Self) -> Vec<String> {
        let moved = after.others.iter().filter(|(oid, now)| self.others.get(oid).is_some_and(|was| was < *now));
        let names: BTreeSet<&String> = moved
            .filter_map(|(oid, _)| after.schemas.get(oid))
            .filter(|name| !self.busy.contains(*name) && !after.busy.contains(*name))
            .collect();
        names.into_iter().cloned().collect()
    }

    /// Schemas that were not there before.
    pub(super) fn new_schemas<'l>(&self, after: &'l Self) -> Vec<&'l str> {
        let new = after.schemas.iter().filter(|(oid, _)| !self.schemas.contains_key(oid));
        new.map(|(_, name)| name.as_str()).collect()
    }
}

/// `table users`: `table public.users`.
fn in_public(name: &str) -> String {
    name.replacen(' ', " public.", 1)
}

/// What younger transactions made in other schemas than the tenant's: only looked for when a ledger did not move, for it
/// reads the whole catalog. Other work that goes on is found too.
pub(super) async fn elsewhere(lane: &mut Lane<'_>, before: &Look, schema_oid: u32) -> Vec<String> {
    let Ok(xid) = before.xid.parse::<u64>() else { return Vec::new() };
    let sql = format!(
        "SELECT pg_catalog.string_agg(q.name, ', ') FROM (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND n.oid <> {schema_oid} AND n.nspname <> 'public' \
         AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('tenantui', 'information_schema') \
         AND pg_catalog.age(c.xmin) <= pg_catalog.age('{}'::xid) ORDER BY 1 LIMIT 5) AS q",
        xid & u64::from(u32::MAX)
    );
    let Ok((session, _)) = lane.session().await else { return Vec::new() };
    match gate::ask(session, &sql).await {
        Ok(rows) => {
            let made = rows.iter().flatten().next().and_then(|row| row.text(0).map(str::to_owned));
            made.map(|made| format!("made or changed meanwhile elsewhere: {made}")).into_iter().collect()
        }
        Err(trouble) => {
            tracing::debug!(?trouble, "where the command worked is not told");
            Vec::new()
        }
    }
}
