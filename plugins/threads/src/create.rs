//! A thread: a function that runs beside the rest, with an argument.

use std::sync::mpsc;
use std::thread;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::{getpid, gettid};

pub const EXPERIMENT: Experiment = Experiment {
    name: "create",
    title: text("创建线程", "A thread is made"),
    lesson: text(
        "<p>每个进程至少有一个线程：主线程。新线程执行给它的函数，和主线程在同一个进程里（pid 相同），\
         但有自己的线程号（tid）。",
        "<p>Every process has a thread at least: the main one. A new thread runs the function it is given, in \
         the same process (the same pid), with a number of its own (tid).",
    ),
    parameters: &[Parameter::line("s", text("参数 s", "the argument s"), 60, "hello")],
    source: include_str!("create.rs"),
    python: "\
from threading import Thread

def test(s):
    print(s)

t = Thread(target = test, args = (\"hello\", ))
t.start()
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let s = run.values.get("s").to_owned();
    let (sender, receiver) = mpsc::channel();
    let t = thread::spawn(move || {
        say!("{s}");
        // The main thread is only gone when nobody waits for the answer.
        let _ = sender.send((s, getpid(), gettid()));
    });
    let (told, pid, tid) = receiver.recv()?;
    t.join().map_err(|_| "the thread panicked")?;
    say!(
        "主线程 pid {} tid {}, 新线程 pid {pid} tid {tid}"
            | "main thread: pid {} tid {}, new thread: pid {pid} tid {tid}",
        getpid(),
        gettid()
    );
    run.check(
        text("线程收到的参数", "the argument the thread got"),
        run.values.get("s").to_owned(),
        told,
    );
    run.check(text("同一个进程", "the same process"), getpid(), pid);
    run.check_that(
        text("不同的线程", "another thread"),
        tid != gettid(),
        format!("≠ {}", gettid()),
        tid,
    );
    Ok(())
}
