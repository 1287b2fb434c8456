//! Workers that have served long enough, or have grown too large, are replaced by new ones, as in a
//! reload: the successor is ready before the old one hands over what it holds.

use std::time::{Duration, Instant};

use super::Supervisor;
use super::fleet::Worker;
use crate::config::Recycle;

/// Between two looks at the workers, if there is something to look for.
const PERIOD: Duration = Duration::from_millis(500);

/// When the workers are to be looked at.
pub fn next_look(recycle: &Recycle) -> Option<Instant> {
    let is_on = recycle.requests.is_some() || recycle.memory.is_some();
    is_on.then(|| Instant::now() + PERIOD)
}

impl Supervisor {
    /// Starts successors of those that are due.
    pub(super) fn recycle_what_is_due(&mut self) -> Result<(), String> {
        let due = |worker: &Worker| is_due(worker).map(|reason| (worker.handle.pid, reason));
        self.replace_those(due)
    }

    /// Starts successors of all.
    pub(super) fn recycle_all(&mut self) -> Result<(), String> {
        self.replace_those(|worker| Some((worker.handle.pid, "told so".to_owned())))
    }

    /// Starts a successor for each serving worker that `is_meant`, with the reason.
    fn replace_those(
        &mut self,
        is_meant: impl Fn(&Worker) -> Option<(u32, String)>,
    ) -> Result<(), String> {
        let Some(current) = self.current.clone() else { return Ok(()) };
        let mut places = Vec::new();
        for worker in self.workers.values_mut() {
            let is_current = worker.generation.number == current.number;
            if !is_current || !worker.is_serving() || worker.has_successor {
                continue;
            }
            if let Some((pid, reason)) = is_meant(worker) {
                tracing::info!("worker {pid} is replaced: {reason}");
                worker.has_successor = true;
                places.push(worker.place);
            }
        }
        places.into_iter().try_for_each(|place| self.start_worker(&current, place))
    }
}

/// Why a worker is to be replaced.
fn is_due(worker: &Worker) -> Option<String> {
    let recycle = &worker.generation.config.recycle;
    let answered: u64 =
        worker.generation.scoreboard.cells(worker.row).map(|cell| cell.answered()).sum();
    if recycle.requests.is_some_and(|limit| answered >= with_jitter(limit, worker.handle.pid)) {
        return Some(format!("it has answered {answered} requests"));
    }
    let limit = with_jitter(recycle.memory?, worker.handle.pid);
    let memory = resident_memory(worker.handle.pid)?;
    (memory >= limit).then(|| format!("it has {} MiB of memory", memory >> 20))
}

/// Up to a tenth more or less, the same each time for one worker.
fn with_jitter(limit: u64, pid: u32) -> u64 {
    // Numbers that follow one another come to lie far apart (Knuth's multiplicative hash).
    let spread = u64::from(pid.wrapping_mul(2_654_435_761) >> 16) % 201;
    limit / 1000 * (900 + spread) + limit % 1000
}

/// In bytes (proc_pid_statm(5)).
fn resident_memory(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_tenth_at_most_and_differs() {
        let limits: Vec<_> = (1..200).map(|pid| with_jitter(100_000, pid)).collect();
        assert!(limits.iter().all(|limit| (90_000..=110_000).contains(limit)));
        assert!(limits.iter().collect::<std::collections::HashSet<_>>().len() > 50);
        assert_eq!(with_jitter(5, 7), 5);
    }

    #[test]
    fn memory_is_that_of_the_process() {
        assert!(resident_memory(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident_memory(u32::MAX), None);
    }
}
