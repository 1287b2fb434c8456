//! fork(2), for experiments.
//!
//! `unsafe`: forking is sound where the process has one thread, and this looks first.

use nix::sys::wait::WaitStatus;
use nix::unistd::ForkResult;
pub use nix::unistd::Pid;

/// What fork returned: it returns twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// In the parent: the number of the child (greater than 0).
    Parent(Pid),
    /// In the child (0).
    Child,
}

/// fork(2).
///
/// # Errors
/// There is no room for another process, or this one has several threads: the child would have
/// only one of them, and the locks of the others for ever locked.
pub fn fork() -> std::io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        let text =
            format!("fork in a process of {threads} threads: fork first, then start threads");
        return Err(std::io::Error::other(text));
    }
    // SAFETY: with one thread no other can hold a lock that the child would need.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// How a process ended, in a word or two: `exit 0`, or the signal's name.
pub fn end_text(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit {code}"),
        WaitStatus::Signaled(_, signal, _) => signal.to_string(),
        other => format!("{other:?}"),
    }
}

/// Forks a child that does `work` and ends with the status that it gives.
///
/// # Errors
/// As [`fork`].
pub fn child(work: impl FnOnce() -> i32) -> std::io::Result<Pid> {
    match fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => std::process::exit(work()),
    }
}
