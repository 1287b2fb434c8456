//! A pool: ten tasks, three workers, apply_async, close, join, a callback in the parent.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::{Pool, PoolError};
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::getpid;

pub const EXPERIMENT: Experiment = Experiment {
    name: "pool",
    title: text(
        "进程池：apply_async、close、join、回调",
        "A pool: apply_async, close, join, callback",
    ),
    lesson: text(
        "<p><code>apply_async</code> 不阻塞，把请求放进队列，池里空闲的进程取走；<code>close()</code> 之后不再接受请求；\
         <code>join()</code> 等所有请求做完，必须在 <code>close()</code> 之后。结果由父进程的回调函数处理。",
        "<p><code>apply_async</code> does not block: the task goes into a queue, and a worker of the pool that \
         is idle takes it. After <code>close()</code> no task is taken any more; <code>join()</code> waits \
         until all are done and must come after <code>close()</code>. The callback runs in the parent.",
    ),
    parameters: &[
        Parameter::integer("workers", text("池的容量", "workers"), 1, 8, 3),
        Parameter::integer("tasks", text("请求数", "tasks"), 1, 30, 10),
    ],
    source: concat!(
        include_str!("pool_async.rs"),
        "\n// ---- lab/src/multiprocessing/pool.rs\n\n",
        include_str!("../../lab/src/multiprocessing/pool.rs")
    ),
    python: "\
def test(i):
    print(\"子进程%d pid: %s\"%(i,os.getpid()))
    time.sleep(1)

#创建进程池
pool = Pool(3) # 若不写个数,默认创建电脑内核个数个

for i in range(10):
    pool.apply_async(test, (i,))

pool.close() # 除了以上程序中的请求以外的请求都不接收
#pool.apply_async(test, (i,)) # 由于pool.close限制,报错

#time.sleep(2)
#pool.terminate() # 不管进程池有没有结束,都立马退出
pool.join() # pool.join()必须在pool.close()后使用,不然会报错

print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

fn test(i: &str) -> String {
    say!("子进程{i} pid: {}" | "task {i}, pid: {}", getpid());
    sleep(Duration::from_millis(200));
    getpid().to_string()
}

fn run(run: &mut Run) -> Outcome {
    let tasks = run.values.count("tasks");
    let mut pool = Pool::new(run.values.count("workers"), test)?;
    let workers: HashSet<String> = pool.workers().iter().map(ToString::to_string).collect();
    let results = Arc::new(Mutex::new(Vec::new()));
    for i in 0..tasks {
        let results = results.clone();
        pool.apply_async(&i.to_string(), move |worker| {
            let callback = getpid().to_string();
            if let Ok(mut results) = results.lock() {
                results.push((worker, callback));
            }
        })?;
    }
    let early = pool.join();
    pool.close();
    let late = pool.apply_async("11", |_| {}).map(drop);
    pool.join()?;
    say!("父进程结束" | "the parent ends");

    let results = results.lock().map(|results| results.clone()).unwrap_or_default();
    run.check(text("做完的请求", "tasks done"), tasks, results.len());
    let is_ours = results.iter().all(|(worker, _)| workers.contains(worker));
    run.check(text("都由池里的进程完成", "all of them by the pool's workers"), true, is_ours);
    let in_parent = results.iter().all(|(_, callback)| *callback == getpid().to_string());
    run.check(text("回调都在父进程里", "every callback ran in the parent"), true, in_parent);
    run.check(
        text("close 之前 join：报错", "join before close: an error"),
        format!("{:?}", Err::<(), _>(PoolError::StillOpen)),
        format!("{early:?}"),
    );
    run.check(
        text("close 之后 apply_async：报错", "apply_async after close: an error"),
        format!("{:?}", Err::<(), _>(PoolError::Closed)),
        format!("{late:?}"),
    );
    Ok(())
}
