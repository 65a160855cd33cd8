//! The terminal face: the dashboard.
//!
//! Everything that happens is an [`app::event::Event`]; [`app::App::update`] turns it into new state and a list of
//! [`app::command::Command`]s; `screens`, `dialogs` and `widgets` turn the state into a frame. Only [`run`] and
//! [`terminal`] do I/O (the files of the state folder aside), so that every rule is tested without a terminal, a database or a clock.

pub mod app;
mod delivery;
pub mod dialogs;
mod face;
pub mod frame;
pub mod kept;
mod memory;
pub mod pointer;
pub mod run;
pub mod screens;
mod signals;
mod state_folder;
pub mod terminal;
pub mod theme;
pub mod widgets;
mod writer;
