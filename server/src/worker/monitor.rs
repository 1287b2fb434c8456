//! The monitor: a thread of every worker that watches the others and keeps the time.
//!
//! It takes the lead from a leader that has been inside one call of a plugin for a whole tick, says
//! which connections are past their deadline, and fires the timers of plugins. While nothing
//! happens it wakes four times a second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Worker;
use super::timer::Timer;
use crate::connection::table::{EXPIRED, WOKEN};
use crate::http::date;

/// How long a leader may stay in a call before it loses the lead, at the least.
const TICK: Duration = Duration::from_millis(2);
/// Between two looks when there is nobody to suspect: nobody was inside a plugin, or others than at
/// the look before. A look takes as long as several requests.
const CALM: Duration = Duration::from_millis(8);
/// Between two looks at the deadlines; also how long the monitor sleeps when nobody calls.
const SWEEP: Duration = Duration::from_millis(250);

/// Time in tenths of a second since the worker started, from 1; cheap to read.
pub struct Clock {
    start: Instant,
    /// The same moment in milliseconds of the system's monotonic clock.
    epoch: u64,
    tick: AtomicU32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now(), epoch: monotonic_milliseconds(), tick: AtomicU32::new(1) }
    }
}

impl Clock {
    pub fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A length of time in ticks, rounded up.
    pub fn ticks(time: Duration) -> u32 {
        u32::try_from(time.as_millis().div_ceil(100)).unwrap_or(u32::MAX)
    }

    /// When a call that begins now and may take so many ticks is surely too long: the clock may be
    /// behind by the time between two sweeps.
    pub fn due(&self, ticks: u32) -> u32 {
        self.tick().saturating_add(ticks).saturating_add(3)
    }

    /// The first tick that is surely at or after `delay` from now.
    pub fn deadline(&self, delay: Duration) -> u32 {
        let tenths = delay
            .as_secs()
            .saturating_mul(10)
            .saturating_add(u64::from(delay.subsec_millis() / 100));
        let ticks = u32::try_from(tenths).unwrap_or(u32::MAX);
        self.tick().saturating_add(ticks).saturating_add(1)
    }

    #[cfg(test)]
    pub fn set(&self, tick: u32) {
        self.tick.store(tick, Ordering::Relaxed);
    }

    fn advance(&self) {
        let tick = self.start.elapsed().as_millis() / 100 + 1;
        self.tick.store(u32::try_from(tick).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// The time that all processes share, and that nobody sets. By the C library, because `rustix` looks
/// for the kernel's vDSO by itself, which ends a worker that runs under valgrind.
pub fn monotonic_milliseconds() -> u64 {
    // Every Linux has this clock.
    nix::time::ClockId::CLOCK_MONOTONIC.now().map_or(0, |time| {
        time.tv_sec().unsigned_abs() * 1000 + time.tv_nsec().unsigned_abs() / 1_000_000
    })
}

/// What threads have done since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    None,
    /// One or more were inside a plugin, and none is now.
    Passed,
    Inside,
}

pub struct Monitor {
    /// Nobody was inside a plugin: who enters one must see that it looks soon.
    asleep: AtomicBool,
    timer: Timer,
    /// The process ends at this tick, whatever still runs; 0: it does not.
    end: AtomicU32,
    timers: Mutex<BinaryHeap<Reverse<(Instant, u64)>>>,
}

impl Monitor {
    /// # Errors
    /// There are no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            asleep: AtomicBool::new(false),
            timer: Timer::new()?,
            end: AtomicU32::new(0),
            timers: Mutex::default(),
        })
    }

    /// A call into a plugin begins: somebody should be watching.
    pub fn watch(&self) {
        if self.asleep.load(Ordering::Relaxed) {
            self.keep_awake();
        }
    }

    #[cold]
    fn keep_awake(&self) {
        if self.asleep.swap(false, Ordering::Relaxed) {
            self.timer.bring_forward(Instant::now() + CALM);
        }
    }

    /// Lets the process live so long and no longer: nobody else is there to end it.
    pub fn end_after(&self, clock: &Clock, delay: Duration) {
        self.end.store(clock.deadline(delay), Ordering::Relaxed);
    }

    /// Wakes request `id` after `delay`.
    pub fn set_timer(&self, id: u64, delay: Duration) {
        let due = Instant::now() + delay;
        let mut timers = self.timers();
        let is_first = timers.peek().is_none_or(|Reverse((first, _))| due < *first);
        timers.push(Reverse((due, id)));
        drop(timers);
        if is_first {
            self.timer.bring_forward(due);
        }
    }

    pub fn rouse(&self) {
        self.timer.bring_forward(Instant::now());
    }

    fn timers(&self) -> std::sync::MutexGuard<'_, BinaryHeap<Reverse<(Instant, u64)>>> {
        self.timers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The body of the monitor's thread; returns when the worker stops.
    pub fn run(&self, worker: &'static Worker) {
        let mut seen = Vec::new();
        let mut nap = CALM;
        let mut next_sweep = Instant::now() + SWEEP;
        while !worker.lead.is_stopped() {
            // Before it looks: whoever begins a call later sets the timer.
            self.asleep.store(true, Ordering::SeqCst);
            let activity = self.take_lead_from_the_slow(worker, &mut seen);
            let sleeps = match activity {
                Activity::None => true,
                Activity::Passed => worker.lead.is_asleep(),
                Activity::Inside => false,
            };
            if !sleeps {
                self.asleep.store(false, Ordering::Relaxed);
            }
            let now = Instant::now();
            if now >= next_sweep {
                worker.clock.advance();
                date::keep_time();
                worker.access_log.flush();
                worker.site.tidy();
                for (token, slot) in worker.table.expired(worker.clock.tick()) {
                    worker.notify(token, slot, EXPIRED);
                }
                let end = self.end.load(Ordering::Relaxed);
                if end != 0 && end <= worker.clock.tick() {
                    tracing::warn!("not everything has finished in time: ending all the same");
                    let me = rustix::process::getpid();
                    // A signal to this very process always finds it.
                    let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
                }
                // Paused for want of descriptors or places: try again.
                worker.listeners.iter().for_each(|listener| listener.resume(worker));
                if !worker.table.is_full() {
                    worker.channel.resume(worker);
                }
                worker.share_room();
                next_sweep = now + SWEEP;
            }
            let due = self.fire_timers(worker, now);
            nap = match activity {
                _ if sleeps => SWEEP,
                Activity::Inside if nap != TICK => TICK,
                _ => CALM,
            };
            // A sweep is not put off until somebody calls: the clock would stand still while clients are
            // waited for, and go on when they no longer are.
            let longest = nap.min(next_sweep.saturating_duration_since(now));
            self.timer.bring_forward(now + due.map_or(longest, |due| longest.min(due)));
            self.timer.wait();
        }
    }

    fn take_lead_from_the_slow(&self, worker: &Worker, seen: &mut Vec<u32>) -> Activity {
        seen.resize(worker.config().threads, 0);
        let mut activity = Activity::None;
        for (number, seen) in seen.iter_mut().enumerate() {
            // Odd while the thread is inside a plugin.
            let calls = worker.cell(number).calls();
            let is_inside = calls % 2 == 1;
            if is_inside {
                activity = Activity::Inside;
            } else if calls != *seen && activity == Activity::None {
                activity = Activity::Passed;
            }
            if is_inside && calls == *seen {
                worker.on_long_call(number);
            }
            *seen = calls;
        }
        activity
    }

    /// Fires what is due; says how long until the next.
    fn fire_timers(&self, worker: &Worker, now: Instant) -> Option<Duration> {
        let mut timers = self.timers();
        while let Some(Reverse((due, id))) = timers.peek().copied() {
            if due > now {
                return Some(due - now);
            }
            timers.pop();
            if let Some((token, slot)) = worker.table.find_request(id) {
                worker.notify(token, slot, WOKEN);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_enters_a_plugin_while_it_sleeps_brings_its_look_forward() {
        const LONG: Duration = Duration::from_secs(60);
        let monitor = Monitor::new().unwrap();
        let start = Instant::now();
        monitor.timer.bring_forward(start + LONG);
        monitor.watch();
        assert!(!monitor.asleep.swap(true, Ordering::Relaxed));
        monitor.watch();
        monitor.timer.wait();
        assert!(start.elapsed() < LONG);
        assert!(!monitor.asleep.load(Ordering::Relaxed), "the next one need not do it again");
    }
}
