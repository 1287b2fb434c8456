//! The request target (RFC 9112 §3.2) and the characters that may stand in it (RFC 3986).

use std::ops::Range;

use super::request_error::RequestError;

/// Where the parts of a target lie in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `/path?query`, or `*`.
    Origin { path: Range<usize>, query: Range<usize> },
    /// `http://authority/path?query`.
    Absolute { authority: Range<usize>, path: Range<usize>, query: Range<usize> },
}

/// Finds the parts of a target.
pub(super) fn read(target: &[u8], method: &[u8]) -> Result<Form, RequestError> {
    if method == b"CONNECT" {
        return Err(RequestError::Method);
    }
    if target == b"*" {
        if method != b"OPTIONS" {
            return Err(RequestError::Target("the target * goes with OPTIONS only"));
        }
        return Ok(Form::Origin { path: 0..1, query: 1..1 });
    }
    if target.first() == Some(&b'/') {
        let (path, query) = split(target, 0)?;
        return Ok(Form::Origin { path, query });
    }
    if has_scheme(target, b"https://") {
        return Err(RequestError::Misdirected);
    }
    let scheme = b"http://";
    let begin = scheme.len();
    if !has_scheme(target, scheme) {
        return Err(RequestError::Target("the target begins with neither / nor http://"));
    }
    let rest = &target[begin..];
    let end = begin + rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    if end == begin {
        return Err(RequestError::Target("the target names no host"));
    }
    let (mut path, query) = split(target, end)?;
    if path.is_empty() {
        // No path is the same as "/" (RFC 9110 §4.2.3); there is one in front of the authority.
        path = begin - 1..begin;
    }
    Ok(Form::Absolute { authority: begin..end, path, query })
}

fn has_scheme(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
}

/// Path and query from `begin` on, checked.
fn split(target: &[u8], begin: usize) -> Result<(Range<usize>, Range<usize>), RequestError> {
    const ERROR: RequestError = RequestError::Target("a character must be percent-encoded");
    let path_end = end_of(PATH, target, begin)?;
    let query_begin = match target.get(path_end) {
        None => path_end,
        Some(b'?') => path_end + 1,
        Some(_) => return Err(ERROR),
    };
    if end_of(QUERY, target, query_begin)? < target.len() {
        return Err(ERROR);
    }
    Ok((begin..path_end, query_begin..target.len()))
}

const PATH: u8 = 1;
const QUERY: u8 = 2;
const HOST: u8 = 4;

/// Which byte may stand where, beside `%` and two hexadecimal digits.
///
/// Browsers send some characters as they are that RFC 3986 wants encoded (the URL standard's path
/// and query sets); they cannot be mistaken for anything, so they pass.
static ALLOWED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        table[byte] = match c {
            _ if c.is_ascii_alphanumeric() => PATH | QUERY | HOST,
            b'-' | b'.' | b'_' | b'~' => PATH | QUERY | HOST,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                PATH | QUERY | HOST
            }
            b':' | b'@' | b'/' => PATH | QUERY,
            b'[' | b']' | b'|' | b'^' => PATH | QUERY,
            b'?' | b'{' | b'}' | b'`' | b'\\' => QUERY,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Where what may stand in a part of that class ends, from `begin` on.
fn end_of(class: u8, text: &[u8], begin: usize) -> Result<usize, RequestError> {
    let mut at = begin;
    loop {
        while at < text.len() && ALLOWED[usize::from(text[at])] & class != 0 {
            at += 1;
        }
        match &text[at..] {
            [b'%', first, second, ..]
                if first.is_ascii_hexdigit() && second.is_ascii_hexdigit() =>
            {
                at += 3;
            }
            [b'%', ..] => {
                return Err(RequestError::Target("a % is not followed by two hexadecimal digits"));
            }
            _ => return Ok(at),
        }
    }
}

/// A host and maybe a port; empty for a target without authority (RFC 9112 §3.2).
pub(super) fn check_authority(text: &[u8]) -> Result<(), RequestError> {
    const ERROR: RequestError = RequestError::Host("the host is not a name or an address");
    let host_end = match text.first() {
        Some(b'[') => {
            let end = text.iter().position(|byte| *byte == b']').ok_or(ERROR)?;
            let address = str::from_utf8(&text[1..end]).map_err(|_| ERROR)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| ERROR)?;
            end + 1
        }
        _ => end_of(HOST, text, 0).map_err(|_| ERROR)?,
    };
    match &text[host_end..] {
        // "http" URIs have a host that is not empty (RFC 9110 §4.2.1).
        [b':', ..] if host_end == 0 => Err(ERROR),
        [] | [b':'] => Ok(()),
        [b':', digits @ ..] if is_port(digits) => Ok(()),
        _ => Err(ERROR),
    }
}

fn is_port(digits: &[u8]) -> bool {
    let value = digits.iter().try_fold(0u32, |value, digit| {
        let value = value * 10 + u32::from(digit.wrapping_sub(b'0'));
        (digit.is_ascii_digit() && value <= u32::from(u16::MAX)).then_some(value)
    });
    value.is_some()
}
