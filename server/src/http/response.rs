//! A response head: checked when it is given, encoded when it is sent (RFC 9112 §4, §6).
//!
//! The fields are kept in the form they have on the wire, so that sending them is one copy. What
//! belongs to the connection and the framing is the server's alone: nobody else can set it.

use std::io::Write;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;

use super::characters::{all_tokens, text_length};
use super::compress::Encoder;
use super::head::Version;
use super::status;

/// The end of a chunked body (RFC 9112 §7.1), without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the receiver finds the end of the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// Content-Length, in bytes.
    Length(u64),
    Chunked,
    /// The end of the connection; for HTTP/1.0.
    UntilClose,
    /// There is none: 204, 304, or HEAD.
    None,
    /// 101: another protocol follows.
    Upgrade,
}

/// Whether the connection takes a further request (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    Close,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Not three digits from 100 to 599, and a space and a reason or nothing.
    Status,
    /// Not a token (RFC 9110 §5.1).
    Name,
    /// Control characters, among them CR and LF (RFC 9110 §5.5).
    Value,
    /// The field belongs to the connection, which is the server's (RFC 9110 §7.6.1).
    HopByHop,
    /// Not a number, or two different ones (RFC 9110 §8.6).
    ContentLength,
}

/// A final or interim response head.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    status: u16,
    /// The status line and the field lines, each with its end.
    lines: Vec<u8>,
    /// Where the field lines begin.
    fields_begin: usize,
    pub(super) content_length: Option<u64>,
    has_date: bool,
    has_server: bool,
}

impl ResponseHead {
    /// A head of the server's own.
    pub fn new(code: u16) -> Self {
        let mut head = Self { status: code, ..Self::default() };
        // Writing to memory does not fail.
        let _ = write!(head.lines, "HTTP/1.1 {code} {}\r\n", status::reason(code));
        head.fields_begin = head.lines.len();
        head
    }

    /// Becomes the same as `other`, in its own memory.
    pub fn copy_from(&mut self, other: &Self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clone_from(&other.lines);
        *self = Self { lines, ..*other };
    }

    /// Complete field lines.
    pub(super) fn fields(&self) -> &[u8] {
        &self.lines[self.fields_begin..]
    }

    pub(super) fn set_fields(&mut self, fields: &[u8]) {
        self.lines.truncate(self.fields_begin);
        self.lines.extend_from_slice(fields);
    }

    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        *self = Self { lines, ..Self::default() };
    }

    /// Begins anew with this status, as `200 OK` or `200`.
    ///
    /// # Errors
    /// `HeadError::Status`; nothing is changed.
    pub fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        let (code, reason) = status.split_at_checked(3).ok_or(HeadError::Status)?;
        if !code.iter().all(u8::is_ascii_digit) || !(b'1'..=b'5').contains(&code[0]) {
            return Err(HeadError::Status);
        }
        if !(reason.is_empty() || reason[0] == b' ') || text_length(reason) < reason.len() {
            return Err(HeadError::Status);
        }
        self.clear();
        self.status = code.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
        // The version is the highest the server conforms to, whatever the request's
        // (RFC 9110 §2.5).
        let end: &[u8] = if reason.is_empty() { b" \r\n" } else { b"\r\n" };
        self.lines.extend_from_slice(b"HTTP/1.1 ");
        self.lines.extend_from_slice(status);
        self.lines.extend_from_slice(end);
        self.fields_begin = self.lines.len();
        Ok(())
    }

    /// Adds a field. Only after `start`, because 101 may say what it upgrades to.
    ///
    /// # Errors
    /// One of the others of `HeadError`; nothing is changed.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.is_empty() || !all_tokens(name) {
            return Err(HeadError::Name);
        }
        if text_length(value) < value.len() {
            return Err(HeadError::Value);
        }
        let value = value.trim_ascii();
        if self.takes_specially(name, value)? {
            return Ok(());
        }
        self.lines.reserve(name.len() + value.len() + 4);
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Fields with a meaning for the server. `true`: it is not to be copied.
    fn takes_specially(&mut self, name: &[u8], value: &[u8]) -> Result<bool, HeadError> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        // Most names are told from these by their length alone.
        let is_hop_by_hop = match name.len() {
            14 if is("content-length") => {
                let length = parse_length(value).ok_or(HeadError::ContentLength)?;
                if self.content_length.is_some_and(|before| before != length) {
                    return Err(HeadError::ContentLength);
                }
                self.content_length = Some(length);
                return Ok(true);
            }
            2 => is("te"),
            4 => {
                self.has_date |= is("date");
                false
            }
            6 => {
                self.has_server |= is("server");
                false
            }
            7 => is("trailer") || (is("upgrade") && self.status != 101),
            10 => is("connection") || is("keep-alive"),
            16 => is("proxy-connection"),
            17 => is("transfer-encoding"),
            _ => false,
        };
        if is_hop_by_hop { Err(HeadError::HopByHop) } else { Ok(false) }
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// What was said about the body's length, in bytes.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Appends an interim response (RFC 9110 §15.2).
    pub fn encode_interim_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the head, with what the server adds. `date` and `server` are whole lines, for heads
    /// that do not have these fields.
    pub fn encode_into(
        &self,
        out: &mut Vec<u8>,
        framing: ResponseFraming,
        version: Version,
        persistence: Persistence,
        date: &[u8],
        server: &[u8],
    ) {
        // All that may follow fits into this: below, nothing is made larger.
        out.reserve(self.lines.len() + date.len() + server.len() + 96);
        out.extend_from_slice(&self.lines);
        if !self.has_date {
            out.extend_from_slice(date);
        }
        if !self.has_server {
            out.extend_from_slice(server);
        }
        match framing {
            ResponseFraming::Length(length) => {
                let mut digits = itoa::Buffer::new();
                out.extend_from_slice(b"Content-Length: ");
                out.extend_from_slice(digits.format(length).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            ResponseFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            ResponseFraming::UntilClose | ResponseFraming::None | ResponseFraming::Upgrade => {}
        }
        match (framing, persistence) {
            (ResponseFraming::Upgrade, _) => out.extend_from_slice(b"Connection: upgrade\r\n"),
            (_, Persistence::Close) => out.extend_from_slice(b"Connection: close\r\n"),
            (_, Persistence::KeepAlive) if version == Version::Http10 => {
                out.extend_from_slice(b"Connection: keep-alive\r\n");
            }
            (_, Persistence::KeepAlive) => {}
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends what stands before a chunk of `length` bytes; CR LF follows the chunk. Not for 0, which
/// would end the body.
pub fn encode_chunk_head(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk is the last one");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|place| b"0123456789abcdef"[length >> (4 * place) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Whether a response with this code has a body at all (RFC 9110 §6.4.1).
pub fn status_has_body(code: u16) -> bool {
    code >= 200 && code != 204 && code != 304
}

/// A Content-Length: digits and nothing else.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(length).ok().map(|_| length)
}

/// A whole answer of the server's own.
#[derive(Debug)]
pub struct Answer {
    /// Shared by the answers with the same file.
    pub head: Arc<ResponseHead>,
    pub body: AnswerBody,
}

#[derive(Debug)]
pub enum AnswerBody {
    Empty,
    Bytes(Bytes),
    /// A part of a file, sent from the page cache.
    File {
        file: Arc<OwnedFd>,
        offset: u64,
        length: u64,
    },
    /// Several parts of a file, with bytes in between.
    Parts {
        file: Arc<OwnedFd>,
        parts: Vec<FilePart>,
    },
    /// A whole file of that length, compressed while it is sent.
    Coded {
        file: Arc<OwnedFd>,
        length: u64,
        encoder: Box<Encoder>,
    },
}

/// Bytes, and a part of a file behind them.
#[derive(Debug)]
pub struct FilePart {
    pub before: Vec<u8>,
    pub offset: u64,
    pub length: u64,
}

impl FilePart {
    pub fn new(before: Vec<u8>, range: Range<u64>) -> Self {
        Self { before, offset: range.start, length: range.end - range.start }
    }
}

impl AnswerBody {
    /// In bytes; `None` if it shows only when it is sent.
    pub fn length(&self) -> Option<u64> {
        Some(match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
            Self::Parts { parts, .. } => {
                parts.iter().map(|part| part.before.len() as u64 + part.length).sum()
            }
            Self::Coded { .. } => return None,
        })
    }
}

impl Answer {
    /// An HTML page.
    pub fn page(code: u16, html: Vec<u8>) -> Self {
        let body = AnswerBody::Bytes(html.into());
        let answer = Self { head: Arc::new(ResponseHead::new(code)), body };
        answer.with("Content-Type", "text/html; charset=utf-8")
    }

    /// An answer without a body.
    pub fn empty(code: u16) -> Self {
        Self { head: Arc::new(ResponseHead::new(code)), body: AnswerBody::Empty }
    }

    /// Adds a field whose value the server made itself.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let head = Arc::make_mut(&mut self.head);
        if let Err(error) = head.field(name.as_bytes(), value.as_bytes()) {
            // Values are made from file names among others: without the field rather than wrong.
            tracing::error!("the field {name} was left out of an answer: {error:?}");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(head: &ResponseHead, framing: ResponseFraming, persistence: Persistence) -> String {
        let mut out = Vec::new();
        head.encode_into(
            &mut out,
            framing,
            Version::Http11,
            persistence,
            b"Date: D\r\n",
            b"Server: tenon\r\n",
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_head_is_encoded_with_what_the_server_adds() {
        let mut head = ResponseHead::default();
        head.start(b"200 OK").unwrap();
        head.field(b"Bdpagetype", b" 1 ").unwrap();
        assert_eq!(
            encode(&head, ResponseFraming::Length(20), Persistence::KeepAlive),
            "HTTP/1.1 200 OK\r\nBdpagetype: 1\r\nDate: D\r\nServer: tenon\r\nContent-Length: 20\r\n\r\n"
        );
        assert!(
            encode(&head, ResponseFraming::Chunked, Persistence::Close)
                .ends_with("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        );
    }

    #[test]
    fn a_status_is_three_digits_and_a_reason() {
        let mut head = ResponseHead::default();
        for bad in ["", "20", "2000 OK", "600 No", "099 No", "200OK", "200 O\rK", "abc OK"] {
            assert_eq!(head.start(bad.as_bytes()), Err(HeadError::Status), "{bad:?}");
        }
        for good in ["200", "200 ", "299 Any words", "404 Nicht da \u{e4}"] {
            assert_eq!(head.start(good.as_bytes()), Ok(()), "{good:?}");
        }
        assert_eq!(head.status(), 404);
    }

    #[test]
    fn fields_of_the_connection_are_refused() {
        let mut head = ResponseHead::default();
        head.start(b"200 OK").unwrap();
        for name in ["Connection", "keep-alive", "TE", "Trailer", "transfer-encoding", "Upgrade"] {
            assert_eq!(head.field(name.as_bytes(), b"x"), Err(HeadError::HopByHop), "{name}");
        }
        assert_eq!(head.field(b"Proxy-Connection", b"x"), Err(HeadError::HopByHop));
        head.start(b"101 Switching Protocols").unwrap();
        assert_eq!(head.field(b"Upgrade", b"echo"), Ok(()));
    }

    #[test]
    fn a_response_cannot_be_split() {
        let mut head = ResponseHead::default();
        head.start(b"200 OK").unwrap();
        assert_eq!(head.field(b"X", b"a\r\nSet-Cookie: b"), Err(HeadError::Value));
        assert_eq!(head.field(b"X", b"a\0"), Err(HeadError::Value));
        assert_eq!(head.field(b"X: y\r\nZ", b"a"), Err(HeadError::Name));
        assert_eq!(head.field(b"", b"a"), Err(HeadError::Name));
    }

    #[test]
    fn content_length_is_one_number() {
        let mut head = ResponseHead::default();
        head.start(b"200 OK").unwrap();
        for bad in ["", "-1", "+1", "1,1", "0x1", "9223372036854775808"] {
            let result = head.field(b"Content-Length", bad.as_bytes());
            assert_eq!(result, Err(HeadError::ContentLength), "{bad:?}");
        }
        head.field(b"content-length", b"7").unwrap();
        head.field(b"Content-Length", b"7").unwrap();
        assert_eq!(head.field(b"Content-Length", b"8"), Err(HeadError::ContentLength));
        assert_eq!(head.content_length(), Some(7));
    }

    #[test]
    fn a_chunk_head_is_hexadecimal() {
        let mut out = Vec::new();
        for length in [1, 15, 16, 255, 256, 4096, usize::MAX] {
            out.clear();
            encode_chunk_head(&mut out, length);
            assert_eq!(out, format!("{length:x}\r\n").as_bytes());
        }
    }
}
