//! A body that a plugin has left with the server whole: in its own memory, copied, or as a file.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Connection;
use super::coded::{CodedBody, CodedFraming, Coder, Source, read_exactly};
use super::exchange::{Exchange, Stage};
use super::output::Tail;
use super::sending::{has_no_body, warn_of_excess};
use super::writer::Writer;
use crate::http::coding::Coding;
use crate::http::compress::{self, Effort, Encoder};
use crate::http::date;
use crate::http::head::Version;
use crate::plugin::call::HostBody;
use crate::worker::event_loop::Thread;

/// A body of the plugin's own memory up to this size is copied, so that it leaves with the head.
const COPY: usize = 16 * 1024;
/// A body up to this size is compressed at once, so that its length is known: a millisecond's work.
const AT_ONCE: u64 = 32 * 1024;

impl Connection {
    /// The plugin is done and has left its whole body with the server.
    pub(super) fn send_host_body(
        &mut self,
        exchange: &mut Exchange,
        body: HostBody,
        thread: &mut Thread,
    ) {
        let body = match body {
            HostBody::Copied(bytes) if self.answer_as_before(exchange, &bytes, thread) => {
                return exchange.call.reuse(bytes);
            }
            body => body,
        };
        let length = match &body {
            HostBody::Copied(bytes) => bytes.len() as u64,
            HostBody::Borrowed(borrowed) => borrowed.bytes().len() as u64,
            HostBody::File { length, .. } => *length,
        };
        let declared = exchange.call.head().content_length();
        if declared.is_some_and(|declared| declared > length) && !has_no_body(exchange) {
            return self.fail(exchange, "its body is shorter than its Content-Length", thread);
        }
        let wanted = declared.map_or(length, |declared| declared.min(length));
        if wanted < length && !has_no_body(exchange) {
            warn_of_excess(exchange);
        }
        exchange.stage = Stage::End;
        match exchange.choose_coding(thread, Some(wanted)) {
            Some(coding) if wanted <= AT_ONCE => {
                self.send_at_once(exchange, body, wanted as usize, coding, thread);
            }
            Some(coding) => self.send_coded(exchange, body, wanted, coding, thread),
            None => self.send_plain(exchange, body, wanted, thread),
        }
    }

    fn send_plain(
        &mut self,
        exchange: &mut Exchange,
        body: HostBody,
        wanted: u64,
        thread: &mut Thread,
    ) {
        let (second, begin) = (date::second(), self.output.bytes.len());
        self.begin_with(exchange, thread, Some(wanted), None);
        if matches!(exchange.writer, Writer::Discard) {
            return self.give_back(exchange, body, thread);
        }
        exchange.sent = wanted;
        let count = usize::try_from(wanted).unwrap_or(usize::MAX);
        match body {
            HostBody::Copied(bytes) if count <= COPY => {
                if count == bytes.len() && self.may_answer_alike(thread) {
                    exchange.remember_answer(second, &self.output.bytes[begin..], count);
                }
                self.output.bytes.extend_from_slice(&bytes[..count]);
                exchange.call.reuse(bytes);
            }
            HostBody::Copied(mut bytes) => {
                bytes.truncate(count);
                self.output.tail = Tail::Copied { bytes: bytes.into(), position: 0 };
            }
            HostBody::Borrowed(borrowed) if count <= COPY => {
                self.output.bytes.extend_from_slice(&borrowed.bytes()[..count]);
                self.give_back(exchange, HostBody::Borrowed(borrowed), thread);
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

    /// A short body: its compressed length goes into the head.
    fn send_at_once(
        &mut self,
        exchange: &mut Exchange,
        body: HostBody,
        wanted: usize,
        coding: Coding,
        thread: &mut Thread,
    ) {
        let plain = match &body {
            HostBody::Copied(bytes) => Ok(&bytes[..wanted]),
            HostBody::Borrowed(borrowed) => Ok(&borrowed.bytes()[..wanted]),
            HostBody::File { file, offset, .. } => Err((file, *offset)),
        };
        let coded = match plain {
            Ok(plain) => compress::whole(coding, plain, Effort::Once),
            Err((file, offset)) => coded_file(file, offset, wanted, coding),
        };
        let Ok(coded) = coded else {
            return self.send_plain(exchange, body, wanted as u64, thread);
        };
        exchange.mark_coded(coding);
        self.begin_with(exchange, thread, Some(coded.len() as u64), None);
        if !matches!(exchange.writer, Writer::Discard) {
            exchange.sent = coded.len() as u64;
            self.output.bytes.extend_from_slice(&coded);
        }
        self.give_back(exchange, body, thread);
    }

    /// A long body is compressed while it is sent.
    fn send_coded(
        &mut self,
        exchange: &mut Exchange,
        body: HostBody,
        wanted: u64,
        coding: Coding,
        thread: &mut Thread,
    ) {
        let most = thread.worker.config().compression.streams;
        let Some(encoder) = Encoder::start(coding, most) else {
            return self.send_plain(exchange, body, wanted, thread);
        };
        exchange.mark_coded(coding);
        self.begin_with(exchange, thread, None, None);
        if matches!(exchange.writer, Writer::Discard) {
            return self.give_back(exchange, body, thread);
        }
        let (source, from) = match body {
            HostBody::Copied(bytes) => (Source::Bytes(bytes.into()), 0),
            HostBody::Borrowed(bytes) => (Source::Borrowed(bytes), 0),
            HostBody::File { file, offset, .. } => (Source::File(Arc::new(file)), offset),
        };
        let framing = match exchange.head.version {
            Version::Http10 => CodedFraming::UntilClose,
            Version::Http11 => CodedFraming::Chunked,
        };
        // How many bytes that will be shows only when they are sent.
        exchange.sent = wanted;
        let body = CodedBody::new(source, from, wanted, Coder::new(encoder, framing));
        self.output.tail = Tail::Coded(Box::new(body));
    }

    /// Lets go of a body; one that the plugin has lent goes back to it.
    fn give_back(&mut self, exchange: &Exchange, body: HostBody, thread: &mut Thread) {
        if let HostBody::Borrowed(borrowed) = body {
            let running = exchange.running(&self.socket, &self.output);
            thread.in_plugin(exchange.call.plugin(), &running, || drop(borrowed));
        }
    }
}

fn coded_file(
    file: &OwnedFd,
    offset: u64,
    wanted: usize,
    coding: Coding,
) -> std::io::Result<Vec<u8>> {
    let mut plain = vec![0; wanted];
    read_exactly(file, &mut plain, offset)?;
    compress::whole(coding, &plain, Effort::Once)
}
