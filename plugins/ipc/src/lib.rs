//! Chapter 2 of the course: communication between processes, at /ipc.py.
#![forbid(unsafe_code)]

mod copy;
mod copy_lesson;
mod copying;
mod duplex;
mod eof;
mod manager;
mod manager_queue;
mod queue_rules;
mod shared_memory;
mod simplex;
mod tree;
mod writer_reader;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "ipc",
    title: text(
        "Linux 系统编程：进程间通信",
        "Linux system programming: communication between processes",
    ),
    introduction: text(
        "<p>进程互不共享内存，要交换数据就得经过内核：队列、管道、共享内存、套接字。本章最后是课程的项目：\
         多进程拷贝文件夹，带进度条。",
        "<p>Processes share no memory; what they exchange goes through the kernel: queues, pipes, shared \
         memory, sockets. At the end is the project of the course: a folder is copied by many processes, with \
         a progress bar.",
    ),
    experiments: &[
        queue_rules::EXPERIMENT,
        writer_reader::EXPERIMENT,
        manager_queue::EXPERIMENT,
        simplex::EXPERIMENT,
        duplex::EXPERIMENT,
        eof::EXPERIMENT,
        shared_memory::EXPERIMENT,
        copy_lesson::EXPERIMENT,
        copy::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}
