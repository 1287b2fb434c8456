//! Memory that a process shares with the processes it forks (mmap(2), MAP_SHARED).
//!
//! `unsafe`: the mapping and its view as atomic counters.

use std::io;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Counters, all 0, that are the same in every process forked from now on. They stay mapped until
/// the process ends.
///
/// # Errors
/// There is no memory.
pub fn counters(count: usize) -> io::Result<&'static [AtomicU64]> {
    let length = count.max(1) * size_of::<AtomicU64>();
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: no address is asked for, so no memory of ours is replaced.
    let memory = unsafe { mmap_anonymous(std::ptr::null_mut(), length, protection, flags) }?;
    // SAFETY: the mapping is that long, zeroed, aligned to a page, never unmapped, and reached
    // through atomics only, in whatever process.
    Ok(unsafe { std::slice::from_raw_parts(memory.cast::<AtomicU64>(), count) })
}
