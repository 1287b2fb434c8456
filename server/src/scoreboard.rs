//! The scoreboard: shared memory in which workers say what they are doing, and the supervisor reads
//! it, also after a worker has died.
//!
//! The supervisor makes it; workers map it. Every number is an atomic that only one thread writes;
//! nothing in it is a pointer or a length, so a worker gone wild can make the picture wrong and no
//! more.

use std::ffi::c_void;
use std::mem::size_of;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::breaker::{Breaker, Poisons};

/// What one thread of a worker is doing. On a cache line of its own, because it changes with every
/// request.
#[derive(Default)]
#[repr(C, align(64))]
pub struct ThreadCell {
    /// Entries into plugins and exits from them: odd while inside.
    calls: AtomicU32,
    /// The plugin that it is, or was last, inside; its number in the generation.
    plugin: AtomicU32,
    request: AtomicU64,
    /// When the request began, and when the thread went into the plugin for it; in ticks of the
    /// worker's clock.
    began: AtomicU32,
    entered: AtomicU32,
    /// When the call must have returned, in the same ticks.
    due: AtomicU32,
    /// The supervisor's: the request that is past its deadline.
    accused: AtomicU64,
    /// The kernel's number of the thread, 0 before it runs.
    thread: AtomicU32,
    /// Requests that the thread has answered.
    answered: AtomicU64,
}

/// A request that a thread is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub plugin: u32,
    pub request: u64,
    /// In ticks of the worker's clock, as all of these: when the request began.
    pub began: u32,
    /// When the call that runs now began.
    pub entered: u32,
    /// When it must have returned.
    pub due: u32,
}

impl ThreadCell {
    /// The thread goes into a plugin. Only by the thread itself, as `leave`.
    pub fn enter(&self, running: Running) {
        self.plugin.store(running.plugin, Ordering::Relaxed);
        self.request.store(running.request, Ordering::Relaxed);
        self.began.store(running.began, Ordering::Relaxed);
        self.entered.store(running.entered, Ordering::Relaxed);
        self.due.store(running.due, Ordering::Relaxed);
        self.calls.store(self.calls().wrapping_add(1), Ordering::Release);
    }

    pub fn leave(&self) {
        self.calls.store(self.calls().wrapping_add(1), Ordering::Release);
    }

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Acquire)
    }

    /// By the supervisor: this request has hung.
    pub fn accuse(&self, request: u64) {
        self.accused.store(request, Ordering::SeqCst);
    }

    pub fn accused(&self) -> u64 {
        self.accused.load(Ordering::SeqCst)
    }

    /// One more request is answered. Only by the thread itself.
    pub fn count_answer(&self) {
        self.answered.store(self.answered() + 1, Ordering::Relaxed);
    }

    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn set_thread(&self, thread: u32) {
        self.thread.store(thread, Ordering::Relaxed);
    }

    pub fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    pub fn plugin(&self) -> u32 {
        self.plugin.load(Ordering::Relaxed)
    }

    /// What it is inside of now, or was when its process died.
    pub fn running(&self) -> Option<Running> {
        let is_inside = self.calls() % 2 == 1;
        is_inside.then(|| Running {
            plugin: self.plugin(),
            request: self.request.load(Ordering::Relaxed),
            began: self.began.load(Ordering::Relaxed),
            entered: self.entered.load(Ordering::Relaxed),
            due: self.due.load(Ordering::Relaxed),
        })
    }
}

/// For how many milliseconds it counts that a worker had room: it says so four times a second.
const ROOM_IS_RECENT: u64 = 1000;

/// What a worker says of itself.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Row {
    connections: AtomicU32,
    pool: AtomicU32,
    /// When the worker last had room for a connection: as `epoch`; 0: not since it was full.
    room: AtomicU64,
    /// When the worker's clock began: milliseconds of the system's monotonic clock.
    epoch: AtomicU64,
}

impl Row {
    pub fn set_epoch(&self, milliseconds: u64) {
        self.epoch.store(milliseconds, Ordering::Relaxed);
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// A tick of the worker's clock (a tenth of a second, from 1) in milliseconds of the system's
    /// monotonic clock.
    pub fn time_of(&self, tick: u32) -> u64 {
        self.epoch() + u64::from(tick.saturating_sub(1)) * 100
    }

    /// Whether a worker of that pool takes connections. Only by the worker itself, again and again:
    /// one that has died says nothing any more.
    pub fn tell_room(&self, pool: usize, now: Option<u64>) {
        self.pool.store(pool as u32, Ordering::Relaxed);
        self.room.store(now.unwrap_or(0), Ordering::Relaxed);
    }

    /// A worker of that pool has room, or had it a moment ago.
    pub fn has_room(&self, pool: usize, now: u64) -> bool {
        let room = self.room.load(Ordering::Relaxed);
        let is_recent = room != 0 && now.saturating_sub(room) < ROOM_IS_RECENT;
        is_recent && self.pool.load(Ordering::Relaxed) == pool as u32
    }

    pub fn set_connections(&self, count: u32) {
        self.connections.store(count, Ordering::Relaxed);
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The first bytes of the memory: how it is laid out.
#[repr(C, align(64))]
struct Layout {
    rows: AtomicU32,
    threads: AtomicU32,
    plugins: AtomicU32,
    poisons: Poisons,
}

pub struct Scoreboard {
    memory: *mut c_void,
    length: usize,
    rows: usize,
    threads: usize,
    plugins: usize,
}

// SAFETY: the memory holds atomics only, and is unmapped by nobody but `drop`.
unsafe impl Send for Scoreboard {}
// SAFETY: as above.
unsafe impl Sync for Scoreboard {}

impl Scoreboard {
    /// For `rows` workers of `threads` threads, and `plugins`; the descriptor is for the workers.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn create(rows: usize, threads: usize, plugins: usize) -> std::io::Result<(Self, OwnedFd)> {
        let file = rustix::fs::memfd_create(
            "tenon-scoreboard",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        let length = Self::length(rows, threads, plugins);
        rustix::fs::ftruncate(&file, length as u64)?;
        // Nobody who has it can make it shorter, which would make others' access fail.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = map(&file, length)?;
        let scoreboard = Self { memory, length, rows, threads, plugins };
        scoreboard.layout().rows.store(rows as u32, Ordering::Relaxed);
        scoreboard.layout().threads.store(threads as u32, Ordering::Relaxed);
        scoreboard.layout().plugins.store(plugins as u32, Ordering::Relaxed);
        Ok((scoreboard, file))
    }

    /// A worker's side.
    ///
    /// # Errors
    /// The descriptor is not that of a scoreboard.
    pub fn open(file: OwnedFd) -> std::io::Result<Self> {
        let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        if length < size_of::<Layout>() {
            return Err(std::io::Error::other("the scoreboard is too small"));
        }
        let memory = map(&file, length)?;
        let mut scoreboard = Self { memory, length, rows: 0, threads: 0, plugins: 0 };
        let rows = scoreboard.layout().rows.load(Ordering::Relaxed) as usize;
        let threads = scoreboard.layout().threads.load(Ordering::Relaxed) as usize;
        let plugins = scoreboard.layout().plugins.load(Ordering::Relaxed) as usize;
        if Self::length(rows, threads, plugins) != length {
            return Err(std::io::Error::other("the scoreboard has another layout"));
        }
        scoreboard.rows = rows;
        scoreboard.threads = threads;
        scoreboard.plugins = plugins;
        Ok(scoreboard)
    }

    fn length(rows: usize, threads: usize, plugins: usize) -> usize {
        let row = size_of::<Row>() + threads * size_of::<ThreadCell>();
        size_of::<Layout>() + rows * row + plugins * size_of::<Breaker>()
    }

    fn layout(&self) -> &Layout {
        self.at(0)
    }

    /// Requests that no plugin gets.
    pub fn poisons(&self) -> &Poisons {
        &self.layout().poisons
    }

    /// # Panics
    /// There is no such plugin.
    pub fn breaker(&self, plugin: usize) -> &Breaker {
        assert!(plugin < self.plugins, "the scoreboard has {} plugins", self.plugins);
        let begin = size_of::<Layout>() + self.rows * self.row_length();
        self.at(begin + plugin * size_of::<Breaker>())
    }

    /// # Panics
    /// There is no such row.
    pub fn row(&self, row: usize) -> &Row {
        assert!(row < self.rows, "the scoreboard has {} rows, not {row}", self.rows);
        self.at(size_of::<Layout>() + row * self.row_length())
    }

    /// Of all workers but that of row `own`.
    pub fn other_rows(&self, own: usize) -> impl Iterator<Item = &Row> {
        (0..self.rows).filter(move |row| *row != own).map(|row| self.row(row))
    }

    /// # Panics
    /// There is no such row or thread.
    pub fn cell(&self, row: usize, thread: usize) -> &ThreadCell {
        assert!(row < self.rows && thread < self.threads, "no cell {row}, {thread}");
        let begin = size_of::<Layout>() + row * self.row_length() + size_of::<Row>();
        self.at(begin + thread * size_of::<ThreadCell>())
    }

    /// All cells of a worker.
    pub fn cells(&self, row: usize) -> impl Iterator<Item = &ThreadCell> {
        (0..self.threads).map(move |thread| self.cell(row, thread))
    }

    /// A worker begins anew in this row.
    pub fn clear(&self, row: usize) {
        self.row(row).set_connections(0);
        self.row(row).tell_room(0, None);
        for cell in self.cells(row) {
            cell.calls.store(0, Ordering::Relaxed);
            cell.plugin.store(u32::MAX, Ordering::Relaxed);
            cell.accuse(0);
            cell.answered.store(0, Ordering::Relaxed);
        }
    }

    fn row_length(&self) -> usize {
        size_of::<Row>() + self.threads * size_of::<ThreadCell>()
    }

    /// Only for `Layout`, `Row`, `ThreadCell` and `Breaker`, which are made of atomics.
    fn at<T>(&self, offset: usize) -> &T {
        assert!(offset + size_of::<T>() <= self.length && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: the mapping is page-aligned and `length` bytes long, checked just above, so the
        // address is inside and aligned.
        let address = unsafe { self.memory.cast::<u8>().add(offset) }.cast::<T>();
        // SAFETY: any bytes are valid atomics, and the mapping lives as long as `self`.
        unsafe { &*address }
    }
}

impl Drop for Scoreboard {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.memory, self.length) };
    }
}

fn map(file: impl AsFd, length: usize) -> std::io::Result<*mut c_void> {
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    Ok(unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, protection, flags, file, 0) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same() {
        let (ours, file) = Scoreboard::create(2, 3, 1).unwrap();
        let theirs = Scoreboard::open(file).unwrap();
        theirs.row(1).set_connections(7);
        let running = Running { plugin: 4, request: 99, began: 1, entered: 2, due: 3 };
        theirs.cell(1, 2).enter(running);
        assert_eq!(ours.row(1).connections(), 7);
        assert_eq!(ours.cell(1, 2).running(), Some(running));
        assert_eq!(ours.cell(0, 2).running(), None);
        ours.breaker(0).open(9);
        assert!(!theirs.breaker(0).is_closed());
        theirs.cell(1, 2).leave();
        assert_eq!(ours.cell(1, 2).running(), None);
    }

    #[test]
    fn room_is_what_another_worker_of_the_pool_has_said_of_late() {
        let (board, _file) = Scoreboard::create(2, 1, 0).unwrap();
        let has_room = |pool, now| board.other_rows(0).any(|row| row.has_room(pool, now));
        assert!(!has_room(0, 5000), "nobody has said anything");
        board.row(0).tell_room(0, Some(5000));
        assert!(!has_room(0, 5000), "that was oneself");
        board.row(1).tell_room(2, Some(5000));
        assert!(has_room(2, 5999) && !has_room(2, 6000) && !has_room(0, 5000));
        board.row(1).tell_room(2, None);
        assert!(!has_room(2, 5000));
    }

    #[test]
    fn another_file_is_refused() {
        let file = rustix::fs::memfd_create("other", MemfdFlags::CLOEXEC).unwrap();
        assert!(Scoreboard::open(file).is_err());
    }
}
