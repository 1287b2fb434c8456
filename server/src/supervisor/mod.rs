//! The supervisor: the first process. Owns the listeners, starts and replaces workers, prepares new
//! generations and switches to them. Never reads a request, never runs plugin code.
//!
//! `fleet` is the workers. One thread takes events from a channel; everything that waits (signals, workers, compilers,
//! trials) does so on a thread of its own and sends an event.

mod absent;
mod announce;
mod answer;
mod applications;
mod breakers;
mod catalog;
mod descriptors;
mod fleet;
mod generation;
mod hang;
mod history;
mod inherit;
mod inquiry;
mod policy;
mod program;
mod recycle;
mod service_manager;
mod spawn;
mod upgrade;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use nix::sys::signal::{SigSet, Signal};

use crate::build::{self, Outcome};
use crate::config::Config;
use crate::control::{Refusal, ToSupervisor};
use crate::crash::collect::Collector;
use crate::ctl;
use crate::ctl::socket::ControlServer;
use breakers::Breakers;
use catalog::{Catalog, Scan};
use fleet::Worker;
use generation::{Channels, Generation};
use inherit::Predecessor;
use inquiry::Inquiries;
use policy::Backoff;
use program::Program;
use upgrade::{Successor, Upgrade};
use watch::{Scope, Watch};

/// What new crates are built in so much time is served before the next one is begun.
const BUILD_ROUND: Duration = Duration::from_secs(10);

/// How to run.
pub struct Options {
    pub config: Config,
    /// Compile sources, and show reasons to clients.
    pub dev: bool,
    /// Reads the configuration again; the error is in plain words.
    pub reread: Box<dyn Fn() -> Result<Config, String> + Send>,
}

enum Event {
    Signal(Signal),
    /// Files in the plugins folder have changed.
    Changed,
    Prepared(Box<Prepared>),
    /// `tenon ctl` asks; the answer goes there.
    Asked(ctl::protocol::Command, Sender<ctl::protocol::Answer>),
    Said(u64, ToSupervisor),
    Ended(u64, std::io::Result<ExitStatus>),
    /// An upgrade has come to its end.
    Upgraded(Result<Successor, String>),
    /// The process that served before this one has let go.
    Relieved,
}

/// A new set of plugins, looked through.
struct Prepared {
    catalog: Catalog,
    config: Config,
    scan: Scan,
    /// Begin a generation even if nothing has changed.
    is_forced: bool,
    /// Not everything is built yet.
    is_partial: bool,
}

struct Supervisor {
    options: Options,
    sender: Sender<Event>,
    /// By a number that is never used again.
    workers: BTreeMap<u64, Worker>,
    next_worker: u64,
    current: Option<Arc<Generation>>,
    /// Starts up; becomes the current one when all its workers are ready.
    pending: Option<Arc<Generation>>,
    next_generation: u64,
    /// Of the current generation's places.
    backoffs: Vec<Backoff>,
    /// Places to be filled again, and when.
    restarts: Vec<(Instant, usize)>,
    /// Away while a set of plugins is being prepared.
    catalog: Option<Catalog>,
    /// Prepare again after that; forced or not.
    prepare_again: Option<bool>,
    /// The last round of building was not the whole.
    goes_on_building: bool,
    /// Where connections wait for the workers that go on with them.
    channels: Channels,
    breakers: Breakers,
    is_stopping: bool,
    collector: Collector,
    control: Option<ControlServer>,
    /// Who serves until this process does.
    predecessor: Option<Predecessor>,
    upgrade: Upgrade,
    inquiries: Inquiries,
    /// What an upgrade starts.
    program: Result<Program, String>,
    started: Instant,
    /// Of the newest set of plugins: what is not served, or not in its newest form.
    refusals: Vec<Refusal>,
}

/// Serves until a signal ends it.
pub fn run(options: Options) -> ExitCode {
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("tenon: {reason}");
            ExitCode::from(111)
        }
    }
}

fn serve(options: Options) -> Result<(), String> {
    let program = Program::of_this_process();
    descriptors::keep_from_children();
    let inherit::Inheritance { listening, channels, predecessor } = inherit::take()?;
    descriptors::raise_limit();
    // Before any thread is there, so that all of them have it; children begin with none blocked.
    signals().thread_block().map_err(|error| format!("cannot block signals: {error}"))?;
    let (sender, inbox) = unbounded();
    wait_for_signals(sender.clone()).map_err(|error| format!("cannot start a thread: {error}"))?;
    // Before anything is built, so that a port that is taken is said at once.
    let listening = generation::listen(&options.config, &listening)?;
    let _watch = start_watch(&options, &sender);
    let collector = Collector::start(&options.config)
        .map_err(|error| format!("cannot keep records of crashes: {error}"))?;
    let control = match predecessor {
        // It has the name of the socket still.
        Some(_) => None,
        None => answer::open(&options.config, &sender, collector.store.clone())?,
    };
    let mut supervisor = Supervisor {
        backoffs: Vec::new(),
        restarts: Vec::new(),
        sender,
        workers: BTreeMap::new(),
        next_worker: 0,
        current: None,
        pending: None,
        next_generation: 1,
        catalog: Some(Catalog::open(&options.config)),
        prepare_again: None,
        goes_on_building: false,
        is_stopping: false,
        collector,
        control,
        predecessor,
        upgrade: Upgrade::default(),
        inquiries: Inquiries::default(),
        program,
        channels,
        breakers: Breakers::default(),
        started: Instant::now(),
        refusals: Vec::new(),
        options,
    };
    supervisor.prepare(true);
    supervisor.run(&inbox, listening)
}

fn signals() -> SigSet {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2].into_iter().collect()
}

fn wait_for_signals(sender: Sender<Event>) -> std::io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = signals().wait() {
            // The receiver lives as long as the process.
            let _ = sender.send(Event::Signal(signal));
        }
    })?;
    Ok(())
}

fn start_watch(options: &Options, sender: &Sender<Event>) -> Option<Watch> {
    if !options.config.watch {
        return None;
    }
    let scope = if options.dev { Scope::Sources } else { Scope::Libraries };
    let sender = sender.clone();
    let changed = move || drop(sender.send(Event::Changed));
    Watch::start(&options.config.plugins, scope, changed)
        .inspect_err(|error| {
            let folder = options.config.plugins.display();
            tracing::warn!("cannot watch {folder}: {error}; send SIGHUP after a change");
        })
        .ok()
}

impl Supervisor {
    fn run(
        &mut self,
        inbox: &Receiver<Event>,
        mut listening: Vec<Arc<generation::Listening>>,
    ) -> Result<(), String> {
        loop {
            let event = match inbox.recv_deadline(self.next_deadline()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            match event {
                // It has said why in the log.
                Some(Event::Signal(Signal::SIGUSR1)) => {
                    self.workers.values().for_each(|worker| worker.handle.reopen());
                }
                Some(Event::Signal(Signal::SIGUSR2)) => self.upgrade(None),
                Some(Event::Signal(Signal::SIGHUP)) => drop(self.reload()),
                Some(Event::Signal(signal)) => self.stop(signal),
                Some(Event::Changed) => self.prepare(false),
                // Answered when it is over.
                Some(Event::Asked(ctl::protocol::Command::Upgrade, reply)) => {
                    self.upgrade(Some(reply));
                }
                Some(Event::Asked(ctl::protocol::Command::Top, reply)) => self.inquire(reply),
                Some(Event::Asked(command, reply)) => {
                    // Who asked may have gone.
                    let _ = reply.send(self.answer(&command));
                }
                Some(Event::Prepared(prepared)) => self.on_prepared(*prepared, &mut listening)?,
                Some(Event::Said(worker, ToSupervisor::Ready { refusals })) => {
                    self.on_ready(worker, &refusals);
                }
                Some(Event::Said(worker, ToSupervisor::Waiting { inquiry, requests })) => {
                    self.on_waiting(worker, inquiry, &requests);
                }
                Some(Event::Said(worker, ToSupervisor::Dying)) => self.on_dying(worker),
                Some(Event::Ended(worker, status)) => self.on_ended(worker, &status)?,
                Some(Event::Upgraded(outcome)) => self.on_upgraded(outcome),
                Some(Event::Relieved) => self.on_relieved(),
                None => {}
            }
            self.on_time()?;
            self.upgrade_if_wanted();
            let is_idle = self.workers.is_empty() && !self.upgrade.holds_reloads();
            if self.is_stopping && is_idle {
                return Ok(());
            }
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let config = (self.options.reread)().inspect_err(|error| {
            tracing::error!("{error}: the old configuration stays in force");
        })?;
        self.options.config = config;
        self.prepare(true);
        Ok(())
    }

    /// Builds and looks through the plugins, on a thread of its own.
    fn prepare(&mut self, is_forced: bool) {
        if self.is_stopping {
            return;
        }
        let catalog = self.catalog.take_if(|_| !self.upgrade.holds_reloads());
        let Some(mut catalog) = catalog else {
            self.prepare_again = Some(is_forced || self.prepare_again == Some(true));
            return;
        };
        let (config, dev) = (self.options.config.clone(), self.options.dev);
        // First what takes no time, so that it is served at once: cargo is slow even to say that
        // nothing has changed.
        let goes_on = std::mem::take(&mut self.goes_on_building);
        let patience = if goes_on { BUILD_ROUND } else { Duration::ZERO };
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let built =
                if dev { build::in_place(&config.plugins, patience) } else { Outcome::default() };
            let scan = catalog.scan(&config, &built.failed);
            let is_partial = built.is_partial;
            let prepared = Prepared { catalog, config, scan, is_forced, is_partial };
            // The receiver lives as long as the process.
            let _ = sender.send(Event::Prepared(Box::new(prepared)));
        });
    }

    fn on_prepared(
        &mut self,
        prepared: Prepared,
        listening: &mut Vec<Arc<generation::Listening>>,
    ) -> Result<(), String> {
        let Prepared { catalog, config, mut scan, is_forced, is_partial } = prepared;
        self.catalog = Some(catalog);
        if is_partial {
            self.goes_on_building = true;
            self.prepare_again.get_or_insert(false);
        }
        for refusal in &scan.refusals {
            tracing::error!("plugin {} is not served: {}", refusal.plugin, refusal.reason);
        }
        self.refusals = std::mem::take(&mut scan.refusals);
        let newest = self.pending.as_ref().or(self.current.as_ref());
        let is_new = newest.is_none_or(|newest| newest.plugins != scan.plugins);
        let is_held = scan.is_held && self.current.is_some();
        if is_held && is_forced {
            tracing::error!("what serves now stays, until the folder above is mended");
        }
        if !self.is_stopping && !is_held && (is_new || is_forced) {
            match generation::listen(&config, listening) {
                Ok(opened) => *listening = opened,
                Err(error) => tracing::error!("{error}: the old addresses stay in use"),
            }
            let (number, listening) = (self.next_generation, listening.clone());
            let plugins = scan.plugins;
            let generation =
                Generation::new(number, config, plugins, listening, &mut self.channels)
                    .map_err(|error| format!("cannot begin a generation: {error}"))?;
            self.begin(generation)?;
        }
        if let Some(is_forced) = self.prepare_again.take() {
            self.prepare(is_forced);
        }
        Ok(())
    }

    fn remove_unused_copies(&mut self) {
        if self.upgrade.has_begun() {
            // The new program may use some of them.
            return;
        }
        let living = self.workers.values().map(|worker| &worker.generation);
        let generations = living.chain(&self.current).chain(&self.pending);
        let copies = generations.flat_map(|generation| &generation.plugins);
        let in_use: HashSet<_> = copies
            .flat_map(|plugin| {
                let library = plugin.library.as_ref().ok().map(|library| &library.copy);
                let application = plugin.application.as_ref().map(|one| &one.copy);
                [library, application].into_iter().flatten().cloned()
            })
            .collect();
        if let Some(catalog) = &mut self.catalog {
            catalog.remove_unused(&in_use);
        }
    }

    /// The first signal lets what runs finish; the second does not.
    fn stop(&mut self, signal: Signal) {
        if self.is_stopping {
            tracing::warn!("{signal} again: stopping without waiting");
            self.workers.values().for_each(|worker| worker.handle.kill());
            return;
        }
        tracing::info!("{signal}: finishing what runs");
        self.is_stopping = true;
        self.abandon_upgrade();
        self.restarts.clear();
        self.drain_all_but(&[], None);
    }
}
