//! The dashboard as a state machine: no I/O, no await, no clock of its own.

pub mod action;
pub mod command;
pub mod event;
pub mod state;
