//! `tenon ctl crash replay`: runs a recorded request again, against the library that crashed, in a
//! child; under gdb or valgrind if that is wanted.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use super::client::Client;
use super::command::ask;
use super::protocol::Command as Ask;
use crate::config::Config;
use crate::control::PluginSpec;
use crate::crash::collect;
use crate::crash::replay::Replay;
use crate::crash::report::{Report, printable};
use crate::respond::with_mounts;

/// What the child is run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    Nothing,
    Gdb,
    Valgrind,
}

/// How long a request may take before it counts as one that hangs, where no debugger is at it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// It crashed, or did not come back.
    Again,
}

/// Runs the request of a record.
///
/// # Errors
/// In plain words: there is no such record, or it has no request, or nothing to run it against.
pub fn run(
    client: &mut Client,
    id: &str,
    under: Under,
    config: &Config,
) -> Result<Outcome, String> {
    let report: Report = ask(client, Ask::Crash { id: id.to_owned() })?;
    let request = report.request.as_ref().ok_or("this record has no request")?;
    let plugin = plugin_of(&report, config)?;
    let replay = Replay {
        plugin,
        routes: with_mounts(config),
        head: request.head(),
        body: request.body(),
        is_confined: under == Under::Nothing,
    };
    let mut file = tempfile::Builder::new().prefix("tenon-replay-").tempfile().map_err(failed)?;
    file.write_all(&serde_json::to_vec(&replay).map_err(|error| error.to_string())?)
        .and_then(|()| file.flush())
        .map_err(failed)?;
    println!("{}", printable(&report.headline()));
    if request.is_redacted {
        println!("values of its header fields were not kept: asterisks stand for them");
        if request.body_length > 0 && request.body.is_none() {
            println!("nor was its body: {} zero bytes stand for it", request.body().len());
        }
    }
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = ["replay".into(), file.path().to_owned()];
    let mut command = command(under, program, &arguments);
    let mut child = command.spawn().map_err(|error| {
        format!("cannot start {}: {error}", command.get_program().to_string_lossy())
    })?;
    let deadline = (under == Under::Nothing).then(|| Instant::now() + PATIENCE);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return describe(status, under);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            println!("-- it has not come back after {} s", PATIENCE.as_secs());
            return Ok(Outcome::Again);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn failed(error: std::io::Error) -> String {
    format!("cannot run the request again: {error}")
}

/// The plugin as it was, with the configuration as it is.
fn plugin_of(report: &Report, config: &Config) -> Result<PluginSpec, String> {
    let mut plugin = report.plugin.clone().ok_or("the thread that crashed was in no plugin")?;
    let settings = |name: &str| {
        let settings = config.plugin.get(name).and_then(|plugin| plugin.config.as_ref());
        settings.map(ToString::to_string).unwrap_or_default()
    };
    plugin.config = settings(&plugin.name);
    if let Some(application) = &mut plugin.application {
        application.language_config = settings(&application.language);
    }
    let library = plugin.library.as_mut().map_err(|refusal| refusal.reason.clone())?;
    if !library.copy.exists() {
        let kept = collect::store(config).ok().and_then(|store| store.library(&report.id));
        library.copy = kept.ok_or_else(|| {
            format!("{} is gone, and no link to it was kept", library.copy.display())
        })?;
    }
    Ok(plugin)
}

fn command(under: Under, program: PathBuf, arguments: &[PathBuf]) -> Command {
    let mut command = match under {
        Under::Nothing => Command::new(program),
        Under::Gdb => {
            let mut gdb = Command::new("gdb");
            gdb.args(["-q", "-ex", "run"]);
            if !std::io::stdin().is_terminal() {
                gdb.args(["-batch", "-ex", "backtrace"]);
            }
            gdb.arg("--args").arg(program);
            gdb
        }
        Under::Valgrind => {
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["-q", "--error-exitcode=99"]).arg(program);
            valgrind
        }
    };
    command.args(arguments);
    command
}

fn describe(status: ExitStatus, under: Under) -> Result<Outcome, String> {
    use std::os::unix::process::ExitStatusExt;
    if under == Under::Gdb {
        return Ok(Outcome::Answered);
    }
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let known = nix::sys::signal::Signal::try_from(signal);
            let name = known.map_or("a signal", |signal| signal.as_str());
            println!("-- it crashed with {name}");
            Ok(Outcome::Again)
        }
        (None, Some(0)) => Ok(Outcome::Answered),
        (None, Some(99)) if under == Under::Valgrind => {
            println!("-- valgrind has found errors");
            Ok(Outcome::Again)
        }
        (None, Some(100)) => Err("the request could not be run".to_owned()),
        (None, code) => {
            println!("-- it ended the process with status {}", code.unwrap_or_default());
            Ok(Outcome::Again)
        }
    }
}
