//! Broadcast: one datagram for everybody, which a socket must be allowed to send.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use socket2::{Domain, Socket, Type};
use wire::{Interface, hex};

pub const EXPERIMENT: Experiment = Experiment {
    name: "broadcast",
    title: text("广播：SO_BROADCAST", "Broadcast: SO_BROADCAST"),
    lesson: text(
        "<p>广播是 UDP 特有的。套接字要先 <code>setsockopt(SOL_SOCKET, SO_BROADCAST, 1)</code>，否则 <code>sendto</code> 被拒绝。\
         回环网络的广播地址是 127.255.255.255。<p>课程的接收程序在 <code>bind</code> <strong>之后</strong>才设置 \
         <code>SO_REUSEADDR</code>，太晚了：第二个接收者绑定失败。应当在 <code>bind</code> 之前设置。",
        "<p>Only UDP has broadcast. The socket needs <code>setsockopt(SOL_SOCKET, SO_BROADCAST, 1)</code>, else \
         <code>sendto</code> is refused. On the loopback the address for everybody is 127.255.255.255.\
         <p>The lesson's receiver sets <code>SO_REUSEADDR</code> <strong>after</strong> <code>bind</code>, which is too \
         late: a second receiver cannot bind. It belongs before.",
    ),
    parameters: &[
        Parameter::integer("receivers", text("接收者个数", "Receivers"), 1, 8, 3),
        Parameter::line("text", text("内容", "Message"), 100, "hello"),
        crate::GBK_FIRST,
    ],
    source: include_str!("broadcast.rs"),
    python: include_str!("../lesson/broadcast.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

/// As in the lesson: three times.
const TIMES: usize = 3;

/// A receiver bound to the broadcast address itself: nothing else reaches it.
fn receiver(address: SocketAddrV4, is_shared: bool) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(is_shared)?;
    socket.bind(&address.into())?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    Ok(socket.into())
}

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    let everybody = interface.broadcast();
    let message = crate::charset(run).encode(run.values.get("text"))?;

    lesson_order(run, everybody)?;
    let first = receiver(SocketAddrV4::new(everybody, 0), true)?;
    let address = SocketAddrV4::new(everybody, first.local_addr()?.port());
    let mut receivers = vec![first];
    for _ in 1..run.values.count("receivers") {
        receivers.push(receiver(address, true)?);
    }
    let count = receivers.len();
    say!(
        "{count} 个接收者：SO_REUSEADDR，然后 bind({address})"
            | "{count} receivers: SO_REUSEADDR, then bind({address})"
    );

    let sender = UdpSocket::bind((interface.address, 0))?;
    let refused = sender.send_to(&message, address);
    let kind = refused.as_ref().err().map_or(ErrorKind::Other, std::io::Error::kind);
    let words = refused.map_or_else(|error| error.to_string(), |sent| sent.to_string());
    say!("没有 SO_BROADCAST：sendto → {words}" | "without SO_BROADCAST: sendto → {words}");
    run.check(
        text("没有 SO_BROADCAST 不能广播", "Without SO_BROADCAST there is no broadcast"),
        "PermissionDenied",
        format!("{kind:?}"),
    );

    sender.set_broadcast(true)?;
    say!("setsockopt(SOL_SOCKET, SO_BROADCAST, 1)");
    for _ in 0..TIMES {
        let sent = sender.send_to(&message, address)?;
        say!("sendto({}, {address}) = {sent}", hex::some_pairs(&message, 32));
    }
    let mut heard = 0;
    for (number, receiver) in (1..).zip(&receivers) {
        for _ in 0..TIMES {
            let mut buffer = [0; 1024];
            let (length, from) = receiver.recv_from(&mut buffer)?;
            heard += usize::from(buffer[..length] == message[..]);
            let said = crate::charset(run).decode(&buffer[..length]).text;
            say!("接收者 {number}：<{from}>: {said}" | "receiver {number}: <{from}>: {said}");
        }
    }
    run.check(
        text("每个接收者都收到三次", "Every receiver hears it three times"),
        count * TIMES,
        heard,
    );
    Ok(())
}

/// The lesson's receiver: bound first, shared afterwards.
fn lesson_order(run: &mut Run, everybody: Ipv4Addr) -> Outcome {
    let first = receiver(SocketAddrV4::new(everybody, 0), false)?;
    let address = SocketAddrV4::new(everybody, first.local_addr()?.port());
    socket2::SockRef::from(&first).set_reuse_address(true)?;
    let second = receiver(address, false);
    say!(
        "课程的顺序（bind 之后才 SO_REUSEADDR），第二个接收者：{}"
            | "the lesson's order (SO_REUSEADDR after bind), second receiver: {}",
        second.as_ref().map_or_else(ToString::to_string, |_| "OK".to_owned())
    );
    let kind = second.err().map_or(ErrorKind::Other, |error| error.kind());
    run.check(
        text("bind 之后设置 SO_REUSEADDR 太晚", "SO_REUSEADDR after bind is too late"),
        "AddrInUse",
        format!("{kind:?}"),
    );
    Ok(())
}
