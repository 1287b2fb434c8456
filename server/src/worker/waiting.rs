//! Tells the supervisor which requests wait in this worker. What its threads are inside of is in the
//! scoreboard already.

use std::os::fd::AsFd;

use super::Worker;
use crate::connection::table::{Slot, Token};
use crate::control::{ToSupervisor, Waiting};

/// So many are told, the oldest: a message has a limit.
const MOST: usize = 1000;

/// Answers an inquiry, on a thread of its own: there may be very many connections.
pub fn tell(worker: &'static Worker, inquiry: u64) {
    let thread = std::thread::Builder::new().name("inquiry".to_owned());
    // Without it the supervisor shows what it knows itself.
    if let Err(error) = thread.spawn(move || send(worker, inquiry)) {
        tracing::debug!("cannot say which requests wait: {error}");
    }
}

fn send(worker: &Worker, inquiry: u64) {
    let slots = worker.table.slots();
    let mut requests: Vec<_> =
        slots.filter_map(|(token, slot)| look(worker, token, slot)).collect();
    requests.sort_unstable_by_key(|request| request.began);
    requests.truncate(MOST);
    let message = ToSupervisor::Waiting { inquiry, requests };
    let sent = serde_json::to_vec(&message)
        .map_err(std::io::Error::other)
        .and_then(|bytes| Ok(rustix::io::write(worker.control.as_fd(), &bytes)?));
    if let Err(error) = sent {
        tracing::debug!("cannot say which requests wait: {error}");
    }
}

/// Owns the connection while it looks; one that a thread is at is not waiting.
fn look(worker: &Worker, token: Token, slot: &Slot) -> Option<Waiting> {
    if !slot.claim() {
        return None;
    }
    let waiting = slot.try_lock().and_then(|connection| connection.as_ref()?.waiting());
    if !slot.release() {
        worker.push_ready(token);
    }
    waiting
}
