//! Limits of resources (setrlimit(2)).

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use super::InForce;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of address space.
    pub memory: Option<u64>,
    /// Seconds of processor time until the process is ended.
    pub cpu: Option<u64>,
    pub descriptors: Option<u64>,
    /// Processes and threads of its user.
    pub processes: Option<u64>,
}

pub fn apply(limits: &Limits, outcome: &mut InForce) -> Result<(), String> {
    // A core file is a copy of all memory in a file: never of a plugin that is not trusted.
    set("core file", Resource::Core, 0)?;
    let wanted = [
        ("memory", Resource::As, limits.memory),
        ("processor time", Resource::Cpu, limits.cpu),
        ("descriptors", Resource::Nofile, limits.descriptors),
        ("processes", Resource::Nproc, limits.processes),
    ];
    for (name, resource, limit) in wanted {
        if let Some(limit) = limit {
            set(name, resource, limit)?;
            outcome.in_force.push(format!("{name} at most {limit}"));
        }
    }
    Ok(())
}

fn set(name: &str, resource: Resource, limit: u64) -> Result<(), String> {
    // Never more than what whoever started us has allowed.
    let present = rustix::process::getrlimit(resource).maximum;
    let limit = present.map_or(limit, |present| limit.min(present));
    let both = Rlimit { current: Some(limit), maximum: Some(limit) };
    rustix::process::setrlimit(resource, both)
        .map_err(|error| format!("cannot limit {name} to {limit}: {error}"))
}
