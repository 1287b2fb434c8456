//! The configuration: checked once when it is read (`file`), valid from then on.

mod file;
mod files;
mod isolation;
mod proxies;
mod quantity;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use file::{ConfigError, load, parse};
pub use proxies::{ForwardedBy, Proxies, RequestIds};

use crate::access_log::format::Format;
pub use files::{CacheRule, Compression, Files};
pub use isolation::Isolation;
pub use quantity::parse_time;

/// The one rule of the default list: `/NAME.py`, and what follows it.
pub const DEFAULT_ROUTE: &str = r"(?<mount>/(?<plugin>[A-Za-z0-9_-]+)\.py)(?<path>/.*)?";

/// The whole configuration, checked. Passed to workers as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub listen: Vec<SocketAddr>,
    /// For operators: connections here have a reserve of their own.
    pub admin_listen: Vec<SocketAddr>,
    pub plugins: PathBuf,
    pub html: PathBuf,
    pub workers: usize,
    /// At least 2: one thread is always kept out of plugins that may block.
    pub threads: usize,
    pub watch: bool,
    pub server_name: Option<String>,
    pub access_log: AccessLog,
    pub access_log_format: LogFormat,
    pub request_id: RequestIds,
    pub proxies: Proxies,
    pub control: ControlSocket,
    pub routes: Vec<RouteRule>,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub crashes: Crashes,
    pub files: Files,
    pub compression: Compression,
    pub breaker: BreakerConfig,
    pub recycle: Recycle,
    /// Per plugin, by name.
    pub plugin: BTreeMap<String, PluginConfig>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessLog {
    Off,
    Stdout,
    File(PathBuf),
    /// Its socket.
    Syslog(PathBuf),
}

impl AccessLog {
    /// `off`, `stdout`, `syslog`, `syslog:SOCKET` or a file; paths are relative to `folder`.
    pub fn named(text: &str, folder: &Path) -> Self {
        match text {
            "off" => Self::Off,
            "stdout" => Self::Stdout,
            "syslog" => Self::Syslog(crate::access_log::syslog()),
            text => match text.strip_prefix("syslog:") {
                Some(path) => Self::Syslog(folder.join(path)),
                None => Self::File(folder.join(text)),
            },
        }
    }
}

/// What a line of the access log says; checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFormat(String);

impl LogFormat {
    pub fn compile(&self) -> Format {
        Format::parse(&self.0).expect("it was checked when it was read")
    }
}

impl Default for LogFormat {
    fn default() -> Self {
        Self("combined".to_owned())
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Format::parse(&text)?;
        Ok(Self(text))
    }
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

/// Where `tenon ctl` reaches the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlSocket {
    /// See `ctl::place`.
    Automatic,
    Off,
    At(PathBuf),
}

/// One rule of the ordered list; the first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRule {
    pub pattern: Pattern,
    pub target: TargetName,
    /// As `Timeouts::request`, which it takes the place of.
    pub request_timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// A regular expression over the whole path as sent. Groups with a meaning: `mount`
    /// (SCRIPT_NAME), `path` (PATH_INFO), `plugin` (which plugin). All named groups become
    /// variables.
    Regex(String),
    /// `/shop` matches `/shop` and everything below `/shop/`.
    Prefix(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetName {
    /// The plugin of that name.
    Plugin(String),
    /// The plugin that the group `plugin` names.
    PluginFromGroup,
    /// The static files.
    Files,
}

/// Refusal thresholds: sizes in bytes, the rest are counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Request line and headers together. 431, or 414 if the line alone is longer than `target`.
    pub head: usize,
    /// The request target. 414.
    pub target: usize,
    /// Header fields of a request. 431.
    pub headers: usize,
    /// A request body. 413.
    pub body: u64,
    /// How much of a request body is kept in memory; the rest goes to an unlinked file.
    pub body_memory: usize,
    /// Connections of one worker; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one client address to one worker; `None`: a quarter of `connections`, and
    /// loopback as many as it likes.
    pub connections_per_address: Option<usize>,
    /// Requests of one worker that wait for a thread or for their turn in a plugin. 503.
    pub queue: usize,
    /// Bytes a second that a request body must bring on average, once `timeouts.body` has passed;
    /// 0: any. 408.
    pub body_rate: u64,
    /// Bytes a second that a client must take of an answer, once it has been waited for for
    /// `timeouts.write`; 0: any.
    pub write_rate: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeouts {
    /// From the first byte of a head to its end. 408.
    pub head: Duration,
    /// Between two arrivals of a request body. 408.
    pub body: Duration,
    /// Between requests on a connection.
    pub idle: Duration,
    /// While the client takes no bytes, or a plugin keeps a response pending.
    pub write: Duration,
    /// One call into a plugin: what takes longer hangs, and its client gets 504.
    pub request: Duration,
    /// From the end of the request head to the end of the answer; `None`: as long as it takes. Ends
    /// with an upgrade. 503, 504, or a cut if the answer has begun.
    pub total: Option<Duration>,
    /// From SIGTERM, or from a new generation, to the end of a worker.
    pub drain: Duration,
    /// From the start of a new program to its first generation that serves.
    pub upgrade: Duration,
}

/// When a plugin's requests are refused because it crashes or hangs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakerConfig {
    /// So many, within that time; 0: never.
    pub crashes: usize,
    pub within: Duration,
    /// For how long at first; twice as long each time that the trial crashes too.
    pub wait: Duration,
    /// For how long one request is refused that has crashed a plugin twice within that time.
    pub poison: Duration,
}

/// When a worker is replaced by a new one, as in a reload; both a tenth earlier or later, so that
/// not all of them are at the same time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recycle {
    /// After so many requests.
    pub requests: Option<u64>,
    /// When it has so many bytes of memory.
    pub memory: Option<u64>,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            crashes: 5,
            within: Duration::from_secs(60),
            wait: Duration::from_secs(1),
            poison: Duration::from_secs(300),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginConfig {
    /// Served at this prefix too.
    pub mount: Option<String>,
    /// It runs in so many workers of its own.
    pub workers: Option<usize>,
    /// Asked of each new version before it is served: a path below the plugin.
    pub self_test: Option<String>,
    /// Handed to the plugin as JSON.
    pub config: Option<serde_json::Value>,
    /// As `Timeouts::request`, which it takes the place of.
    pub request_timeout: Option<Duration>,
    /// Its answers may be compressed; `None`: they may.
    pub compress: Option<bool>,
    /// It runs in workers of its own, which may do no more than this.
    pub isolate: Option<Isolation>,
}

impl Config {
    /// To be asked when all has been said, by the file and the command line.
    ///
    /// # Errors
    /// The static files would be the plugins' own: those are there to be run, and nobody's to read.
    pub fn check_folders(&self) -> Result<(), ConfigError> {
        // One that is not there yet cannot be a link to the other.
        let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
        let (Ok(plugins), Ok(html)) = (real(&self.plugins), real(&self.html)) else {
            return Ok(());
        };
        if !html.starts_with(&plugins) {
            return Ok(());
        }
        let (html, plugins) = (self.html.display(), self.plugins.display());
        Err(ConfigError(format!(
            "cannot serve files from html = \"{html}\": it is, or lies in, plugins = \"{plugins}\", \
             whose files are run and never sent; use two folders"
        )))
    }

    /// How many workers serve that plugin and no other; `None`: it shares those of the main pool.
    pub fn own_workers(&self, plugin: &str) -> Option<usize> {
        let plugin = self.plugin.get(plugin)?;
        plugin.workers.or(plugin.isolate.as_ref().map(|_| 1))
    }

    /// How long one call into that plugin may take, if no route rule says otherwise.
    pub fn request_timeout(&self, plugin: &str) -> Duration {
        let own = self.plugin.get(plugin).and_then(|plugin| plugin.request_timeout);
        own.unwrap_or(self.timeouts.request)
    }

    /// The least time that a call into any plugin may take.
    pub fn shortest_request_timeout(&self) -> Duration {
        let plugins = self.plugin.values().filter_map(|plugin| plugin.request_timeout);
        let routes = self.routes.iter().filter_map(|rule| rule.request_timeout);
        plugins.chain(routes).fold(self.timeouts.request, Duration::min)
    }
}

/// What is kept of crashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crashes {
    /// None: `crashes` in the server's own folder.
    pub folder: Option<PathBuf>,
    /// The newest so many records are kept.
    pub records: usize,
    /// And no more bytes of them, but for the newest one.
    pub size: u64,
    /// Hide the values of header fields, and bodies.
    pub redact: bool,
}

impl Default for Crashes {
    fn default() -> Self {
        Self { folder: None, records: 100, size: 64 << 20, redact: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            target: 8 * 1024,
            headers: 100,
            body: 10 * 1024 * 1024,
            body_memory: 64 * 1024,
            connections: 10_000,
            connections_per_address: None,
            queue: 1_000,
            body_rate: 500,
            write_rate: 500,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
            request: Duration::from_secs(30),
            total: None,
            drain: Duration::from_secs(30),
            upgrade: Duration::from_secs(60),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            admin_listen: Vec::new(),
            plugins: PathBuf::from("plugins"),
            html: PathBuf::from("html"),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            threads: 4,
            watch: true,
            server_name: Some("tenon".to_owned()),
            access_log: AccessLog::Off,
            access_log_format: LogFormat::default(),
            request_id: RequestIds::default(),
            proxies: Proxies::default(),
            control: ControlSocket::Automatic,
            routes: vec![RouteRule {
                pattern: Pattern::Regex(DEFAULT_ROUTE.to_owned()),
                target: TargetName::PluginFromGroup,
                request_timeout: None,
            }],
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            crashes: Crashes::default(),
            files: Files::default(),
            compression: Compression::default(),
            breaker: BreakerConfig::default(),
            recycle: Recycle::default(),
            plugin: BTreeMap::new(),
        }
    }
}

/// Whether a plugin may be called that: it is part of addresses and file names.
pub fn is_plugin_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
