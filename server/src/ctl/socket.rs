//! The server's side of the control socket: a thread that accepts, one for each client, and a
//! function that carries commands out.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::client;
use super::place;
use super::protocol::{Answer, Command, Reply, Request, VERSION};
use crate::config::{Config, ControlSocket};
use crate::own_folder::make_private;

/// Clients at a time: people, not programs.
const CLIENTS: usize = 16;
/// A client that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// No command is longer.
const LONGEST_REQUEST: u64 = 64 * 1024;

type Answers = dyn Fn(Command) -> Answer + Send + Sync;

/// A control socket that is open; its file is removed when this is dropped.
pub struct ControlServer {
    pub path: PathBuf,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Somebody has been quicker.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket of this server, and lets `answer` answer what comes. `None`: none is wanted.
///
/// # Errors
/// In plain words: there is no place for it, or another server has it.
pub fn start(
    config: &Config,
    answer: impl Fn(Command) -> Answer + Send + Sync + 'static,
) -> Result<Option<ControlServer>, String> {
    let (path, listener) = match &config.control {
        ControlSocket::Off => return Ok(None),
        ControlSocket::At(path) => (path.clone(), open(path)?),
        ControlSocket::Automatic => open_somewhere(&config.plugins)?,
    };
    let answers: Arc<Answers> = Arc::new(answer);
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || accept(&UnixListener::from(listener), &answers))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(Some(ControlServer { path }))
}

fn open_somewhere(plugins: &Path) -> Result<(PathBuf, OwnedFd), String> {
    let mut reasons = Vec::new();
    for folder in place::folders(plugins) {
        if let Err(error) = make_private(&folder) {
            reasons.push(format!("{}: {error}", folder.display()));
            continue;
        }
        for present in place::present(&folder, plugins) {
            remove_if_dead(&present);
        }
        let path = folder.join(place::name(plugins, std::process::id()));
        match open(&path) {
            Ok(listener) => return Ok((path, listener)),
            Err(error) => reasons.push(error),
        }
    }
    Err(format!("there is no place for the control socket: {}", reasons.join("; ")))
}

/// The socket of a server that was killed is still there. `false`: somebody listens.
fn remove_if_dead(path: &Path) -> bool {
    let is_dead =
        client::connect(path).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
    if is_dead {
        // Another server that starts at this moment may have been quicker.
        let _ = std::fs::remove_file(path);
    }
    is_dead
}

fn open(path: &Path) -> Result<OwnedFd, String> {
    let shown = path.display();
    if path.exists() && !remove_if_dead(path) {
        return Err(format!(
            "{shown} is in use; another server may have it: choose another one with the key control"
        ));
    }
    let bind = || {
        let address = place::address(path)?;
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // The file of a socket gets the mode that the socket has before: it is never anybody else's,
        // not even for a moment.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &address.address)?;
        rustix::net::listen(&socket, CLIENTS as i32)?;
        Ok(socket)
    };
    bind().map_err(|error: std::io::Error| format!("cannot open the socket {shown}: {error}"))
}

fn accept(listener: &UnixListener, answers: &Arc<Answers>) {
    let clients = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("cannot accept on the control socket: {error}");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if let Err(error) = admit(&stream, &clients) {
            say(&stream, &Reply::new(Err(error)));
            continue;
        }
        let (answers, clients) = (answers.clone(), clients.clone());
        clients.fetch_add(1, Ordering::Relaxed);
        let place = Place(clients);
        let serve = move || {
            let _place = place;
            // The client has gone; that is its affair.
            let _ = serve(&stream, &*answers);
        };
        if let Err(error) = std::thread::Builder::new().name("ctl".to_owned()).spawn(serve) {
            tracing::warn!("cannot start a thread for a client of the control socket: {error}");
        }
    }
}

/// Given back when the client is gone, or its thread could not start.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Only we ourselves and root may ask anything.
fn admit(stream: &UnixStream, clients: &AtomicUsize) -> Result<(), String> {
    let peer = rustix::net::sockopt::socket_peercred(stream)
        .map_err(|error| format!("cannot see who you are: {error}"))?;
    let ours = rustix::process::geteuid();
    if peer.uid != ours && !peer.uid.is_root() {
        tracing::warn!("user {} has tried to use the control socket", peer.uid.as_raw());
        return Err(format!("this server belongs to user {}", ours.as_raw()));
    }
    if clients.load(Ordering::Relaxed) >= CLIENTS {
        return Err(format!("{CLIENTS} others are speaking to this server already"));
    }
    Ok(())
}

fn serve(stream: &UnixStream, answers: &Answers) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let count = reader.by_ref().take(LONGEST_REQUEST).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") {
            say(stream, &Reply::new(Err("a command is one line of at most 64 KiB".to_owned())));
            return Ok(());
        }
        let reply = Reply::new(understand(&line).and_then(answers));
        say(stream, &reply);
    }
}

fn understand(line: &[u8]) -> Result<Command, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let wrong = |error: serde_json::Error| format!("cannot understand this command: {error}");
    let Version { version } = serde_json::from_slice(line).map_err(wrong)?;
    if version != VERSION {
        return Err(format!(
            "this server speaks version {VERSION} of the protocol, not {version}: use the tenon \
             that it was started with"
        ));
    }
    Ok(serde_json::from_slice::<Request>(line).map_err(wrong)?.command)
}

fn say(mut stream: &UnixStream, reply: &Reply) {
    let Ok(mut line) = serde_json::to_vec(reply) else { return };
    line.push(b'\n');
    // The client has gone; that is its affair.
    let _ = stream.write_all(&line);
}
