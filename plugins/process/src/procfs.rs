//! What the kernel says of a process in /proc (proc_pid_stat(5)).

use nix::unistd::Pid;

/// State (`R` runs, `S` sleeps, `Z` zombie, …) and parent of a process; `None` if it is not there.
pub fn state(pid: Pid) -> Option<(char, Pid)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses, and may have any in it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, Pid::from_raw(fields.next()?.parse().ok()?)))
}
