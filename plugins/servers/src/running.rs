//! A model that runs as a process of its own, and what that process costs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::echo::Log;
use crate::models::Model;

/// A server in a child process; ended when it is dropped.
pub struct Running {
    pid: Pid,
    pub address: SocketAddr,
}

impl Running {
    /// Starts a model.
    pub fn start(model: &Model, listener: TcpListener, log: Log) -> io::Result<Self> {
        let serve = model.serve;
        Self::child(listener, move |listener| serve(listener, log))
    }

    /// Starts any server.
    pub fn child(
        listener: TcpListener,
        serve: impl FnOnce(&TcpListener) -> io::Result<()>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let pid = lab::child(|| match serve(&listener) {
            Ok(()) => 0,
            Err(error) => {
                println!("server: {error}");
                1
            }
        })?;
        // The child has the listener; ours would keep the port open behind its back.
        drop(listener);
        Ok(Self { pid, address })
    }

    /// The server and all processes below it.
    fn processes(&self) -> Vec<Pid> {
        let mut found = vec![self.pid];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            found.extend(children.split_whitespace().flat_map(str::parse).map(Pid::from_raw));
        }
        found
    }

    /// Descriptors that the server's first process has open.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    /// Processor time of all its processes and threads, those that are there now.
    pub fn cpu(&self) -> Duration {
        let clocks = self.processes().into_iter().flat_map(clock_getcpuclockid);
        clocks.flat_map(clock_gettime).map(Duration::from).sum()
    }

    /// Memory in KiB: what it shares with others counts by its part (PSS, proc_pid_smaps(5)).
    pub fn memory(&self) -> u64 {
        self.processes().into_iter().filter_map(proportional).sum()
    }
}

fn proportional(pid: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its number is its own until it is waited for. Processes below it end by themselves when
        // their clients have left, and the experiment's end takes the rest.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}
