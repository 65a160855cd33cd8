//! Exact sizes, where they are asked for: in steps, each on a session that has room for it.

use std::time::{Duration, Instant};

use super::FleetError;
use super::picture::Picture;
use super::session::Session;
use crate::model::filter::Selection;
use crate::postgres::detail::{self, BUDGET, Tables};
use crate::postgres::session::QueryError;
use crate::postgres::sizes::{ExactSize, Measuring};
use crate::text::{Untrusted, grouped};

/// Relations that a session opens before it is looked at whether it has to be replaced.
const STEP: u32 = 1_000;

/// Time between two words of progress.
const EVERY: Duration = Duration::from_secs(2);

/// Says how far something is that may take long.
pub type Tell<'t> = &'t (dyn Fn(&str) + Sync);

/// Says so now and then.
struct Teller<'t> {
    tell: Tell<'t>,
    last: Instant,
}

impl<'t> Teller<'t> {
    fn new(tell: Tell<'t>) -> Self {
        Self { tell, last: Instant::now() }
    }

    fn say(&mut self, words: impl FnOnce() -> String) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            (self.tell)(&words());
        }
    }
}

/// How far the tables of one tenant are measured.
#[derive(Clone, Copy)]
pub enum Reach<'t> {
    /// As far as a glance allows.
    Budget,
    /// All of them, with a word now and then.
    All(Tell<'t>),
}

/// Measures the schemas of some tenants exactly, to the end.
///
/// # Errors
/// When the link breaks.
pub async fn measure(
    session: &mut Session,
    picture: &mut Picture,
    whose: &Selection,
    tell: Tell<'_>,
) -> Result<(), FleetError> {
    let (part, now) = (picture.part(), jiff::Timestamp::now());
    let wanted = part.tenants.iter().filter(|tenant| whose.fits(tenant, now));
    let oids: Vec<u32> = wanted.filter_map(|tenant| tenant.schema_oid).collect();
    let mut teller = Teller::new(tell);
    for (done, slice) in oids.chunks(20).enumerate() {
        let mut measuring = Measuring::default();
        measuring.begin(session.reader().await?, slice).await?;
        while !measuring.is_over() {
            step(session, &mut measuring, None).await??;
            teller.say(|| {
                let (tables, of) = measuring.progress();
                let (done, all) = (grouped((done * 20) as u64), grouped(oids.len() as u64));
                let (tables, of) = (grouped(tables as u64), grouped(of as u64));
                format!("{done} of {all} tenants measured, {tables} of {of} tables of the next {}", slice.len())
            });
        }
        let by_schema = measuring.by_schema();
        let whole = |oid: &u32| {
            let size = by_schema.get(oid).copied().unwrap_or_default();
            let ExactSize { bytes, unmeasured } = size;
            (*oid, (unmeasured == 0).then_some(bytes))
        };
        picture.exact.extend(slice.iter().map(whole));
        picture.stale = true;
    }
    Ok(())
}

/// Measures the tables of one schema, in a new pass; what an earlier one measured stands until its turn. What the server
/// refuses is a problem in words.
///
/// # Errors
/// When the link breaks.
pub async fn tables(
    session: &mut Session,
    measuring: &mut Measuring,
    schema: u32,
    reach: Reach<'_>,
    problems: &mut Vec<Untrusted>,
) -> Result<Tables, FleetError> {
    let begun = measuring.begin(session.reader().await?, &[schema]).await;
    let came = match begun {
        Ok(()) => far(session, measuring, reach).await?,
        Err(error) => Err(error),
    };
    let reader = session.reader().await?;
    detail::part(reader, came, "sizes", problems)?;
    Ok(detail::tables_of(reader, measuring))
}

/// Goes on with a pass as far as a glance allows.
///
/// # Errors
/// When the link breaks, or the server refuses.
pub async fn more(session: &mut Session, measuring: &mut Measuring) -> Result<Tables, FleetError> {
    far(session, measuring, Reach::Budget).await??;
    Ok(detail::tables_of(session.reader().await?, measuring))
}

/// The outer error is of a new session's opening.
async fn far(
    session: &mut Session,
    measuring: &mut Measuring,
    reach: Reach<'_>,
) -> Result<Result<(), QueryError>, FleetError> {
    let (until, mut teller) = match reach {
        Reach::Budget => (Some(Instant::now() + BUDGET), None),
        Reach::All(tell) => (None, Some(Teller::new(tell))),
    };
    while !measuring.is_over() && until.is_none_or(|until| Instant::now() < until) {
        if let Err(error) = step(session, measuring, until).await? {
            return Ok(Err(error));
        }
        if let Some(teller) = &mut teller {
            let (done, of) = measuring.progress();
            teller.say(|| format!("{} of {} tables measured", grouped(done as u64), grouped(of as u64)));
        }
    }
    Ok(Ok(()))
}

/// As [`far`], of one step.
async fn step(
    session: &mut Session,
    measuring: &mut Measuring,
    until: Option<Instant>,
) -> Result<Result<(), QueryError>, FleetError> {
    let came = measuring.go_on(session.reader().await?, STEP, until).await;
    Ok(came.map(|opened| session.opened(usize::try_from(opened).unwrap_or(usize::MAX))))
}
