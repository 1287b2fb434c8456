//! What is kept of a crash: written by the dying thread, read by others.
//!
//! `running` is the request that a thread is inside of, `lines` the last lines of log, `capture`
//! writes both and the state of the thread into the worker's crash area (`area`), whose layout is
//! `record`. `handler` is the signal path that calls them and saves what can be saved. Nothing that a
//! signal handler calls takes a lock, allocates, or trusts a pointer.

pub mod area;
pub mod autopsy;
pub mod capture;
pub mod collect;
pub mod handler;
pub mod lines;
mod modules;
pub mod record;
pub mod replay;
pub mod report;
mod request;
pub mod running;
mod signals;
pub mod store;
mod symbols;
mod unwind;
