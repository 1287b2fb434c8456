//! The load: many clients in one thread, each of which sends a message, waits for its echo, and sends
//! the next.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

/// Nothing that a server does for a client takes longer, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    socket: TcpStream,
    /// Bytes of the running message that are sent, and that have come back.
    sent: usize,
    back: usize,
    echoes: u64,
    /// Messages that it may send.
    goal: u64,
    is_open: bool,
}

pub struct Load {
    epoll: Epoll,
    clients: Vec<Client>,
    message: Vec<u8>,
}

impl Load {
    /// Connects `count` clients, each of which sends one message. Those that the server does not
    /// accept yet are still connecting.
    pub fn connect(address: SocketAddr, count: usize, size: usize) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            match socket.connect(&address.into()) {
                Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => {
                    return Err(error);
                }
                _ => {}
            }
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            epoll.add(&socket, EpollEvent::new(flags, number as u64))?;
            let socket = socket.into();
            clients.push(Client { socket, sent: 0, back: 0, echoes: 0, goal: 1, is_open: true });
        }
        Ok(Self { epoll, clients, message: vec![b'm'; size] })
    }

    /// From now on so many of the clients send as fast as they are answered; the others are silent.
    pub fn go(&mut self, active: usize) {
        for client in self.clients.iter_mut().take(active) {
            client.goal = u64::MAX;
            client.turn(&self.message);
        }
    }

    /// How many clients have got an echo.
    pub fn served(&self) -> usize {
        self.clients.iter().filter(|client| client.echoes > 0).count()
    }

    /// How many clients the server has closed.
    pub fn closed(&self) -> usize {
        self.clients.iter().filter(|client| !client.is_open).count()
    }

    /// All echoes.
    pub fn echoes(&self) -> u64 {
        self.clients.iter().map(|client| client.echoes).sum()
    }

    /// Goes on until it is so, at most for `longest`.
    pub fn run(&mut self, longest: Duration, is_so: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + longest;
        let mut events = [EpollEvent::empty(); 256];
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let timeout = EpollTimeout::try_from(left.min(Duration::from_millis(50)));
            let count = match self.epoll.wait(&mut events, timeout.unwrap_or(EpollTimeout::ZERO)) {
                Err(Errno::EINTR) => 0,
                result => result?,
            };
            for event in &events[..count] {
                self.clients[event.data() as usize].turn(&self.message);
            }
        }
        Ok(true)
    }
}

impl Client {
    /// As much as can be done now.
    fn turn(&mut self, message: &[u8]) {
        let mut buffer = [0; 4096];
        while self.is_open {
            let may_send = self.sent < message.len() && self.echoes < self.goal;
            let result = if may_send {
                self.socket.write(&message[self.sent..]).inspect(|count| self.sent += count)
            } else {
                self.socket.read(&mut buffer).inspect(|count| self.back += count)
            };
            match result {
                Ok(0) => self.is_open = false,
                Ok(_) => {}
                // Not connected yet is one more way to have to wait.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) =>
                {
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_open = false,
            }
            if self.back == message.len() {
                self.echoes += 1;
                (self.sent, self.back) = (0, 0);
            }
        }
    }
}
