//! What the models share: the listening socket, the lesson's log lines, and one client's turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use lab::say;
use socket2::{Domain, Protocol, Socket, Type};

/// `recv(1024)`
pub const BUFFER: usize = 1024;
/// Bytes that a client may leave unread before nothing more is read from it.
const PENDING: usize = 64 * 1024;

/// `socket`, `setsockopt(SO_REUSEADDR)`, `bind`, `listen`: on the loopback, at a port that is free.
pub fn listen(backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The lesson's `print`. Under load nothing is printed: that would be what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Shown,
    Quiet,
}

impl Log {
    pub fn said(self, address: SocketAddr, data: &[u8]) {
        if self == Self::Shown {
            let shown = String::from_utf8_lossy(&data[..data.len().min(60)]);
            say!("<{address}>: {shown}");
        }
    }

    pub fn left(self, address: SocketAddr) {
        if self == Self::Shown {
            say!("客户端 {address} 退出" | "client {address} has left");
        }
    }
}

/// Errors of one connection, or for now, that a server outlives.
pub fn is_alive(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted)
}

/// One client from its first byte to its last; the thread waits for it.
pub fn deal_client(client: &TcpStream, address: SocketAddr, log: Log) {
    while answer(client, address, log) {}
}

/// One `recv` and its echo. `false`: the client has left.
pub fn answer(mut client: &TcpStream, address: SocketAddr, log: Log) -> bool {
    let mut data = [0; BUFFER];
    match client.read(&mut data) {
        Err(error) if error.kind() == ErrorKind::Interrupted => true,
        // A client that was cut off has left as well.
        Ok(0) | Err(_) => {
            log.left(address);
            false
        }
        Ok(count) => {
            log.said(address, &data[..count]);
            client.write_all(&data[..count]).is_ok()
        }
    }
}

/// A client whose socket never makes the server wait: what it does not take is kept for it.
pub struct Client {
    socket: TcpStream,
    address: SocketAddr,
    pending: Vec<u8>,
}

impl Client {
    pub fn new(socket: TcpStream, address: SocketAddr) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // The pieces of a long echo must not wait for each other's acknowledgement (Nagle).
        socket.set_nodelay(true)?;
        Ok(Self { socket, address, pending: Vec::new() })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads and echoes as much as can be. `false`: the client has left.
    pub fn turn(&mut self, log: Log) -> bool {
        let mut data = [0; BUFFER];
        loop {
            if !self.send_pending() {
                return false;
            }
            if self.pending.len() >= PENDING {
                return true;
            }
            match self.socket.read(&mut data) {
                Ok(0) => {
                    log.left(self.address);
                    return false;
                }
                Ok(count) => {
                    log.said(self.address, &data[..count]);
                    self.pending.extend_from_slice(&data[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    log.left(self.address);
                    return false;
                }
            }
        }
    }

    fn send_pending(&mut self) -> bool {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
