//! What must hold after every fault: one query, one snapshot. And what must hold at the end: every tenant is as in a run
//! that nothing disturbed.

use std::collections::BTreeMap;

use super::fleet::{ALONE, VERSIONS};
use crate::support::TestDatabase;

/// Counts rows of a table that may be missing, in the snapshot of the query that asks.
const HELPERS: &str = "create schema faults; \
    create function faults.rows(s name, t name, c name, v bigint) returns bigint language plpgsql stable as $$ \
    declare n bigint := 0; begin \
    if exists (select from pg_class k join pg_namespace p on p.oid = k.relnamespace where p.nspname = s and k.relname = t) then \
    execute format('select count(*) from %I.%I where %I = $1', s, t, c) into n using v; end if; return n; end $$; \
    create function faults.all_rows(s name, t name, c name) returns text language plpgsql stable as $$ \
    declare n text; begin execute format('select string_agg((%I)::text, '','' order by 1) from %I.%I', c, s, t) into n; \
    return n; end $$;";

/// Every step that is done while its job belongs to a later attempt. The fence's lock keeps the attempt as it is until
/// the step's transaction ends, so what this sees at the step is what counts at its COMMIT.
const ZOMBIES: &str = "create table faults.zombie (job int, seq int, attempt int, now int); \
    create function faults.look() returns trigger language plpgsql as $$ declare n int; begin \
    select attempt into n from tenantui.job where id = new.job_id; \
    if new.attempt <> n then insert into faults.zombie values (new.job_id, new.seq, new.attempt, n); end if; return null; end $$; \
    create trigger faults_look after update of state on tenantui.step for each row when (new.state = 'done') \
    execute function faults.look();";

/// Lines in one form: `violation`, what is wrong; `job`, its number, state, attempt and steps.
const QUERY: &str = "
with fleet as (
  select n.oid, n.nspname from pg_namespace n where n.nspname like 'tenant\\_%'
), cells as (
  select f.nspname as schema, v.version,
    faults.rows(f.nspname, 'schema_migrations', 'id', v.version) as ledger,
    faults.rows(f.nspname, 'marks', 'version', v.version) as marks,
    (select count(*) from pg_class c where c.relnamespace = f.oid and c.relkind = 'r'
       and c.relname in ('a_' || v.version, 'b_' || v.version, 'c_' || v.version, 'd_' || v.version)) as tables,
    (select count(*) from pg_class c where c.relnamespace = f.oid and c.relkind = 'i' and c.relname = 'd_' || v.version || '_at') as indexes,
    (select count(*) from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relnamespace = f.oid
       and c.relname = 'users' and a.attname = 'u_' || v.version and not a.attisdropped) as columns,
    (select count(*) from tenantui.step s where s.job_id > :base and s.schema_name = f.nspname and s.version = v.version::text
       and s.state = 'done' and s.message is null) as steps,
    (select count(*) from tenantui.audit a where a.job_id > :base and a.outcome = 'done' and a.target = f.nspname
       and (a.action = 'provision' or (a.action = 'migrate' and a.after->>'version' = v.version::text))) as audited
  from fleet f cross join (values :versions) as v (version)
), alone as (
  select f.nspname as schema,
    faults.rows(f.nspname, 'schema_migrations', 'id', :alone) as ledger,
    (select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = f.oid and c.relname = 'e_:alone'
       and i.indisvalid and i.indisready) as indexes,
    (select count(*) from tenantui.step s where s.job_id > :base and s.schema_name = f.nspname and s.version = ':alone'
       and s.state = 'done') as steps,
    (select count(*) from tenantui.audit a where a.job_id > :base and a.action = 'migrate' and a.outcome = 'done'
       and a.target = f.nspname and a.after->>'version' = ':alone') as audited
  from fleet f
), jobs as (
  select j.id, j.state, j.attempt, j.active_scope,
    (select count(*) from tenantui.step s where s.job_id = j.id) as steps,
    (select count(*) from tenantui.step s where s.job_id = j.id and s.state = 'done') as done,
    (select count(*) from tenantui.step s where s.job_id = j.id and s.state in ('failed', 'blocked')) as stopped,
    (select count(*) from tenantui.step s where s.job_id = j.id and s.attempt > j.attempt) as foreign_steps,
    (select count(*) from tenantui.audit a where a.job_id = j.id and a.outcome = 'ordered') as ordered,
    (select count(*) from tenantui.audit a where a.job_id = j.id and a.action = 'claim') as claims,
    (select count(*) from tenantui.audit a where a.job_id = j.id and a.action = 'run') as ends
  from tenantui.job j where j.id > :base
)
select 'violation', format('%s %s is half done or done twice: ledger %s, marks %s, tables %s of 4, index %s, column %s, done steps %s, audited %s',
  schema, version, ledger, marks, tables, indexes, columns, steps, audited), null, null, null
from cells
where (ledger, marks, tables, indexes, columns, steps, audited) not in ((0, 0, 0, 0, 0, 0, 0), (1, 1, 4, 1, 1, 1, 1))
union all
select 'violation', format('%s: the file without a transaction: ledger %s, valid index %s, done steps %s, audited %s',
  schema, ledger, indexes, steps, audited), null, null, null
from alone
where (ledger, steps, audited) not in ((0, 0, 0), (1, 1, 1)) or ledger > indexes
union all
select 'violation', format('%s has %s without %s', later.schema, later.version, earlier.version), null, null, null
from cells later join cells earlier on earlier.schema = later.schema and earlier.version < later.version
where later.ledger > 0 and earlier.ledger = 0
union all
select 'violation', format('%s holds the row -1 of a lock', nspname), null, null, null
from fleet where faults.rows(nspname, 'schema_migrations', 'id', -1) <> 0
union all
select 'violation', format('job %s is %s at attempt %s: %s of %s steps done, %s of a later attempt, ordered %s times, claimed %s times, ended %s times',
  id, state, attempt, done, steps, foreign_steps, ordered, claims, ends), null, null, null
from jobs
where not case state
    when 'queued' then true
    when 'running' then attempt > 0
    when 'paused' then attempt > 0
    when 'done' then attempt > 0 and done = steps
    when 'failed' then :may_fail and attempt > 0 and stopped > 0
    else false end
  or steps = 0 or foreign_steps > 0 or ordered <> 1 or claims <> attempt or ends > attempt
union all
select 'violation', format('%s live jobs of the scope %s', count(*), active_scope), null, null, null
from jobs where state in ('queued', 'running', 'paused') group by active_scope having count(*) > 1
union all
select 'violation', format('step %s of job %s was done by attempt %s when attempt %s had the job', seq, job, attempt, now), null, null, null
from faults.zombie
union all
select 'job', id::text, state, attempt::text, steps::text from jobs";

/// Everything that makes a tenant's structure, with its schema's name taken out, and what its files left in it.
const FINGERPRINT: &str = "
select n.nspname, md5(string_agg(line, E'\\n' order by line)) from pg_namespace n cross join lateral (
  select format('column %s.%s %s %s %s %s', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d where d.adrelid = c.oid and d.adnum = a.attnum))
  from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = n.oid and c.relkind in ('r', 'S', 'v') and a.attnum > 0
  union all
  select format('constraint %s %s %s', k.conname, k.convalidated, replace(pg_get_constraintdef(k.oid), n.nspname || '.', ''))
  from pg_constraint k where k.connamespace = n.oid
  union all
  select format('index %s %s %s', i.indisvalid, i.indisready, replace(pg_get_indexdef(i.indexrelid), n.nspname || '.', ''))
  from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = n.oid
  union all select 'ledger ' || faults.all_rows(n.nspname, 'schema_migrations', 'id')
  union all select 'marks ' || faults.all_rows(n.nspname, 'marks', 'version')
) as lines (line)
where n.nspname like 'tenant\\_%' group by n.nspname order by 1";

/// Jobs by their number: state, attempt, steps.
type Jobs = BTreeMap<i32, (String, i32, i32)>;

/// What is known of the jobs so far: none may ever vanish, go back, or change its plan.
pub struct Watch {
    base: i32,
    jobs: Jobs,
    reference: Option<String>,
    /// A fault here is one that a step may fail by, not one that it must outlive.
    pub may_fail: bool,
    /// How often it was asked.
    pub checks: usize,
}

/// A job that is not over.
#[derive(Debug, Clone)]
pub struct Open {
    pub job: i32,
    pub state: String,
    pub attempt: i32,
}

impl Watch {
    /// Makes what the query needs.
    pub fn new(db: &TestDatabase) -> Self {
        db.sql(HELPERS);
        Self { base: 0, jobs: Jobs::new(), reference: None, may_fail: false, checks: 0 }
    }

    /// From now on a step that is done by somebody who has lost the job is noted. The record must be there.
    pub fn look_for_zombies(&self, db: &TestDatabase) {
        db.sql(ZOMBIES);
    }

    /// The tenants were made anew: earlier jobs speak of schemas that are gone.
    pub fn next_round(&mut self, db: &TestDatabase) {
        self.base = db.value("select coalesce(max(id), 0) from tenantui.job").parse().expect("a number");
        db.sql("delete from faults.zombie");
        self.jobs.clear();
    }

    /// What is wrong, and the jobs of this round.
    fn ask(&self, db: &TestDatabase) -> (Vec<String>, Jobs) {
        let versions: Vec<String> = VERSIONS.iter().map(|version| format!("({version})")).collect();
        let query = QUERY
            .replace(":base", &self.base.to_string())
            .replace(":versions", &versions.join(", "))
            .replace(":alone", &ALONE.to_string())
            .replace(":may_fail", &self.may_fail.to_string());
        let rows = db.sql(&format!("begin isolation level repeatable read read only; {query}; commit"));
        let (mut wrong, mut jobs) = (Vec::new(), Jobs::new());
        for row in rows {
            let text = |column: usize| row[column].clone().unwrap_or_default();
            let number = |column: usize| text(column).parse::<i32>().expect("a number");
            if text(0) == "job" {
                jobs.insert(number(1), (text(2), number(3), number(4)));
            } else {
                wrong.push(text(1));
            }
        }
        (wrong, jobs)
    }

    /// Everything that is wrong now; the jobs as they are now are what the next question is compared with.
    pub fn violations(&mut self, db: &TestDatabase) -> Vec<String> {
        self.checks += 1;
        let (mut wrong, jobs) = self.ask(db);
        for (id, (state, attempt, steps)) in &self.jobs {
            match jobs.get(id) {
                None => wrong.push(format!("job {id} was {state} and is lost")),
                Some((now, later, now_steps)) => {
                    if later < attempt || now_steps != steps || (state == "done" && now != "done") {
                        wrong.push(format!(
                            "job {id} went from {state}, attempt {attempt}, {steps} steps to {now}, {later}, {now_steps}"
                        ));
                    }
                }
            }
        }
        self.jobs = jobs;
        wrong
    }

    /// Fails when anything is wrong.
    pub fn check(&mut self, db: &TestDatabase, after: &str) {
        let wrong = self.violations(db);
        assert!(wrong.is_empty(), "{after}:\n{}", wrong.join("\n"));
    }

    /// The jobs of this round that are not over, oldest first.
    pub fn open(&mut self, db: &TestDatabase) -> Vec<Open> {
        let (_, jobs) = self.ask(db);
        let open = jobs.into_iter().filter(|(_, job)| job.0 != "done");
        open.map(|(job, (state, attempt, _))| Open { job, state, attempt }).collect()
    }

    /// How many jobs this round has.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Remembers what a tenant looks like at the end of a run that nothing disturbed.
    pub fn remember(&mut self, db: &TestDatabase) {
        let prints = db.sql(FINGERPRINT);
        self.reference = prints.first().and_then(|row| row[1].clone());
        self.check_done(db, "undisturbed");
    }

    /// Fails unless every tenant has everything, exactly as in the undisturbed run.
    pub fn check_done(&mut self, db: &TestDatabase, after: &str) {
        self.check(db, after);
        let reference = self.reference.clone().expect("an undisturbed run came first");
        let prints = db.sql(FINGERPRINT);
        assert!(!prints.is_empty(), "{after}: no tenants");
        for row in prints {
            assert_eq!(
                row[1].as_deref(),
                Some(reference.as_str()),
                "{after}: {:?} is not as in an undisturbed run",
                row[0]
            );
        }
    }
}
