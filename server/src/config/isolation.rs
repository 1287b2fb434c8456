//! The part of the configuration that isolates a plugin: `isolate = true`, or a table of what it may
//! do beyond the least.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::quantity::{Size, Time};
use crate::sandbox::identity::Identity;

/// What an isolated plugin may do. The default: read the system's libraries and its own file, and
/// compute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// It runs as this user.
    pub user: Option<String>,
    /// Files, and folders with all that is in them.
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// TCP ports.
    pub bind: Vec<u16>,
    pub connect: Vec<u16>,
    /// It may start processes and programs (those that it may read).
    pub exec: bool,
    /// Address space of a worker, in bytes.
    pub memory: Option<u64>,
    /// Processor time after which a worker is ended, and replaced.
    pub cpu: Option<Duration>,
    pub descriptors: Option<u64>,
    /// Processes and threads of the user.
    pub processes: Option<u64>,
}

/// Less than a worker itself needs is a mistake.
const LEAST_MEMORY: u64 = 256 << 20;
const LEAST_DESCRIPTORS: u64 = 64;
const LEAST_PROCESSES: u64 = 16;

/// As it is written.
pub struct Isolate(Option<Isolation>);

impl Isolate {
    /// With relative paths relative to `folder`.
    pub fn within(self, folder: &Path) -> Option<Isolation> {
        let mut isolation = self.0?;
        for path in isolation.read.iter_mut().chain(&mut isolation.write) {
            let joined = folder.join(&path);
            // Without a current folder a relative path stays what it is.
            *path = std::path::absolute(&joined).unwrap_or(joined);
        }
        Some(isolation)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    user: Option<UserName>,
    #[serde(default)]
    read: Vec<Place>,
    #[serde(default)]
    write: Vec<Place>,
    #[serde(default)]
    bind: Vec<u16>,
    #[serde(default)]
    connect: Vec<u16>,
    #[serde(default)]
    exec: bool,
    memory: Option<Memory>,
    cpu: Option<Time>,
    descriptors: Option<Descriptors>,
    processes: Option<Processes>,
}

impl From<Table> for Isolation {
    fn from(table: Table) -> Self {
        let paths = |list: Vec<Place>| list.into_iter().map(|place| place.0).collect();
        Self {
            user: table.user.map(|user| user.0),
            read: paths(table.read),
            write: paths(table.write),
            bind: table.bind,
            connect: table.connect,
            exec: table.exec,
            memory: table.memory.map(|size| size.0),
            cpu: table.cpu.map(|time| time.0),
            descriptors: table.descriptors.map(|number| number.0),
            processes: table.processes.map(|number| number.0),
        }
    }
}

impl<'de> Deserialize<'de> for Isolate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Isolate;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("true, false or a table")
            }

            fn visit_bool<E>(self, is_isolated: bool) -> Result<Isolate, E> {
                Ok(Isolate(is_isolated.then(Isolation::default)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Isolate, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Isolate(Some(table.into())))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A user that exists, and that this process can become.
struct UserName(String);

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Identity::of_user(&name).map_err(Error::custom)?;
        Ok(Self(name))
    }
}

struct Place(PathBuf);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        let climbs = path.components().any(|component| component == Component::ParentDir);
        if path.as_os_str().is_empty() || climbs {
            let shown = path.display();
            return Err(Error::custom(format!("found \"{shown}\", expected a path without ..")));
        }
        Ok(Self(path))
    }
}

/// A number that is not below what a worker needs for itself.
macro_rules! at_least {
    ($name:ident, $least:expr, $shown:literal) => {
        struct $name(u64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Size(number) = Size::deserialize(deserializer)?;
                if number >= $least {
                    return Ok(Self(number));
                }
                let needed = concat!("expected at least ", $shown, ", which a worker needs");
                Err(Error::custom(format!("found {number}, {needed}")))
            }
        }
    };
}

at_least!(Memory, LEAST_MEMORY, "256MiB");
at_least!(Descriptors, LEAST_DESCRIPTORS, "64");
at_least!(Processes, LEAST_PROCESSES, "16");
