//! Exercise 4 as the lesson has it, its mistake kept: `data = new_socket.recv(1024)`.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::rc::Rc;

use crate::echo::{BUFFER, Log};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    server.set_nonblocking(true)?;
    let mut client_addr_list = Vec::new();
    let mut new_socket = None;
    let mut buffer = [0; BUFFER];
    loop {
        if let Ok((socket, address)) = server.accept() {
            socket.set_nonblocking(true)?;
            let socket = Rc::new(socket);
            client_addr_list.push((socket.clone(), address));
            new_socket = Some(socket);
        }
        let mut index = 0;
        while index < client_addr_list.len() {
            let (cli_socket, cli_addr) = client_addr_list[index].clone();
            index += 1;
            // Wrong: whichever client's turn it is, the socket that was accepted LAST is read.
            let Some(read) = &new_socket else { continue };
            let Ok(count) = (&**read).read(&mut buffer) else { continue };
            if count > 0 {
                log.said(cli_addr, &buffer[..count]);
                let _ = (&*cli_socket).write_all(&buffer[..count]);
                continue;
            }
            // … and so the wrong client is taken for gone, and closed.
            log.left(cli_addr);
            client_addr_list.remove(index - 1);
            if Rc::ptr_eq(read, &cli_socket) {
                new_socket = None;
            }
        }
    }
}
