//! wait: the parent waits for the end of its child and learns how it ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::fork::end_text;
use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, wait, waitpid};
use nix::unistd::{getppid, pause};

pub const EXPERIMENT: Experiment = Experiment {
    name: "wait",
    title: text("wait：等待子进程，取得退出状态", "wait: until the child ends, and how it ended"),
    lesson: text(
        "<p><code>wait()</code> 阻塞等待子进程结束，并回收它的 pid 和退出状态：0 为正常，正整数为异常；\
         被信号终止的子进程没有退出码，只有信号。",
        "<p><code>wait()</code> blocks until a child has ended and takes its number and its exit status: 0 \
         is well, a positive number is not; a child that a signal has ended has no code but a signal.",
    ),
    parameters: &[
        Parameter::integer("code", text("子进程的退出码", "exit code of the child"), 0, 255, 3),
        Parameter::integer("rounds", text("子进程输出次数", "rounds of the child"), 1, 10, 3),
    ],
    source: include_str!("wait_status.rs"),
    python: "\
ret = os.fork()

if ret == 0:
    print(\"子进程开始\")
    for i in range(5):
        print(\"hello\")
        time.sleep(1)
        print(os.getppid())
    print(\"子进程结束\")

else:
    print(\"父进程\")
    #time.sleep(6)
    os.wait() # 父进程等待子进程结束后再结束
              # 阻塞等待
    print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let code = run.values.integer("code") as i32;
    let rounds = run.values.count("rounds");
    let start = Instant::now();
    match fork()? {
        Fork::Child => {
            say!("子进程开始" | "the child begins");
            for _ in 0..rounds {
                say!("hello");
                sleep(Duration::from_millis(200));
                say!("{}", getppid());
            }
            say!("子进程结束" | "the child ends");
            std::process::exit(code);
        }
        Fork::Parent(child) => {
            say!("父进程" | "the parent");
            let status = wait()?;
            say!("父进程结束: wait() -> {}" | "the parent ends: wait() -> {}", end_text(status));
            run.check(
                text("wait 返回子进程的 pid 和退出码", "wait gives the child's pid and exit code"),
                format!("({child}, {code})"),
                match status {
                    WaitStatus::Exited(pid, code) => format!("({pid}, {code})"),
                    other => format!("{other:?}"),
                },
            );
            let (least, waited) = (Duration::from_millis(200) * rounds as u32, start.elapsed());
            run.check_that(
                text("wait 阻塞到子进程结束", "wait blocked until the child had ended"),
                waited >= least,
                format!("≥ {least:.2?}"),
                format!("{waited:.2?}"),
            );
        }
    }
    killed(run)
}

/// A child that a signal ends.
fn killed(run: &mut Run) -> Outcome {
    match fork()? {
        Fork::Child => loop {
            pause();
        },
        Fork::Parent(child) => {
            say!("kill {child}");
            kill(child, Signal::SIGTERM)?;
            let status = waitpid(child, None)?;
            run.check(
                text(
                    "kill 终止的子进程：没有退出码，只有信号",
                    "ended by kill: no exit code, but a signal",
                ),
                Signal::SIGTERM,
                end_text(status),
            );
            Ok(())
        }
    }
}
