//! A listening socket: accepts one connection at a time, so that workers share a crowd evenly.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags};
use rustix::time::Timespec;
use socket2::SockRef;

use super::{LISTENER, Worker};
use crate::connection::Connection;
use crate::http::date;

pub struct Listener {
    socket: OwnedFd,
    number: usize,
    /// Its connections have a reserve, so that an operator is answered when all others wait. Who an
    /// operator is, is a matter of where it connects: a path or a field could be sent by anybody, and
    /// loopback may be a proxy that everybody comes through.
    is_for_operators: bool,
    is_paused: AtomicBool,
    /// The last connection could not be accepted; said once.
    is_starved: AtomicBool,
}

impl Listener {
    pub fn new(socket: OwnedFd, number: usize, is_for_operators: bool) -> Self {
        let is_paused = AtomicBool::new(true);
        Self { socket, number, is_for_operators, is_paused, is_starved: AtomicBool::new(false) }
    }

    /// Begins to accept, or goes on after a pause.
    pub fn resume(&self, worker: &Worker) {
        if !self.has_room(worker)
            || worker.is_draining()
            || worker.is_evacuating()
            || !self.is_paused.swap(false, Ordering::AcqRel)
        {
            return;
        }
        let data = epoll::EventData::new_u64(LISTENER + self.number as u64);
        // Level-triggered and exclusive: one connection wakes one worker, and the next one that
        // waits in the queue another.
        let interest = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        if let Err(error) = epoll::add(&worker.epoll, &self.socket, data, interest) {
            tracing::error!("cannot watch listener {}: {error}", self.number);
        }
    }

    fn has_room(&self, worker: &Worker) -> bool {
        self.is_for_operators || !worker.table.is_full()
    }

    /// Somebody waits to be accepted, here or by another worker.
    pub fn is_waited_for(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.is_paused.load(Ordering::Relaxed) && poll(&mut polled, Some(&now)).is_ok_and(|n| n > 0)
    }

    /// The system lacks what accepting takes.
    pub fn is_starved(&self) -> bool {
        self.is_starved.load(Ordering::Relaxed)
    }

    /// Accepts no more until `resume`.
    fn pause(&self, worker: &Worker) {
        if !self.is_paused.swap(true, Ordering::AcqRel) {
            let _ = epoll::delete(&worker.epoll, &self.socket);
        }
    }

    /// Accepts no more at all.
    pub fn close(&self, worker: &Worker) {
        self.pause(worker);
    }

    /// Accepts one connection.
    pub fn accept(&self, worker: &'static Worker) {
        // Seen by the handler of a crash in another thread: the new connection is in no table yet.
        let _motion = worker.in_motion();
        if worker.is_draining() || worker.is_evacuating() {
            return;
        }
        let place = if self.has_room(worker) { worker.table.reserve() } else { None };
        let Some(token) = place else {
            // Full: those who come now wait in the kernel's queue until somebody leaves.
            return self.pause(worker);
        };
        let slot = worker.table.find(token).expect("a reserved slot lives");
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, peer) = match rustix::net::acceptfrom_with(&self.socket, flags) {
            Ok((socket, peer)) => (Arc::new(socket), peer),
            Err(error) => {
                worker.table.vacate(token, slot);
                return self.on_accept_error(worker, error);
            }
        };
        self.is_starved.store(false, Ordering::Relaxed);
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        let pass = match peer {
            // A proxy speaks for many.
            Some(peer) if !self.is_for_operators && !worker.config().proxies.trusts(peer.ip()) => {
                worker.clients.enter(peer.ip())
            }
            _ => Ok(None),
        };
        let Ok(pass) = pass else {
            turn_away(&socket);
            return worker.table.vacate(token, slot);
        };
        // Answers are written whole; waiting to fill packets only delays the last of them.
        let _ = SockRef::from(&socket).set_tcp_nodelay(true);
        let mut connection = Connection::new(socket.clone(), pass, self.is_for_operators);
        if worker.config().proxies.proxy_protocol && !self.is_for_operators {
            connection.await_proxy_header();
        }
        *slot.lock() = Some(connection);
        slot.set_deadline(worker.clock.deadline(worker.config().timeouts.head));
        if worker.watch(socket.as_fd(), token).is_err() {
            slot.lock().take();
            worker.table.vacate(token, slot);
            return;
        }
        worker.on_connection_opened();
    }

    fn on_accept_error(&self, worker: &Worker, error: Errno) {
        match error {
            // Another worker was quicker, or the client has gone already; accept(2) passes on what
            // the network has to say of it.
            Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM => {}
            Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::HOSTUNREACH => {}
            Errno::NOPROTOOPT | Errno::OPNOTSUPP | Errno::NONET => {}
            // No descriptors or memory, most likely. Asking again at once would only burn time: the
            // monitor resumes at its next look, or the end of a connection before that.
            _ => {
                if !self.is_starved.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "cannot accept connections: {error}; accepting pauses until it can"
                    );
                }
                self.pause(worker);
            }
        }
    }
}

/// Says that there are too many connections of this address, as far as that can be said to somebody
/// who has not asked yet (RFC 6585 §4).
fn turn_away(socket: &OwnedFd) {
    let mut answer = b"HTTP/1.1 429 Too Many Requests\r\n".to_vec();
    date::with_line(|line| answer.extend_from_slice(line));
    answer.extend_from_slice(b"Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // Nobody waits for this client: what it does not take is lost.
    let _ = rustix::io::write(socket, &answer);
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
}
