//! How busy processors and threads are (proc_stat(5), proc_pid_stat(5)).

use std::time::Duration;

use lab::svg::Curve;
use lab::{Run, Text, text};
use nix::unistd::{SysconfVar, sysconf};

/// Time that each processor was busy and idle since the machine started, in clock ticks.
#[derive(Clone, Debug)]
pub struct Processors(Vec<(u64, u64)>);

impl Processors {
    pub fn read() -> std::io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let lines =
            stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
        Ok(Self(lines.map(busy_and_idle).collect()))
    }

    /// Between `earlier` and this: how busy each was, in percent.
    pub fn busy_since(&self, earlier: &Self) -> Vec<f64> {
        let pairs = self.0.iter().zip(&earlier.0);
        pairs
            .map(|(now, then)| {
                let (busy, idle) = (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1));
                if busy + idle == 0 { 0.0 } else { 100.0 * busy as f64 / (busy + idle) as f64 }
            })
            .collect()
    }

    /// Between `earlier` and this: processor time that nobody used.
    pub fn idle_since(&self, earlier: &Self) -> Duration {
        let idle = |processors: &Self| processors.0.iter().map(|(_, idle)| idle).sum::<u64>();
        ticks(idle(self).saturating_sub(idle(earlier)))
    }
}

/// user nice system idle iowait irq softirq steal …
fn busy_and_idle(line: &str) -> (u64, u64) {
    let fields: Vec<u64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or(0);
    let busy = field(0) + field(1) + field(2) + field(5) + field(6) + field(7);
    (busy, field(3) + field(4))
}

/// Processor time of each thread of this process, by thread number.
pub fn threads() -> std::io::Result<Vec<(i32, Duration)>> {
    let mut times = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        let stat = std::fs::read_to_string(task.path().join("stat"))?;
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        // From the third field on: utime is the 14th, stime the 15th.
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        let time =
            ticks(fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0));
        times.push((task.file_name().to_string_lossy().parse().unwrap_or(0), time));
    }
    Ok(times)
}

fn ticks(count: u64) -> Duration {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    Duration::from_secs_f64(count as f64 / per_second as f64)
}

/// Checks that busy threads used more than one processor, if there was more than one to be had: on
/// a machine whose processors others use, it cannot be seen and is not asked for.
pub fn check_parallel(run: &mut Run, what: Text, used: f64, available: f64) {
    let found = format!("{used:.2}");
    if available >= 1.5 {
        run.check_that(what, used > 1.15, "> 1.15", found);
    } else {
        let note = text(
            "> 1.15；但其他程序占用着 CPU，这次不作要求",
            "> 1.15, but other programs use the processors: not asked for this time",
        );
        run.check_that(what, used > 0.0, note.get(lab::lang()), found);
    }
}

/// Samples of all processors as curves: seconds and percent.
pub fn curves(samples: &[(f64, Vec<f64>)]) -> Vec<Curve> {
    let count = samples.iter().map(|(_, busy)| busy.len()).max().unwrap_or(0);
    (0..count.min(16))
        .map(|cpu| Curve {
            label: format!("cpu{cpu}"),
            points: samples
                .iter()
                .map(|(at, busy)| (*at, busy.get(cpu).copied().unwrap_or(0.0)))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_stat_is_read() {
        assert_eq!(busy_and_idle("cpu0 10 2 3 100 5 1 1 4 0 0"), (21, 105));
    }

    #[test]
    fn between_two_samples_counts_what_came_between() {
        let (then, now) = (Processors(vec![(10, 100)]), Processors(vec![(40, 110)]));
        assert_eq!(now.busy_since(&then), [75.0]);
    }
}
