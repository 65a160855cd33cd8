//! One binary for all integration tests, one module per promise: servers are started once, and linked once.

mod config;
mod imports;
mod ledgers;
mod link;
mod migration_files;
mod names;
mod support;
