//! What a process holds, as the kernel tells it; `None` if the process is gone.

/// Resident memory in KiB (proc_pid_status(5)).
pub fn resident(pid: u32) -> Option<u64> {
    sum(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Memory that no other process shares, in KiB (proc_pid_smaps(5)).
pub fn private(pid: u32) -> Option<u64> {
    sum(&format!("/proc/{pid}/smaps_rollup"), "Private_")
}

/// How many descriptors are open.
pub fn descriptors(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Of the lines that begin so, `NAME: NUMBER kB` each; there is one at least.
fn sum(file: &str, begin: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let lines = text.lines().filter(|line| line.starts_with(begin));
    let sizes = lines.map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    sizes.reduce(|sum, size| Some(sum? + size?))?
}
