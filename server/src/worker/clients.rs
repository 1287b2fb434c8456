//! How many connections each client address has in this worker.
//!
//! Asked when a connection is accepted and when it ends, never for a request. An IPv6 client owns
//! its whole /64, so that is what is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use crate::config::Config;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    V4(u32),
    V6(u64),
}

impl Key {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

pub struct Clients {
    limit: usize,
    counts_loopback: bool,
    counts: Mutex<HashMap<Key, usize>>,
}

/// A connection's place among those of its address; given back when it is dropped.
pub struct Pass {
    clients: &'static Clients,
    key: Key,
}

impl Clients {
    pub fn new(config: &Config) -> Self {
        // Without a limit of its own an address gets a quarter, and those of this very machine, which
        // may be a proxy that the whole world comes through, as much as they like.
        let limits = &config.limits;
        let limit = limits.connections_per_address.unwrap_or(limits.connections.div_ceil(4));
        let counts_loopback = limits.connections_per_address.is_some();
        Self { limit, counts_loopback, counts: Mutex::default() }
    }

    /// A further connection of that address. `Err`: it has too many; `Ok(None)`: it is not counted.
    #[expect(clippy::result_unit_err, reason = "there is nothing more to say")]
    pub fn enter(&'static self, address: IpAddr) -> Result<Option<Pass>, ()> {
        if address.to_canonical().is_loopback() && !self.counts_loopback {
            return Ok(None);
        }
        let key = Key::of(address);
        let mut counts = self.counts();
        let count = counts.entry(key).or_default();
        if *count >= self.limit {
            return Err(());
        }
        *count += 1;
        Ok(Some(Pass { clients: self, key }))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.clients.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(limit: Option<usize>) -> &'static Clients {
        let mut config = Config::default();
        config.limits.connections = 8;
        config.limits.connections_per_address = limit;
        Box::leak(Box::new(Clients::new(&config)))
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let clients = clients(None);
        let address = "192.0.2.1".parse().unwrap();
        let first = clients.enter(address).unwrap();
        let _second = clients.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(clients.enter(address).is_err(), "a quarter of eight");
        assert!(clients.enter("192.0.2.2".parse().unwrap()).is_ok());
        drop(first);
        assert!(clients.enter(address).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let clients = clients(Some(1));
        let _first = clients.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(clients.enter("2001:db8::2".parse().unwrap()).is_err());
        assert!(clients.enter("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn this_machine_is_counted_if_asked_for() {
        let address = "127.0.0.1".parse().unwrap();
        assert!(clients(None).enter(address).unwrap().is_none());
        let clients = clients(Some(1));
        let _first = clients.enter(address).unwrap();
        assert!(clients.enter(address).is_err());
    }
}
