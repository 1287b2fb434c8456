//! What a thread remembers of its last paths: who answers them. Most requests are for a few paths, and
//! then neither the number of route rules nor the cost of a regular expression matters.

use crate::respond::{Site, Target};

/// Paths that are remembered, one for each value of the hash.
const ENTRIES: usize = 128;
/// A longer path is not remembered: clients make up long ones, and they would fill the memory.
const LONGEST: usize = 128;

#[derive(Default)]
pub struct RouteCache {
    /// None are made before the first request; each holds a path and who answers it.
    entries: Vec<Option<(Box<[u8]>, Target)>>,
}

impl RouteCache {
    /// As `Site::target`.
    pub fn target(&mut self, site: &'static Site, path: &[u8]) -> &Target {
        if self.entries.is_empty() {
            self.entries.resize_with(ENTRIES, || None);
        }
        // What is too long is remembered under no path at all.
        let key = if path.len() <= LONGEST { path } else { b"" };
        let entry = &mut self.entries[hash(key) % ENTRIES];
        let is_known = entry.as_ref().is_some_and(|(known, _)| **known == *key && !key.is_empty());
        if !is_known {
            *entry = None;
        }
        let (_, target) = entry.get_or_insert_with(|| (key.into(), site.target(path)));
        target
    }
}

/// Spreads paths over the entries; whoever makes them collide makes them slower, and no more.
fn hash(path: &[u8]) -> usize {
    let mut hash = path.len() as u64;
    for part in path.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (hash >> 40) as usize
}
