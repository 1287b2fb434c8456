//! terminate: the pool ends at once, whatever it is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::multiprocessing::Pool;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::getpid;

use crate::procfs;

pub const EXPERIMENT: Experiment = Experiment {
    name: "terminate",
    title: text("进程池：terminate 立即退出", "A pool: terminate ends it at once"),
    lesson: text(
        "<p><code>terminate()</code> 不管池里的请求有没有做完，立即结束所有进程。3 个进程、10 个请求、每个一拍，\
         两拍半之后终止：只有约 6 个请求开始过（课程的输出正是 0 到 5）。",
        "<p><code>terminate()</code> ends all workers at once, done or not. With 3 workers, 10 tasks of one \
         beat each and the end after two and a half beats, some 6 tasks have been begun and fewer finished \
         (the lesson's output has 0 to 5).",
    ),
    parameters: &[Parameter::integer("beat", text("一拍（毫秒）", "a beat (ms)"), 100, 1000, 400)],
    source: include_str!("pool_terminate.rs"),
    python: "\
pool = Pool(3) # 若不写个数,默认创建电脑内核个数个

for i in range(10):
    pool.apply_async(test, (i,))

time.sleep(2)
print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

fn test(task: &str) -> String {
    let (i, beat) = task.split_once(' ').unwrap_or((task, "0"));
    say!("子进程{i} pid: {}" | "task {i}, pid: {}", getpid());
    sleep(Duration::from_millis(beat.parse().unwrap_or(0)));
    String::new()
}

fn run(run: &mut Run) -> Outcome {
    let beat = run.values.count("beat");
    let mut pool = Pool::new(3, test)?;
    let workers = pool.workers().to_vec();
    let done = Arc::new(AtomicUsize::new(0));
    for i in 0..10 {
        let done = done.clone();
        pool.apply_async(&format!("{i} {beat}"), move |_| {
            done.fetch_add(1, Ordering::Relaxed);
        })?;
    }
    sleep(Duration::from_millis(beat as u64 * 5 / 2));
    let start = Instant::now();
    pool.terminate();
    pool.join()?;
    say!("父进程结束" | "the parent ends");
    let done = done.load(Ordering::Relaxed);
    run.check_that(
        text("没有做完就结束了", "it ended before all was done"),
        done < 10,
        "< 10",
        done,
    );
    let left = workers.iter().filter(|worker| procfs::state(**worker).is_some()).count();
    run.check(text("剩下的进程", "workers left"), 0, left);
    run.value(
        "join_ms",
        text("terminate 到 join 返回（毫秒）", "from terminate to join (ms)"),
        start.elapsed().as_millis(),
    );
    Ok(())
}
