//! One file per command.

pub mod audit;
mod bench;
mod choose;
pub mod config;
pub mod demo;
pub mod doctor;
mod grants;
pub mod init;
pub mod job;
pub mod jobs;
mod layout_checks;
mod ledger_checks;
pub mod manual;
pub mod migrate;
pub mod migrations;
mod plan;
mod planned;
pub mod provision;
pub mod rollback;
mod running;
mod server_checks;
pub mod tenant;
pub mod tenants;
pub mod worker;
mod writing;
