//! A thread of a worker: waits for events when it leads, and works on connections.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossbeam::deque;
use rustix::event::epoll;

use super::{CHANNEL, CONTROL, LISTENER, WAKE, Worker};
use crate::access_log::{Entry, Times};
use crate::config::RequestIds;
use crate::connection::exchange::Exchange;
use crate::connection::table::{HANG_UP, READY, Slot, Token};
use crate::connection::{Connection, Verdict};
use crate::crash::handler;
use crate::crash::running::{self, Request};
use crate::http::head::Head;
use crate::http::request_id::{self, RequestId};
use crate::plugin::Plugin;
use crate::route_cache::RouteCache;
use crate::scoreboard::{Running, ThreadCell};

/// Events taken from the kernel at a time. More would let one thread sit on many connections.
pub(super) const BATCH: usize = 32;
/// Bytes read from a socket at a time, and room for a whole head in front of them.
const INPUT_SIZE: usize = 64 * 1024;

/// How long requests compute under a lock before the leader looks for others.
const LOOK: Duration = Duration::from_micros(500);
/// How long an answer waits for those that leave with it, at the most.
const HOLD: Duration = Duration::from_millis(4);

/// What a thread keeps for itself, so that requests need no memory of their own.
pub struct Thread {
    pub worker: &'static Worker,
    pub number: usize,
    /// What others see of this thread.
    cell: &'static ThreadCell,
    /// Events taken and not yet served; the monitor may take them over.
    batch: deque::Worker<(u64, u32)>,
    /// Connections that are ready and may be served before the thread looks for events: who goes on and
    /// on is ready again at once.
    pub(super) before_look: usize,
    /// In a burst of woken streams: how many have posted. See `outbox`.
    pub(super) burst: Option<usize>,
    /// Where sockets are read into.
    pub input: Vec<u8>,
    /// Answers on their way to a socket.
    pub output: Vec<u8>,
    /// Room for the next head; lent to whoever parses.
    pub head: Option<Box<Head>>,
    pub routes: RouteCache,
    /// Finished exchanges, for their memory.
    pub spares: Vec<Box<Exchange>>,
    /// Since when requests compute without a look at what else has come, and since when their answers
    /// wait.
    computing_since: Option<Instant>,
    held_since: Option<Instant>,
    /// What a connection is described in that moves to another pool; empty until one does.
    pub parcels: Vec<u8>,
    /// Nothing but the bytes of a request decides what plugins are told: see `connection::repeated`.
    pub remembers: bool,
    /// The head that was parsed last, as it came.
    pub asked: Vec<u8>,
    /// Somebody wants to know the id of every request.
    pub wants_request_ids: bool,
    pub request_ids: request_id::Source,
    /// Of the request whose head was read last, and when that was, if the access log shows it.
    pub request_id: RequestId,
    pub started: Option<Instant>,
}

/// An answered request, for the access log.
pub struct Answered<'a> {
    pub head: &'a Head,
    pub head_bytes: &'a [u8],
    pub status: u16,
    pub sent: u64,
    pub request_id: &'a RequestId,
    pub plugin: Option<&'static Plugin>,
    pub times: Times,
}

impl Thread {
    pub fn new(worker: &'static Worker, number: usize, batch: deque::Worker<(u64, u32)>) -> Self {
        Self {
            worker,
            number,
            cell: worker.cell(number),
            batch,
            before_look: BATCH,
            burst: None,
            input: vec![0; INPUT_SIZE],
            output: Vec::new(),
            head: None,
            routes: RouteCache::default(),
            spares: Vec::new(),
            computing_since: None,
            held_since: None,
            parcels: Vec::new(),
            remembers: worker.config().proxies.trusted.is_empty(),
            asked: Vec::new(),
            wants_request_ids: worker.config().request_id != RequestIds::Off
                || worker.access_log.shows_request_ids(),
            request_ids: request_id::Source::default(),
            request_id: RequestId::default(),
            started: None,
        }
    }

    /// Returns when the worker stops. A function of its own, because `tests/tests/counts.rs` counts
    /// what happens in it.
    #[inline(never)]
    pub fn run(mut self) {
        running::set_thread(self.number);
        handler::prepare_thread();
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.cell.set_thread(thread.unsigned_abs());
        while self.worker.lead.acquire(self.number) {
            while self.worker.lead.is_held_by(self.number) {
                if !self.serve_next() {
                    self.wait();
                }
            }
            self.leave_events();
            // Somebody else leads, and may be asleep in the kernel: work that this thread has made
            // ready is this thread's to do.
            while let Some(token) =
                self.worker.ready.pop().or_else(|| self.worker.take_given_back())
            {
                self.serve(token);
            }
        }
    }

    /// Plugins are told the id of every request.
    pub fn gives_ids(&self) -> bool {
        self.worker.config().request_id != RequestIds::Off
    }

    /// Clients are told the id of their request.
    pub fn answers_ids(&self) -> bool {
        self.worker.config().request_id == RequestIds::Answer
    }

    /// Gives the lead, and the events at hand, to a follower: this thread may be long.
    pub fn pass_lead(&self) {
        if self.worker.lead.is_held_by(self.number) {
            self.leave_events();
            self.worker.lead.pass(self.number);
        }
    }

    /// Leaves the events at hand to whoever leads.
    fn leave_events(&self) {
        if self.batch.is_empty() {
            return;
        }
        while let Some(event) = self.batch.pop() {
            self.worker.left_over.push(event);
        }
        self.worker.wake_leader();
    }

    /// Runs `f`, a call into `plugin` for a request that began at tick `began`, where everybody can
    /// see it, a crash handler too. What takes longer than `call_ticks` hangs.
    ///
    /// Inlined: it costs little more than handing to a function what this one is given.
    #[inline(always)]
    pub fn in_plugin<T>(
        &mut self,
        plugin: &'static Plugin,
        (request, began, call_ticks): &(Request, u32, u32),
        f: impl FnOnce() -> T,
    ) -> T {
        if plugin.may_block() {
            self.send_posted();
        }
        let is_slow = plugin.may_block() && plugin.pace.is_slow();
        if is_slow {
            self.pass_lead();
        }
        let look = if plugin.may_block() { plugin.pace.begin() } else { None };
        let others = look.as_ref().and_then(|_| self.worker.calls_of_others(self.number));
        let cell = self.cell;
        let entered = self.worker.clock.tick();
        running::enter(request);
        let due = self.worker.clock.due(*call_ticks);
        let running =
            Running { plugin: plugin.number, request: request.id, began: *began, entered, due };
        cell.enter(running);
        self.worker.monitor.watch();
        let result = f();
        cell.leave();
        running::leave();
        if let Some(look) = look {
            let was_alone = others.is_some() && others == self.worker.calls_of_others(self.number);
            plugin.pace.end(&look, was_alone);
        }
        result
    }

    /// Counts an answered request, and notes it in the access log, if there is one.
    pub fn log<'a>(&self, connection: &mut Connection, answered: impl FnOnce() -> Answered<'a>) {
        self.cell.count_answer();
        let log = &self.worker.access_log;
        if !log.is_on() {
            return;
        }
        let answered = answered();
        let told = answered.head.client.map(|client| client.to_string());
        log.note(
            self.number,
            &Entry {
                remote: told.as_deref().unwrap_or_else(|| connection.remote()),
                head: answered.head,
                bytes: answered.head_bytes,
                status: answered.status,
                sent: answered.sent,
                request_id: answered.request_id.as_bytes(),
                plugin: answered.plugin.map(|plugin| plugin.name.as_str()),
                times: answered.times,
            },
        );
    }

    /// Serves one event or one connection that is ready. `false`: there is none.
    fn serve_next(&mut self) -> bool {
        // Looking whether a queue is empty costs far less than finding out by `pop`.
        let worker = self.worker;
        if self.before_look > 0
            && let Some(token) = worker.take_ready().or_else(|| worker.take_given_back())
        {
            self.serve_burst(token);
        } else if let Some(event) = self.batch.pop().or_else(|| worker.take_left_over()) {
            self.on_event(event);
        } else if let Some(token) = self.take_computing() {
            self.serve(token);
        } else if let Some(token) = self.take_held() {
            self.serve(token);
        } else {
            return false;
        }
        true
    }

    /// The next request that computes, unless it is time to look for others.
    fn take_computing(&mut self) -> Option<Token> {
        let computing = &self.worker.computing;
        if computing.is_empty() || is_over(&mut self.computing_since, LOOK) {
            return None;
        }
        computing.pop()
    }

    /// The next answer that has waited for others, when it is time for them to leave.
    fn take_held(&mut self) -> Option<Token> {
        if self.worker.held.is_empty() {
            self.held_since = None;
            return None;
        }
        if !self.worker.computing.is_empty() && !is_over(&mut self.held_since, HOLD) {
            return None;
        }
        self.worker.held.pop()
    }

    /// A request for a plugin that computes under a lock goes behind all others.
    pub fn lets_others_first(&self, plugin: &Plugin) -> bool {
        plugin.pace.computes()
            && self.worker.lead.is_held_by(self.number)
            && !(self.batch.is_empty() && self.worker.computing.is_empty())
    }

    /// Others are to compute before its answer is sent. Each answer wakes the client, if it is on this
    /// machine, which costs as much as the answer: several that leave together wake it once.
    pub fn holds_answers(&self, plugin: &Plugin) -> bool {
        plugin.pace.computes()
            && self.worker.lead.is_held_by(self.number)
            && !self.worker.computing.is_empty()
    }

    /// Waits for events, and serves the first of them; the others can be taken over.
    fn wait(&mut self) {
        self.computing_since = None;
        self.before_look = BATCH;
        let timeout = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = self.worker.fall_asleep(self.number).then_some(&timeout);
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        let taken = epoll::wait(self.worker.epoll.as_fd(), &mut events, timeout);
        self.worker.lead.wake_up(self.number);
        // Interrupted by a signal: as if nothing had happened.
        let Ok((taken, _)) = taken else { return };
        let mut taken = taken.iter().map(|event| {
            // Copied out first: the kernel's structure is packed.
            let (data, flags) = (event.data, event.flags);
            (data.u64(), flags.bits())
        });
        let first = taken.next();
        taken.for_each(|event| self.batch.push(event));
        first.into_iter().for_each(|event| self.on_event(event));
    }

    fn on_event(&mut self, (data, flags): (u64, u32)) {
        match data {
            WAKE => self.worker.drain_event_fd(),
            CONTROL => self.worker.on_control(),
            CHANNEL => self.worker.channel.adopt(self.worker),
            LISTENER.. => self.accept((data - LISTENER) as usize),
            _ => {
                let token = Token::from_u64(data);
                let flags = epoll::EventFlags::from_bits_retain(flags);
                let gone =
                    epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
                let hang_up = if flags.intersects(gone) { HANG_UP } else { 0 };
                let notices = READY | hang_up;
                if let Some(slot) = self.worker.table.find(token)
                    && (slot.claim() || slot.notify(notices))
                {
                    self.work(token, slot, notices);
                }
            }
        }
    }

    fn accept(&mut self, listener: usize) {
        self.worker.listeners[listener].accept(self.worker);
    }

    /// Works on a connection that this thread owns, by its token.
    pub(super) fn serve(&mut self, token: Token) {
        if let Some(slot) = self.worker.table.find(token) {
            self.work(token, slot, slot.take());
        }
    }

    /// Works on a connection. What has happened to it meanwhile is for its next turn: a plugin may wake
    /// its stream whenever it is asked, and is asked because it is woken.
    fn work(&mut self, token: Token, slot: &Slot, notices: u32) {
        let mut place = slot.lock();
        let verdict = match place.as_mut() {
            Some(connection) => connection.step(self, token, slot, notices),
            None => Verdict::Wait,
        };
        if verdict == Verdict::Close {
            let connection: Option<Connection> = place.take();
            drop(place);
            connection.as_ref().into_iter().for_each(|one| self.worker.forget_if_moved(one));
            self.worker.table.vacate(token, slot);
            drop(connection);
            self.worker.on_connection_closed();
            return;
        }
        drop(place);
        // Still owned: whoever takes it from the queue goes on.
        let queue = match verdict {
            Verdict::Post => return,
            Verdict::Yield => {
                self.before_look = 0;
                &self.worker.ready
            }
            Verdict::Compute => &self.worker.computing,
            Verdict::Hold => &self.worker.held,
            _ if slot.release() => return,
            _ => &self.worker.ready,
        };
        self.worker.push(queue, token);
    }
}

/// Whether `time` has passed since the first call of this.
fn is_over(since: &mut Option<Instant>, time: Duration) -> bool {
    let now = Instant::now();
    now.duration_since(*since.get_or_insert(now)) >= time
}
