//! Exercise 1: one process, one client at a time.

use std::io;
use std::net::TcpListener;

use crate::echo::{Log, deal_client};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    loop {
        let (client, address) = server.accept()?;
        // All others wait, in the kernel's queue, until this one has left.
        deal_client(&client, address, log);
    }
}
