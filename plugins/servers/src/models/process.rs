//! Exercise 2: a process for each connection.

use std::io;
use std::net::TcpListener;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::echo::{Log, deal_client};

pub fn serve(server: &TcpListener, log: Log) -> io::Result<()> {
    loop {
        let (client, address) = server.accept()?;
        lab::child(|| {
            deal_client(&client, address, log);
            0
        })?;
        // Parent and child have the socket each. Closing the parent's leaves the child's as it is;
        // not closing it would keep the connection open when the child has ended.
        drop(client);
        // Children that have ended meanwhile would stay zombies.
        let ended = Some(WaitPidFlag::WNOHANG);
        while waitpid(None, ended).is_ok_and(|status| status != WaitStatus::StillAlive) {}
    }
}
