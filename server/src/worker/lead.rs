//! Leader and followers: which thread waits for events, and how it gives that up.
//!
//! One thread, the leader, waits on the worker's epoll and runs what it finds. Followers sleep
//! until the lead is free. A leader gives the lead away before it calls a plugin that is known to
//! take long; one that turns out to take long has the lead taken away by the monitor. A thread that
//! has lost the lead ends what it is doing and becomes a follower.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex};

/// Beside a leader's number: it may be asleep in the kernel.
const ASLEEP: usize = 1;
/// No number, and not asleep.
const NOBODY: usize = !ASLEEP;

pub struct Lead {
    /// The leader's number and whether it sleeps, in one word: who sleeps cannot lose the lead, and so
    /// the one thread that waits for events is the one that others wake.
    leader: AtomicUsize,
    state: Mutex<State>,
    free: Condvar,
}

struct State {
    stopped: bool,
}

impl Default for Lead {
    /// Nobody leads yet.
    fn default() -> Self {
        Self {
            leader: AtomicUsize::new(NOBODY),
            state: Mutex::new(State { stopped: false }),
            free: Condvar::new(),
        }
    }
}

fn awake(thread: usize) -> usize {
    thread << 1
}

impl Lead {
    /// It leads, and is awake.
    pub fn is_held_by(&self, thread: usize) -> bool {
        self.leader.load(Ordering::Acquire) == awake(thread)
    }

    /// Whoever leads waits for events in the kernel, or is about to.
    pub fn is_asleep(&self) -> bool {
        self.leader.load(Ordering::Relaxed) & ASLEEP != 0
    }

    /// Waits until the lead is free and takes it. `false`: the worker has stopped.
    pub fn acquire(&self, thread: usize) -> bool {
        let mut state = self.state();
        loop {
            if state.stopped {
                return false;
            }
            if self.leader.load(Ordering::Acquire) == NOBODY {
                self.leader.store(awake(thread), Ordering::Release);
                return true;
            }
            state = self.free.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Gives the lead of `thread` to whichever follower is free. `false`: it did not have it, or sleeps:
    /// who would take it for stuck in a plugin was wrong.
    pub fn pass(&self, thread: usize) -> bool {
        let _state = self.state();
        let had = self.turn(awake(thread), NOBODY);
        if had {
            self.free.notify_one();
        }
        had
    }

    /// `thread` is about to wait in the kernel, unless it finds work after this. `false`: it has lost the
    /// lead meanwhile.
    pub fn fall_asleep(&self, thread: usize) -> bool {
        self.turn(awake(thread), awake(thread) | ASLEEP)
    }

    /// It is back.
    pub fn wake_up(&self, thread: usize) {
        // Who roused it has done so already.
        self.turn(awake(thread) | ASLEEP, awake(thread));
    }

    /// After work was put where a leader looks for it. `true`: it may be asleep, and the caller must get it
    /// out of the kernel. Async-signal-safe.
    pub fn rouse(&self) -> bool {
        // Either the leader, after `fall_asleep`, sees the work, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        let leader = self.leader.load(Ordering::Relaxed);
        leader & ASLEEP != 0 && self.turn(leader, leader & !ASLEEP)
    }

    fn turn(&self, from: usize, to: usize) -> bool {
        self.leader.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// No thread leads any more; all followers return.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.leader.store(NOBODY, Ordering::Release);
        self.free.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leads_at_a_time() {
        let lead = Lead::default();
        assert!(lead.acquire(3));
        assert!(lead.is_held_by(3));
        assert!(!lead.pass(1), "only the leader's lead can be passed");
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| lead.acquire(1));
            assert!(lead.pass(3));
            assert!(follower.join().unwrap());
        });
        assert!(lead.is_held_by(1));
    }

    #[test]
    fn who_sleeps_keeps_the_lead_and_is_woken_once() {
        let lead = Lead::default();
        assert!(!lead.rouse() && !lead.fall_asleep(0), "nobody leads");
        assert!(lead.acquire(0));
        assert!(!lead.rouse() && !lead.is_asleep(), "it is awake");
        assert!(lead.fall_asleep(0) && lead.is_asleep());
        assert!(!lead.pass(0), "it is not stuck in a plugin");
        assert!(lead.rouse() && !lead.rouse());
        lead.wake_up(0);
        assert!(lead.is_held_by(0));
        assert!(lead.fall_asleep(0));
        lead.wake_up(0);
        assert!(!lead.rouse() && lead.pass(0));
        assert!(!lead.fall_asleep(0), "whoever has lost the lead does not wait for events");
        assert!(lead.acquire(1));
        lead.wake_up(0);
        assert!(lead.is_held_by(1));
    }

    #[test]
    fn stopping_frees_the_followers() {
        let lead = Lead::default();
        assert!(lead.acquire(0));
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| lead.acquire(1));
            lead.stop();
            assert!(!follower.join().unwrap());
        });
    }
}
