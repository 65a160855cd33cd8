//! One binary for all integration tests, one module per promise: servers are started once, and linked once.

mod cache;
mod cli;
mod cli_audit;
mod cli_fleet;
mod cli_grants;
mod cli_write;
mod config;
mod demo;
mod faults;
mod fleet;
mod frames;
mod imports;
mod jobs;
mod keys;
mod layouts;
mod ledgers;
mod link;
mod migrate;
mod migration_files;
mod names;
mod pooler;
mod provision;
mod registry;
mod support;
mod terminal;
mod tls;
