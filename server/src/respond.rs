//! **The map:** one request in, who answers it out. Every request passes here exactly once.

use std::collections::HashMap;

use crate::control::{Refusal, WorkerSpec};
use crate::http::head::Head;
use crate::http::response::Answer;
use crate::plugin::{Libraries, Plugin};
use crate::router::{self, Router};
use crate::static_files::StaticFiles;
use crate::worker::monitor::Clock;
use crate::{config, error_page};

/// The pool that accepts connections and serves files, and every plugin that has no other.
pub const MAIN: usize = 0;

/// Everything a worker serves; never changes.
pub struct Site {
    router: Router,
    plugins: Vec<Served>,
    libraries: Libraries,
    by_name: HashMap<String, usize>,
    /// The main pool's.
    files: Option<StaticFiles>,
    /// Show reasons to clients.
    dev: bool,
}

enum Served {
    Plugin(&'static Plugin),
    /// By the workers of another pool.
    Elsewhere(usize),
    Refused(Refusal),
}

/// Who answers a request.
pub enum Target {
    Plugin(&'static Plugin, router::Route<'static>),
    /// The server itself says no.
    Page {
        status: u16,
        detail: Option<&'static str>,
    },
    Files,
    /// The workers of that pool.
    Elsewhere(usize),
}

impl Site {
    /// Loads the plugins. On the loader thread.
    ///
    /// # Errors
    /// The folder of static files cannot be opened, or a route rule is wrong. A plugin that is not
    /// served is no error: it is in the list.
    pub fn load(spec: &WorkerSpec) -> std::io::Result<(Self, Vec<Refusal>)> {
        let router = Router::new(&with_mounts(&spec.config)).map_err(std::io::Error::other)?;
        let mut refusals = Vec::new();
        let mut plugins = Vec::new();
        // One thread is always kept out of plugins that may block.
        let mut libraries = Libraries::new(spec.workers, spec.config.threads - 1);
        for (number, plugin) in spec.plugins.iter().enumerate() {
            let pool = spec.pools[number];
            if pool != spec.pool {
                plugins.push(Served::Elsewhere(pool));
                continue;
            }
            plugins.push(match libraries.load(number, plugin) {
                // Never freed: a library cannot be unloaded, and requests refer to it.
                Ok((mut plugin, _)) => {
                    plugin.call_ticks = Clock::ticks(spec.config.request_timeout(&plugin.name));
                    Served::Plugin(Box::leak(Box::new(plugin)))
                }
                Err(refusal) => {
                    refusals.push(refusal.clone());
                    Served::Refused(refusal)
                }
            });
        }
        let names = spec.plugins.iter().enumerate();
        let by_name = names.map(|(number, plugin)| (plugin.name.clone(), number)).collect();
        // An isolated worker may not even read them.
        let files = (spec.pool == MAIN).then(|| StaticFiles::open(&spec.config, spec.dev));
        let files = files.transpose()?;
        Ok((Self { router, plugins, libraries, by_name, files, dev: spec.dev }, refusals))
    }

    /// Lets the plugins clean up. On the loader thread, when no thread is in a plugin any more.
    pub fn exit(&self) {
        self.libraries.exit();
    }

    pub fn plugin(&self, number: u32) -> Option<&'static Plugin> {
        match self.plugins.get(number as usize) {
            Some(Served::Plugin(plugin)) => Some(plugin),
            _ => None,
        }
    }

    /// Who answers a request for `path`, the path as the client sent it.
    pub fn target(&'static self, path: &[u8]) -> Target {
        // A path with other bytes is refused when it is parsed.
        let path = std::str::from_utf8(path).unwrap_or("");
        let files = if self.files.is_some() { Target::Files } else { Target::Elsewhere(MAIN) };
        let Some(found) = self.router.find(path) else { return files };
        let router::Destination::Plugin(name) = found.destination else { return files };
        match self.by_name.get(name).map(|number| &self.plugins[*number]) {
            Some(Served::Plugin(plugin)) => Target::Plugin(plugin, found.route),
            Some(Served::Elsewhere(pool)) => Target::Elsewhere(*pool),
            _ if self.files.is_none() => Target::Elsewhere(MAIN),
            Some(Served::Refused(refusal)) => {
                Target::Page { status: 503, detail: self.dev.then_some(refusal.reason.as_str()) }
            }
            None => Target::Page { status: 404, detail: None },
        }
    }

    /// The answer of the static files, if this worker serves them. `before_work` is called before
    /// what may take long.
    pub fn file(&self, head: &Head, bytes: &[u8], before_work: &dyn Fn()) -> Answer {
        match &self.files {
            Some(files) => files.serve(head, bytes, before_work),
            None => page(503, None),
        }
    }

    /// Called now and then.
    pub fn tidy(&self) {
        self.files.iter().for_each(StaticFiles::tidy);
    }
}

/// A plugin with a `mount` is reached there before any other rule is asked.
pub fn with_mounts(config: &config::Config) -> Vec<config::RouteRule> {
    let mounts = config.plugin.iter().filter_map(|(name, plugin)| {
        Some(config::RouteRule {
            pattern: config::Pattern::Prefix(plugin.mount.clone()?),
            target: config::TargetName::Plugin(name.clone()),
            request_timeout: None,
        })
    });
    mounts.chain(config.routes.iter().cloned()).collect()
}

/// The page that goes with a status.
pub fn page(status: u16, detail: Option<&str>) -> Answer {
    Answer::page(status, error_page::page(status, detail))
}
