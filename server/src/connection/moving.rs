//! A connection that leaves for another process, and one that has come from there.
//!
//! What can leave needs no plugin code that has begun to run: see `Connection::parcel`. The sending
//! side only looks: it allocates nothing, so that a signal handler can use it too.

use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::{Exchange, Stage};
use super::output::{Output, Tail};
use super::reading::{MOST_HOPS, Request};
use super::receiving::Receiving;
use super::table::Slot;
use super::{Connection, Ends, Next, Phase, Place, Verdict};
use crate::handoff::channel;
use crate::handoff::message::{self, Arrival, ArrivedBody, Body, Message, Parcel, State};
use crate::http::body::BodyDecoder;
use crate::http::head::{Head, Parsed};
use crate::plugin::input::Stored;
use crate::respond::{MAIN, Target};
use crate::worker::clients::Pass;
use crate::worker::event_loop::Thread;

/// A request whose body was on its way when its connection moved.
pub(super) struct Begun {
    head: Vec<u8>,
    body: ArrivedBody,
}

/// The state of a decoder that has nothing more to do.
fn complete() -> message::DecoderState {
    BodyDecoder::complete().to_words()
}

impl Connection {
    /// What another process needs to go on with this connection; `None`: it stays, because a plugin
    /// is at it, its body is being compressed, or it is about to end. `is_dying`: this process serves no more requests, so those
    /// that wait for a turn in a plugin leave too.
    pub fn parcel(&self, slot: &Slot, now: u32, is_dying: bool) -> Option<Parcel<'_>> {
        if self.is_moved {
            return None;
        }
        let mut parcel = Parcel {
            socket: self.socket.as_fd(),
            state: State {
                is_fresh: self.is_fresh,
                is_closing: self.is_closing,
                has_unread_input: self.has_unread_input,
                time_left: slot.time_left(now),
                hops: self.hops,
                is_operator: self.is_operator,
                awaits_proxy_header: self.awaits_proxy_header,
            },
            ends: match &self.ends {
                Some(ends) if ends.are_told => [ends.remote.as_bytes(), ends.local.as_bytes()],
                _ => [&[], &[]],
            },
            head: &[],
            body: Body::None,
            input: [&[], &[], &self.input],
            output: self.output.rest(),
            tail: self.output.tail_rest()?,
        };
        match &self.phase {
            Phase::Head => {}
            Phase::Body(receiving) => {
                parcel.head = receiving.head();
                parcel.body = receiving.body();
            }
            Phase::Exchange(exchange) if exchange.is_waiting_to_begin() && is_dying => {
                request_again(exchange, &mut parcel);
            }
            Phase::Exchange(exchange) if exchange.has_left_body() => {
                answer_left(exchange, &mut parcel);
            }
            Phase::Arrived(begun) => {
                parcel.head = &begun.head;
                parcel.body = match &begun.body {
                    ArrivedBody::None => Body::None,
                    ArrivedBody::Memory(bytes, decoder) => Body::Memory(bytes, *decoder),
                    ArrivedBody::File(file, decoder) => Body::File(file.as_fd(), *decoder),
                };
            }
            Phase::Exchange(_) | Phase::Linger { .. } => return None,
        }
        Some(parcel)
    }

    /// A connection as it has come from another process; the next step goes on with it.
    pub fn arrived(arrival: Arrival, pass: Option<Pass>) -> Self {
        let Arrival { socket, state, ends, head, body, input, output, tail } = arrival;
        let mut connection = Self::new(Arc::new(socket), pass, state.is_operator);
        connection.is_fresh = state.is_fresh;
        connection.is_closing = state.is_closing;
        connection.has_unread_input = state.has_unread_input;
        connection.hops = state.hops;
        connection.awaits_proxy_header = state.awaits_proxy_header;
        connection.ends =
            ends.map(|[remote, local]| Box::new(Ends { remote, local, are_told: true }));
        connection.input = input;
        connection.output = Output::new(output);
        if let Some(message::ArrivedTail { file, offset, left }) = tail {
            connection.output.tail = Tail::File { file: file.into(), offset, left };
        }
        if !head.is_empty() {
            connection.phase = Phase::Arrived(Box::new(Begun { head, body }));
        }
        connection
    }

    /// Another process goes on with it. The next step here ends what is left.
    pub fn mark_moved(&mut self) {
        self.is_moved = true;
    }

    /// All is answered, and the client's close is awaited.
    pub fn is_lingering(&self) -> bool {
        matches!(self.phase, Phase::Linger { .. })
    }

    pub fn is_moved(&self) -> bool {
        self.is_moved
    }

    /// It cannot be described in a message: it goes on here.
    pub fn mark_staying(&mut self) {
        self.stays = true;
    }

    /// Sends it to the workers of a pool; if they cannot take it, its client is told so.
    pub(super) fn depart(&mut self, pool: usize, thread: &mut Thread, at: Place<'_>) -> Verdict {
        if self.move_to(pool, thread, at) {
            return Verdict::Close;
        }
        tracing::warn!("the workers of pool {pool} take no more: a request is refused");
        let bytes = match mem::replace(&mut self.phase, Phase::Head) {
            Phase::Arrived(begun) => begun.head,
            _ => mem::take(&mut self.input),
        };
        self.refuse(thread, 503, None, &bytes);
        match self.run(thread, at, 0, 0) {
            Verdict::Move(_) => Verdict::Close,
            verdict => verdict,
        }
    }

    /// Leaves a full worker, being idle: the main pool has it until it asks for something, where it is
    /// not in the main pool; there it ends.
    pub(super) fn give_way(&mut self, thread: &mut Thread, at: Place<'_>) -> Verdict {
        if thread.worker.spec.pool != MAIN {
            // A channel without room is no worse than a pool without.
            self.move_to(MAIN, thread, at);
        }
        Verdict::Close
    }

    /// `false`: they take no more.
    fn move_to(&mut self, pool: usize, thread: &mut Thread, at: Place<'_>) -> bool {
        self.hops = self.hops.saturating_add(1);
        let mut buffer = mem::take(&mut thread.parcels);
        buffer.resize(message::SIZE, 0);
        let now = thread.worker.clock.tick();
        let is_sent = self.parcel(at.slot, now, false).is_some_and(|parcel| {
            let mut message = Message::new(&mut buffer);
            let sender = thread.worker.channel.sender(pool);
            message.push(&parcel).is_ok() && channel::send(sender, &message, Duration::ZERO).is_ok()
        });
        thread.parcels = buffer;
        if is_sent {
            self.is_moved = true;
            self.output.bytes.clear();
        }
        is_sent
    }

    /// After it has moved: gives the plugin back what it lent.
    #[cold]
    pub(super) fn leave(&mut self, thread: &mut Thread, at: Place<'_>, notices: u32) -> Verdict {
        match mem::replace(&mut self.phase, Phase::Head) {
            Phase::Exchange(mut exchange) => {
                exchange.abort();
                match self.advance(exchange, thread, at, notices) {
                    Next::Verdict(verdict) => verdict,
                    Next::Go => Verdict::Close,
                }
            }
            _ => Verdict::Close,
        }
    }

    /// Goes on with a request whose body had begun to arrive elsewhere.
    #[cold]
    pub(super) fn resume(&mut self, begun: Begun, thread: &mut Thread, at: Place<'_>) -> Next {
        let Begun { head: mut bytes, body } = begun;
        let mut head = thread.head.take().unwrap_or_default();
        let limits = &thread.worker.config().limits;
        match crate::http::head::parse(&mut bytes, limits, &mut head) {
            Ok(Parsed::Complete) => {
                if let Err(error) = self.believe_proxy(&bytes, &mut head, thread) {
                    self.refuse_request(thread, &error, &bytes);
                    return Next::Go;
                }
            }
            // It was complete under the limits of another configuration.
            Ok(Parsed::Incomplete) => {
                self.refuse(thread, 431, None, &bytes);
                return Next::Go;
            }
            Err(error) => {
                self.refuse_request(thread, &error, &bytes);
                return Next::Go;
            }
        }
        self.receive_begun(bytes, head, body, thread, at)
    }

    fn receive_begun(
        &mut self,
        bytes: Vec<u8>,
        mut head: Box<Head>,
        body: ArrivedBody,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        let (plugin, route) = match thread.worker.site.target(head.path.of(&bytes)) {
            Target::Plugin(plugin, route) => (plugin, route),
            Target::Elsewhere(pool) if self.hops < MOST_HOPS => {
                self.phase = Phase::Arrived(Box::new(Begun { head: bytes, body }));
                return Next::Verdict(Verdict::Move(pool));
            }
            _ => {
                // It is served no more; nobody reads the rest of its body.
                self.refuse(thread, 404, None, &bytes);
                return Next::Go;
            }
        };
        self.hops = 0;
        let request =
            Request { plugin, route: &route, head: &mut head, head_bytes: &bytes, rest: &[] };
        thread.started = thread.worker.access_log.shows_times().then(Instant::now);
        let exchange = Exchange::begin(self, request, thread, at);
        self.phase = Phase::Body(Box::new(match body {
            ArrivedBody::None => Receiving::new(exchange, BodyDecoder::complete()),
            ArrivedBody::Memory(bytes, decoder) => {
                Receiving::resumed(exchange, BodyDecoder::from_words(decoder), bytes, None)
            }
            ArrivedBody::File(file, decoder) => {
                let decoder = BodyDecoder::from_words(decoder);
                Receiving::resumed(exchange, decoder, Vec::new(), Some(file.into()))
            }
        }));
        Next::Go
    }
}

/// A request that no plugin has seen yet begins anew elsewhere.
fn request_again<'c>(exchange: &'c Exchange, parcel: &mut Parcel<'c>) {
    match exchange.call.input.stored() {
        Stored::Bytes([]) => parcel.input[0] = &exchange.bytes,
        Stored::Bytes(bytes) => {
            parcel.head = &exchange.bytes;
            parcel.body = Body::Memory(bytes, complete());
        }
        Stored::File(file) => {
            parcel.head = &exchange.bytes;
            parcel.body = Body::File(file, complete());
        }
        Stored::Stream { rest, .. } => {
            parcel.input[0] = &exchange.bytes;
            parcel.input[1] = rest;
        }
    }
}

/// The plugin has left its whole answer with us, and only its bytes are still to be sent.
fn answer_left<'c>(exchange: &'c Exchange, parcel: &mut Parcel<'c>) {
    if let Stored::Stream { rest, is_at_end } = exchange.call.input.stored() {
        if is_at_end {
            parcel.input[1] = rest;
        } else {
            parcel.state.is_closing = true;
            parcel.state.has_unread_input = true;
        }
    }
}

impl Exchange {
    /// No plugin has seen this request.
    fn is_waiting_to_begin(&self) -> bool {
        let has_begun = self.is_inside() || self.answered.is_some();
        self.stage == Stage::Start && !has_begun && !self.is_aborted
    }

    /// See `Connection::may_leave`.
    pub(super) fn may_leave(&self, is_dying: bool) -> bool {
        self.has_left_body() || (is_dying && self.is_waiting_to_begin())
    }

    /// Complete, but for bytes that the plugin has lent.
    fn has_left_body(&self) -> bool {
        self.stage == Stage::End && !self.call.is_open() && !self.is_aborted
    }
}
