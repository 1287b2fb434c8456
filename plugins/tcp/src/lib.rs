//! Chapter 5 of the course: TCP, at /tcp.py.
#![forbid(unsafe_code)]

mod backlog;
mod close;
mod framing;
mod kernel;
mod partial;
mod reset;
mod reuse;
mod room;
mod seats;
mod server;

use csgi::{Env, Response};
use lab::{Lab, Parameter, Run, Text, same, text};
use wire::Charset;

/// The parameter `charset`, with the lesson's own encoding first.
const CHARSET: Parameter = Parameter::choice("charset", ENCODING, &[GBK, UTF_8]);
const ENCODING: Text = text("编码", "Encoding");
const UTF_8: (&str, Text) = ("utf-8", same("UTF-8"));
const GBK: (&str, Text) = ("gbk", same("GBK"));

/// What the visitor chose.
fn charset(run: &Run) -> Charset {
    Charset::named(run.values.get("charset")).unwrap_or_default()
}

static LAB: Lab = Lab {
    name: "tcp",
    title: text("Linux 网络编程：TCP", "Linux network programming: TCP"),
    introduction: text(
        "<p>TCP 先连接，再收发；数据不丢、不乱，但是<strong>字节流</strong>，没有消息的边界。每个实验都用真正的套接字，\
         在自己的进程里运行，只在回环接口上通信，除非服务器的配置指定了网络接口。\
         <p>在浏览器里聊天：<a href=\"/tcp.py/room\">TCP 聊天室</a>",
        "<p>TCP connects first; nothing is lost and nothing out of order, but it is a <strong>stream of bytes</strong> without \
         borders between messages. Every experiment uses real sockets, in a process of its own, and stays on the loopback \
         unless the server's configuration names an interface.\
         <p>Chat in the browser: <a href=\"/tcp.py/room\">the TCP chat room</a>",
    ),
    experiments: &[
        server::EXPERIMENT,
        room::EXPERIMENT,
        framing::EXPERIMENT,
        partial::EXPERIMENT,
        close::EXPERIMENT,
        reset::EXPERIMENT,
        reuse::EXPERIMENT,
        backlog::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes, and chats have threads of their own.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    seats::serve(env).unwrap_or_else(|| lab::serve(&LAB, env))
}
