//! A request's way into its plugin, and out of it: the gate of a plugin that is not thread-safe, then a
//! seat among those that may block. See `plugin/gate.rs`.

use super::Place;
use super::exchange::Exchange;
use crate::breaker;
use crate::plugin::gate::{Entry, Gate};
use crate::worker::Worker;
use crate::worker::event_loop::Thread;
use crate::worker::monitor::monotonic_milliseconds;

/// Whether this request has a place in its plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Outside,
    /// Waits for its turn in a plugin that is not thread-safe.
    AwaitsGate,
    /// Waits for a seat among the plugins that may block.
    AwaitsSeat,
    Inside,
}

impl Exchange {
    /// Enters the plugin, or waits for a place. `true`: inside.
    pub(super) fn admit(
        &mut self,
        thread: &Thread,
        at: Place<'_>,
        has_turn: bool,
        is_operator: bool,
    ) -> bool {
        let plugin = self.call.plugin();
        let enter = if is_operator { Gate::enter_first } else { Gate::enter };
        match self.admission {
            Admission::Inside => return true,
            Admission::Outside => {
                self.admission = Admission::AwaitsGate;
                self.has_gate = plugin.takes_turns();
                if self.has_gate && enter(&plugin.gate, at.token) == Entry::Waiting {
                    return false;
                }
            }
            Admission::AwaitsGate | Admission::AwaitsSeat if !has_turn => return false,
            Admission::AwaitsGate | Admission::AwaitsSeat => {}
        }
        if self.admission == Admission::AwaitsGate {
            self.admission = Admission::AwaitsSeat;
            if plugin.may_block() && enter(&thread.worker.seats, at.token) == Entry::Waiting {
                return false;
            }
        }
        self.admission = Admission::Inside;
        true
    }

    /// Leaves the plugin, and lets in whoever has waited longest.
    pub(super) fn leave(&mut self, thread: &Thread) {
        if self.admission != Admission::Inside {
            return;
        }
        self.admission = Admission::Outside;
        let plugin = self.call.plugin();
        if plugin.may_block()
            && let Some(next) = thread.worker.seats.leave()
        {
            thread.worker.grant_turn(next);
        }
        self.leave_gate(thread);
    }

    fn leave_gate(&self, thread: &Thread) {
        let plugin = self.call.plugin();
        if self.has_gate
            && let Some(next) = plugin.gate.leave()
        {
            thread.worker.grant_gate(plugin, next);
        }
    }

    /// Gives up waiting for a place. `false`: it has just been granted.
    pub(super) fn withdraw(&mut self, thread: &Thread, at: Place<'_>) -> bool {
        let plugin = self.call.plugin();
        let has_left = match self.admission {
            Admission::AwaitsGate => plugin.gate.withdraw(&at.token),
            Admission::AwaitsSeat => thread.worker.seats.withdraw(&at.token),
            Admission::Outside | Admission::Inside => false,
        };
        if has_left {
            if self.admission == Admission::AwaitsSeat {
                self.leave_gate(thread);
            }
            self.admission = Admission::Outside;
        }
        has_left
    }

    pub(super) fn is_waiting_for_turn(&self) -> bool {
        matches!(self.admission, Admission::AwaitsGate | Admission::AwaitsSeat)
    }

    /// The plugin has crashed too often, or this very request has.
    pub(super) fn is_kept_out(&mut self, thread: &Thread) -> bool {
        let worker = thread.worker;
        let (breaker, poisons) = (worker.breaker(self.call.plugin().number), worker.poisons());
        let is_open_to_all = breaker.is_closed() && poisons.is_empty();
        !is_open_to_all && self.admission == Admission::Outside && self.is_turned_away(worker)
    }

    #[cold]
    fn is_turned_away(&mut self, worker: &Worker) -> bool {
        let (breaker, poisons) = (worker.breaker(self.call.plugin().number), worker.poisons());
        let now = monotonic_milliseconds();
        let fingerprint = breaker::fingerprint(
            self.call.plugin().number,
            &self.bytes,
            self.call.input.in_memory(),
        );
        let wait = poisons.refuses(fingerprint, now).or_else(|| match breaker.admit(now) {
            breaker::Admission::Refused(wait) => Some(wait),
            admission => {
                self.is_trial = admission == breaker::Admission::Trial;
                None
            }
        });
        self.retry_after = wait.unwrap_or(self.retry_after);
        wait.is_some()
    }

    /// More wait for this plugin than the configuration allows.
    pub(super) fn finds_queue_full(&self, thread: &Thread) -> bool {
        let plugin = self.call.plugin();
        let limit = thread.worker.config().limits.queue;
        self.admission == Admission::Outside
            && ((plugin.takes_turns() && plugin.gate.is_full(limit))
                || (plugin.may_block() && thread.worker.seats.is_full(limit)))
    }
}
