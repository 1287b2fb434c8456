//! When a dead worker is replaced: at once, unless its predecessors died young too. Pure, so that it
//! can be tested without processes.

use std::time::Duration;

/// A worker that lived longer died of something new.
const YOUNG: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The memory of one place among the workers.
#[derive(Debug, Default)]
pub struct Backoff {
    young_deaths: u32,
}

impl Backoff {
    /// A worker has died after living for so long: how long to wait before the next is started.
    pub fn delay_after(&mut self, lived: Duration) -> Duration {
        if lived >= YOUNG {
            self.young_deaths = 0;
            return Duration::ZERO;
        }
        self.young_deaths = self.young_deaths.saturating_add(1);
        match self.young_deaths {
            1 => Duration::ZERO,
            deaths => {
                let doublings = (deaths - 2).min(16);
                (FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_costs_no_time_and_a_series_ever_more() {
        let mut backoff = Backoff::default();
        let young = Duration::from_millis(5);
        assert_eq!(backoff.delay_after(young), Duration::ZERO);
        let delays: Vec<_> = (0..10).map(|_| backoff.delay_after(young)).collect();
        assert_eq!(delays[..3], [1, 2, 4].map(|n| Duration::from_millis(100 * n)));
        assert_eq!(delays[9], LONGEST_DELAY);
        assert_eq!(backoff.delay_after(Duration::from_secs(11)), Duration::ZERO);
        assert_eq!(backoff.delay_after(young), Duration::ZERO);
    }
}
