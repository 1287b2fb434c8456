//! Exercise 5: select. The kernel is given a set of descriptors, and marks those that can be read.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use lab::say;
use nix::errno::Errno;
use nix::sys::select::{FD_SETSIZE, FdSet, select};

use crate::echo::{Log, answer, is_alive};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    let mut inputs: Vec<(TcpStream, SocketAddr)> = Vec::new();
    loop {
        // The set is a row of 1024 bits. It is filled anew each time: select overwrites it.
        let mut readable = FdSet::new();
        readable.insert(server.as_fd());
        for (socket, _) in &inputs {
            readable.insert(socket.as_fd());
        }
        match select(None, &mut readable, None, None, None) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        // Which of them are marked? All of them have to be looked at.
        let has_new = readable.contains(server.as_fd());
        let marked: Vec<bool> =
            inputs.iter().map(|(socket, _)| readable.contains(socket.as_fd())).collect();
        let mut marks = marked.into_iter();
        inputs.retain(|(socket, address)| {
            marks.next() != Some(true) || answer(socket, *address, log)
        });
        if has_new {
            match server.accept() {
                Ok((socket, address)) if fits(&socket) => inputs.push((socket, address)),
                // Dropped, and so closed.
                Ok((_, address)) => {
                    let limit = FD_SETSIZE;
                    say!(
                        "{address}：描述符不小于 {limit}，select 放不下，只能关闭"
                            | "{address}: its descriptor is not below {limit}; select cannot hold it, closed"
                    );
                }
                Err(error) if is_alive(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// FD_SETSIZE is about the NUMBER of a descriptor. C's FD_SET with a greater one writes behind the
/// set: not an error, but somebody else's memory.
fn fits(socket: &TcpStream) -> bool {
    usize::try_from(socket.as_raw_fd()).is_ok_and(|number| number < FD_SETSIZE)
}
