//! Takes in connections that come from another worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll;
use socket2::SockRef;

use super::channel;
use super::message::{Arrival, Reader};
use crate::connection::Connection;
use crate::connection::table::READY;
use crate::worker::{CHANNEL, Worker};

/// A worker's ends of the channels: it takes from that of its pool, and sends to any.
pub struct Ends {
    senders: Vec<OwnedFd>,
    receiver: OwnedFd,
    is_paused: AtomicBool,
}

impl Ends {
    pub fn new(receiver: OwnedFd, senders: Vec<OwnedFd>) -> Self {
        Self { senders, receiver, is_paused: AtomicBool::new(true) }
    }

    /// Where connections go that the workers of `pool` are to have.
    pub fn sender(&self, pool: usize) -> BorrowedFd<'_> {
        self.senders[pool].as_fd()
    }

    /// Begins to adopt, or goes on after a pause.
    pub fn resume(&self, worker: &Worker) {
        if worker.is_evacuating() || !self.is_paused.swap(false, Ordering::AcqRel) {
            return;
        }
        // As for listeners: one message wakes one worker.
        let interest = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        let data = epoll::EventData::new_u64(CHANNEL);
        if let Err(error) = epoll::add(worker.epoll(), &self.receiver, data, interest) {
            tracing::error!("cannot watch the channel of moving connections: {error}");
        }
    }

    /// Somebody may wait to be adopted.
    pub fn is_waited_for(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// Adopts no more until `resume`. Async-signal-safe.
    pub fn pause(&self, worker: &Worker) {
        if !self.is_paused.swap(true, Ordering::AcqRel) {
            let _ = epoll::delete(worker.epoll(), &self.receiver);
        }
    }

    /// Adopts the connections of one message.
    pub fn adopt(&self, worker: &'static Worker) {
        if worker.table.is_full() {
            // Others may have room; those who end here make it.
            return self.pause(worker);
        }
        // Seen by the handler of a crash in another thread: these are in no table yet.
        let _motion = worker.in_motion();
        if worker.is_evacuating() {
            return;
        }
        let received = match channel::receive(self.receiver.as_fd()) {
            Ok(Some(received)) => received,
            Ok(None) => return,
            Err(error) => return tracing::error!("cannot adopt connections: {error}"),
        };
        let reader = Reader::new(&received.bytes, received.descriptors.into_iter());
        let Some(reader) = reader else {
            return tracing::error!(
                "connections came from another version of the server and are closed"
            );
        };
        reader.for_each(|arrival| insert(worker, arrival));
        worker.on_connection_opened();
    }
}

fn insert(worker: &'static Worker, arrival: Arrival) {
    // There is a place, unless several messages have come at once.
    let Some(token) = worker.table.reserve_above() else { return };
    let slot = worker.table.find(token).expect("a reserved slot lives");
    if arrival.state.time_left != 0 {
        slot.set_deadline(worker.clock.tick().saturating_add(arrival.state.time_left));
    }
    let peer = SockRef::from(&arrival.socket).peer_addr().ok().and_then(|peer| peer.as_socket());
    // It was let in before: here it is counted, but not refused.
    let pass = peer.and_then(|peer| worker.clients.enter(peer.ip()).ok()).flatten();
    let connection = Connection::arrived(arrival, pass);
    let socket = connection.socket();
    *slot.lock() = Some(connection);
    if worker.watch(socket.as_fd(), token).is_err() {
        slot.lock().take();
        worker.table.vacate(token, slot);
        return;
    }
    worker.notify(token, slot, READY);
}
