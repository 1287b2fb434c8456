//! How the body of a plugin's answer goes out, part by part: framed, compressed if it is to be, and
//! held to the length that was promised.

use std::io;

use super::coded::{CodedFraming, Coder};
use crate::http::compress::Encoder;
use crate::http::response::{LAST_CHUNK, encode_chunk_head};

#[derive(Debug)]
pub(super) enum Writer {
    /// The head is not encoded yet; these bytes follow it.
    Gathering(Vec<u8>),
    /// So many bytes are still promised.
    Length {
        left: u64,
    },
    Chunked,
    /// Until the connection ends: after an upgrade, or for HTTP/1.0.
    Raw,
    /// Through a compressor; so many plain bytes are still promised, if any were.
    Coded {
        coder: Box<Coder>,
        left: Option<u64>,
    },
    /// Nothing follows the head: HEAD, 204, 304, or an answer of the server's own.
    Discard,
}

/// What became of parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Bytes of the parts that were taken; the rest is too much.
    pub taken: usize,
    /// Bytes of body that came out.
    pub sent: u64,
}

impl Writer {
    /// Appends parts of `size` bytes together to `out`.
    ///
    /// # Errors
    /// The compressor has no memory left.
    pub(super) fn write<'p>(
        &mut self,
        out: &mut Vec<u8>,
        size: usize,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> io::Result<Written> {
        let taken = match self {
            Self::Gathering(_) | Self::Discard => 0,
            Self::Raw => {
                parts.for_each(|part| out.extend_from_slice(part));
                size
            }
            Self::Chunked => {
                encode_chunk_head(out, size);
                parts.for_each(|part| out.extend_from_slice(part));
                out.extend_from_slice(b"\r\n");
                size
            }
            Self::Length { left } => up_to(left, size, parts, |part| {
                out.extend_from_slice(part);
                Ok(())
            })?,
            Self::Coded { coder, left } => {
                let mut unlimited = u64::MAX;
                let left = left.as_mut().unwrap_or(&mut unlimited);
                let taken = up_to(left, size, parts, |part| coder.write(part))?;
                return Ok(Written { taken, sent: coder.take(out) });
            }
        };
        Ok(Written { taken, sent: taken as u64 })
    }

    /// Brings out what the compressor holds back: nothing may follow for a while.
    ///
    /// # Errors
    /// As of `write`.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<u64> {
        let Self::Coded { coder, .. } = self else { return Ok(0) };
        coder.flush()?;
        Ok(coder.take(out))
    }

    /// Ends the body; says how many bytes of it that brought out.
    ///
    /// # Errors
    /// As of `write`.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<u64> {
        match self {
            Self::Coded { coder, .. } => coder.finish(out),
            Self::Chunked => {
                out.extend_from_slice(LAST_CHUNK);
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// The same, with a compressor in between; `left` plain bytes are promised, if any are.
    pub(super) fn through(self, encoder: Encoder, left: Option<u64>) -> Self {
        let framing = match self {
            Self::Raw => CodedFraming::UntilClose,
            _ => CodedFraming::Chunked,
        };
        Self::Coded { coder: Box::new(Coder::new(encoder, framing)), left }
    }

    /// The end of the connection is the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        match self {
            Self::Raw => true,
            Self::Coded { coder, .. } => coder.framing() == CodedFraming::UntilClose,
            _ => false,
        }
    }

    /// Bytes that are promised and missing; `None`: no number was promised.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Length { left } => Some(*left),
            Self::Coded { left, .. } => *left,
            _ => None,
        }
    }
}

/// Passes on as many bytes of the parts as are left, and counts them.
fn up_to<'p>(
    left: &mut u64,
    size: usize,
    parts: impl Iterator<Item = &'p [u8]>,
    mut pass: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<usize> {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(size);
    let mut room = wanted;
    for part in parts {
        let count = part.len().min(room);
        pass(&part[..count])?;
        room -= count;
    }
    *left -= wanted as u64;
    Ok(wanted)
}
