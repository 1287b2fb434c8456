//! Files and TCP ports, by Landlock.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

use super::{Files, InForce, Ports};

/// All that this program knows of; an older kernel does what it can.
const KNOWN: ABI = ABI::V6;

/// Files, ports, and signals and abstract sockets of processes outside: those always.
pub fn apply(
    files: Option<&Files>,
    ports: Option<&Ports>,
    may_exec: bool,
    outcome: &mut InForce,
) -> Result<(), String> {
    let abi = restrict(files, ports, may_exec)
        .map_err(|error| format!("cannot restrict files and ports by Landlock: {error}"))?;
    let asked = [
        ("files", "Linux 5.13 with Landlock", ABI::V1, files.is_some()),
        ("TCP ports", "Linux 6.7 with Landlock", ABI::V4, ports.is_some()),
        ("no signals to other processes", "Linux 6.12 with Landlock", ABI::V6, true),
    ];
    for (what, since, needed, is_asked) in asked {
        match abi {
            _ if !is_asked => {}
            Some(abi) if abi >= needed => outcome.in_force.push(what.to_owned()),
            _ => outcome.missing.push(format!("{what} ({since} can)")),
        }
    }
    Ok(())
}

/// Gives what the kernel knows, if it knows Landlock.
fn restrict(
    files: Option<&Files>,
    ports: Option<&Ports>,
    may_exec: bool,
) -> Result<Option<ABI>, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(KNOWN))?;
    ruleset = ruleset.handle_access(match files {
        Some(_) => AccessFs::from_all(KNOWN),
        // Files that are devices: nobody makes them but to get around rights.
        None => AccessFs::MakeBlock | AccessFs::MakeChar,
    })?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::from_all(KNOWN))?;
    }
    let mut created = ruleset.create()?;
    if let Some(files) = files {
        // What is not there cannot be used, and needs no rule.
        let mut read = AccessFs::ReadFile | AccessFs::ReadDir;
        if may_exec {
            read |= AccessFs::Execute;
        }
        // What it can write, it cannot run.
        let all = AccessFs::from_all(KNOWN) & !AccessFs::Execute;
        created = created
            .add_rules(path_beneath_rules(&files.read, read))?
            .add_rules(path_beneath_rules(&files.write, all))?;
    }
    for port in ports.iter().flat_map(|ports| &ports.bind) {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    for port in ports.iter().flat_map(|ports| &ports.connect) {
        created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(match created.restrict_self()?.landlock {
        LandlockStatus::Available { effective_abi, .. } => Some(effective_abi),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
    })
}
