//! The seven models of the chapter, each an echo server that reads like the lesson's program, and the
//! two programs of the lesson that are wrong.

mod epoll;
mod epoll_lesson;
mod nonblocking;
mod nonblocking_lesson;
mod one_by_one;
mod poll;
mod process;
mod select;
mod thread;

use std::io;
use std::net::TcpListener;

use lab::{Text, same, text};

use crate::echo::Log;

/// One way to serve many clients.
pub struct Model {
    /// In addresses and in JSON.
    pub name: &'static str,
    pub title: Text,
    /// What is counted of it.
    pub served: Text,
    /// Serves until its process is ended.
    pub serve: fn(&TcpListener, Log) -> io::Result<()>,
    /// Does it serve several clients at the same time?
    pub is_concurrent: bool,
}

pub const ONE_BY_ONE: Model = Model {
    name: "one_by_one",
    title: text("一次一个客户端", "one client at a time"),
    served: text("一次一个客户端：服务的客户端", "one client at a time: clients served"),
    serve: one_by_one::serve,
    is_concurrent: false,
};

pub const PROCESS: Model = Model {
    name: "process",
    title: text("每连接一进程", "process per connection"),
    served: text("每连接一进程：服务的客户端", "process per connection: clients served"),
    serve: process::serve,
    is_concurrent: true,
};

pub const THREAD: Model = Model {
    name: "thread",
    title: text("每连接一线程", "thread per connection"),
    served: text("每连接一线程：服务的客户端", "thread per connection: clients served"),
    serve: thread::serve,
    is_concurrent: true,
};

pub const NONBLOCKING: Model = Model {
    name: "nonblocking",
    title: text("非阻塞轮询", "non-blocking"),
    served: text("非阻塞轮询：服务的客户端", "non-blocking polling: clients served"),
    serve: nonblocking::serve,
    is_concurrent: true,
};

pub const SELECT: Model = Model {
    name: "select",
    title: same("select"),
    served: text("select：服务的客户端", "select: clients served"),
    serve: select::serve,
    is_concurrent: true,
};

pub const POLL: Model = Model {
    name: "poll",
    title: same("poll"),
    served: text("poll：服务的客户端", "poll: clients served"),
    serve: poll::serve,
    is_concurrent: true,
};

pub const EPOLL: Model = Model {
    name: "epoll",
    title: text("epoll（边沿触发）", "epoll (edge-triggered)"),
    served: text("epoll：服务的客户端", "epoll: clients served"),
    serve: epoll::serve,
    is_concurrent: true,
};

pub const ALL: [Model; 7] = [ONE_BY_ONE, PROCESS, THREAD, NONBLOCKING, SELECT, POLL, EPOLL];

/// The lesson's program, which reads from the wrong socket.
pub const NONBLOCKING_LESSON: Model = Model {
    name: "nonblocking_lesson",
    title: text("课程的非阻塞服务器", "the lesson's non-blocking server"),
    served: text(
        "课程的非阻塞服务器：服务的客户端",
        "the lesson's non-blocking server: clients served",
    ),
    serve: nonblocking_lesson::serve,
    is_concurrent: false,
};

/// The lesson's program, which takes too little at an edge.
pub const EPOLL_LESSON: Model = Model {
    name: "epoll_lesson",
    title: text("课程的 epoll 服务器", "the lesson's epoll server"),
    served: text("课程的 epoll 服务器：服务的客户端", "the lesson's epoll server: clients served"),
    serve: epoll_lesson::serve,
    is_concurrent: false,
};
