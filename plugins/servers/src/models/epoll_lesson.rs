//! Exercise 6 as the lesson has it: EPOLLET, but one `accept` and one `recv(1024)` for each event.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::echo::{BUFFER, Log};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let server_fd = server.as_raw_fd() as u64;
    epoll.add(server, EpollEvent::new(edge, server_fd))?;
    let mut socket_dict = HashMap::new();
    let mut epoll_list = [EpollEvent::empty(); 64];
    let mut buffer = [0; BUFFER];
    loop {
        let count = match epoll.wait(&mut epoll_list, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        for event in &epoll_list[..count] {
            if event.data() == server_fd {
                let (socket, address) = server.accept()?;
                let fd = socket.as_raw_fd() as u64;
                epoll.add(&socket, EpollEvent::new(edge, fd))?;
                socket_dict.insert(fd, (socket, address));
                continue;
            }
            let Some((socket, address)) = socket_dict.get_mut(&event.data()) else { continue };
            // Wrong: what has arrived behind these 1024 bytes raises no event of its own.
            let data = socket.read(&mut buffer).unwrap_or(0);
            if data > 0 {
                log.said(*address, &buffer[..data]);
                let _ = socket.write_all(&buffer[..data]);
            } else {
                log.left(*address);
                socket_dict.remove(&event.data());
            }
        }
    }
}
