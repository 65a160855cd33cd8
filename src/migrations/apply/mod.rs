//! Step T2 of jobs.md: one migration in one tenant, in one transaction that holds the fence, the file, the ledger's
//! row, the step's row and the audit. Either all of it is there afterwards or nothing.
//!
//! Together with `jobs` the only place that writes to a fleet's database. It plans nothing and decides nothing about
//! the job: it says how one step ended.

pub mod alone;
mod body;
pub mod guard;
pub mod keys;
pub mod ledger;
pub mod opening;
pub mod probe;
pub mod rehearse;
pub mod rights;
pub mod run;
pub mod step;
mod surroundings;
mod verify;
pub mod wire;
