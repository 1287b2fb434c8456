//! SO_REUSEADDR: a server that starts again at once.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Run, say, text};
use socket2::{Domain, Socket, Type};

use crate::kernel::{LOCALHOST, kind, wait_for, words};

pub const EXPERIMENT: Experiment = Experiment {
    name: "reuse",
    title: text("SO_REUSEADDR：重启服务器", "SO_REUSEADDR: the server starts again"),
    lesson: text(
        "<p>按 Ctrl+C 之后端口号还占用：服务器先关闭的连接停在 TIME_WAIT（约一分钟），没有 <code>SO_REUSEADDR</code> 就不能再绑定这个端口。\
         设置之后马上可以重启。但它不允许两个服务器同时监听同一个端口。客户端设置它没有作用。",
        "<p>After Ctrl+C the port is still taken: a connection that the server closed first stays in TIME_WAIT, about a minute, \
         and without <code>SO_REUSEADDR</code> the port cannot be bound again. With it the server can start again at once. It \
         does not let two servers listen at one port at the same time, and it does nothing for a client.",
    ),
    parameters: &[],
    source: include_str!("reuse.rs"),
    python: include_str!("../lesson/server.py"),
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

fn listen(port: u16, is_reused: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(is_reused)?;
    socket.bind(&SocketAddr::from((LOCALHOST, port)).into())?;
    socket.listen(5)?;
    Ok(socket)
}

/// A server that serves one client, closes first, and ends: a connection in TIME_WAIT is left.
fn serve_and_end(is_reused: bool) -> Result<u16, Box<dyn std::error::Error>> {
    let listener = listen(0, is_reused)?;
    let address = listener.local_addr()?.as_socket().ok_or("no address")?;
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (connection, _) = listener.accept()?;
    drop(connection);
    client.read_to_end(&mut Vec::new())?;
    let own = client.local_addr()?;
    drop(client);
    let state = wait_for("TIME_WAIT", address, own);
    say!(
        "服务器（SO_REUSEADDR={}）结束，端口 {}：{state}"
            | "a server (SO_REUSEADDR={}) has ended, port {}: {state}",
        u8::from(is_reused),
        address.port()
    );
    Ok(address.port())
}

fn run(run: &mut Run) -> Outcome {
    let port = serve_and_end(false)?;
    let again = listen(port, false);
    say!(
        "马上重启，没有 SO_REUSEADDR：{}" | "started again without SO_REUSEADDR: {}",
        words(&again)
    );
    run.check(
        text("没有 SO_REUSEADDR：端口还占用", "Without SO_REUSEADDR the port is taken"),
        "AddrInUse",
        kind(&again),
    );

    let port = serve_and_end(true)?;
    let without = listen(port, false);
    say!(
        "马上重启，没有 SO_REUSEADDR：{}" | "started again without SO_REUSEADDR: {}",
        words(&without)
    );
    let with = listen(port, true);
    say!("马上重启，有 SO_REUSEADDR：{}" | "started again with SO_REUSEADDR: {}", words(&with));
    run.check(
        text("设置之后可以马上重启", "With it the server starts again at once"),
        "OK",
        kind(&with),
    );

    let second = listen(port, true);
    say!(
        "第一个还在监听时，第二个服务器：{}" | "a second server while the first listens: {}",
        words(&second)
    );
    run.check(
        text("两个服务器不能同时监听", "Two servers cannot listen at one port"),
        "AddrInUse",
        kind(&second),
    );
    Ok(())
}
