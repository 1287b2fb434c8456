//! Chapter 1 of the course: processes, at /process.py.
#![forbid(unsafe_code)]

mod bank;
mod branches;
mod double_fork;
mod eight;
mod fork_returns;
mod interleave;
mod jobs;
mod join_files;
mod object;
mod orphan;
mod pool_apply;
mod pool_async;
mod pool_terminate;
mod procfs;
mod subclass;
mod variables;
mod wait_status;
mod zombie;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "process",
    title: text("Linux 系统编程：进程", "Linux system programming: processes"),
    introduction: text(
        "<p>程序是静态的代码，进程是正在执行的程序。每个实验都真的调用 fork、wait 等系统调用，在自己的子进程里运行。",
        "<p>A program is code at rest, a process is a program that runs. Every experiment really calls \
         fork, wait and the like, in a child process of its own.",
    ),
    experiments: &[
        interleave::EXPERIMENT,
        fork_returns::EXPERIMENT,
        orphan::EXPERIMENT,
        zombie::EXPERIMENT,
        wait_status::EXPERIMENT,
        variables::EXPERIMENT,
        branches::EXPERIMENT,
        eight::EXPERIMENT,
        double_fork::EXPERIMENT,
        object::EXPERIMENT,
        subclass::EXPERIMENT,
        pool_async::EXPERIMENT,
        pool_terminate::EXPERIMENT,
        pool_apply::EXPERIMENT,
        bank::EXPERIMENT,
        jobs::EXPERIMENT,
        join_files::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}
