//! Chapter 3 of the course: threads, at /threads.py.
#![deny(unsafe_code)]

mod asynchronous;
mod busy;
mod create;
mod deadlock;
mod deal_thread;
mod deal_thread_lesson;
mod fixes;
mod gil;
mod globals;
mod lock;
mod order;
mod race;
mod subclass;
mod three;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "threads",
    title: text("Linux 系统编程：线程", "Linux system programming: threads"),
    introduction: text(
        "<p>进程是资源分配的单位，线程是执行和 CPU 调度的单位：一个进程里的线程共享它的全部资源，\
         所以方便，也所以危险。",
        "<p>A process is what owns resources, a thread is what runs and is given a processor. The threads of a \
         process share all it has: that is handy, and that is dangerous.",
    ),
    experiments: &[
        create::EXPERIMENT,
        subclass::EXPERIMENT,
        three::EXPERIMENT,
        globals::EXPERIMENT,
        race::EXPERIMENT,
        fixes::EXPERIMENT,
        deadlock::EXPERIMENT,
        order::EXPERIMENT,
        asynchronous::EXPERIMENT,
        deal_thread_lesson::EXPERIMENT,
        gil::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}
