//! A burst of woken streams: each is asked what it has to say, and then all of it is sent.
//!
//! An event that a thousand clients wait for wakes a thousand streams. Asking one and sending, by turns,
//! is asking each time with caches that are full of what the kernel needs for sending. A stream that has
//! nothing more to say *posts* its bytes in the outbox of its thread, and stays owned until they are
//! sent.
//!
//! Whatever waits in an outbox must not wait for a plugin that hangs or has crashed: the monitor, which
//! notices, gives it back to the connections that it is from.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::net::{SendFlags, send};

use super::Worker;
use super::event_loop::{BATCH, Thread};
use crate::connection::table::Token;

/// What is longer is sent at once: copying it would cost more than it gains.
const LONGEST: usize = 4096;

/// One for each thread. Its thread fills and empties it; nobody holds the lock while a plugin runs.
#[derive(Default)]
pub struct Outbox(Mutex<Posted>);

#[derive(Default)]
struct Posted {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
}

/// What one connection has posted.
struct Letter {
    token: Token,
    socket: Arc<OwnedFd>,
    /// Its bytes that are not sent yet.
    rest: Range<usize>,
}

impl Outbox {
    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self) -> Posted {
        std::mem::take(&mut self.posted())
    }
}

impl Posted {
    /// Sends as much as the sockets take.
    fn send(&mut self) {
        for Letter { socket, rest, .. } in &mut self.letters {
            // An error will show again, like a socket that takes no more.
            rest.start += send(socket, &self.bytes[rest.clone()], SendFlags::NOSIGNAL).unwrap_or(0);
        }
    }

    /// Lets go of the connections; those that have something left go on with it.
    fn settle(&mut self, worker: &Worker) {
        for letter in self.letters.drain(..) {
            let rest = &self.bytes[letter.rest];
            let Some(slot) = worker.table.find(letter.token) else { continue };
            if rest.is_empty() && slot.release() {
                continue;
            }
            if let Some(connection) = slot.lock().as_mut() {
                connection.take_back(rest);
            }
            worker.push_ready(letter.token);
        }
        self.bytes.clear();
    }
}

impl Worker {
    /// What a thread has posted that is stuck in a plugin.
    pub(super) fn recall_posted(&self, thread: usize) {
        self.outboxes[thread].take().settle(self);
    }
}

impl Thread {
    /// Serves a connection that is ready, and those behind it for as long as they post: a burst.
    pub(super) fn serve_burst(&mut self, first: Token) {
        let mut next = Some(first);
        self.burst = Some(0);
        while let Some(token) = next {
            let before = self.burst;
            self.serve(token);
            self.before_look = self.before_look.saturating_sub(1);
            // Without the lead it is not the one that the monitor suspects.
            let goes_on = self.burst != before
                && self.burst < Some(BATCH)
                && self.worker.lead.is_held_by(self.number);
            next = if goes_on { self.worker.take_ready() } else { None };
        }
        self.send_posted();
        self.burst = None;
    }

    /// Leaves bytes to be sent at the end of the burst; the caller keeps the connection owned. `false`: there
    /// is no burst, or it is not worth it.
    pub fn post(&mut self, token: Token, socket: &Arc<OwnedFd>, bytes: &[u8]) -> bool {
        let Some(count) = &mut self.burst else { return false };
        if bytes.is_empty() || bytes.len() > LONGEST {
            return false;
        }
        *count += 1;
        let mut posted = self.worker.outboxes[self.number].posted();
        let start = posted.bytes.len();
        posted.bytes.extend_from_slice(bytes);
        let rest = start..posted.bytes.len();
        posted.letters.push(Letter { token, socket: socket.clone(), rest });
        true
    }

    /// Before a call that may take long, too.
    pub(super) fn send_posted(&self) {
        if self.burst.is_none_or(|count| count == 0) {
            return;
        }
        let outbox = &self.worker.outboxes[self.number];
        let mut posted = outbox.take();
        posted.send();
        posted.settle(self.worker);
        // Its memory is for the next burst.
        *outbox.posted() = posted;
    }
}
