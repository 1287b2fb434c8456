//! A request whose head is, byte for byte, that of the last one that its thread has answered: clients
//! that poll, health checks and a page's own calls say the same again and again. What was made of it
//! then is still there, in the finished exchange: it is not parsed, routed and described to the plugin
//! anew. For a head that differs this costs one comparison and two copies.
//!
//! When the plugin then gives the same head again, and a body of the same length, the head of the answer
//! is the same too as long as the second lasts, and is not put together anew.
//!
//! Most of these come alone, on a connection that waits for nothing else, for a plugin that may be
//! entered at any time, and are answered as before: `answer_at_rest` is that way and nothing more. What
//! turns out different on it goes on in the general one, from there.
//!
//! Only where nothing but the bytes decides what the plugin is told: requests of a worker that
//! believes no proxies, for a plugin that does not read the body from the socket itself.

use rustix::net::SendFlags;

use super::exchange::{Exchange, Stage};
use super::reading::Taken;
use super::writer::Writer;
use super::{Connection, Next, Phase, Place, Verdict};
use crate::http::date;
use crate::http::head::Framing;
use crate::http::response::Persistence;
use crate::plugin::call::{HostBody, Step};
use crate::worker::event_loop::Thread;

/// A longer head is not remembered.
pub(super) const LONGEST: usize = 1024;

/// The head of a finished exchange.
#[derive(Default)]
pub(super) struct Remembered {
    /// As it came; empty: it cannot be used again.
    asked: Vec<u8>,
    /// As it was parsed, with the names of its fields in lower case.
    parsed: Vec<u8>,
    /// How it was answered. Only of a request that has come again: others pay nothing for this.
    answer: Option<Answer>,
    has_come_again: bool,
}

/// An answer whose whole body followed its head, on a connection that went on.
struct Answer {
    /// As it was sent, head and body.
    bytes: Vec<u8>,
    head_length: usize,
    status: u16,
    /// What it says besides the plugin's own head, which has changed so often until then.
    second: u64,
    head_changes: u64,
}

impl Exchange {
    /// Remembers its head, which came as `asked`; that is swapped for memory of the same size.
    pub(super) fn remember(&mut self, asked: &mut Vec<u8>) {
        if asked.len() != self.head.length {
            return;
        }
        std::mem::swap(&mut self.remembered.asked, asked);
        self.remembered.parsed.clear();
        self.remembered.parsed.extend_from_slice(&self.bytes);
    }

    pub(super) fn forget(&mut self) {
        self.remembered.asked.clear();
        self.remembered.answer = None;
        self.remembered.has_come_again = false;
    }

    /// Its answer began in this second, with this head before so long a body.
    pub(super) fn remember_answer(&mut self, second: u64, head: &[u8], body_length: usize) {
        if !self.remembered.has_come_again || !matches!(self.writer, Writer::Length { .. }) {
            return;
        }
        let head_changes = self.call.head_changes();
        let mut bytes = head.to_vec();
        bytes.resize(head.len() + body_length, 0);
        let (head_length, status) = (head.len(), self.status);
        let answer = Answer { bytes, head_length, status, second, head_changes };
        self.remembered.answer = Some(answer);
    }

    /// `bytes` begin with the request that this exchange has answered, and the plugin has left its
    /// texts as they were.
    fn is_repeated_in(&self, bytes: &[u8]) -> bool {
        let Remembered { asked, parsed, .. } = &self.remembered;
        !asked.is_empty() && bytes.starts_with(asked) && *parsed == self.bytes
    }

    /// `bytes` are that request and nothing else, and it can be answered at once.
    fn is_alone_in(&self, bytes: &[u8]) -> bool {
        self.remembered.asked.len() == bytes.len()
            && self.is_repeated_in(bytes)
            && self.head.framing == Framing::None
            && self.call.plugin().is_free()
    }

    /// What was answered the last time, head and body, with this body in it, if the head is still right.
    fn answer_with(&mut self, body: &[u8]) -> Option<&[u8]> {
        let head_changes = self.call.head_changes();
        let answer = self.remembered.answer.as_mut()?;
        let (_, place) = answer.bytes.split_at_mut(answer.head_length);
        let is_same = answer.head_changes == head_changes
            && place.len() == body.len()
            && answer.second == date::second();
        if !is_same {
            return None;
        }
        place.copy_from_slice(body);
        self.status = answer.status;
        self.sent = body.len() as u64;
        Some(&answer.bytes)
    }
}

impl Connection {
    /// Answers as this request was answered the last time, with this body, if that is right. `false`: it
    /// may not be.
    pub(super) fn answer_as_before(
        &mut self,
        exchange: &mut Exchange,
        body: &[u8],
        thread: &Thread,
    ) -> bool {
        if !self.may_answer_alike(thread) {
            return false;
        }
        let Some(answer) = exchange.answer_with(body) else { return false };
        self.output.bytes.extend_from_slice(answer);
        exchange.call.head_sent = true;
        exchange.writer = Writer::Discard;
        exchange.stage = Stage::End;
        true
    }

    /// Nothing that its head says is of this one answer only.
    pub(super) fn may_answer_alike(&self, thread: &Thread) -> bool {
        self.persistence(thread, true) == Persistence::KeepAlive && !thread.answers_ids()
    }

    /// Answers the first request in `bytes`, if it is the last one of this thread again.
    pub(super) fn answer_repeated(
        &mut self,
        bytes: &[u8],
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Option<Taken> {
        let mut exchange = thread.spares.pop_if(|spare| spare.is_repeated_in(bytes))?;
        let length = exchange.remembered.asked.len();
        self.ask_again(&mut exchange, thread, at);
        Some(self.take_body(exchange, length, &bytes[length..], thread, at))
    }

    /// Begins the request that `exchange` has answered last.
    fn ask_again(&mut self, exchange: &mut Exchange, thread: &mut Thread, at: Place<'_>) {
        self.begin_request(thread);
        self.begin_call(thread);
        if thread.wants_request_ids {
            exchange.id = *thread.request_ids.make();
        }
        exchange.mark(thread);
        exchange.remembered.has_come_again = true;
        let ends = self.ends();
        let request_id = thread.gives_ids().then(|| exchange.id.as_bytes());
        exchange.call.begin_again(
            at.slot.begin_request(at.token),
            request_id,
            ends.remote.as_bytes(),
            ends.local.as_bytes(),
        );
    }

    /// Bytes have come on a connection that waited for its next request: answers them, if they are the
    /// last request of this thread again and nothing else. `Err`: something is left for the general way,
    /// and so many bytes in the thread's buffer.
    pub(super) fn answer_at_rest(
        &mut self,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Result<Verdict, usize> {
        let Ok(count @ 1..) = self.read(&mut thread.input) else {
            // The end, or an error: it will show again.
            self.is_readable = true;
            return Err(0);
        };
        let bytes = &thread.input[..count];
        let is_again = |spare: &mut Box<Exchange>| spare.is_alone_in(bytes);
        let Some(mut exchange) = thread.spares.pop_if(is_again) else { return Err(count) };
        self.ask_again(&mut exchange, thread, at);
        exchange.call.input.begin(self.socket.clone(), true);
        if exchange.is_kept_out(thread) {
            self.phase = Phase::Exchange(exchange);
            return Err(0);
        }
        let step = self.run_plugin(&mut exchange, thread, at);
        let answer = match &step {
            Step::Host(HostBody::Copied(body))
                if self.output.bytes.is_empty() && self.may_answer_alike(thread) =>
            {
                exchange.answer_with(body)
            }
            _ => None,
        };
        let Some(answer) = answer else {
            exchange.answered = Some(step);
            self.phase = Phase::Exchange(exchange);
            return Err(0);
        };
        // An error will show again, like a socket that takes no more.
        let sent = rustix::net::send(&self.socket, answer, SendFlags::NOSIGNAL).unwrap_or(0);
        if sent < answer.len() {
            self.output.bytes.extend_from_slice(&answer[sent..]);
        }
        if let Step::Host(HostBody::Copied(body)) = step {
            exchange.call.reuse(body);
        }
        match self.end_exchange(exchange, thread, at) {
            Next::Go if self.output.bytes.is_empty() => Ok(self.await_request(thread, at)),
            Next::Go => Err(0),
            Next::Verdict(verdict) => Ok(verdict),
        }
    }
}
