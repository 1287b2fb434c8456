//! A generation: one configuration and one set of plugins, and what the workers that serve it share.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::spawn;
use crate::config::Config;
use crate::control::{PluginSpec, WorkerSpec};
use crate::handoff::channel::Channel;
use crate::scoreboard::Scoreboard;

/// A listening socket, shared by the generations that listen there.
pub struct Listening {
    /// As configured: port 0 may stand for any.
    configured: SocketAddr,
    pub bound: SocketAddr,
    socket: OwnedFd,
}

pub struct Generation {
    pub number: u64,
    pub config: Config,
    pub plugins: Vec<PluginSpec>,
    pub listening: Vec<Arc<Listening>>,
    pub scoreboard: Scoreboard,
    scoreboard_file: OwnedFd,
    /// The least time that a call into a plugin may take.
    pub shortest_call: Duration,
}

/// Workers that are dying go on beside their successors for a while.
fn rows(config: &Config) -> usize {
    config.workers * 4 + 4
}

/// Opens what is not open yet, operators' addresses last; what `present` has is taken from there.
///
/// # Errors
/// In plain words: an address cannot be listened on.
pub fn listen(config: &Config, present: &[Arc<Listening>]) -> Result<Vec<Arc<Listening>>, String> {
    // Each is taken once: the same address may stand there twice, with port 0.
    let mut present: Vec<_> = present.to_vec();
    let open = |configured: &SocketAddr| {
        if let Some(found) = present.iter().position(|one| one.configured == *configured) {
            return Ok(present.remove(found));
        }
        let (bound, socket) = spawn::listen(*configured)?;
        Ok(Arc::new(Listening { configured: *configured, bound, socket }))
    };
    config.listen.iter().chain(&config.admin_listen).map(open).collect()
}

impl Generation {
    /// # Errors
    /// There is no memory for the scoreboard.
    pub fn new(
        number: u64,
        config: Config,
        plugins: Vec<PluginSpec>,
        listening: Vec<Arc<Listening>>,
    ) -> std::io::Result<Self> {
        let (scoreboard, scoreboard_file) = Scoreboard::create(rows(&config), config.threads)?;
        let shortest_call = config.shortest_request_timeout();
        Ok(Self { number, config, plugins, listening, scoreboard, scoreboard_file, shortest_call })
    }

    /// How many workers serve it.
    pub fn places(&self) -> usize {
        self.config.workers
    }

    /// How many workers there may be of it, those that are dying among them.
    pub fn rows(&self) -> usize {
        rows(&self.config)
    }

    /// Starts a worker that writes in that row of the scoreboard; it says when it is ready.
    ///
    /// # Errors
    /// As `spawn::start`.
    pub fn start_worker(
        &self,
        row: usize,
        dev: bool,
        channel: &Channel,
    ) -> std::io::Result<(spawn::Handle, std::process::Child)> {
        self.scoreboard.clear(row);
        let spec = WorkerSpec {
            slot: row,
            generation: self.number,
            dev,
            listen: self.listening.iter().map(|one| one.bound).collect(),
            config: self.config.clone(),
            plugins: self.plugins.clone(),
            sandbox: None,
        };
        let sockets: Vec<_> = self.listening.iter().map(|one| &one.socket).collect();
        spawn::start(&spec, &self.scoreboard_file, channel, &sockets)
    }

    /// The plugins that the worker of a row is in, or was in when it died.
    pub fn running_in(&self, row: usize) -> Vec<&str> {
        let cells = self.scoreboard.cells(row).filter_map(|cell| cell.running());
        let plugins = cells.filter_map(|running| self.plugins.get(running.plugin as usize));
        plugins.map(|plugin| plugin.name.as_str()).collect()
    }
}
