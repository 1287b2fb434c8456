//! When a thread is to wake: a time that others can bring forward, without waking it before.
//!
//! A timerfd(2): setting it is one system call, and the thread runs when the time has come. Waking it so
//! that it sets its own time would be a switch to it and back, on the way of a request.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

pub struct Timer {
    descriptor: OwnedFd,
    /// None: it is not set, or its thread is awake and will look at everything before it waits.
    due: Mutex<Option<Instant>>,
}

impl Timer {
    /// One that is not set.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self { descriptor, due: Mutex::new(None) })
    }

    /// Wakes the thread at `time`, unless it wakes before that anyway.
    pub fn bring_forward(&self, time: Instant) {
        let mut due = self.due();
        if due.is_some_and(|due| due <= time) {
            return;
        }
        *due = Some(time);
        // Nothing would mean never.
        let delay = time.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(delay).unwrap_or_default(),
        };
        // Fails for times that do not exist only.
        let _ = timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once);
    }

    /// Waits until the time has come, or a little less. For the one thread whose timer it is, which has
    /// set it.
    pub fn wait(&self) {
        let timer = &mut [PollFd::new(&self.descriptor, PollFlags::IN)];
        // Interrupted by a signal: it wakes early. Setting the timer again is what makes it wait again.
        let _ = poll(timer, None);
        *self.due() = None;
    }

    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.due.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_waits_wakes_at_the_first_of_the_times() {
        let timer = Timer::new().unwrap();
        let start = Instant::now();
        timer.bring_forward(start + LONG);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| timer.wait());
            timer.bring_forward(start + Duration::from_millis(20));
            timer.bring_forward(start + 2 * LONG);
            waits.join().unwrap();
        });
        assert!(start.elapsed() >= Duration::from_millis(20), "it was woken by being set");
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_time_that_has_passed_comes_at_once_and_only_once() {
        let timer = Timer::new().unwrap();
        let start = Instant::now();
        timer.bring_forward(start);
        timer.wait();
        timer.bring_forward(Instant::now() + Duration::from_millis(20));
        timer.wait();
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
