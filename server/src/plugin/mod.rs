//! Plugins: loading one, what it promised, and calling it.
//!
//! `load` brings the library in, `host` is what a plugin sees of us, `call` is one request inside a
//! plugin, `gate` keeps the thread promises. A plugin stays loaded until the process ends.

pub mod call;
pub mod gate;
pub mod host;
pub mod input;
pub mod load;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use csgi::raw;

use crate::connection::table::Token;
use crate::control::{PluginSpec, Refusal};
use crate::plugin::gate::Gate;
use crate::plugin::host::Face;
use crate::plugin::load::Loaded;

/// One loaded plugin.
pub struct Plugin {
    /// Its place in the generation, and its number in the scoreboard.
    pub number: u32,
    pub name: String,
    flags: u32,
    loaded: Loaded,
    face: &'static Face,
    /// One place, for a plugin that is not thread-safe.
    pub gate: Gate<Token>,
    pub pace: Pace,
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
    /// Loads the library and lets it initialise itself. On the loader thread.
    ///
    /// # Errors
    /// One plain line: the file, why it is not served and what to do.
    pub fn load(number: usize, spec: &PluginSpec) -> Result<Self, Refusal> {
        let refuse = |reason: String| Refusal {
            plugin: spec.name.clone(),
            reason: format!("{}: {reason}", spec.source.display()),
        };
        let library = spec.library.as_ref().map_err(Clone::clone)?;
        let loaded = load::load(&library.copy).map_err(|error| refuse(error.to_string()))?;
        let face = Face::new(&spec.name, &spec.config);
        if let Some(init) = loaded.init
            && let Err(reason) = call::init(init, face)
        {
            return Err(refuse(reason));
        }
        Ok(Self {
            number: number as u32,
            name: spec.name.clone(),
            flags: loaded.manifest.flags,
            loaded,
            face,
            gate: Gate::new(1),
            pace: Pace::default(),
        })
    }

    /// Lets the plugin clean up; nothing may call it afterwards. On the loader thread.
    pub fn exit(&self) {
        if let Some(exit) = self.loaded.exit {
            call::exit(exit);
        }
    }

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
