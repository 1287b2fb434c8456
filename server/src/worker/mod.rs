//! A worker process: serves one generation of plugins until it is told to drain.
//!
//! `start` brings it up, `lead` says which thread waits for events, `event_loop` is a thread,
//! `monitor` watches over them, `listener` accepts. What happens on a connection is in
//! `crate::connection`.

pub mod event_loop;
pub mod lead;
pub mod listener;
pub mod monitor;
mod start;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::deque::{Steal, Stealer};
use crossbeam::queue::SegQueue;
use rustix::event::epoll;

use crate::access_log::AccessLog;
use crate::config::Config;
use crate::connection::table::{DRAIN, Slot, TURN, Table, Token, WOKEN};
use crate::control::{ToWorker, WorkerSpec};
use crate::crash::capture::Recorder;
use crate::plugin::gate::Gate;
use crate::plugin::host::Alarm;
use crate::respond::Site;
use crate::scoreboard::{Scoreboard, ThreadCell};
use lead::Lead;
use listener::Listener;
use monitor::{Clock, Monitor};

pub use start::run;

/// What epoll gives back for what is not a connection; no token is that large.
const LISTENER: u64 = u64::MAX - 0xffff;
const CONTROL: u64 = LISTENER - 1;
const WAKE: u64 = LISTENER - 2;

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
    pub listeners: Vec<Listener>,
    pub access_log: AccessLog,
    /// Connections that are owned by this queue and wait for a thread.
    ready: SegQueue<Token>,
    /// Events of a leader that lost the lead.
    left_over: SegQueue<(u64, u32)>,
    epoll: OwnedFd,
    /// Gets the leader out of the kernel.
    event_fd: OwnedFd,
    is_leader_asleep: AtomicBool,
    control: OwnedFd,
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

    /// Hands an owned connection to whichever thread comes first.
    fn push_ready(&self, token: Token) {
        self.ready.push(token);
        if self.is_leader_asleep.swap(false, Ordering::SeqCst) {
            // The counter of an eventfd cannot overflow from single steps.
            let _ = rustix::io::write(self.event_fd.as_fd(), &1u64.to_ne_bytes());
        }
    }

    /// Before waiting in the kernel. `true`: do not wait, there is work.
    fn fall_asleep(&self) -> bool {
        self.is_leader_asleep.store(true, Ordering::SeqCst);
        !self.ready.is_empty() || !self.left_over.is_empty() || self.lead.leader().is_none()
    }

    fn wake_up(&self) {
        self.is_leader_asleep.store(false, Ordering::Relaxed);
    }

    fn drain_event_fd(&self) {
        let mut count = [0; 8];
        // Empty already: another thread was quicker.
        let _ = rustix::io::read(self.event_fd.as_fd(), &mut count);
    }

    /// The monitor's: `thread` is long in a plugin, somebody else must lead.
    fn take_lead(&self, thread: usize) {
        if let Some(plugin) = self.site.plugin(self.cell(thread).plugin()) {
            if plugin.may_block() {
                plugin.pace.saw_slow_call();
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
    }

    /// Watches a socket for everything, once per change.
    pub fn watch(&self, socket: impl AsFd, token: Token) -> rustix::io::Result<()> {
        use epoll::EventFlags as Flags;
        let interest = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token.to_u64()), interest)
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
        if self.is_draining() && open == 0 {
            self.stop();
        }
    }

    /// Something came from the supervisor, or it is gone.
    fn on_control(&self) {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(self.control.as_fd(), &mut buffer) {
                Ok(0) => {
                    tracing::warn!("the supervisor is gone: draining");
                    let _ = epoll::delete(&self.epoll, &self.control);
                    self.monitor.end_after(&self.clock, self.config().timeouts.drain);
                    return self.drain();
                }
                Ok(length) => match serde_json::from_slice(&buffer[..length]) {
                    Ok(ToWorker::Drain) => self.drain(),
                    Ok(ToWorker::Start) => {}
                    Err(error) => tracing::error!("unknown message of the supervisor: {error}"),
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Stops accepting, ends idle connections, and stops when the last one has ended or the time
    /// for it is over.
    pub fn drain(&self) {
        if self.is_draining.swap(true, Ordering::SeqCst) {
            return;
        }
        for listener in &self.listeners {
            listener.close(self);
        }
        for (token, slot) in self.table.slots() {
            self.notify(token, slot, DRAIN);
        }
        if self.table.open() == 0 {
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
