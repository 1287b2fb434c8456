//! The connections of a worker, and who may touch one.
//!
//! Any number of threads may learn that something happened to a connection; exactly one, its
//! *owner*, works on it. `notify` leaves a notice and says whether the caller has become the owner;
//! the owner takes the notices, works, and lets go (`take`, `release`). A notice that comes while
//! somebody owns the connection is never lost: `release` fails, and it is still owned, by the queue of
//! those that are ready.
//!
//! Slots are made on demand in blocks and never move; a token names a slot and the life of it, so
//! that an event for a connection that has ended does not reach its successor.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

use super::Connection;
use crate::handoff::message::MOST;

/// The socket can be read or written.
pub const READY: u32 = 1 << 1;
/// The peer has closed its side, or the connection is broken.
pub const HANG_UP: u32 = 1 << 2;
/// The plugin asked for its next call.
pub const WOKEN: u32 = 1 << 3;
/// The deadline has passed.
pub const EXPIRED: u32 = 1 << 4;
/// The worker drains: an idle connection is to end.
pub const DRAIN: u32 = 1 << 5;
/// Others wait for its place.
pub const CROWDED: u32 = 1 << 7;
/// A turn in a plugin has been granted, or the owner gave up the thread of its own accord.
pub const TURN: u32 = 1 << 6;

const OWNED: u32 = 1;
const BLOCK: usize = 256;
/// Connections above the limit: those that come from another worker come several at a time, and are
/// let in whole.
const SLACK: usize = MOST;
/// A request id is the number of the slot in these low bits, and a count of the slot above them.
const SLOT_BITS: u32 = 20;

/// Names one life of one slot; what epoll gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub slot: u32,
    life: u32,
}

impl Token {
    pub fn to_u64(self) -> u64 {
        u64::from(self.life) << 32 | u64::from(self.slot)
    }

    pub fn from_u64(value: u64) -> Self {
        Self { slot: value as u32, life: (value >> 32) as u32 }
    }
}

#[derive(Default)]
pub struct Slot {
    notices: AtomicU32,
    life: AtomicU32,
    /// In ticks of `Clock`; 0 is none.
    deadline: AtomicU32,
    /// The request in progress; keeps counting over the lives of the slot.
    request: AtomicU64,
    connection: Mutex<Option<Connection>>,
}

impl Slot {
    /// Leaves notices. `true`: the caller is the owner now and must work on the connection.
    pub fn notify(&self, notices: u32) -> bool {
        self.notices.fetch_or(notices | OWNED, Ordering::AcqRel) & OWNED == 0
    }

    /// The notices since the last call. For the owner.
    pub fn take(&self) -> u32 {
        self.notices.swap(OWNED, Ordering::AcqRel) & !OWNED
    }

    /// Becomes the owner of a connection that nobody works on and to which nothing has happened.
    pub fn claim(&self) -> bool {
        self.notices.compare_exchange(0, OWNED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Lets go. `false`: there are new notices, and the caller is still the owner.
    pub fn release(&self) -> bool {
        self.notices.compare_exchange(OWNED, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The connection; never contended, because only the owner asks.
    pub fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        // A poisoned lock means that a thread panicked while it owned this connection; the state
        // is whole between steps, so the connection can still be ended in order.
        self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The same, where nobody may wait: `None` while a new connection is being put here.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        match self.connection.try_lock() {
            Ok(place) => Some(place),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub fn set_deadline(&self, tick: u32) {
        self.deadline.store(tick, Ordering::Relaxed);
    }

    /// How long until the deadline, in ticks; 0: there is none.
    pub fn time_left(&self, now: u32) -> u32 {
        match self.deadline.load(Ordering::Relaxed) {
            0 => 0,
            deadline => deadline.saturating_sub(now).max(1),
        }
    }

    /// A new request begins: gives its id.
    pub fn begin_request(&self, token: Token) -> u64 {
        let step = 1 << SLOT_BITS;
        let last = self.request.load(Ordering::Relaxed) & !(step - 1);
        let id = last + step + u64::from(token.slot);
        self.request.store(id, Ordering::Release);
        id
    }

    /// The request has ended: waking it is an error of the past. Keeps the count.
    pub fn end_request(&self) {
        let last = self.request.load(Ordering::Relaxed);
        self.request.store(last | ((1 << SLOT_BITS) - 1), Ordering::Release);
    }
}

pub struct Table {
    blocks: Box<[OnceLock<Box<[Slot]>>]>,
    /// Slots in use or free; all below are in blocks that exist.
    made: AtomicUsize,
    free: Mutex<Vec<u32>>,
    open: AtomicUsize,
    /// Connections that there may be before further ones have to wait.
    limit: usize,
    /// So many more are for operators.
    for_operators: usize,
    /// Slots that there may be.
    places: usize,
}

impl Table {
    /// For at most `limit` connections at a time (and no more than an id can name).
    pub fn new(limit: usize) -> Self {
        Self::with_reserve(limit, 0)
    }

    /// And for `reserve` more of operators.
    pub fn with_reserve(limit: usize, reserve: usize) -> Self {
        // The slot whose number is all ones marks the end of a request, see `end_request`.
        let limit = limit.max(1);
        let places = (limit + reserve + SLACK).min((1 << SLOT_BITS) - 1);
        let limit = limit.min(places - reserve - SLACK);
        let blocks = (0..places.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect();
        Self {
            blocks,
            made: AtomicUsize::new(0),
            free: Mutex::new(Vec::new()),
            open: AtomicUsize::new(0),
            limit,
            for_operators: reserve,
            places,
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// For all but operators.
    pub fn is_full(&self) -> bool {
        self.open() >= self.limit
    }

    /// Those that have waited longest for something, at most `count`.
    pub fn longest_waiting(&self, count: usize) -> Vec<(Token, &Slot)> {
        let mut waiting: Vec<_> = self
            .slots()
            .map(|(token, slot)| (slot.deadline.load(Ordering::Relaxed), token, slot))
            .filter(|(deadline, _, _)| *deadline != 0)
            .collect();
        waiting.sort_unstable_by_key(|(deadline, _, _)| *deadline);
        waiting.into_iter().take(count).map(|(_, token, slot)| (token, slot)).collect()
    }

    pub fn slot(&self, number: u32) -> Option<&Slot> {
        let number = number as usize;
        self.blocks.get(number / BLOCK)?.get()?.get(number % BLOCK)
    }

    /// The slot of a token whose connection still lives.
    pub fn find(&self, token: Token) -> Option<&Slot> {
        self.slot(token.slot).filter(|slot| slot.life.load(Ordering::Acquire) == token.life)
    }

    /// The living request of that id, by its slot.
    pub fn find_request(&self, id: u64) -> Option<(Token, &Slot)> {
        let number = (id & ((1 << SLOT_BITS) - 1)) as u32;
        let slot = self.slot(number)?;
        let life = slot.life.load(Ordering::Acquire);
        (slot.request.load(Ordering::Acquire) == id).then_some((Token { slot: number, life }, slot))
    }

    /// A place for a new connection; `None` when all are taken, those of operators too.
    pub fn reserve(&self) -> Option<Token> {
        if self.open() >= self.limit + self.for_operators { None } else { self.reserve_above() }
    }

    /// The same for one that comes from another worker, also a little above the limit.
    pub fn reserve_above(&self) -> Option<Token> {
        let reused = self.free_list().pop();
        let number = match reused {
            Some(number) => number,
            None => {
                let mut free = self.free_list();
                let made = self.made.load(Ordering::Relaxed);
                if made >= self.places {
                    return None;
                }
                self.blocks[made / BLOCK]
                    .get_or_init(|| (0..BLOCK).map(|_| Slot::default()).collect());
                let end = (made / BLOCK * BLOCK + BLOCK).min(self.places);
                free.extend((made as u32 + 1..end as u32).rev());
                self.made.store(end, Ordering::Release);
                made as u32
            }
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(number).expect("a free slot lies in a block that exists");
        Some(Token { slot: number, life: slot.life.load(Ordering::Acquire) })
    }

    /// Ends a life: the owner has taken the connection out.
    pub fn vacate(&self, token: Token, slot: &Slot) {
        slot.set_deadline(0);
        slot.end_request();
        slot.life.fetch_add(1, Ordering::AcqRel);
        slot.notices.store(0, Ordering::Release);
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.free_list().push(token.slot);
    }

    /// All slots that were ever used, with their present tokens.
    pub fn slots(&self) -> impl Iterator<Item = (Token, &Slot)> {
        let made = self.made.load(Ordering::Acquire) as u32;
        (0..made).filter_map(|number| {
            let slot = self.slot(number)?;
            Some((Token { slot: number, life: slot.life.load(Ordering::Acquire) }, slot))
        })
    }

    /// The connections whose deadline has passed at `tick`; each is named once.
    pub fn expired(&self, tick: u32) -> impl Iterator<Item = (Token, &Slot)> {
        self.slots().filter(move |(_, slot)| {
            let deadline = slot.deadline.load(Ordering::Relaxed);
            let passed = deadline != 0 && deadline <= tick;
            passed
                && slot
                    .deadline
                    .compare_exchange(deadline, 0, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        })
    }

    fn free_list(&self) -> MutexGuard<'_, Vec<u32>> {
        self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the 400 bytes that an idle connection may cost altogether.
    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Slot>() <= 240, "{} bytes", size_of::<Slot>());
    }

    #[test]
    fn a_notice_during_ownership_is_not_lost() {
        let slot = Slot::default();
        assert!(slot.notify(READY), "the first to notify becomes the owner");
        assert_eq!(slot.take(), READY);
        assert!(!slot.notify(WOKEN), "somebody owns it already");
        assert!(!slot.release(), "a notice is waiting");
        assert_eq!(slot.take(), WOKEN);
        assert!(slot.release());
        assert!(slot.notify(READY));
    }

    #[test]
    fn a_token_does_not_outlive_its_connection() {
        let table = Table::new(2);
        let token = table.reserve().unwrap();
        let slot = table.find(token).unwrap();
        table.vacate(token, slot);
        assert!(table.find(token).is_none());
        assert_eq!(table.open(), 0);
    }

    #[test]
    fn the_limit_holds() {
        let table = Table::new(2);
        let first = table.reserve().unwrap();
        assert!(table.reserve().is_some());
        assert!(table.reserve().is_none());
        table.vacate(first, table.find(first).unwrap());
        assert!(table.reserve().is_some());
        let table = Table::with_reserve(1, 1);
        assert!(!table.is_full() && table.reserve().is_some());
        assert!(table.is_full(), "the last place is not for everybody");
        assert!(table.reserve().is_some() && table.reserve().is_none());
        for _ in 0..SLACK {
            assert!(table.reserve_above().is_some(), "what others send is let in");
        }
        assert!(table.reserve_above().is_none());
    }

    #[test]
    fn a_request_id_is_never_reused() {
        let table = Table::new(300);
        let token = table.reserve().unwrap();
        let slot = table.find(token).unwrap();
        let first = slot.begin_request(token);
        assert!(table.find_request(first).is_some());
        slot.end_request();
        assert!(table.find_request(first).is_none());
        let second = slot.begin_request(token);
        assert!(second > first);
        table.vacate(token, slot);
        let token = table.reserve().unwrap();
        assert!(table.find(token).unwrap().begin_request(token) > second);
    }
}
