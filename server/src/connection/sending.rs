//! What a plugin gave, onto the wire: chooses how the body is framed and holds the plugin to it.

use std::{io, mem};

use super::answering::add_id;
use super::exchange::{Exchange, Stage};
use super::output::Tail;
use super::writer::{Writer, Written};
use super::{Connection, Place, answer_head};
use crate::http::compress::{self, Effort, Encoder};
use crate::http::head::Version;
use crate::http::response::{Persistence, ResponseFraming, status_has_body};
use crate::plugin::host;
use crate::respond;
use crate::worker::event_loop::Thread;

/// Parts of a plugin that does not block are gathered up to this size, so that a short body gets a
/// Content-Length and leaves in one write.
const GATHER: usize = 16 * 1024;

impl Connection {
    /// The plugin has a body of its own: decides whether `next` is called at all.
    pub(super) fn after_start(&mut self, exchange: &mut Exchange, thread: &Thread) {
        exchange.stage = Stage::Pull;
        if !exchange.call.has_head() {
            return;
        }
        if exchange.call.head().status() == 101 {
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
        self.flush_coder(exchange, thread);
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
        let may_gather = exchange.call.head().content_length().is_none()
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
        self.write_parts(exchange, size, thread);
    }

    /// The plugin's body has ended.
    pub(super) fn send_end(&mut self, exchange: &mut Exchange, thread: &mut Thread) {
        if !exchange.call.has_head() {
            return self.fail(exchange, "it ended without a head", thread);
        }
        if let Writer::Gathering(gathered) = &exchange.writer {
            let length = gathered.len() as u64;
            let declared = exchange.call.head().content_length();
            if declared.is_some_and(|declared| declared > length) && !has_no_body(exchange) {
                return self.fail(exchange, "its body is shorter than its Content-Length", thread);
            }
            self.begin_body(exchange, thread, Some(length));
        }
        if exchange.writer.left().is_some_and(|left| left > 0) {
            return self.fail(exchange, "its body is shorter than its Content-Length", thread);
        }
        self.finish_body(exchange, thread);
    }

    /// Everything is written: what ends the body follows.
    fn finish_body(&mut self, exchange: &mut Exchange, thread: &Thread) {
        match exchange.writer.finish(&mut self.output.bytes) {
            Ok(sent) => exchange.sent += sent,
            Err(error) => return self.lose_coder(exchange, &error, thread),
        }
        exchange.stage = Stage::End;
    }

    /// The plugin broke its contract. Before the first byte the client gets 500; after it the
    /// connection is cut, so that what it has does not look whole.
    #[cold]
    pub(super) fn fail(&mut self, exchange: &mut Exchange, reason: &str, thread: &Thread) {
        let name = &exchange.call.plugin().name;
        let target = exchange.head.target.of(&exchange.bytes).escape_ascii();
        tracing::error!("plugin {name}, request {:x} for {target}: {reason}", exchange.call.id());
        let mut detail = format!("plugin {name}: {reason}");
        if let Some(complaints) = host::complaints(exchange.call.id()) {
            detail = format!("{detail}\n\n{complaints}");
        }
        self.break_off(exchange, 500, Some(&detail), thread);
    }

    /// A parked answer has waited too long: for the client's bytes, or for the plugin's wake.
    #[cold]
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
    #[cold]
    pub(super) fn give_up_turn(&mut self, exchange: &mut Exchange, thread: &Thread, at: Place<'_>) {
        if self.request_end != 0 && exchange.withdraw(thread, at) {
            self.answer_instead(exchange, thread, 503, None);
        }
    }

    #[cold]
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
        if exchange.writer.ends_with_connection() {
            self.reset_on_close();
        }
        self.is_closing = true;
        exchange.stage = Stage::End;
    }

    /// Answers in the plugin's place; nothing has been sent. The reason is shown in `dev`.
    #[cold]
    pub(super) fn answer_instead(
        &mut self,
        exchange: &mut Exchange,
        thread: &Thread,
        status: u16,
        reason: Option<&str>,
    ) {
        let mut answer = respond::page(status, reason.filter(|_| thread.worker.spec.dev));
        if status == 503 {
            answer = answer.with("Retry-After", &exchange.retry_after.to_string());
        }
        let is_head = exchange.is_head_request();
        exchange.status = status;
        exchange.sent = self.encode_answer(answer, &exchange.head, is_head, &exchange.id, thread);
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
        thread.in_plugin(exchange.call.plugin(), &running, || {
            drop(tail);
            exchange.call.close();
        });
    }

    /// Begins a body that comes in parts; it is compressed if it is to be. `known` is the length of
    /// the whole body, if all of it has been gathered.
    fn begin_body(&mut self, exchange: &mut Exchange, thread: &Thread, known: Option<u64>) {
        let length = exchange.call.head().content_length().or(known);
        let coding = exchange.choose_coding(thread, length);
        // Whether GET would compress a body of unknown length shows only when it is made.
        let coding = coding.filter(|_| length.is_some() || !exchange.is_head_request());
        let Some(coding) = coding else { return self.begin_with(exchange, thread, known, None) };
        if let (Writer::Gathering(gathered), Some(length)) = (&mut exchange.writer, known) {
            let wanted = gathered.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            let coded = compress::whole(coding, &gathered[..wanted], Effort::Once);
            let Ok(coded) = coded else { return self.begin_with(exchange, thread, known, None) };
            let length = coded.len() as u64;
            *gathered = coded;
            exchange.mark_coded(coding);
            return self.begin_with(exchange, thread, Some(length), None);
        }
        match Encoder::start(coding, thread.worker.config().compression.streams) {
            Some(encoder) => {
                let promised = exchange.call.head().content_length();
                exchange.mark_coded(coding);
                self.begin_with(exchange, thread, None, Some((encoder, promised)));
            }
            None => self.begin_with(exchange, thread, known, None),
        }
    }

    /// Encodes the head and what was gathered behind it. `encoder` comes with the length of the
    /// plain body, if the plugin has promised one.
    pub(super) fn begin_with(
        &mut self,
        exchange: &mut Exchange,
        thread: &Thread,
        known: Option<u64>,
        encoder: Option<(Encoder, Option<u64>)>,
    ) {
        if thread.answers_ids() {
            add_id(exchange.call.change_head(), &exchange.id);
        }
        let head = exchange.call.head();
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
        let writer = match encoder {
            _ if exchange.is_head_request() => Writer::Discard,
            Some((encoder, left)) => writer.through(encoder, left),
            None => writer,
        };
        if let Writer::Gathering(gathered) = mem::replace(&mut exchange.writer, writer)
            && !gathered.is_empty()
        {
            let size = gathered.len();
            let gathered = std::iter::once(&gathered[..]);
            let written = exchange.writer.write(&mut self.output.bytes, size, gathered);
            self.note_written(exchange, written, size, thread);
        }
    }

    fn write_parts(&mut self, exchange: &mut Exchange, size: usize, thread: &Thread) {
        let out = &mut self.output.bytes;
        let written = exchange.writer.write(out, size, exchange.call.parts());
        self.note_written(exchange, written, size, thread);
        // The next part may be long in coming.
        if exchange.call.plugin().may_block() {
            self.flush_coder(exchange, thread);
        }
    }

    /// Counts, and ends a body that has reached its length.
    fn note_written(
        &mut self,
        exchange: &mut Exchange,
        written: io::Result<Written>,
        size: usize,
        thread: &Thread,
    ) {
        let written = match written {
            Ok(written) => written,
            Err(error) => return self.lose_coder(exchange, &error, thread),
        };
        exchange.sent += written.sent;
        if matches!(exchange.writer, Writer::Discard) {
            exchange.stage = Stage::End;
        } else if exchange.writer.left() == Some(0) {
            if written.taken < size {
                warn_of_excess(exchange);
            }
            self.finish_body(exchange, thread);
        }
    }

    /// Nothing more comes for now: the client gets all there is.
    fn flush_coder(&mut self, exchange: &mut Exchange, thread: &Thread) {
        match exchange.writer.flush(&mut self.output.bytes) {
            Ok(sent) => exchange.sent += sent,
            Err(error) => self.lose_coder(exchange, &error, thread),
        }
    }

    /// A compressor that cannot go on leaves a body that cannot either.
    #[cold]
    fn lose_coder(&mut self, exchange: &mut Exchange, error: &io::Error, thread: &Thread) {
        tracing::error!("cannot go on compressing request {:x}: {error}", exchange.call.id());
        self.break_off(exchange, 500, None, thread);
    }
}

/// Extra bytes would be taken for the next answer (PEP 3333, "Handling the Content-Length Header").
#[cold]
pub(super) fn warn_of_excess(exchange: &Exchange) {
    let plugin = exchange.call.plugin();
    tracing::warn!(
        "plugin {}, request {:x}: its body is longer than its Content-Length; the rest is cut",
        plugin.name,
        exchange.call.id(),
    );
}

/// The response has a head only (RFC 9110 §6.4.1).
pub(super) fn has_no_body(exchange: &Exchange) -> bool {
    let status = exchange.call.head().status();
    exchange.is_head_request() || (status != 101 && !status_has_body(status))
}
