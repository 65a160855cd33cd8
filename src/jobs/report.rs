//! What a running job tells: counts of tenants, rate and time left, log lines. A slow face never slows a job: views
//! are sent at most twenty times a second and only the latest counts; log lines that do not fit are counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::model::job::{JobEvent, JobView, LogLine, LogMark, Outcome};
use crate::model::secret::Credentials;
use crate::text::Untrusted;

/// Time between two views.
const PACE: Duration = Duration::from_millis(50);
/// The rate is that of the tenants which ended within this time.
const WINDOW: Duration = Duration::from_secs(30);

/// What the lanes of a job report.
#[derive(Debug, Clone)]
pub(super) enum Report {
    /// A tenant's result for this run.
    Ended(Outcome),
    /// A line of the log.
    Log {
        /// How it is drawn.
        mark: LogMark,
        /// The tenant.
        slug: Option<Untrusted>,
        /// The line.
        text: Untrusted,
    },
    /// A step of a tenant is done.
    Step,
    /// So many steps of the one tenant of this job are through in its open transaction.
    StepsThrough(u32),
    /// From now on more tenants run at a time, or the run had rested: its pace until now says nothing about the rest.
    PaceChanges,
    /// Nothing is left to run; the structures of those that went through are compared.
    Comparing,
    /// The operator asked for a stop; the current tenants finish.
    CancelSeen,
    /// A role was made: its password goes to the face, and nowhere else.
    Credentials(Credentials),
}

/// A place to report to.
#[derive(Debug, Clone)]
pub(super) struct Reports(mpsc::Sender<Report>);

impl Reports {
    /// The place, and what reads it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Report>) {
        let (sender, receiver) = mpsc::channel(1024);
        (Self(sender), receiver)
    }

    /// Reports; the reader never blocks, so this waits for at most a moment.
    pub(super) async fn send(&self, report: Report) {
        // The reader lives as long as the run. Were it gone, the record still says everything.
        let _gone = self.0.send(report).await;
    }

    /// A line about a tenant.
    pub(super) async fn line(&self, mark: LogMark, slug: &str, text: impl Into<Untrusted>) {
        self.send(Report::Log { mark, slug: Some(Untrusted::new(slug)), text: text.into() }).await;
    }

    /// A line about the job.
    pub(super) async fn note(&self, text: impl Into<Untrusted>) {
        self.send(Report::Log { mark: LogMark::Note, slug: None, text: text.into() }).await;
    }
}

/// The state of a run's numbers.
struct Numbers {
    view: JobView,
    ended: VecDeque<Instant>,
    /// Since when it has had its pace.
    started: Instant,
    dropped: u64,
}

/// Reads reports until all senders are gone; sends views and lines; keeps `progress` for the heartbeat. Returns the
/// last view.
pub(super) async fn run(
    view: JobView,
    mut reports: mpsc::Receiver<Report>,
    events: mpsc::Sender<JobEvent>,
    progress: watch::Sender<String>,
) -> JobView {
    let mut numbers = Numbers { view, ended: VecDeque::new(), started: Instant::now(), dropped: 0 };
    let mut dirty = true;
    let mut next = tokio::time::Instant::now();
    loop {
        tokio::select! {
            report = reports.recv() => match report {
                None => break,
                // Nobody could make it again: a face that is slow is waited for.
                Some(Report::Credentials(credentials)) => {
                    let (database, job) = (numbers.view.database.clone(), numbers.view.id);
                    let _gone = events.send(JobEvent::Credentials { database, job, credentials }).await;
                }
                Some(report) => dirty |= numbers.take(report, &events),
            },
            () = tokio::time::sleep_until(next), if dirty => {
                numbers.refresh();
                progress.send_replace(json(&numbers.view));
                dirty = events.try_send(JobEvent::Job(Box::new(numbers.view.clone()))).is_err();
                numbers.tell_dropped(&events);
                next = tokio::time::Instant::now() + PACE;
            }
        }
    }
    numbers.refresh();
    progress.send_replace(json(&numbers.view));
    numbers.tell_dropped(&events);
    numbers.view
}

impl Numbers {
    /// Whether the view changed.
    fn take(&mut self, report: Report, events: &mpsc::Sender<JobEvent>) -> bool {
        match report {
            Report::Ended(outcome) => {
                self.ended.push_back(Instant::now());
                let view = &mut self.view;
                match outcome {
                    Outcome::Done => view.done += 1,
                    Outcome::Skipped => (view.done, view.skipped) = (view.done + 1, view.skipped + 1),
                    Outcome::Failed | Outcome::Unknown => view.failed += 1,
                    Outcome::Blocked => view.blocked += 1,
                    Outcome::Running | Outcome::Pending | Outcome::LeftOut => return false,
                }
                view.pending = view.pending.saturating_sub(1);
                true
            }
            Report::Step => {
                self.view.steps.0 = self.view.steps.0.saturating_add(1).min(self.view.steps.1);
                true
            }
            Report::StepsThrough(through) => {
                self.view.steps.0 = through.min(self.view.steps.1);
                true
            }
            Report::PaceChanges => {
                self.ended.clear();
                self.started = Instant::now();
                true
            }
            Report::Comparing => {
                self.view.comparing = true;
                true
            }
            Report::CancelSeen => {
                self.view.cancel_requested = true;
                true
            }
            // Sent before it comes here.
            Report::Credentials(_) => false,
            Report::Log { mark, slug, text } => {
                let line = LogLine {
                    database: self.view.database.clone(),
                    job: self.view.id,
                    at: jiff::Timestamp::now(),
                    mark,
                    tenant: slug,
                    text,
                };
                if events.try_send(JobEvent::Log(line)).is_err() {
                    self.dropped += 1;
                }
                false
            }
        }
    }

    fn tell_dropped(&mut self, events: &mpsc::Sender<JobEvent>) {
        if self.dropped > 0 && events.try_send(JobEvent::LogDropped(self.dropped)).is_ok() {
            self.dropped = 0;
        }
    }

    /// Rate and time left by the tenants that ended lately.
    fn refresh(&mut self) {
        let now = Instant::now();
        while self.ended.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
            self.ended.pop_front();
        }
        let window = now.duration_since(self.started).min(WINDOW).as_millis().max(1);
        let ended = self.ended.len() as u128;
        let per_minute = ended * 60_000 / window;
        self.view.rate_per_minute = (ended > 0).then(|| u32::try_from(per_minute).unwrap_or(u32::MAX));
        self.view.left_seconds = self.ended.back().map(|last| {
            let since = now.duration_since(*last).as_millis();
            let left = left_ms(self.view.pending, window, ended, since) / 1000;
            u64::try_from(left).unwrap_or(u64::MAX)
        });
        if self.view.comparing {
            (self.view.rate_per_minute, self.view.left_seconds) = (None, None);
        }
    }
}

/// How long the pending take when so many ended within the window, the last of them `since` ago. What is at work now has
/// used part of its time, and is none of those that ended. All times in milliseconds.
fn left_ms(pending: u32, window: u128, ended: u128, since: u128) -> u128 {
    let each = window.saturating_sub(since) / ended.max(1);
    (u128::from(pending) * each).saturating_sub(since.min(each))
}

/// `job.progress`.
pub(super) fn json(view: &JobView) -> String {
    serde_json::json!({
        "total": view.total, "done": view.done, "skipped": view.skipped, "failed": view.failed, "blocked": view.blocked,
        "pending": view.pending, "steps_done": view.steps.0, "steps": view.steps.1, "rate": view.rate_per_minute, "left": view.left_seconds,
        "comparing": view.comparing.then_some(true),
    })
    .to_string()
}

/// A duration as the log shows it: `0.04s`, `1.8s`, `130s`.
pub(super) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.1 {
        format!("{seconds:.2}s")
    } else if seconds < 100.0 {
        format!("{seconds:.1}s")
    } else {
        format!("{seconds:.0}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::{JobKind, JobState};

    #[test]
    fn while_structures_are_compared_there_is_no_rate_and_no_time_left() {
        let (events, _kept) = mpsc::channel(1);
        let view = crate::model::job_words::tests::job(JobKind::Migrate, JobState::Running);
        let mut numbers = Numbers { view, ended: VecDeque::new(), started: Instant::now(), dropped: 0 };
        numbers.take(Report::Ended(Outcome::Done), &events);
        numbers.refresh();
        assert!(numbers.view.left_seconds.is_some() && !json(&numbers.view).contains("true"));
        assert!(numbers.take(Report::Comparing, &events), "it is shown");
        numbers.refresh();
        assert_eq!((numbers.view.rate_per_minute, numbers.view.left_seconds), (None, None));
        assert!(json(&numbers.view).contains(r#""comparing":true"#), "others read it in the record");
    }

    #[test]
    fn the_time_left_does_not_grow_while_one_is_at_work() {
        // One after another, 6 s each, 8 of 10 left.
        assert_eq!(left_ms(8, 12_000, 2, 0), 48_000);
        assert_eq!(left_ms(8, 15_000, 2, 3_000), 45_000);
        assert_eq!(left_ms(8, 17_900, 2, 5_900), 42_100);
        // What takes longer than the others did is not known to be nearly over.
        assert_eq!(left_ms(8, 30_000, 2, 18_000), 42_000);
        assert_eq!(left_ms(0, 12_000, 2, 1_000), 0);
    }
}
