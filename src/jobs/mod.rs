//! What writes: the worker, its durable record (schema `tenantui`), one file per kind of job.
//!
//! The database decides; a process only proposes (jobs.md 3). Faces talk to a [`service::Service`]; commands call
//! [`orders::order`] and [`worker::run`] and follow the events.

pub mod init;
pub mod orders;
pub mod record;
pub mod service;
pub mod worker;
