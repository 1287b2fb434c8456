//! Bytes into requests: reads from the socket, parses heads, and finds who answers.

use std::time::Instant;

use rustix::io::Errno;

use super::exchange::Exchange;
use super::patience::Patience;
use super::receiving::Receiving;
use super::{Connection, Next, Phase, Place, Verdict, repeated};
use crate::http::body::BodyDecoder;
use crate::http::head::{Framing, Head, Parsed};
use crate::http::request_error::RequestError;
use crate::plugin::Plugin;
use crate::plugin::input::{CONTINUE, Input};
use crate::respond::{self, Target};
use crate::router::Route;
use crate::worker::event_loop::Thread;

/// Answers are sent when this much waits, even if more requests are at hand.
const BATCH_BYTES: usize = 64 * 1024;
/// Requests answered in one go before other connections have their turn.
const BATCH_REQUESTS: usize = 64;
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
    /// Takes requests until there are no more bytes, or one of them takes its time. The first `arrived`
    /// bytes are in the thread's buffer; the connection has kept none then.
    pub(super) fn read_requests(
        &mut self,
        thread: &mut Thread,
        at: Place<'_>,
        arrived: usize,
    ) -> Next {
        if self.is_closing {
            return self.finish(thread, at);
        }
        if self.output.has_any_tail()
            && let Some(verdict) = self.flush(thread, at)
        {
            return Next::Verdict(verdict);
        }
        // The thread's buffer holds the bytes meanwhile; the connection keeps what is left over.
        let mut buffer = std::mem::take(&mut thread.input);
        if buffer.len() < self.input.len() + LEAST_READ {
            buffer.resize(self.input.len() + LEAST_READ, 0);
        }
        let next = self.read_into(&mut buffer, arrived, thread, at);
        thread.input = buffer;
        next
    }

    fn read_into(
        &mut self,
        buffer: &mut [u8],
        arrived: usize,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        let mut filled = arrived;
        if !self.input.is_empty() {
            filled = self.input.len();
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
                if self.is_closing || self.output.has_any_tail() {
                    self.keep(&buffer[start..filled]);
                    return Next::Go;
                }
            }
            let is_full_batch = requests >= BATCH_REQUESTS || self.output.waiting() >= BATCH_BYTES;
            if is_full_batch || !self.is_readable {
                self.keep(&buffer[start..filled]);
                // What has not been read makes no further event.
                let has_more = is_full_batch && (start < filled || self.is_readable);
                return self.rest(has_more, thread, at);
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
            return Next::Verdict(self.await_request(thread, at));
        }
        if !self.is_timing_head {
            // The deadline of a head is set once, when it begins, and not put off by dripping.
            let head = thread.worker.config().timeouts.head;
            at.slot.set_deadline(thread.worker.clock.deadline(head));
            self.is_timing_head = true;
        }
        Next::Verdict(Verdict::Wait)
    }

    /// All is answered and sent.
    pub(super) fn await_request(&mut self, thread: &Thread, at: Place<'_>) -> Verdict {
        if thread.worker.is_draining() {
            return Verdict::Close;
        }
        let idle = thread.worker.config().timeouts.idle;
        at.slot.set_deadline(thread.worker.clock.deadline(idle));
        self.is_timing_head = false;
        self.is_at_rest = thread.remembers;
        Verdict::Wait
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
        self.is_timing_head = false;
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
        self.begin_call(thread);
        let mut exchange = Exchange::begin(self, request, thread, at);
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
        if exchange.head.framing != Framing::None {
            return self.begin_receiving(exchange, length, rest, thread, at);
        }
        exchange.call.input.begin(self.socket.clone(), self.output.is_empty());
        self.run_exchange(exchange, length, thread, at)
    }

    fn begin_receiving(
        &mut self,
        exchange: Box<Exchange>,
        length: usize,
        rest: &[u8],
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Taken {
        let (framing, expects_continue) = exchange.framing();
        let (socket, may_send) = (self.socket.clone(), self.output.is_empty());
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
