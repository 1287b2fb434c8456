//! poll: as select, with a list instead of a set, and so without its limit.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::echo::{Log, answer, is_alive};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    let mut inputs: Vec<(TcpStream, SocketAddr)> = Vec::new();
    loop {
        let sockets = inputs.iter().map(|(socket, _)| socket.as_fd());
        let mut list: Vec<_> = std::iter::once(server.as_fd())
            .chain(sockets)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        match poll(&mut list, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        // The kernel has walked along the whole list, and so must we.
        let mut marks: Vec<bool> = list.iter().map(|entry| entry.any() == Some(true)).collect();
        let has_new = marks.remove(0);
        let mut marks = marks.into_iter();
        inputs.retain(|(socket, address)| {
            marks.next() != Some(true) || answer(socket, *address, log)
        });
        if has_new {
            match server.accept() {
                Ok(client) => inputs.push(client),
                Err(error) if is_alive(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
