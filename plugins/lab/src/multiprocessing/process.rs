//! `Process`: a child process as an object.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::PidfdFlags;

use crate::fork;

/// What a process does; gives its exit status. A closure takes its arguments along; a type of one's
/// own is what the course does with a subclass.
pub trait Target {
    fn run(&mut self) -> i32;
}

impl<F: FnMut() -> i32> Target for F {
    fn run(&mut self) -> i32 {
        self()
    }
}

/// A process that can be started, asked and waited for.
#[derive(Debug)]
pub struct Process<T> {
    pub name: String,
    /// This process's own; a child that was started has a copy.
    pub target: T,
    pid: Option<Pid>,
    status: Option<WaitStatus>,
}

impl<T: Target> Process<T> {
    /// Named `Process-N`, N from 1, until it gets another name. Nothing is started.
    pub fn new(target: T) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("Process-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { name, target, pid: None, status: None }
    }

    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Forks; the child runs the target and ends. It has everything as it is at this moment.
    ///
    /// # Errors
    /// See [`fork`](fn@crate::fork).
    pub fn start(&mut self) -> io::Result<()> {
        let target = &mut self.target;
        self.pid = Some(fork::child(|| target.run())?);
        Ok(())
    }

    /// `None` before the start.
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Does it still run?
    ///
    /// # Errors
    /// Somebody else waited for it.
    pub fn is_alive(&mut self) -> io::Result<bool> {
        self.collect(Some(WaitPidFlag::WNOHANG))?;
        Ok(self.pid.is_some() && self.status.is_none())
    }

    /// Waits for its end, for `timeout` at most; gives whether it has ended.
    ///
    /// # Errors
    /// It was not started.
    pub fn join(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let Some(timeout) = timeout else {
            self.collect(None)?;
            return Ok(self.status.is_some());
        };
        let deadline = Instant::now() + timeout;
        while self.is_alive()? {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(false);
            }
            self.wait_for_end(rest)?;
        }
        Ok(true)
    }

    /// A descriptor of a process is readable when it has ended (pidfd_open(2)).
    fn wait_for_end(&self, time: Duration) -> io::Result<()> {
        let pid = self.pid.and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw()));
        let Some(pid) = pid else { return Ok(()) };
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
        rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&time))?;
        Ok(())
    }

    /// waitpid(2): takes the exit status, and with it the last of the process.
    fn collect(&mut self, flags: Option<WaitPidFlag>) -> io::Result<()> {
        let (Some(pid), None) = (self.pid, self.status) else { return Ok(()) };
        let status = waitpid(pid, flags)?;
        if status != WaitStatus::StillAlive {
            self.status = Some(status);
        }
        Ok(())
    }

    /// The exit status after its end; negative for the number of a signal, as in Python.
    pub fn exit_code(&self) -> Option<i32> {
        match self.status? {
            WaitStatus::Exited(_, code) => Some(code),
            WaitStatus::Signaled(_, signal, _) => Some(-(signal as i32)),
            _ => None,
        }
    }

    /// The exit status as people read it; `None` as Python has it for one that has not ended.
    pub fn exit_text(&self) -> String {
        self.exit_code().map_or_else(|| "None".to_owned(), |code| code.to_string())
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn terminate(&self) -> io::Result<()> {
        match (self.pid, self.status) {
            (Some(pid), None) => Ok(kill(pid, Signal::SIGTERM)?),
            _ => Ok(()),
        }
    }
}
