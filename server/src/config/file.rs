//! Reads the configuration file. What is wrong in it is refused with file, line, what was found and
//! what was expected.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error};

use super::quantity::{Size, Time};
use super::{
    AccessLog, Compression, Config, ControlSocket, Crashes, Files, Limits, Pattern, PluginConfig,
    RouteRule, TargetName, Timeouts, is_plugin_name,
};
use crate::http::head::MAX_FIELDS;
use crate::router::Router;

/// `FILE:LINE: what is wrong`.
#[derive(Debug)]
pub struct ConfigError(String);

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
    Ok(parsed.over(defaults, file.parent().unwrap_or(Path::new(""))))
}

fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// The file as it is written; each key is documented in the README.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Vec<SocketAddr>>,
    plugins: Option<PathBuf>,
    html: Option<PathBuf>,
    workers: Option<AtLeast<1>>,
    threads: Option<Threads>,
    watch: Option<bool>,
    server_name: Option<ServerName>,
    access_log: Option<String>,
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
    queue: Option<Between<0, 1_048_575>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTimeouts {
    head: Option<Time>,
    body: Option<Time>,
    idle: Option<Time>,
    write: Option<Time>,
    request: Option<Time>,
    drain: Option<Time>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCrashes {
    folder: Option<PathBuf>,
    records: Option<Between<0, 10_000>>,
    size: Option<Size>,
    redact: Option<bool>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlugin {
    mount: Option<Mount>,
    config: Option<serde_json::Value>,
    request_timeout: Option<Time>,
    compress: Option<bool>,
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
            Some("off") => AccessLog::Off,
            Some("stdout") => AccessLog::Stdout,
            Some(path) => AccessLog::File(folder.join(path)),
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
            let FilePlugin { config, compress, .. } = plugin;
            (name.0, PluginConfig { mount, config, request_timeout, compress })
        });
        Config {
            listen: self.listen.unwrap_or(defaults.listen),
            plugins: self.plugins.map_or(defaults.plugins, |path| folder.join(path)),
            html: self.html.map_or(defaults.html, |path| folder.join(path)),
            workers: self.workers.map_or(defaults.workers, |number| number.0),
            threads: self.threads.map_or(defaults.threads, |number| number.0),
            watch: self.watch.unwrap_or(defaults.watch),
            server_name: self.server_name.map_or(defaults.server_name, |name| name.0),
            access_log,
            control,
            routes: rules.unwrap_or(defaults.routes),
            limits: self.limits.over(defaults.limits),
            timeouts: self.timeouts.over(defaults.timeouts),
            crashes: self.crashes.over(defaults.crashes, folder),
            files: self.files.unwrap_or(defaults.files),
            compression: self.compression.unwrap_or(defaults.compression),
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
            queue: self.queue.map_or(defaults.queue, |number| number.0),
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

impl FileTimeouts {
    fn over(self, defaults: Timeouts) -> Timeouts {
        Timeouts {
            head: self.head.map_or(defaults.head, |time| time.0),
            body: self.body.map_or(defaults.body, |time| time.0),
            idle: self.idle.map_or(defaults.idle, |time| time.0),
            write: self.write.map_or(defaults.write, |time| time.0),
            request: self.request.map_or(defaults.request, |time| time.0),
            drain: self.drain.map_or(defaults.drain, |time| time.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tenon.toml");
        std::fs::write(&file, text).unwrap();
        let prefix = format!("{}:", file.display());
        load(&file, Config::default()).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_read() {
        let config = read(
            r#"
            listen = ["127.0.0.1:0", "[::1]:8080"]
            plugins = "p"
            html = "/srv/html"
            workers = 3
            threads = 5
            watch = false
            server_name = ""
            access_log = "log/access"
            control = "ctl.sock"
            [[routes]]
            regex = "/user/(?<id>[0-9]+)"
            plugin = "user"
            [[routes]]
            prefix = "/static"
            files = true
            [limits]
            head = "8KiB"
            target = 1000
            headers = 50
            body = "1GiB"
            body_memory = 0
            connections = 7
            queue = 8
            [timeouts]
            head = "1s"
            body = 2
            idle = "3m"
            write = "4h"
            drain = "500ms"
            [crashes]
            folder = "crashes"
            records = 5
            size = "1MiB"
            redact = false
            [files]
            index = ["index.htm"]
            listing = true
            precompressed = false
            open = 7
            memory = "1MiB"
            types = { MD = "text/markdown" }
            [[files.cache_control]]
            prefix = "/assets"
            extensions = ["css"]
            value = "public, max-age=60"
            [compression]
            codings = ["gzip"]
            min_size = "2KiB"
            types = ["text/*"]
            streams = 9
            [plugin.shop]
            mount = "/shop"
            config = { colour = "red", sizes = [1, 2] }
            compress = false
            "#,
        )
        .unwrap();
        assert_eq!(config.listen.len(), 2);
        assert!(config.plugins.is_absolute() && config.plugins.ends_with("p"));
        assert_eq!(config.html, Path::new("/srv/html"));
        assert_eq!((config.workers, config.threads, config.watch), (3, 5, false));
        assert_eq!(config.server_name, None);
        assert!(matches!(config.access_log, AccessLog::File(path) if path.ends_with("log/access")));
        assert!(matches!(config.control, ControlSocket::At(path) if path.ends_with("ctl.sock")));
        assert_eq!(config.routes[0].target, TargetName::Plugin("user".to_owned()));
        assert_eq!(config.routes[1].target, TargetName::Files);
        assert_eq!((config.limits.head, config.limits.body), (8192, 1 << 30));
        assert_eq!(config.timeouts.idle.as_secs(), 180);
        assert_eq!(config.timeouts.drain.as_millis(), 500);
        assert_eq!((config.crashes.records, config.crashes.size), (5, 1 << 20));
        assert!(!config.crashes.redact && config.crashes.folder.unwrap().ends_with("crashes"));
        let Files { index, listing, precompressed, open, memory, types, cache_control } =
            &config.files;
        assert_eq!(
            (&index[..], *listing, *precompressed),
            (&["index.htm".to_owned()][..], true, false)
        );
        assert_eq!((*open, *memory), (7, 1 << 20));
        assert_eq!(types["md"], "text/markdown");
        assert!(cache_control[0].matches(b"assets/a.css"));
        let Compression { codings, min_size, types, streams } = &config.compression;
        assert_eq!((codings.len(), *min_size, types.len(), *streams), (1, 2048, 1, 9));
        let shop = &config.plugin["shop"];
        assert_eq!(shop.compress, Some(false));
        assert_eq!(shop.mount.as_deref(), Some("/shop"));
        assert_eq!(shop.config.as_ref().unwrap()["sizes"][1], 2);
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        for (text, line, expected) in [
            ("\nlisten_on = 1", 2, "unknown field `listen_on`, expected one of `listen`"),
            ("listen = [\"x\"]", 1, "socket address"),
            ("\n\nthreads = 1", 3, "expected a number from 2"),
            ("workers = 0", 1, "found 0, expected a number from 1"),
            ("[limits]\nbody = \"1MB\"", 2, "64KiB"),
            ("[timeouts]\n\nidle = \"0s\"", 3, "above zero"),
            ("[timeouts]\nidel = \"1s\"", 2, "unknown field `idel`"),
            ("[[routes]]\nregex = \"(\"", 1, "cannot be used"),
            ("[[routes]]\nprefix = \"/x\"", 1, "expected either plugin"),
            ("[plugin.a]\nmount = \"shop\"", 2, "expected a path"),
            ("[plugin.\"a/b\"]", 1, "expected a plugin's name"),
            ("watch = maybe", 1, ""),
            ("[files]\nindex = [\"a/b\"]", 2, "the name of a file"),
            ("[files]\nopen = 99999", 2, "a number from 0"),
            ("[files]\ntypes = { md = \"markdown\" }", 2, "text/markdown"),
            ("[[files.cache_control]]\nvalue = \"max-age=\"", 2, "expected directives"),
            ("[[files.cache_control]]\nprefix = \"a\"\nvalue = \"no-store\"", 2, "expected a path"),
            ("[compression]\ncodings = [\"deflate\"]", 2, "expected one of `br`"),
            ("[compression]\ntypes = [\"text\"]", 2, "expected a media type"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(&format!("{line}: ")), "{text:?}: {error}");
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
