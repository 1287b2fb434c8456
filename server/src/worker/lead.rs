//! Leader and followers: which thread waits for events, and how it gives that up.
//!
//! One thread, the leader, waits on the worker's epoll and runs what it finds. Followers sleep
//! until the lead is free. A leader gives the lead away before it calls a plugin that is known to
//! take long; one that turns out to take long has the lead taken away by the monitor. A thread that
//! has lost the lead ends what it is doing and becomes a follower.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

const NOBODY: usize = usize::MAX;

pub struct Lead {
    /// The leader's number, for a look without the lock.
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

impl Lead {
    pub fn is_held_by(&self, thread: usize) -> bool {
        self.leader.load(Ordering::Acquire) == thread
    }

    pub fn leader(&self) -> Option<usize> {
        Some(self.leader.load(Ordering::Acquire)).filter(|leader| *leader != NOBODY)
    }

    /// Waits until the lead is free and takes it. `false`: the worker has stopped.
    pub fn acquire(&self, thread: usize) -> bool {
        let mut state = self.state();
        loop {
            if state.stopped {
                return false;
            }
            if self.leader.load(Ordering::Acquire) == NOBODY {
                self.leader.store(thread, Ordering::Release);
                return true;
            }
            state = self.free.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Gives the lead of `thread` to whichever follower is free. `false`: it did not have it.
    pub fn pass(&self, thread: usize) -> bool {
        let _state = self.state();
        let had = self
            .leader
            .compare_exchange(thread, NOBODY, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if had {
            self.free.notify_one();
        }
        had
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
