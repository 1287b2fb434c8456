//! The request body as a plugin reads it: whole, from memory or an unlinked file, or as it arrives.
//!
//! Reading never waits. A streamed body is read from the socket only when the plugin asks, so a
//! plugin that does not read holds its client back and nothing else.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use csgi::raw;
use rustix::io::Errno;

use crate::http::body::BodyDecoder;

/// Bytes asked of the socket at a time.
const READ_SIZE: usize = 16 * 1024;
/// The interim response that asks for the body (RFC 9110 §10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

enum Source {
    Memory(Vec<u8>),
    File(File),
    Stream(Stream),
}

struct Stream {
    /// Bytes from the socket that are not decoded yet, from `Input::position`.
    bytes: Vec<u8>,
    /// None after 101: everything is data.
    decoder: Option<BodyDecoder>,
    ended: bool,
}

pub struct Input {
    source: Source,
    /// How much of the source is used up.
    position: usize,
    /// None: there is no request.
    socket: Option<Arc<OwnedFd>>,
    /// Nothing else waits to be sent, so an interim response may go out at once.
    may_send: bool,
    expects_continue: bool,
    /// Bytes that came from the socket since `take_count`.
    count: u64,
    /// The last `read` found nothing yet: the plugin's `next` is due when bytes arrive.
    pub starved: bool,
}

/// See `Input::stored`.
pub enum Stored<'i> {
    Bytes(&'i [u8]),
    File(BorrowedFd<'i>),
    /// Bytes of the connection that were not decoded; at the body's end they are the next request's.
    Stream {
        rest: &'i [u8],
        is_at_end: bool,
    },
}

impl Input {
    fn new(source: Source, socket: Arc<OwnedFd>, may_send: bool) -> Self {
        Self {
            source,
            position: 0,
            socket: Some(socket),
            may_send,
            expects_continue: false,
            starved: false,
            count: 0,
        }
    }

    /// For a request without a body, or with one that is not here yet; in the memory of the last one.
    pub fn begin(&mut self, socket: Arc<OwnedFd>, may_send: bool) {
        self.socket = Some(socket);
        self.may_send = may_send;
    }

    /// The request is over: nothing of it is kept but memory.
    pub fn end(&mut self) {
        match &mut self.source {
            Source::Memory(bytes) => {
                bytes.clear();
                bytes.shrink_to(READ_SIZE);
            }
            Source::File(_) | Source::Stream(_) => self.source = Source::Memory(Vec::new()),
        }
        self.position = 0;
        self.socket = None;
        self.expects_continue = false;
        self.count = 0;
        self.starved = false;
    }

    /// Memory for a body that is on its way.
    pub fn take_memory(&mut self) -> Vec<u8> {
        match &mut self.source {
            Source::Memory(bytes) => std::mem::take(bytes),
            Source::File(_) | Source::Stream(_) => Vec::new(),
        }
    }

    /// Of no request.
    pub fn none() -> Self {
        Self {
            source: Source::Memory(Vec::new()),
            position: 0,
            socket: None,
            may_send: false,
            expects_continue: false,
            starved: false,
            count: 0,
        }
    }

    pub fn memory(bytes: Vec<u8>, socket: Arc<OwnedFd>, may_send: bool) -> Self {
        Self::new(Source::Memory(bytes), socket, may_send)
    }

    pub fn file(file: File, socket: Arc<OwnedFd>, may_send: bool) -> Self {
        Self::new(Source::File(file), socket, may_send)
    }

    /// `bytes` came from the socket behind the head.
    pub fn stream(
        bytes: Vec<u8>,
        decoder: BodyDecoder,
        socket: Arc<OwnedFd>,
        may_send: bool,
        expects_continue: bool,
    ) -> Self {
        let stream = Stream { bytes, decoder: Some(decoder), ended: false };
        let mut input = Self::new(Source::Stream(stream), socket, may_send);
        input.expects_continue = expects_continue;
        input
    }

    /// The whole body, if it is held in memory.
    pub fn in_memory(&self) -> &[u8] {
        match &self.source {
            Source::Memory(bytes) => bytes,
            Source::File(_) | Source::Stream(_) => &[],
        }
    }

    /// What there is of the body, when a connection moves: nothing has been read of it, or nobody
    /// will read on.
    pub fn stored(&self) -> Stored<'_> {
        match &self.source {
            Source::Memory(bytes) => Stored::Bytes(bytes),
            Source::File(file) => Stored::File(file.as_fd()),
            Source::Stream(stream) => Stored::Stream {
                rest: stream.bytes.get(self.position..).unwrap_or_default(),
                is_at_end: stream.ended && stream.decoder.is_some(),
            },
        }
    }

    /// The next bytes, as `csgi_host.read` gives them. `interim` takes what cannot be sent now.
    pub fn read(&mut self, buffer: &mut [u8], interim: &mut Vec<u8>) -> i64 {
        self.starved = false;
        match &mut self.source {
            Source::Memory(bytes) => {
                let rest = &bytes[self.position..];
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.position += count;
                if count == 0 { raw::END.into() } else { count as i64 }
            }
            Source::File(file) => match file.read_at(buffer, self.position as u64) {
                Ok(0) => raw::END.into(),
                Ok(count) => {
                    self.position += count;
                    count as i64
                }
                Err(_) => raw::ERROR.into(),
            },
            Source::Stream(_) => {
                if std::mem::take(&mut self.expects_continue) {
                    interim.extend_from_slice(CONTINUE);
                    self.send_interim(interim);
                }
                self.read_stream(buffer)
            }
        }
    }

    fn read_stream(&mut self, buffer: &mut [u8]) -> i64 {
        let Source::Stream(stream) = &mut self.source else { return raw::ERROR.into() };
        loop {
            if stream.ended {
                return raw::END.into();
            }
            let rest = &stream.bytes[self.position..];
            let offered = &rest[..rest.len().min(buffer.len())];
            if !offered.is_empty() {
                let (consumed, data, done) = match &mut stream.decoder {
                    None => (offered.len(), offered, false),
                    Some(decoder) => match decoder.step(offered) {
                        Ok(step) => (step.consumed, step.data, step.done),
                        Err(_) => return raw::ERROR.into(),
                    },
                };
                let count = data.len();
                buffer[..count].copy_from_slice(data);
                self.position += consumed;
                stream.ended = done;
                if count > 0 {
                    return count as i64;
                }
                continue;
            }
            stream.bytes.clear();
            self.position = 0;
            stream.bytes.resize(READ_SIZE, 0);
            let Some(socket) = &self.socket else { return raw::ERROR.into() };
            let result = rustix::io::read(socket.as_fd(), &mut stream.bytes[..]);
            stream.bytes.truncate(*result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) if stream.decoder.is_none() => stream.ended = true,
                Ok(0) => return raw::ERROR.into(),
                Ok(count) => self.count += count as u64,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.starved = true;
                    return raw::PENDING.into();
                }
                Err(_) => return raw::ERROR.into(),
            }
        }
    }

    /// How many bytes have come from the socket since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }

    /// After 101: the bytes that arrive are the plugin's, as they are.
    pub fn become_raw(&mut self) {
        let bytes = match &mut self.source {
            Source::Stream(stream) => stream.bytes.split_off(self.position),
            Source::Memory(_) | Source::File(_) => Vec::new(),
        };
        self.position = 0;
        self.source = Source::Stream(Stream { bytes, decoder: None, ended: false });
    }

    /// Bytes that arrived behind an upgrade request belong to the new protocol.
    pub fn push_raw(&mut self, more: &[u8]) {
        if let Source::Stream(stream) = &mut self.source {
            stream.bytes.extend_from_slice(more);
        }
    }

    /// Sends what an interim response holds, if nothing waits before it.
    pub fn send_interim(&mut self, interim: &mut Vec<u8>) {
        let Some(socket) = self.socket.as_ref().filter(|_| self.may_send) else { return };
        match rustix::io::write(socket.as_fd(), interim) {
            Ok(sent) => drop(interim.drain(..sent)),
            // The answer's own write will meet the same error.
            Err(_) => self.may_send = false,
        }
    }

    /// The request is over: the bytes that belong to the next one, or None if this body was not
    /// read to its end.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let Source::Stream(stream) = &mut self.source else { return Some(Vec::new()) };
        while let Some(decoder) = stream.decoder.as_mut().filter(|_| !stream.ended) {
            let step = decoder.step(&stream.bytes[self.position..]).ok()?;
            self.position += step.consumed;
            stream.ended = step.done;
            if step.consumed == 0 && !step.done {
                return None;
            }
        }
        stream.decoder.as_ref()?;
        Some(stream.bytes.split_off(self.position))
    }
}

/// Offset and length of a body in a regular file, checked: `length` -1 is the rest of the file.
pub fn file_range(file: &OwnedFd, offset: i64, length: i64) -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(file).ok()?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return None;
    }
    let offset = u64::try_from(offset).ok()?;
    let rest = u64::try_from(stat.st_size).ok()?.checked_sub(offset)?;
    match length {
        -1 => Some((offset, rest)),
        _ => u64::try_from(length).ok().filter(|length| *length <= rest).map(|l| (offset, l)),
    }
}
