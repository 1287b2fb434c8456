//! Shared memory: one page that several processes see, beside a variable of which each has its own.

use std::sync::atomic::Ordering;

use lab::multiprocessing::Process;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, shared, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "shared-memory",
    title: text("共享内存", "Shared memory"),
    lesson: text(
        "<p>课程列出的 C 语言方式之一：<code>mmap(MAP_SHARED)</code> 的内存在 fork 之后仍是同一块，普通变量则各有一份。\
         两个进程同时给同一个计数器加一，要用原子操作。",
        "<p>One of the ways of C that the course names: memory from <code>mmap(MAP_SHARED)</code> is the same \
         after fork, while of an ordinary variable each process has its own. Two processes add to one counter \
         at the same time, so it must be done atomically.",
    ),
    parameters: &[
        Parameter::integer("processes", text("进程数", "processes"), 1, 8, 2),
        Parameter::integer(
            "times",
            text("每个进程加一的次数", "additions of each"),
            1,
            5_000_000,
            100_000,
        ),
    ],
    source: concat!(
        include_str!("shared_memory.rs"),
        "\n// ---- lab/src/shared.rs\n\n",
        include_str!("../../lab/src/shared.rs")
    ),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let (processes, times) = (run.values.count("processes"), run.values.count("times"));
    let counter = &shared::counters(1)?[0];
    let mut own = 0_usize;
    let mut started = Vec::new();
    for _ in 0..processes {
        let mut p = Process::new(move || {
            for _ in 0..times {
                counter.fetch_add(1, Ordering::Relaxed);
                own += 1;
            }
            say!(
                "共享的计数器 {}, 自己的变量 {own}" | "shared counter {}, own variable {own}",
                counter.load(Ordering::Relaxed)
            );
            0
        });
        p.start()?;
        started.push(p);
    }
    for p in &mut started {
        p.join(None)?;
    }
    run.check(
        text("共享内存里的计数器", "the counter in shared memory"),
        processes * times,
        counter.load(Ordering::Relaxed),
    );
    run.check(text("父进程的普通变量", "the parent's ordinary variable"), 0, own);
    Ok(())
}
