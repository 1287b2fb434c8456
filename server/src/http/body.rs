//! A request body out of the bytes of a connection (RFC 9112 §6, §7.1), in pieces of any size.

use super::characters::{is_text, is_token};
use super::head::Framing;
use super::request_error::RequestError;

/// Bytes of all chunk extensions of a body together; they are passed over. Without a limit a client
/// could make the server read far more than the body that it announces.
const MAX_EXTENSIONS: u16 = 8192;
/// Bytes of all trailer fields together; they are passed over (RFC 9110 §6.5.1 allows it).
const MAX_TRAILERS: u16 = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of a body of known length.
    Length(u64),
    /// The digits of a chunk's size.
    Size {
        value: u64,
        digits: u8,
    },
    /// White space between the size and an extension (RFC 9112 §7.1.1, BWS).
    SizeSpace,
    Extension {
        quoted: bool,
        escaped: bool,
    },
    SizeLf {
        value: u64,
    },
    /// So many bytes of a chunk.
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a line behind the last chunk.
    TrailerStart {
        total: u16,
    },
    TrailerName {
        total: u16,
    },
    TrailerValue {
        total: u16,
    },
    TrailerLf {
        total: u16,
    },
    EndLf,
    Done,
}

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Bytes of the input that were used, the data among them. 0: more input is needed.
    pub consumed: usize,
    /// Bytes of the body.
    pub data: &'a [u8],
    /// The body is complete.
    pub done: bool,
}

#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    /// The size of a chunk whose line is not read to its end.
    size: u64,
    /// Bytes of chunk extensions so far.
    extensions: u16,
    /// Bytes of body that may still come.
    room: u64,
}

impl BodyDecoder {
    /// For a body of at most `limit` bytes.
    pub fn new(framing: Framing, limit: u64) -> Self {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { value: 0, digits: 0 },
        };
        Self { state, size: 0, extensions: 0, room: limit }
    }

    /// For a body that has arrived whole.
    pub fn complete() -> Self {
        Self { state: State::Done, size: 0, extensions: 0, room: 0 }
    }

    /// The decoder as numbers, for another process that goes on with it.
    pub fn to_words(&self) -> [u64; 4] {
        let (tag, first, second) = match self.state {
            State::Length(left) => (0, left, 0),
            State::Size { value, digits } => (1, value, u64::from(digits)),
            State::Extension { quoted, escaped } => {
                (2, 0, u64::from(quoted) | u64::from(escaped) << 1)
            }
            State::SizeLf { value } => (3, value, 0),
            State::Data(left) => (4, left, 0),
            State::DataCr => (5, 0, 0),
            State::DataLf => (6, 0, 0),
            State::TrailerStart { total } => (7, u64::from(total), 0),
            State::TrailerName { total } => (8, u64::from(total), 0),
            State::TrailerValue { total } => (9, u64::from(total), 0),
            State::TrailerLf { total } => (10, u64::from(total), 0),
            State::EndLf => (11, 0, 0),
            State::Done => (12, 0, 0),
            State::SizeSpace => (13, 0, 0),
        };
        let small = tag | second << 8 | u64::from(self.extensions) << 16;
        [small, first, self.size, self.room]
    }

    /// The inverse; numbers that mean nothing give a decoder that takes no more.
    pub fn from_words([small, first, size, room]: [u64; 4]) -> Self {
        let [tag, short, low, high, ..] = small.to_le_bytes();
        let extensions = u16::from_le_bytes([low, high]);
        // Lines are limited far below what this type holds.
        let total = first as u16;
        let state = match tag {
            0 => State::Length(first),
            1 => State::Size { value: first, digits: short },
            2 => State::Extension { quoted: short & 1 != 0, escaped: short & 2 != 0 },
            3 => State::SizeLf { value: first },
            4 => State::Data(first),
            5 => State::DataCr,
            6 => State::DataLf,
            7 => State::TrailerStart { total },
            8 => State::TrailerName { total },
            9 => State::TrailerValue { total },
            10 => State::TrailerLf { total },
            11 => State::EndLf,
            13 => State::SizeSpace,
            _ => State::Done,
        };
        Self { state, size, extensions, room }
    }

    /// Goes through `input` up to the end of a piece of body.
    ///
    /// # Errors
    /// The body cannot be understood, or is larger than the limit.
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, RequestError> {
        let mut position = 0;
        loop {
            match self.state {
                State::Done => return Ok(Step { consumed: position, data: &[], done: true }),
                State::Length(left) | State::Data(left) => {
                    let rest = &input[position..];
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    self.take(left, count as u64)?;
                    let done = self.state == State::Done;
                    return Ok(Step { consumed: position + count, data: &rest[..count], done });
                }
                _ => {
                    let Some(byte) = input.get(position) else {
                        return Ok(Step { consumed: position, data: &[], done: false });
                    };
                    self.state = self.after(*byte)?;
                    position += 1;
                }
            }
        }
    }

    fn take(&mut self, left: u64, count: u64) -> Result<(), RequestError> {
        let is_chunk = matches!(self.state, State::Data(_));
        if !is_chunk && left > self.room {
            return Err(RequestError::BodyTooLarge);
        }
        if !is_chunk {
            self.room -= count;
        }
        let left = left - count;
        self.state = match (is_chunk, left) {
            (true, 0) => State::DataCr,
            (true, _) => State::Data(left),
            (false, 0) => State::Done,
            (false, _) => State::Length(left),
        };
        Ok(())
    }

    /// The state after one byte of framing.
    fn after(&mut self, byte: u8) -> Result<State, RequestError> {
        let error = |reason| Err(RequestError::Chunk(reason));
        match self.state {
            State::Size { value, digits } => self.after_size(byte, value, digits),
            State::SizeSpace | State::Extension { .. } => self.after_extension(byte),
            State::SizeLf { .. } if byte != b'\n' => error("a chunk's size does not end in CR LF"),
            State::SizeLf { value: 0 } => Ok(State::TrailerStart { total: 0 }),
            State::SizeLf { value } => Ok(State::Data(value)),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { value: 0, digits: 0 }),
            State::DataCr | State::DataLf => error("a chunk is not as long as it says"),
            State::TrailerStart { .. } if byte == b'\r' => Ok(State::EndLf),
            State::TrailerStart { total } if is_token(byte) => {
                longer(total).map(|total| State::TrailerName { total })
            }
            State::TrailerName { total } if byte == b':' => {
                longer(total).map(|total| State::TrailerValue { total })
            }
            State::TrailerName { total } if is_token(byte) => {
                longer(total).map(|total| State::TrailerName { total })
            }
            State::TrailerValue { total } if byte == b'\r' => Ok(State::TrailerLf { total }),
            State::TrailerValue { total } if is_text(byte) => {
                longer(total).map(|total| State::TrailerValue { total })
            }
            State::TrailerLf { total } if byte == b'\n' => Ok(State::TrailerStart { total }),
            State::EndLf if byte == b'\n' => Ok(State::Done),
            _ => error("a trailer field is not valid"),
        }
    }

    fn after_size(&mut self, byte: u8, value: u64, digits: u8) -> Result<State, RequestError> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // 15 digits cannot overflow; nobody sends larger chunks.
            if digits == 15 {
                return Err(RequestError::BodyTooLarge);
            }
            return Ok(State::Size { value: value * 16 + u64::from(digit), digits: digits + 1 });
        }
        if digits == 0 {
            return Err(RequestError::Chunk("a chunk's size is not a hexadecimal number"));
        }
        self.room = self.room.checked_sub(value).ok_or(RequestError::BodyTooLarge)?;
        self.size = value;
        match byte {
            b'\r' => Ok(State::SizeLf { value }),
            b';' => Ok(State::Extension { quoted: false, escaped: false }),
            b' ' | b'\t' => Ok(State::SizeSpace),
            _ => Err(RequestError::Chunk("a chunk's size is followed by something else")),
        }
    }
}

impl BodyDecoder {
    fn after_extension(&mut self, byte: u8) -> Result<State, RequestError> {
        let error = Err(RequestError::Chunk("a chunk extension is not valid or too long"));
        if self.extensions == MAX_EXTENSIONS {
            return error;
        }
        self.extensions += 1;
        match (self.state, byte) {
            (State::SizeSpace, b' ' | b'\t') => Ok(State::SizeSpace),
            (State::SizeSpace, b';') => Ok(State::Extension { quoted: false, escaped: false }),
            (State::Extension { quoted: false, .. }, b'\r') => {
                Ok(State::SizeLf { value: self.size })
            }
            (State::Extension { quoted, escaped }, _) if is_text(byte) => {
                let toggles = byte == b'"' && !escaped;
                let escaped = quoted && byte == b'\\' && !escaped;
                Ok(State::Extension { quoted: quoted ^ toggles, escaped })
            }
            _ => error,
        }
    }
}

fn longer(total: u16) -> Result<u16, RequestError> {
    if total == MAX_TRAILERS { Err(RequestError::HeadTooLarge) } else { Ok(total + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` in pieces of `size`, each with a decoder that has moved to another process;
    /// gives the body and what was not used.
    fn decode(
        framing: Framing,
        input: &[u8],
        size: usize,
    ) -> Result<(Vec<u8>, usize), RequestError> {
        let mut decoder = BodyDecoder::new(framing, 100);
        let mut body = Vec::new();
        let mut position = 0;
        let mut end = 0;
        loop {
            let step = decoder.step(&input[position..end])?;
            position += step.consumed;
            body.extend_from_slice(step.data);
            if step.done {
                return Ok((body, input.len() - position));
            }
            if step.consumed == 0 {
                assert!(end < input.len(), "the body is not complete");
                end = (end + size).min(input.len());
                decoder = BodyDecoder::from_words(decoder.to_words());
            }
        }
    }

    #[test]
    fn any_split_gives_the_same_body() {
        let chunked = b"5\r\nhello\r\nA;x=\"\\\"\r\"\r\n";
        assert!(decode(Framing::Chunked, chunked, 1).is_err(), "CR inside a quoted extension");
        let chunked = b"5\r\nhello\r\n06 \t;x=\"a;\\\"b\"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET";
        for size in 1..=chunked.len() {
            assert_eq!(decode(Framing::Chunked, chunked, size), Ok((b"hello world".to_vec(), 3)));
            assert_eq!(decode(Framing::Length(5), b"helloGET", size).unwrap().0, b"hello");
        }
    }

    #[test]
    fn what_is_not_a_chunk_is_refused() {
        for bad in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\nx\r\n",
            "0x1\r\nx\r\n",
            " 1\r\nx\r\n",
            "1 \r\nx\r\n",
            "1\nx\r\n",
            "1\r\nxy\r\n",
            "1\r\nx\n0\r\n\r\n",
            "0\r\n:\r\n\r\n",
            "0\r\nX Y: 1\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "0\r\n X: 1\r\n\r\n",
            "1;\n\r\nx\r\n",
            "1 x\r\nx\r\n",
            "1;x\rx\r\n",
            "1\r\nx\r\n;x\r\n",
            "00\r\r\n\r\n",
        ] {
            let result = decode(Framing::Chunked, bad.as_bytes(), 3);
            assert_eq!(result.map_err(|error| error.status()), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn extensions_do_not_add_up_without_end() {
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(1000));
        assert!(
            decode(Framing::Chunked, format!("{}0\r\n\r\n", chunk.repeat(8)).as_bytes(), 99)
                .is_ok()
        );
        let result = decode(Framing::Chunked, chunk.repeat(9).as_bytes(), 99);
        assert_eq!(result.map_err(|error| error.status()), Err(400));
    }

    #[test]
    fn the_limit_is_known_before_the_bytes_come() {
        let status = |framing, input: &str| {
            decode(framing, input.as_bytes(), 100).map_err(|error| error.status())
        };
        assert_eq!(status(Framing::Chunked, "65\r\n"), Err(413));
        assert_eq!(status(Framing::Chunked, "ffffffffffffffff\r\n"), Err(413));
        assert_eq!(status(Framing::Length(101), ""), Err(413));
        let two = format!("3c\r\n{}\r\n3c\r\n", "x".repeat(60));
        assert_eq!(status(Framing::Chunked, &two), Err(413));
    }
}
