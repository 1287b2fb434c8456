//! A listening socket: accepts one connection at a time, so that workers share a crowd evenly.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::SockRef;

use super::{LISTENER, Worker};
use crate::connection::Connection;

pub struct Listener {
    socket: OwnedFd,
    number: usize,
    is_paused: AtomicBool,
}

impl Listener {
    pub fn new(socket: OwnedFd, number: usize) -> Self {
        Self { socket, number, is_paused: AtomicBool::new(true) }
    }

    /// Begins to accept, or goes on after a pause.
    pub fn resume(&self, worker: &Worker) {
        if worker.is_draining()
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
        let Some(token) = worker.table.reserve() else {
            // Full: those who come now wait in the kernel's queue until somebody leaves.
            return self.pause(worker);
        };
        let slot = worker.table.find(token).expect("a reserved slot lives");
        let accepted =
            rustix::net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
        let socket = match accepted {
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                worker.table.vacate(token, slot);
                return self.on_accept_error(worker, error);
            }
        };
        // Answers are written whole; waiting to fill packets only delays the last of them.
        let _ = SockRef::from(&socket).set_tcp_nodelay(true);
        *slot.lock() = Some(Connection::new(socket.clone()));
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
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
                tracing::error!("cannot accept a connection: {error}; accepting pauses"); // the monitor resumes
                self.pause(worker);
            }
            // Another worker was quicker, or the client has gone already.
            _ => {}
        }
    }
}
