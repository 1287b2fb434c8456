//! `Queue`: a queue of limited length between processes.
//!
//! As in Python it is a channel and two semaphores: one counts the free places, one the entries. The
//! semaphores are eventfds, and the channel is a socket that keeps messages apart, so any number of
//! processes may put and get.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `queue.Full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;
/// `queue.Empty`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

impl std::error::Error for Full {}
impl std::error::Error for Empty {}

impl fmt::Display for Full {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("queue.Full")
    }
}

impl fmt::Display for Empty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("queue.Empty")
    }
}

/// Made before the processes that share it are forked.
#[derive(Debug)]
pub struct Queue {
    free: OwnedFd,
    entries: OwnedFd,
    input: OwnedFd,
    output: OwnedFd,
    size: u32,
}

impl Queue {
    /// A queue of `size` entries at most.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn new(size: u32) -> io::Result<Self> {
        let flags = EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        let (input, output) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let (free, entries) = (eventfd(size, flags)?, eventfd(0, flags)?);
        Ok(Self { free, entries, input, output, size })
    }

    /// Puts an entry in, waits for a place if there is none. `timeout`: no longer than that.
    ///
    /// # Errors
    /// There was no place in that time.
    pub fn put(&self, entry: &str, timeout: Option<Duration>) -> Result<(), Full> {
        if !take(&self.free, timeout) {
            return Err(Full);
        }
        // There is room: the places are counted.
        let _ = rustix::net::send(&self.input, entry.as_bytes(), SendFlags::NOSIGNAL);
        release(&self.entries);
        Ok(())
    }

    /// # Errors
    /// There is no place now.
    pub fn put_nowait(&self, entry: &str) -> Result<(), Full> {
        self.put(entry, Some(Duration::ZERO))
    }

    /// Takes the oldest entry, waits for one if there is none.
    ///
    /// # Errors
    /// There was none in that time.
    pub fn get(&self, timeout: Option<Duration>) -> Result<String, Empty> {
        if !take(&self.entries, timeout) {
            return Err(Empty);
        }
        let mut buffer = vec![0; 16 << 10];
        let received = rustix::net::recv(&self.output, &mut buffer[..], RecvFlags::empty());
        release(&self.free);
        let length = received.map_or(0, |(length, _)| length);
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// # Errors
    /// There is none now.
    pub fn get_nowait(&self) -> Result<String, Empty> {
        self.get(Some(Duration::ZERO))
    }

    /// How many entries there are at this moment; another process may change it right after.
    pub fn qsize(&self) -> u32 {
        count(&self.entries).unwrap_or(0)
    }

    pub fn empty(&self) -> bool {
        self.qsize() == 0
    }

    pub fn full(&self) -> bool {
        self.qsize() == self.size
    }
}

/// Takes one from a semaphore; `false` if there was none in time.
fn take(semaphore: &OwnedFd, timeout: Option<Duration>) -> bool {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        match rustix::io::read(semaphore, &mut [0_u8; 8]) {
            Ok(_) => return true,
            Err(Errno::AGAIN) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return false,
        }
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if rest == Some(Duration::ZERO) {
            return false;
        }
        let time = rest.map(|rest| Timespec {
            tv_sec: rest.as_secs() as i64,
            tv_nsec: rest.subsec_nanos().into(),
        });
        // Another process may be quicker: then the loop waits again.
        let _ = poll(&mut [PollFd::new(semaphore, PollFlags::IN)], time.as_ref());
    }
}

fn release(semaphore: &OwnedFd) {
    // Fails only where the count would exceed 2^64.
    let _ = rustix::io::write(semaphore, &1_u64.to_ne_bytes());
}

/// The count of an eventfd, without taking from it (proc_pid_fdinfo(5)); hexadecimal.
fn count(semaphore: &OwnedFd) -> Option<u32> {
    let file = format!("/proc/self/fdinfo/{}", semaphore.as_raw_fd());
    let info = std::fs::read_to_string(file).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("eventfd-count:"))?;
    u32::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_in_order_and_are_counted() {
        let queue = Queue::new(3).unwrap();
        assert_eq!(queue.get_nowait(), Err(Empty));
        for entry in ["a", "b", "c"] {
            queue.put_nowait(entry).unwrap();
        }
        assert!(queue.full() && !queue.empty());
        assert_eq!(queue.put("d", Some(Duration::from_millis(10))), Err(Full));
        assert_eq!(queue.get(None).as_deref(), Ok("a"));
        assert_eq!(queue.qsize(), 2);
        assert_eq!(queue.get(None).as_deref(), Ok("b"));
        assert_eq!(queue.get(None).as_deref(), Ok("c"));
        assert!(queue.empty());
    }

    #[test]
    fn who_waits_is_woken() {
        let queue = Queue::new(1).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.get(None));
            queue.put("x", None).unwrap();
            assert_eq!(waiting.join().unwrap().as_deref(), Ok("x"));
        });
    }
}
