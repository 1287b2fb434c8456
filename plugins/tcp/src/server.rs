//! A server and a client, call by call, as the lesson has them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use socket2::{Domain, Socket, Type};
use wire::{Charset, Interface, hex};

use crate::kernel::Segments;

pub const EXPERIMENT: Experiment = Experiment {
    name: "server",
    title: text("服务器与客户端", "Server and client"),
    lesson: text(
        "<p>服务器：<code>socket → bind → listen(5) → accept → recv → send → close</code>；客户端：\
         <code>socket → connect → send → recv → close</code>。监听的套接字像总服务台，<code>accept</code> 得到的新套接字才与客户端收发数据。\
         客户端不必绑定；地址只在连接时说一次，<code>send</code>、<code>recv</code> 不再带地址。",
        "<p>Server: <code>socket → bind → listen(5) → accept → recv → send → close</code>; client: \
         <code>socket → connect → send → recv → close</code>. The listening socket is the reception; the new one that \
         <code>accept</code> gives talks with the client. A client need not bind. The address is said once, when connecting: \
         <code>send</code> and <code>recv</code> have none.",
    ),
    parameters: &[
        Parameter::line("text", text("客户端发送", "The client sends"), 200, "我是客户端"),
        Parameter::line("answer", text("服务器回答", "The server answers"), 200, "你好"),
        crate::CHARSET,
    ],
    source: include_str!("server.rs"),
    python: include_str!("../lesson/server.py"),
    limits: Limits { time: Duration::from_secs(15), ..Limits::DEFAULT },
    run,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// socket, setsockopt, bind, listen.
fn listen(address: std::net::Ipv4Addr) -> std::io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.listen(5)?;
    let own =
        socket.local_addr()?.as_socket().ok_or_else(|| std::io::Error::other("no address"))?;
    Ok((socket, own))
}

fn serve(
    listener: &Socket,
    charset: Charset,
    answer: &[u8],
) -> std::io::Result<(SocketAddr, Vec<u8>)> {
    let (mut connection, from) = listener.accept()?;
    let from = from.as_socket().ok_or_else(|| std::io::Error::other("no address"))?;
    say!(
        "服务器：accept() → 新的套接字，来自 {from}"
            | "server: accept() → a new socket, from {from}"
    );
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut data = [0; 1024];
    let length = connection.read(&mut data)?;
    let text = charset.decode(&data[..length]).text;
    say!(
        "服务器：recv(1024) = {}  “{text}”" | "server: recv(1024) = {}  “{text}”",
        hex::some_pairs(&data[..length], 32)
    );
    connection.write_all(answer)?;
    say!("服务器：send({})；close()" | "server: send({}); close()", hex::some_pairs(answer, 32));
    Ok((from, data[..length].to_vec()))
}

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    let charset = crate::charset(run);
    let message = charset.encode(run.values.get("text"))?;
    let answer = charset.encode(run.values.get("answer"))?;
    let (listener, address) = listen(interface.address)?;
    say!("服务器：bind({address})；listen(5)" | "server: bind({address}); listen(5)");
    let mut segments = Segments::of(&interface, address.port());
    let reply = answer.clone();
    let serving = std::thread::spawn(move || serve(&listener, charset, &reply));

    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let own = client.local_addr()?;
    say!(
        "客户端：connect({address}) → 自己的地址 {own}"
            | "client: connect({address}) → own address {own}"
    );
    client.write_all(&message)?;
    say!("客户端：send({})" | "client: send({})", hex::some_pairs(&message, 32));
    let mut received = Vec::new();
    client.read_to_end(&mut received)?;
    let said = charset.decode(&received).text;
    say!(
        "客户端：recv(1024) = {}  “{said}”；close()" | "client: recv(1024) = {}  “{said}”; close()",
        hex::some_pairs(&received, 32)
    );
    drop(client);
    let (from, heard) = serving.join().map_err(|_| "the server thread has panicked")??;
    let flags = segments.show(run, text("网络上的报文", "The segments on the wire"));
    run.check(
        text("accept 给出的地址就是客户端的", "The address that accept gives is the client's"),
        own,
        from,
    );
    run.check(text("服务器收到", "The server hears"), hex::pairs(&message), hex::pairs(&heard));
    run.check(text("客户端收到", "The client hears"), hex::pairs(&answer), hex::pairs(&received));
    if let Some(flags) = flags {
        let opening = flags.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        run.check(text("三次握手", "Three segments open it"), "SYN SYN,ACK ACK", opening);
    }
    Ok(())
}
