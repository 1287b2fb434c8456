//! Several ranges in one answer: multipart/byteranges (RFC 9110 §14.6, RFC 2046 §5.1).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::http::response::FilePart;

/// The body and its Content-Type for `ranges` of a representation of `length` bytes. The last part
/// is the end of the body and has no bytes of the file.
pub fn parts(ranges: &[Range<u64>], length: u64, content_type: &str) -> (String, Vec<FilePart>) {
    // Nobody can foresee it, so nobody can put it into a file.
    let random = RandomState::new();
    let boundary = format!("{:016x}{:016x}", random.hash_one(1), random.hash_one(2));
    let mut parts: Vec<FilePart> = Vec::with_capacity(ranges.len() + 1);
    for range in ranges {
        let before = format!(
            "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(range, length)
        );
        parts.push(FilePart::new(before.into_bytes(), range.clone()));
    }
    parts.push(FilePart::new(format!("\r\n--{boundary}--\r\n").into_bytes(), 0..0));
    // The first line break belongs to nothing before it.
    if let Some(first) = parts.first_mut() {
        first.before.drain(..2);
    }
    (format!("multipart/byteranges; boundary={boundary}"), parts)
}

/// The value of Content-Range (RFC 9110 §14.4).
pub fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end - 1)
}
