//! Connecting, sessions, the catalog, the registry of tenants.
//!
//! Two kinds of session, and the wall between them is code: a [`session::Reader`] has no way to send anything but
//! reads, and [`session::connect_writer`] may be called from `jobs`, `migrations::apply` and `demo` only; a test
//! holds that.

pub mod bind;
mod cancel;
pub mod catalog;
mod choose;
mod clientcert;
mod connect;
pub mod detail;
mod errors;
mod facts;
pub mod hidden;
pub mod ledgers;
pub mod link;
pub mod locks;
pub mod membership;
pub mod of_all;
pub mod others_code;
mod passfile;
mod password;
mod pooling;
mod query;
pub mod questions;
pub mod registry;
pub mod rights;
pub mod server;
pub mod session;
mod settings;
pub mod sizes;
pub mod structure;
pub mod survey;
mod target;
pub mod timelines;
mod tls;
pub mod vitals;
mod wire;
mod words;
mod x509v1;
