//! tenantui: the terminal admin dashboard for PostgreSQL databases in which every tenant has a schema of its own.
//!
//! One library with two faces on one core. The *terminal face* ([`tui`]) is the dashboard; the *command face*
//! ([`cli`]) does every same thing without a terminal. Neither holds a rule of the domain: what both need stands below.
//!
//! Imports run downwards only, and a test holds that:
//!
//! ```text
//! cli, tui -> demo -> fleet, jobs -> migrations -> postgres, cache -> layout, config -> model, text
//! ```
//!
//! - [`model`]: plain types and pure rules, no I/O: identifiers, tenants, ledgers, jobs, links.
//! - [`text`]: untrusted text made safe for a terminal; human sizes, counts and ages.
//! - [`config`]: TOML, environment and flags become one validated configuration.
//! - [`layout`]: which framework made this database, and what follows from it.
//! - [`postgres`]: connecting, read-only sessions, the catalog, the registry of tenants.
//! - [`cache`]: Redis key counts per tenant.
//! - [`migrations`]: dialects of ledgers, migration folders, the plan (pure) and its application.
//! - [`jobs`]: what writes: the durable record, the worker, one file per kind of job.
//! - [`fleet`]: the collector, which keeps one current picture of all tenants, cheap things first.
//! - [`demo`]: private servers and the demo fleet.
//! - [`cli`] and [`tui`]: the two faces.
//! - [`sabotage`]: takes one safeguard out, in test builds only, to show that a test notices.

pub mod cache;
pub mod cli;
pub mod config;
pub mod demo;
pub mod fleet;
pub mod jobs;
pub mod layout;
pub mod migrations;
pub mod model;
pub mod postgres;
pub mod sabotage;
pub mod text;
pub mod tui;
