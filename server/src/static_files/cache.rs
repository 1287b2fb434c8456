//! Entries kept from one request to the next, so that a file that is asked for often costs no
//! system call but the one that sends it. Each is looked at again about once a second.
//!
//! How many there are, the memory they take and the descriptors they hold are limited. What nobody
//! asks for is let go, so that a deleted file does not keep its place on the disk for long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use nix::time::ClockId;

use super::entry::Entry;

/// How long an entry is believed.
const FRESH: Duration = Duration::from_secs(1);
/// How long an entry stays that nobody asks for.
const IDLE: Duration = Duration::from_secs(10);

/// What the entries take together.
#[derive(Debug, Default)]
struct Total {
    bytes: AtomicUsize,
    descriptors: AtomicUsize,
}

/// Where what is kept is written down.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Total>);

impl Account {
    pub fn charge(&self, bytes: usize, descriptors: usize) -> Charge {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.descriptors.fetch_add(descriptors, Ordering::Relaxed);
        Charge { account: self.clone(), bytes, descriptors }
    }
}

/// A share of the total, given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    account: Account,
    bytes: usize,
    descriptors: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.0.descriptors.fetch_sub(self.descriptors, Ordering::Relaxed);
    }
}

/// What the cache may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: usize,
    pub bytes: usize,
    pub descriptors: usize,
}

struct Kept {
    entry: Arc<Entry>,
    /// When it was last seen to be current, in milliseconds of the clock.
    checked: AtomicU64,
    /// Asked for since the cache was last cleared out.
    is_used: AtomicBool,
}

/// What the cache has under a path.
pub enum Found {
    Nothing,
    Fresh(Arc<Entry>),
    /// The caller is to see whether it is still current.
    Stale(Arc<Entry>),
}

pub struct Cache {
    limits: Limits,
    /// Entries are believed for this long.
    fresh: Duration,
    pub account: Account,
    kept: RwLock<HashMap<Box<[u8]>, Kept>>,
}

impl Cache {
    /// `is_dev`: a change is seen at once.
    pub fn new(limits: Limits, is_dev: bool) -> Self {
        Self {
            limits,
            fresh: if is_dev { Duration::ZERO } else { FRESH },
            account: Account::default(),
            kept: RwLock::default(),
        }
    }

    pub fn find(&self, path: &[u8]) -> Found {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = kept.get(path) else { return Found::Nothing };
        if !found.is_used.load(Ordering::Relaxed) {
            found.is_used.store(true, Ordering::Relaxed);
        }
        let (now, checked) = (milliseconds(), found.checked.load(Ordering::Relaxed));
        if now.saturating_sub(checked) < self.fresh.as_millis() as u64 {
            return Found::Fresh(found.entry.clone());
        }
        // One request looks; those that come meanwhile need not wait for it. In `dev` all do.
        let order = Ordering::Relaxed;
        let is_first = found.checked.compare_exchange(checked, now, order, order).is_ok();
        match is_first || self.fresh.is_zero() {
            true => Found::Stale(found.entry.clone()),
            false => Found::Fresh(found.entry.clone()),
        }
    }

    /// Keeps an entry, in the place of the one before it.
    pub fn keep(&self, path: &[u8], entry: &Arc<Entry>) {
        let mut kept = self.write();
        if kept.len() >= self.limits.entries || self.is_over() {
            self.make_room(&mut kept);
        }
        if kept.len() < self.limits.entries && !self.is_over() {
            let checked = AtomicU64::new(milliseconds());
            let entry = Kept { entry: entry.clone(), checked, is_used: AtomicBool::new(true) };
            kept.insert(path.into(), entry);
        } else {
            kept.remove(path);
        }
    }

    pub fn forget(&self, path: &[u8]) {
        self.write().remove(path);
    }

    pub fn clear(&self) {
        self.write().clear();
    }

    /// Lets go of what nobody asks for any more. Called now and then.
    pub fn tidy(&self) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let now = milliseconds();
        let is_idle = |kept: &Kept| {
            now.saturating_sub(kept.checked.load(Ordering::Relaxed)) > IDLE.as_millis() as u64
        };
        if !kept.values().any(is_idle) {
            return;
        }
        drop(kept);
        self.write().retain(|_, kept| !is_idle(kept));
    }

    /// No more is kept than may be.
    pub fn has_room(&self) -> bool {
        !self.is_over()
    }

    /// Makes room for what was added to an entry.
    pub fn reclaim(&self) {
        self.make_room(&mut self.write());
    }

    fn is_over(&self) -> bool {
        self.account.0.bytes.load(Ordering::Relaxed) > self.limits.bytes
            || self.account.0.descriptors.load(Ordering::Relaxed) > self.limits.descriptors
    }

    /// First what was not asked for since the last time, then anything, to three quarters: so the
    /// work is shared out among many.
    fn make_room(&self, kept: &mut HashMap<Box<[u8]>, Kept>) {
        kept.retain(|_, kept| kept.is_used.swap(false, Ordering::Relaxed));
        let most = self.limits.entries / 4 * 3;
        if kept.len() <= most && !self.is_over() {
            return;
        }
        let mut left = most.min(kept.len() / 4 * 3);
        kept.retain(|_, _| {
            let stays = left > 0;
            left = left.saturating_sub(1);
            stays
        });
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Box<[u8]>, Kept>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a clock that never goes back, and is cheap to read. By the C library: see
/// `monotonic_milliseconds` of the monitor.
fn milliseconds() -> u64 {
    ClockId::CLOCK_MONOTONIC_COARSE.now().map_or(0, |time| {
        time.tv_sec().unsigned_abs() * 1000 + time.tv_nsec().unsigned_abs() / 1_000_000
    })
}
