//! The rules of a bounded queue: what blocks, what times out, what raises Full and Empty.

use std::time::{Duration, Instant};

use lab::multiprocessing::{Empty, Full, Process, Queue};
use lab::{Experiment, Limits, Outcome, Parameter, Run, same, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "queue-rules",
    title: text("队列的规则：put、get、Full、Empty", "The rules of a queue: put, get, Full, Empty"),
    lesson: text(
        "<p><code>Queue(3)</code> 最多放 3 个。满了再 <code>put</code> 就阻塞，直到有人取走；空了 <code>get</code> 也阻塞。\
         可以给 timeout；<code>put_nowait</code> 和 <code>get_nowait</code> 不等，直接抛出 Full、Empty。\
         这里的队列和 Python 的一样：一个通道加两个信号量（eventfd）。",
        "<p><code>Queue(3)</code> holds 3 entries at most. <code>put</code> into a full one blocks until \
         somebody takes an entry, <code>get</code> from an empty one as well; both take a timeout. \
         <code>put_nowait</code> and <code>get_nowait</code> do not wait: Full, Empty. The queue is made as \
         Python's is: a channel and two semaphores (eventfds).",
    ),
    parameters: &[Parameter::integer("capacity", text("容量", "capacity"), 1, 50, 3)],
    source: concat!(
        include_str!("queue_rules.rs"),
        "\n// ---- lab/src/multiprocessing/queue.rs\n\n",
        include_str!("../../lab/src/multiprocessing/queue.rs")
    ),
    python: "\
from multiprocessing import Queue
q = Queue(3) #3:容量，队列的最大长度
q.empty() #队列是不是空的
q.full() #队列是不是满了
q.qsize() #队列的数据个数
q.put(obj, block, timeout)  #block:默认True，阻塞；timeout:默认None,可以大小
#q.put(\"1\") 默认当队列满时，一直阻塞，直到有人从队列取出一个数据；
value = q.get(block, timeout) #block:默认True，阻塞；timeout:默认None,可以大小
#value = q.get() 默认当队列为空时，一直阻塞等待获取，直到有人往队列里放数据。
q.put_nowait(obj) #如果队列满了，直接抛出异常 queue.Full
value = q.get_nowait() #如果队列为空， 直接抛出异常， queue.Empty
",
    limits: Limits::DEFAULT,
    run,
};

const WAIT: Duration = Duration::from_millis(300);

fn run(run: &mut Run) -> Outcome {
    let capacity = run.values.count("capacity") as u32;
    let q = Queue::new(capacity)?;
    run.check(text("新队列：empty()", "a new queue: empty()"), true, q.empty());
    run.check(
        text("空队列 get_nowait()", "get_nowait() from an empty one"),
        Empty,
        answer(q.get_nowait()),
    );
    let (result, time) = timed(|| q.get(Some(WAIT)));
    run.check(text("空队列 get(timeout)", "get(timeout) from an empty one"), Empty, answer(result));
    waited(run, time);

    for number in 0..capacity {
        q.put(&number.to_string(), None)?;
        say!("put {number}: qsize = {}", q.qsize());
    }
    run.check(same("qsize()"), capacity, q.qsize());
    run.check(text("放满：full()", "filled: full()"), true, q.full());
    run.check(
        text("满队列 put_nowait()", "put_nowait() into a full one"),
        Full,
        answer(q.put_nowait("x").map(|()| String::new())),
    );
    let (result, time) = timed(|| q.put("x", Some(WAIT)));
    run.check(
        text("满队列 put(timeout)", "put(timeout) into a full one"),
        Full,
        answer(result.map(|()| String::new())),
    );
    waited(run, time);

    // Blocks until another process takes an entry.
    let mut taker = Process::new(|| {
        std::thread::sleep(WAIT);
        let taken = q.get(None);
        say!("另一个进程 get() -> {}" | "another process: get() -> {}", answer(taken.clone()));
        i32::from(taken.as_deref() != Ok("0"))
    });
    taker.start()?;
    let ((), time) = timed(|| q.put("last", None).unwrap_or_default());
    taker.join(None)?;
    run.check(
        text("先进先出：另一个进程取到 0", "first in, first out: the other process got 0"),
        0,
        taker.exit_text(),
    );
    say!("put() 阻塞了 {time:.2?}" | "put() blocked for {time:.2?}");
    waited(run, time);
    run.check(text("队列又满了", "the queue is full again"), true, q.full());
    Ok(())
}

/// What was got, or why nothing was.
fn answer<E: std::fmt::Display>(result: Result<String, E>) -> String {
    result.unwrap_or_else(|error| error.to_string())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

fn waited(run: &mut Run, time: Duration) {
    // The clocks of sleeping and of measuring may differ by a tick.
    let is_so = time >= WAIT - Duration::from_millis(10);
    run.check_that(
        text("阻塞的时间", "time it blocked"),
        is_so,
        format!("≥ {WAIT:.2?}"),
        format!("{time:.2?}"),
    );
}
