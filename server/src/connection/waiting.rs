//! What a connection waits for in the middle of a request, for whoever wants to show it.

use super::exchange::Exchange;
use super::{Connection, Phase};
use crate::control::{State, Waiting};

impl Connection {
    /// Its request, if it has one that it could not answer at once. For whoever has claimed the
    /// connection.
    pub fn waiting(&self) -> Option<Waiting> {
        match &self.phase {
            Phase::Body(receiving) => Some(receiving.exchange().waiting(State::Receiving)),
            Phase::Exchange(exchange) if self.is_blocked => Some(exchange.waiting(State::Sending)),
            Phase::Exchange(exchange) => Some(exchange.waiting(exchange.state())),
            Phase::Head if self.is_blocked => Some(Waiting {
                state: State::Sending,
                plugin: None,
                request: None,
                began: self.patience.since(),
            }),
            Phase::Head | Phase::Linger { .. } | Phase::Arrived(_) => None,
        }
    }
}

impl Exchange {
    fn state(&self) -> State {
        if self.is_waiting_for_turn() {
            State::Queued
        } else if self.is_starved() {
            State::Receiving
        } else {
            State::Pending
        }
    }

    fn waiting(&self, state: State) -> Waiting {
        Waiting {
            state,
            plugin: Some(self.call.plugin().number),
            request: Some(self.call.id()),
            began: self.began,
        }
    }
}
