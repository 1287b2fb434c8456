//! What keeps a plugin that crashes again and again from taking a process with every request. The
//! supervisor decides (`supervisor/breakers.rs`), the workers obey; this is what they share, in the
//! scoreboard.
//!
//! A *breaker* stands before each plugin: closed, requests pass; open, they get 503 until its time is
//! over; then one request is let through on *trial*, and closes it if it comes back. A *poison* is
//! one request, by its fingerprint, that has crashed a plugin twice.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::crash::record::BODY;

/// What a breaker says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Pass,
    /// It passes, and its return closes the breaker.
    Trial,
    /// Not for so many seconds.
    Refused(u32),
}

const CLOSED: u32 = 0;
const OPEN: u32 = 1;
const TRIAL: u32 = 2;
/// A trial that has not come back after so many milliseconds does not hold up the next.
const TRIAL_TIME: u64 = 60_000;

/// One plugin's. Times are milliseconds of the system's monotonic clock.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Breaker {
    state: AtomicU32,
    /// Open until then; or the trial counts until then.
    until: AtomicU64,
}

impl Breaker {
    /// Everything passes: all that is asked in ordinary times.
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == CLOSED
    }

    pub fn admit(&self, now: u64) -> Admission {
        let until = self.until.load(Ordering::Acquire);
        let state = self.state.load(Ordering::Acquire);
        if state == CLOSED {
            return Admission::Pass;
        }
        let is_due = now >= until;
        let (order, other) = (Ordering::AcqRel, Ordering::Relaxed);
        // Of those who find it due, the one that moves the time has the trial.
        if is_due && self.until.compare_exchange(until, now + TRIAL_TIME, order, other).is_ok() {
            self.state.store(TRIAL, Ordering::Release);
            return Admission::Trial;
        }
        let wait = if state == TRIAL || is_due { 1 } else { (until - now).div_ceil(1000) };
        Admission::Refused(u32::try_from(wait).unwrap_or(u32::MAX))
    }

    /// The trial has come back.
    pub fn pass(&self) {
        let _ = self.state.compare_exchange(TRIAL, CLOSED, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// The supervisor's.
    pub fn open(&self, until: u64) {
        self.until.store(until, Ordering::Release);
        self.state.store(OPEN, Ordering::Release);
    }
}

/// How many poisons are known at a time.
const POISONS: usize = 32;

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Poisons {
    count: AtomicU32,
    entries: [Poison; POISONS],
}

#[derive(Debug, Default)]
#[repr(C)]
struct Poison {
    fingerprint: AtomicU64,
    /// Milliseconds of the monotonic clock.
    until: AtomicU64,
}

impl Poisons {
    /// There are none: all that is asked in ordinary times.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// For how many seconds that request is refused.
    pub fn refuses(&self, fingerprint: u64, now: u64) -> Option<u32> {
        self.entries.iter().find_map(|poison| {
            let until = poison.until.load(Ordering::Acquire);
            let is_it = poison.fingerprint.load(Ordering::Acquire) == fingerprint && until > now;
            is_it.then(|| u32::try_from((until - now).div_ceil(1000)).unwrap_or(u32::MAX))
        })
    }

    /// The supervisor's: refuses that request for a while, in the place of the one that ends first.
    pub fn add(&self, fingerprint: u64, until: u64) {
        let first = self.entries.iter().min_by_key(|one| one.until.load(Ordering::Relaxed));
        let Some(place) = first else { return };
        place.until.store(0, Ordering::Release);
        place.fingerprint.store(fingerprint, Ordering::Release);
        place.until.store(until, Ordering::Release);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

/// A request by what a plugin makes of it: its first line, and its body as far as a record has it
/// (FNV-1a).
pub fn fingerprint(plugin: u32, head: &[u8], body: &[u8]) -> u64 {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let body = &body[..body.len().min(BODY.size)];
    let number = plugin.to_le_bytes();
    let bytes = number.iter().chain(line).chain(b"\r").chain(body);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_one_through_when_its_time_is_over() {
        let breaker = Breaker::default();
        assert_eq!(breaker.admit(5), Admission::Pass);
        breaker.open(3_500);
        assert_eq!(breaker.admit(1_000), Admission::Refused(3));
        assert_eq!(breaker.admit(3_500), Admission::Trial);
        assert_eq!(breaker.admit(3_600), Admission::Refused(1), "one at a time");
        breaker.pass();
        assert_eq!(breaker.admit(3_700), Admission::Pass);
    }

    #[test]
    fn a_trial_that_never_comes_back_is_followed_by_another() {
        let breaker = Breaker::default();
        breaker.open(10);
        assert_eq!(breaker.admit(10), Admission::Trial);
        assert_eq!(breaker.admit(10 + TRIAL_TIME), Admission::Trial);
    }

    #[test]
    fn a_poison_is_one_request_for_a_while() {
        let poisons = Poisons::default();
        let bad = fingerprint(1, b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", b"bad");
        let same = fingerprint(1, b"POST /x HTTP/1.1\r\nHost: other\r\n\r\n", b"bad");
        let good = fingerprint(1, b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", b"good");
        assert_eq!(bad, same);
        poisons.add(bad, 5_000);
        assert!(!poisons.is_empty());
        assert_eq!(poisons.refuses(bad, 1_000), Some(4));
        assert_eq!(poisons.refuses(good, 1_000), None);
        assert_eq!(poisons.refuses(bad, 5_000), None);
    }
}
