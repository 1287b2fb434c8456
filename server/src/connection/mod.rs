//! One client connection: what it is waiting for, and how it goes on.
//!
//! `table` says who may touch it, `peers` whom it is from, `reading` turns bytes into requests,
//! `answering` sends what the server answers itself, `receiving` takes a request body, `exchange` is
//! one request being answered by a plugin, in the memory that `recycling` keeps and with what
//! `repeated` knows of it, `admission` its way in and out, `sending` is what the plugin gave on its way
//! out, `output` is what the socket still has to take, `patience` how long it may take over that,
//! `moving` takes it to another process, `waiting` tells what it waits for. `step` is the only way in;
//! it never waits.

mod admission;
mod answering;
mod coded;
mod compression;
pub mod exchange;
mod host_body;
mod moving;
pub mod output;
mod patience;
mod peers;
mod reading;
mod receiving;
mod recycling;
mod repeated;
mod sending;
pub mod table;
mod waiting;
mod writer;

use std::mem;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use socket2::SockRef;

use crate::http::date;
use crate::http::head::Version;
use crate::http::response::{Persistence, ResponseFraming, ResponseHead};
use crate::worker::clients::Pass;
use crate::worker::event_loop::Thread;
use exchange::Exchange;
use moving::Begun;
use output::{Output, Sent};
use patience::Patience;
use receiving::Receiving;
use table::{CROWDED, DRAIN, EXPIRED, HANG_UP, READY, Slot, Token};

/// Bytes that a client may still send behind a refusal before the connection is cut.
const LINGER_LIMIT: usize = 256 * 1024;
/// And how long it may take over them.
const LINGER_TIME: Duration = Duration::from_secs(5);

/// What the thread does with a connection after a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It waits for a notice.
    Wait,
    /// It could go on, but others should have their turn.
    Yield,
    /// It is to compute, after everything else that is at hand.
    Compute,
    /// It has an answer, which leaves with others.
    Hold,
    /// Its bytes are in the thread's outbox, and it stays owned until they are sent.
    Post,
    /// The workers of that pool are to go on with it.
    Move(usize),
    Close,
}

/// What a phase says after a piece of work.
enum Next {
    /// Look again: the phase may have changed.
    Go,
    Verdict(Verdict),
}

enum Phase {
    /// Between requests, or in the middle of a head.
    Head,
    /// A body is arriving for a plugin that wants it whole.
    Body(Box<Receiving>),
    /// A plugin answers.
    Exchange(Box<Exchange>),
    /// The last answer is sent; the client's bytes are thrown away until it closes, so that the
    /// answer is not lost to a reset (RFC 9112 §9.6).
    Linger { discarded: usize },
    /// It has just come from another process, in the middle of a request.
    Arrived(Box<Begun>),
}

/// Both ends, as text.
struct Ends {
    remote: String,
    local: String,
    /// By a PROXY header.
    are_told: bool,
}

pub struct Connection {
    socket: Arc<OwnedFd>,
    /// Asked for when the first plugin is called.
    ends: Option<Box<Ends>>,
    /// Bytes that belong to no request yet.
    input: Vec<u8>,
    output: Output,
    phase: Phase,
    /// With a client that takes its answers slowly.
    patience: Patience,
    /// When the request that is being answered must be at its end, in ticks; 0: at no time.
    request_end: u32,
    /// It came in where operators do.
    is_operator: bool,
    /// A PROXY header comes first.
    awaits_proxy_header: bool,
    /// The other end is a trusted proxy; asked for with the first request.
    is_from_proxy: Option<bool>,
    /// Its place among those of its address.
    _pass: Option<Pass>,
    /// The socket may have bytes: it has not said that it is empty.
    is_readable: bool,
    /// The peer has closed its side.
    is_hung_up: bool,
    /// The client takes no more for now, and the time for it is running.
    is_blocked: bool,
    /// A part of a head has come, and the time for the rest is running.
    is_timing_head: bool,
    /// All requests are answered, and all answers sent: it waits for the next one.
    is_at_rest: bool,
    /// No request has come yet: the client may be about to send its first one.
    is_fresh: bool,
    /// No further request is read.
    is_closing: bool,
    /// Bytes of the client may be on their way that nobody will read.
    has_unread_input: bool,
    /// Another process has it: nothing is read from it or written to it here any more.
    is_moved: bool,
    /// It has more buffered than can move.
    stays: bool,
    /// How often it has moved since a request of it was served.
    hops: u8,
}

impl Ends {
    #[cold]
    fn of(socket: &OwnedFd) -> Box<Self> {
        let socket = SockRef::from(socket);
        let text = |address: std::io::Result<socket2::SockAddr>| {
            let address = address.ok().and_then(|address| address.as_socket());
            address.as_ref().map(SocketAddr::to_string).unwrap_or_default()
        };
        let (remote, local) = (text(socket.peer_addr()), text(socket.local_addr()));
        Box::new(Self { remote, local, are_told: false })
    }
}

impl Connection {
    pub fn new(socket: Arc<OwnedFd>, pass: Option<Pass>, is_operator: bool) -> Self {
        Self {
            patience: Patience::default(),
            request_end: 0,
            is_operator,
            awaits_proxy_header: false,
            is_from_proxy: None,
            _pass: pass,
            socket,
            ends: None,
            input: Vec::new(),
            is_timing_head: false,
            output: Output::default(),
            phase: Phase::Head,
            is_readable: false,
            is_hung_up: false,
            is_blocked: false,
            is_at_rest: false,
            is_fresh: true,
            is_closing: false,
            has_unread_input: false,
            is_moved: false,
            stays: false,
            hops: 0,
        }
    }

    pub fn socket(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }

    /// It begins with a PROXY header.
    pub fn await_proxy_header(&mut self) {
        self.awaits_proxy_header = true;
    }

    /// Goes as far as it can. The caller owns the connection.
    pub fn step(
        &mut self,
        thread: &mut Thread,
        token: Token,
        slot: &Slot,
        notices: u32,
    ) -> Verdict {
        self.is_readable |= notices & (READY | HANG_UP) != 0;
        self.is_hung_up |= notices & HANG_UP != 0;
        let at = Place { token, slot };
        if self.is_moved {
            return self.leave(thread, at, notices);
        }
        if notices & EXPIRED != 0
            && let Next::Verdict(verdict) = self.on_deadline(thread, at)
        {
            return verdict;
        }
        let may_end = self.is_idle() || matches!(self.phase, Phase::Linger { .. });
        if notices & DRAIN != 0 && may_end {
            return Verdict::Close;
        }
        if notices & CROWDED != 0 && self.is_idle() {
            return self.give_way(thread, at);
        }
        let mut arrived = 0;
        if mem::take(&mut self.is_at_rest) && notices == READY && !thread.worker.is_evacuating() {
            match self.answer_at_rest(thread, at) {
                Ok(verdict) => return verdict,
                Err(count) => arrived = count,
            }
        }
        // An empty connection keeps no buffer: the thread lends its own.
        let lends = self.output.bytes.capacity() == 0;
        if lends {
            mem::swap(&mut self.output.bytes, &mut thread.output);
        }
        let verdict = match self.run(thread, at, notices, arrived) {
            Verdict::Move(pool) => self.depart(pool, thread, at),
            verdict => verdict,
        };
        if self.output.waiting() == 0 {
            mem::swap(&mut self.output.bytes, &mut thread.output);
            self.output.bytes = Vec::new();
        }
        verdict
    }

    /// `arrived` bytes in the thread's buffer come first.
    fn run(
        &mut self,
        thread: &mut Thread,
        at: Place<'_>,
        mut notices: u32,
        mut arrived: usize,
    ) -> Verdict {
        loop {
            if arrived == 0 && thread.worker.is_evacuating() && self.may_leave(thread) {
                return Verdict::Wait;
            }
            let next = match mem::replace(&mut self.phase, Phase::Head) {
                Phase::Head => self.read_requests(thread, at, mem::take(&mut arrived)),
                Phase::Body(receiving) => self.receive(receiving, thread, at),
                Phase::Exchange(exchange) => self.advance(exchange, thread, at, notices),
                Phase::Linger { discarded } => self.linger(discarded),
                Phase::Arrived(begun) => self.resume(*begun, thread, at),
            };
            notices = 0;
            if let Next::Verdict(verdict) = next {
                return verdict;
            }
        }
    }

    /// While the worker is evacuated: this is for the evacuation to take, not to go on with.
    fn may_leave(&self, thread: &Thread) -> bool {
        if self.stays || self.output.tail_rest().is_none() {
            return false;
        }
        match &self.phase {
            Phase::Head | Phase::Body(_) => true,
            Phase::Exchange(exchange) => exchange.may_leave(thread.worker.is_dying()),
            Phase::Linger { .. } | Phase::Arrived(_) => false,
        }
    }

    /// Nothing was asked that is not answered, and something was: a client may have to send again
    /// on a connection that it used before (RFC 9112 §9.3.1), but not on a new one.
    fn is_idle(&self) -> bool {
        let is_waiting = matches!(self.phase, Phase::Head) && self.input.is_empty();
        is_waiting && self.output.is_empty() && !self.is_fresh
    }

    /// Sends what waits. `None`: all is sent.
    fn flush(&mut self, thread: &Thread, at: Place<'_>) -> Option<Verdict> {
        match self.output.send(&self.socket) {
            Ok(Sent::All) => {
                self.end_blockade(thread);
                None
            }
            Ok(Sent::Blocked { moved }) => {
                if moved > 0 || !self.is_blocked {
                    let (clock, config) = (&thread.worker.clock, thread.worker.config());
                    self.patience.saw(clock, moved);
                    let (timeout, rate) = (config.timeouts.write, config.limits.write_rate);
                    let deadline = self.patience.deadline(clock, timeout, rate);
                    self.wait_until(deadline, at);
                }
                self.is_blocked = true;
                Some(Verdict::Wait)
            }
            Ok(Sent::Paused) => {
                self.end_blockade(thread);
                // It is the server that takes its time: what the client was given has no meaning.
                self.wait_until(0, at);
                Some(Verdict::Yield)
            }
            // The peer is gone, or must be told by a cut that the answer is not whole.
            Err(_) => Some(Verdict::Close),
        }
    }

    /// Leaves what waits to the burst that the thread is in. `false`: it is to be sent here.
    fn post(&mut self, thread: &mut Thread, at: Place<'_>) -> bool {
        let may_post = !self.is_blocked && !self.output.has_any_tail();
        let posts = may_post && thread.post(at.token, &self.socket, self.output.rest());
        if posts {
            self.output.clear();
        }
        posts
    }

    /// What was posted and not sent waits here.
    pub fn take_back(&mut self, rest: &[u8]) {
        self.output.bytes.extend_from_slice(rest);
    }

    /// The client takes bytes again.
    fn end_blockade(&mut self, thread: &Thread) {
        if mem::take(&mut self.is_blocked) {
            self.patience.saw(&thread.worker.clock, 0);
        }
    }

    /// Waits for something, but not beyond the end of the time for the whole request.
    fn wait_until(&self, deadline: u32, at: Place<'_>) {
        at.slot.set_deadline(match (deadline, self.request_end) {
            (deadline, 0) => deadline,
            (0, end) => end,
            (deadline, end) => deadline.min(end),
        });
    }

    fn persistence(&self, thread: &Thread, keeps_alive: bool) -> Persistence {
        if keeps_alive && !self.is_closing && !thread.worker.is_draining() {
            Persistence::KeepAlive
        } else {
            Persistence::Close
        }
    }

    /// The last answer is on its way: no more requests, and the end once it is sent.
    fn finish(&mut self, thread: &Thread, at: Place<'_>) -> Next {
        if let Some(verdict) = self.flush(thread, at) {
            return Next::Verdict(verdict);
        }
        if !self.has_unread_input {
            return Next::Verdict(Verdict::Close);
        }
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Write);
        let time = LINGER_TIME.min(thread.worker.config().timeouts.idle);
        at.slot.set_deadline(thread.worker.clock.deadline(time));
        self.phase = Phase::Linger { discarded: 0 };
        Next::Go
    }

    #[cold]
    fn linger(&mut self, mut discarded: usize) -> Next {
        let mut waste = [0; 4096];
        loop {
            match rustix::io::read(&*self.socket, &mut waste) {
                Ok(0) => return Next::Verdict(Verdict::Close),
                Ok(count) => discarded += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => return Next::Verdict(Verdict::Close),
            }
            if discarded > LINGER_LIMIT {
                return Next::Verdict(Verdict::Close);
            }
        }
        self.phase = Phase::Linger { discarded };
        Next::Verdict(Verdict::Wait)
    }

    /// The time for what it was waiting for is over.
    #[cold]
    fn on_deadline(&mut self, thread: &mut Thread, at: Place<'_>) -> Next {
        if self.is_blocked {
            // The client takes nothing: there is no way to tell it anything.
            return self.cut(thread, at);
        }
        match mem::replace(&mut self.phase, Phase::Head) {
            Phase::Head if self.input.is_empty() => Next::Verdict(Verdict::Close),
            Phase::Head => {
                let bytes = mem::take(&mut self.input);
                self.refuse(thread, 408, None, &bytes);
                Next::Go
            }
            Phase::Body(receiving) => {
                self.refuse(thread, 408, None, receiving.head());
                Next::Go
            }
            Phase::Linger { .. } => Next::Verdict(Verdict::Close),
            Phase::Arrived(begun) => {
                self.phase = Phase::Arrived(begun);
                Next::Go
            }
            Phase::Exchange(mut exchange) => {
                if exchange.is_parked() {
                    self.give_up(&mut exchange, thread);
                } else if exchange.is_waiting_for_turn() {
                    self.give_up_turn(&mut exchange, thread, at);
                }
                // Else the plugin was at work, and the deadline is one of the past.
                self.phase = Phase::Exchange(exchange);
                Next::Go
            }
        }
    }

    /// Ends the connection where it stands; a plugin that is at it is told so first.
    #[cold]
    fn cut(&mut self, thread: &mut Thread, at: Place<'_>) -> Next {
        match mem::replace(&mut self.phase, Phase::Head) {
            Phase::Exchange(mut exchange) => {
                exchange.abort();
                self.advance(exchange, thread, at, 0)
            }
            _ => Next::Verdict(Verdict::Close),
        }
    }

    /// Both ends as text: `(remote, local)`.
    #[inline]
    fn ends(&mut self) -> &Ends {
        self.ends.get_or_insert_with(|| Ends::of(&self.socket))
    }

    /// The client's address, as text.
    pub fn remote(&mut self) -> &str {
        &self.ends().remote
    }

    /// The next cut must look like one, even where the end of the connection ends the body.
    fn reset_on_close(&self) {
        // Without it the close is an ordinary one; there is nothing better to do.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }
}

/// Where a connection stands in the table.
#[derive(Clone, Copy)]
struct Place<'s> {
    token: Token,
    slot: &'s Slot,
}

/// Encodes the head of an answer, with what the server adds to it.
fn answer_head(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    framing: ResponseFraming,
    version: Version,
    persistence: Persistence,
    thread: &Thread,
) {
    let server = &thread.worker.server_line;
    date::with_line(|date| head.encode_into(out, framing, version, persistence, date, server));
}
