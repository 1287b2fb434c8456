//! The libraries of a process: each is initialised once, whether it is served itself, runs
//! applications, or both, and ended once. All of it happens on the loader thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csgi::raw;

use super::Plugin;
use super::fence;
use super::gate::Gate;
use super::host::Face;
use super::language::Runner;
use super::load::{self, Loaded};
use super::pace::Pace;
use crate::connection::table::Token;
use crate::control::{Application, Passed, PluginSpec, Refusal};

/// Everything that is loaded in this process.
pub struct Libraries {
    processes: usize,
    threads: usize,
    /// Or why not.
    started: BTreeMap<PathBuf, Result<Started, String>>,
    /// Loaded applications, to be ended before their libraries.
    applications: Vec<(Runner, &'static Face)>,
}

/// An initialised library.
#[derive(Clone)]
struct Started {
    loaded: Loaded,
    face: &'static Face,
    gate: Arc<Gate<Token>>,
    runner: Option<Runner>,
}

impl Libraries {
    /// `processes` serve the same plugins; `threads` of this one may be in plugins at a time.
    pub fn new(processes: usize, threads: usize) -> Self {
        Self { processes, threads, started: BTreeMap::new(), applications: Vec::new() }
    }

    /// Loads a plugin.
    ///
    /// # Errors
    /// One plain line: the file, why it is not served and what to do. Further lines may follow.
    pub fn load(&mut self, number: usize, spec: &PluginSpec) -> Result<(Plugin, Passed), Refusal> {
        let library = spec.library.as_ref().map_err(Clone::clone)?;
        self.try_load(number, spec, &library.copy).map_err(|reason| Refusal {
            plugin: spec.name.clone(),
            reason: format!("{}: {reason}", spec.source.display()),
        })
    }

    fn try_load(
        &mut self,
        number: usize,
        spec: &PluginSpec,
        copy: &Path,
    ) -> Result<(Plugin, Passed), String> {
        let (name, config) = match &spec.application {
            None => (&spec.name, &spec.config),
            Some(application) => (&application.language, &application.language_config),
        };
        let started = self.start(copy, name, config)?;
        let mut plugin = Plugin {
            number: number as u32,
            name: spec.name.clone(),
            file: None,
            flags: started.loaded.manifest.flags,
            loaded: started.loaded,
            face: started.face,
            gate: started.gate.clone(),
            pace: Pace::new(started.loaded.manifest.flags & raw::SHARED_LOCK != 0),
            call_ticks: u32::MAX,
        };
        let language = started.runner.as_ref().map(|runner| runner.language.clone());
        let mut findings = Passed { language, group: String::new() };
        if let Some(application) = &spec.application {
            (plugin.face, findings.group) = self.load_application(&started, spec, application)?;
            plugin.file = Some(spec.source.to_string_lossy().into_owned());
        }
        Ok((plugin, findings))
    }

    /// Loads and initialises a library, the first time.
    fn start(&mut self, copy: &Path, name: &str, config: &str) -> Result<Started, String> {
        if let Some(started) = self.started.get(copy) {
            return started.clone();
        }
        let initialise = || {
            let loaded = load::load(copy).map_err(|error| error.to_string())?;
            let face = Face::new(name, config, self.process(&loaded));
            if let Some(init) = loaded.init {
                fence::init(init, face)?;
            }
            let runner = Runner::of(loaded.extension)?;
            Ok(Started { loaded, face, gate: Arc::new(Gate::new(1)), runner })
        };
        let started = initialise();
        self.started.insert(copy.to_owned(), started.clone());
        started
    }

    fn process(&self, loaded: &Loaded) -> raw::Process1 {
        let is_threadsafe = loaded.manifest.flags & raw::THREADSAFE != 0;
        let threads = if is_threadsafe { self.threads } else { 1 };
        raw::Process1 { processes: self.processes as u32, threads: threads as u32 }
    }

    fn load_application(
        &mut self,
        started: &Started,
        spec: &PluginSpec,
        application: &Application,
    ) -> Result<(&'static Face, String), String> {
        let language = &application.language;
        let runner = started
            .runner
            .clone()
            .ok_or_else(|| format!("plugin {language} does not run its language any more"))?;
        let face = Face::new(&spec.name, &spec.config, self.process(&started.loaded));
        let file = spec.source.to_string_lossy();
        let group = runner.load(face, &file, &application.copy)?;
        self.applications.push((runner, face));
        Ok((face, group))
    }

    /// Lets applications and libraries clean up; nothing may call them afterwards.
    pub fn exit(&self) {
        for (runner, face) in &self.applications {
            runner.unload(face);
        }
        for started in self.started.values().flatten() {
            if let Some(exit) = started.loaded.exit {
                fence::exit(exit);
            }
        }
    }
}
