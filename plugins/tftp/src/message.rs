//! The packets of TFTP, byte by byte.

use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::hex;

use crate::protocol::{Code, Kind, Mode, Options, Packet, Request};

pub const EXPERIMENT: Experiment = Experiment {
    name: "message",
    title: text("报文格式", "The packets"),
    lesson: text(
        "<p>读写请求：操作码 1/2 + 文件名 + 0 + 模式 + 0；数据：3 + 块编号 + 数据；应答：4 + 块编号；错误：5 + 错误码 + 错误信息 + 0。\
         操作码和块编号是大端的两个字节。课程写错误报文以 1 结束，标准（RFC 1350）规定是 0。\
         <code>struct.pack(\"!H10sb5sb\", 1, b\"rabbit.jpg\", 0, b\"octet\", 0)</code> 只适合 10 个字节的文件名，这里按长度编码。",
        "<p>Requests: operation 1 or 2, file name, 0, mode, 0. Data: 3, block, data. Acknowledgement: 4, block. Error: 5, code, \
         message, 0. Operation and block are two bytes, big-endian. The lesson lets an error end in 1; the standard (RFC 1350) \
         says 0. <code>struct.pack(\"!H10sb5sb\", 1, b\"rabbit.jpg\", 0, b\"octet\", 0)</code> only fits names of ten bytes; \
         here any name fits.",
    ),
    parameters: &[
        Parameter::line("file", text("文件名", "File"), 60, "rabbit.jpg"),
        Parameter::integer("block", text("块编号", "Block"), 0, 65535, 1),
        Parameter::integer(
            "blksize",
            text("选项 blksize（512：不用选项）", "Option blksize (512: none)"),
            8,
            65464,
            512,
        ),
    ],
    source: include_str!("protocol/packet.rs"),
    python: include_str!("../lesson/teacher.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let file = run.values.get("file").as_bytes().to_vec();
    let block = run.values.integer("block") as u16;
    let options = Options { block_size: run.values.count("blksize"), ..Options::default() };
    let asked = options.to_ask();
    let request =
        Request { kind: Kind::Read, file: file.clone(), mode: Mode::Octet, options: asked };
    let packets = [
        (text("读请求 RRQ", "Read request RRQ"), Packet::Request(request)),
        (text("数据 DATA", "Data DATA"), Packet::Data { block, data: b"data...".to_vec() }),
        (text("应答 ACK", "Acknowledgement ACK"), Packet::Ack { block }),
        (
            text("错误 ERROR", "Error ERROR"),
            Packet::Error { code: Code::NOT_FOUND, message: "File not found".to_owned() },
        ),
    ];
    for (title, packet) in packets {
        let bytes = packet.encode();
        let name = title.get(lab::run::lang());
        say!("{name}: {}", hex::pairs(&bytes));
        run.picture(title, &lab::svg::bytes(&parts(&packet, &bytes)));
        run.check(title, packet.summary(), Packet::parse(&bytes).map(|packet| packet.summary())?);
        if matches!(packet, Packet::Request(_))
            && file == b"rabbit.jpg"
            && options == Options::default()
        {
            let lesson = hex::pairs(b"\x00\x01rabbit.jpg\x00octet\x00");
            run.check(
                text("与课程的 struct.pack 相同", "The same as the lesson's struct.pack"),
                lesson,
                hex::pairs(&bytes),
            );
        }
    }
    Ok(())
}

/// Which bytes are what.
fn parts(packet: &Packet, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let word = |zh, en| text(zh, en).get(lab::run::lang()).to_owned();
    let mut parts = vec![(word("操作码", "operation"), bytes[..2].to_vec())];
    let rest = &bytes[2..];
    match packet {
        Packet::Request(_) => {
            let names = ["文件名|file name", "模式|mode", "选项|option", "值|value"];
            for (place, part) in rest.split_inclusive(|byte| *byte == 0).enumerate() {
                let (zh, en) = names[place.min(2 + place % 2)].split_once('|').unwrap_or_default();
                parts.push((format!("{} + 0", text(zh, en).get(lab::run::lang())), part.to_vec()));
            }
        }
        Packet::Error { .. } => {
            parts.push((word("错误码", "code"), rest[..2].to_vec()));
            parts.push((word("错误信息 + 0", "message + 0"), rest[2..].to_vec()));
        }
        _ => {
            parts.push((word("块编号", "block"), rest[..2].to_vec()));
            if rest.len() > 2 {
                parts.push((word("数据", "data"), rest[2..].to_vec()));
            }
        }
    }
    parts
}
