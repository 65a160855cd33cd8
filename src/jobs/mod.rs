//! What writes: the worker, its durable record (schema `tenantui`), one file per kind of job.
//!
//! The database decides; a process only proposes (jobs.md 3). Faces talk to a [`service::Service`]; commands call
//! [`orders::order`] and [`worker::run`] and follow the events.

mod attempt;
mod bound;
mod claim;
mod compare;
mod confirmed;
pub mod control;
mod decide;
mod desk;
mod draft;
mod drive;
pub mod durations;
mod early;
mod errands;
pub mod failures;
mod finish;
pub mod flush;
mod gate;
pub mod granted;
pub mod import;
pub mod init;
mod lane;
mod lease;
pub mod life;
mod maker;
mod migrate;
pub mod orders;
mod params;
mod password;
mod preflight;
pub mod provision;
pub mod record;
pub mod recorded;
pub mod registry;
mod rehearse;
mod report;
pub mod rescue;
mod seed;
pub mod service;
pub mod settings;
mod shared;
mod steps;
mod tenant;
mod toollock;
mod transacted;
mod unfit;
mod verdict;
mod wait;
pub mod watch;
mod watcher;
mod who;
pub mod worker;
