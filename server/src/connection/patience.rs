//! How long a client is waited for: not only until the next byte, but in proportion to what it moves.
//! One that sends or takes a byte now and then is cut off as surely as one that is silent.

use std::time::Duration;

use crate::worker::monitor::Clock;

/// The time a client has been waited for, for one body or one answer. What a plugin takes does not
/// count. Times are ticks of the worker's clock.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waited: u32,
    /// Since when it is waited for now; 0: it is not.
    since: u32,
    moved: u64,
}

impl Patience {
    /// Since when it is waited for now; 0: it is not.
    pub(super) fn since(&self) -> u32 {
        self.since
    }

    /// The client has moved so many bytes.
    pub(super) fn saw(&mut self, clock: &Clock, count: u64) {
        if self.since != 0 {
            self.waited += clock.tick().saturating_sub(self.since);
            self.since = 0;
        }
        self.moved += count;
    }

    /// It is waited for. Until when: for `timeout` from the last byte, and altogether no longer than
    /// `timeout` and what the bytes moved take at `rate` bytes a second; a rate of 0 is none.
    pub(super) fn deadline(&mut self, clock: &Clock, timeout: Duration, rate: u64) -> u32 {
        let now = clock.tick();
        if self.since == 0 {
            self.since = now;
        }
        let idle = clock.deadline(timeout) - (now - self.since);
        if rate == 0 {
            return idle;
        }
        let earned = u32::try_from(self.moved.saturating_mul(10) / rate).unwrap_or(u32::MAX);
        let allowance = clock.deadline(timeout) - now;
        let left = allowance.saturating_add(earned).saturating_sub(self.waited).max(1);
        idle.min(self.since.saturating_add(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    #[test]
    fn bytes_now_and_then_are_not_enough() {
        let clock = Clock::default();
        let mut patience = Patience::default();
        let mut deadline = patience.deadline(&clock, TIMEOUT, 100);
        assert_eq!(deadline, clock.deadline(TIMEOUT));
        // One byte a second, at 100 a second at least: three seconds are over in three seconds.
        for second in 1..=4 {
            clock.set(1 + second * 10);
            if deadline <= clock.tick() {
                assert!(second >= 3, "too early: {second}");
                return;
            }
            patience.saw(&clock, 1);
            deadline = patience.deadline(&clock, TIMEOUT, 100);
        }
        panic!("it was waited for without end");
    }

    #[test]
    fn enough_bytes_are() {
        let clock = Clock::default();
        let mut patience = Patience::default();
        for second in 1..=100 {
            assert!(patience.deadline(&clock, TIMEOUT, 100) > clock.tick());
            clock.set(1 + second * 10);
            patience.saw(&clock, 100);
        }
    }

    #[test]
    fn what_others_take_does_not_count() {
        let clock = Clock::default();
        let mut patience = Patience::default();
        patience.deadline(&clock, TIMEOUT, 100);
        clock.set(11);
        patience.saw(&clock, 1);
        clock.set(1001);
        assert!(patience.deadline(&clock, TIMEOUT, 100) >= 1001 + 20);
    }
}
