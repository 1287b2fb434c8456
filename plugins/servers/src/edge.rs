//! The lesson's epoll server, which takes too little at an edge, beside the right one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, lang, say, text};

use crate::echo::{BUFFER, Log, listen};
use crate::load::PATIENCE;
use crate::models::{EPOLL, EPOLL_LESSON, Model};
use crate::running::Running;

pub const EXPERIMENT: Experiment = Experiment {
    name: "edge",
    title: text("边沿触发要读到底", "Edge-triggered: read to the end"),
    lesson: text(
        "<p><code>EPOLLET</code> 只在有<strong>新</strong>数据到达时通知一次。课程的 epoll 服务器每次事件只 \
         <code>recv(1024)</code> 一次、只 <code>accept</code> 一次：超过 1024 字节的消息，后半段就留在内核里，\
         直到客户端又发来什么。正确的写法是把套接字设为非阻塞，一直读到“没有了”（EAGAIN）为止。</p>",
        "<p><code>EPOLLET</code> tells once, when <strong>new</strong> data arrives. The lesson's epoll server \
         does one <code>recv(1024)</code> and one <code>accept</code> for each event: of a message longer than \
         1024 bytes the rest stays in the kernel until the client sends something else. The right way is a \
         non-blocking socket that is read until there is no more (EAGAIN).</p>",
    ),
    parameters: &[Parameter::integer(
        "size",
        text("消息字节数", "bytes of the message"),
        1,
        20000,
        3000,
    )],
    source: concat!(include_str!("models/epoll_lesson.rs"), "\n", include_str!("models/epoll.rs")),
    python: include_str!("../lesson/epoll.txt"),
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let size = run.values.count("size");
    let wrong = echoed(&EPOLL_LESSON, size)?;
    run.check(
        text("课程的程序：回显的字节数", "the lesson's program: bytes echoed"),
        size.min(BUFFER),
        wrong,
    );
    let right = echoed(&EPOLL, size)?;
    run.check(text("改正后：回显的字节数", "the right program: bytes echoed"), size, right);
    Ok(())
}

/// How much of a message comes back before a second client, who speaks later, has its answer.
fn echoed(model: &Model, size: usize) -> io::Result<usize> {
    say!("—— {}", model.title.get(lang()));
    let server = Running::start(model, listen(5)?, Log::Shown)?;
    // One after the other: the lesson's server accepts one client for each event.
    let mut client = greeted(&server)?;
    let mut other = greeted(&server)?;
    client.write_all(&vec![b'x'; size])?;
    let mut back = 0;
    let mut buffer = vec![0; size];
    // The right server has it all; the wrong one stops after its first piece, and serves the other.
    while back < size.min(BUFFER) {
        back += client.read(&mut buffer)?;
    }
    for _ in 0..3 {
        greet(&mut other)?;
    }
    client.set_nonblocking(true)?;
    while back < size {
        match client.read(&mut buffer) {
            Ok(count) if count > 0 => back += count,
            _ => break,
        }
    }
    Ok(back)
}

fn greeted(server: &Running) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(server.address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    greet(&mut socket)?;
    Ok(socket)
}

fn greet(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(b"hi")?;
    socket.read_exact(&mut [0; 2])
}
