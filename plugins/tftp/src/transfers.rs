//! Download and upload with progress, over a way that may lose packets.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, Text, same, say, text};
use wire::Interface;

use crate::demo::{self, Watch};
use crate::protocol::lossy::Fate;
use crate::protocol::{Client, Lossy, Mode, Options, Report};

const LIMITS: Limits = Limits { time: Duration::from_secs(120), ..Limits::DEFAULT };
const PARAMETERS: &[Parameter] = &[
    Parameter::integer(
        "kilobytes",
        text("文件大小（KiB）", "Size of the file in KiB"),
        0,
        16384,
        256,
    ),
    Parameter::integer("blksize", text("块大小 blksize", "Block size blksize"), 8, 65464, 1024),
    Parameter::integer("loss", text("丢包率（%）", "Packets lost, in percent"), 0, 30, 5),
    Parameter::integer(
        "timeout",
        text(
            "选项 timeout（秒，0：按往返时间）",
            "Option timeout in seconds (0: by the round trip)",
        ),
        0,
        255,
        0,
    ),
    Parameter::choice("mode", text("模式", "Mode"), MODES),
    Parameter::integer(
        "port",
        text("服务器端口（0：本实验自带）", "Port of the server (0: one of this run)"),
        0,
        65535,
        0,
    ),
    Parameter::line("file", text("该服务器上的文件名", "File on that server"), 100, "file.bin"),
];
const MODES: &[(&str, Text)] = &[("octet", same("octet")), ("netascii", same("netascii"))];

pub const DOWNLOAD: Experiment = Experiment {
    name: "download",
    title: text("下载文件", "Download a file"),
    lesson: text(
        "<p>客户端发 RRQ，服务器从一个<strong>新端口</strong>逐块发送，每块等应答。丢了数据或应答，等待超时后重发；\
         等待时间按测得的往返时间，每丢一次加倍。选项 tsize 告诉客户端文件大小，所以有进度条。收到不满一块的数据就结束。",
        "<p>The client sends RRQ; the server sends block by block from a <strong>new port</strong> and waits for each \
         acknowledgement. If a packet is lost, it is sent again when time is up: by the measured round trip, doubled with every \
         loss. The option tsize tells the size, hence the progress bar. A block that is not full ends it.",
    ),
    parameters: PARAMETERS,
    source: include_str!("protocol/transfer.rs"),
    python: include_str!("../lesson/teacher.py"),
    limits: LIMITS,
    run: download,
};

pub const UPLOAD: Experiment = Experiment {
    name: "upload",
    title: text("上传文件", "Upload a file"),
    lesson: text(
        "<p>客户端发 WRQ，服务器应答块 0（或选项），客户端再逐块发送。上传的文件完整之后才以它的名字出现；已有的文件不会被覆盖。",
        "<p>The client sends WRQ, the server acknowledges block 0 (or the options), and the client sends block by block. An \
         uploaded file appears under its name when it is whole; a file that is there is not replaced.",
    ),
    parameters: PARAMETERS,
    source: include_str!("protocol/client.rs"),
    python: "",
    limits: LIMITS,
    run: upload,
};

pub const WRAP: Experiment = Experiment {
    name: "wrap",
    title: text("块编号回绕：超过 65535 块", "Block numbers wrap: more than 65,535 blocks"),
    lesson: text(
        "<p>块编号只有两个字节。一个 600,000 字节的文件按 8 字节分块有 75,001 块：编号到 65535 之后从 0 继续。",
        "<p>A block number has two bytes. A file of 600,000 bytes in blocks of 8 has 75,001 blocks: after 65,535 comes 0.",
    ),
    parameters: &[Parameter::integer("blocks", text("块数", "Blocks"), 65530, 100_000, 75_001)],
    source: include_str!("protocol/link.rs"),
    python: "",
    limits: LIMITS,
    run: wrap,
};

/// A server of this run or another one, the way to it, and a client.
struct Scene {
    client: Client,
    way: Option<Lossy>,
    is_own: bool,
}

fn scene(run: &Run, content: &[u8]) -> Result<Scene, Box<dyn std::error::Error>> {
    let values = &run.values;
    let port = values.integer("port") as u16;
    let server = match port {
        0 => demo::serve(run, &[("file.bin", content)])?,
        port => {
            SocketAddr::V4(SocketAddrV4::new(Interface::configured(&run.config)?.address, port))
        }
    };
    // The way that loses packets is on this machine.
    let is_near = server.ip().is_loopback();
    let lost = if is_near { values.integer("loss") as u32 } else { 0 };
    let seed = std::process::id().into();
    let fate = Fate { lost, doubled: 0, seed };
    let way = if lost > 0 { Some(Lossy::start(server, fate)?) } else { None };
    let seconds = values.integer("timeout") as u64;
    let options = Options {
        block_size: values.count("blksize"),
        timeout: (seconds > 0).then(|| Duration::from_secs(seconds)),
        size: Some(0),
    };
    let mode = if values.get("mode") == "octet" { Mode::Octet } else { Mode::Netascii };
    let to = way.as_ref().map_or(server, Lossy::address);
    say!("服务器 {server}，丢包 {lost}%" | "server {server}, {lost}% of the packets are lost");
    let client = Client { mode, ..demo::client(run, to, options)? };
    Ok(Scene { client, way, is_own: port == 0 })
}

/// What a transfer has measured.
fn report(run: &mut Run, scene: &Scene, watch: &Watch, report: &Report, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    run.value("bytes", text("传输的字节", "Bytes on the way"), report.bytes);
    run.value("blksize", text("商定的块大小", "Agreed block size"), report.agreed.block_size);
    run.value("sent", text("客户端发出的包", "Packets the client sent"), watch.sent);
    run.value("received", text("客户端收到的包", "Packets the client received"), watch.received);
    run.value("again", text("客户端重发的包", "Packets the client sent again"), watch.again);
    if let Some(way) = &scene.way {
        let (passed, lost) = way.counts();
        run.value(
            "lost",
            text("途中丢失的包", "Packets lost on the way"),
            format!("{lost} / {}", passed + lost),
        );
    }
    run.value("seconds", text("用时（秒）", "Seconds"), format!("{seconds:.2}"));
    run.picture(text("开头的报文", "The first packets"), &watch.picture());
}

/// What the lesson's file is: in netascii a text.
fn content(run: &Run) -> Vec<u8> {
    let length = run.values.count("kilobytes") * 1024;
    match run.values.get("mode") {
        "octet" => demo::content(length),
        _ => b"one line\nand\ranother\r\n".iter().copied().cycle().take(length).collect(),
    }
}

fn download(run: &mut Run) -> Outcome {
    let content = content(run);
    let scene = scene(run, &content)?;
    let mut watch = Watch::of(content.len() as u64);
    let mut received = Vec::new();
    let (began, file) = (Instant::now(), run.values.get("file").to_owned());
    let file = if scene.is_own { "file.bin" } else { file.as_str() };
    let done = scene.client.download(file, &mut received, &mut |event| watch.event(event))?;
    report(run, &scene, &watch, &done, began);
    if scene.is_own {
        run.check(
            text("SHA-256 与原文件相同", "The SHA-256 is that of the file"),
            demo::hash(&content),
            demo::hash(&received),
        );
    } else {
        let is_whole = done.agreed.size.is_none_or(|size| size == received.len() as u64);
        run.value("sha256", same("SHA-256"), demo::hash(&received));
        run.check_that(
            text("长度与服务器说的一致", "It is as long as the server said"),
            is_whole,
            "tsize",
            received.len(),
        );
        run.file("download.bin", "application/octet-stream", &received);
    }
    Ok(())
}

fn upload(run: &mut Run) -> Outcome {
    let content = content(run);
    let scene = scene(run, b"")?;
    let mut watch = Watch::of(content.len() as u64);
    let (began, file) = (Instant::now(), run.values.get("file").to_owned());
    let file = if scene.is_own { "uploaded.bin" } else { file.as_str() };
    let length = content.len() as u64;
    let done =
        scene.client.upload(file, &mut &content[..], length, &mut |event| watch.event(event))?;
    report(run, &scene, &watch, &done, began);
    if scene.is_own {
        let stored = std::fs::read(run.folder().join("shared").join(file))?;
        run.check(
            text(
                "服务器保存的 SHA-256 与原文件相同",
                "What the server keeps has the SHA-256 of the file",
            ),
            demo::hash(&content),
            demo::hash(&stored),
        );
    } else {
        run.value("sha256", same("SHA-256"), demo::hash(&content));
        run.check_that(
            text("服务器应答了最后一块", "The server acknowledged the last block"),
            true,
            length,
            done.bytes,
        );
    }
    Ok(())
}

fn wrap(run: &mut Run) -> Outcome {
    // The last block is not full.
    let content = demo::content(run.values.count("blocks") * 8 - 1);
    let server = demo::serve(run, &[("long.bin", &content)])?;
    let options = Options { block_size: 8, timeout: None, size: Some(0) };
    let client = demo::client(run, server, options)?;
    let mut watch = Watch::of(content.len() as u64);
    let mut received = Vec::new();
    let mut blocks = 0;
    client.download("long.bin", &mut received, &mut |event| {
        if let crate::protocol::Event::Sent {
            packet: crate::protocol::Packet::Ack { block }, ..
        } = &event
        {
            blocks += 1;
            if (65_534..=65_537).contains(&(blocks - 1)) {
                say!("第 {} 块：ACK {block}" | "block {}: ACK {block}", blocks - 1);
            }
        }
        watch.event(event);
    })?;
    run.check(text("每一块都到了", "Every block has come"), content.len(), received.len());
    run.check(
        text("SHA-256 与原文件相同", "The SHA-256 is that of the file"),
        demo::hash(&content),
        demo::hash(&received),
    );
    Ok(())
}
