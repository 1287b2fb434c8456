//! The beginning and the end of an exchange: each request is answered in the memory of one
//! that its thread has answered, so that it allocates nothing.

use std::mem;

use super::admission::Admission;
use super::exchange::{Exchange, Stage};
use super::patience::Patience;
use super::reading::Request;
use super::repeated::Remembered;
use super::writer::Writer;
use super::{Connection, Place};
use crate::access_log::Times;
use crate::http::head::{Framing, Version};
use crate::http::request_id::RequestId;
use crate::plugin::Plugin;
use crate::plugin::call::Call;
use crate::plugin::facts::{Facts, Texts};
use crate::worker::event_loop::Thread;

/// Bytes of a head that a finished exchange keeps room for.
const KEPT: usize = 4096;
/// Finished exchanges that a thread keeps: as many as it may begin before it ends one.
const SPARES: usize = 64;

impl Exchange {
    /// In the memory of one that the thread has ended, if there is one: a request allocates nothing.
    pub(super) fn begin(
        connection: &mut Connection,
        request: Request<'_>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Box<Self> {
        let mut exchange = match thread.spares.pop() {
            Some(spare) => spare,
            None => Box::new(Self::new(request.plugin)),
        };
        exchange.mark(thread);
        exchange.id = thread.request_id;
        exchange.fill(connection, request, thread.gives_ids(), at);
        exchange
    }

    /// When it began.
    pub(super) fn mark(&mut self, thread: &Thread) {
        self.began = thread.worker.clock.tick();
        self.started = thread.started;
    }

    fn new(plugin: &'static Plugin) -> Self {
        Self {
            call: Call::new(plugin),
            bytes: Vec::new(),
            head: Box::default(),
            is_head: false,
            admission: Admission::Outside,
            has_gate: false,
            has_stepped_back: false,
            answered: None,
            stage: Stage::Start,
            writer: Writer::Gathering(Vec::new()),
            is_woken: false,
            is_aborted: false,
            status: 0,
            sent: 0,
            began: 0,
            call_ticks: 0,
            patience: Patience::default(),
            client: None,
            id: RequestId::default(),
            started: None,
            queued: None,
            times: Times::default(),
            is_trial: false,
            remembered: Remembered::default(),
            retry_after: 1,
        }
    }

    fn fill(
        &mut self,
        connection: &mut Connection,
        request: Request<'_>,
        gives_id: bool,
        at: Place<'_>,
    ) {
        let Request { plugin, route, head, head_bytes, .. } = request;
        self.forget();
        self.bytes.clear();
        self.bytes.extend_from_slice(head_bytes);
        mem::swap(&mut self.head, head);
        self.is_head = self.head.method.of(&self.bytes) == b"HEAD";
        self.client = self.head.client.map(|client| client.to_string().into_boxed_str());
        let (head, bytes) = (&self.head, &self.bytes[..]);
        let path = head.path.of(bytes);
        let ends = connection.ends();
        let texts = Texts {
            method: head.method.of(bytes),
            authority: head.authority.of(bytes),
            mount: &path[route.mount.clone()],
            path: &path[route.path.clone()],
            query: head.query.of(bytes),
            target: head.target.of(bytes),
            scheme: if head.is_https { "https" } else { "http" },
            remote: self.client.as_deref().unwrap_or(&ends.remote).as_bytes(),
            local: ends.local.as_bytes(),
        };
        let facts = Facts {
            id: at.slot.begin_request(at.token),
            http_version: if head.version == Version::Http11 { 11 } else { 10 },
            request_id: gives_id.then(|| self.id.as_bytes()),
            may_upgrade: head.upgrade && plugin.streams_input(),
            content_length: match head.framing {
                Framing::None => 0,
                Framing::Length(length) => length as i64,
                Framing::Chunked => -1,
            },
            headers: head.fields.iter().map(|(name, value)| (name.of(bytes), value.of(bytes))),
            variables: route
                .variables
                .iter()
                .map(|(name, value)| (name.as_bytes(), &path[value.clone()])),
        };
        self.call.begin(plugin, &texts, facts);
        self.call_ticks = route.call_ticks.unwrap_or(plugin.call_ticks);
    }

    /// Makes it ready for another request; keeps its memory, but for large parts.
    pub(super) fn recycle(mut self: Box<Self>, thread: &mut Thread) {
        self.call.end();
        if self.bytes.capacity() > KEPT {
            self.forget();
            self.bytes = Vec::new();
        }
        self.admission = Admission::Outside;
        self.has_stepped_back = false;
        self.stage = Stage::Start;
        self.writer = Writer::Gathering(Vec::new());
        self.is_woken = false;
        self.is_aborted = false;
        self.status = 0;
        self.sent = 0;
        self.patience = Patience::default();
        self.client = None;
        self.queued = None;
        self.times = Times::default();
        self.is_trial = false;
        self.retry_after = 1;
        if thread.spares.len() < SPARES {
            thread.spares.push(self);
        }
    }
}
