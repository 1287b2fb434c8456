//! Decides when a plugin has crashed too often, and which requests are poison. What comes of it is
//! in the scoreboard (`crate::breaker`), for the workers to obey.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::generation::Generation;
use crate::config::BreakerConfig;
use crate::worker::monitor::monotonic_milliseconds;

/// A breaker is never open for longer at a time.
const LONGEST: Duration = Duration::from_secs(300);
/// Crashes of one request after which it is poison.
const DOSES: u32 = 2;

#[derive(Default)]
pub struct Breakers {
    plugins: HashMap<String, History>,
    /// By fingerprint: how often it has crashed, and when first.
    doses: HashMap<u64, (u32, Instant)>,
}

/// What a plugin has done, in the version that it has now.
#[derive(Default)]
struct History {
    hash: String,
    crashes: VecDeque<Instant>,
    /// How often its breaker has opened in a row.
    openings: u32,
    /// In milliseconds of the monotonic clock.
    open_until: u64,
}

impl History {
    /// Notes a crash. `Some`: the breaker opens for so long.
    fn note(&mut self, now: Instant, config: &BreakerConfig) -> Option<Duration> {
        if config.crashes == 0 {
            return None;
        }
        self.crashes.push_back(now);
        self.crashes.retain(|time| now.duration_since(*time) <= config.within);
        // After a first opening, the request on trial has crashed again.
        let is_on_trial = self.openings > 0 && !self.crashes.is_empty();
        if self.crashes.len() < config.crashes && !is_on_trial {
            return None;
        }
        let wait = (config.wait * 2_u32.saturating_pow(self.openings.min(16))).min(LONGEST);
        self.openings += 1;
        Some(wait)
    }

    /// A plugin that has been well for long begins anew.
    fn forget_if_well(&mut self, now: Instant, config: &BreakerConfig) {
        let last = self.crashes.back();
        if last.is_some_and(|last| now.duration_since(*last) > config.within + LONGEST) {
            self.openings = 0;
        }
    }
}

impl Breakers {
    /// A request has crashed or hung in a plugin.
    pub fn note(&mut self, generation: &Generation, plugin: usize, fingerprint: u64) {
        let config = &generation.config.breaker;
        let Some(spec) = generation.plugins.get(plugin) else { return };
        let now = Instant::now();
        let history = self.plugins.entry(spec.name.clone()).or_default();
        history.forget_if_well(now, config);
        if let Some(wait) = history.note(now, config) {
            history.open_until = monotonic_milliseconds() + wait.as_millis() as u64;
            generation.scoreboard.breaker(plugin).open(history.open_until);
            tracing::error!(
                "plugin {} has crashed or hung too often: its requests get 503 for {wait:?}, then \
                 one is tried",
                spec.name
            );
        }
        if config.crashes == 0 {
            return;
        }
        self.doses.retain(|_, (_, first)| now.duration_since(*first) <= config.poison);
        let (count, _) = self.doses.entry(fingerprint).or_insert((0, now));
        *count += 1;
        if *count == DOSES {
            let until = monotonic_milliseconds() + config.poison.as_millis() as u64;
            generation.scoreboard.poisons().add(fingerprint, until);
            tracing::error!(
                "a request to plugin {} has crashed it {DOSES} times: it is refused for {:?}",
                spec.name,
                config.poison
            );
        }
    }

    /// A new generation begins: breakers that are open stay so, but for plugins that have changed.
    pub fn carry_over(&mut self, generation: &Generation) {
        let now = monotonic_milliseconds();
        for (number, plugin) in generation.plugins.iter().enumerate() {
            let Ok(library) = &plugin.library else { continue };
            let Some(history) = self.plugins.get_mut(&plugin.name) else { continue };
            if history.hash != library.hash {
                let is_known = !history.hash.is_empty();
                *history = History { hash: library.hash.clone(), ..std::mem::take(history) };
                if is_known {
                    (history.openings, history.open_until) = (0, 0);
                    history.crashes.clear();
                }
            }
            if history.open_until > now {
                generation.scoreboard.breaker(number).open(history.open_until);
            }
        }
    }

    /// Remembers which version of each plugin serves now.
    pub fn remember(&mut self, generation: &Generation) {
        for plugin in &generation.plugins {
            if let Ok(library) = &plugin.library {
                let history = self.plugins.entry(plugin.name.clone()).or_default();
                history.hash.clone_from(&library.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_after_so_many_crashes_in_a_time_and_for_ever_longer() {
        let config = BreakerConfig {
            crashes: 3,
            within: Duration::from_secs(10),
            wait: Duration::from_secs(1),
            poison: Duration::from_secs(60),
        };
        let mut history = History::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(history.note(at(0), &config), None);
        assert_eq!(history.note(at(1), &config), None);
        assert_eq!(history.note(at(20), &config), None, "the first two are long ago");
        assert_eq!(history.note(at(21), &config), None);
        assert_eq!(history.note(at(22), &config), Some(Duration::from_secs(1)));
        assert_eq!(history.note(at(24), &config), Some(Duration::from_secs(2)), "the trial");
        assert_eq!(history.note(at(60), &config), Some(Duration::from_secs(4)));
        history.forget_if_well(at(1000), &config);
        assert_eq!(history.note(at(1000), &config), None);
    }

    #[test]
    fn none_opens_if_it_is_off() {
        let config = BreakerConfig { crashes: 0, ..BreakerConfig::default() };
        let mut history = History::default();
        assert!((0..100).all(|_| history.note(Instant::now(), &config).is_none()));
    }
}
