//! apply: blocks until the task is done, so one task comes after the other, however many workers.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::multiprocessing::Pool;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::getpid;

pub const EXPERIMENT: Experiment = Experiment {
    name: "apply",
    title: text("进程池：apply 是阻塞的", "A pool: apply blocks"),
    lesson: text(
        "<p><code>apply</code> 等这个请求做完才返回，下一个请求才能提交：不管池里有几个进程，任务都是一个接一个。",
        "<p><code>apply</code> returns when the task is done, and only then the next one can be given: the \
         tasks come one after the other, however many workers there are.",
    ),
    parameters: &[
        Parameter::integer("workers", text("池的容量", "workers"), 1, 8, 3),
        Parameter::integer("tasks", text("请求数", "tasks"), 1, 20, 6),
    ],
    source: include_str!("pool_apply.rs"),
    python: "\
pool = Pool(3) # 若不写个数,默认创建电脑内核个数个

for i in range(10):
    pool.apply(test, (i,))

time.sleep(2)
print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

const TASK: Duration = Duration::from_millis(150);

fn test(i: &str) -> String {
    say!("子进程{i} pid: {}" | "task {i}, pid: {}", getpid());
    sleep(TASK);
    format!("{i} {}", getpid())
}

fn run(run: &mut Run) -> Outcome {
    let (workers, tasks) = (run.values.count("workers"), run.values.count("tasks"));
    let mut pool = Pool::new(workers, test)?;
    let start = Instant::now();
    let mut order = Vec::new();
    let mut pids = BTreeSet::new();
    for i in 0..tasks {
        let result = pool.apply(&i.to_string())?;
        let (number, pid) = result.split_once(' ').unwrap_or_default();
        order.push(number.to_owned());
        pids.insert(pid.to_owned());
    }
    let time = start.elapsed();
    pool.close();
    pool.join()?;
    say!("父进程结束" | "the parent ends");
    let expected: Vec<_> = (0..tasks).map(|i| i.to_string()).collect();
    run.check(text("次序", "order"), expected.join(" "), order.join(" "));
    let least = TASK * tasks as u32;
    run.check_that(
        text("一个接一个：总时间", "one after the other: time in all"),
        time >= least,
        format!("≥ {least:.2?}"),
        format!("{time:.2?}"),
    );
    run.value("workers", text("用到的进程", "workers that had a task"), pids.len());
    Ok(())
}
