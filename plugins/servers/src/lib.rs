//! Chapter 6 of the course: models of servers, at /servers.py; and from chapter 8 the mistakes of a
//! first web server.
#![forbid(unsafe_code)]

mod compare;
mod echo;
mod edge;
mod handshake;
mod limit;
mod load;
mod models;
mod running;
mod talk;
mod web;
mod wrong_socket;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "servers",
    title: text("服务器与客户端", "Servers and clients"),
    introduction: text(
        "<p>同一个回显服务器，七种写法：一次一个客户端、每连接一进程、每连接一线程、非阻塞轮询、select、\
         poll、epoll。它们都真的在本机运行，只监听回环地址。课程里写错的程序先照原样运行，再运行改正的。</p>",
        "<p>One echo server, written seven ways: one client at a time, a process for each connection, a \
         thread for each connection, non-blocking polling, select, poll, epoll. All of them really run on \
         this machine, on the loopback only. A program that the lesson has wrong runs as it is first, and \
         right after that.</p>",
    ),
    experiments: &[
        handshake::EXPERIMENT,
        talk::EXPERIMENT,
        compare::EXPERIMENT,
        limit::EXPERIMENT,
        wrong_socket::EXPERIMENT,
        edge::EXPERIMENT,
        web::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}
