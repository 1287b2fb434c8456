//! Plugins: loading one, what it promised, and calling it.
//!
//! `load` brings the library in, `library` initialises and ends it, `language` lets it run
//! applications, `host` is what a plugin sees of us, `call` is one request inside a plugin, `fence`
//! is around every call, `gate` keeps the thread promises. A plugin stays loaded until the process
//! ends.

pub mod call;
pub mod facts;
pub mod fence;
pub mod gate;
mod given_head;
pub mod host;
pub mod input;
mod language;
mod library;
pub mod load;
mod unwind;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use csgi::raw;

use crate::connection::table::Token;
use crate::plugin::gate::Gate;
use crate::plugin::host::Face;
use crate::plugin::load::Loaded;
pub use library::Libraries;

/// One loaded plugin: a library, or an application that a language plugin runs.
pub struct Plugin {
    /// Its place in the generation, and its number in the scoreboard.
    pub number: u32,
    pub name: String,
    /// An application's file.
    pub file: Option<String>,
    flags: u32,
    loaded: Loaded,
    face: &'static Face,
    /// One place, for a library that is not thread-safe.
    pub gate: Arc<Gate<Token>>,
    pub pace: Pace,
    /// How long one call may take, in ticks of the worker's clock, if no route rule says otherwise.
    pub call_ticks: u32,
}

/// Whether calls of this plugin are known to take long; see `worker/lead.rs`.
#[derive(Default)]
pub struct Pace(AtomicU32);

impl Pace {
    /// A call that takes longer than handing the lead to another thread and back.
    const SLOW: Duration = Duration::from_micros(100);
    /// So many quick calls in a row must be seen before a plugin counts as quick again.
    const MEMORY: u32 = 64;

    pub fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    pub fn saw_slow_call(&self) {
        self.0.store(Self::MEMORY, Ordering::Relaxed);
    }

    pub fn saw_call(&self, time: Duration) {
        if time >= Self::SLOW {
            return self.saw_slow_call();
        }
        let left = self.0.load(Ordering::Relaxed).saturating_sub(1);
        self.0.store(left, Ordering::Relaxed);
    }
}

impl Plugin {
    /// Calls of different requests may overlap.
    pub fn is_threadsafe(&self) -> bool {
        self.flags & raw::THREADSAFE != 0
    }

    /// A call may block.
    pub fn may_block(&self) -> bool {
        self.flags & raw::NONBLOCKING == 0
    }

    /// The request body is read by the plugin as it arrives.
    pub fn streams_input(&self) -> bool {
        self.flags & raw::STREAM_INPUT != 0
    }
}
