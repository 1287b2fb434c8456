//! A trial: loads a plugin in a process of its own, before any worker does. What its constructors
//! and its `csgi_init` break there costs nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use crate::control::{PluginSpec, Refusal};
use crate::plugin::{Plugin, load};

/// What the trial says, one line each, in this order.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    /// The library is loaded: its constructors have run.
    Loaded,
    /// `csgi_init` has succeeded and `csgi_exit` returned.
    Passed,
    Refused(Refusal),
}

/// The hidden command `tenon trial`: the specification comes on standard input.
pub fn command() -> ExitCode {
    // A crash is expected here and must not leave a core file behind. Should the limit not be
    // settable, one may be left.
    let _ =
        rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
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
    let line = match try_plugin(&spec) {
        Ok(()) => Line::Passed,
        Err(refusal) => Line::Refused(refusal),
    };
    say(&line);
    load::end_process(0)
}

fn try_plugin(spec: &PluginSpec) -> Result<(), Refusal> {
    if let Ok(library) = &spec.library
        && load::load(&library.copy).is_ok()
    {
        say(&Line::Loaded);
    }
    // Loading it again is loading it once: the linker knows the file.
    Plugin::load(0, spec)?.exit();
    Ok(())
}

fn say(line: &Line) {
    // Whoever started the trial has gone if this fails, and nobody wants to know.
    let _ = serde_json::to_string(line).map(|text| println!("{text}"));
}

/// Tries a plugin in a child process.
///
/// # Errors
/// The plugin refused, crashed, or took longer than `timeout`.
pub fn run(spec: &PluginSpec, timeout: Duration) -> Result<(), Refusal> {
    let refuse = |reason: String| Refusal {
        plugin: spec.name.clone(),
        reason: format!("{}: {reason}", spec.source.display()),
    };
    let mut child = start(spec)
        .map_err(|error| refuse(format!("cannot start a process to try it in: {error}")))?;
    let lines = read_lines(&mut child);
    let deadline = Instant::now() + timeout;
    let mut is_loaded = false;
    let outcome = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Line::Loaded) => is_loaded = true,
            Ok(Line::Passed) => break Ok(()),
            Ok(Line::Refused(refusal)) => break Err(refusal),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let phase = if is_loaded { "csgi_init" } else { "a constructor" };
                break Err(refuse(format!(
                    "{phase} has not returned after {} s; do long work in a thread",
                    timeout.as_secs()
                )));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait().map_err(|error| refuse(error.to_string()))?;
                return Err(refuse(describe_end(status, is_loaded)));
            }
        }
    };
    // It has said all it has to say; what its own threads or exit handlers still do is no matter.
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

fn start(spec: &PluginSpec) -> std::io::Result<Child> {
    let mut child = Command::new("/proc/self/exe")
        .arg0("tenon")
        .arg("trial")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let json = serde_json::to_vec(spec)?;
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

fn describe_end(status: ExitStatus, is_loaded: bool) -> String {
    let phase = if is_loaded { "csgi_init or csgi_exit" } else { "a constructor, at load" };
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
