//! The lesson's two downloaders as they are, and what they make of a file; then the real client.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::Interface;

use crate::demo;
use crate::protocol::Options;

pub const EXPERIMENT: Experiment = Experiment {
    name: "lesson",
    title: text("课程的下载器错在哪里", "What is wrong with the lesson's downloaders"),
    lesson: text(
        "<p>老师的版本没有超时：丢一个包就永远等待；也不检查块编号，重复的块会写两次。“自己的版本”先判断 \
         <code>len(data) &lt; 516</code> 再写文件，<strong>最后一块没有写</strong>；应答用 <code>!H2b</code>，<code>b</code> 是有符号数，\
         <strong>第 128 块就出错</strong>。这里按原样（用 Rust）运行两个版本，再用真正的客户端下载同一个文件。",
        "<p>The teacher's version has no timeout: one lost packet and it waits for ever; it does not look at the block's number \
         either, so a repeated block is written twice. The second version tests <code>len(data) &lt; 516</code> before it writes: \
         <strong>the last block is missing</strong>. It packs the answer with <code>!H2b</code>, where <code>b</code> is signed: \
         <strong>block 128 is an error</strong>. Both run here as they are, in Rust; then the real client gets the same file.",
    ),
    parameters: &[Parameter::integer(
        "bytes",
        text("文件大小（字节）", "Size of the file in bytes"),
        1,
        200_000,
        70_000,
    )],
    source: include_str!("lesson.rs"),
    python: include_str!("../lesson/own.py"),
    limits: Limits { time: Duration::from_secs(30), ..Limits::DEFAULT },
    run,
};

/// `struct.pack("!H10sb5sb", 1, b"rabbit.jpg", 0, b"octet", 0)`.
const REQUEST: &[u8] = b"\x00\x01rabbit.jpg\x00octet\x00";

fn begin(local: Ipv4Addr, server: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((local, 0))?;
    // The lesson has none, and would wait for ever.
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.send_to(REQUEST, server)?;
    Ok(socket)
}

/// 老师的版本.
fn teacher(local: Ipv4Addr, server: SocketAddr) -> std::io::Result<Vec<u8>> {
    let socket = begin(local, server)?;
    let mut file = Vec::new();
    let mut data = [0; 1024];
    loop {
        let (length, address) = socket.recv_from(&mut data)?;
        if data[1] == 3 {
            file.extend(&data[4..length]);
            socket.send_to(&[0, 4, data[2], data[3]], address)?;
            if length < 516 {
                return Ok(file);
            }
        }
    }
}

/// 自己的版本: how far it gets, and the error that ends it.
fn own(local: Ipv4Addr, server: SocketAddr) -> std::io::Result<(Vec<u8>, Option<String>)> {
    let socket = begin(local, server)?;
    let mut file = Vec::new();
    let mut data = [0; 1024];
    loop {
        let (length, address) = socket.recv_from(&mut data)?;
        if data[1] == 3 {
            // struct.pack("!H2b", 4, data[2], data[3]): a signed byte ends at 127.
            if data[2..4].iter().any(|byte| *byte > 127) {
                let error = "struct.error: byte format requires -128 <= number <= 127";
                return Ok((file, Some(error.to_owned())));
            }
            socket.send_to(&[0, 4, data[2], data[3]], address)?;
            if length < 516 {
                return Ok((file, None));
            }
            file.extend(&data[4..length]);
        }
    }
}

fn run(run: &mut Run) -> Outcome {
    let content = demo::content(run.values.count("bytes"));
    let blocks = content.len() / 512 + 1;
    let server = demo::serve(run, &[("rabbit.jpg", &content)])?;
    let local = Interface::configured(&run.config)?.address;

    let got = teacher(local, server)?;
    say!(
        "老师的版本：{} 字节（没有丢包时正确）"
            | "the teacher's version: {} bytes (right while nothing is lost)",
        got.len()
    );
    run.check(
        text("老师的版本：不丢包时正确", "The teacher's version, while nothing is lost"),
        demo::hash(&content),
        demo::hash(&got),
    );

    let (got, error) = own(local, server)?;
    let missing = content.len() - got.len();
    say!(
        "自己的版本：{} 字节，少 {missing} 字节 {}"
            | "the second version: {} bytes, {missing} are missing {}",
        got.len(),
        error.as_deref().unwrap_or_default()
    );
    let (what, expected) = if blocks >= 128 {
        let what = text("自己的版本：在第 128 块出错", "The second version fails at block 128");
        (what, 127 * 512)
    } else {
        let what = text("自己的版本：缺少最后一块", "The second version misses the last block");
        (what, (blocks - 1) * 512)
    };
    run.check(what, expected, got.len());

    let client = demo::client(run, server, Options { size: Some(0), ..Options::default() })?;
    let mut got = Vec::new();
    client.download("rabbit.jpg", &mut got, &mut |_| {})?;
    say!("本项目的客户端：{} 字节" | "the client here: {} bytes", got.len());
    run.check(
        text("本项目的客户端：完整", "The client here: whole"),
        demo::hash(&content),
        demo::hash(&got),
    );
    Ok(())
}
