//! The link to one server as a state machine: events in, state out. It connects to nothing, reads no clock and rolls
//! no dice; whoever drives it brings the time and the jitter, so that every rule is tested without waiting.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::errors::{LinkError, LinkErrorKind};
use crate::model::link::LinkState;
use crate::text::Untrusted;

/// The wait before the second try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What happened on the way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A try to connect begins.
    TryStarted,
    /// The login worked; its round trip in milliseconds.
    Connected {
        /// Milliseconds.
        latency_ms: u32,
    },
    /// A question was answered.
    Answered {
        /// Round trip in milliseconds.
        latency_ms: u32,
    },
    /// The oldest open question waits longer than it should.
    Overdue {
        /// Milliseconds so far.
        waiting_ms: u32,
    },
    /// The connection broke, or could not be made.
    Lost {
        /// The server's or the system's words.
        why: Untrusted,
    },
    /// The server will not have us.
    Refused {
        /// What failed, why, and what to change.
        why: Untrusted,
    },
    /// The operator does not want to wait.
    RetryNow,
}

impl From<LinkError> for LinkEvent {
    fn from(error: LinkError) -> Self {
        match error.kind {
            LinkErrorKind::Refused => Self::Refused { why: error.message },
            LinkErrorKind::Unreachable => Self::Lost { why: error.message },
        }
    }
}

/// The state of a link, and what decides about the next try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    state: LinkState,
    /// Tries since the last answer.
    attempt: u32,
    /// When the last answer's connection was lost.
    lost_since: Option<Timestamp>,
}

impl Default for Link {
    fn default() -> Self {
        Self { state: LinkState::Connecting, attempt: 0, lost_since: None }
    }
}

impl Link {
    /// The state, to be shown.
    #[must_use]
    pub const fn state(&self) -> &LinkState {
        &self.state
    }

    /// How long to wait before the next try; `None` where none is due: the link is up, a try is under way, or only the
    /// operator can start one.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        match &self.state {
            LinkState::Lost { next_try, .. } => {
                Some(Duration::try_from(next_try.duration_since(now)).unwrap_or(Duration::ZERO))
            }
            LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } | LinkState::Refused { .. } => None,
        }
    }

    /// Takes an event. `jitter` is between 0 and 1 ([`jitter`]). Returns how long the link was gone, when it is back.
    pub fn apply(&mut self, event: LinkEvent, now: Timestamp, jitter: f64) -> Option<Duration> {
        match event {
            LinkEvent::TryStarted => {
                // A link that was up before keeps showing that it is lost, and since when.
                if !matches!(self.state, LinkState::Lost { .. }) {
                    self.state = LinkState::Connecting;
                }
                None
            }
            LinkEvent::Connected { latency_ms } => {
                self.state = LinkState::Up { latency_ms };
                let since = self.lost_since.take()?;
                Some(Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO))
            }
            LinkEvent::Answered { latency_ms } => {
                if self.state.is_up() {
                    // Only an answer proves the link: a server that takes logins and drops them is not back.
                    self.attempt = 0;
                    self.state = LinkState::Up { latency_ms };
                }
                None
            }
            LinkEvent::Overdue { waiting_ms } => {
                if self.state.is_up() {
                    self.state = LinkState::Slow { waiting_ms };
                }
                None
            }
            LinkEvent::Lost { why } => {
                self.lose(why, now, jitter);
                None
            }
            LinkEvent::Refused { why } => {
                self.state = LinkState::Refused { why };
                None
            }
            LinkEvent::RetryNow => {
                match &mut self.state {
                    LinkState::Lost { next_try, .. } => *next_try = now,
                    LinkState::Refused { .. } => self.state = LinkState::Connecting,
                    LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } => {}
                }
                None
            }
        }
    }

    fn lose(&mut self, why: Untrusted, now: Timestamp, jitter: f64) {
        // The words of a broken connection that arrive after the refusal must not start a loop of tries.
        if matches!(self.state, LinkState::Refused { .. }) {
            return;
        }
        let since = *self.lost_since.get_or_insert(now);
        self.attempt = self.attempt.saturating_add(1);
        let wait = back_off(self.attempt, jitter);
        let next_try = SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(now);
        self.state = LinkState::Lost { since, attempt: self.attempt, next_try, why };
    }
}

/// The wait before a try: doubled each time, at most thirty seconds, between half and all of that, so that many
/// dashboards do not come back in the same moment.
#[must_use]
pub fn back_off(attempt: u32, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let full = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// A number between 0 and 1, another each time.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "32 bits fit")]
pub fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
    }

    fn lost() -> LinkEvent {
        LinkEvent::Lost { why: "gone".into() }
    }

    #[test]
    fn an_outage_is_counted_from_its_start_to_its_end() {
        let mut link = Link::default();
        assert_eq!(link.apply(LinkEvent::Connected { latency_ms: 3 }, at(0), 0.0), None);
        link.apply(lost(), at(10), 1.0);
        assert_eq!(link.wait(at(10)), Some(Duration::from_millis(500)));
        link.apply(LinkEvent::TryStarted, at(11), 0.0);
        link.apply(lost(), at(20), 1.0);
        assert_eq!(link.state(), &LinkState::Lost { since: at(10), attempt: 2, next_try: at(21), why: "gone".into() });
        assert_eq!(link.apply(LinkEvent::Connected { latency_ms: 3 }, at(41), 0.0), Some(Duration::from_secs(31)));
    }

    #[test]
    fn a_server_that_drops_every_login_is_asked_ever_more_seldom() {
        let mut link = Link::default();
        for _ in 0..10 {
            link.apply(LinkEvent::Connected { latency_ms: 1 }, at(0), 1.0);
            link.apply(lost(), at(0), 1.0);
        }
        assert_eq!(link.wait(at(0)), Some(LONGEST_WAIT));
        link.apply(LinkEvent::Connected { latency_ms: 1 }, at(0), 1.0);
        link.apply(LinkEvent::Answered { latency_ms: 1 }, at(0), 1.0);
        link.apply(lost(), at(0), 1.0);
        assert_eq!(link.wait(at(0)), Some(FIRST_WAIT));
    }

    #[test]
    fn a_refusal_stays_until_the_operator_asks() {
        let mut link = Link::default();
        link.apply(LinkEvent::Refused { why: "wrong password".into() }, at(0), 0.0);
        for event in [lost(), LinkEvent::Answered { latency_ms: 1 }, LinkEvent::Overdue { waiting_ms: 1 }] {
            link.apply(event, at(1), 0.0);
            assert!(matches!(link.state(), LinkState::Refused { .. }));
            assert_eq!(link.wait(at(1)), None);
        }
        link.apply(LinkEvent::RetryNow, at(2), 0.0);
        assert_eq!(link.state(), &LinkState::Connecting);
    }

    #[test]
    fn slow_is_left_by_an_answer() {
        let mut link = Link::default();
        link.apply(LinkEvent::Overdue { waiting_ms: 9 }, at(0), 0.0);
        assert_eq!(link.state(), &LinkState::Connecting);
        link.apply(LinkEvent::Connected { latency_ms: 1 }, at(0), 0.0);
        link.apply(LinkEvent::Overdue { waiting_ms: 900 }, at(0), 0.0);
        assert_eq!(link.state(), &LinkState::Slow { waiting_ms: 900 });
        link.apply(LinkEvent::Answered { latency_ms: 2 }, at(0), 0.0);
        assert_eq!(link.state(), &LinkState::Up { latency_ms: 2 });
    }

    #[test]
    fn jitter_differs_and_is_in_range() {
        let tries: Vec<f64> = (0..20).map(|_| jitter()).collect();
        assert!(tries.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(tries.windows(2).any(|two| two[0].to_bits() != two[1].to_bits()));
    }

    fn events() -> impl Strategy<Value = LinkEvent> {
        prop_oneof![
            Just(LinkEvent::TryStarted),
            Just(LinkEvent::Connected { latency_ms: 1 }),
            Just(LinkEvent::Answered { latency_ms: 2 }),
            Just(LinkEvent::Overdue { waiting_ms: 3 }),
            Just(lost()),
            Just(LinkEvent::Refused { why: "no".into() }),
            Just(LinkEvent::RetryNow),
        ]
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_grow(attempt in 1_u32.., jitter in any::<f64>()) {
            let wait = back_off(attempt, jitter);
            prop_assert!(wait <= LONGEST_WAIT && wait >= FIRST_WAIT / 2);
            prop_assert!(back_off(attempt.saturating_add(1), 1.0) >= back_off(attempt, 1.0));
        }

        #[test]
        fn no_order_of_events_breaks_the_rules(steps in proptest::collection::vec((events(), 0.0_f64..1.0), 0..60)) {
            let mut link = Link::default();
            for (second, (event, jitter)) in steps.into_iter().enumerate() {
                let now = at(i64::try_from(second).expect("small"));
                let before = link.clone();
                let back = link.apply(event.clone(), now, jitter);
                match link.state() {
                    LinkState::Lost { since, next_try, .. } => {
                        prop_assert!(*since <= now);
                        prop_assert!(link.wait(now).is_some_and(|wait| wait <= LONGEST_WAIT));
                        prop_assert!(*next_try >= before_next(&before).unwrap_or(*since).min(now));
                    }
                    LinkState::Refused { .. } => prop_assert!(link.wait(now).is_none()),
                    LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } => {}
                }
                // Only a login ends an outage.
                if back.is_some() {
                    prop_assert!(matches!(event, LinkEvent::Connected { .. }), "{:?}", event);
                    prop_assert!(before.lost_since.is_some());
                }
                if !before.state.is_up() && link.state.is_up() {
                    prop_assert!(matches!(event, LinkEvent::Connected { .. }), "{:?} came up by {:?}", before, event);
                }
            }
        }
    }

    fn before_next(link: &Link) -> Option<Timestamp> {
        match link.state {
            LinkState::Lost { next_try, .. } => Some(next_try),
            LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } | LinkState::Refused { .. } => None,
        }
    }
}
