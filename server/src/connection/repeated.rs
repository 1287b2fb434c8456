//! A request whose head is, byte for byte, that of the last one that its thread has answered: clients
//! that poll, health checks and a page's own calls say the same again and again. What was made of it
//! then is still there, in the finished exchange: it is not parsed, routed and described to the plugin
//! anew. For a head that differs this costs one comparison and two copies.
//!
//! Only where nothing but the bytes decides what the plugin is told: requests of a worker that
//! believes no proxies, for a plugin that does not read the body from the socket itself.

use super::exchange::Exchange;
use super::reading::Taken;
use super::{Connection, Place};
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
    }

    /// `bytes` begin with the request that this exchange has answered, and the plugin has left its
    /// texts as they were.
    fn is_repeated_in(&self, bytes: &[u8]) -> bool {
        let Remembered { asked, parsed } = &self.remembered;
        !asked.is_empty() && bytes.starts_with(asked) && *parsed == self.bytes
    }
}

impl Connection {
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
