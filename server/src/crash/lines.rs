//! The last lines that plugins have logged, kept in memory of the worker until a crash wants those of
//! its request.
//!
//! Every thread that serves has a ring of its own, and all others share one more. An entry is
//! claimed by its flag before it is written or read; who finds it claimed passes on. Nobody waits,
//! so a handler may come at any moment, between any two instructions of `note`.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::running;

const ENTRIES: usize = 32;
/// Bytes of a line that are kept.
pub const TEXT: usize = 232;

/// A line as it is kept, and as it is written to a record.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Line {
    /// Counts all lines of the worker.
    pub number: u64,
    pub request: u64,
    pub level: u32,
    pub length: u32,
    pub text: [u8; TEXT],
}

/// Bytes that a line takes in a record.
pub const LINE_SIZE: usize = size_of::<Line>();
const _: () = assert!(LINE_SIZE == 24 + TEXT);

impl Line {
    pub const EMPTY: Self = Self { number: 0, request: 0, level: 0, length: 0, text: [0; TEXT] };

    /// The bytes of a record as lines; what is left over at the end is not one.
    pub fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = (u64, i32, &[u8])> {
        bytes.chunks_exact(LINE_SIZE).map(|line| {
            let number = u64::from_ne_bytes(line[..8].try_into().unwrap_or_default());
            let level = u32::from_ne_bytes(line[16..20].try_into().unwrap_or_default());
            let length = u32::from_ne_bytes(line[20..24].try_into().unwrap_or_default());
            (number, level as i32, &line[24..24 + (length as usize).min(TEXT)])
        })
    }
}

struct Entry {
    is_claimed: AtomicBool,
    line: UnsafeCell<Line>,
}

// SAFETY: `line` is touched only between a successful `claim` and the `release` after it.
unsafe impl Sync for Entry {}

impl Entry {
    fn claim(&self) -> bool {
        !self.is_claimed.swap(true, Ordering::Acquire)
    }

    fn release(&self) {
        self.is_claimed.store(false, Ordering::Release);
    }
}

struct Ring {
    next: AtomicUsize,
    entries: [Entry; ENTRIES],
}

struct Rings {
    count: AtomicU64,
    rings: Box<[Ring]>,
}

static RINGS: OnceLock<Rings> = OnceLock::new();

/// Makes the rings for a worker of so many threads; once in a process.
pub fn prepare(threads: usize) {
    let entry = || Entry { is_claimed: AtomicBool::new(false), line: UnsafeCell::new(Line::EMPTY) };
    let ring = |_| Ring { next: AtomicUsize::new(0), entries: std::array::from_fn(|_| entry()) };
    let rings = (0..=threads).map(ring).collect();
    // A second worker in one process does not exist; the first one's stay.
    let _ = RINGS.set(Rings { count: AtomicU64::new(0), rings });
}

/// Keeps a line, or its beginning.
pub fn note(request: u64, level: i32, text: &[u8]) {
    let Some(rings) = RINGS.get() else { return };
    let last = rings.rings.len() - 1;
    let ring = &rings.rings[running::thread().unwrap_or(last).min(last)];
    let entry = &ring.entries[ring.next.fetch_add(1, Ordering::Relaxed) % ENTRIES];
    if !entry.claim() {
        return;
    }
    let number = rings.count.fetch_add(1, Ordering::Relaxed) + 1;
    let length = text.len().min(TEXT);
    // SAFETY: claimed above: nobody else touches the line until it is released.
    let line = unsafe { &mut *entry.line.get() };
    line.number = number;
    line.request = request;
    line.level = level as u32;
    line.length = length as u32;
    line.text[..length].copy_from_slice(&text[..length]);
    entry.release();
}

/// Gives the kept lines of a request, in no order, until `f` says that it wants no more. May be
/// called by a signal handler: it touches memory that is there since `prepare`, and nothing waits.
pub fn of_request(request: u64, mut f: impl FnMut(&Line) -> bool) {
    let Some(rings) = RINGS.get() else { return };
    for entry in rings.rings.iter().flat_map(|ring| &ring.entries) {
        if !entry.claim() {
            // Being written this moment, or left so by a thread that crashed there.
            continue;
        }
        // SAFETY: claimed above: nobody else touches the line until it is released.
        let line = unsafe { &*entry.line.get() };
        let goes_on = line.number == 0 || line.request != request || f(line);
        entry.release();
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_request_are_found() {
        prepare(2);
        running::set_thread(1);
        for number in 0..40 {
            note(7, 3, format!("seven {number}").as_bytes());
        }
        std::thread::spawn(|| note(7, 1, &[b'x'; 1000])).join().unwrap();
        std::thread::spawn(|| note(8, 1, b"other")).join().unwrap();
        let mut bytes = Vec::new();
        of_request(7, |line| {
            bytes.push((line.number, line.length, line.text));
            true
        });
        bytes.sort_unstable();
        assert_eq!(bytes.len(), ENTRIES + 1);
        assert!(bytes[0].2.starts_with(b"seven 8"), "the oldest are overwritten");
        assert_eq!((bytes[ENTRIES].1, bytes[ENTRIES].2), (TEXT as u32, [b'x'; TEXT]));
    }
}
