//! All processes below this one (proc_tid_children(5)), and their end.

use std::collections::HashSet;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Calls `visit` for each process below `pid` with the number of its threads.
fn walk(pid: Pid, visit: &mut impl FnMut(Pid, usize)) {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
            let child = Pid::from_raw(child);
            let threads = std::fs::read_dir(format!("/proc/{child}/task"));
            visit(child, threads.map_or(1, Iterator::count));
            walk(child, visit);
        }
    }
}

/// How many processes and threads there are below this process.
pub(crate) fn tasks() -> usize {
    let mut count = 0;
    walk(Pid::this(), &mut |_, threads| count += threads);
    count
}

/// Ends every process below this one, and waits until none is left.
pub(crate) fn end_all() {
    // Stopped first, so that none can start another behind our back; a pass that finds no new one
    // has them all.
    let mut stopped = HashSet::new();
    loop {
        let mut has_new = false;
        walk(Pid::this(), &mut |pid, _| {
            if stopped.insert(pid) {
                has_new = true;
                // It may have ended meanwhile.
                let _ = kill(pid, Signal::SIGSTOP);
            }
        });
        if !has_new {
            break;
        }
    }
    for pid in stopped {
        // Ours alone: the number of a process below us is not used again before it is waited for,
        // by its parent, which is stopped, or by us.
        let _ = kill(pid, Signal::SIGKILL);
    }
    // Each death makes its children ours; ECHILD says that there are none left.
    while waitpid(None, None) != Err(nix::errno::Errno::ECHILD) {}
}
