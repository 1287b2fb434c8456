//! The thread promises of plugins: who may be inside one, and who waits for it.
//!
//! A plugin without `CSGI_THREADSAFE` is entered by one thread at a time; plugins without
//! `CSGI_NONBLOCKING` share a worker's *seats*, one fewer than it has threads, so that one thread
//! always stays out. Nobody blocks here: who cannot enter leaves its ticket and goes on with other
//! work; who leaves hands its place directly to the ticket that has waited longest.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// A number of places, and the tickets of those who wait for one.
pub struct Gate<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    free: usize,
    /// Places that were lent: so many who leave give theirs to nobody.
    lent: usize,
    waiting: VecDeque<T>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// The caller has a place and must `leave`.
    Entered,
    /// The ticket waits; it will be given out by somebody's `leave`, together with a place.
    Waiting,
}

impl<T: PartialEq> Gate<T> {
    /// Takes a ticket back. `false`: it does not wait any more, its place is on its way.
    pub fn withdraw(&self, ticket: &T) -> bool {
        let mut state = self.state();
        let found = state.waiting.iter().position(|waiting| waiting == ticket);
        found.is_some_and(|position| state.waiting.remove(position).is_some())
    }
}

impl<T> Gate<T> {
    pub fn new(places: usize) -> Self {
        Self { state: Mutex::new(State { free: places, lent: 0, waiting: VecDeque::new() }) }
    }

    pub fn enter(&self, ticket: T) -> Entry {
        self.enter_queue(ticket, VecDeque::push_back)
    }

    /// As `enter`; those who wait already wait longer.
    pub fn enter_first(&self, ticket: T) -> Entry {
        self.enter_queue(ticket, VecDeque::push_front)
    }

    fn enter_queue(&self, ticket: T, push: fn(&mut VecDeque<T>, T)) -> Entry {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return Entry::Entered;
        }
        push(&mut state.waiting, ticket);
        Entry::Waiting
    }

    /// Gives the place to whoever waits, and that ticket to the caller, who must see that it runs.
    #[must_use]
    pub fn leave(&self) -> Option<T> {
        let mut state = self.state();
        if state.lent > 0 {
            state.lent -= 1;
            return None;
        }
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.free += 1;
        }
        next
    }

    /// Lets one more in than there are places, if somebody waits: the next who leaves makes up for it.
    #[must_use]
    pub fn lend(&self) -> Option<T> {
        let mut state = self.state();
        let next = state.waiting.pop_front()?;
        state.lent += 1;
        Some(next)
    }

    /// There is no place, and so many wait for one already.
    pub fn is_full(&self, limit: usize) -> bool {
        let state = self.state();
        state.free == 0 && state.waiting.len() >= limit
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_to_who_waited_longest() {
        let gate = Gate::new(1);
        assert_eq!(gate.enter(1), Entry::Entered);
        assert_eq!(gate.enter(2), Entry::Waiting);
        assert_eq!(gate.enter(3), Entry::Waiting);
        assert_eq!(gate.waiting(), 2);
        assert_eq!(gate.leave(), Some(2));
        assert_eq!(gate.enter(4), Entry::Waiting, "the place was handed on, not freed");
        assert_eq!(gate.leave(), Some(3));
        assert_eq!(gate.leave(), Some(4));
        assert_eq!(gate.leave(), None);
        assert_eq!(gate.enter(5), Entry::Entered);
        assert_eq!(gate.enter(6), Entry::Waiting);
        assert_eq!(gate.enter_first(7), Entry::Waiting);
        assert!(gate.withdraw(&6) && !gate.withdraw(&6));
        assert_eq!(gate.leave(), Some(7));
        assert_eq!(gate.leave(), None);
    }

    #[test]
    fn a_lent_place_is_given_back() {
        let gate = Gate::new(1);
        assert_eq!(gate.lend(), None, "nobody waits");
        assert_eq!(gate.enter(1), Entry::Entered);
        assert_eq!(gate.enter(2), Entry::Waiting);
        assert_eq!(gate.enter(3), Entry::Waiting);
        assert_eq!(gate.lend(), Some(2));
        assert_eq!(gate.leave(), None, "the other one is inside still");
        assert_eq!(gate.enter(4), Entry::Waiting);
        assert_eq!(gate.leave(), Some(3));
    }
}
