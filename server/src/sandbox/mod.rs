//! What a process takes from itself, for good, before it runs code of a plugin that is not trusted:
//! limits (`limits`), files and ports (`files`, Landlock), user and capabilities (`identity`), system
//! calls (`calls`, seccomp).
//!
//! Applied while the process has one thread: most of it holds for a thread and those it starts. What
//! the kernel lacks is no error, it is said.

mod calls;
mod files;
pub mod identity;
mod limits;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Isolation;
use crate::control::PluginSpec;
use identity::Identity;

/// Where programs and libraries of the system lie, and what the C library reads: nothing of it is
/// anybody's own.
const SYSTEM: [&str; 15] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/i18n",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/sys/devices/system/cpu",
];
const WRITABLE: [&str; 2] = ["/dev/null", "/dev/zero"];

/// What a process may still do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// None: every file that its user may.
    pub files: Option<Files>,
    /// None: every kind of socket.
    pub ports: Option<Ports>,
    /// Programs, and processes of its own.
    pub may_exec: bool,
    pub limits: limits::Limits,
    pub identity: Option<Identity>,
}

/// Files, and folders with all that is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
}

/// TCP ports; without any there are no sockets at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    pub bind: Vec<u16>,
    pub connect: Vec<u16>,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InForce {
    pub in_force: Vec<String>,
    /// What this kernel cannot do, and which one can.
    pub missing: Vec<String>,
}

impl Profile {
    /// For a process that tries a plugin which will run with the rights of the server: it may do what
    /// a plugin needs at its start (read, write, connect), but not what only an attack needs.
    pub fn trial() -> Self {
        Self { may_exec: true, ..Self::default() }
    }

    /// For a process that runs an isolated plugin. `scratch` is its own folder for temporary files.
    ///
    /// # Errors
    /// In plain words: its user does not exist.
    pub fn isolated(
        plugin: &PluginSpec,
        isolation: &Isolation,
        scratch: Option<&Path>,
    ) -> Result<Self, String> {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        let mut files = Files { read: paths(&SYSTEM), write: paths(&WRITABLE) };
        if let Ok(library) = &plugin.library {
            files.read.push(beside(&library.copy).unwrap_or(&library.copy).to_owned());
        }
        files.read.extend(plugin.application.iter().map(|application| application.copy.clone()));
        files.read.extend(isolation.read.iter().cloned());
        files.write.extend(isolation.write.iter().cloned());
        files.write.extend(scratch.map(Path::to_owned));
        let identity = isolation.user.as_deref().map(Identity::of_user).transpose()?;
        Ok(Self {
            files: Some(files),
            ports: Some(Ports { bind: isolation.bind.clone(), connect: isolation.connect.clone() }),
            may_exec: isolation.exec,
            limits: limits::Limits {
                memory: isolation.memory,
                cpu: isolation.cpu.map(|time| time.as_secs().max(1)),
                descriptors: isolation.descriptors,
                processes: isolation.processes,
            },
            identity,
        })
    }

    /// Takes all else away from this process; there is no way back. Descriptors that are open stay.
    ///
    /// # Errors
    /// In plain words: something that was asked for, and that this kernel can do, has failed. The
    /// process must not go on.
    pub fn apply(&self) -> Result<InForce, String> {
        let mut outcome = InForce::default();
        limits::apply(&self.limits, &mut outcome)?;
        // Before the user is changed: the new one may not be able to name these files.
        files::apply(self.files.as_ref(), self.ports.as_ref(), self.may_exec, &mut outcome)?;
        if let Some(identity) = &self.identity {
            identity.assume()?;
            outcome.in_force.push(format!("user {}", identity.name));
        }
        if self.files.is_some() && identity::drop_capabilities()? {
            outcome.in_force.push("no capabilities".to_owned());
        }
        calls::apply(self, &mut outcome)?;
        Ok(outcome)
    }
}

/// A library that looks for others in its own folder is served from there (the name of its copy is
/// hidden), and may read what is there.
fn beside(copy: &Path) -> Option<&Path> {
    let is_hidden = copy.file_name()?.to_str()?.starts_with('.');
    copy.parent().filter(|_| is_hidden)
}

impl std::fmt::Display for InForce {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "in force: {}", self.in_force.join(", "))?;
        if self.missing.is_empty() {
            return Ok(());
        }
        write!(to, "; NOT in force: {}", self.missing.join(", "))
    }
}

/// What this kernel cannot do for an isolated plugin.
pub fn missing() -> Vec<String> {
    // What a thread takes from itself ends with it.
    let probe = std::thread::spawn(|| {
        let mut outcome = InForce::default();
        let files = Files { read: vec![PathBuf::from("/")], write: vec![PathBuf::from("/")] };
        files::apply(Some(&files), Some(&Ports::default()), false, &mut outcome)
            .map(|()| outcome.missing)
    });
    match probe.join() {
        Ok(Ok(missing)) => missing,
        Ok(Err(error)) => vec![error],
        Err(_) => vec!["the kernel could not be asked".to_owned()],
    }
}
