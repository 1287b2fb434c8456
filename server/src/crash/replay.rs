//! A host of one request: runs it against a plugin in this process, and says what comes. So a crash
//! can be tried again, under a debugger too, and a new version of a plugin can be asked something
//! before it is served: nothing here handles signals.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use serde::{Deserialize, Serialize};

use crate::config::{Limits, RouteRule};
use crate::control::PluginSpec;
use crate::crash::report::printable;
use crate::http::head::{self, Framing, Head, MAX_FIELDS, Parsed, Version};
use crate::plugin::call::{Call, HostBody, Step};
use crate::plugin::facts::{Facts, Texts};
use crate::plugin::host::{self, Alarm};
use crate::plugin::input::Input;
use crate::plugin::load::end_process;
use crate::plugin::{Libraries, Plugin};
use crate::router::{Route, Router};
use crate::sandbox::Profile;

/// How long a plugin that waits for its wake is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a body that are shown.
const SHOWN: usize = 64 * 1024;
/// As a worker's thread has.
const STACK: usize = 8 * 1024 * 1024;

/// A request, and what it is for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Replay {
    pub plugin: PluginSpec,
    pub routes: Vec<RouteRule>,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    /// Isolate the process as the plugin's worker is; not under a debugger.
    pub is_confined: bool,
}

/// The hidden command `tenon replay FILE`.
pub fn command(file: &Path) -> ExitCode {
    let read = || Ok::<Replay, std::io::Error>(serde_json::from_slice(&std::fs::read(file)?)?);
    let outcome = read().map_err(|error| format!("cannot read {}: {error}", file.display()));
    let outcome = outcome.and_then(|replay| {
        if let Some(isolation) = replay.plugin.isolation.as_ref().filter(|_| replay.is_confined) {
            Profile::isolated(&replay.plugin, isolation, None)?.apply()?;
        }
        let builder = std::thread::Builder::new().name("serve-0".to_owned()).stack_size(STACK);
        let thread = builder.spawn(move || run(&replay)).map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|_| Err("the thread panicked".to_owned()))
    });
    match outcome {
        Ok(()) => end_process(0),
        Err(reason) => {
            eprintln!("tenon replay: {reason}");
            ExitCode::from(100)
        }
    }
}

/// Wakes whoever waits for the one request.
struct Bell(Sender<()>);

impl Alarm for Bell {
    fn wake(&self, _request: u64) {
        // The receiver lives as long as the process.
        let _ = self.0.send(());
    }

    fn wake_after(&self, _request: u64, delay: Duration) {
        let sender = self.0.clone();
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = sender.send(());
        });
    }
}

fn run(replay: &Replay) -> Result<(), String> {
    let (sender, bell) = unbounded();
    host::set_alarm(Box::leak(Box::new(Bell(sender))));
    let mut bytes = replay.head.clone();
    let mut head = Head::default();
    let size = bytes.len().max(1);
    let limits = Limits { head: size, target: size, headers: MAX_FIELDS, ..Limits::default() };
    match head::parse(&mut bytes, &limits, &mut head) {
        Ok(Parsed::Complete) => {}
        Ok(Parsed::Incomplete) => return Err("the recorded head is not whole".to_owned()),
        Err(error) => return Err(format!("the recorded head cannot be used: {error}")),
    }
    let mut libraries = Libraries::new(1, 1);
    let (plugin, _) = libraries.load(0, &replay.plugin).map_err(|refusal| refusal.reason)?;
    // Never freed: a library cannot be unloaded.
    let plugin: &'static Plugin = Box::leak(Box::new(plugin));
    let router = Router::new(&replay.routes).map_err(|error| error.to_string())?;
    let path = String::from_utf8_lossy(head.path.of(&bytes)).into_owned();
    let found = router.find(&path);
    let route = found.as_ref().map(|found| &found.route);
    let mut call = prepare(plugin, &head, &bytes, route, replay.body.clone())?;
    answer(&mut call, &bell)?;
    drop(call);
    libraries.exit();
    Ok(())
}

/// The call, with the `env` that a worker would make.
fn prepare(
    plugin: &'static Plugin,
    head: &Head,
    bytes: &[u8],
    route: Option<&Route<'_>>,
    body: Vec<u8>,
) -> Result<Call, String> {
    let path = head.path.of(bytes);
    let whole = 0..path.len();
    let (mount, rest) = match route {
        Some(route) => (route.mount.clone(), route.path.clone()),
        None => (0..0, whole),
    };
    let texts = Texts {
        scheme: "http",
        method: head.method.of(bytes),
        authority: head.authority.of(bytes),
        mount: path.get(mount).unwrap_or_default(),
        path: path.get(rest).unwrap_or_default(),
        query: head.query.of(bytes),
        target: head.target.of(bytes),
        remote: b"127.0.0.1:1",
        local: b"127.0.0.1:80",
    };
    let variables = route.map(|route| &route.variables[..]).unwrap_or_default();
    let facts = Facts {
        id: 1,
        request_id: None,
        http_version: if head.version == Version::Http11 { 11 } else { 10 },
        may_upgrade: false,
        content_length: match head.framing {
            Framing::None => 0,
            Framing::Length(length) => length as i64,
            Framing::Chunked => -1,
        },
        headers: head.fields.iter().map(|(name, value)| (name.of(bytes), value.of(bytes))),
        variables: variables
            .iter()
            .filter_map(|(name, value)| Some((name.as_bytes(), path.get(value.clone())?))),
    };
    // There is no client: what would be sent to it at once goes nowhere.
    let nowhere = File::options().read(true).write(true).open("/dev/null");
    let nowhere = nowhere.map_err(|error| format!("cannot open /dev/null: {error}"))?;
    let mut call = Call::new(plugin);
    call.input = Input::memory(body, Arc::new(OwnedFd::from(nowhere)), false);
    call.begin(plugin, &texts, facts);
    Ok(call)
}

/// Asks a plugin for `target` in this process; gives the status of its answer.
///
/// # Errors
/// In plain words: it has broken its contract, or it waits for what does not come.
pub fn ask(plugin: &'static Plugin, target: &str) -> Result<u16, String> {
    let (sender, bell) = unbounded();
    host::set_alarm(Box::leak(Box::new(Bell(sender))));
    let mut bytes = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let mut head = Head::default();
    match head::parse(&mut bytes, &Limits::default(), &mut head) {
        Ok(Parsed::Complete) => {}
        Ok(Parsed::Incomplete) => return Err("it is no target of a request".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let mut call = prepare(plugin, &head, &bytes, None, Vec::new())?;
    pull(&mut call, &bell)?;
    Ok(call.head().status())
}

/// Lets the plugin answer, and prints what it says.
fn answer(call: &mut Call, bell: &Receiver<()>) -> Result<(), String> {
    let (body, total) = pull(call, bell)?;
    let mut text = Vec::new();
    call.head().encode_interim_into(&mut text);
    let mut text = printable(&String::from_utf8_lossy(&text).replace("\r\n", "\n")).into_bytes();
    text.extend_from_slice(&body);
    if !body.is_empty() && !body.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-- answered, {total} bytes of body\n").as_bytes());
    std::io::stdout().write_all(&text).map_err(|error| error.to_string())
}

/// Lets the plugin answer to the end; gives the beginning of the body, and its length.
fn pull(call: &mut Call, bell: &Receiver<()>) -> Result<(Vec<u8>, u64), String> {
    let mut body = Vec::new();
    let mut length = 0;
    let mut keep = |bytes: &[u8]| {
        length += bytes.len() as u64;
        let room = SHOWN.saturating_sub(body.len());
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    };
    let mut step = call.start();
    let mut has_started = false;
    let file = loop {
        match step {
            Step::Host(HostBody::Copied(bytes)) => {
                keep(&bytes);
                break None;
            }
            Step::Host(HostBody::Borrowed(bytes)) => {
                keep(bytes.bytes());
                break None;
            }
            Step::Host(HostBody::File { length, .. }) => break Some(length),
            Step::Parts => call.parts().for_each(&mut keep),
            Step::Pending if has_started => bell
                .recv_timeout(PATIENCE)
                .map_err(|_| "the plugin waits for something that does not come".to_owned())?,
            Step::Pending => {}
            Step::End => break None,
            Step::Failed(reason) => return Err(format!("the plugin has failed: {reason}")),
        }
        has_started = true;
        step = call.pull();
    };
    call.close();
    Ok((body, file.unwrap_or(length)))
}
