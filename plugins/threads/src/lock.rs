//! Python's `Lock`: one thread may take it and another release it, which a mutex does not allow.

use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
pub struct Lock {
    is_taken: Mutex<bool>,
    released: Condvar,
}

impl Lock {
    /// Waits until it is free, and takes it.
    pub fn acquire(&self) {
        let is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.released.wait_while(is_taken, |is_taken| *is_taken);
        *waited.unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub fn release(&self) {
        *self.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.released.notify_one();
    }
}
