//! Sends the connections of a worker that ends to those who go on.
//!
//! `round` goes through the table once. It takes connections that nobody works on, and only looks at
//! them: no heap, no lock that another thread may hold, so that the handler of a crash can use it as
//! well as the thread that empties a worker in an orderly way (`run`).

use std::time::{Duration, Instant};

use super::channel;
use super::message::{MOST, Message, Refused, SIZE};
use crate::connection::Connection;
use crate::connection::table::{Slot, Token};
use crate::respond::MAIN;
use crate::worker::Worker;

/// How long a message may wait for room in the channel: a successor must start first.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two rounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Connections of one message, owned by us.
struct Batch<'w> {
    owned: [Option<(Token, &'w Slot)>; MOST],
    count: usize,
}

/// Empties a worker whose successor is there; returns when it stops. For a thread of its own.
pub fn run(worker: &'static Worker) {
    let mut buffer = vec![0; SIZE];
    let mut pause = SHORTEST_PAUSE;
    while !worker.lead.is_stopped() {
        let moved = round(worker, &mut buffer, false);
        pause = if moved > 0 { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        std::thread::sleep(pause);
    }
}

/// Empties a worker in which a thread has crashed; returns when nothing is left that could be saved,
/// or when the time for that is over. For the handler.
pub fn run_dying(worker: &Worker, buffer: &mut [u8]) {
    let begin = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        let moved = round(worker, buffer, true);
        if worker.is_evacuated() || begin.elapsed() > worker.config().timeouts.drain {
            return;
        }
        pause = if moved > 0 { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        channel::pause(pause);
    }
}

/// Moves what can move now; says how many connections that were. Those that have moved stay owned:
/// if the worker is not `is_dying`, a thread of it ends what is left of them.
pub fn round(worker: &Worker, buffer: &mut [u8], is_dying: bool) -> usize {
    let mut message = Message::new(buffer);
    let mut batch = Batch { owned: [const { None }; MOST], count: 0 };
    let mut moved = 0;
    let now = worker.clock.tick();
    for (token, slot) in worker.table.slots() {
        if !slot.claim() {
            continue;
        }
        let mut pushed = push(&mut message, slot, now, is_dying);
        if pushed == Some(Err(Refused::Full)) {
            moved += dispatch(worker, &mut message, &mut batch, is_dying);
            pushed = push(&mut message, slot, now, is_dying);
        }
        match pushed {
            Some(Ok(())) => {
                batch.owned[batch.count] = Some((token, slot));
                batch.count += 1;
            }
            Some(Err(_)) => {
                with_connection(slot, Connection::mark_staying);
                worker.give_back(token);
            }
            None if is_dying && is_answered(slot) => worker.lose_connection(),
            None => release(worker, token, slot),
        }
    }
    moved + dispatch(worker, &mut message, &mut batch, is_dying)
}

fn with_connection(slot: &Slot, f: impl FnMut(&mut Connection)) {
    if let Some(mut place) = slot.try_lock() {
        place.as_mut().into_iter().for_each(f);
    }
}

/// `None`: it stays.
fn push(
    message: &mut Message<'_>,
    slot: &Slot,
    now: u32,
    is_dying: bool,
) -> Option<Result<(), Refused>> {
    let connection = slot.try_lock()?;
    let parcel = connection.as_ref()?.parcel(slot, now, is_dying)?;
    Some(message.push(&parcel))
}

/// Only its end is waited for: nothing is lost with it.
fn is_answered(slot: &Slot) -> bool {
    slot.try_lock().is_some_and(|place| place.as_ref().is_some_and(Connection::is_lingering))
}

fn release(worker: &Worker, token: Token, slot: &Slot) {
    if !slot.release() {
        worker.give_back(token);
    }
}

/// Sends the message, and lets go of what could not be sent.
fn dispatch(
    worker: &Worker,
    message: &mut Message<'_>,
    batch: &mut Batch<'_>,
    is_dying: bool,
) -> usize {
    if batch.count == 0 {
        return 0;
    }
    // The main pool knows where each of them belongs.
    let sent = channel::send(worker.channel.sender(MAIN), message, PATIENCE).is_ok();
    message.clear();
    for (token, slot) in batch.owned.iter_mut().filter_map(Option::take) {
        if !sent {
            release(worker, token, slot);
            continue;
        }
        with_connection(slot, Connection::mark_moved);
        if is_dying {
            worker.lose_connection();
        } else {
            worker.give_back(token);
        }
    }
    let count = std::mem::take(&mut batch.count);
    if sent { count } else { 0 }
}
