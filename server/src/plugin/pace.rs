//! How long calls of a plugin take, and what for: whether the lead is handed on before one begins,
//! and whether it takes its turn with others.
//!
//! Handing the lead on before a call that takes long costs less than others lose by waiting for it.
//! That is not so where all calls of a library compute under one lock (`CSGI_SHARED_LOCK`), as those
//! of an interpreter do: a second thread would only wait for the lock. Of such a plugin only those
//! calls are long that wait for something else. A call is looked at now and then, since that costs
//! as much as a short one.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::ClockId;

/// A call that takes longer than handing the lead to another thread and back.
const SLOW: Duration = Duration::from_micros(100);
/// So many quick calls in a row must be seen before a plugin counts as quick again.
const MEMORY: i32 = 64;
/// The same behind a shared lock, at first and at the most: twice as many each time that the plugin
/// turns out to be slow still.
const LEAST_MEMORY: i32 = 16;
const MOST_MEMORY: i32 = 1024;
/// Calls that are not looked at between two that are.
const UNSEEN: i32 = 15;

/// What is known of a plugin.
pub struct Pace {
    /// Above 0: it is slow for so many calls yet. Below: so many calls yet are not looked at.
    countdown: AtomicI32,
    /// How long it is slow when it is found to be so again.
    memory: AtomicI32,
    shares_lock: bool,
}

/// A call that is being looked at.
pub struct Look {
    start: Instant,
    /// Behind a shared lock: what the thread had used before.
    used: Option<Used>,
}

/// What this thread has used so far.
struct Used {
    processor: Duration,
    /// How often it has waited.
    waits: i64,
}

impl Used {
    /// `None`: the system does not tell.
    fn now() -> Option<Self> {
        let processor = ClockId::CLOCK_THREAD_CPUTIME_ID.now().ok()?.into();
        let waits = getrusage(UsageWho::RUSAGE_THREAD).ok()?.voluntary_context_switches();
        Some(Self { processor, waits })
    }
}

impl Pace {
    pub fn new(shares_lock: bool) -> Self {
        Self { countdown: AtomicI32::new(0), memory: AtomicI32::new(LEAST_MEMORY), shares_lock }
    }

    /// Its calls are known to take long, or to wait.
    pub fn is_slow(&self) -> bool {
        self.countdown.load(Ordering::Relaxed) > 0
    }

    /// Its calls compute under a shared lock, and do not wait.
    pub fn computes(&self) -> bool {
        self.shares_lock && !self.is_slow()
    }

    /// A call has been seen to take long while it still runs.
    pub fn saw_slow_call(&self) {
        if !self.shares_lock {
            self.countdown.store(MEMORY, Ordering::Relaxed);
        } else if !self.is_slow() {
            let memory = self.memory.load(Ordering::Relaxed);
            self.countdown.store(memory, Ordering::Relaxed);
            self.memory.store((memory * 2).min(MOST_MEMORY), Ordering::Relaxed);
        }
    }

    /// A call begins.
    pub fn begin(&self) -> Option<Look> {
        let countdown = self.countdown.load(Ordering::Relaxed);
        if !self.shares_lock {
            return (countdown > 0).then(|| Look { start: Instant::now(), used: None });
        }
        if countdown == 0 {
            return Some(Look { start: Instant::now(), used: Some(Used::now()?) });
        }
        self.countdown.store(countdown - countdown.signum(), Ordering::Relaxed);
        None
    }

    /// It has returned, on the same thread. `was_alone`: nobody else was inside a plugin meanwhile.
    pub fn end(&self, look: &Look, was_alone: bool) {
        let Some(before) = &look.used else { return self.saw_time(look.start.elapsed()) };
        let Some(now) = Used::now() else { return };
        let processor = now.processor.saturating_sub(before.processor);
        if !was_alone {
            // What it has waited for may have been the lock: it is looked at again soon.
            self.countdown.store(-1, Ordering::Relaxed);
        } else if now.waits > before.waits && look.start.elapsed().saturating_sub(processor) >= SLOW
        {
            self.saw_slow_call();
        } else {
            self.countdown.store(-UNSEEN, Ordering::Relaxed);
            self.memory.store(LEAST_MEMORY, Ordering::Relaxed);
        }
    }

    fn saw_time(&self, time: Duration) {
        if time >= SLOW {
            return self.saw_slow_call();
        }
        let left = self.countdown.load(Ordering::Relaxed).saturating_sub(1).max(0);
        self.countdown.store(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One call. `true`: the lead would be handed on before it.
    fn call(pace: &Pace, was_alone: bool, f: impl FnOnce()) -> bool {
        let is_slow = pace.is_slow();
        let look = pace.begin();
        f();
        look.into_iter().for_each(|look| pace.end(&look, was_alone));
        is_slow
    }

    fn wait() {
        std::thread::sleep(4 * SLOW);
    }

    fn compute() {
        let processor = || Used::now().unwrap().processor;
        let begin = processor();
        while processor() - begin < 4 * SLOW {}
    }

    #[test]
    fn long_calls_are_slow_whatever_they_do() {
        let pace = Pace::new(false);
        pace.saw_slow_call();
        for _ in 0..2 * MEMORY {
            assert!(call(&pace, false, compute));
        }
        let slow = (0..2 * MEMORY).filter(|_| call(&pace, true, || ())).count();
        assert!(slow >= MEMORY as usize && !pace.is_slow() && !pace.computes());
    }

    #[test]
    fn behind_a_shared_lock_waiting_is_slow() {
        let pace = Pace::new(true);
        assert!(!call(&pace, true, wait), "nothing is known before the first call");
        let slow = (0..6 * LEAST_MEMORY).filter(|_| call(&pace, true, wait)).count();
        // 16, then 32, then 64: between them it is looked at again.
        assert_eq!(slow, 6 * LEAST_MEMORY as usize - 2);
    }

    #[test]
    fn behind_a_shared_lock_computing_is_not() {
        let pace = Pace::new(true);
        for _ in 0..2 * LEAST_MEMORY {
            assert!(!call(&pace, true, compute));
            assert!(pace.computes());
        }
        // One that is long for once is not held against those that follow for ever.
        for _ in 0..3 {
            pace.saw_slow_call();
            assert!(!pace.computes());
            let slow = (0..2 * LEAST_MEMORY).filter(|_| call(&pace, true, compute)).count();
            assert_eq!(slow, LEAST_MEMORY as usize);
        }
    }

    #[test]
    fn waiting_beside_others_says_nothing() {
        let pace = Pace::new(true);
        for _ in 0..2 * LEAST_MEMORY {
            assert!(!call(&pace, false, wait));
        }
    }
}
