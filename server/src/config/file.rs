//! Reads the configuration file. What is wrong in it is refused with file, line, what was found and
//! what was expected.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error};

use super::isolation::Isolate;
use super::proxies::Network;
use super::quantity::{Size, Time, TimeOrOff};
use super::{
    AccessLog, BreakerConfig, Compression, Config, ControlSocket, Crashes, Files, ForwardedBy,
    Limits, LogFormat, Pattern, PluginConfig, Proxies, Recycle, RequestIds, RouteRule, TargetName,
    Timeouts, is_plugin_name,
};
use crate::http::head::MAX_FIELDS;
use crate::router::Router;

/// `FILE:LINE: what is wrong`; without file and line where more than the file has a say.
#[derive(Debug)]
pub struct ConfigError(pub(super) String);

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads a configuration file over `defaults`. Relative paths in it are relative to its folder.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub fn load(file: &Path, defaults: Config) -> Result<Config, ConfigError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError(format!("cannot read the configuration {shown}: {error}")))?;
    parse(&text, file, defaults)
}

/// Reads the text of a configuration file.
///
/// # Errors
/// Something in it is wrong.
pub fn parse(text: &str, file: &Path, defaults: Config) -> Result<Config, ConfigError> {
    let parsed = toml::from_str::<File>(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        ConfigError(format!("{}:{line}: {}", file.display(), error.message()))
    })?;
    let config = parsed.over(defaults, file.parent().unwrap_or(Path::new("")));
    if config.proxies.proxy_protocol && config.proxies.trusted.is_empty() {
        let line = line_of(text, text.find("proxy_protocol").unwrap_or(0));
        let remedy =
            "name the balancers in trusted_proxies: nobody else may say whom it speaks for";
        return Err(ConfigError(format!("{}:{line}: proxy_protocol: {remedy}", file.display())));
    }
    Ok(config)
}

fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// The file as it is written; each key is documented in the README.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Vec<SocketAddr>>,
    admin_listen: Option<Vec<SocketAddr>>,
    plugins: Option<PathBuf>,
    html: Option<PathBuf>,
    workers: Option<AtLeast<1>>,
    threads: Option<Threads>,
    watch: Option<bool>,
    server_name: Option<ServerName>,
    access_log: Option<String>,
    access_log_format: Option<LogFormat>,
    request_id: Option<RequestIds>,
    trusted_proxies: Option<Vec<Network>>,
    forwarded_by: Option<ForwardedBy>,
    proxy_protocol: Option<bool>,
    control: Option<String>,
    routes: Option<Vec<Rule>>,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    timeouts: FileTimeouts,
    files: Option<Files>,
    compression: Option<Compression>,
    #[serde(default)]
    crashes: FileCrashes,
    #[serde(default)]
    breaker: FileBreaker,
    #[serde(default)]
    recycle: FileRecycle,
    #[serde(default)]
    plugin: BTreeMap<PluginName, FilePlugin>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    head: Option<Between<1024, 32_768>>,
    target: Option<Between<64, 32_768>>,
    headers: Option<Between<1, { MAX_FIELDS as u64 }>>,
    body: Option<Size>,
    body_memory: Option<Size>,
    connections: Option<Between<1, 1_048_575>>,
    connections_per_address: Option<Between<1, 1_048_575>>,
    queue: Option<Between<0, 1_048_575>>,
    body_rate: Option<Size>,
    write_rate: Option<Size>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTimeouts {
    head: Option<Time>,
    body: Option<Time>,
    idle: Option<Time>,
    write: Option<Time>,
    request: Option<Time>,
    total: Option<TimeOrOff>,
    drain: Option<Time>,
    upgrade: Option<Time>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCrashes {
    folder: Option<PathBuf>,
    records: Option<Between<0, 10_000>>,
    size: Option<Size>,
    redact: Option<bool>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBreaker {
    crashes: Option<Between<0, 1_000_000>>,
    within: Option<Time>,
    wait: Option<Time>,
    poison: Option<Time>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecycle {
    requests: Option<Between<1, { u64::MAX >> 1 }>>,
    memory: Option<Size>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlugin {
    mount: Option<Mount>,
    config: Option<serde_json::Value>,
    request_timeout: Option<Time>,
    workers: Option<AtLeast<1>>,
    self_test: Option<Mount>,
    compress: Option<bool>,
    isolate: Option<Isolate>,
}

/// One of `[[routes]]`, checked.
#[derive(serde::Deserialize)]
#[serde(try_from = "RawRule")]
struct Rule(RouteRule);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    regex: Option<String>,
    prefix: Option<Mount>,
    plugin: Option<PluginName>,
    files: Option<bool>,
    request_timeout: Option<Time>,
}

impl TryFrom<RawRule> for Rule {
    type Error = String;

    fn try_from(raw: RawRule) -> Result<Self, String> {
        let pattern = match (raw.regex, raw.prefix) {
            (Some(regex), None) => Pattern::Regex(regex),
            (None, Some(prefix)) => Pattern::Prefix(prefix.0),
            _ => return Err("expected either regex or prefix in a route rule".to_owned()),
        };
        let target = match (raw.plugin, raw.files, &pattern) {
            (Some(plugin), None, _) => TargetName::Plugin(plugin.0),
            (None, Some(true), _) => TargetName::Files,
            (None, None, Pattern::Regex(_)) => TargetName::PluginFromGroup,
            _ => {
                return Err(
                    "expected either plugin = \"NAME\" or files = true in a route rule".into()
                );
            }
        };
        let request_timeout = raw.request_timeout.map(|time| time.0);
        let rule = RouteRule { pattern, target, request_timeout };
        // Compiled here only to refuse it with its line.
        Router::new(std::slice::from_ref(&rule)).map_err(|error| error.to_string())?;
        Ok(Self(rule))
    }
}

/// A string with a form of its own.
macro_rules! checked_string {
    ($name:ident, $expected:literal, $is_valid:expr) => {
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        struct $name(String);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) {
                    return Ok(Self(text));
                }
                Err(Error::custom(format!("found {text:?}, expected {}", $expected)))
            }
        }
    };
}

checked_string!(PluginName, "a plugin's name: letters, digits, _ and -", is_plugin_name);
checked_string!(Mount, "a path such as \"/shop\", without a slash at its end", |text| {
    text.starts_with('/') && (text == "/" || !text.ends_with('/')) && !text.contains("//")
});

struct ServerName(Option<String>);

impl<'de> Deserialize<'de> for ServerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(Self(Some(text).filter(|text| !text.is_empty())));
        }
        Err(Error::custom("expected printable ASCII characters, or \"\" for no Server field"))
    }
}

/// A number in a range, both ends included; as a size where that makes sense.
struct Between<const LEAST: u64, const MOST: u64>(usize);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Between<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Size(number) = Size::deserialize(deserializer)?;
        if (LEAST..=MOST).contains(&number) {
            return Ok(Self(number as usize));
        }
        Err(Error::custom(format!("found {number}, expected a number from {LEAST} to {MOST}")))
    }
}

type AtLeast<const LEAST: u64> = Between<LEAST, 1024>;

struct Threads(usize);

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if (2..=1024).contains(&number) {
            return Ok(Self(number as usize));
        }
        Err(Error::custom(format!(
            "found {number}, expected a number from 2 to 1024: one thread is always kept out of \
             plugins that may block"
        )))
    }
}

impl File {
    fn over(self, defaults: Config, folder: &Path) -> Config {
        let access_log = match self.access_log.as_deref() {
            None => defaults.access_log,
            Some(text) => AccessLog::named(text, folder),
        };
        let control = match self.control.as_deref() {
            None => defaults.control,
            Some("") => ControlSocket::Off,
            Some(path) => ControlSocket::At(folder.join(path)),
        };
        let rules = self.routes.map(|rules| rules.into_iter().map(|rule| rule.0).collect());
        let plugins = self.plugin.into_iter().map(|(name, plugin)| {
            let mount = plugin.mount.map(|mount| mount.0);
            let request_timeout = plugin.request_timeout.map(|time| time.0);
            let isolate = plugin.isolate.and_then(|isolate| isolate.within(folder));
            let workers = plugin.workers.map(|number| number.0);
            let self_test = plugin.self_test.map(|path| path.0);
            let FilePlugin { config, compress, .. } = plugin;
            let plugin = PluginConfig {
                mount,
                workers,
                self_test,
                config,
                request_timeout,
                compress,
                isolate,
            };
            (name.0, plugin)
        });
        Config {
            listen: self.listen.unwrap_or(defaults.listen),
            admin_listen: self.admin_listen.unwrap_or(defaults.admin_listen),
            plugins: self.plugins.map_or(defaults.plugins, |path| folder.join(path)),
            html: self.html.map_or(defaults.html, |path| folder.join(path)),
            workers: self.workers.map_or(defaults.workers, |number| number.0),
            threads: self.threads.map_or(defaults.threads, |number| number.0),
            watch: self.watch.unwrap_or(defaults.watch),
            server_name: self.server_name.map_or(defaults.server_name, |name| name.0),
            access_log,
            access_log_format: self.access_log_format.unwrap_or(defaults.access_log_format),
            request_id: self.request_id.unwrap_or(defaults.request_id),
            proxies: Proxies {
                trusted: self.trusted_proxies.unwrap_or(defaults.proxies.trusted),
                fields: self.forwarded_by.unwrap_or(defaults.proxies.fields),
                proxy_protocol: self.proxy_protocol.unwrap_or(defaults.proxies.proxy_protocol),
            },
            control,
            routes: rules.unwrap_or(defaults.routes),
            limits: self.limits.over(defaults.limits),
            timeouts: self.timeouts.over(defaults.timeouts),
            crashes: self.crashes.over(defaults.crashes, folder),
            files: self.files.unwrap_or(defaults.files),
            compression: self.compression.unwrap_or(defaults.compression),
            breaker: self.breaker.over(defaults.breaker),
            recycle: self.recycle.over(defaults.recycle),
            plugin: plugins.collect(),
        }
    }
}

impl FileLimits {
    fn over(self, defaults: Limits) -> Limits {
        Limits {
            head: self.head.map_or(defaults.head, |number| number.0),
            target: self.target.map_or(defaults.target, |number| number.0),
            headers: self.headers.map_or(defaults.headers, |number| number.0),
            body: self.body.map_or(defaults.body, |size| size.0),
            body_memory: self
                .body_memory
                .map_or(defaults.body_memory, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            connections: self.connections.map_or(defaults.connections, |number| number.0),
            connections_per_address: self
                .connections_per_address
                .map_or(defaults.connections_per_address, |number| Some(number.0)),
            queue: self.queue.map_or(defaults.queue, |number| number.0),
            body_rate: self.body_rate.map_or(defaults.body_rate, |size| size.0),
            write_rate: self.write_rate.map_or(defaults.write_rate, |size| size.0),
        }
    }
}

impl FileCrashes {
    fn over(self, defaults: Crashes, folder: &Path) -> Crashes {
        Crashes {
            folder: self.folder.map(|path| folder.join(path)).or(defaults.folder),
            records: self.records.map_or(defaults.records, |number| number.0),
            size: self.size.map_or(defaults.size, |size| size.0),
            redact: self.redact.unwrap_or(defaults.redact),
        }
    }
}

impl FileBreaker {
    fn over(self, defaults: BreakerConfig) -> BreakerConfig {
        BreakerConfig {
            crashes: self.crashes.map_or(defaults.crashes, |number| number.0),
            within: self.within.map_or(defaults.within, |time| time.0),
            wait: self.wait.map_or(defaults.wait, |time| time.0),
            poison: self.poison.map_or(defaults.poison, |time| time.0),
        }
    }
}

impl FileRecycle {
    fn over(self, defaults: Recycle) -> Recycle {
        Recycle {
            requests: self.requests.map(|number| number.0 as u64).or(defaults.requests),
            memory: self.memory.map(|size| size.0).or(defaults.memory),
        }
    }
}

impl FileTimeouts {
    fn over(self, defaults: Timeouts) -> Timeouts {
        Timeouts {
            head: self.head.map_or(defaults.head, |time| time.0),
            body: self.body.map_or(defaults.body, |time| time.0),
            idle: self.idle.map_or(defaults.idle, |time| time.0),
            write: self.write.map_or(defaults.write, |time| time.0),
            request: self.request.map_or(defaults.request, |time| time.0),
            total: self.total.map_or(defaults.total, |time| time.0),
            drain: self.drain.map_or(defaults.drain, |time| time.0),
            upgrade: self.upgrade.map_or(defaults.upgrade, |time| time.0),
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
