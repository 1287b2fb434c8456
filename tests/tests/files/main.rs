//! Static files, and compression, against the built server: what RFC 9110 says, what must never be
//! served, and what other programs make of it; and whole requests, beside what nginx makes of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compression;
mod nginx;
mod outside;
mod peers;
mod rules;

use tests::client::{Client, Response};
use tests::server::{Setup, TestServer};

/// Sends a request with more field lines, on a connection of its own.
#[track_caller]
fn ask(server: &TestServer, line: &str, fields: &str) -> Response {
    let mut client = server.client();
    ask_on(&mut client, line, fields)
}

#[track_caller]
fn ask_on(client: &mut Client, line: &str, fields: &str) -> Response {
    client.send(format!("{line} HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
    client.any_response(line.starts_with("HEAD "))
}

/// Writes a file below `html/`, with an age at which it counts as settled.
#[track_caller]
fn write(setup: &Setup, name: &str, content: impl AsRef<[u8]>) {
    let file = setup.folder().join("html").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, content).unwrap();
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
}

/// Text of so many bytes that compresses well.
fn text(count: usize) -> String {
    let mut text: String =
        (0..count / 20 + 1).map(|number| format!("<p>paragraph {number}</p>\n")).collect();
    text.truncate(count);
    text
}

fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    // What ends too early is given as far as it goes.
    let _ = match coding {
        "br" => brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain),
        "zstd" => zstd::Decoder::new(coded).unwrap().read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(coded).read_to_end(&mut plain),
        other => panic!("nobody asked for {other}"),
    };
    plain
}
