//! A C library loaded at run time and driven from a thread, beside a busy main thread: two
//! processors work.

use std::fs;
use std::time::{Duration, Instant};

use lab::svg::chart;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::busy::{self, Processors};
use crate::deal_thread;

pub const EXPERIMENT: Experiment = Experiment {
    name: "deal-thread",
    title: text(
        "C 库 DealThread：运行时装入，由线程驱动",
        "The C library DealThread, loaded at run time, driven from a thread",
    ),
    lesson: text(
        "<p><code>dlopen</code> 装入 libdealthread.so，新线程执行其中的死循环 <code>DealThread</code>，主线程自己也在忙。\
         原生线程没有 GIL：空闲的机器上两个 CPU 都满。图中是每个 CPU 的占用率。",
        "<p><code>dlopen</code> loads libdealthread.so, a new thread runs its endless loop \
         <code>DealThread</code>, and the main thread is busy too. Native threads have no GIL: on an idle \
         machine two processors are fully used. The picture has the load of each processor.",
    ),
    parameters: &[Parameter::integer("ms", text("时间（毫秒）", "time (ms)"), 500, 5000, 1500)],
    source: concat!(
        include_str!("deal_thread_lesson.rs"),
        "\n// ---- deal_thread.rs\n\n",
        include_str!("deal_thread.rs"),
        "\n// ---- dealthread.c\n\n",
        include_str!("../dealthread.c")
    ),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let time = Duration::from_millis(run.values.count("ms") as u64);
    let library = run.folder().join("libdealthread.so");
    fs::write(&library, deal_thread::LIBRARY)?;
    let before = Processors::read()?;
    let start = Instant::now();
    let t = deal_thread::start(&library)?;
    say!("装入了 {}，DealThread 开始" | "loaded {}, DealThread begins", library.display());
    let mut samples = Vec::new();
    let mut last = before.clone();
    while start.elapsed() < time {
        // The main thread's own endless loop.
        let next = Instant::now() + Duration::from_millis(150);
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        let now = Processors::read()?;
        samples.push((start.elapsed().as_secs_f64(), now.busy_since(&last)));
        last = now;
        lab::progress(start.elapsed().min(time).as_millis() as u64, time.as_millis() as u64);
    }
    let wall = start.elapsed();
    let threads = busy::threads()?;
    for (tid, time) in &threads {
        say!("线程 {tid}: CPU 时间 {time:.2?}" | "thread {tid}: processor time {time:.2?}");
    }
    let used: Duration = threads.iter().map(|(_, time)| *time).sum();
    run.picture(
        text("每个 CPU 的占用率", "Load of each processor"),
        &chart(&busy::curves(&samples), "s", "%", false),
    );
    let deal: Duration = threads.iter().skip(1).map(|(_, time)| *time).sum();
    let (runs, ended) = (text("还在跑", "still runs"), text("结束了", "has ended"));
    let state = if t.is_finished() { ended } else { runs };
    run.check(
        text("DealThread 是死循环", "DealThread is an endless loop"),
        runs.get(lab::lang()),
        state.get(lab::lang()),
    );
    run.check_that(
        text("DealThread 用了 CPU 时间", "DealThread used processor time"),
        !deal.is_zero(),
        "> 0",
        format!("{deal:.2?}"),
    );
    let of_wall = |time: Duration| time.as_secs_f64() / wall.as_secs_f64();
    // What we used and what nobody used is what we could have had.
    let available = of_wall(used + last.idle_since(&before));
    run.value("processors", text("用到的 CPU", "processors used"), format!("{:.2}", of_wall(used)));
    let what = text("两个线程用到一个以上的 CPU", "the two threads use more than one processor");
    busy::check_parallel(run, what, of_wall(used), available);
    Ok(())
}
