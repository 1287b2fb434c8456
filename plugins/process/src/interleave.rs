//! Exercise 1: the parent says "father", the child says "child", and the kernel gives both their turn.

use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::fork::end_text;
use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;

pub const EXPERIMENT: Experiment = Experiment {
    name: "interleave",
    title: text("父子进程同时运行", "Parent and child run at the same time"),
    lesson: text(
        "<p><code>fork()</code> 之后有两个进程从同一处往下运行：父进程循环输出 father，子进程循环输出 child。\
         谁先谁后由内核的时间片轮转决定。课程里的循环没有尽头，这里有次数。",
        "<p>After <code>fork()</code> two processes go on at the same place: the parent prints father in a \
         loop, the child prints child. Whose turn it is, the kernel decides. The lesson's loops never end; \
         these do.",
    ),
    parameters: &[
        Parameter::integer("rounds", text("次数", "rounds"), 1, 20, 4),
        Parameter::integer("pause", text("间隔（毫秒）", "pause (ms)"), 0, 1000, 250),
    ],
    source: include_str!("interleave.rs"),
    python: "\
import os
import time

x = os.fork()
# os.fork()的返回值在主进程中>0,在子进程中=0,所以说os.fork()有两个返回值

# 输出结果体现了时间片轮转
if x > 0:
    while True:
        print(\"father\")
        time.sleep(1)
else:
    while True:
        print(\"child\")
        time.sleep(1)
",
    limits: Limits { time: Duration::from_secs(40), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let rounds = run.values.count("rounds");
    let pause = Duration::from_millis(run.values.count("pause") as u64);
    let start = Instant::now();
    match fork()? {
        Fork::Child => {
            for _ in 0..rounds {
                say!("child");
                sleep(pause);
            }
            // The child ends here and does not run into the parent's part.
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            for _ in 0..rounds {
                say!("father");
                sleep(pause);
            }
            let status = waitpid(child, None)?;
            run.check(
                text("子进程正常结束", "the child ended by itself"),
                "exit 0",
                end_text(status),
            );
        }
    }
    let (together, one_after_another) = (start.elapsed(), 2 * pause * rounds as u32);
    run.check_that(
        text(
            "两个循环同时进行，而不是一个接一个",
            "both loops ran at once, not one after the other",
        ),
        together < one_after_another || pause.is_zero(),
        format!("< {one_after_another:.2?}"),
        format!("{together:.2?}"),
    );
    Ok(())
}
