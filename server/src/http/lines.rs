//! The lines of a request head (RFC 9112 §2.2, §3, §5), read in one pass from the front.
//!
//! What a line may hold is checked while its end is looked for, and the first byte that is wrong
//! decides: so the same bytes give the same result however they are split over several arrivals.

use super::characters::{is_token, text_length};
use super::head::{Span, Version};
use super::request_error::RequestError;

/// Why a line was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All bytes are good so far, and the line goes on behind them.
    More,
    Wrong(RequestError),
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Self::Wrong(error)
    }
}

#[cold]
fn malformed(reason: &'static str) -> Stop {
    Stop::Wrong(RequestError::Malformed(reason))
}

/// A part of a head and where the next one begins.
type Read<T> = Result<(T, usize), Stop>;

pub(super) struct RequestLine {
    pub method: Span,
    pub target: Span,
    pub version: Version,
}

/// Reads the line that begins at `begin`.
pub(super) fn request_line(bytes: &[u8], begin: usize) -> Read<RequestLine> {
    let method_end = begin + length_of(&bytes[begin..], is_token);
    if method_end == begin {
        return Err(malformed(
            "it does not begin with a method; this port speaks HTTP without TLS",
        ));
    }
    let target_begin = space(bytes, method_end)?;
    let target_end =
        target_begin + length_of(&bytes[target_begin..], |byte| byte.is_ascii_graphic());
    let version_begin = space(bytes, target_end)?;
    let (version, next) = version(bytes, version_begin)?;
    let method = Span::new(begin, method_end);
    let target = Span::new(target_begin, target_end);
    Ok((RequestLine { method, target, version }, next))
}

/// The single space between the parts of a request line.
fn space(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at) {
        Some(b' ') => Ok(at + 1),
        Some(b'\n') => Err(RequestError::BareNewline.into()),
        Some(_) => Err(malformed("its first line is not a method, a target and a version")),
        None => Err(Stop::More),
    }
}

/// The version and the line's end. HTTP/0.9 has neither, HTTP/2 begins with a line that only looks
/// like a request (RFC 9113 §3.4).
fn version(bytes: &[u8], begin: usize) -> Read<Version> {
    let rest = &bytes[begin..];
    if rest.starts_with(b"HTTP/1.1\r\n") {
        return Ok((Version::Http11, begin + 10));
    }
    for (place, expected) in b"HTTP/d.d\r\n".iter().enumerate() {
        let byte = rest.get(place).ok_or(Stop::More)?;
        let is_good = if *expected == b'd' { byte.is_ascii_digit() } else { byte == expected };
        match expected {
            _ if is_good => {}
            b'\r' if *byte == b'\n' => return Err(RequestError::BareNewline.into()),
            b'\n' => return Err(malformed("a line does not end in CR LF")),
            _ => return Err(malformed("its first line does not end in an HTTP version")),
        }
    }
    match (rest[5], rest[7]) {
        (b'1', b'0') => Ok((Version::Http10, begin + 10)),
        // A later HTTP/1.x is to be taken as the latest known one (RFC 9110 §2.5).
        (b'1', _) => Ok((Version::Http11, begin + 10)),
        _ => Err(RequestError::Version.into()),
    }
}

/// A name, which is written in lower case, and a value without the white space around it; `None`:
/// the empty line.
pub(super) type Field = Option<(Span, Span)>;

/// Reads the field line that begins at `begin`, or the empty line behind all of them.
pub(super) fn field_line(bytes: &mut [u8], begin: usize) -> Read<Field> {
    let mut name_end = begin;
    for byte in &mut bytes[begin..] {
        if !is_token(*byte) {
            break;
        }
        byte.make_ascii_lowercase();
        name_end += 1;
    }
    match bytes.get(name_end) {
        None => return Err(Stop::More),
        Some(b':') if name_end > begin => {}
        Some(b'\r' | b'\n') if name_end == begin => return Ok((None, line_end(bytes, begin)?)),
        Some(b'\n') => return Err(RequestError::BareNewline.into()),
        Some(_) => return Err(malformed("the name of a field is not valid")),
    }
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    let value_begin = name_end + 1 + length_of(&bytes[name_end + 1..], is_blank);
    let line = value_begin + text_length(&bytes[value_begin..]);
    let next = line_end(bytes, line)?;
    let blanks = bytes[value_begin..line].iter().rev().take_while(|byte| is_blank(**byte)).count();
    let value = Span::new(value_begin, line - blanks);
    Ok((Some((Span::new(begin, name_end), value)), next))
}

/// The CR LF at `at`. RFC 9112 §2.2 lets a lone LF pass; that is a way to smuggle.
fn line_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match &bytes[at..] {
        [b'\r', b'\n', ..] => Ok(at + 2),
        [] | [b'\r'] => Err(Stop::More),
        [b'\n', ..] => Err(RequestError::BareNewline.into()),
        [b'\r', ..] => Err(malformed("a line does not end in CR LF")),
        [..] => Err(malformed("the value of a field has a control character")),
    }
}

/// How many bytes at the front are of that kind.
fn length_of(bytes: &[u8], is_of_it: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !is_of_it(*byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_there_yet_may_go_on() {
        let line = b"GET / HTTP/1.0\r\n";
        for length in 1..line.len() {
            assert_eq!(request_line(&line[..length], 0).err(), Some(Stop::More), "{length}");
        }
        let line = b"Name:\t value \t\r\n";
        for length in 0..line.len() {
            let mut bytes = line[..length].to_vec();
            assert_eq!(field_line(&mut bytes, 0), Err(Stop::More), "{length}");
        }
        let mut bytes = line.to_vec();
        let field = (Span::new(0, 4), Span::new(7, 12));
        assert_eq!(field_line(&mut bytes, 0), Ok((Some(field), 16)));
        assert_eq!(&bytes[..4], b"name");
    }
}
