//! Bytes into requests: reads from the socket, parses heads, and finds who answers.

use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::coded::{CodedBody, CodedFraming, Coder, Source};
use super::exchange::Exchange;
use super::output::Tail;
use super::patience::Patience;
use super::receiving::Receiving;
use super::{Connection, Next, Phase, Place, Verdict, answer_head, repeated};
use crate::access_log::Times;
use crate::config::RequestIds;
use crate::http::body::BodyDecoder;
use crate::http::glimpse::glimpse;
use crate::http::head::{Framing, Head, Parsed, Version};
use crate::http::request_error::RequestError;
use crate::http::request_id::RequestId;
use crate::http::response::{
    Answer, AnswerBody, Persistence, ResponseFraming, ResponseHead, status_has_body,
};
use crate::plugin::Plugin;
use crate::plugin::input::{CONTINUE, Input};
use crate::respond::{self, Target};
use crate::router::Route;
use crate::worker::event_loop::{Answered, Thread};

/// Answers are sent when this much waits, even if more requests are at hand.
const BATCH_BYTES: usize = 64 * 1024;
/// Requests answered in one go before other connections have their turn.
const BATCH_REQUESTS: usize = 64;
/// A body of the server's own up to this size is copied, so that it leaves with the head.
const COPY: usize = 32 * 1024;

/// A request that has been sent on so often does not find its worker.
pub(super) const MOST_HOPS: u8 = 4;
/// Room for reading behind what is there already.
const LEAST_READ: usize = 4096;

/// A request for a plugin.
pub(super) struct Request<'r> {
    pub plugin: &'static Plugin,
    pub route: &'r Route<'static>,
    pub head: &'r mut Box<Head>,
    pub head_bytes: &'r [u8],
    /// What has arrived behind the head.
    pub rest: &'r [u8],
}

/// What became of the first request in a buffer.
pub(super) enum Taken {
    Incomplete,
    /// Answered; so many bytes were its.
    Answered(usize),
    /// The phase has changed: the bytes from here on are the phase's, or the next request's.
    Phase(usize),
    /// The same, and there is nothing more to do for now.
    Stopped(usize, Verdict),
    /// The workers of that pool answer it: its bytes go there.
    Elsewhere(usize),
    /// The connection has no further request.
    Last,
}

impl Connection {
    /// Takes requests until there are no more bytes, or one of them takes its time.
    pub(super) fn read_requests(&mut self, thread: &mut Thread, at: Place<'_>) -> Next {
        if self.is_closing {
            return self.finish(thread, at);
        }
        if !matches!(self.output.tail, Tail::None)
            && let Some(verdict) = self.flush(thread, at)
        {
            return Next::Verdict(verdict);
        }
        // The thread's buffer holds the bytes meanwhile; the connection keeps what is left over.
        let mut buffer = std::mem::take(&mut thread.input);
        if buffer.len() < self.input.len() + LEAST_READ {
            buffer.resize(self.input.len() + LEAST_READ, 0);
        }
        let next = self.read_into(&mut buffer, thread, at);
        thread.input = buffer;
        next
    }

    fn read_into(&mut self, buffer: &mut [u8], thread: &mut Thread, at: Place<'_>) -> Next {
        let mut filled = self.input.len();
        if filled > 0 {
            buffer[..filled].copy_from_slice(&self.input);
            self.input.clear();
        }
        let mut start = 0;
        let mut requests = 0;
        loop {
            while start < filled && requests < BATCH_REQUESTS && self.output.waiting() < BATCH_BYTES
            {
                match self.take_request(&mut buffer[start..filled], thread, at) {
                    Taken::Incomplete => break,
                    Taken::Answered(length) => start += length,
                    Taken::Phase(length) => {
                        self.keep(&buffer[start + length..filled]);
                        return Next::Go;
                    }
                    Taken::Stopped(length, verdict) => {
                        self.keep(&buffer[start + length..filled]);
                        return Next::Verdict(verdict);
                    }
                    Taken::Elsewhere(pool) => {
                        self.keep(&buffer[start..filled]);
                        return Next::Verdict(Verdict::Move(pool));
                    }
                    Taken::Last => {
                        self.has_unread_input |= start < filled || self.is_readable;
                        return self.finish(thread, at);
                    }
                }
                requests += 1;
                if self.is_closing || !matches!(self.output.tail, Tail::None) {
                    self.keep(&buffer[start..filled]);
                    return Next::Go;
                }
            }
            let is_full_batch = requests >= BATCH_REQUESTS || self.output.waiting() >= BATCH_BYTES;
            if is_full_batch || !self.is_readable {
                self.keep(&buffer[start..filled]);
                return self.rest(is_full_batch && start < filled, thread, at);
            }
            if start > 0 {
                buffer.copy_within(start..filled, 0);
                filled -= start;
                start = 0;
            }
            match self.read(&mut buffer[filled..]) {
                Ok(0) => {
                    // A request that is not whole has nobody left to answer to.
                    self.is_closing = true;
                    return self.finish(thread, at);
                }
                Ok(count) => filled += count,
                Err(Errno::AGAIN) => {}
                Err(_) => return Next::Verdict(Verdict::Close),
            }
        }
    }

    /// All requests at hand are answered: sends the answers and waits for more.
    fn rest(&mut self, has_more: bool, thread: &Thread, at: Place<'_>) -> Next {
        if let Some(verdict) = self.flush(thread, at) {
            return Next::Verdict(verdict);
        }
        if has_more {
            return Next::Verdict(Verdict::Yield);
        }
        if self.input.is_empty() {
            if self.is_fresh {
                // The time for the first head has begun when the connection was made.
                return Next::Verdict(Verdict::Wait);
            }
            if thread.worker.is_draining() {
                return Next::Verdict(Verdict::Close);
            }
            let idle = thread.worker.config().timeouts.idle;
            at.slot.set_deadline(thread.worker.clock.deadline(idle));
            self.scanned = 0;
        } else if self.scanned == 0 {
            // The deadline of a head is set once, when it begins, and not put off by dripping.
            let head = thread.worker.config().timeouts.head;
            at.slot.set_deadline(thread.worker.clock.deadline(head));
            self.scanned = 1;
        }
        Next::Verdict(Verdict::Wait)
    }

    /// Reads once. Knows from a short read that the socket is empty, which saves asking again.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            match rustix::io::read(&*self.socket, &mut *buffer) {
                Ok(count) => {
                    // After the peer's end there is no further event: read on until it shows.
                    self.is_readable = count == buffer.len() || (self.is_hung_up && count > 0);
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.is_readable = false;
                    return Err(error);
                }
            }
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            // An idle connection keeps no buffer.
            self.input = Vec::new();
        } else {
            self.input.extend_from_slice(rest);
        }
    }

    fn take_request(&mut self, bytes: &mut [u8], thread: &mut Thread, at: Place<'_>) -> Taken {
        if self.awaits_proxy_header {
            return self.take_proxy_header(bytes, thread);
        }
        if thread.remembers {
            if let Some(taken) = self.answer_repeated(bytes, thread, at) {
                return taken;
            }
            thread.asked.clear();
            thread.asked.extend_from_slice(&bytes[..bytes.len().min(repeated::LONGEST)]);
        }
        let mut head = thread.head.take().unwrap_or_default();
        let limits = &thread.worker.config().limits;
        let taken = match crate::http::head::parse(bytes, limits, &mut head) {
            Ok(Parsed::Incomplete) => Taken::Incomplete,
            Ok(Parsed::Complete) => {
                thread.asked.truncate(head.length);
                self.begin_request(thread);
                match self.believe_proxy(&bytes[..head.length], &mut head, thread) {
                    Ok(()) => self.answer(bytes, &mut head, thread, at),
                    Err(error) => {
                        self.refuse_request(thread, &error, bytes);
                        Taken::Last
                    }
                }
            }
            Err(error) => {
                self.refuse_request(thread, &error, bytes);
                Taken::Last
            }
        };
        thread.head = Some(head);
        taken
    }

    /// A head has come.
    pub(super) fn begin_request(&mut self, thread: &mut Thread) {
        self.scanned = 0;
        self.is_fresh = false;
        thread.started = thread.worker.access_log.shows_times().then(Instant::now);
    }

    /// It is for a plugin of this worker.
    pub(super) fn begin_call(&mut self, thread: &Thread) {
        self.hops = 0;
        self.patience = Patience::default();
        let timeout = thread.worker.config().timeouts.total;
        self.request_end = timeout.map_or(0, |timeout| thread.worker.clock.deadline(timeout));
    }

    /// Finds who answers, and lets it.
    fn answer(
        &mut self,
        bytes: &mut [u8],
        head: &mut Box<Head>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Taken {
        // The thread is lent to whoever answers; what it remembers of its paths stays here.
        let mut routes = std::mem::take(&mut thread.routes);
        let target = routes.target(&thread.worker.site, head.path.of(bytes));
        let taken = self.answer_from(target, bytes, head, thread, at);
        thread.routes = routes;
        taken
    }

    fn answer_from(
        &mut self,
        target: &Target,
        bytes: &mut [u8],
        head: &mut Box<Head>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Taken {
        let (head_bytes, rest) = bytes.split_at(head.length);
        let answer = match target {
            Target::Plugin(plugin, route) => {
                let request = Request { plugin, route, head, head_bytes, rest };
                return self.call(request, thread, at);
            }
            Target::Page { status, detail } => respond::page(*status, *detail),
            Target::Files => {
                // Compressing a file takes long: others should be served meanwhile.
                thread.worker.site.file(head, head_bytes, &|| thread.pass_lead())
            }
            Target::Elsewhere(pool) if self.hops < MOST_HOPS => return Taken::Elsewhere(*pool),
            // Two generations do not agree on where it is served.
            Target::Elsewhere(_) => respond::page(503, None),
        };
        self.hops = 0;
        // Nobody reads this body: it is passed over if it is at hand, else the connection ends.
        let mut length = head.length;
        match skip_body(head, rest) {
            Some(skipped) => length += skipped,
            None => {
                self.is_closing = true;
                self.has_unread_input = true;
            }
        }
        self.send_answer(answer, head, head_bytes, thread);
        Taken::Answered(length)
    }

    fn call(&mut self, request: Request<'_>, thread: &mut Thread, at: Place<'_>) -> Taken {
        let Request { head, head_bytes, rest, plugin, .. } = &request;
        let limit = thread.worker.config().limits.body;
        if let Framing::Length(length) = head.framing
            && length > limit
        {
            self.refuse_request(thread, &RequestError::BodyTooLarge, head_bytes);
            return Taken::Last;
        }
        let (rest, streams) = (*rest, plugin.streams_input());
        let length = head_bytes.len();
        let began = thread.worker.clock.tick();
        self.begin_call(thread);
        let mut exchange = Exchange::begin(self, request, began, thread, at);
        if streams {
            let (framing, expects_continue) = exchange.framing();
            let (socket, may_send) = (self.socket.clone(), self.output.is_empty());
            let decoder = BodyDecoder::new(framing, limit);
            exchange.call.input =
                Input::stream(rest.to_vec(), decoder, socket, may_send, expects_continue);
            self.phase = Phase::Exchange(exchange);
            return Taken::Phase(length + rest.len());
        }
        exchange.remember(&mut thread.asked);
        self.take_body(exchange, length, rest, thread, at)
    }

    /// Runs a request for a plugin that wants its body whole, as soon as it is. `rest` has arrived behind
    /// the head, which has that length.
    pub(super) fn take_body(
        &mut self,
        mut exchange: Box<Exchange>,
        length: usize,
        rest: &[u8],
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Taken {
        let (framing, expects_continue) = exchange.framing();
        let (socket, may_send) = (self.socket.clone(), self.output.is_empty());
        if framing == Framing::None {
            exchange.call.input.begin(socket, may_send);
            return self.run_exchange(exchange, length, thread, at);
        }
        if expects_continue && rest.is_empty() {
            self.output.bytes.extend_from_slice(CONTINUE);
        }
        let limits = &thread.worker.config().limits;
        let mut receiving = Receiving::new(exchange, BodyDecoder::new(framing, limits.body));
        match receiving.push(rest, limits.body_memory) {
            // A short body has come with its head.
            Ok((used, true)) => {
                let exchange = receiving.complete(socket, may_send);
                self.run_exchange(exchange, length + used, thread, at)
            }
            Ok((used, false)) => {
                self.phase = Phase::Body(Box::new(receiving));
                Taken::Phase(length + used)
            }
            Err(failure) => {
                self.refuse_body(thread, failure, receiving.head());
                Taken::Last
            }
        }
    }

    /// Runs a request that has all its input. Most of them end here, at once.
    fn run_exchange(
        &mut self,
        exchange: Box<Exchange>,
        length: usize,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Taken {
        match self.advance(exchange, thread, at, 0) {
            Next::Verdict(verdict) => Taken::Stopped(length, verdict),
            Next::Go if matches!(self.phase, Phase::Head) => Taken::Answered(length),
            Next::Go => Taken::Phase(length),
        }
    }

    /// Encodes an answer of the server's own, and logs it.
    fn send_answer(&mut self, answer: Answer, head: &Head, head_bytes: &[u8], thread: &mut Thread) {
        let status = answer.head.status();
        let is_head = head.method.of(head_bytes) == b"HEAD";
        let id = std::mem::take(&mut thread.request_id);
        self.patience = Patience::default();
        let sent = self.encode_answer(answer, head, is_head, &id, thread);
        let total = thread.started.take().map(|started| started.elapsed()).unwrap_or_default();
        let times = Times { total, ..Times::default() };
        thread.log(self, || Answered {
            head,
            head_bytes,
            status,
            sent,
            request_id: &id,
            plugin: None,
            times,
        });
    }

    /// Says how long the body is.
    pub(super) fn encode_answer(
        &mut self,
        mut answer: Answer,
        head: &Head,
        is_head: bool,
        id: &RequestId,
        thread: &Thread,
    ) -> u64 {
        if thread.worker.config().request_id == RequestIds::Answer {
            add_id(Arc::make_mut(&mut answer.head), id, thread);
        }
        let has_body = status_has_body(answer.head.status());
        let length = answer.body.length();
        let framing = match length {
            _ if !has_body => ResponseFraming::None,
            Some(length) => ResponseFraming::Length(length),
            None if head.version == Version::Http10 => ResponseFraming::UntilClose,
            None => ResponseFraming::Chunked,
        };
        let persistence = match framing {
            ResponseFraming::UntilClose => Persistence::Close,
            _ => self.persistence(thread, head.keep_alive),
        };
        self.is_closing |= persistence == Persistence::Close;
        let out = &mut self.output.bytes;
        answer_head(out, &answer.head, framing, head.version, persistence, thread);
        if is_head || !has_body {
            return 0;
        }
        self.output.tail = match answer.body {
            AnswerBody::Bytes(bytes) if bytes.len() <= COPY => {
                self.output.bytes.extend_from_slice(&bytes);
                Tail::None
            }
            AnswerBody::Bytes(bytes) => Tail::Copied { bytes, position: 0 },
            AnswerBody::File { file, offset, length } => Tail::File { file, offset, left: length },
            AnswerBody::Parts { file, parts } => Tail::Parts { file, parts, next: 0, position: 0 },
            AnswerBody::Coded { file, length, encoder } => {
                let framing = match framing {
                    ResponseFraming::UntilClose => CodedFraming::UntilClose,
                    _ => CodedFraming::Chunked,
                };
                let coder = Coder::new(*encoder, framing);
                Tail::Coded(Box::new(CodedBody::new(Source::File(file), 0, length, coder)))
            }
            AnswerBody::Empty => Tail::None,
        };
        length.unwrap_or(0)
    }

    /// A request that cannot be understood ends the connection: where the next one begins is
    /// not certain. It begins with `bytes`.
    #[cold]
    pub(super) fn refuse_request(
        &mut self,
        thread: &mut Thread,
        error: &RequestError,
        bytes: &[u8],
    ) {
        tracing::debug!("a request was refused: {error}");
        self.refuse(thread, error.status(), Some(&error.to_string()), bytes);
    }

    /// The same for any reason. More of it may be on its way.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        thread: &mut Thread,
        status: u16,
        detail: Option<&str>,
        bytes: &[u8],
    ) {
        self.is_closing = true;
        self.has_unread_input = true;
        self.send_answer(respond::page(status, detail), &glimpse(bytes), bytes, thread);
    }
}

/// Tells the client the id of its request, if it is to know it.
pub(super) fn add_id(head: &mut ResponseHead, id: &RequestId, thread: &Thread) {
    if thread.worker.config().request_id == RequestIds::Answer && !id.as_bytes().is_empty() {
        head.field(b"X-Request-Id", id.as_bytes()).expect("an id is well-formed");
    }
}

/// How many of the bytes behind a head are its body; `None` if it has not all arrived.
fn skip_body(head: &Head, rest: &[u8]) -> Option<usize> {
    if head.framing == Framing::None {
        return Some(0);
    }
    let mut decoder = BodyDecoder::new(head.framing, u64::MAX);
    let mut position = 0;
    loop {
        let step = decoder.step(&rest[position..]).ok()?;
        position += step.consumed;
        if step.done {
            return Some(position);
        }
        if step.consumed == 0 {
            return None;
        }
    }
}
