//! One request being answered by a plugin: waits for a place in it, lets it run as long as it has
//! something to give and the socket takes it, and closes it exactly once.

use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use super::admission::Admission;
use super::output::Output;
use super::patience::Patience;
use super::repeated::Remembered;
use super::table::{HANG_UP, READY, TURN, WOKEN};
use super::writer::Writer;
use super::{Connection, Next, Phase, Place, Verdict};
use crate::access_log::Times;
use crate::crash::running::{self, Answer, Span};
use crate::http::head::{Framing, Head};
use crate::http::request_id::RequestId;
use crate::plugin::call::{Call, Step};
use crate::worker::event_loop::{Answered, Thread};

/// Encoded bytes that may wait before the plugin is asked for more.
const BACKLOG: usize = 64 * 1024;
/// Calls of `next` in one go before other connections have their turn.
const PULLS: usize = 64;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Start,
    /// `next` is due.
    Pull,
    /// The plugin said PENDING.
    Parked,
    /// The body is complete or given up: close, log, go on.
    End,
}

/// What a woken answer needs stands together, as in `Call`: of a thousand streams that are woken together
/// none is in the processor's caches, and each line of them costs as much as a hundred instructions.
#[repr(C)]
pub struct Exchange {
    pub(super) stage: Stage,
    pub(super) admission: Admission,
    /// It entered by the gate, or waits there.
    pub(super) has_gate: bool,
    /// It has let other events go before it.
    pub(super) has_stepped_back: bool,
    /// Woken since `next` was last called.
    pub(super) is_woken: bool,
    /// The client is gone, or the answer is given up: nothing more is sent.
    pub(super) is_aborted: bool,
    /// Its method is HEAD.
    pub(super) is_head: bool,
    /// Its return closes the plugin's breaker.
    pub(super) is_trial: bool,
    /// For the access log.
    pub(super) status: u16,
    /// When it began, in ticks of the worker's clock.
    pub(super) began: u32,
    /// How long one call into the plugin may take, in ticks.
    pub(super) call_ticks: u32,
    /// For the access log.
    pub(super) sent: u64,
    /// Before all that it points into: a plugin that is closed when it goes may look at that.
    pub(super) call: Call,
    /// What the plugin has given, not sent yet.
    pub(super) answered: Option<Step>,
    pub(super) writer: Writer,
    /// With the client, while the plugin reads the body as it comes.
    pub(super) patience: Patience,
    pub(super) head: Box<Head>,
    /// The bytes of the head. The call's `env` points into them: not touched while the call lives.
    pub(super) bytes: Vec<u8>,
    /// For the access log, if it shows times: when the request came, since when it waits for its
    /// turn, and what is known so far.
    pub(super) started: Option<Instant>,
    pub(super) queued: Option<Instant>,
    pub(super) times: Times,
    /// Whom a proxy speaks for; the call's `env` points to it.
    pub(super) client: Option<Box<str>>,
    pub(super) id: RequestId,
    pub(super) remembered: Remembered,
    /// What a 503 says of when to come again, in seconds.
    pub(super) retry_after: u32,
}

impl Exchange {
    /// What the scoreboard and a crash handler see of it while the plugin runs.
    pub(super) fn running(
        &self,
        socket: &OwnedFd,
        output: &Output,
    ) -> (running::Request, u32, u32) {
        let request = running::Request {
            plugin: self.call.plugin().number,
            id: self.call.id(),
            head: Span::of(&self.bytes),
            body: Span::of(self.call.input.in_memory()),
            socket: socket.as_raw_fd(),
            output: Span::of(output.rest()),
            answer: match self.writer {
                Writer::Gathering(_) => Answer::Due { is_head: self.is_head_request() },
                _ => Answer::Begun,
            },
        };
        (request, self.began, self.call_ticks)
    }

    /// How its body comes, and whether the client waits to be asked for it.
    pub(super) fn framing(&self) -> (Framing, bool) {
        (self.head.framing, self.head.expects_continue)
    }

    pub(super) fn is_head_request(&self) -> bool {
        self.is_head
    }

    pub(super) fn is_inside(&self) -> bool {
        self.admission == Admission::Inside
    }

    /// Waits for the plugin's wake, or for input that the plugin asked for.
    pub(super) fn is_parked(&self) -> bool {
        self.stage == Stage::Parked
    }

    /// Waits for bytes of the client.
    pub(super) fn is_starved(&self) -> bool {
        self.is_parked() && self.call.input.starved
    }

    /// Gives the answer up; `advance` then closes the plugin's body.
    pub(super) fn abort(&mut self) {
        self.is_aborted = true;
        self.stage = Stage::End;
    }

    /// Takes the notices in.
    fn note(&mut self, notices: u32) {
        self.is_woken |= notices & WOKEN != 0;
        let is_starved = self.is_starved();
        if notices & READY != 0 && is_starved {
            self.is_woken = true;
        }
        // Nobody is left to answer; a plugin that reads its input finds out by itself.
        if notices & HANG_UP != 0 && self.is_parked() && !is_starved {
            self.abort();
        }
    }
}

impl Connection {
    /// Goes on with an answer as far as the plugin and the socket allow.
    pub(super) fn advance(
        &mut self,
        mut exchange: Box<Exchange>,
        thread: &mut Thread,
        at: Place<'_>,
        notices: u32,
    ) -> Next {
        exchange.note(notices);
        let verdict = self.drive(&mut exchange, thread, at, notices & TURN != 0);
        exchange.leave(thread);
        match verdict {
            Some(verdict) => {
                self.phase = Phase::Exchange(exchange);
                Next::Verdict(verdict)
            }
            None => self.end_exchange(exchange, thread, at),
        }
    }

    /// `None`: the exchange is over.
    fn drive(
        &mut self,
        exchange: &mut Exchange,
        thread: &mut Thread,
        at: Place<'_>,
        mut has_turn: bool,
    ) -> Option<Verdict> {
        let mut pulls = 0;
        if let Some(step) = exchange.answered.take() {
            self.take_step(exchange, step, thread);
        }
        loop {
            if exchange.is_waiting_for_turn() && !has_turn {
                return Some(Verdict::Wait);
            }
            // The end of most: what follows would find the same, in 40 instructions and more.
            if exchange.stage == Stage::End
                && !self.output.has_any_tail()
                && !exchange.call.is_open()
            {
                return None;
            }
            if let Some(verdict) = self.make_room(exchange, thread, at) {
                return Some(verdict);
            }
            if exchange.stage == Stage::Start && exchange.is_kept_out(thread) {
                self.answer_instead(exchange, thread, 503, None);
                continue;
            }
            match exchange.stage {
                Stage::Parked if !exchange.is_woken => {
                    let has_spoken = pulls > 0;
                    if let Some(verdict) = self.park(exchange, has_spoken, thread, at) {
                        return Some(verdict);
                    }
                    continue;
                }
                Stage::Parked => exchange.stage = Stage::Pull,
                Stage::End if !self.ends_in_plugin(exchange) => return None,
                Stage::Start if !self.is_operator && exchange.finds_queue_full(thread) => {
                    self.answer_instead(exchange, thread, 503, None);
                    continue;
                }
                Stage::Start | Stage::Pull | Stage::End => {}
            }
            if !exchange.call.plugin().is_free()
                && let Some(verdict) = self.enter(exchange, thread, at, mem::take(&mut has_turn))
            {
                return Some(verdict);
            }
            if exchange.stage == Stage::End {
                self.close_plugin(exchange, thread);
                return None;
            }
            pulls += 1;
            if pulls > PULLS {
                return Some(self.yield_turn(exchange, thread, at));
            }
            let step = self.run_plugin(exchange, thread, at);
            if matches!(step, Step::Host(_)) && thread.holds_answers(exchange.call.plugin()) {
                exchange.answered = Some(step);
                return Some(Verdict::Hold);
            }
            self.take_step(exchange, step, thread);
        }
    }

    /// Enters the plugin; who may do so at any time need not. A verdict: it has to wait for that.
    fn enter(
        &mut self,
        exchange: &mut Exchange,
        thread: &Thread,
        at: Place<'_>,
        has_turn: bool,
    ) -> Option<Verdict> {
        if exchange.stage == Stage::Start
            && !mem::replace(&mut exchange.has_stepped_back, true)
            && thread.lets_others_first(exchange.call.plugin())
        {
            return Some(Verdict::Compute);
        }
        let has_waited = exchange.queued.is_some();
        if !exchange.admit(thread, at, has_turn, self.is_operator) {
            if exchange.started.is_some() && !has_waited {
                exchange.queued = Some(Instant::now());
            }
            return Some(self.await_turn(exchange, thread, at));
        }
        if let Some(queued) = exchange.queued.take() {
            exchange.times.queue += queued.elapsed();
        }
        None
    }

    /// Is a call into the plugin needed to end this?
    fn ends_in_plugin(&self, exchange: &Exchange) -> bool {
        exchange.call.is_open() || self.output.tail.is_lent()
    }

    /// Sends when too much waits, when a tail does, and before a plugin that may take its time: what
    /// is ready does not wait for it. Small answers stay, to leave together with the next.
    fn make_room(
        &mut self,
        exchange: &mut Exchange,
        thread: &Thread,
        at: Place<'_>,
    ) -> Option<Verdict> {
        let is_due = match exchange.stage {
            Stage::End => self.output.has_tail(),
            Stage::Start | Stage::Pull | Stage::Parked => {
                self.output.has_tail()
                    || self.output.waiting() >= BACKLOG
                    || (exchange.call.plugin().may_block() && !self.output.is_empty())
            }
        };
        if exchange.is_aborted || !is_due {
            return None;
        }
        match self.flush(thread, at) {
            Some(Verdict::Close) => {
                exchange.abort();
                None
            }
            verdict => verdict,
        }
    }

    /// Others are in the plugin: answers that are complete need not wait for that.
    fn await_turn(&mut self, exchange: &mut Exchange, thread: &Thread, at: Place<'_>) -> Verdict {
        self.wait_until(0, at);
        if !exchange.is_aborted && self.flush(thread, at) == Some(Verdict::Close) {
            exchange.abort();
        }
        Verdict::Wait
    }

    /// Nothing to do until the plugin is woken. `None`: the client has gone meanwhile.
    fn park(
        &mut self,
        exchange: &mut Exchange,
        has_spoken: bool,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Option<Verdict> {
        // What was posted and has come back is sent here, where it shows why it was not taken.
        let posts = has_spoken && self.post(thread, at);
        if !posts {
            match self.flush(thread, at) {
                None => {}
                Some(Verdict::Close) => {
                    exchange.abort();
                    return None;
                }
                verdict => return verdict,
            }
        }
        let (clock, config) = (&thread.worker.clock, thread.worker.config());
        let deadline = match exchange.writer {
            Writer::Raw if exchange.is_starved() => clock.deadline(config.timeouts.idle),
            _ if exchange.is_starved() => {
                let (timeout, rate) = (config.timeouts.body, config.limits.body_rate);
                exchange.patience.deadline(clock, timeout, rate)
            }
            _ => clock.deadline(config.timeouts.write),
        };
        self.wait_until(deadline, at);
        Some(if posts { Verdict::Post } else { Verdict::Wait })
    }

    /// A plugin that always has more lets others have their turn now and then.
    fn yield_turn(&mut self, exchange: &mut Exchange, thread: &Thread, at: Place<'_>) -> Verdict {
        match self.flush(thread, at) {
            None => Verdict::Yield,
            Some(Verdict::Close) => {
                exchange.abort();
                Verdict::Yield
            }
            Some(verdict) => verdict,
        }
    }

    /// One call of `application` or `next`, and what it gave. Inlined, like `in_plugin`.
    #[inline(always)]
    pub(super) fn run_plugin(
        &mut self,
        exchange: &mut Exchange,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Step {
        at.slot.set_deadline(0);
        exchange.is_woken = false;
        let is_start = exchange.stage == Stage::Start;
        let (plugin, running) =
            (exchange.call.plugin(), exchange.running(&self.socket, &self.output));
        let began = exchange.started.map(|_| Instant::now());
        let call = &mut exchange.call;
        let step = thread
            .in_plugin(plugin, &running, || if is_start { call.start() } else { call.pull() });
        if let Some(began) = began {
            exchange.times.plugin += began.elapsed();
        }
        exchange.patience.saw(&thread.worker.clock, exchange.call.input.take_count());
        if !exchange.call.interim.is_empty() {
            self.output.bytes.append(&mut exchange.call.interim);
        }
        step
    }

    /// Goes on with what a call gave.
    fn take_step(&mut self, exchange: &mut Exchange, step: Step, thread: &mut Thread) {
        match step {
            Step::Pending if exchange.stage == Stage::Start => self.after_start(exchange, thread),
            Step::Pending => self.on_pending(exchange, thread),
            Step::Host(body) => self.send_host_body(exchange, body, thread),
            Step::Parts => self.send_parts(exchange, thread),
            Step::End => self.send_end(exchange, thread),
            Step::Failed(reason) => self.fail(exchange, reason, thread),
        }
    }

    /// Done with the plugin: logs, and makes the connection ready for its next request.
    pub(super) fn end_exchange(
        &mut self,
        mut exchange: Box<Exchange>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        at.slot.end_request();
        self.request_end = 0;
        if exchange.is_trial {
            thread.worker.breaker(exchange.call.plugin().number).pass();
        }
        thread.log(self, || Answered {
            head: &exchange.head,
            head_bytes: &exchange.bytes,
            status: exchange.status,
            sent: exchange.sent,
            request_id: &exchange.id,
            plugin: Some(exchange.call.plugin()),
            times: Times {
                total: exchange.started.map(|started| started.elapsed()).unwrap_or_default(),
                ..exchange.times
            },
        });
        if exchange.is_aborted {
            return Next::Verdict(Verdict::Close);
        }
        match exchange.call.input.finish() {
            Some(mut rest) => {
                if !rest.is_empty() {
                    rest.append(&mut self.input);
                    self.input = rest;
                }
            }
            None => {
                self.is_closing = true;
                self.has_unread_input = true;
            }
        }
        exchange.recycle(thread);
        debug_assert!(matches!(self.phase, Phase::Head), "the exchange was taken out of it");
        Next::Go
    }
}
