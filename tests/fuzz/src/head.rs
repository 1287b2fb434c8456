//! Request heads: the same bytes are the same request, however they arrive.

use tenon::config::Limits;
use tenon::http::head::{Framing, Head, Parsed, Span, Version, parse};
use tenon::http::request_error::RequestError;

/// A parsed head, its parts copied out.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    pub length: usize,
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub path: Vec<u8>,
    pub query: Vec<u8>,
    pub authority: Vec<u8>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub version: Version,
    pub framing: Framing,
    pub keep_alive: bool,
    pub expects_continue: bool,
    pub upgrade: bool,
}

/// What came of it; `None`: the bytes end before the head does.
pub type Outcome = Option<Result<Parts, RequestError>>;

/// Limits that short inputs can reach.
pub fn limits() -> Limits {
    Limits { head: 1024, target: 256, headers: 16, ..Limits::default() }
}

/// Parses `bytes` as they arrive in pieces that end at `ends`, as a connection does: from the
/// beginning again whenever there are more.
pub fn parse_in_pieces(bytes: &[u8], ends: &[usize]) -> Outcome {
    let mut head = Head::default();
    // The connection's buffer: the parser may change what has arrived.
    let mut buffer = Vec::new();
    for end in ends {
        buffer.extend_from_slice(&bytes[buffer.len()..*end]);
        match parse(&mut buffer, &limits(), &mut head) {
            Ok(Parsed::Incomplete) => {}
            Ok(Parsed::Complete) => return Some(Ok(copy(&head, &buffer))),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

fn copy(head: &Head, bytes: &[u8]) -> Parts {
    let part = |span: &Span| span.of(&bytes[..head.length]).to_vec();
    Parts {
        length: head.length,
        method: part(&head.method),
        target: part(&head.target),
        path: part(&head.path),
        query: part(&head.query),
        authority: part(&head.authority),
        fields: head.fields.iter().map(|(name, value)| (part(name), part(value))).collect(),
        version: head.version,
        framing: head.framing,
        keep_alive: head.keep_alive,
        expects_continue: head.expects_continue,
        upgrade: head.upgrade,
    }
}

/// What must be so of every accepted head.
fn check(parts: &Parts) {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    for (name, value) in &parts.fields {
        assert!(
            !name.is_empty() && !name.iter().any(|byte| is_control(byte) || b" \t:".contains(byte))
        );
        assert!(!name.iter().any(u8::is_ascii_uppercase), "names are in lower case");
        assert!(!value.iter().any(is_control));
    }
    let count =
        |name: &str| parts.fields.iter().filter(|(found, _)| found == name.as_bytes()).count();
    assert!(count("host") <= 1 && count("content-length") <= 1);
    assert!(count("transfer-encoding") + count("content-length") <= 1);
    assert_eq!(parts.framing == Framing::Chunked, count("transfer-encoding") == 1);
    assert!(!parts.method.is_empty() && !parts.path.is_empty());
    assert!(parts.path.starts_with(b"/") || parts.path == b"*");
    let target = [&parts.method, &parts.target, &parts.path, &parts.query, &parts.authority];
    assert!(target.iter().all(|text| text.iter().all(u8::is_ascii_graphic)));
    assert!(parts.version == Version::Http10 || count("host") == 1);
}

/// A parser that others have written reads the same in a head that was accepted.
pub fn agrees(parts: &Parts, bytes: &[u8]) {
    let mut head = bytes[..parts.length].to_vec();
    let begin = head.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
    let line = begin + head[begin..].iter().position(|byte| *byte == b'\r').unwrap_or(0);
    // It knows no later version, which are to be taken as this one.
    head[line - 1] = head[line - 1].min(b'1');
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(&head), Ok(httparse::Status::Complete(parts.length)));
    assert_eq!(request.method.map(str::as_bytes), Some(&parts.method[..]));
    assert_eq!(request.path.map(str::as_bytes), Some(&parts.target[..]));
    assert_eq!(request.version, Some(u8::from(parts.version == Version::Http11)));
    let read = request.headers.iter().map(|field| {
        (field.name.to_ascii_lowercase().into_bytes(), field.value.trim_ascii().to_vec())
    });
    assert_eq!(read.collect::<Vec<_>>(), parts.fields);
}

pub fn fuzz(bytes: &[u8]) {
    let (ends, bytes) = crate::pieces(bytes);
    let whole = parse_in_pieces(bytes, &[bytes.len()]);
    assert_eq!(whole, parse_in_pieces(bytes, &ends), "split at {ends:?}");
    if let Some(Ok(parts)) = &whole {
        check(parts);
        agrees(parts, bytes);
        // What follows a head is none of its business.
        assert_eq!(whole, parse_in_pieces(&bytes[..parts.length], &[parts.length]));
    }
}
