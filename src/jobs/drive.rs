//! A step that the tool's own command carries out: intent, the tenant's lock, the command, the proof, the record.
//!
//! A command's exit status proves nothing: several tools work in `public` when they are not aimed as they like it, and
//! end well. So what is asked is what is there behind it: every planned version in the tenant's ledger, and nothing else
//! changed. The tool's ledger also makes a second run harmless, which is why a step that was cut off is simply looked
//! at, and run again where something is still pending.

mod child;
mod environment;
mod look;
mod output;
mod proof;
mod ready;
mod record;

use std::time::Duration;

use self::child::End;
use self::look::{Look, Place};
use self::proof::Judged;
pub(super) use self::ready::{Drive, same_command, startable};
use super::attempt::{self, MAX_TRIES};
use super::gate;
use super::lane::{LINK_PATIENCE, Lane};
use super::orders::OrderError;
use super::report::Reports;
use super::shared::{Halt, Shared};
use super::steps::{self, StepRow, TenantSteps};
use super::verdict::{StepResult, Verdict, flagged};
use super::who;
use crate::migrations::apply::run::Fault;
use crate::model::job::{LogMark, Outcome, Waits};
use crate::postgres::session::{LinkErrorKind, Patience, Reader};
use crate::text::Untrusted;

/// How long the sessions of a command that is gone are waited for: what the server still runs for it may yet commit.
const LEFTOVERS: Duration = Duration::from_secs(60);
/// The same behind a command that came to its own end.
const GOODBYES: Duration = Duration::from_secs(5);

/// What was asked of one tenant.
struct Step<'s, 'a> {
    shared: &'s Shared<'a>,
    drive: &'s Drive<'a>,
    tenant: &'s TenantSteps,
    row: &'s StepRow,
    /// The name of the command's own sessions.
    name: String,
    /// No other command of this run is beside it: it is also looked whether other tenants' ledgers moved.
    alone: bool,
}

/// Runs the command for one tenant, unless its ledger says that nothing is left to do.
pub(super) async fn run(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    first: bool,
) -> StepResult {
    let Some(drive) = &shared.drive else {
        shared.halt(Halt::Pause(Waits::Trouble, "the job's record names no command for its steps".to_owned()));
        return StepResult::Halted;
    };
    // Until one command is proved none runs beside another: all would go the same wrong way.
    let turn = if drive.is_proved() { None } else { Some(drive.turn.lock().await) };
    let turn = turn.filter(|_| !drive.is_proved());
    if turn.is_some() && !shared.may_start(first).await {
        return StepResult::Halted;
    }
    let name = who::command_name(drive.job, row.seq);
    let step = Step { shared, drive, tenant, row, name, alone: turn.is_some() };
    let result = step.all(lane, first).await;
    record::release(lane, tenant.schema.raw()).await;
    result.unwrap_or_else(|error| {
        shared.halt(Halt::of(error));
        StepResult::Halted
    })
}

impl Step<'_, '_> {
    async fn all(&self, lane: &mut Lane<'_>, first: bool) -> Result<StepResult, OrderError> {
        let inherited = match self.begin(lane, first).await? {
            Begun::Ready { inherited } => inherited,
            Begun::Over(result) => return Ok(result),
        };
        if inherited {
            // Its worker died: what its command's sessions were at must have come to its end before anybody looks.
            if let Some(pids) = record::gone(lane, &self.name, LEFTOVERS).await? {
                let words = format!("a session of an earlier run of the command is still there (pid {pids})");
                return self.stopped(lane, (Outcome::Blocked, false), words.into(), &[]).await;
            }
        }
        let before = self.look(lane).await?;
        if let Some(why) = before.unfit(self.drive.folder.tool) {
            return self.stopped(lane, (Outcome::Blocked, false), why, &[]).await;
        }
        let Some(expected) = before.expected(&self.drive.folder, &self.drive.planned) else {
            return self.stopped(lane, (Outcome::Blocked, false), "what is pending is not known".into(), &[]).await;
        };
        if expected.is_empty() {
            let words = if inherited { "brought by an earlier run of the command" } else { "was applied already" };
            return self.done(lane, Some(words)).await;
        }
        let order = match self.order(lane).await {
            Ok(order) => order,
            Err(error) => return Err(error),
        };
        lane.drop_reader();
        let (end, output) = child::run(self.shared, &self.tenant.slug, &order).await;
        let forced = matches!(end, End::TooLong | End::Stopped | End::Fenced);
        if forced {
            // What the server still runs for a client that is gone would commit behind our look.
            record::end_sessions(lane, &self.name).await?;
        }
        if matches!(end, End::Fenced) {
            return Ok(StepResult::Halted);
        }
        let limit = if forced { LEFTOVERS } else { GOODBYES };
        let still = record::gone(lane, &self.name, limit).await?;
        let after = self.look(lane).await?;
        let judged = proof::judge(&proof::Case {
            schema: self.tenant.schema.raw(),
            end: &end,
            limit: self.drive.limit,
            output: &output,
            still,
            before: &before,
            after: &after,
            folder: &self.drive.folder,
            planned: &expected,
        });
        for note in proof::notes(&before, &after) {
            self.shared.reports.line(LogMark::Note, &self.tenant.slug, note).await;
        }
        self.conclude(lane, judged, &before).await
    }

    async fn conclude(&self, lane: &mut Lane<'_>, judged: Judged, before: &Look) -> Result<StepResult, OrderError> {
        match judged {
            Judged::Done => {
                self.drive.prove();
                self.done(lane, None).await
            }
            Judged::Stopped => {
                let words = "the command was ended; what it had applied until then is in the ledger";
                self.shared.reports.line(LogMark::Note, &self.tenant.slug, words).await;
                Ok(StepResult::Halted)
            }
            Judged::Failed { words, details } => self.stopped(lane, (Outcome::Failed, true), words, &details).await,
            Judged::Astray { words, mut details } => {
                details.extend(look::elsewhere(lane, before, self.tenant.schema_oid).await);
                let reason = format!("{}: {}", self.tenant.slug, words.raw());
                let result = self.stopped(lane, (Outcome::Failed, true), words, &details).await;
                self.shared.halt(Halt::Pause(Waits::Trouble, reason));
                result
            }
            Judged::NotStarted(words) => {
                let reason = words.raw().to_owned();
                let result = self.stopped(lane, (Outcome::Failed, false), words, &[]).await;
                self.shared.halt(Halt::Pause(Waits::Trouble, reason));
                result
            }
        }
    }

    /// The intent, and the session's lock of the tenant; what stands in the way is tried again a few times.
    async fn begin(&self, lane: &mut Lane<'_>, first: bool) -> Result<Begun, OrderError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let opened = tokio::select! {
                opened = record::open(lane, self.shared, self.tenant, self.row, first && tries == 1, tries) => opened?,
                () = self.shared.end_now() => {
                    lane.drop_session();
                    return Ok(Begun::Over(StepResult::Halted));
                }
            };
            let why = match opened {
                record::Opened::Ready { inherited } => return Ok(Begun::Ready { inherited }),
                record::Opened::Already => return Ok(Begun::Over(StepResult::Done)),
                record::Opened::Flagged(flag) => return Ok(Begun::Over(flagged(self.shared, flag).await)),
                record::Opened::Skipped => {
                    self.shared.reports.line(LogMark::Note, &self.tenant.slug, "skipped by the operator").await;
                    return Ok(Begun::Over(StepResult::Stopped(Outcome::Skipped)));
                }
                record::Opened::Fenced => {
                    self.shared.halt(Halt::Fenced);
                    return Ok(Begun::Over(StepResult::Halted));
                }
                record::Opened::Failed(words) => {
                    return Ok(Begun::Over(self.stopped(lane, (Outcome::Failed, false), words.into(), &[]).await?));
                }
                record::Opened::Locked(words) => words,
                record::Opened::Lost => {
                    lane.drop_session();
                    "the work session was lost".to_owned()
                }
            };
            if tries >= MAX_TRIES {
                return Ok(Begun::Over(self.stopped(lane, (Outcome::Blocked, false), why.into(), &[]).await?));
            }
            attempt::pause(tries).await;
            if !self.shared.may_start(first).await {
                return Ok(Begun::Over(StepResult::Halted));
            }
        }
    }

    /// Looks, with a session that looked a moment ago or with a new one, waiting for a lost link: what the command did
    /// is worth waiting for.
    async fn look(&self, lane: &mut Lane<'_>) -> Result<Look, OrderError> {
        // Also the place where a server that was changed under us is noticed.
        lane.session().await?;
        let started = std::time::Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let kept = lane.take_reader();
            let was_kept = kept.is_some();
            let looked = async {
                let reader = match kept {
                    Some(reader) => reader,
                    None => Reader::open(self.drive.target, Patience::Background).await?,
                };
                let place = Place {
                    schema_oid: self.tenant.schema_oid,
                    hints: &self.drive.hints,
                    scope: &self.drive.scope,
                    folder: &self.drive.folder,
                    wide: self.alone.then_some(self.drive.job),
                };
                Ok((look::look(&reader, &place).await?, reader))
            };
            let error: OrderError = match looked.await {
                Ok((look, reader)) => {
                    lane.keep_reader(reader);
                    return Ok(look);
                }
                // It may be its session alone.
                Err(_) if was_kept => continue,
                Err(error) => error,
            };
            let passes = matches!(&error, OrderError::Link(link) if link.kind == LinkErrorKind::Unreachable);
            if !passes || started.elapsed() + pause > LINK_PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn order(&self, lane: &mut Lane<'_>) -> Result<child::Order, OrderError> {
        let (session, _) = lane.session().await?;
        let place = environment::Place {
            drive: self.drive,
            tenant: self.tenant,
            version: self.row.version.raw(),
            extra: self.shared.search_path_extra,
            application_name: &self.name,
            host: session.facts.host,
            encrypted: session.facts.tls,
        };
        environment::order(&place).await
    }

    async fn done(&self, lane: &mut Lane<'_>, message: Option<&str>) -> Result<StepResult, OrderError> {
        if let Some(words) = message {
            self.shared.reports.line(LogMark::Note, &self.tenant.slug, words).await;
        }
        if record::done(lane, self.shared, self.tenant, self.row, message).await? {
            return Ok(StepResult::Done);
        }
        self.shared.halt(Halt::Fenced);
        Ok(StepResult::Halted)
    }

    /// Records what stopped the tenant, and says so.
    async fn stopped(
        &self,
        lane: &mut Lane<'_>,
        (outcome, stays): (Outcome, bool),
        words: Untrusted,
        details: &[String],
    ) -> Result<StepResult, OrderError> {
        let reports: &Reports = &self.shared.reports;
        let all = std::iter::once(words.raw()).chain(details.iter().map(String::as_str));
        let message = all.collect::<Vec<_>>().join("; ");
        let verdict = Verdict { outcome, stays, ..Verdict::failed(Fault::ours(message), 1) };
        match steps::mark_stopped(lane, self.shared.fence, self.row.seq, &verdict, self.shared.os_user).await {
            Ok(()) => {}
            Err(Some(error)) => return Err(error),
            Err(None) => {
                self.shared.halt(Halt::Fenced);
                return Ok(StepResult::Halted);
            }
        }
        let text = format!("{}   {}", self.row.passage(), words.raw());
        reports.line(LogMark::Fail, &self.tenant.slug, text).await;
        for detail in details {
            reports.line(LogMark::Note, &self.tenant.slug, detail.as_str()).await;
        }
        Ok(StepResult::Stopped(outcome))
    }
}

/// How a step began.
enum Begun {
    /// The intent is recorded and the tenant is ours.
    Ready {
        /// An earlier attempt may have run the command.
        inherited: bool,
    },
    /// It ends here.
    Over(StepResult),
}

/// A trouble of the lane's own session, as an order's error.
fn lost(words: &str) -> OrderError {
    gate::lost(Untrusted::new(words))
}
