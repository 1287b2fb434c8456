//! The control socket of the supervisor: answers to `tenon ctl`, from what the supervisor knows and
//! what the scoreboards show.

use std::sync::Arc;

use crossbeam::channel::{Sender, bounded};

use super::fleet::{Phase, Worker};
use super::generation::Generation;
use super::{Event, Supervisor};
use crate::config::{Config, ControlSocket};
use crate::control::PluginSpec;
use crate::crash::store::Store;
use crate::ctl::protocol::{Answer, Begun, Command, PluginStatus, Status, WorkerStatus};
use crate::ctl::socket::{self, ControlServer};

/// Opens the control socket. That there is no place for one is no reason not to serve, unless the
/// configuration names it.
///
/// # Errors
/// In plain words: the place that the configuration names cannot be used.
pub(super) fn open(
    config: &Config,
    sender: &Sender<Event>,
    store: Arc<Store>,
) -> Result<Option<ControlServer>, String> {
    let sender = sender.clone();
    let ask = move |command| {
        // Files are read on the thread of who asks for them.
        match command {
            Command::Crashes => return to_json(&store.list()),
            Command::Crash { id } => return store.find(&id).and_then(|report| to_json(&report)),
            _ => {}
        }
        let (reply, answer) = bounded(1);
        // The receiver lives as long as the process.
        let _ = sender.send(Event::Asked(command, reply));
        answer.recv().unwrap_or_else(|_| Err("the server is stopping".to_owned()))
    };
    match socket::start(config, ask) {
        Err(error) if config.control == ControlSocket::Automatic => {
            tracing::warn!("{error}: tenon ctl will not reach this server");
            Ok(None)
        }
        result => result,
    }
}

impl Supervisor {
    /// Carries a command out. Waits for nothing: what takes time is begun.
    pub(super) fn answer(&mut self, command: &Command) -> Answer {
        match command {
            Command::Status => to_json(&self.status()),
            Command::Reload | Command::Rollback { .. } if self.upgrade.holds_reloads() => {
                Err("an upgrade is under way: try again when it is over".to_owned())
            }
            Command::Reload => {
                self.reload()?;
                let generation = self.current.as_ref().map(|current| current.number);
                to_json(&Begun { generation })
            }
            Command::Recycle => {
                self.recycle_all()?;
                let generation = self.current.as_ref().map(|current| current.number);
                to_json(&Begun { generation })
            }
            Command::Rollback { plugin } => {
                self.roll_back(plugin)?;
                let generation = self.current.as_ref().map(|current| current.number);
                to_json(&Begun { generation })
            }
            Command::Top | Command::Crashes | Command::Crash { .. } | Command::Upgrade => {
                Err("not answered here".to_owned())
            }
        }
    }

    /// Takes what a worker's threads have written of their crashes. May be called at any time, and
    /// again.
    pub(super) fn collect_crashes(&mut self, worker: &mut Worker) {
        let Worker { generation, handle, .. } = worker;
        let crashes = self.collector.collect(
            &handle.crashes,
            generation.number,
            &generation.plugins,
            &mut handle.collected,
        );
        for (plugin, fingerprint) in crashes {
            self.breakers.note(generation, plugin, fingerprint);
        }
    }

    fn roll_back(&mut self, plugin: &str) -> Result<(), String> {
        let catalog = self.catalog.as_mut();
        let catalog = catalog.ok_or("a change is being prepared; try again in a moment")?;
        catalog.roll_back(plugin)?;
        self.prepare(true);
        Ok(())
    }

    fn status(&self) -> Status {
        let current = self.current.as_ref();
        let listening = current.map(|current| &current.listening[..]).unwrap_or_default();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            listening: listening.iter().map(|one| one.bound.to_string()).collect(),
            generation: current.map(|current| current.number),
            is_changing: self.pending.is_some() || self.catalog.is_none(),
            workers: self.workers.values().map(worker_status).collect(),
            plugins: current.map(|current| self.plugins(current)).unwrap_or_default(),
        }
    }

    fn plugins(&self, current: &Arc<Generation>) -> Vec<PluginStatus> {
        let status = |plugin: &PluginSpec| {
            let refusal = self.refusals.iter().find(|refusal| refusal.plugin == plugin.name);
            let library = plugin.library.as_ref().ok();
            let application = plugin.application.as_ref().map(|application| &application.hash);
            let refusal = refusal.or(plugin.library.as_ref().err());
            PluginStatus {
                name: plugin.name.clone(),
                source: plugin.source.display().to_string(),
                version: library.map(|library| library.version.clone()),
                hash: application.or(library.map(|library| &library.hash)).cloned(),
                refusal: refusal.map(|refusal| refusal.reason.clone()),
            }
        };
        current.plugins.iter().map(status).collect()
    }
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| format!("cannot write the answer: {error}"))
}

fn worker_status(worker: &Worker) -> WorkerStatus {
    let scoreboard = &worker.generation.scoreboard;
    WorkerStatus {
        pid: worker.handle.pid,
        generation: worker.generation.number,
        phase: match worker.phase {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Draining(_) => "draining",
            Phase::Dying(_) => "dying",
        }
        .to_owned(),
        uptime_seconds: worker.handle.started.elapsed().as_secs(),
        connections: scoreboard.row(worker.row).connections(),
        running: scoreboard.cells(worker.row).filter(|cell| cell.running().is_some()).count(),
    }
}
