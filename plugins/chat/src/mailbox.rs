//! Where a session gets its letters, from whichever process of the server.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::rand::{GetRandomFlags, getrandom};

/// Characters of a letter at most.
pub const LETTER_LIMIT: usize = 1000;

#[derive(Debug)]
pub struct Mailbox {
    socket: UnixDatagram,
    token: String,
}

impl Mailbox {
    /// With a token that nobody can guess.
    ///
    /// # Errors
    /// There is no socket.
    pub fn new() -> io::Result<Self> {
        let mut random = [0_u8; 16];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let socket = UnixDatagram::bind_addr(&address(&token)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, token })
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// A letter, if there is one. An empty one only wakes.
    pub fn take(&self) -> Option<String> {
        let mut buffer = vec![0; LETTER_LIMIT * 4];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        String::from_utf8(buffer).ok()
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn address(token: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("tenon-chat/{token}"))
}

/// Writes to the mailbox of a token.
///
/// # Errors
/// `ConnectionRefused`: there is none of that token, or not any more; `WouldBlock`: it is full.
pub fn post(token: &str, letter: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(letter.as_bytes(), &address(token)?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_reach_the_mailbox_of_their_token_only() {
        let (mine, other) = (Mailbox::new().unwrap(), Mailbox::new().unwrap());
        post(mine.token(), "你好").unwrap();
        assert_eq!(mine.take().as_deref(), Some("你好"));
        assert_eq!(other.take(), None);
        let token = mine.token().to_owned();
        drop(mine);
        let error = post(&token, "gone").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
