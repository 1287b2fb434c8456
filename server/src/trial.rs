//! A trial: loads a plugin in a process of its own, before any worker does. What its constructors
//! and its `csgi_init` break there costs nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use crate::control::{Passed, PluginSpec, Refusal};
use crate::crash::replay;
use crate::plugin::{Libraries, Plugin, load};
use crate::sandbox::Profile;

/// How often the process is looked at while it says nothing.
const TICK: Duration = Duration::from_millis(20);
/// How long lines are waited for when the process has ended and another holds its output open.
const LAST_LINES: Duration = Duration::from_millis(500);

/// What the trial says, one line each, in this order.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    /// The library is loaded: its constructors have run.
    Loaded,
    /// `csgi_init`, and for an application `load`, have succeeded and `csgi_exit` returned.
    Passed(Passed),
    Refused(Refusal),
}

/// The hidden command `tenon trial`: the specification comes on standard input.
pub fn command() -> ExitCode {
    // A crash is expected here and must not leave a core file behind. Should the limit not be
    // settable, one may be left.
    let _ =
        rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Code that hangs must not outlive a supervisor that is killed. The thread that starts a trial
    // waits for it, so that the signal means just that.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let mut json = String::new();
    let spec = std::io::stdin().read_to_string(&mut json).map_err(|error| error.to_string());
    let spec = spec
        .and_then(|_| serde_json::from_str::<PluginSpec>(&json).map_err(|error| error.to_string()));
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => {
            eprintln!("tenon trial: cannot read the specification on standard input: {error}");
            return ExitCode::from(100);
        }
    };
    let line = match confine(&spec).and_then(|()| try_plugin(&spec)) {
        Ok(passed) => Line::Passed(passed),
        Err(refusal) => Line::Refused(refusal),
    };
    say(&line);
    load::end_process(0)
}

/// A plugin that will be isolated is tried as it will be; any other without the rights that only an
/// attack needs.
fn confine(spec: &PluginSpec) -> Result<(), Refusal> {
    let profile = match &spec.isolation {
        Some(isolation) => Profile::isolated(spec, isolation, None),
        None => Ok(Profile::trial()),
    };
    profile.and_then(|profile| profile.apply()).map(drop).map_err(|reason| Refusal {
        plugin: spec.name.clone(),
        reason: format!("{}: its trial cannot be isolated: {reason}", spec.source.display()),
    })
}

fn try_plugin(spec: &PluginSpec) -> Result<Passed, Refusal> {
    if let Ok(library) = &spec.library
        && load::load(&library.copy).is_ok()
    {
        say(&Line::Loaded);
    }
    // Loading it again is loading it once: the linker knows the file.
    let mut libraries = Libraries::new(1, 1);
    let (plugin, passed) = libraries.load(0, spec)?;
    if let Some(target) = &spec.self_test {
        test(spec, Box::leak(Box::new(plugin)), target)?;
    }
    libraries.exit();
    Ok(passed)
}

/// Asks what the configuration names; an answer that says that the plugin has failed is a refusal.
fn test(spec: &PluginSpec, plugin: &'static Plugin, target: &str) -> Result<(), Refusal> {
    let failure = match replay::ask(plugin, target) {
        Ok(status) if status < 500 => return Ok(()),
        Ok(status) => format!("it was answered with status {status}"),
        Err(reason) => reason,
    };
    Err(Refusal {
        plugin: spec.name.clone(),
        reason: format!("{}: its self-test {target} has failed: {failure}", spec.source.display()),
    })
}

fn say(line: &Line) {
    let Ok(json) = serde_json::to_string(line) else { return };
    // The plugin may have left a line of its own unfinished. Whoever started the trial has gone if
    // this fails, and nobody wants to know.
    let _ = std::io::stdout().write_all(format!("\n{json}\n").as_bytes());
}

/// Tries a plugin in a child process.
///
/// # Errors
/// The plugin refused, crashed, or took longer than `timeout`.
pub fn run(spec: &PluginSpec, timeout: Duration) -> Result<Passed, Refusal> {
    let refuse = |reason: String| Refusal {
        plugin: spec.name.clone(),
        reason: format!("{}: {reason}", spec.source.display()),
    };
    let mut child = start(spec)
        .map_err(|error| refuse(format!("cannot start a process to try it in: {error}")))?;
    let outcome = watch(&mut child, timeout);
    // It has said all it has to say: what its threads and the processes it started still do is no
    // matter. Not yet waited for, it holds the number of the group.
    let pid = Pid::from_child(&child);
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    let status =
        child.wait().map_err(|error| refuse(format!("cannot wait for its trial: {error}")))?;
    match outcome {
        Outcome::Passed(passed) => Ok(passed),
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::Ended { is_loaded } => {
            Err(refuse(describe_end(status, end_phase(spec, is_loaded))))
        }
        Outcome::Late { is_loaded } => {
            let phase = match is_loaded {
                _ if spec.application.is_some() => "loading it",
                true => "csgi_init",
                false => "a constructor",
            };
            let seconds = timeout.as_secs();
            Err(refuse(format!(
                "{phase} has not returned after {seconds} s; do long work in a thread"
            )))
        }
    }
}

/// How a trial went.
enum Outcome {
    Passed(Passed),
    Refused(Refusal),
    /// The process ended without a word.
    Ended {
        is_loaded: bool,
    },
    Late {
        is_loaded: bool,
    },
}

/// Follows a trial until it is decided, without collecting the process. A plugin can close the
/// output, or leave it open in a process that it starts, so both the output and the process count.
fn watch(child: &mut Child, timeout: Duration) -> Outcome {
    let lines = read_lines(child);
    let mut deadline = Instant::now() + timeout;
    let (mut is_loaded, mut has_ended) = (false, false);
    loop {
        let tick = deadline.saturating_duration_since(Instant::now()).min(TICK);
        match lines.recv_timeout(tick) {
            Ok(Line::Loaded) => is_loaded = true,
            Ok(Line::Passed(passed)) => return Outcome::Passed(passed),
            Ok(Line::Refused(refusal)) => return Outcome::Refused(refusal),
            Err(mpsc::RecvTimeoutError::Disconnected) if has_ended => {
                return Outcome::Ended { is_loaded };
            }
            // Its end is a moment away, or it only closed its output.
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(tick),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if !has_ended && is_over(child) {
            has_ended = true;
            deadline = deadline.min(Instant::now() + LAST_LINES);
        }
        if Instant::now() >= deadline {
            return if has_ended {
                Outcome::Ended { is_loaded }
            } else {
                Outcome::Late { is_loaded }
            };
        }
    }
}

/// Has the process ended? It stays to be waited for.
fn is_over(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let state = rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), options);
    matches!(state, Ok(Some(_)))
}

fn start(spec: &PluginSpec) -> std::io::Result<Child> {
    let json = serde_json::to_vec(spec)?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("tenon")
        .arg("trial")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died before it read has a status that says more.
        let _ = stdin.write_all(&json);
    }
    Ok(child)
}

/// Gives the lines of a trial as they come; ends with its output.
fn read_lines(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A plugin may print lines of its own.
                if let Ok(line) = serde_json::from_str(&text)
                    && sender.send(line).is_err()
                {
                    return;
                }
            }
        });
    }
    lines
}

fn end_phase(spec: &PluginSpec, is_loaded: bool) -> &'static str {
    match is_loaded {
        _ if spec.application.is_some() => "its code, at load",
        true => "csgi_init or csgi_exit",
        false => "a constructor, at load",
    }
}

fn describe_end(status: ExitStatus, phase: &str) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name =
                nix::sys::signal::Signal::try_from(signal).map_or("a signal", |s| s.as_str());
            format!("it crashed with {name} in {phase}; run tenon check on it under gdb")
        }
        (None, code) => {
            let code = code.unwrap_or_default();
            format!("it ended the process with status {code} in {phase}; return an error instead")
        }
    }
}
