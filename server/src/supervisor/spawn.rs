//! Listening sockets, and worker processes: starting one, speaking to it, ending it.

use std::collections::HashSet;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, Signal};
use socket2::{Domain, Protocol, Socket, Type};

use crate::control::{ToWorker, WorkerSpec};
use crate::crash::area::Area;

/// Connections that wait in the kernel to be accepted; the kernel may have a lower limit.
const BACKLOG: i32 = 4096;

/// Opens a listening socket; port 0 lets the system choose.
///
/// # Errors
/// In plain words: the address and what to do.
pub fn listen(address: SocketAddr) -> Result<(SocketAddr, OwnedFd), String> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of a former run that are still closing do not keep the port.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok((bound, OwnedFd::from(socket)))
    };
    open().map_err(|error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program listens there; stop it, or choose another address with --listen"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; choose another one with --listen"
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine does not have that address; choose another one with --listen"
            }
            _ => "choose another address with --listen",
        };
        format!("cannot listen on {address}: {error}: {remedy}")
    })
}

/// A running worker process, as the supervisor holds it. Not waited for: `Child` is.
pub struct Handle {
    pub pid: u32,
    pub started: Instant,
    pidfd: OwnedFd,
    pub control: Arc<OwnedFd>,
    /// What its threads write when they crash.
    pub crashes: Area,
    /// Those of its records that are collected already.
    pub collected: HashSet<usize>,
}

impl Handle {
    fn of(child: &Child, control: OwnedFd, crashes: Area) -> std::io::Result<Self> {
        let pid = child.id();
        let pidfd = Pid::from_raw(pid as i32)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))?;
        let (started, control) = (Instant::now(), Arc::new(control));
        Ok(Self { pid, started, pidfd, control, crashes, collected: HashSet::new() })
    }

    /// Tells it to finish; one that is ending already does not hear it.
    pub fn drain(&self, hand_over: bool) {
        self.say(&ToWorker::Drain { hand_over }, &[]).unwrap_or_else(|error| {
            tracing::debug!("worker {} does not listen any more: {error}", self.pid);
        });
    }

    /// Tells it that the files of its log have been moved away.
    pub fn reopen(&self) {
        self.say(&ToWorker::Reopen, &[]).unwrap_or_else(|error| {
            tracing::debug!("worker {} does not listen any more: {error}", self.pid);
        });
    }

    /// Asks which requests wait in it; `false`: it does not listen any more.
    pub fn list_waiting(&self, inquiry: u64) -> bool {
        self.say(&ToWorker::ListWaiting { inquiry }, &[]).is_ok()
    }

    pub fn kill(&self) {
        // Gone already is as good.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    fn say(&self, message: &ToWorker, descriptors: &[BorrowedFd<'_>]) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); 2048];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(std::io::Error::other("there are too many listeners for one worker"));
        }
        let parts = [IoSlice::new(&bytes)];
        rustix::net::sendmsg(&self.control, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// Starts a worker and gives it what it needs. One that ends before it has taken that counts as
/// started: who waits for it learns how it ended.
///
/// # Errors
/// The process cannot be started, or not be given its specification; then there is none.
pub fn start(
    spec: &WorkerSpec,
    scoreboard: &OwnedFd,
    receiver: &OwnedFd,
    senders: &[&OwnedFd],
    listeners: &[&OwnedFd],
    scratch: Option<&Path>,
) -> std::io::Result<(Handle, Child)> {
    let mut specification =
        std::fs::File::from(rustix::fs::memfd_create("tenon-spec", MemfdFlags::CLOEXEC)?);
    specification.write_all(&serde_json::to_vec(spec)?)?;
    let crashes = Area::create(spec.config.threads)?;
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut child = program()?
        .arg("worker")
        .stdin(Stdio::from(theirs))
        // A terminal's Ctrl-C is the supervisor's to understand.
        .process_group(0)
        // Request bodies that are too large for memory go there too.
        .envs(scratch.map(|folder| ("TMPDIR", folder)))
        .spawn()?;
    let started = Handle::of(&child, ours, crashes).and_then(|handle| {
        let mut descriptors = vec![
            specification.as_fd(),
            scoreboard.as_fd(),
            handle.crashes.descriptor(),
            receiver.as_fd(),
        ];
        descriptors.extend(listeners.iter().chain(senders).map(|socket| socket.as_fd()));
        match handle.say(&ToWorker::Start, &descriptors) {
            Err(error) if !matches!(error.kind(), BrokenPipe | ConnectionReset) => Err(error),
            _ => Ok(handle),
        }
    });
    match started {
        Ok(handle) => Ok((handle, child)),
        Err(error) => {
            // Gone already is as good.
            let _ = child.kill();
            child.wait()?;
            Err(error)
        }
    }
}

/// This program, or what `TENON_UNDER` says and this program: a plugin's author runs workers under
/// `valgrind` or `strace` so.
fn program() -> std::io::Result<Command> {
    let under = std::env::var("TENON_UNDER").unwrap_or_default();
    let mut words = under.split_whitespace();
    let Some(tool) = words.next() else {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("tenon");
        return Ok(command);
    };
    let mut command = Command::new(tool);
    command.args(words).arg(std::env::current_exe()?);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_a_remedy() {
        let (address, _socket) = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address.port(), 0);
        let error = listen(address).unwrap_err();
        assert!(error.contains(&address.to_string()) && error.contains("--listen"), "{error}");
    }
}
