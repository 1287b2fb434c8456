//! The two halves of a transfer: a file in blocks, in lock step. Client and server share them.
//!
//! Blocks are counted without an end; on the wire the number is its low 16 bits, so that a file may
//! have more than 65,535 blocks: 65,535 is followed by 0.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::link::{Failure, Link, Verdict};
use super::packet::{Code, Packet};

/// Sends everything that `source` gives; the other side waits for block 1.
///
/// # Errors
/// The transfer ended early; the other side has been told, if it was for a reason of this side.
pub fn send(link: &mut Link<'_>, source: &mut dyn Read, block_size: usize) -> Result<u64, Failure> {
    let mut total = 0;
    for count in 1u64.. {
        let mut data = Vec::with_capacity(block_size);
        if let Err(error) = source.take(block_size as u64).read_to_end(&mut data) {
            return Err(link.end(Code::UNDEFINED, format!("cannot read the file: {error}")));
        }
        let (block, length) = (count as u16, data.len());
        link.exchange(&Packet::Data { block, data }, |answer| match answer {
            Packet::Ack { block: acknowledged } if acknowledged == block => Verdict::Done(()),
            _ => Verdict::Ignore,
        })?;
        total += length as u64;
        link.progress(total);
        // A block that is not full is the last; it may be empty.
        if length < block_size {
            break;
        }
    }
    Ok(total)
}

/// Receives a file: `opening` is sent until block 1 comes. Ends without acknowledging the last
/// block; see [`finish`].
///
/// # Errors
/// As [`send`].
pub fn receive(
    link: &mut Link<'_>,
    opening: Packet,
    sink: &mut dyn Write,
    block_size: usize,
) -> Result<(u64, Packet), Failure> {
    receive_from(link, opening, None, sink, block_size)
}

/// As [`receive`]; `first` is block 1, if it has come already.
///
/// # Errors
/// As [`send`].
pub fn receive_from(
    link: &mut Link<'_>,
    opening: Packet,
    mut first: Option<Vec<u8>>,
    sink: &mut dyn Write,
    block_size: usize,
) -> Result<(u64, Packet), Failure> {
    let mut total = 0;
    let mut last_sent = opening;
    for count in 1u64.. {
        let expected = count as u16;
        let data = match first.take() {
            Some(data) => data,
            None => link.exchange(&last_sent, |answer| judge(answer, expected))?,
        };
        if data.len() > block_size {
            let why = "a block is longer than agreed";
            return Err(link.end(Code::ILLEGAL_OPERATION, why));
        }
        if let Err(error) = sink.write_all(&data) {
            let is_full = matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            );
            let code = if is_full { Code::DISK_FULL } else { Code::UNDEFINED };
            return Err(link.end(code, format!("cannot write the file: {error}")));
        }
        total += data.len() as u64;
        link.progress(total);
        last_sent = Packet::Ack { block: expected };
        if data.len() < block_size {
            break;
        }
    }
    Ok((total, last_sent))
}

fn judge(answer: Packet, expected: u16) -> Verdict<Vec<u8>> {
    match answer {
        Packet::Data { block, data } if block == expected => Verdict::Done(data),
        // The acknowledgement of the block before was lost.
        Packet::Data { block, .. } if block == expected.wrapping_sub(1) => Verdict::Repeat,
        Packet::OptionAck { .. } if expected == 1 => Verdict::Repeat,
        _ => Verdict::Ignore,
    }
}

/// Acknowledges the last block, and again while the other side shows that it did not hear.
///
/// # Errors
/// The socket fails.
pub fn finish(link: &mut Link<'_>, last: &Packet, quiet: Duration) -> Result<(), Failure> {
    link.dally(last, quiet)
}
