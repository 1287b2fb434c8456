//! System calls, by seccomp: two filters. One names what a plugin has no business with, and gives
//! EPERM, as a kernel without that right would. The other, for isolated plugins, names what programs
//! need, and gives ENOSYS for all else, as a kernel without that call would: libraries that try a new
//! call then fall back on an old one.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::{InForce, Profile};

#[path = "call_lists.rs"]
mod lists;

/// For each call: when it is meant. No rule: always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Result<T> = std::result::Result<T, seccompiler::Error>;

pub fn apply(profile: &Profile, outcome: &mut InForce) -> std::result::Result<(), String> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        outcome.missing.push("system calls (not on this processor)".to_owned());
        return Ok(());
    };
    let failed = |error| format!("cannot restrict system calls by seccomp: {error}");
    let is_isolated = profile.files.is_some();
    if is_isolated {
        let allowed = allowed(profile).map_err(failed)?;
        let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
        install(allowed, unknown, SeccompAction::Allow, arch).map_err(failed)?;
    }
    // The later one wins where both say no.
    let denied = denied(profile).map_err(failed)?;
    let no = SeccompAction::Errno(libc::EPERM as u32);
    install(denied, SeccompAction::Allow, no, arch).map_err(failed)?;
    let what = if is_isolated { "system calls" } else { "no dangerous system calls" };
    outcome.in_force.push(what.to_owned());
    Ok(())
}

fn install(
    rules: Rules,
    otherwise: SeccompAction,
    action: SeccompAction,
    arch: TargetArch,
) -> Result<()> {
    let filter = SeccompFilter::new(rules, otherwise, action, arch)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

/// One condition on one argument.
fn when(argument: u8, is: Is, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, Length::Dword, is, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn allowed(profile: &Profile) -> Result<Rules> {
    let mut rules: Rules = lists::NEEDED.iter().map(|call| (*call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    for call in lists::SIGNALS {
        // For the process itself, where Landlock does not see to it.
        let is_own = if profile.may_exec { Vec::new() } else { vec![when(0, Is::Eq, own)?] };
        rules.insert(call, is_own);
    }
    if profile.may_exec {
        rules.extend(lists::PROCESSES.iter().map(|call| (*call, Vec::new())));
    }
    // A pair of datagram sockets could send to any other.
    let kind = |kind: i32| when(1, Is::MaskedEq(0xf), kind as u64);
    let pairs = vec![kind(libc::SOCK_STREAM)?, kind(libc::SOCK_SEQPACKET)?];
    rules.insert(libc::SYS_socketpair, pairs);
    if has_ports(profile) {
        rules.extend(lists::NETWORK.iter().map(|call| (*call, Vec::new())));
        let tcp = |family: i32| {
            let family = SeccompCondition::new(0, Length::Dword, Is::Eq, family as u64)?;
            let stream = libc::SOCK_STREAM as u64;
            let kind = SeccompCondition::new(1, Length::Dword, Is::MaskedEq(0xf), stream)?;
            Ok::<_, seccompiler::Error>(SeccompRule::new(vec![family, kind])?)
        };
        rules.insert(libc::SYS_socket, vec![tcp(libc::AF_INET)?, tcp(libc::AF_INET6)?]);
    }
    Ok(rules)
}

fn denied(profile: &Profile) -> Result<Rules> {
    let mut rules: Rules = lists::DANGEROUS.iter().map(|call| (*call, Vec::new())).collect();
    // New namespaces, where root would be root again.
    let mut clones = Vec::new();
    for flag in lists::NAMESPACES {
        clones.push(when(0, Is::MaskedEq(flag), flag)?);
    }
    if !profile.may_exec {
        rules.extend(lists::PROCESSES.iter().map(|call| (*call, Vec::new())));
        clones.push(when(0, Is::MaskedEq(libc::CLONE_THREAD as u64), 0)?);
    }
    rules.insert(libc::SYS_clone, clones);
    if profile.ports.is_some() && !has_ports(profile) {
        rules.extend(lists::NETWORK.iter().map(|call| (*call, Vec::new())));
        rules.insert(libc::SYS_socket, Vec::new());
    }
    // Typing into the terminal that the server was started from.
    let commands = [libc::TIOCSTI, libc::TIOCLINUX];
    let mut typing = Vec::new();
    for command in commands {
        typing.push(when(1, Is::Eq, command)?);
    }
    rules.insert(libc::SYS_ioctl, typing);
    Ok(rules)
}

fn has_ports(profile: &Profile) -> bool {
    let ports = profile.ports.as_ref();
    ports.is_none_or(|ports| !ports.bind.is_empty() || !ports.connect.is_empty())
}
