//! A generation: one configuration and one set of plugins, and what the workers that serve it share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::spawn;
use crate::config::Config;
use crate::control::{Application, PluginSpec, WorkerSpec};
use crate::handoff::channel::{self, Channel};
use crate::respond::MAIN;
use crate::sandbox::Profile;
use crate::scoreboard::Scoreboard;

/// A listening socket, shared by the generations that listen there.
pub struct Listening {
    /// As configured: port 0 may stand for any.
    pub configured: SocketAddr,
    pub bound: SocketAddr,
    pub socket: OwnedFd,
}

pub struct Generation {
    pub number: u64,
    pub config: Config,
    pub plugins: Vec<PluginSpec>,
    pub listening: Vec<Arc<Listening>>,
    /// The first is the main one.
    pools: Vec<Pool>,
    /// For each plugin, in their order, the pool that serves it.
    pool_of: Vec<usize>,
    pub scoreboard: Scoreboard,
    scoreboard_file: OwnedFd,
    /// The least time that a call into a plugin may take.
    pub shortest_call: Duration,
}

/// Workers that serve the same plugins.
struct Pool {
    workers: usize,
    /// Where connections wait for them.
    channel: Arc<Channel>,
    confinement: Option<Confinement>,
}

/// What the workers of an isolated plugin may do.
struct Confinement {
    profile: Profile,
    /// For their temporary files; removed with the generation.
    scratch: tempfile::TempDir,
}

impl Confinement {
    fn of(plugin: &PluginSpec) -> std::io::Result<Option<Self>> {
        let Some(isolation) = &plugin.isolation else { return Ok(None) };
        let scratch = tempfile::Builder::new().prefix("tenon-isolated-").tempdir()?;
        let profile = Profile::isolated(plugin, isolation, Some(scratch.path()));
        let profile = profile.map_err(std::io::Error::other)?;
        if let Some(identity) = &profile.identity {
            std::os::unix::fs::chown(scratch.path(), Some(identity.user), Some(identity.group))?;
        }
        Ok(Some(Self { profile, scratch }))
    }
}

/// The channels of all pools, by name; one goes on from generation to generation, so that
/// connections that wait in it do.
#[derive(Clone, Default)]
pub struct Channels(BTreeMap<String, Arc<Channel>>);

impl Channels {
    fn of(&mut self, pool: &str) -> std::io::Result<Arc<Channel>> {
        if let Some(channel) = self.0.get(pool) {
            return Ok(channel.clone());
        }
        let channel = Arc::new(Channel::new()?);
        self.0.insert(pool.to_owned(), channel.clone());
        Ok(channel)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Channel)> {
        self.0.iter().map(|(pool, channel)| (pool.as_str(), &**channel))
    }

    /// Connections that wait for a pool which none of `present` has go to the main one, which knows
    /// where each belongs.
    pub fn empty_unused(&self, present: &[&Generation]) {
        let Some(main) = self.0.get("") else { return };
        for channel in self.0.values() {
            let mut pools = present.iter().flat_map(|generation| &generation.pools);
            if !pools.any(|pool| Arc::ptr_eq(&pool.channel, channel)) {
                channel::forward(channel, main);
            }
        }
    }

    /// Takes over a channel that another process has made.
    pub fn insert(&mut self, pool: String, channel: Channel) {
        self.0.insert(pool, Arc::new(channel));
    }
}

/// Sorts the plugins into pools: the pools, and for each plugin, in their order, which one is its.
fn form_pools(
    config: &Config,
    plugins: &[PluginSpec],
    channels: &mut Channels,
) -> std::io::Result<(Vec<Pool>, Vec<usize>)> {
    let workers = config.workers;
    let mut pools = vec![Pool { workers, channel: channels.of("")?, confinement: None }];
    let mut pool_of = Vec::new();
    // What the applications of each language in the main pool have in common: the first one's.
    let mut main_groups = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for plugin in plugins {
        if let Some(workers) = config.own_workers(&plugin.name) {
            pool_of.push(pools.len());
            let channel = channels.of(&plugin.name)?;
            pools.push(Pool { workers, channel, confinement: Confinement::of(plugin)? });
            continue;
        }
        // One that is refused loads nowhere.
        let application = plugin.application.as_ref().filter(|_| plugin.library.is_ok());
        let Some(Application { language, group, .. }) = application else {
            pool_of.push(MAIN);
            continue;
        };
        if *main_groups.entry(language).or_insert(group) == group {
            pool_of.push(MAIN);
            continue;
        }
        let pool = match groups.get(&(language, group)) {
            Some(pool) => *pool,
            None => {
                // No plugin has such a name.
                let channel = channels.of(&format!("{language}: {group}"))?;
                pools.push(Pool { workers, channel, confinement: None });
                pools.len() - 1
            }
        };
        groups.insert((language, group), pool);
        pool_of.push(pool);
    }
    Ok((pools, pool_of))
}

/// Workers that are dying go on beside their successors for a while.
fn rows(places: usize) -> usize {
    places * 4 + 4
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
        channels: &mut Channels,
    ) -> std::io::Result<Self> {
        let (pools, pool_of) = form_pools(&config, &plugins, channels)?;
        let places = pools.iter().map(|pool| pool.workers).sum();
        let (scoreboard, scoreboard_file) =
            Scoreboard::create(rows(places), config.threads, plugins.len())?;
        let shortest_call = config.shortest_request_timeout();
        Ok(Self {
            number,
            config,
            plugins,
            listening,
            pools,
            pool_of,
            scoreboard,
            scoreboard_file,
            shortest_call,
        })
    }

    /// How many workers serve it.
    pub fn places(&self) -> usize {
        self.pools.iter().map(|pool| pool.workers).sum()
    }

    /// The pool of a place: the main one's come first.
    fn pool_at(&self, place: usize) -> usize {
        let mut end = 0;
        let ends = self.pools.iter().map(|pool| {
            end += pool.workers;
            end
        });
        ends.take_while(|end| *end <= place).count()
    }

    /// How many workers there may be of it, those that are dying among them.
    pub fn rows(&self) -> usize {
        rows(self.places())
    }

    /// Starts a worker that writes in that row of the scoreboard; it says when it is ready.
    ///
    /// # Errors
    /// As `spawn::start`.
    pub fn start_worker(
        &self,
        place: usize,
        row: usize,
        dev: bool,
    ) -> std::io::Result<(spawn::Handle, std::process::Child)> {
        self.scoreboard.clear(row);
        let pool = self.pool_at(place);
        // Only the main pool accepts: connections come to the others when a request is for them.
        let listening = if pool == MAIN { &self.listening[..] } else { &[] };
        let confinement = self.pools[pool].confinement.as_ref();
        let spec = WorkerSpec {
            slot: row,
            pool,
            pools: self.pool_of.clone(),
            workers: self.pools[pool].workers,
            generation: self.number,
            dev,
            listen: listening.iter().map(|one| one.bound).collect(),
            config: self.config.clone(),
            plugins: self.plugins.clone(),
            sandbox: confinement.map(|one| one.profile.clone()),
        };
        let sockets: Vec<_> = listening.iter().map(|one| &one.socket).collect();
        let senders: Vec<_> = self.pools.iter().map(|pool| &pool.channel.sender).collect();
        let receiver = &self.pools[pool].channel.receiver;
        let scratch = confinement.map(|one| one.scratch.path());
        spawn::start(&spec, &self.scoreboard_file, receiver, &senders, &sockets, scratch)
    }

    /// The plugins that the worker of a row is in, or was in when it died.
    pub fn running_in(&self, row: usize) -> Vec<&str> {
        let cells = self.scoreboard.cells(row).filter_map(|cell| cell.running());
        let plugins = cells.filter_map(|running| self.plugins.get(running.plugin as usize));
        plugins.map(|plugin| plugin.name.as_str()).collect()
    }
}
