//! The access log: one line per answered request, never half a line, and no request waits for it.
//!
//! Every thread has a buffer of its own. A full one, and every one at the monitor's next look, goes
//! to a thread that does nothing but write (`sink`), through a queue of a fixed length: when the file,
//! pipe or socket takes no more, lines are dropped and counted.

pub mod format;
mod sink;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use crossbeam::utils::CachePadded;

use crate::config::Config;
use crate::http::head::Head;
use format::{Format, Worker};

/// Bytes of lines that a thread gathers at most. Each batch wakes the writer, which costs as much as a
/// request.
const BATCH: usize = 64 * 1024;
/// Batches that may wait to be written.
const QUEUE: usize = 16;
/// How long the end of a worker waits for its lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// One answered request. Texts are as they came from the client.
pub struct Entry<'a> {
    /// Address and port.
    pub remote: &'a str,
    pub head: &'a Head,
    /// What `head` was parsed from.
    pub bytes: &'a [u8],
    pub status: u16,
    /// Bytes of body.
    pub sent: u64,
    pub request_id: &'a [u8],
    pub plugin: Option<&'a str>,
    pub times: Times,
}

/// Where the time of a request has gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Waiting for a place in the plugin.
    pub queue: Duration,
    /// In calls of the plugin.
    pub plugin: Duration,
    /// From the head's arrival to the answer's last byte leaving the server's hands.
    pub total: Duration,
}

enum Order {
    Lines(Vec<u8>),
    /// Open the file again: somebody has moved it away.
    Reopen,
    /// Say so when everything before is written.
    Finish(Sender<()>),
}

/// See `AccessLog::open`.
pub struct Opened(Option<sink::Sink>);

/// A worker's access log.
pub struct AccessLog {
    /// None: it is off.
    open: Option<Open>,
}

struct Open {
    format: Format,
    worker: Worker,
    /// One for each thread, so that nobody waits for another one's lines.
    buffers: Box<[CachePadded<Mutex<Vec<u8>>>]>,
    orders: Sender<Order>,
    /// Emptied buffers on their way back.
    spares: Receiver<Vec<u8>>,
    /// Lines that nobody took.
    dropped: AtomicU64,
}

impl AccessLog {
    /// Opens where the lines go. Apart from `start`, because a process may give up the right to open
    /// files before it may have a second thread.
    ///
    /// # Errors
    /// The file or socket cannot be opened.
    pub fn open(config: &Config) -> std::io::Result<Opened> {
        Ok(Opened(sink::Sink::open(&config.access_log)?))
    }

    /// For the threads of one worker of one generation.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        Opened(sink): Opened,
        config: &Config,
        generation: u64,
        worker: usize,
    ) -> std::io::Result<Self> {
        let Some(sink) = sink else { return Ok(Self { open: None }) };
        let (orders, inbox) = bounded(QUEUE);
        let (returns, spares) = bounded(QUEUE);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(sink, &inbox, &returns))?;
        let buffer = || CachePadded::new(Mutex::new(Vec::new()));
        let buffers = (0..config.threads).map(|_| buffer()).collect();
        let worker = Worker { generation, number: worker, process: std::process::id() };
        let format = config.access_log_format.compile();
        let dropped = AtomicU64::new(0);
        Ok(Self { open: Some(Open { format, worker, buffers, orders, spares, dropped }) })
    }

    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// Lines show where the time of a request has gone, so somebody must look at the clock.
    pub fn shows_times(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.format.shows_times())
    }

    pub fn shows_request_ids(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.format.shows_request_ids())
    }

    /// Adds a line to the buffer of a thread.
    pub fn note(&self, thread: usize, entry: &Entry<'_>) {
        let Some(open) = &self.open else { return };
        let mut lines = lock(&open.buffers[thread]);
        open.format.append(&mut lines, entry, &open.worker);
        if lines.len() >= BATCH {
            open.hand_over(&mut lines);
        }
    }

    /// Hands over what has been gathered. For the monitor.
    pub fn flush(&self) {
        let Some(open) = &self.open else { return };
        for buffer in &open.buffers {
            let mut lines = lock(buffer);
            if !lines.is_empty() {
                open.hand_over(&mut lines);
            }
        }
    }

    /// Writes to a new file from here on, if it is one.
    pub fn reopen(&self) {
        if let Some(open) = &self.open {
            self.flush();
            // The writer takes it as soon as it has room.
            let _ = open.orders.send_timeout(Order::Reopen, PATIENCE);
        }
    }

    /// Writes everything, as far as it is taken in good time. For the end of the worker.
    pub fn finish(&self) {
        let Some(open) = &self.open else { return };
        self.flush();
        let (done, wait) = bounded(1);
        if open.orders.send_timeout(Order::Finish(done), PATIENCE).is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

impl Open {
    fn hand_over(&self, lines: &mut Vec<u8>) {
        let spare = self.spares.try_recv().unwrap_or_default();
        match self.orders.try_send(Order::Lines(std::mem::replace(lines, spare))) {
            Ok(()) => {
                let dropped = self.dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!("the access log takes lines again; {dropped} were dropped");
                }
            }
            Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) => {
                let Order::Lines(mut refused) = order else { return };
                let count = memchr::memchr_iter(b'\n', &refused).count() as u64;
                if self.dropped.fetch_add(count, Ordering::Relaxed) == 0 {
                    tracing::error!("the access log is not taken fast enough; lines are dropped");
                }
                refused.clear();
                *lines = refused;
            }
        }
    }
}

/// The body of the writer's thread.
fn write(mut sink: sink::Sink, orders: &Receiver<Order>, returns: &Sender<Vec<u8>>) {
    for order in orders {
        match order {
            Order::Lines(mut lines) => {
                sink.write(&lines);
                lines.clear();
                // Too many of them already: this one is freed.
                let _ = returns.try_send(lines);
            }
            Order::Reopen => sink.reopen(),
            Order::Finish(done) => drop(done.send(())),
        }
    }
}

fn lock(buffer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    buffer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Where syslog is, on every Linux.
pub fn syslog() -> PathBuf {
    PathBuf::from("/dev/log")
}
