//! One look at the jobs: a small statement that tells which are live and whether they changed, then only what changed.

use std::collections::{BTreeMap, BTreeSet};

use super::steps::EndedSteps;
use super::{Eye, Sight, Wanted};
use crate::jobs::orders::held_sql;
use crate::jobs::record;
use crate::jobs::who;
use crate::model::ident::literal;
use crate::model::job::{JobId, JobView};
use crate::model::tenant::DatabaseName;
use crate::postgres::session::QueryError;
use crate::text::Untrusted;

/// Whether there is a record that this program reads: an older one is upgraded by `init`.
const THERE_SQL: &str = "SELECT pg_catalog.to_regclass('tenantui.step') IS NOT NULL AND EXISTS (SELECT 1 \
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = pg_catalog.to_regclass('tenantui.job') \
    AND a.attname = 'stop_now_at' AND NOT a.attisdropped)";

/// How many of the newest jobs are told at first.
const LISTED: u32 = 50;

/// The jobs that notifications named.
#[derive(Debug, Default)]
pub(super) struct Wakes(BTreeSet<JobId>);

impl Wakes {
    /// The payload is a job's number; whatever else comes only wakes.
    pub(super) fn add(&mut self, payload: &Untrusted) {
        if let Ok(id) = payload.raw().parse() {
            self.0.insert(JobId(id));
        }
    }
}

/// What is known of a live job.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Live {
    /// Changes whenever something changed that is worth reading.
    print: String,
    /// Another process runs it: its steps are told.
    elsewhere: bool,
}

/// The jobs as they were told.
pub(super) struct Jobs {
    database: DatabaseName,
    wanted: Wanted,
    /// The schema `tenantui` is there.
    there: bool,
    /// The newest job's number; `None` before the first look.
    newest: Option<JobId>,
    live: BTreeMap<JobId, Live>,
    told: BTreeMap<JobId, JobView>,
    steps: BTreeMap<JobId, EndedSteps>,
}

impl Jobs {
    pub(super) fn new(database: DatabaseName, wanted: Wanted) -> Self {
        Self {
            database,
            wanted,
            there: false,
            newest: None,
            live: BTreeMap::new(),
            told: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }

    /// Whether something may happen to a job by itself.
    pub(super) fn any_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// What is new. What is told here is remembered as told.
    pub(super) async fn look(&mut self, eye: &Eye, wakes: &Wakes) -> Result<Vec<Sight>, QueryError> {
        if !self.there {
            let rows = eye.read(THERE_SQL).await?;
            self.there = rows.iter().flatten().next().is_some_and(|row| row.is_true(0));
            if !self.there {
                return Ok(Vec::new());
            }
        }
        let rows = match eye.read(&self.glance_sql()).await {
            Ok(rows) => rows,
            Err(error @ QueryError::Server { .. }) => {
                // It may have been dropped meanwhile.
                self.there = false;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let mut live = BTreeMap::new();
        let mut newest = None;
        for row in rows.iter().flatten() {
            let Some(id) = row.parse(0)?.map(JobId) else { continue };
            newest = newest.max(Some(id));
            if row.is_true(1) {
                live.insert(id, Live { print: row.text(3).unwrap_or_default().to_owned(), elsewhere: row.is_true(2) });
            }
        }
        let mut sights = self.lines(eye, &live).await?;
        let changed = self.changed(&live, newest, wakes);
        sights.extend(self.views(eye, &changed).await?);
        self.steps.retain(|id, _| live.contains_key(id));
        // Only now: a look that failed half-way is done again.
        self.live = live;
        self.newest = newest.max(self.newest);
        Ok(sights)
    }

    /// The newest ended steps of jobs that run elsewhere, those included that have just ended.
    async fn lines(&mut self, eye: &Eye, live: &BTreeMap<JobId, Live>) -> Result<Vec<Sight>, QueryError> {
        let mut jobs: BTreeSet<JobId> = live
            .iter()
            .filter(|(id, now)| now.elsewhere && self.live.get(id) != Some(now))
            .map(|(id, _)| *id)
            .collect();
        let gone = |id: &JobId, was: &Live| was.elsewhere && live.get(id).is_none_or(|now| !now.elsewhere);
        jobs.extend(self.live.iter().filter(|(id, was)| gone(id, was)).map(|(id, _)| *id));
        let mut sights = Vec::new();
        for id in jobs {
            let steps = self.steps.entry(id).or_default();
            let rows = eye.read(&steps.sql(id)).await?.pop().unwrap_or_default();
            let new = steps.take(&rows, &self.database, id)?;
            sights.extend(new.lines.into_iter().map(Sight::Line));
            sights.extend((new.left_out > 0).then_some(Sight::LinesLeftOut(new.left_out)));
        }
        Ok(sights)
    }

    /// Which jobs have to be read; `None`: the newest, whatever they are.
    fn changed(
        &self,
        live: &BTreeMap<JobId, Live>,
        newest: Option<JobId>,
        wakes: &Wakes,
    ) -> (Option<u32>, BTreeSet<JobId>) {
        let mut ids: BTreeSet<JobId> =
            live.iter().filter(|(id, now)| self.live.get(id) != Some(now)).map(|(id, _)| *id).collect();
        ids.extend(self.live.keys().filter(|id| !live.contains_key(id)));
        ids.extend(&wakes.0);
        match self.wanted {
            Wanted::Only(only) => {
                if self.newest.is_none() {
                    ids.insert(only);
                }
                ids.retain(|id| *id == only);
                (None, ids)
            }
            Wanted::All => {
                // Jobs that came and ended between two looks.
                let missed = match (self.newest, newest) {
                    (None, _) => Some(LISTED),
                    (Some(known), Some(now)) => u32::try_from(now.0 - known.0).ok().filter(|count| *count > 0),
                    (Some(_), None) => None,
                };
                (missed.map(|count| count.min(LISTED)), ids)
            }
        }
    }

    /// The jobs that are not as they were told, oldest first.
    async fn views(
        &mut self,
        eye: &Eye,
        (newest, ids): &(Option<u32>, BTreeSet<JobId>),
    ) -> Result<Vec<Sight>, QueryError> {
        let mut sql = String::new();
        if let Some(count) = newest {
            sql.push_str(&record::jobs_sql("true", *count));
        }
        if !ids.is_empty() {
            let list: Vec<String> = ids.iter().map(JobId::to_string).collect();
            let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            sql.push_str(&record::jobs_sql(&format!("j.id IN ({})", list.join(", ")), count));
        }
        if sql.is_empty() {
            return Ok(Vec::new());
        }
        let mut views = BTreeMap::new();
        for row in eye.read(&sql).await?.iter().flatten() {
            let view = record::job_view(&self.database, row)?;
            views.insert(view.id, view);
        }
        let mut sights = Vec::new();
        for (id, view) in views {
            if self.told.get(&id) != Some(&view) {
                self.told.insert(id, view.clone());
                sights.push(Sight::Job(Box::new(view)));
            }
        }
        while self.told.len() > 4 * LISTED as usize {
            self.told.pop_first();
        }
        Ok(sights)
    }

    /// Live jobs, with what changes when they do; and the newest job, live or not. Of a job that this process runs the
    /// steps are not counted: its worker tells of them.
    fn glance_sql(&self) -> String {
        let live = "j.state IN ('queued', 'running', 'paused')";
        let held = held_sql("j.id");
        let mine = format!("j.state = 'running' AND j.worker IS NOT DISTINCT FROM {}", literal(&who::worker()));
        let which = match self.wanted {
            Wanted::All => live.to_owned(),
            Wanted::Only(only) => format!("{live} AND j.id = {only}"),
        };
        format!(
            "SELECT j.id, {live}, j.state = 'running' AND NOT ({mine}), \
             pg_catalog.concat_ws('/', j.state, j.attempt, j.reason, j.waits, j.cancel_requested_at, j.pause_requested_at, j.stop_now_at, \
             CASE WHEN j.state = 'running' THEN {held} END, \
             CASE WHEN j.state = 'running' AND NOT ({mine}) THEN pg_catalog.concat_ws('/', j.progress, \
             (SELECT pg_catalog.max(s.ended_at) FROM tenantui.step AS s WHERE s.job_id = j.id)) END) \
             FROM tenantui.job AS j WHERE {which}; \
             SELECT pg_catalog.max(j.id), false, false, NULL FROM tenantui.job AS j;"
        )
    }
}
