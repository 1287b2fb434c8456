//! Bytes on their way to a socket: encoded ones first, then a tail that is not copied.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::coded::{CodedBody, Source};
use crate::handoff::message;
use crate::http::response::FilePart;
use crate::plugin::fence::Borrowed;

/// Bytes asked of `sendfile` at a time, so that one large file does not keep a thread.
const FILE_STEP: u64 = 1024 * 1024;

/// Pieces compressed in one go before other connections have their turn.
const CODED_PIECES: usize = 8;

/// What follows the encoded bytes.
#[derive(Debug, Default)]
pub enum Tail {
    #[default]
    None,
    /// The plugin's bytes, from the position up to the end. They stay when they are sent: giving
    /// them back is a call into the plugin, and has its own time.
    Borrowed {
        bytes: Borrowed,
        position: usize,
        end: usize,
    },
    Copied {
        bytes: Bytes,
        position: usize,
    },
    File {
        file: Arc<OwnedFd>,
        offset: u64,
        left: u64,
    },
    /// Parts of a file, each behind its bytes; those before `next` are sent.
    Parts {
        file: Arc<OwnedFd>,
        parts: Vec<FilePart>,
        next: usize,
        /// How far the bytes of that part are sent.
        position: usize,
    },
    /// Compressed piece by piece into the encoded bytes.
    Coded(Box<CodedBody>),
}

impl Tail {
    /// Bytes of the plugin's that must be given back to it, sent or not.
    pub fn is_lent(&self) -> bool {
        match self {
            Self::Borrowed { .. } => true,
            Self::Coded(body) => matches!(body.source, Source::Borrowed(_)),
            _ => false,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    All,
    /// The socket takes no more; epoll says when it does.
    Blocked {
        /// Bytes that it took before that.
        moved: u64,
    },
    /// More could be sent, but others should have their turn.
    Paused,
}

#[derive(Debug, Default)]
pub struct Output {
    /// Encoded bytes, sent up to `position`.
    pub bytes: Vec<u8>,
    position: usize,
    pub tail: Tail,
}

impl Output {
    /// Bytes that were encoded elsewhere.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, position: 0, tail: Tail::None }
    }

    /// The encoded bytes that wait.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// What waits behind them; `None`: it cannot go on in another process.
    pub fn tail_rest(&self) -> Option<message::Tail<'_>> {
        Some(match &self.tail {
            Tail::None => message::Tail::None,
            Tail::Borrowed { bytes, position, end } => tail_bytes(bytes.bytes(), *position, *end),
            Tail::Copied { bytes, position } => tail_bytes(bytes, *position, bytes.len()),
            Tail::File { file, offset, left } => {
                message::Tail::File { file: file.as_fd(), offset: *offset, left: *left }
            }
            Tail::Parts { .. } | Tail::Coded(_) => return None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.waiting() == 0 && !self.has_tail()
    }

    /// Something is behind the encoded bytes, sent or not.
    pub fn has_any_tail(&self) -> bool {
        !matches!(self.tail, Tail::None)
    }

    /// Something is to be sent behind the encoded bytes.
    pub fn has_tail(&self) -> bool {
        match &self.tail {
            Tail::None => false,
            Tail::Borrowed { position, end, .. } => position < end,
            Tail::Coded(body) => !body.is_done(),
            Tail::Copied { .. } | Tail::File { .. } | Tail::Parts { .. } => true,
        }
    }

    /// Encoded bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// How much waits altogether.
    fn left(&self) -> u64 {
        let tail = match &self.tail {
            Tail::None => 0,
            Tail::Borrowed { position, end, .. } => (end - position) as u64,
            Tail::Copied { bytes, position } => (bytes.len() - position) as u64,
            Tail::File { left, .. } => *left,
            Tail::Parts { parts, next, position, .. } => {
                let parts = parts[*next..].iter();
                let left: u64 = parts.map(|part| part.before.len() as u64 + part.length).sum();
                left - *position as u64
            }
            Tail::Coded(body) => body.left(),
        };
        self.waiting() as u64 + tail
    }

    /// The encoded bytes have gone another way.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.position = 0;
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// The connection is broken, or a file is shorter than was promised: nothing can be sent on
    /// it any more.
    pub fn send(&mut self, socket: &OwnedFd) -> std::io::Result<Sent> {
        if matches!(self.tail, Tail::None) {
            return self.send_encoded(socket);
        }
        let before = self.left();
        Ok(match self.send_some(socket)? {
            Sent::Blocked { .. } => Sent::Blocked { moved: before.saturating_sub(self.left()) },
            sent => sent,
        })
    }

    /// The same, where nothing follows: of most answers.
    fn send_encoded(&mut self, socket: &OwnedFd) -> std::io::Result<Sent> {
        let before = self.position;
        let sent = send_bytes(socket, &self.bytes, &mut self.position)?;
        if sent != Sent::All {
            return Ok(Sent::Blocked { moved: (self.position - before) as u64 });
        }
        self.clear();
        Ok(sent)
    }

    fn send_some(&mut self, socket: &OwnedFd) -> std::io::Result<Sent> {
        let mut pieces = 0;
        loop {
            let sent = match self.tail {
                Tail::File { left: 1.., .. } => {
                    send_before(socket, &self.bytes, &mut self.position)?
                }
                _ => send_bytes(socket, &self.bytes, &mut self.position)?,
            };
            if sent != Sent::All {
                return Ok(sent);
            }
            self.clear();
            match &mut self.tail {
                Tail::Coded(body) if !body.is_done() => {
                    if pieces == CODED_PIECES {
                        return Ok(Sent::Paused);
                    }
                    pieces += 1;
                    body.fill(&mut self.bytes)?;
                }
                _ => return self.send_tail(socket),
            }
        }
    }

    fn send_tail(&mut self, socket: &OwnedFd) -> std::io::Result<Sent> {
        let sent = match &mut self.tail {
            Tail::None => return Ok(Sent::All),
            // `send_some` has seen to it.
            Tail::Coded(body) if matches!(body.source, Source::Borrowed(_)) => {
                return Ok(Sent::All);
            }
            Tail::Coded(_) => Sent::All,
            Tail::Borrowed { bytes, position, end } => {
                return send_bytes(socket, &bytes.bytes()[..*end], position);
            }
            Tail::Copied { bytes, position } => send_bytes(socket, bytes, position)?,
            Tail::File { file, offset, left } => send_file(socket, file, offset, left)?,
            Tail::Parts { file, parts, next, position } => {
                send_parts(socket, file, parts, next, position)?
            }
        };
        if sent == Sent::All {
            self.tail = Tail::None;
        }
        Ok(sent)
    }
}

fn tail_bytes(bytes: &[u8], position: usize, end: usize) -> message::Tail<'_> {
    match bytes.get(position..end).unwrap_or_default() {
        [] => message::Tail::None,
        rest => message::Tail::Bytes(rest),
    }
}

/// Sends bytes that a file follows at once: both leave in one packet where they fit.
fn send_before(socket: &OwnedFd, bytes: &[u8], position: &mut usize) -> std::io::Result<Sent> {
    while *position < bytes.len() {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        match rustix::net::send(socket, &bytes[*position..], flags) {
            Ok(count) => *position += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Sent::Blocked { moved: 0 }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Sent::All)
}

fn send_bytes(socket: &OwnedFd, bytes: &[u8], position: &mut usize) -> std::io::Result<Sent> {
    while *position < bytes.len() {
        match rustix::net::send(socket, &bytes[*position..], SendFlags::NOSIGNAL) {
            Ok(count) => *position += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Sent::Blocked { moved: 0 }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Sent::All)
}

fn send_parts(
    socket: &OwnedFd,
    file: &OwnedFd,
    parts: &mut [FilePart],
    next: &mut usize,
    position: &mut usize,
) -> std::io::Result<Sent> {
    while let Some(part) = parts.get_mut(*next) {
        let sent = send_bytes(socket, &part.before, position)?;
        if sent != Sent::All {
            return Ok(sent);
        }
        let sent = send_file(socket, file, &mut part.offset, &mut part.length)?;
        if sent != Sent::All {
            return Ok(sent);
        }
        *next += 1;
        *position = 0;
    }
    Ok(Sent::All)
}

fn send_file(
    socket: &OwnedFd,
    file: &OwnedFd,
    offset: &mut u64,
    left: &mut u64,
) -> std::io::Result<Sent> {
    let mut budget = FILE_STEP;
    while *left > 0 {
        if budget == 0 {
            return Ok(Sent::Paused);
        }
        let count = (*left).min(budget) as usize;
        match rustix::fs::sendfile(socket, file, Some(offset), count) {
            // The length is promised already; the peer must see that bytes are missing.
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(sent) => {
                *left -= sent as u64;
                budget = budget.saturating_sub(sent as u64);
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Sent::Blocked { moved: 0 }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Sent::All)
}
