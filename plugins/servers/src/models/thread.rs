//! Exercise 3: a thread for each connection.

use std::io;
use std::net::TcpListener;
use std::thread;

use crate::echo::{Log, deal_client};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    loop {
        let (client, address) = server.accept()?;
        // The thread owns the socket and closes it: there is no second one, as with processes.
        thread::Builder::new().spawn(move || deal_client(&client, address, log))?;
    }
}
