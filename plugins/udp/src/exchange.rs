//! Send and receive: two sockets, one datagram there and one back.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use rustix::net::RecvFlags;
use wire::{Charset, Interface, hex};

pub const EXPERIMENT: Experiment = Experiment {
    name: "exchange",
    title: text("发送与接收：sendto、recvfrom", "Send and receive: sendto, recvfrom"),
    lesson: text(
        "<p><code>sendto(数据, 地址)</code> 不需要连接；<code>recvfrom(1024)</code> 阻塞等待，返回数据和对方的地址，\
         回信就发往这个地址。1024 是缓冲区的字节数：<strong>更长的数据报，多出的部分就丢了</strong>——把缓冲区改成 4 试试。",
        "<p><code>sendto(data, address)</code> needs no connection; <code>recvfrom(1024)</code> waits and gives the \
         data and the sender's address, which an answer goes to. 1024 is the size of the buffer in bytes: \
         <strong>of a longer datagram the rest is lost</strong>. Try a buffer of 4.",
    ),
    parameters: &[
        Parameter::line("text", text("要传输的信息", "Message"), 300, "hello 你好"),
        crate::CHARSET,
        Parameter::integer(
            "buffer",
            text("recvfrom 的缓冲区（字节）", "Buffer of recvfrom in bytes"),
            1,
            2048,
            1024,
        ),
    ],
    source: include_str!("exchange.rs"),
    python: include_str!("../lesson/exchange.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

/// One datagram: what fits into the buffer, how long it was, and who sent it.
fn receive(socket: &UdpSocket, buffer: usize) -> io::Result<(Vec<u8>, usize, SocketAddr)> {
    let mut bytes = vec![0; buffer];
    // With TRUNC the kernel tells the length of the whole datagram.
    let (_, whole, from) = rustix::net::recvfrom(socket, &mut bytes[..], RecvFlags::TRUNC)?;
    bytes.truncate(whole);
    let from = from.and_then(|address| SocketAddr::try_from(address).ok());
    let from = from.ok_or_else(|| io::Error::other("the sender has no address"))?;
    Ok((bytes, whole, from))
}

fn run(run: &mut Run) -> Outcome {
    let local = Interface::configured(&run.config)?.address;
    let charset = crate::charset(run);
    let message = charset.encode(run.values.get("text"))?;
    let buffer = run.values.count("buffer");

    let receiver = UdpSocket::bind((local, 0))?;
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    let address = receiver.local_addr()?;
    say!("接收方：bind(\"{address}\")" | "receiver: bind(\"{address}\")");

    let sender = UdpSocket::bind((local, 0))?;
    sender.set_read_timeout(Some(Duration::from_secs(3)))?;
    let count = sender.send_to(&message, address)?;
    let shown = hex::some_pairs(&message, 64);
    say!("发送方：sendto({shown}) = {count}" | "sender: sendto({shown}) = {count}");

    let (received, whole, from) = receive(&receiver, buffer)?;
    let (kept, shown) = (received.len(), hex::some_pairs(&received, 64));
    say!(
        "接收方：recvfrom({buffer}) = {kept} 字节：{shown}，来自 {from}"
            | "receiver: recvfrom({buffer}) = {kept} bytes: {shown}, from {from}"
    );
    let decoded = charset.decode(&received);
    let heard = &decoded.text;
    say!(
        "接收方：decode(\"{}\") = “{heard}”" | "receiver: decode(\"{}\") = “{heard}”",
        charset.name()
    );
    if kept < whole {
        let lost = whole - kept;
        say!(
            "数据报有 {whole} 字节，缓冲区只有 {buffer}：{lost} 字节丢失，再次 recvfrom 也取不到"
                | "the datagram had {whole} bytes, the buffer {buffer}: {lost} are lost, and no second recvfrom gets them"
        );
    }

    let answer = Charset::Gbk.encode("收到")?;
    receiver.send_to(&answer, from)?;
    let (back, _, _) = receive(&sender, 1024)?;
    let shown = hex::pairs(&back);
    say!("发送方：收到回信 {shown}" | "sender: the answer is {shown}");

    run.picture(
        text("数据报里的字节", "The bytes of the datagram"),
        &lab::svg::bytes(&[(format!("{} · {}", charset.name(), heard), received.clone())]),
    );
    let expected = message.len().min(buffer);
    let (first, found) = (hex::pairs(&message[..expected]), hex::pairs(&received));
    run.check(
        text("收到的就是发出的（不超过缓冲区）", "What arrives is what was sent, up to the buffer"),
        first,
        found,
    );
    let own = sender.local_addr()?;
    run.check(
        text("recvfrom 给出的地址就是发送方的", "The address that recvfrom gives is the sender's"),
        own,
        from,
    );
    run.check(text("回信送达", "The answer arrives"), hex::pairs(&answer), hex::pairs(&back));
    Ok(())
}
