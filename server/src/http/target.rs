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
    let rest = &target[begin..];
    let question = rest.iter().position(|byte| *byte == b'?');
    let path_end = begin + question.unwrap_or(rest.len());
    let query_begin = (path_end + 1).min(target.len());
    check(&target[begin..path_end], PATH)?;
    check(&target[query_begin..], QUERY)?;
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

fn check(text: &[u8], class: u8) -> Result<(), RequestError> {
    // Nearly always all is well, which shows fastest by looking at all.
    if text.iter().fold(class, |all, byte| all & ALLOWED[usize::from(*byte)]) != 0 {
        return Ok(());
    }
    let mut rest = text;
    loop {
        let count = rest.iter().position(|byte| ALLOWED[usize::from(*byte)] & class == 0);
        let Some(count) = count else { return Ok(()) };
        rest = match &rest[count..] {
            [b'%', first, second, rest @ ..]
                if first.is_ascii_hexdigit() && second.is_ascii_hexdigit() =>
            {
                rest
            }
            [b'%', ..] => {
                return Err(RequestError::Target("a % is not followed by two hexadecimal digits"));
            }
            _ => return Err(RequestError::Target("a character must be percent-encoded")),
        };
    }
}

/// A host and maybe a port; empty for a target without authority (RFC 9112 §3.2).
pub(super) fn check_authority(text: &[u8]) -> Result<(), RequestError> {
    const ERROR: RequestError = RequestError::Host("the host is not a name or an address");
    let (host, port) = match text.first() {
        Some(b'[') => {
            let end = text.iter().position(|byte| *byte == b']').ok_or(ERROR)?;
            let address = str::from_utf8(&text[1..end]).map_err(|_| ERROR)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| ERROR)?;
            (&[][..], &text[end + 1..])
        }
        _ => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    check(host, HOST).map_err(|_| ERROR)?;
    match port {
        // "http" URIs have a host that is not empty (RFC 9110 §4.2.1).
        [b':', ..] if host.is_empty() && text[0] == b':' => Err(ERROR),
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
