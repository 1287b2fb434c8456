//! A worker process: serves one generation of plugins until it is told to drain.
//!
//! `start` brings it up, `lead` says which thread waits for events, `event_loop` is a thread, `outbox`
//! holds what its streams say together, `monitor` watches over the threads and wakes by its `timer`,
//! `listener` accepts, `waiting` tells what waits. What happens on a connection is in
//! `crate::connection`.

pub mod clients;
pub mod event_loop;
pub mod lead;
pub mod listener;
pub mod monitor;
mod outbox;
mod start;
mod timer;
mod waiting;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::deque::{Steal, Stealer};
use crossbeam::queue::{ArrayQueue, SegQueue};
use rustix::event::epoll;

use crate::access_log::AccessLog;
use crate::breaker::{Breaker, Poisons};
use crate::config::Config;
use crate::connection::Connection;
use crate::connection::table::{CROWDED, DRAIN, Slot, TURN, Table, Token, WOKEN};
use crate::control::{ToWorker, WorkerSpec};
use crate::crash::capture::Recorder;
use crate::handoff::{adopt, channel, evacuate};
use crate::plugin::Plugin;
use crate::plugin::gate::Gate;
use crate::plugin::host::Alarm;
use crate::respond::Site;
use crate::scoreboard::{Scoreboard, ThreadCell};
use clients::Clients;
use lead::Lead;
use listener::Listener;
use monitor::{Clock, Monitor, monotonic_milliseconds};
use outbox::Outbox;

pub use start::run;

/// What epoll gives back for what is not a connection; no token is that large.
const LISTENER: u64 = u64::MAX - 0xffff;
const CONTROL: u64 = LISTENER - 1;
const WAKE: u64 = LISTENER - 2;
pub const CHANNEL: u64 = LISTENER - 3;

/// Connections that the evacuation has given back and no thread has taken yet.
const GIVEN_BACK: usize = 1024;

/// Whether connections leave: not at all,
const STAYING: u8 = 0;
/// in order, to the workers of a new generation,
const HANDING_OVER: u8 = 1;
/// or because this process has crashed and will end.
const DYING: u8 = 2;

/// Connections that are looked at in one go for idle ones that can be ended.
const SHED: usize = 64;
/// Connections of operators above the limit for all.
pub const OPERATORS: usize = 16;

/// What the threads of a worker share. There is one in a process, and it is never freed.
pub struct Worker {
    pub spec: WorkerSpec,
    pub site: Site,
    pub table: Table,
    pub lead: Lead,
    pub monitor: Monitor,
    pub clock: Clock,
    /// Places in plugins that may block: one fewer than there are threads.
    pub seats: Gate<Token>,
    /// The events that each thread has at hand.
    batches: Vec<Stealer<(u64, u32)>>,
    /// What streams of each thread have to say that is not sent yet.
    outboxes: Vec<Outbox>,
    pub listeners: Vec<Listener>,
    pub clients: Clients,
    pub access_log: AccessLog,
    /// The `Server` field; empty if there is to be none.
    pub server_line: Vec<u8>,
    /// Connections that are owned by this queue and wait for a thread.
    ready: SegQueue<Token>,
    /// The same, for the leader alone: requests that compute under a lock, one after the other, and
    /// their answers, which leave together.
    computing: SegQueue<Token>,
    held: SegQueue<Token>,
    /// Events of a leader that lost the lead.
    left_over: SegQueue<(u64, u32)>,
    epoll: OwnedFd,
    /// Gets the leader out of the kernel.
    event_fd: OwnedFd,
    control: OwnedFd,
    /// Where connections go to and come from.
    pub channel: adopt::Ends,
    /// Connections that the evacuation has left to the threads: owned by this queue, which a signal
    /// handler can use.
    given_back: ArrayQueue<Token>,
    /// Threads that hold connections which are in no table yet.
    motion: AtomicUsize,
    /// Connections that a dying process need not care for any more.
    lost: AtomicUsize,
    evacuation: AtomicU8,
    is_draining: AtomicBool,
    scoreboard: Scoreboard,
    /// Where a thread that crashes says so.
    pub recorder: Recorder,
}

impl Worker {
    pub fn config(&self) -> &Config {
        &self.spec.config
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Connections are leaving for other workers.
    pub fn is_evacuating(&self) -> bool {
        self.evacuation.load(Ordering::Relaxed) != STAYING
    }

    /// The process has crashed: no request begins here any more.
    pub fn is_dying(&self) -> bool {
        self.evacuation.load(Ordering::Relaxed) == DYING
    }

    pub fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// What stands before a plugin.
    pub fn breaker(&self, plugin: u32) -> &Breaker {
        self.scoreboard.breaker(plugin as usize)
    }

    pub fn poisons(&self) -> &Poisons {
        self.scoreboard.poisons()
    }

    /// What the supervisor sees of a thread.
    pub fn cell(&self, thread: usize) -> &ThreadCell {
        self.scoreboard.cell(self.spec.slot, thread)
    }

    /// Leaves notices for a connection and sees that somebody works on it.
    pub fn notify(&self, token: Token, slot: &Slot, notices: u32) {
        if slot.notify(notices) {
            self.push_ready(token);
        }
    }

    /// A place in a plugin has become this connection's.
    pub fn grant_turn(&self, token: Token) {
        if let Some(slot) = self.table.find(token) {
            self.notify(token, slot, TURN);
        }
    }

    /// The same for the place that a plugin's gate has given. Who only computes is the leader's: two
    /// threads would not be quicker.
    pub fn grant_gate(&self, plugin: &Plugin, token: Token) {
        if !plugin.shares_lock() {
            return self.grant_turn(token);
        }
        if let Some(slot) = self.table.find(token)
            && slot.notify(TURN)
        {
            self.push(&self.computing, token);
        }
    }

    /// Hands an owned connection to whichever thread comes first.
    fn push_ready(&self, token: Token) {
        self.push(&self.ready, token);
    }

    fn push(&self, queue: &SegQueue<Token>, token: Token) {
        queue.push(token);
        self.wake_leader();
    }

    /// After work was put where a leader looks for it. Async-signal-safe.
    fn wake_leader(&self) {
        if self.lead.rouse() {
            // The counter of an eventfd cannot overflow from single steps.
            let _ = rustix::io::write(self.event_fd.as_fd(), &1u64.to_ne_bytes());
        }
    }

    /// Hands an owned connection to the threads. For the evacuation: async-signal-safe.
    pub fn give_back(&self, mut token: Token) {
        while let Err(full) = self.given_back.push(token) {
            token = full;
            channel::pause(Duration::from_millis(1));
        }
        self.wake_leader();
    }

    fn take_ready(&self) -> Option<Token> {
        if self.ready.is_empty() { None } else { self.ready.pop() }
    }

    fn take_left_over(&self) -> Option<(u64, u32)> {
        if self.left_over.is_empty() { None } else { self.left_over.pop() }
    }

    fn take_given_back(&self) -> Option<Token> {
        if self.is_evacuating() { self.given_back.pop() } else { None }
    }

    /// A socket that another process has goes on making events here until it is taken out: closing
    /// it does not (epoll(7), Questions and answers, 6).
    fn forget_if_moved(&self, connection: &Connection) {
        if connection.is_moved() {
            let _ = epoll::delete(&self.epoll, connection.socket());
        }
    }

    /// A thread has crashed: from now on connections leave, and no request begins. `false`: another
    /// thread has said so before. Async-signal-safe.
    pub fn begin_dying(&self) -> bool {
        if self.evacuation.swap(DYING, Ordering::SeqCst) == DYING {
            return false;
        }
        self.channel.pause(self);
        self.listeners.iter().for_each(|listener| listener.close(self));
        let _ = rustix::io::write(self.event_fd.as_fd(), &1u64.to_ne_bytes());
        true
    }

    /// Says so to the supervisor, as `ToSupervisor::Dying` does. Async-signal-safe.
    pub fn tell_dying(&self) {
        // If it is gone, nobody starts a successor anyway.
        let _ = rustix::io::write(self.control.as_fd(), b"\"Dying\"");
    }

    /// One connection fewer to save from a dying process.
    pub fn lose_connection(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    /// No connection is left that could be saved.
    pub fn is_evacuated(&self) -> bool {
        let is_still = self.motion.load(Ordering::SeqCst) == 0;
        is_still && self.table.open() <= self.lost.load(Ordering::SeqCst)
    }

    /// While the value lives, this thread holds connections that are in no table.
    pub fn in_motion(&self) -> Motion<'_> {
        self.motion.fetch_add(1, Ordering::SeqCst);
        Motion(&self.motion)
    }

    /// Before waiting in the kernel. `true`: do not wait, there is work, or another thread leads.
    fn fall_asleep(&self, thread: usize) -> bool {
        !self.lead.fall_asleep(thread)
            || !self.ready.is_empty()
            || !self.computing.is_empty()
            || !self.held.is_empty()
            || !self.left_over.is_empty()
            || !self.given_back.is_empty()
    }

    fn drain_event_fd(&self) {
        let mut count = [0; 8];
        // Empty already: another thread was quicker.
        let _ = rustix::io::read(self.event_fd.as_fd(), &mut count);
    }

    /// The monitor's: `thread` is long in a plugin.
    fn on_long_call(&self, thread: usize) {
        if self.lead.is_held_by(thread) {
            self.take_lead(thread);
        } else if let Some(plugin) = self.site.plugin(self.cell(thread).plugin())
            && plugin.shares_lock()
        {
            self.note_slow_call(plugin);
        }
    }

    /// It leads: somebody else must.
    fn take_lead(&self, thread: usize) {
        if self.is_dying() {
            // The thread may have crashed with the heap's lock: the lead first, without a word.
            self.lead.pass(thread);
        }
        if let Some(plugin) = self.site.plugin(self.cell(thread).plugin()) {
            if plugin.may_block() {
                self.note_slow_call(plugin);
            } else {
                tracing::warn!(
                    "plugin {} promises not to block and has blocked; other requests waited for it",
                    plugin.name
                );
            }
        }
        loop {
            match self.batches[thread].steal() {
                Steal::Success(event) => self.left_over.push(event),
                Steal::Retry => {}
                Steal::Empty => break,
            }
        }
        self.lead.pass(thread);
        self.recall_posted(thread);
        // If that call has ended meanwhile, whoever leads may have gone to sleep without these events.
        self.wake_leader();
    }

    /// A call takes long. Who waits for it may be what it waits for, where the plugin is thread-safe.
    fn note_slow_call(&self, plugin: &Plugin) {
        plugin.pace.saw_slow_call();
        if plugin.shares_lock()
            && let Some(next) = plugin.gate.lend()
        {
            self.grant_gate(plugin, next);
        }
    }

    /// Calls that the other threads have begun or ended; `None`: one of them is in a plugin.
    fn calls_of_others(&self, thread: usize) -> Option<u64> {
        let others = (0..self.config().threads).filter(|number| *number != thread);
        let mut calls = others.map(|number| self.cell(number).calls());
        calls.try_fold(0, |sum, calls| (calls % 2 == 0).then_some(sum + u64::from(calls)))
    }

    /// Watches a socket for everything, once per change.
    pub fn watch(&self, socket: impl AsFd, token: Token) -> rustix::io::Result<()> {
        use epoll::EventFlags as Flags;
        let interest = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token.to_u64()), interest)
    }

    /// When all places are taken, and somebody waits for one whom no other worker of the pool will let
    /// in: connections that have been idle for longest give theirs up. Those that are not idle do not
    /// mind. Called a few times a second, by the monitor.
    fn share_room(&self) {
        let (row, pool) = (self.scoreboard.row(self.spec.slot), self.spec.pool);
        let now = monotonic_milliseconds();
        let is_ending = self.is_draining() || self.is_evacuating();
        let accepts = !is_ending && !self.listeners.iter().any(Listener::is_starved);
        if !self.table.is_full() {
            return row.tell_room(pool, accepts.then_some(now));
        }
        row.tell_room(pool, None);
        let is_waited_for =
            self.channel.is_waited_for() || self.listeners.iter().any(Listener::is_waited_for);
        let mut others = self.scoreboard.other_rows(self.spec.slot);
        if is_ending || !is_waited_for || others.any(|row| row.has_room(pool, now)) {
            return;
        }
        for (token, slot) in self.table.longest_waiting(SHED) {
            self.notify(token, slot, CROWDED);
        }
    }

    pub fn on_connection_opened(&self) {
        let open = self.table.open();
        self.scoreboard.row(self.spec.slot).set_connections(open as u32);
    }

    pub fn on_connection_closed(&self) {
        let open = self.table.open();
        self.scoreboard.row(self.spec.slot).set_connections(open as u32);
        for listener in &self.listeners {
            listener.resume(self);
        }
        self.channel.resume(self);
        self.stop_if_empty();
    }

    /// Something came from the supervisor, or it is gone.
    #[cold]
    fn on_control(&'static self) {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(self.control.as_fd(), &mut buffer) {
                Ok(0) => {
                    tracing::warn!("the supervisor is gone: draining");
                    let _ = epoll::delete(&self.epoll, &self.control);
                    self.monitor.end_after(&self.clock, self.config().timeouts.drain);
                    return self.drain(false);
                }
                Ok(length) => match serde_json::from_slice(&buffer[..length]) {
                    Ok(ToWorker::Drain { hand_over }) => self.drain(hand_over),
                    Ok(ToWorker::Start) => {}
                    Ok(ToWorker::ListWaiting { inquiry }) => waiting::tell(self, inquiry),
                    Ok(ToWorker::Reopen) => self.access_log.reopen(),
                    Err(error) => tracing::error!("unknown message of the supervisor: {error}"),
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Stops accepting, and stops when the last connection has left or ended: to others who go on
    /// (`hand_over`), or, where there are none, by being idle.
    pub fn drain(&'static self, hand_over: bool) {
        if hand_over {
            let begins = self.evacuation.compare_exchange(
                STAYING,
                HANDING_OVER,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            if begins.is_err() {
                return;
            }
            self.channel.pause(self);
            self.listeners.iter().for_each(|listener| listener.close(self));
            let mover = std::thread::Builder::new().name("handoff".to_owned());
            if let Err(error) = mover.spawn(move || evacuate::run(self)) {
                tracing::error!("cannot hand over connections: {error}: they end here");
                self.evacuation.store(STAYING, Ordering::SeqCst);
                return self.drain(false);
            }
        } else if self.is_draining.swap(true, Ordering::SeqCst) {
            return;
        } else {
            self.listeners.iter().for_each(|listener| listener.close(self));
            for (token, slot) in self.table.slots() {
                self.notify(token, slot, DRAIN);
            }
        }
        self.stop_if_empty();
    }

    fn stop_if_empty(&self) {
        let is_ending = self.is_draining() || self.is_evacuating();
        if is_ending && self.table.open() == 0 && self.motion.load(Ordering::SeqCst) == 0 {
            self.stop();
        }
    }

    /// Lets every thread return.
    pub fn stop(&self) {
        self.lead.stop();
        self.monitor.rouse();
        let _ = rustix::io::write(self.event_fd.as_fd(), &1u64.to_ne_bytes());
    }
}

/// See `Worker::in_motion`.
pub struct Motion<'w>(&'w AtomicUsize);

impl Drop for Motion<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Alarm for Worker {
    fn wake(&self, request: u64) {
        if let Some((token, slot)) = self.table.find_request(request) {
            self.notify(token, slot, WOKEN);
        }
    }

    fn wake_after(&self, request: u64, delay: Duration) {
        self.monitor.set_timer(request, delay);
    }
}
