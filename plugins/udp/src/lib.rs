//! Chapter 4 of the course: UDP, at /udp.py.
#![forbid(unsafe_code)]

mod binding;
mod broadcast;
mod byte_order;
mod encoding;
mod exchange;
mod ipmsg;
mod message;
mod packets;
mod room;
mod seats;
mod structure;
mod talk;

use csgi::{Env, Response};
use lab::{Lab, Parameter, Run, Text, same, text};
use wire::Charset;

/// The parameter `charset`.
const CHARSET: Parameter = Parameter::choice("charset", ENCODING, &[UTF_8, GBK]);
/// The same with the lesson's own encoding first.
const GBK_FIRST: Parameter = Parameter::choice("charset", ENCODING, &[GBK, UTF_8]);
const ENCODING: Text = text("编码", "Encoding");
const UTF_8: (&str, Text) = ("utf-8", same("UTF-8"));
const GBK: (&str, Text) = ("gbk", same("GBK"));

/// What the visitor chose.
fn charset(run: &Run) -> Charset {
    Charset::named(run.values.get("charset")).unwrap_or_default()
}

static LAB: Lab = Lab {
    name: "udp",
    title: text("Linux 网络编程：UDP", "Linux network programming: UDP"),
    introduction: text(
        "<p>UDP 不建立连接，数据报可能丢失，但快而简单。每个实验都用真正的套接字，在自己的进程里运行，只在回环接口上通信，\
         除非服务器的配置指定了网络接口。\
         <p>在浏览器里聊天：<a href=\"/udp.py/room\">聊天室</a> · <a href=\"/udp.py/talk\">两人聊天</a>",
        "<p>UDP makes no connection and may lose a datagram, but it is fast and simple. Every experiment uses real sockets, \
         in a process of its own, and stays on the loopback unless the server's configuration names an interface.\
         <p>Chat in the browser: <a href=\"/udp.py/room\">the chat room</a> · <a href=\"/udp.py/talk\">a talk of two</a>",
    ),
    experiments: &[
        exchange::EXPERIMENT,
        binding::EXPERIMENT,
        encoding::EXPERIMENT,
        room::EXPERIMENT,
        talk::EXPERIMENT,
        ipmsg::EXPERIMENT,
        packets::EXPERIMENT,
        broadcast::EXPERIMENT,
        byte_order::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes, and chats have threads of their own.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    seats::serve(env).unwrap_or_else(|| lab::serve(&LAB, env))
}
