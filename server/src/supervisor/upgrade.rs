//! Upgrade: this process starts the program anew from its file, gives it the listening sockets and
//! the channels, and ends when that one serves. Until then it goes on serving; whatever goes wrong
//! with the new program costs nothing but a line in the log.
//!
//! ```text
//! old ── Begin, Listener…, Channel…, End, with descriptors ──► new (on its standard input)
//! old ◄────────────── Ready: its first generation serves ───── new
//! old: gives the control socket's name away, shuts the socket ► new opens its control socket
//! old: its workers hand over through the shared channels; ends when they are gone
//! ```
//!
//! `inherit` is the new program's side.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::generation::{Channels, Listening};
use super::program::Program;
use super::service_manager;
use super::{Event, Supervisor};
use crate::ctl::protocol::Answer;
use crate::handoff::message::MAGIC;

/// Of these messages. Another one is refused by the new program, which ends then.
pub const VERSION: u32 = 1;
/// In the environment: the process whose child takes over from it, so that nobody further down
/// takes its own standard input for the socket.
pub const VARIABLE: &str = "TENON_UPGRADE_FROM";
/// Descriptors of one message.
const DESCRIPTORS: usize = 2;
/// No message is longer: names of plugins are short.
const LONGEST: usize = 4096;

/// Old → new.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToSuccessor {
    /// First. `layout` is that of connections on their way.
    Begin { version: u32, layout: u32 },
    /// With the listening socket.
    Listener { configured: SocketAddr, bound: SocketAddr },
    /// With the sender and the receiver of a pool's channel.
    Channel { pool: String },
    /// Last.
    End,
}

/// New → old.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToPredecessor {
    /// It serves. `adopts`: it takes connections from the channels.
    Ready { adopts: bool },
}

/// A new program that serves.
pub struct Successor {
    pid: u32,
    adopts: bool,
}

/// Where this process stands.
#[derive(Default)]
pub struct Upgrade {
    /// To be begun when no generation is on its way any more.
    is_wanted: bool,
    /// Our end of the socket to the new program.
    running: Option<Arc<OwnedFd>>,
    /// Who has asked for it and waits.
    asked: Option<Sender<Answer>>,
    /// The new program serves; this process only ends what it has.
    is_over: bool,
}

impl Upgrade {
    /// Another program may be using our files, or is about to.
    pub fn has_begun(&self) -> bool {
        self.running.is_some() || self.is_over
    }

    /// No generation is to be begun.
    pub fn holds_reloads(&self) -> bool {
        self.running.is_some()
    }

    fn answer(&mut self, answer: Answer) {
        // Who asked may have gone.
        self.asked.take().map(|asked| asked.send(answer));
    }
}

impl Supervisor {
    /// Begins an upgrade as soon as it can be; whoever asked is answered when it is over.
    pub(super) fn upgrade(&mut self, asked: Option<Sender<Answer>>) {
        let is_busy = self.upgrade.is_wanted || self.upgrade.has_begun();
        let obstacle = match () {
            () if self.is_stopping => Some("the server is stopping"),
            () if is_busy => Some("an upgrade is under way already"),
            () => None,
        };
        if let Some(obstacle) = obstacle {
            tracing::warn!("no upgrade is begun: {obstacle}");
            // Who asked may have gone.
            asked.map(|asked| asked.send(Err(obstacle.to_owned())));
            return;
        }
        self.upgrade.is_wanted = true;
        self.upgrade.asked = asked;
        self.upgrade_if_wanted();
    }

    /// Begins the upgrade that is wanted, if nothing else is changing.
    pub(super) fn upgrade_if_wanted(&mut self) {
        if !self.upgrade.is_wanted || self.pending.is_some() || self.catalog.is_none() {
            return;
        }
        let Some(current) = &self.current else { return };
        self.upgrade.is_wanted = false;
        let goods = Goods {
            listening: current.listening.clone(),
            channels: self.channels.clone(),
            patience: current.config.timeouts.upgrade,
        };
        match self.program.clone().and_then(|program| goods.begin(program, self.sender.clone())) {
            Ok(socket) => self.upgrade.running = Some(socket),
            Err(error) => self.on_upgraded(Err(error)),
        }
    }

    /// The new program serves, or does not.
    pub(super) fn on_upgraded(&mut self, outcome: Result<Successor, String>) {
        let socket = self.upgrade.running.take();
        match outcome {
            Err(reason) => {
                let text = format!("the upgrade has failed, and nothing has changed: {reason}");
                tracing::error!("{text}");
                self.upgrade.answer(Err(text));
                if let Some(is_forced) = self.prepare_again.take() {
                    self.prepare(is_forced);
                }
            }
            Ok(successor) if self.is_stopping => signal(successor.pid, Signal::SIGTERM),
            Ok(successor) => self.give_way(&successor, socket.as_deref()),
        }
    }

    fn give_way(&mut self, successor: &Successor, socket: Option<&OwnedFd>) {
        let pid = successor.pid;
        let text = format!("process {pid} serves now in place of process {}", std::process::id());
        tracing::info!("{text}");
        service_manager::tell(&format!("MAINPID={pid}"));
        // First the name of the control socket, then the word that it is free.
        self.control = None;
        if let Some(socket) = socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
        if self.prepare_again.take() == Some(true) {
            // It may have read the configuration before it changed.
            signal(pid, Signal::SIGHUP);
        }
        self.upgrade.is_over = true;
        self.restarts.clear();
        if successor.adopts {
            self.drain_all_but(&[], None);
            self.is_stopping = true;
        } else {
            tracing::warn!(
                "process {pid} describes connections differently: those that are open end here, \
                 as when the server stops"
            );
            self.is_stopping = true;
            self.drain_all_but(&[], None);
        }
        self.upgrade.answer(Ok(text.into()));
    }

    /// The server stops: what has been begun is not waited for.
    pub(super) fn abandon_upgrade(&mut self) {
        self.upgrade.is_wanted = false;
        if let Some(socket) = &self.upgrade.running {
            // Its thread takes that as the new program's end, ends it, and says so.
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
        if self.upgrade.running.is_none() {
            self.upgrade.answer(Err("the server is stopping".to_owned()));
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    // A process that has gone already says so in its own way.
    let _ = nix::sys::signal::kill(Pid::from_raw(pid as i32), signal);
}

/// What the new program gets.
struct Goods {
    listening: Vec<Arc<Listening>>,
    channels: Channels,
    patience: Duration,
}

impl Goods {
    /// Starts the new program, on a thread of its own that sends the outcome. Gives our end of the
    /// socket to it.
    fn begin(self, program: Program, sender: Sender<Event>) -> Result<Arc<OwnedFd>, String> {
        let kind = SocketType::SEQPACKET;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
                .map_err(|error| format!("cannot open a socket: {error}"))?;
        for direction in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&ours, direction, Some(self.patience))
                .map_err(|error| format!("cannot limit the time of an upgrade: {error}"))?;
        }
        let ours = Arc::new(ours);
        let socket = ours.clone();
        let work = move || match self.start(&program, &socket, theirs) {
            Ok((mut child, successor)) => {
                // The receiver lives as long as the process.
                let _ = sender.send(Event::Upgraded(Ok(successor)));
                let _ = child.wait();
            }
            Err(reason) => drop(sender.send(Event::Upgraded(Err(reason)))),
        };
        std::thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(work)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(ours)
    }

    fn start(
        &self,
        program: &Program,
        socket: &OwnedFd,
        theirs: OwnedFd,
    ) -> Result<(Child, Successor), String> {
        let path = program.path.display();
        // The command holds the other end; the child alone is to have it.
        let child = Command::new(&program.path)
            .arg0(&program.name)
            .args(&program.arguments)
            .env(VARIABLE, std::process::id().to_string())
            .stdin(Stdio::from(theirs))
            .spawn();
        let mut child = child.map_err(|error| format!("cannot start {path}: {error}"))?;
        let pid = child.id();
        match self.send(socket).and_then(|()| receive(socket)) {
            Ok((ToPredecessor::Ready { adopts }, _)) => Ok((child, Successor { pid, adopts })),
            Err(error) => {
                let is_late = error.kind() == std::io::ErrorKind::WouldBlock;
                // One that ends already keeps the status it ends with.
                let _ = child.kill();
                let status = child.wait().map_or("unknown status".to_owned(), |s| s.to_string());
                Err(match is_late {
                    true => format!("{path} was not ready within {:?}", self.patience),
                    false => format!("{path} did not come to serve: {error}; it ended: {status}"),
                })
            }
        }
    }

    fn send(&self, socket: &OwnedFd) -> std::io::Result<()> {
        send(socket, &ToSuccessor::Begin { version: VERSION, layout: MAGIC }, &[])?;
        for Listening { configured, bound, socket: listener } in
            self.listening.iter().map(|one| &**one)
        {
            let message = ToSuccessor::Listener { configured: *configured, bound: *bound };
            send(socket, &message, &[listener.as_fd()])?;
        }
        for (pool, channel) in self.channels.iter() {
            let message = ToSuccessor::Channel { pool: pool.to_owned() };
            send(socket, &message, &[channel.sender.as_fd(), channel.receiver.as_fd()])?;
        }
        send(socket, &ToSuccessor::End, &[])
    }
}

/// Sends one message with its descriptors.
pub fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL.into());
    }
    let parts = [IoSlice::new(&bytes)];
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(&socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

/// Waits for the next message.
pub fn receive<T: serde::de::DeserializeOwned>(
    socket: impl AsFd,
) -> std::io::Result<(T, Vec<OwnedFd>)> {
    let mut bytes = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        rustix::net::recvmsg(&socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Err(std::io::Error::other("it has closed its socket"));
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    Ok((serde_json::from_slice(&bytes[..received.bytes])?, descriptors))
}
