//! `Pool`: a number of processes that take tasks from one queue.
//!
//! The tasks wait in a socket that all workers read: who is idle takes the next. The results come
//! back over another, to a thread of the parent that calls the callbacks.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::fork;

/// What the workers do with a task.
pub type Work = fn(&str) -> String;
type Callback = Box<dyn FnOnce(String) + Send>;

/// The longest task or result.
const LONGEST: usize = 64 << 10;

/// Processes that wait for work.
#[derive(Debug)]
pub struct Pool {
    workers: Vec<Pid>,
    /// `None` when closed.
    tasks: Option<OwnedFd>,
    shared: Arc<Shared>,
    handler: Option<JoinHandle<()>>,
    last: u64,
}

/// Between the parent's main thread and the one that takes results.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    callbacks: HashMap<u64, Callback>,
    results: HashMap<u64, String>,
    /// No worker is left.
    has_ended: bool,
}

/// Why a pool does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// A closed pool takes no tasks.
    Closed,
    /// `join` comes after `close` or `terminate`.
    StillOpen,
    /// The workers ended before the task was done.
    Lost,
}

impl std::error::Error for PoolError {}

impl fmt::Display for PoolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "Pool not running",
            Self::StillOpen => "Pool is still running",
            Self::Lost => "the workers ended before the task was done",
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shared")
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that will be there: `AsyncResult`.
#[derive(Debug)]
pub struct Promise {
    number: u64,
    shared: Arc<Shared>,
}

impl Promise {
    /// Waits for the result.
    ///
    /// # Errors
    /// The workers ended before.
    pub fn get(self) -> Result<String, PoolError> {
        let mut state = self.shared.state();
        loop {
            if let Some(result) = state.results.remove(&self.number) {
                return Ok(result);
            }
            if state.has_ended {
                return Err(PoolError::Lost);
            }
            let waited = self.shared.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Pool {
    /// Starts `count` workers that do `work`.
    ///
    /// # Errors
    /// See [`fork`](fn@crate::fork).
    pub fn new(count: usize, work: Work) -> io::Result<Self> {
        let (tasks, tasks_end) = socket_pair()?;
        let (results, results_end) = socket_pair()?;
        let mut ends = (Some(tasks), Some(results));
        let mut workers = Vec::new();
        for _ in 0..count {
            workers.push(fork::child(|| {
                // The parent's ends: a copy here would hide that the parent closed them.
                ends = (None, None);
                serve(&tasks_end, &results_end, work)
            })?);
        }
        // The workers alone hold them now: the results end with the last worker.
        drop((tasks_end, results_end));
        let shared = Arc::<Shared>::default();
        let (tasks, results) = ends;
        let handler = results.map(|results| {
            let shared = shared.clone();
            std::thread::spawn(move || take_results(&results, &shared))
        });
        Ok(Self { workers, tasks, shared, handler, last: 0 })
    }

    pub fn workers(&self) -> &[Pid] {
        &self.workers
    }

    /// Puts a task into the queue and does not wait; `callback` gets the result in this process.
    ///
    /// # Errors
    /// The pool is closed.
    pub fn apply_async(
        &mut self,
        task: &str,
        callback: impl FnOnce(String) + Send + 'static,
    ) -> Result<Promise, PoolError> {
        let tasks = self.tasks.as_ref().ok_or(PoolError::Closed)?;
        self.last += 1;
        self.shared.state().callbacks.insert(self.last, Box::new(callback));
        let message = format!("{}\n{task}", self.last);
        rustix::net::send(tasks, message.as_bytes(), SendFlags::NOSIGNAL)
            .map_err(|_| PoolError::Lost)?;
        Ok(Promise { number: self.last, shared: self.shared.clone() })
    }

    /// Gives a task to the pool and waits until it is done.
    ///
    /// # Errors
    /// As [`Self::apply_async`], or the workers ended.
    pub fn apply(&mut self, task: &str) -> Result<String, PoolError> {
        self.apply_async(task, |_| {})?.get()
    }

    /// Takes no more tasks; those that were given are still done.
    pub fn close(&mut self) {
        self.tasks = None;
    }

    /// Ends the workers at once, whatever they are doing.
    pub fn terminate(&mut self) {
        self.close();
        for worker in &self.workers {
            // It may have ended by itself.
            let _ = kill(*worker, Signal::SIGTERM);
        }
    }

    /// Waits until all is done and the workers are gone.
    ///
    /// # Errors
    /// The pool still takes tasks.
    pub fn join(&mut self) -> Result<(), PoolError> {
        if self.tasks.is_some() {
            return Err(PoolError::StillOpen);
        }
        for worker in self.workers.drain(..) {
            // Nobody else waits for our workers.
            let _ = waitpid(worker, None);
        }
        if let Some(handler) = self.handler.take() {
            // A callback that panicked has said so.
            let _ = handler.join();
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.join();
    }
}

/// Sockets that keep messages apart (unix(7)).
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(pair)
}

/// `None`: the other side is closed.
fn receive(socket: &OwnedFd) -> Option<(u64, String)> {
    let mut buffer = vec![0; LONGEST];
    let length = loop {
        match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => break length,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    };
    let message = String::from_utf8_lossy(&buffer[..length]);
    let (number, text) = message.split_once('\n')?;
    Some((number.parse().ok()?, text.to_owned()))
}

/// A worker's life.
fn serve(tasks: &OwnedFd, results: &OwnedFd, work: Work) -> i32 {
    while let Some((number, task)) = receive(tasks) {
        let result = format!("{number}\n{}", work(&task));
        if rustix::net::send(results, result.as_bytes(), SendFlags::NOSIGNAL).is_err() {
            return 1;
        }
    }
    0
}

/// The thread of the parent that calls the callbacks, one after the other.
fn take_results(results: &OwnedFd, shared: &Shared) {
    while let Some((number, result)) = receive(results) {
        let callback = shared.state().callbacks.remove(&number);
        if let Some(callback) = callback {
            callback(result.clone());
        }
        shared.state().results.insert(number, result);
        shared.changed.notify_all();
    }
    shared.state().has_ended = true;
    shared.changed.notify_all();
}
