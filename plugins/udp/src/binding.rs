//! Bind: who gets which port, and what happens when it is taken or nobody's.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use socket2::{Domain, Socket, Type};

pub const EXPERIMENT: Experiment = Experiment {
    name: "binding",
    title: text("绑定端口：bind", "A port of one's own: bind"),
    lesson: text(
        "<p>端口号标记一台电脑上的应用程序。接收方先 <code>bind</code>，别人才知道发到哪里；发送方不绑定也行，内核在第一次 \
         <code>sendto</code> 时随机分配一个动态端口。同一地址的端口只能绑定一次。端口填 0 由系统选择。",
        "<p>A port number names a program of one computer. A receiver binds first, so that others know where to \
         send; a sender need not: at its first <code>sendto</code> the kernel gives it a dynamic port. A port of one \
         address can be bound once. With port 0 the system chooses.",
    ),
    parameters: &[Parameter::integer(
        "port",
        text("端口（0：系统选择）", "Port (0: the system's choice)"),
        0,
        65535,
        0,
    )],
    source: include_str!("binding.rs"),
    python: include_str!("../lesson/binding.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn run(run: &mut Run) -> Outcome {
    let port = run.values.integer("port") as u16;
    let receiver = UdpSocket::bind((LOCALHOST, port))
        .map_err(|error| format!("bind(\"127.0.0.1\", {port}): {error}"))?;
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    let address = receiver.local_addr()?;
    say!(
        "接收方：bind(127.0.0.1, {port}) → getsockname() = {address}"
            | "receiver: bind(127.0.0.1, {port}) → getsockname() = {address}"
    );
    sent_without_binding(run, &receiver, address)?;
    bound_twice(run, address);
    sent_to_nobody(run)
}

/// A socket that nobody has bound gets a port when it first sends.
fn sent_without_binding(run: &mut Run, receiver: &UdpSocket, address: SocketAddr) -> Outcome {
    let sender = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let name = |socket: &Socket| socket.local_addr().ok().and_then(|address| address.as_socket());
    let before = name(&sender).map_or(0, |address| address.port());
    sender.send_to(b"hello", &address.into())?;
    let after = name(&sender).map_or(0, |address| address.port());
    say!(
        "发送方：没有 bind，端口 {before}；sendto 之后：{after}"
            | "sender: not bound, port {before}; after sendto: {after}"
    );
    let (_, from) = receiver.recv_from(&mut [0; 64])?;
    say!("接收方：recvfrom 得到的地址 {from}" | "receiver: recvfrom gives the address {from}");
    run.check(text("没有绑定的套接字端口是 0", "A socket that is not bound has port 0"), 0, before);
    run.check(
        text(
            "内核分配的端口就是接收方看到的",
            "The port that the kernel gave is the one the receiver sees",
        ),
        after,
        from.port(),
    );
    Ok(())
}

fn bound_twice(run: &mut Run, address: SocketAddr) {
    let second = UdpSocket::bind(address);
    let taken = second.as_ref().err().map(std::io::Error::kind);
    say!("再次 bind({address})：{}" | "bind({address}) once more: {}", words(&second));
    run.check(
        text("端口已被占用", "The port is taken"),
        "AddrInUse",
        format!("{:?}", taken.unwrap_or(ErrorKind::Other)),
    );

    let other = Ipv4Addr::new(127, 0, 0, 2);
    let neighbour = UdpSocket::bind((other, address.port()));
    say!(
        "另一个地址 bind({other}:{})：{}" | "another address, bind({other}:{}): {}",
        address.port(),
        words(&neighbour)
    );
    run.check(
        text(
            "另一个地址上的同一端口是另一个端口",
            "The same port of another address is another port",
        ),
        "OK",
        words(&neighbour),
    );
}

/// To a port that nobody has: bound, looked at, and given back.
fn sent_to_nobody(run: &mut Run) -> Outcome {
    let free = UdpSocket::bind((LOCALHOST, 0))?.local_addr()?;
    let caller = UdpSocket::bind((LOCALHOST, 0))?;
    caller.set_read_timeout(Some(Duration::from_secs(3)))?;
    caller.connect(free)?;
    caller.send(b"is somebody there?")?;
    let answer = caller.recv(&mut [0; 64]);
    say!(
        "发往无人绑定的 {free}：sendto 成功，随后 {}"
            | "to {free}, which nobody has bound: sendto succeeds, then {}",
        words(&answer)
    );
    let kind = answer.err().map_or(ErrorKind::Other, |error| error.kind());
    run.check(
        text(
            "对方主机用 ICMP 告知端口不可达",
            "The other host tells by ICMP that the port is unreachable",
        ),
        "ConnectionRefused",
        format!("{kind:?}"),
    );
    Ok(())
}

fn words<T>(result: &std::io::Result<T>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(error) => error.to_string(),
    }
}
