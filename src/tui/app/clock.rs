//! What ages on the screen, and when it has to be drawn again for that. There is no clock of its own: the loop asks
//! [`next_tick`] and sleeps exactly that long, or for ever.

use std::time::Duration;

use super::event::Now;
use super::state::{DataAge, Header, Screen, State, Writes};
use crate::model::fleet::{CacheView, DatabaseView};
use crate::model::job::JobState;
use crate::model::link::LinkState;

/// How long the write lock stays open.
pub const WRITES_OPEN: Duration = Duration::from_secs(600);

/// How long an info stays in the message line.
pub const INFO_STAYS: Duration = Duration::from_secs(5);

/// Brings up to date what depends on the time. Whether something that is drawn changed.
pub fn advance(state: &mut State, now: Now) -> bool {
    state.now = now;
    let mut changed = state.lock.expire(now.elapsed);
    if state.message.as_ref().is_some_and(|message| message.level.fades() && now.elapsed >= message.since + INFO_STAYS)
    {
        state.message = None;
        changed = true;
    }
    changed |= header(state);
    changed || ticking_job(state)
}

/// Recomputes the header. Whether it changed.
pub fn header(state: &mut State) -> bool {
    let before = state.header.clone();
    let named = match state.screen {
        Screen::Tenant => state.tenant.as_ref().map(|open| open.key.database.clone()),
        Screen::Migrations => state.migrations.list.cursor.as_ref().map(|(database, _)| database.clone()),
        Screen::Jobs => state.jobs.list.cursor.as_ref().map(|(database, _)| database.clone()),
        Screen::JobResult => state.jobs.result_of.as_ref().map(|(database, _)| database.clone()),
        Screen::Audit => state.audit.list.cursor.as_ref().map(|(database, _)| database.clone()),
        Screen::Server if state.server.database.is_some() => state.server.database.clone(),
        Screen::Tenants | Screen::Messages | Screen::Server => {
            state.tenants.list.cursor.as_ref().map(|key| key.database.clone())
        }
    };
    // What is in front with a name of its own is of its own database, whichever one is shown: writes are opened there.
    let of_one = match state.screen {
        Screen::Tenant | Screen::JobResult => named.clone(),
        Screen::Tenants | Screen::Migrations | Screen::Jobs | Screen::Messages | Screen::Audit | Screen::Server => None,
    };
    let name = of_one
        .or_else(|| state.only_database.clone())
        .or(named)
        .filter(|name| state.latest.database(name).is_some())
        .or_else(|| state.latest.databases.first().map(|database| database.name.clone()));
    state.header.database = name;
    let (latency, age, writes) = match state.header_database() {
        None => ((None, None), DataAge::Never, Writes::Locked),
        Some(view) => {
            let shown = before.latency_ms.filter(|_| before.database == state.header.database);
            let since = before.latency_differs_since;
            (latency(shown, since, state.now.elapsed, &view.link), age(state, view), writes(state, view))
        }
    };
    (state.header.latency_ms, state.header.latency_differs_since) = latency;
    state.header.age = age;
    state.header.cache_age = counted_at(state).map(|at| step(seconds_since(state, at)));
    state.header.writes = writes;
    // Not to be seen.
    let before = Header { latency_differs_since: state.header.latency_differs_since, ..before };
    state.header != before
}

/// How long a latency has to be another one before it is shown.
const LASTING: Duration = Duration::from_secs(10);

/// The latency to show, and since when it has been another one. One that wavers is not redrawn: only one that doubled or
/// halved, by 5 ms at least, and stayed so. A busy machine is slow for a moment all the time.
fn latency(
    shown: Option<u32>,
    since: Option<Duration>,
    now: Duration,
    link: &LinkState,
) -> (Option<u32>, Option<Duration>) {
    let LinkState::Up { latency_ms } = link else { return (None, None) };
    let Some(shown) = shown else { return (Some(*latency_ms), None) };
    let (low, high) = (shown.min(*latency_ms), shown.max(*latency_ms));
    if high - low < 5 || high < low * 2 {
        return (Some(shown), None);
    }
    let since = since.unwrap_or(now);
    if now.saturating_sub(since) < LASTING { (Some(shown), Some(since)) } else { (Some(*latency_ms), None) }
}

fn seconds_since(state: &State, at: jiff::Timestamp) -> u64 {
    u64::try_from(state.now.wall.as_second().saturating_sub(at.as_second())).unwrap_or(0)
}

/// When what is in front was read: on the Server screen the server, elsewhere the database.
fn taken_at(state: &State, view: &DatabaseView) -> Option<jiff::Timestamp> {
    if state.screen == Screen::Server {
        let vitals = state.snapshot.vitals.iter().find(|vitals| vitals.database == view.name);
        return vitals.map(|vitals| vitals.read_at).filter(|at| *at > jiff::Timestamp::UNIX_EPOCH);
    }
    let shown = if state.frozen { state.snapshot.database(&view.name).unwrap_or(view) } else { view };
    shown.taken_at
}

fn age(state: &State, view: &DatabaseView) -> DataAge {
    let Some(taken_at) = taken_at(state, view) else { return DataAge::Never };
    let seconds = seconds_since(state, taken_at);
    if state.frozen {
        return DataAge::Frozen(step(seconds));
    }
    if !view.link.is_up() {
        return DataAge::Old(seconds);
    }
    // The server's screen has a reading of its own.
    if view.unread && state.screen != Screen::Server {
        return DataAge::Unread(step(seconds));
    }
    let live = state.refresh.map_or(10, |refresh| (refresh.as_secs() * 2).max(2));
    if seconds < live.max(15) { DataAge::Live } else { DataAge::Old(step(seconds)) }
}

/// When the cache keys of the open tenant were counted, where that is on the screen.
fn counted_at(state: &State) -> Option<jiff::Timestamp> {
    let open = state.tenant.as_ref().filter(|_| crate::tui::screens::shows_cache(state))?;
    match &state.latest.database(&open.key.database)?.cache {
        CacheView::Counted { at, .. } => Some(*at),
        CacheView::Failed { last_good, .. } => *last_good,
        CacheView::NotConfigured | CacheView::Counting { .. } => None,
    }
}

/// 15 s, 1 min, then every five minutes.
pub const fn step(seconds: u64) -> u64 {
    match seconds {
        0..15 => 0,
        15..60 => 15,
        60..300 => 60,
        _ => seconds / 300 * 300,
    }
}

fn until_next_step(seconds: u64) -> u64 {
    match seconds {
        0..15 => 15 - seconds,
        15..60 => 60 - seconds,
        _ => 300 - seconds % 300,
    }
}

fn writes(state: &State, view: &DatabaseView) -> Writes {
    if view.read_only {
        return Writes::ReadOnly(view.read_only_why.clone().unwrap_or_else(|| "read-only".into()));
    }
    if !view.environment.is_protected() {
        return Writes::Open(None);
    }
    match state.lock.left(&view.name, state.now.elapsed) {
        Some(left) => Writes::Open(Some(left.as_secs())),
        None => Writes::Locked,
    }
}

/// Whether a stopwatch of a running job is on the screen.
fn ticking_job(state: &State) -> bool {
    match state.screen {
        Screen::Jobs | Screen::JobResult => state.jobs.jobs.iter().any(|job| match job.state {
            JobState::Running => true,
            JobState::Queued
            | JobState::Orphaned
            | JobState::Paused
            | JobState::Done
            | JobState::Failed
            | JobState::Cancelled => false,
        }),
        Screen::Tenants | Screen::Tenant | Screen::Migrations | Screen::Messages | Screen::Audit | Screen::Server => {
            false
        }
    }
}

/// How long until something on the screen is out of date; `None`: nothing ages.
#[must_use]
pub fn next_tick(state: &State) -> Option<Duration> {
    let now = state.now.elapsed;
    let second = Duration::from_secs(1);
    let mut next: Option<Duration> = None;
    let mut want = |after: Duration| next = Some(next.map_or(after, |next| next.min(after)));
    if let Some(message) = state.message.as_ref().filter(|message| message.level.fades()) {
        want((message.since + INFO_STAYS).saturating_sub(now));
    }
    if let Some(left) = state.lock.next_to_close(now) {
        want(left);
    }
    if let Some(left) = state.header.database.as_ref().and_then(|name| state.lock.left(name, now)) {
        // The countdown shows whole seconds: wake when the next one begins.
        want(left.saturating_sub(Duration::from_secs(left.as_secs())));
    }
    if ticking_job(state) {
        want(second);
    }
    if let Some(view) = state.header_database() {
        match &view.link {
            LinkState::Lost { .. } | LinkState::Slow { .. } => want(second),
            LinkState::Connecting | LinkState::Up { .. } | LinkState::Refused { .. } => {
                if let Some(taken_at) = taken_at(state, view) {
                    let live = state.refresh.map_or(15, |refresh| (refresh.as_secs() * 2).max(15));
                    let seconds = seconds_since(state, taken_at);
                    want(Duration::from_secs(if seconds < live && !state.frozen && !view.unread {
                        live - seconds
                    } else {
                        until_next_step(seconds)
                    }));
                }
            }
        }
    }
    if let Some(at) = counted_at(state) {
        want(Duration::from_secs(until_next_step(seconds_since(state, at))));
    }
    next.map(|next| next.max(Duration::from_millis(10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_step_and_never_tick() {
        let steps: std::collections::BTreeSet<u64> = (0..600).map(step).collect();
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), [0, 15, 60, 300]);
        for seconds in 0..2_000 {
            assert!(step(seconds + until_next_step(seconds)) > step(seconds), "{seconds}");
            assert_eq!(step(seconds + until_next_step(seconds) - 1), step(seconds), "{seconds}");
        }
    }

    #[test]
    fn a_wavering_latency_stays() {
        let up = |latency_ms| LinkState::Up { latency_ms };
        let at = Duration::from_secs;
        assert_eq!(latency(None, None, at(7), &up(3)), (Some(3), None), "the first is shown at once");
        assert_eq!(latency(Some(12), Some(at(1)), at(60), &up(14)), (Some(12), None));
        assert_eq!(latency(Some(1), None, at(60), &up(3)), (Some(1), None));
        assert_eq!(latency(Some(12), None, at(60), &up(40)), (Some(12), Some(at(60))), "not for a moment");
        assert_eq!(latency(Some(12), Some(at(60)), at(69), &up(90)), (Some(12), Some(at(60))));
        assert_eq!(latency(Some(12), Some(at(60)), at(70), &up(40)), (Some(40), None));
        assert_eq!(latency(Some(12), None, at(60), &LinkState::Connecting), (None, None));
    }
}
