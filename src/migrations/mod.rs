//! Migration tools (dialects), migration folders, the plan, and its application.
//!
//! [`plan`] is pure and shared by the dialog's preview, the dry run, the command face and the worker. [`folder`] reads
//! files once and hashes them: the hashed bytes are what runs. [`ledgers`] asks a database where its schemas stand.
//! `apply` is the only part that writes to a database.

pub mod aim;
pub mod alone;
pub mod apply;
pub mod checks;
pub mod dialects;
pub mod folder;
pub mod ledgers;
pub mod lens;
pub mod lexer;
pub mod plan;
pub mod seed;
pub mod sequence;
pub mod split;
pub mod standing;
pub mod unlock;
pub mod verify;
