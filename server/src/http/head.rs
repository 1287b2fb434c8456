//! A request head, checked as RFC 9112 says: what is ambiguous is refused, nothing is repaired.
//!
//! `lines` reads the lines; what they mean, and whether they may stand together, is decided
//! here. All positions are offsets, so that the bytes may be moved.

use std::fmt;
use std::net::SocketAddr;

use super::forwarded::Told;
use super::lines::{self, Stop};
use super::request_error::RequestError;
use super::target::{self, Form};
use crate::config::Limits;

/// The most header fields that can be configured (`limits.headers`).
pub const MAX_FIELDS: usize = 128;
/// Empty lines before a request line that are passed over (RFC 9112 §2.2).
const MAX_EMPTY_LINES: usize = 4;

/// A part of the bytes a head was parsed from.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes; `bytes` begins where the parsed ones did.
    pub fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// From the beginning of this to the end of `last`, which is behind it.
    pub fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }

    pub(super) fn new(start: usize, end: usize) -> Self {
        // A head is no longer than `limits.head`, far below 4 GiB.
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn length(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Where `part`, a slice of `whole`, lies in it.
    fn locate(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        Self::new(start, start + part.len())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.start, self.end)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    Http10,
    #[default]
    Http11,
}

/// How long the request body is (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    None,
    /// In bytes; not 0.
    Length(u64),
    Chunked,
}

/// Reusable: parsing into an old one allocates nothing.
#[derive(Debug, Default)]
pub struct Head {
    pub method: Span,
    /// The request target as sent.
    pub target: Span,
    /// The path as sent; for `OPTIONS *` it is `*`.
    pub path: Span,
    /// Without the question mark.
    pub query: Span,
    /// From the target if it has one, else the Host field.
    pub authority: Span,
    pub version: Version,
    /// Names in lower case, values without white space around them, in the order of arrival.
    pub fields: Vec<(Span, Span)>,
    /// In bytes, with the empty line at the end.
    pub length: usize,
    pub framing: Framing,
    pub keep_alive: bool,
    pub expects_continue: bool,
    /// The client offers another protocol.
    pub upgrade: bool,
    /// Whom a trusted proxy speaks for, if not for itself.
    pub client: Option<SocketAddr>,
    /// A trusted proxy has said that the client came by https.
    pub is_https: bool,
    /// The last authority that was found to be one, here or for an earlier request: nearly all
    /// requests name the same.
    known_authority: Vec<u8>,
}

impl Head {
    /// The value of the first field of that name, which must be in lower case.
    pub fn field<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let found = self.fields.iter().find(|field| field.0.of(bytes) == name.as_bytes())?;
        Some(found.1.of(bytes))
    }

    /// The values of all fields of that name, which must be in lower case.
    pub fn fields_named<'b>(
        &'b self,
        bytes: &'b [u8],
        name: &'b str,
    ) -> impl Iterator<Item = &'b [u8]> {
        let named = self.fields.iter().filter(move |field| field.0.of(bytes) == name.as_bytes());
        named.map(move |field| field.1.of(bytes))
    }

    /// Takes in what a trusted proxy says; `told` lies in `bytes`.
    pub fn believe(&mut self, told: &Told<'_>, bytes: &[u8]) {
        self.client = told.client.map(SocketAddr::from);
        self.is_https = told.is_https == Some(true);
        if let Some(host) = told.host {
            self.authority = Span::locate(host, bytes);
        }
    }

    fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let known_authority = std::mem::take(&mut self.known_authority);
        *self = Self { fields, known_authority, ..Self::default() };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    Complete,
}

/// Parses the head at the beginning of `bytes`; writes the names of its fields in lower case.
///
/// # Errors
/// The request must be refused and the connection closed.
pub fn parse(bytes: &mut [u8], limits: &Limits, head: &mut Head) -> Result<Parsed, RequestError> {
    head.clear();
    let Some(begin) = skip_empty_lines(bytes)? else { return Ok(Parsed::Incomplete) };
    let window = bytes.len().min(begin + limits.head);
    match read_lines(&mut bytes[..window], begin, limits, head) {
        Ok(()) => {}
        Err(Stop::More) if window == begin + limits.head => return Err(RequestError::HeadTooLarge),
        Err(Stop::More) => return Ok(Parsed::Incomplete),
        Err(Stop::Wrong(error)) => return Err(error),
    }
    let bytes = &bytes[..head.length];
    let meaning = Meaning::of(head, bytes)?;
    read_target(head, bytes, meaning.host)?;
    head.framing = meaning.framing(head, bytes)?;
    head.keep_alive = match head.version {
        Version::Http11 => !meaning.close,
        Version::Http10 => meaning.keep_alive && !meaning.close,
    };
    let is_current = head.version == Version::Http11;
    head.upgrade = is_current && meaning.connection_upgrade && meaning.upgrade;
    head.expects_continue = is_current && meaning.expects_continue && head.framing != Framing::None;
    Ok(Parsed::Complete)
}

/// Where the request line begins; `None`: not here yet.
fn skip_empty_lines(bytes: &[u8]) -> Result<Option<usize>, RequestError> {
    let mut begin = 0;
    for _ in 0..=MAX_EMPTY_LINES {
        match &bytes[begin..] {
            [b'\r', b'\n', ..] => begin += 2,
            [] | [b'\r'] => return Ok(None),
            _ => return Ok(Some(begin)),
        }
    }
    Err(RequestError::Malformed("there are only empty lines"))
}

/// Reads the request line and the fields, up to the empty line.
fn read_lines(
    bytes: &mut [u8],
    begin: usize,
    limits: &Limits,
    head: &mut Head,
) -> Result<(), Stop> {
    // Method, two spaces, version and the line's end need some room beside the target.
    let longest = begin + limits.target + 64;
    let (line, mut at) = match lines::request_line(&bytes[..bytes.len().min(longest)], begin) {
        Err(Stop::More) if bytes.len() >= longest => return Err(RequestError::TargetTooLong.into()),
        line => line?,
    };
    head.method = line.method;
    head.target = line.target;
    head.version = line.version;
    if line.target.length() > limits.target {
        return Err(RequestError::TargetTooLong.into());
    }
    loop {
        let (field, next) = lines::field_line(bytes, at)?;
        at = next;
        let Some(field) = field else { break };
        if head.fields.len() >= limits.headers.min(MAX_FIELDS) {
            return Err(RequestError::TooManyFields.into());
        }
        head.fields.push(field);
    }
    head.length = at;
    Ok(())
}

fn read_target(head: &mut Head, bytes: &[u8], host: Option<Span>) -> Result<(), RequestError> {
    let method = head.method.of(bytes);
    let offset = head.target.start as usize;
    let span = |range: std::ops::Range<usize>| Span::new(offset + range.start, offset + range.end);
    let form = target::read(head.target.of(bytes), method)?;
    let (path, query) = match &form {
        Form::Origin { path, query } | Form::Absolute { path, query, .. } => (path, query),
    };
    head.path = span(path.clone());
    head.query = span(query.clone());
    head.authority = host.unwrap_or_default();
    if let Form::Absolute { authority, .. } = form {
        let authority = span(authority);
        // The target's counts; two that differ would be read differently by different servers
        // (RFC 9112 §3.2.2).
        if host.is_some_and(|host| !host.of(bytes).eq_ignore_ascii_case(authority.of(bytes))) {
            return Err(RequestError::Host("the target names another host than the Host field"));
        }
        head.authority = authority;
    }
    match host {
        None if head.version == Version::Http11 => {
            return Err(RequestError::Host("there is no Host field"));
        }
        // "http" URIs have a host that is not empty (RFC 9110 §4.2.1).
        Some(host) if host.of(bytes).is_empty() => {
            return Err(RequestError::Host("the Host field is empty"));
        }
        _ => {}
    }
    let authority = head.authority.of(bytes);
    if authority != head.known_authority {
        target::check_authority(authority)?;
        head.known_authority.clear();
        head.known_authority.extend_from_slice(authority);
    }
    Ok(())
}

/// What the fields say that the server itself obeys.
#[derive(Default)]
struct Meaning {
    host: Option<Span>,
    content_length: Option<u64>,
    transfer_encoding: Option<Span>,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    expects_continue: bool,
}

impl Meaning {
    fn of(head: &Head, bytes: &[u8]) -> Result<Self, RequestError> {
        let mut meaning = Self::default();
        for (name, value) in &head.fields {
            let text = value.of(bytes);
            match name.of(bytes) {
                b"host" if meaning.host.is_some() => {
                    return Err(RequestError::Host("there are two Host fields"));
                }
                b"host" => meaning.host = Some(*value),
                b"content-length" => meaning.set_length(text)?,
                b"transfer-encoding" if meaning.transfer_encoding.is_some() => {
                    return Err(RequestError::Framing("there are two Transfer-Encoding fields"));
                }
                b"transfer-encoding" => meaning.transfer_encoding = Some(*value),
                b"connection" => meaning.read_connection(text),
                b"upgrade" => meaning.upgrade = true,
                b"expect" if head.version == Version::Http11 => {
                    if !text.eq_ignore_ascii_case(b"100-continue") {
                        return Err(RequestError::Expectation);
                    }
                    meaning.expects_continue = true;
                }
                _ => {}
            }
        }
        Ok(meaning)
    }

    /// Digits and nothing else, once (RFC 9110 §8.6; what a repaired one may hide is in
    /// RFC 9112 §11.2).
    fn set_length(&mut self, text: &[u8]) -> Result<(), RequestError> {
        if self.content_length.is_some() {
            return Err(RequestError::Framing("there are two Content-Length fields"));
        }
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return Err(RequestError::Framing("its Content-Length is not a number"));
        }
        let length = str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        let length = length.ok_or(RequestError::Framing("its Content-Length is too large"))?;
        self.content_length = Some(length.unsigned_abs());
        Ok(())
    }

    fn read_connection(&mut self, text: &[u8]) {
        for option in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn framing(&self, head: &Head, bytes: &[u8]) -> Result<Framing, RequestError> {
        let Some(coding) = self.transfer_encoding else {
            return match self.content_length {
                Some(0) => Ok(Framing::None),
                Some(length) => Ok(Framing::Length(length)),
                None if head.version == Version::Http10 && is_post(head.method.of(bytes)) => {
                    Err(RequestError::LengthRequired)
                }
                None => Ok(Framing::None),
            };
        };
        if self.content_length.is_some() {
            return Err(RequestError::Framing("it has Content-Length and Transfer-Encoding"));
        }
        if head.version == Version::Http10 {
            return Err(RequestError::Framing("HTTP/1.0 has no Transfer-Encoding"));
        }
        let mut codings = coding.of(bytes).rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let last = codings.next().unwrap_or_default();
        if !last.eq_ignore_ascii_case(b"chunked") {
            return Err(RequestError::Framing("its last transfer coding is not chunked"));
        }
        match codings.next() {
            None => Ok(Framing::Chunked),
            Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => {
                Err(RequestError::Framing("it is chunked twice"))
            }
            Some(_) => Err(RequestError::TransferCoding),
        }
    }
}

/// Methods whose HTTP/1.0 requests have a body, which then needs a length (RFC 1945 §8.3).
fn is_post(method: &[u8]) -> bool {
    method == b"POST" || method == b"PUT"
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
