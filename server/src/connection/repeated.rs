//! A request whose head is, byte for byte, that of the last one that its thread has answered: clients
//! that poll, health checks and a page's own calls say the same again and again. What was made of it
//! then is still there, in the finished exchange: it is not parsed, routed and described to the plugin
//! anew. For a head that differs this costs one comparison and two copies.
//!
//! When the plugin then gives the same head again, and a body of the same length, the head of the answer
//! is the same too as long as the second lasts, and is not put together anew.
//!
//! Only where nothing but the bytes decides what the plugin is told: requests of a worker that
//! believes no proxies, for a plugin that does not read the body from the socket itself.

use super::exchange::{Exchange, Stage};
use super::reading::Taken;
use super::writer::Writer;
use super::{Connection, Place};
use crate::http::date;
use crate::http::response::Persistence;
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
    /// As it was sent.
    head: Vec<u8>,
    status: u16,
    /// What else it says than the plugin's own head, which has changed so often until then.
    body_length: usize,
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
        let head = head.to_vec();
        let answer = Answer { head, status: self.status, body_length, second, head_changes };
        self.remembered.answer = Some(answer);
    }

    /// `bytes` begin with the request that this exchange has answered, and the plugin has left its
    /// texts as they were.
    fn is_repeated_in(&self, bytes: &[u8]) -> bool {
        let Remembered { asked, parsed, .. } = &self.remembered;
        !asked.is_empty() && bytes.starts_with(asked) && *parsed == self.bytes
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
        let Some(answer) = &exchange.remembered.answer else { return false };
        let is_same = answer.head_changes == exchange.call.head_changes()
            && answer.body_length == body.len()
            && answer.second == date::second();
        if !is_same || !self.may_answer_alike(thread) {
            return false;
        }
        self.output.bytes.extend_from_slice(&answer.head);
        self.output.bytes.extend_from_slice(body);
        exchange.status = answer.status;
        exchange.sent = body.len() as u64;
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
        self.begin_request(thread);
        self.begin_call(thread);
        if thread.wants_request_ids {
            thread.request_id = thread.request_ids.make();
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
        Some(self.take_body(exchange, length, &bytes[length..], thread, at))
    }
}
