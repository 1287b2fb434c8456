//! Exercise 6, right: epoll, edge-triggered. The kernel keeps the list, and tells of changes only.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::echo::{Client, Log, is_alive};

/// Events taken at once.
const EVENTS: usize = 64;

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    server.set_nonblocking(true)?;
    let number = |socket: &dyn AsRawFd| socket.as_raw_fd() as u64;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll
        .add(server, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, number(server)))?;
    let mut clients: HashMap<u64, Client> = HashMap::new();
    let mut events = [EpollEvent::empty(); EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        // Only sockets on which something has happened are in the list: nothing is searched.
        for event in &events[..count] {
            if event.data() != number(server) {
                // Told once for all that has arrived: `turn` reads until there is no more.
                if clients.get_mut(&event.data()).is_some_and(|client| !client.turn(log)) {
                    // Closing takes it out of the epoll.
                    clients.remove(&event.data());
                }
                continue;
            }
            // And once for all clients that have come: accept until there is no more.
            loop {
                let (socket, address) = match server.accept() {
                    Ok(new) => new,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if is_alive(&error) => continue,
                    Err(error) => return Err(error),
                };
                let key = number(&socket);
                let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
                let client = Client::new(socket, address)?;
                epoll.add(client.socket(), EpollEvent::new(edges, key))?;
                clients.insert(key, client);
            }
        }
    }
}
