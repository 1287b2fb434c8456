//! The socket of the room, and the thread that works for it.
//!
//! A server has several workers, and any of them may be asked for the room first. The port decides:
//! who can bind it has the room, and the others are its members. When that worker ends, the port is
//! free, and the next one that misses the room takes over.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use chat::Room;

/// A room that nobody is in ends.
const EMPTY_LIMIT: Duration = Duration::from_secs(30);
/// Members that say nothing for so long have gone; browsers' seats ask for a sign of life more often.
const PATIENCE: Duration = Duration::from_secs(300);
const TICK: Duration = Duration::from_secs(1);

/// Is there a room now?
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// By this call.
    Here,
    /// Somebody has that port; most likely it is the room.
    Elsewhere,
}

/// Opens the room, if nobody has.
///
/// # Errors
/// The address cannot be had.
pub fn open(address: Ipv4Addr, port: u16) -> io::Result<Opened> {
    let socket = match UdpSocket::bind((address, port)) {
        Ok(socket) => socket,
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Ok(Opened::Elsewhere),
        Err(error) => return Err(error),
    };
    socket.set_read_timeout(Some(TICK))?;
    let thread = std::thread::Builder::new().name("udp room".to_owned()).stack_size(256 << 10);
    thread.spawn(move || serve(&socket))?;
    Ok(Opened::Here)
}

fn serve(socket: &UdpSocket) {
    let mut room = Room::new(Some(PATIENCE));
    let mut last_member = Instant::now();
    let mut next_look = Instant::now() + TICK;
    let mut buffer = [0; 2048];
    while last_member.elapsed() < EMPTY_LIMIT {
        let received = socket.recv_from(&mut buffer);
        let now = Instant::now();
        let out = match received {
            Ok((length, from)) => room.take(from, &buffer[..length], now),
            Err(error) => match error.kind() {
                // A member has gone without a word, or nothing has come.
                ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::Interrupted
                | ErrorKind::ConnectionRefused => Vec::new(),
                _ => return,
            },
        };
        send(socket, &out);
        if now >= next_look {
            next_look = now + TICK;
            send(socket, &room.forget_the_silent(now));
        }
        if !room.is_empty() {
            last_member = now;
        }
    }
}

fn send(socket: &UdpSocket, out: &[(SocketAddr, Vec<u8>)]) {
    for (to, line) in out {
        // Whoever has gone loses it, as UDP promises nothing.
        let _ = socket.send_to(line, to);
    }
}
