//! A browser's seat in the room: a UDP client like any other, whose datagrams are shown.

use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use chat::{Guest, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use wire::{Charset, Interface, hex};

use super::hub::{self, Opened};

/// Between two signs of life, and when the room is missed.
const BEAT: Duration = Duration::from_secs(2);
const MISSED: Duration = Duration::from_secs(7);

/// Sits in the room until the browser goes away.
pub fn sit(session: &Session, interface: &Interface, port: u16, guest: &Guest) {
    let mut failures = 0;
    while !session.is_over() && failures < 3 {
        let opened = match hub::open(interface.address, port) {
            Ok(opened) => opened,
            Err(error) => {
                let address = SocketAddrV4::new(interface.address, port);
                session.tell("error", &json!({"text": format!("bind({address}): {error}")}));
                return;
            }
        };
        match stay(session, SocketAddrV4::new(interface.address, port), guest, &opened) {
            Ok(true) => failures = 0,
            Ok(false) => failures += 1,
            Err(error) => {
                session.tell("error", &json!({"text": error.to_string()}));
                return;
            }
        }
    }
    if failures > 0 {
        let text = format!("UDP port {port} belongs to another program, which is no chat room");
        session.tell("error", &json!({"text": text}));
    }
}

/// Until the room is missed or the browser goes away. `true`: the room has answered.
fn stay(
    session: &Session,
    room: SocketAddrV4,
    guest: &Guest,
    opened: &Opened,
) -> std::io::Result<bool> {
    let socket = UdpSocket::bind((*room.ip(), 0))?;
    // Nobody but the room is heard, and its absence is noticed by ICMP.
    socket.connect(room)?;
    socket.set_nonblocking(true)?;
    let own: SocketAddr = socket.local_addr()?;
    let is_here = *opened == Opened::Here;
    let say = |text: &str| send(&socket, guest.charset, text);
    say(&format!("/charset {}", guest.charset.name()));
    say(&format!("/name {}", guest.name));
    let joined = json!({"own": own.to_string(), "room": room.to_string(), "opened": is_here});
    let (mut last_heard, mut next_beat) = (Instant::now(), Instant::now() + BEAT);
    let mut is_answered = false;
    while !session.is_over() {
        wait(session, &socket, next_beat);
        while let Some(letter) = session.mailbox.take() {
            if !letter.is_empty() {
                let bytes = say(&letter);
                session.tell(
                    "sent",
                    &json!({"text": letter, "bytes": bytes, "from": own.to_string()}),
                );
            }
        }
        let mut buffer = [0; 8192];
        loop {
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Nobody has the port any more.
                Err(_) => return Ok(is_answered),
            };
            last_heard = Instant::now();
            if !is_answered {
                is_answered = true;
                session.tell("joined", &joined);
            }
            // Answers to what the seat itself has asked.
            let own_answer = format!("* {}\n", guest.charset.name());
            if &buffer[..length] != b"/pong\n" && buffer[..length] != *own_answer.as_bytes() {
                show(session, &buffer[..length], guest.charset);
            }
        }
        let now = Instant::now();
        if now >= next_beat {
            next_beat = now + BEAT;
            say("/ping");
        }
        if now.duration_since(last_heard) > MISSED {
            return Ok(is_answered);
        }
    }
    say("/leave");
    Ok(is_answered)
}

/// Gives the bytes as people read them.
fn send(socket: &UdpSocket, charset: Charset, text: &str) -> String {
    let bytes = charset.encode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
    // A room that is gone is noticed when nothing is heard.
    let _ = socket.send(&bytes);
    hex::some_pairs(&bytes, 48)
}

fn show(session: &Session, bytes: &[u8], charset: Charset) {
    let text = charset.decode(bytes).text;
    let event = json!({"text": text.trim_end(), "bytes": hex::some_pairs(bytes, 48)});
    session.tell("message", &event);
}

/// Until there is a letter, a datagram, or it is time for a sign of life.
pub fn wait(session: &Session, socket: &UdpSocket, until: Instant) {
    let left = until.saturating_duration_since(Instant::now()).min(BEAT);
    let timeout =
        Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    let mut wanted =
        [PollFd::new(socket, PollFlags::IN), PollFd::new(&session.mailbox, PollFlags::IN)];
    // Whatever the reason, both are looked at next.
    let _ = poll(&mut wanted, Some(&timeout));
}
