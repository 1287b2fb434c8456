//! The room as an experiment: three programs of the lesson meet in it.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::{Charset, Interface, hex};

use super::hub;

pub const EXPERIMENT: Experiment = Experiment {
    name: "room",
    title: text("局域网聊天室", "A chat room"),
    lesson: text(
        "<p><strong><a href=\"/udp.py/room\">打开聊天室</a></strong>：几个浏览器和任何 UDP 程序（<code>nc -u 127.0.0.1 8000</code>）\
         在同一个房间里说话。<p>聊天室是一个绑定了端口的套接字：收到谁的数据报，谁就是成员，内容转发给其他人；\
         UTF-8 和 GBK 的成员互相听得懂。下面的实验让三个普通 UDP 程序在一个临时房间里见面。",
        "<p><strong><a href=\"/udp.py/room\">Open the chat room</a></strong>: browsers and any UDP program \
         (<code>nc -u 127.0.0.1 8000</code>) talk in one room.<p>The room is one bound socket: whoever sends it a datagram \
         is a member, and what they say goes to all others; members that speak UTF-8 and GBK understand each other. This \
         experiment lets three plain UDP programs meet in a room of its own.",
    ),
    parameters: &[Parameter::line("text", text("说什么", "What is said"), 200, "大家好")],
    source: include_str!("hub.rs"),
    python: include_str!("../../lesson/room.py"),
    limits: Limits { time: Duration::from_secs(15), ..Limits::DEFAULT },
    run,
};

fn member(address: std::net::Ipv4Addr, room: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.connect(room)?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    Ok(socket)
}

/// The next line that is no announcement.
fn hear(socket: &UdpSocket, charset: Charset) -> std::io::Result<String> {
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer)?;
        let text = charset.decode(&buffer[..length]).text;
        say!(
            "  {}: {} = {}",
            socket.local_addr()?,
            text.trim_end(),
            hex::some_pairs(&buffer[..length], 32)
        );
        if !text.starts_with('*') {
            return Ok(text.trim_end().to_owned());
        }
    }
}

fn run(run: &mut Run) -> Outcome {
    let address = Interface::configured(&run.config)?.address;
    let said = run.values.get("text").to_owned();
    // A port that is free now, for the room.
    let port = UdpSocket::bind((address, 0))?.local_addr()?.port();
    hub::open(address, port)?;
    let room = SocketAddr::from((address, port));
    say!("聊天室：bind({room})" | "the room: bind({room})");
    let people = [("李白", Charset::Gbk), ("杜甫", Charset::Utf8), ("Alice", Charset::Utf8)];
    let mut members = Vec::new();
    for (name, charset) in people {
        let socket = member(address, room)?;
        socket.send(format!("/charset {}", charset.name()).as_bytes())?;
        socket.send(&charset.encode(&format!("/name {name}"))?)?;
        // The room announces the name: the member is in.
        let mut buffer = [0; 2048];
        while !charset.decode(&buffer).text.contains(name) {
            buffer.fill(0);
            socket.recv(&mut buffer)?;
        }
        say!("{name} {} {}", socket.local_addr()?, charset.name());
        members.push(socket);
    }
    for (speaker, (name, charset)) in people.iter().enumerate() {
        let bytes = charset.encode(&said)?;
        members[speaker].send(&bytes)?;
        say!("{name}：sendto({})" | "{name}: sendto({})", hex::some_pairs(&bytes, 32));
        let expected = format!("{name} <{}>: {said}", members[speaker].local_addr()?);
        for (listener, (to, charset)) in
            people.iter().enumerate().filter(|(index, _)| *index != speaker)
        {
            let heard = hear(&members[listener], *charset)?;
            run.check(
                text("其他成员都听到", "Every other member hears it"),
                format!("{to} ← {}", expected.trim()),
                format!("{to} ← {heard}"),
            );
        }
    }
    Ok(())
}
