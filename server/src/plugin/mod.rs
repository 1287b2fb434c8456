//! Plugins: loading one, what it promised, and calling it.
//!
//! `load` brings the library in, `constants` are what it never changes, `library` initialises and ends it,
//! `language` lets it run applications, `host` is what a plugin sees of us, `call` is one request
//! inside a plugin and `current` what it calls back, `fence` is around every call, `gate` keeps the
//! thread promises, `pace` knows how long calls take. A plugin stays loaded until the process ends.

pub mod call;
mod constants;
mod current;
pub mod facts;
pub mod fence;
pub mod gate;
mod given_head;
pub mod host;
pub mod input;
mod language;
mod library;
pub mod load;
pub mod pace;
mod unwind;

use std::sync::Arc;

use csgi::raw;

use crate::connection::table::Token;
use crate::plugin::constants::Constants;
use crate::plugin::gate::Gate;
use crate::plugin::host::Face;
use crate::plugin::load::Loaded;
use crate::plugin::pace::Pace;
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
    /// One place, for a library whose calls take turns.
    pub gate: Arc<Gate<Token>>,
    pub pace: Pace,
    /// How long one call may take, in ticks of the worker's clock, if no route rule says otherwise.
    pub call_ticks: u32,
}

impl Plugin {
    /// What is for ever as it is.
    pub fn constants(&self) -> Constants {
        self.loaded.constants
    }

    /// Calls of different requests may overlap.
    pub fn is_threadsafe(&self) -> bool {
        self.flags & raw::THREADSAFE != 0
    }

    /// What its calls compute, they compute under one lock.
    pub fn shares_lock(&self) -> bool {
        self.flags & raw::SHARED_LOCK != 0
    }

    /// A request that begins now has to be alone in the library: it is not thread-safe, or a second
    /// call would do nothing but wait for the lock.
    pub fn takes_turns(&self) -> bool {
        !self.is_threadsafe() || self.pace.computes()
    }

    /// Calls may begin at any time and on any thread, and end soon.
    pub fn is_free(&self) -> bool {
        self.is_threadsafe() && !self.may_block() && !self.shares_lock()
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
