//! Bodies that are compressed on their way out: piece by piece, as the socket takes them.
//!
//! A compressor cannot be handed to another process: such an answer ends where it began.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;

use crate::http::compress::Encoder;
use crate::http::response::{LAST_CHUNK, encode_chunk_head};
use crate::plugin::fence::Borrowed;

/// Plain bytes compressed at a time: a millisecond's work at the most.
const STEP: usize = 32 * 1024;

/// How the coded bytes are framed (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodedFraming {
    Chunked,
    UntilClose,
}

/// A compressor, and where its bytes go.
#[derive(Debug)]
pub struct Coder {
    /// `None`: the body has ended.
    encoder: Option<Encoder>,
    framing: CodedFraming,
    coded: Vec<u8>,
}

impl Coder {
    pub fn new(encoder: Encoder, framing: CodedFraming) -> Self {
        Self { encoder: Some(encoder), framing, coded: Vec::new() }
    }

    pub fn framing(&self) -> CodedFraming {
        self.framing
    }

    /// Takes plain bytes; the coded ones come out when there are enough of them.
    ///
    /// # Errors
    /// The compressor has no memory left; the body must be broken off.
    pub fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        match &mut self.encoder {
            Some(encoder) => encoder.write(plain, &mut self.coded),
            None => Ok(()),
        }
    }

    /// Brings out all that was written: the client can read up to here.
    ///
    /// # Errors
    /// As of `write`.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Some(encoder) => encoder.flush(&mut self.coded),
            None => Ok(()),
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As of `write`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<u64> {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(&mut self.coded)?;
        }
        let count = self.take(out);
        if self.framing == CodedFraming::Chunked {
            out.extend_from_slice(LAST_CHUNK);
        }
        Ok(count)
    }

    /// Frames what has come out; says how many bytes of body that was.
    pub fn take(&mut self, out: &mut Vec<u8>) -> u64 {
        let count = self.coded.len();
        if count == 0 {
            return 0;
        }
        if self.framing == CodedFraming::Chunked {
            encode_chunk_head(out, count);
        }
        out.append(&mut self.coded);
        if self.framing == CodedFraming::Chunked {
            out.extend_from_slice(b"\r\n");
        }
        count as u64
    }
}

/// Where the plain bytes come from.
#[derive(Debug)]
pub enum Source {
    Bytes(Bytes),
    /// The plugin's, which stay until they are given back.
    Borrowed(Borrowed),
    File(Arc<OwnedFd>),
}

/// A body of known length on its way through a compressor.
#[derive(Debug)]
pub struct CodedBody {
    pub source: Source,
    coder: Coder,
    /// Where the next bytes lie in the source, and where it ends.
    position: u64,
    end: u64,
    is_done: bool,
}

impl CodedBody {
    pub fn new(source: Source, from: u64, length: u64, coder: Coder) -> Self {
        Self { source, coder, position: from, end: from + length, is_done: false }
    }

    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Plain bytes that are not compressed yet.
    pub fn left(&self) -> u64 {
        self.end - self.position
    }

    /// Appends the next coded bytes; there may be none for now.
    ///
    /// # Errors
    /// The file is shorter than it was, or the compressor has no memory left: the peer must see
    /// that bytes are missing.
    pub fn fill(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let count = usize::try_from(self.left()).unwrap_or(usize::MAX).min(STEP);
        let start = self.position as usize;
        match &self.source {
            Source::Bytes(bytes) => self.coder.write(&bytes[start..start + count])?,
            Source::Borrowed(bytes) => self.coder.write(&bytes.bytes()[start..start + count])?,
            Source::File(file) => {
                // Not on the stack, where it would be part of every way that ends in sending.
                let mut piece = vec![0; count];
                read_exactly(file, &mut piece, self.position)?;
                self.coder.write(&piece)?;
            }
        }
        self.position += count as u64;
        if self.left() == 0 {
            self.coder.finish(out)?;
            self.is_done = true;
        } else {
            self.coder.take(out);
        }
        Ok(())
    }
}

/// Fills `piece` from a position on.
///
/// # Errors
/// The file cannot be read, or is shorter.
pub fn read_exactly(file: &OwnedFd, piece: &mut [u8], position: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < piece.len() {
        match rustix::io::pread(file, &mut piece[filled..], position + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
