//! A sample of jobs, their results, their log, and the audit.

use tenantui::model::audit::AuditLine;
use tenantui::model::job::{
    FailedStatement, JobId, JobKind, JobState, JobView, LogLine, LogMark, Outcome, StepFailure, TenantOutcome,
};
use tenantui::model::ledger::Version;
use tenantui::model::tenant::TenantKey;

use super::sample::{at, eu1};

fn job(id: i32, kind: JobKind, what: &str, state: JobState) -> JobView {
    JobView {
        database: eu1(),
        id: JobId(id),
        kind,
        what: what.into(),
        state,
        reason: None,
        attempt: 1,
        total: 1,
        done: 0,
        skipped: 0,
        failed: 0,
        blocked: 0,
        pending: 0,
        created_by: "ops".into(),
        created_at: at(i64::from(id) * 10 - 400),
        started_at: Some(at(-130)),
        ended_at: None,
        until: None,
        worker: Some("app3 4411".into()),
        mine: true,
        rate_per_minute: None,
        left_seconds: None,
        comparing: false,
        waits: None,
        steps: (0, 0),
        pause_requested: false,
        cancel_requested: false,
        stop_now: false,
    }
}

/// A running job, a done one and a failed one.
pub fn jobs() -> Vec<JobView> {
    let mut running = job(17, JobKind::Migrate, "180 tenants to 0042", JobState::Running);
    (running.total, running.done, running.failed, running.pending) = (180, 60, 1, 119);
    (running.rate_per_minute, running.left_seconds) = (Some(28), Some(240));
    let mut done = job(16, JobKind::Migrate, "amber to 0042", JobState::Done);
    (done.done, done.started_at, done.ended_at) = (1, Some(at(-200)), Some(at(-197)));
    let mut failed = job(15, JobKind::Provision, "alba", JobState::Failed);
    (failed.failed, failed.started_at, failed.ended_at) = (1, Some(at(-300)), Some(at(-291)));
    (failed.reason, failed.steps) = (Some("step 3 of 6 failed".into()), (2, 6));
    vec![running, done, failed]
}

/// Results of job 17.
pub fn outcomes() -> Vec<TenantOutcome> {
    let outcome = |slug: &str, outcome: Outcome, version: &str| TenantOutcome {
        key: Some(TenantKey::row(&eu1(), slug)),
        slug: slug.into(),
        schema: format!("t_{}", slug.replace('-', "_")).into(),
        outcome,
        version: Some(Version::new(version)),
        failure: None,
        note: None,
        steps: (3, 3),
        duration_ms: Some(1_800),
    };
    let mut failed = outcome("adler-labs", Outcome::Failed, "0040");
    failed.steps = (0, 2);
    failed.failure = Some(StepFailure {
        version: Some(Version::new("0041")),
        sqlstate: Some("55P03".into()),
        message: "canceling statement due to lock timeout".into(),
        statement: Some(FailedStatement {
            number: 2,
            of: 4,
            line: 7,
            text: "alter table users add column street text".into(),
        }),
        stays: false,
        blocker: Some("pid 4411  app@web-3  idle in transaction 00:03:12".into()),
        tries: 3,
    });
    let mut out = vec![failed, outcome("albion", Outcome::Running, "0039")];
    out.extend((0..60).map(|number| outcome(&format!("shop-{number:04}"), Outcome::Done, "0042")));
    out
}

/// Lines of the log of job 17.
pub fn log() -> Vec<LogLine> {
    let line = |second: i64, mark: LogMark, tenant: Option<&str>, text: &str| LogLine {
        database: eu1(),
        job: JobId(17),
        at: at(second),
        mark,
        tenant: tenant.map(Into::into),
        text: text.into(),
    };
    vec![
        line(-2, LogMark::Ok, Some("alcove"), "0039>0042   1.8s"),
        line(-1, LogMark::Fail, Some("adler-labs"), "0040>0041   55P03 lock timeout on t_adler_labs.users"),
        line(-1, LogMark::Note, None, "rolled back, schema is still at 0040; blocked by pid 4411 (app)"),
        line(0, LogMark::Run, Some("albion"), "0039>0040   step 1 of 3"),
    ]
}

/// What operators did in the last minutes, newest first.
pub fn audit() -> Vec<AuditLine> {
    let line = |id: i64, user: &str, (action, target): (&str, Option<&str>), json: [Option<&str>; 2], outcome: &str| {
        let [before, after] = json.map(|json| json.map(Into::into));
        AuditLine {
            database: eu1(),
            id,
            at: at(id * 7 - 700),
            actor: "saas".into(),
            os_user: Some(user.into()),
            action: action.into(),
            target: target.map(Into::into),
            job: Some(JobId(17)),
            before,
            after,
            outcome: outcome.into(),
        }
    };
    vec![
        line(98, "ana", ("cancel", None), [Some(r#"{"state": "running"}"#), None], "requested"),
        line(
            97,
            "ana",
            ("skip", Some("t_adler_labs")),
            [Some(r#"{"sqlstate": "55P03"}"#), Some(r#"{"note": "their clean-up runs until noon", "steps": 2}"#)],
            "skipped",
        ),
        line(
            96,
            "ben",
            ("migrate", Some("t_adler_labs")),
            [None, Some(r#"{"version": "0041", "seq": 12, "sqlstate": "55P03", "message": "lock timeout"}"#)],
            "failed",
        ),
        line(95, "ben", ("migrate", Some("t_alcove")), [None, Some(r#"{"version": "0042", "seq": 9}"#)], "done"),
        line(
            90,
            "ben",
            ("migrate", Some("migrate")),
            [None, Some(r#"{"what": "180 tenants to 0042", "steps": 420}"#)],
            "ordered",
        ),
        line(
            1,
            "\u{1b}[31mroot",
            ("init", Some("tenantui")),
            [Some(r#"{"version": 1}"#), Some(r#"{"version": 2}"#)],
            "done",
        ),
    ]
}
