//! A browser's seat in the room: a TCP client like any other, whose lines are shown.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use chat::{Guest, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use wire::{Charset, Interface, hex};

use super::hub::{self, Opened};

/// How long the room may take to answer at first.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);
/// Bytes of one line.
const LINE_LIMIT: usize = 16 << 10;

/// Sits in the room until the browser goes away; if the room ends, in the next one.
pub fn sit(session: &Session, interface: &Interface, port: u16, guest: &Guest) {
    let address = SocketAddrV4::new(interface.address, port);
    let mut failures = 0;
    while !session.is_over() && failures < 3 {
        let opened = match hub::open(interface.address, port) {
            Ok(opened) => opened,
            Err(error) => {
                session.tell("error", &json!({"text": format!("bind({address}): {error}")}));
                return;
            }
        };
        match stay(session, address, guest, &opened) {
            Ok(true) => failures = 0,
            Ok(false) | Err(_) => failures += 1,
        }
    }
    if failures > 0 && !session.is_over() {
        let text = format!("TCP port {port} belongs to another program, which is no chat room");
        session.tell("error", &json!({"text": text}));
    }
}

/// Until the connection ends or the browser goes away. `true`: the room has answered.
fn stay(
    session: &Session,
    room: SocketAddrV4,
    guest: &Guest,
    opened: &Opened,
) -> std::io::Result<bool> {
    let address = SocketAddr::V4(room);
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let own = stream.local_addr()?.to_string();
    let charset = guest.charset;
    say(&mut stream, charset, &format!("/charset {}", charset.name()))?;
    say(&mut stream, charset, &format!("/name {}", guest.name))?;
    stream.set_nonblocking(true)?;
    let joined = json!({"own": own, "room": room.to_string(), "opened": *opened == Opened::Here});
    let own_answer = format!("* {}\n", charset.name());
    let began = Instant::now();
    let (mut is_answered, mut pending) = (false, Vec::new());
    while !session.is_over() {
        wait(session, &stream);
        while let Some(letter) = session.mailbox.take() {
            if !letter.is_empty() {
                stream.set_nonblocking(false)?;
                let bytes = say(&mut stream, charset, &letter)?;
                stream.set_nonblocking(true)?;
                session.tell("sent", &json!({"text": letter, "bytes": bytes, "from": own}));
            }
        }
        if read_all(&mut stream, &mut pending)? {
            return Ok(is_answered);
        }
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            // Another program's greeting is no room.
            if !is_answered && line != own_answer.as_bytes() {
                return Ok(false);
            }
            if !std::mem::replace(&mut is_answered, true) {
                session.tell("joined", &joined);
                continue;
            }
            let text = charset.decode(&line).text;
            let event = json!({"text": text.trim_end(), "bytes": hex::some_pairs(&line, 48)});
            session.tell("message", &event);
        }
        if pending.len() > LINE_LIMIT || (!is_answered && began.elapsed() > ANSWER_LIMIT) {
            return Ok(is_answered);
        }
    }
    Ok(is_answered)
}

/// A line; gives its bytes as people read them.
fn say(stream: &mut TcpStream, charset: Charset, text: &str) -> std::io::Result<String> {
    let line = format!("{text}\n");
    let bytes = charset.encode(&line).unwrap_or_else(|_| line.clone().into_bytes());
    stream.write_all(&bytes)?;
    Ok(hex::some_pairs(&bytes, 48))
}

/// What has come; `true`: the room has closed.
fn read_all(stream: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    while pending.len() <= LINE_LIMIT {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(length) => pending.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Until there is a letter or a line, or a while has passed.
fn wait(session: &Session, stream: &TcpStream) {
    let timeout = Timespec { tv_sec: TICK.as_secs() as i64, tv_nsec: 0 };
    let mut wanted =
        [PollFd::new(stream, PollFlags::IN), PollFd::new(&session.mailbox, PollFlags::IN)];
    // Whatever the reason, both are looked at next.
    let _ = poll(&mut wanted, Some(&timeout));
}
