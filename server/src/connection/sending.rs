//! What a plugin gave, onto the wire: chooses how the body is framed and holds the plugin to it.

use std::mem;

use super::exchange::{Exchange, Stage};
use super::output::Tail;
use super::{Connection, Place, answer_head};
use crate::http::head::Version;
use crate::http::response::{
    LAST_CHUNK, Persistence, ResponseFraming, encode_chunk_head, status_has_body,
};
use crate::plugin::call::HostBody;
use crate::respond;
use crate::worker::event_loop::Thread;

/// Parts of a plugin that does not block are gathered up to this size, so that a short body gets a
/// Content-Length and leaves in one write.
const GATHER: usize = 16 * 1024;
/// A body of the plugin's own memory up to this size is copied, so that it leaves with the head.
const COPY: usize = 16 * 1024;

/// How the body goes out.
#[derive(Debug)]
pub(super) enum Writer {
    /// The head is not encoded yet; these bytes follow it.
    Gathering(Vec<u8>),
    /// So many bytes are still promised.
    Length {
        left: u64,
    },
    Chunked,
    /// Until the connection ends: after an upgrade, or for HTTP/1.0.
    Raw,
    /// Nothing follows the head: HEAD, 204, 304, or an answer of the server's own.
    Discard,
}

impl Writer {
    /// Appends parts of `size` bytes together to `out`; says how many bytes of them were taken.
    fn write<'p>(
        &mut self,
        out: &mut Vec<u8>,
        size: usize,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> usize {
        match self {
            Self::Gathering(_) | Self::Discard => 0,
            Self::Raw => {
                parts.for_each(|part| out.extend_from_slice(part));
                size
            }
            Self::Chunked => {
                encode_chunk_head(out, size);
                parts.for_each(|part| out.extend_from_slice(part));
                out.extend_from_slice(b"\r\n");
                size
            }
            Self::Length { left } => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(size);
                let mut room = wanted;
                for part in parts {
                    let count = part.len().min(room);
                    out.extend_from_slice(&part[..count]);
                    room -= count;
                }
                *left -= wanted as u64;
                wanted
            }
        }
    }
}

impl Connection {
    /// The plugin has a body of its own: decides whether `next` is called at all.
    pub(super) fn after_start(&mut self, exchange: &mut Exchange, thread: &Thread) {
        exchange.stage = Stage::Pull;
        if !exchange.call.has_head() {
            return;
        }
        if exchange.call.head.status() == 101 {
            // The client waits for this head before it speaks the new protocol.
            exchange.call.input.push_raw(&mem::take(&mut self.input));
            self.begin_body(exchange, thread, None);
        } else if has_no_body(exchange) {
            self.begin_body(exchange, thread, None);
            exchange.stage = Stage::End;
        }
    }

    pub(super) fn on_pending(&mut self, exchange: &mut Exchange, thread: &Thread) {
        exchange.stage = Stage::Parked;
        // What there is should not wait for what is to come.
        if matches!(&exchange.writer, Writer::Gathering(gathered) if !gathered.is_empty()) {
            self.begin_body(exchange, thread, None);
        }
    }

    pub(super) fn send_parts(&mut self, exchange: &mut Exchange, thread: &mut Thread) {
        exchange.stage = Stage::Pull;
        let size: usize = exchange.call.parts().map(<[u8]>::len).sum();
        if size == 0 {
            return;
        }
        if !exchange.call.has_head() {
            return self.fail(exchange, "it gave a body without a head", thread);
        }
        let may_gather = exchange.call.head.content_length().is_none()
            && !exchange.call.plugin().may_block()
            && !has_no_body(exchange);
        if let Writer::Gathering(gathered) = &mut exchange.writer {
            // There are bytes of the body now: the head stands.
            exchange.call.head_sent = true;
            if may_gather && gathered.len() + size <= GATHER {
                exchange.call.parts().for_each(|part| gathered.extend_from_slice(part));
                return;
            }
            self.begin_body(exchange, thread, None);
        }
        self.write_parts(exchange, size);
    }

    /// The plugin's body has ended.
    pub(super) fn send_end(&mut self, exchange: &mut Exchange, thread: &mut Thread) {
        if !exchange.call.has_head() {
            return self.fail(exchange, "it ended without a head", thread);
        }
        if let Writer::Gathering(gathered) = &exchange.writer {
            let length = gathered.len() as u64;
            let declared = exchange.call.head.content_length();
            if declared.is_some_and(|declared| declared > length) && !has_no_body(exchange) {
                return self.fail(exchange, "its body is shorter than its Content-Length", thread);
            }
            self.begin_body(exchange, thread, Some(length));
        }
        match exchange.writer {
            Writer::Length { left } if left > 0 => {
                return self.fail(exchange, "its body is shorter than its Content-Length", thread);
            }
            Writer::Chunked => self.output.bytes.extend_from_slice(LAST_CHUNK),
            _ => {}
        }
        exchange.stage = Stage::End;
    }

    /// The plugin is done and has left its whole body with the server.
    pub(super) fn send_host_body(
        &mut self,
        exchange: &mut Exchange,
        body: HostBody,
        thread: &mut Thread,
    ) {
        let length = match &body {
            HostBody::Copied(bytes) => bytes.len() as u64,
            HostBody::Borrowed(borrowed) => borrowed.bytes().len() as u64,
            HostBody::File { length, .. } => *length,
        };
        let declared = exchange.call.head.content_length();
        if declared.is_some_and(|declared| declared > length) && !has_no_body(exchange) {
            return self.fail(exchange, "its body is shorter than its Content-Length", thread);
        }
        self.begin_body(exchange, thread, Some(length));
        exchange.stage = Stage::End;
        let wanted = match exchange.writer {
            Writer::Discard => 0,
            _ => declared.map_or(length, |declared| declared.min(length)),
        };
        if wanted < length && !matches!(exchange.writer, Writer::Discard) {
            warn_of_excess(exchange);
        }
        exchange.sent = wanted;
        let count = usize::try_from(wanted).unwrap_or(usize::MAX);
        match body {
            HostBody::Copied(bytes) if count <= COPY => {
                self.output.bytes.extend_from_slice(&bytes[..count]);
            }
            HostBody::Copied(mut bytes) => {
                bytes.truncate(count);
                self.output.tail = Tail::Copied { bytes: bytes.into(), position: 0 };
            }
            HostBody::Borrowed(borrowed) if count <= COPY => {
                self.output.bytes.extend_from_slice(&borrowed.bytes()[..count]);
                let running = exchange.running(&self.socket, &self.output);
                thread.in_plugin(exchange.call.plugin(), running, || drop(borrowed));
            }
            HostBody::Borrowed(bytes) => {
                self.output.tail = Tail::Borrowed { bytes, position: 0, end: count };
            }
            HostBody::File { file, offset, .. } if wanted > 0 => {
                self.output.tail = Tail::File { file: file.into(), offset, left: wanted };
            }
            HostBody::File { .. } => {}
        }
    }

    /// The plugin broke its contract. Before the first byte the client gets 500; after it the
    /// connection is cut, so that what it has does not look whole.
    pub(super) fn fail(&mut self, exchange: &mut Exchange, reason: &str, thread: &Thread) {
        let name = &exchange.call.plugin().name;
        let target = exchange.head.target.of(&exchange.bytes).escape_ascii();
        tracing::error!("plugin {name}, request {:x} for {target}: {reason}", exchange.call.id());
        let detail = format!("plugin {name}: {reason}");
        self.break_off(exchange, 500, Some(&detail), thread);
    }

    /// A parked answer has waited too long: for the client's bytes, or for the plugin's wake.
    pub(super) fn give_up(&mut self, exchange: &mut Exchange, thread: &Thread) {
        if exchange.is_starved() {
            return self.break_off(exchange, 408, None, thread);
        }
        let plugin = exchange.call.plugin();
        tracing::warn!(
            "plugin {}, request {:x}: it kept its answer pending for too long and was closed",
            plugin.name,
            exchange.call.id(),
        );
        let detail = format!("plugin {} did not go on with its answer in time", plugin.name);
        self.break_off(exchange, 504, Some(&detail), thread);
    }

    /// The time for the whole request is over, and the plugin has not even begun.
    pub(super) fn give_up_turn(&mut self, exchange: &mut Exchange, thread: &Thread, at: Place<'_>) {
        if self.request_end != 0 && exchange.withdraw(thread, at) {
            self.answer_instead(exchange, thread, 503, None);
        }
    }

    fn break_off(
        &mut self,
        exchange: &mut Exchange,
        status: u16,
        detail: Option<&str>,
        thread: &Thread,
    ) {
        if matches!(exchange.writer, Writer::Gathering(_)) {
            return self.answer_instead(exchange, thread, status, detail);
        }
        if matches!(exchange.writer, Writer::Raw) {
            self.reset_on_close();
        }
        self.is_closing = true;
        exchange.stage = Stage::End;
    }

    /// Answers in the plugin's place; nothing has been sent. The reason is shown in `dev`.
    pub(super) fn answer_instead(
        &mut self,
        exchange: &mut Exchange,
        thread: &Thread,
        status: u16,
        reason: Option<&str>,
    ) {
        let mut answer = respond::page(status, reason.filter(|_| thread.worker.spec.dev));
        if status == 503 {
            answer = answer.with("Retry-After", "1");
        }
        let is_head = exchange.is_head_request();
        exchange.status = status;
        exchange.sent = self.encode_answer(answer, &exchange.head, is_head, thread);
        exchange.call.head_sent = true;
        exchange.writer = Writer::Discard;
        exchange.stage = Stage::End;
    }

    /// Calls what the plugin wants to be called at the end: `release`, `close`.
    pub(super) fn close_plugin(&mut self, exchange: &mut Exchange, thread: &mut Thread) {
        let tail = match self.output.tail.is_lent() {
            true => mem::take(&mut self.output.tail),
            false => Tail::None,
        };
        let running = exchange.running(&self.socket, &self.output);
        thread.in_plugin(exchange.call.plugin(), running, || {
            drop(tail);
            exchange.call.close();
        });
    }

    /// Encodes the head and what was gathered behind it. `known` is the length of the whole body,
    /// if that is certain by now.
    fn begin_body(&mut self, exchange: &mut Exchange, thread: &Thread, known: Option<u64>) {
        let head = &exchange.call.head;
        let status = head.status();
        let version = exchange.head.version;
        let length = head.content_length().or(known);
        let (framing, writer) = match length {
            _ if status == 101 => {
                // The request is answered; what follows is another protocol's.
                self.request_end = 0;
                (ResponseFraming::Upgrade, Writer::Raw)
            }
            _ if !status_has_body(status) => (ResponseFraming::None, Writer::Discard),
            Some(length) => (ResponseFraming::Length(length), Writer::Length { left: length }),
            None if exchange.is_head_request() => (ResponseFraming::None, Writer::Discard),
            None if version == Version::Http10 => (ResponseFraming::UntilClose, Writer::Raw),
            None => (ResponseFraming::Chunked, Writer::Chunked),
        };
        let persistence = match writer {
            Writer::Raw => Persistence::Close,
            _ => self.persistence(thread, exchange.head.keep_alive),
        };
        self.is_closing |= persistence == Persistence::Close;
        answer_head(&mut self.output.bytes, head, framing, version, persistence, thread);
        exchange.status = status;
        exchange.call.head_sent = true;
        let writer = if exchange.is_head_request() { Writer::Discard } else { writer };
        if let Writer::Gathering(gathered) = mem::replace(&mut exchange.writer, writer)
            && !gathered.is_empty()
        {
            let size = gathered.len();
            let gathered = std::iter::once(&gathered[..]);
            let taken = exchange.writer.write(&mut self.output.bytes, size, gathered);
            note_taken(exchange, taken, size);
        }
    }

    fn write_parts(&mut self, exchange: &mut Exchange, size: usize) {
        let out = &mut self.output.bytes;
        let taken = exchange.writer.write(out, size, exchange.call.parts());
        note_taken(exchange, taken, size);
    }
}

/// Counts, and ends a body that has reached its length.
fn note_taken(exchange: &mut Exchange, taken: usize, size: usize) {
    exchange.sent += taken as u64;
    match exchange.writer {
        Writer::Length { left: 0 } => {
            exchange.stage = Stage::End;
            if taken < size {
                warn_of_excess(exchange);
            }
        }
        Writer::Discard => exchange.stage = Stage::End,
        _ => {}
    }
}

/// Extra bytes would be taken for the next answer (PEP 3333, "Handling the Content-Length Header").
fn warn_of_excess(exchange: &Exchange) {
    let plugin = exchange.call.plugin();
    tracing::warn!(
        "plugin {}, request {:x}: its body is longer than its Content-Length; the rest is cut",
        plugin.name,
        exchange.call.id(),
    );
}

/// The response has a head only (RFC 9110 §6.4.1).
fn has_no_body(exchange: &Exchange) -> bool {
    let status = exchange.call.head.status();
    exchange.is_head_request() || (status != 101 && !status_has_body(status))
}
