//! A tenant's life behind its making: rename, suspend, activate, archive, drop, undrop, purge, repair.
//!
//! [`plan`] reads what will be done and what stands in the way; [`draft`] makes a job of what was confirmed; [`run`] does
//! it, step by step. Every step is one fenced transaction with its row of the audit, or (what a purge removes) several,
//! each with its own; what is done stays done, and is not done again.

pub mod access;
pub mod again;
mod batch;
mod cache;
pub(super) mod draft;
pub mod facts;
mod hanging;
pub mod history;
pub mod left;
mod lock;
mod objects;
pub mod params;
pub mod plan;
pub mod pointing;
mod role;
mod row;
mod run;
mod schema;
pub mod trash;
mod turn;
mod tx;
mod writes;

pub(super) use objects::CAPACITY;
pub(super) use run::{Place, run};
