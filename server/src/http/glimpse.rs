//! What shows of a request that is refused: its first line, as far as that has the shape of one. The
//! access log tells of it, and HEAD is answered without a body even then (RFC 9110 §9.3.2). Nothing
//! else is concluded from it.

use super::characters::is_token;
use super::head::{Head, Span, Version};

/// No more of a target is of interest.
const TARGET: usize = 2048;

/// A head with the method and the target of the first line of `bytes`; with neither if there is no
/// method. Its length is 0 unless the line ends in a version that is spoken here.
pub fn glimpse(bytes: &[u8]) -> Head {
    let mut head = Head::default();
    let begin = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = &bytes[begin..];
    let end = begin + rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
    let method = begin + rest.iter().take_while(|byte| is_token(**byte)).count();
    if method == begin || bytes.get(method) != Some(&b' ') {
        return head;
    }
    let version = match &bytes[method..end] {
        line if line.ends_with(b" HTTP/1.1") => Some(Version::Http11),
        line if line.ends_with(b" HTTP/1.0") => Some(Version::Http10),
        _ => None,
    };
    let target_end = if version.is_some() { end - " HTTP/1.x".len() } else { end };
    head.method = Span::new(begin, method);
    head.target = Span::new((method + 1).min(target_end), target_end.min(method + 1 + TARGET));
    if let Some(version) = version {
        head.version = version;
        head.length = end;
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_first_line_shows_what_it_can() {
        for (bytes, method, target, has_version) in [
            ("HEAD /a HTTP/1.1\r\nX", "HEAD", "/a", true),
            ("\r\nGET /%zz HTTP/1.0\r\n\r\n", "GET", "/%zz", true),
            ("GET /a b HTTP/1.1\n", "GET", "/a b", true),
            ("GET /a HTTP/2.0\r\n", "GET", "/a HTTP/2.0", false),
            ("HEAD /unfinished", "HEAD", "/unfinished", false),
            ("GET  HTTP/1.1\r\n", "GET", "", true),
            ("GET HTTP/1.1\r\n", "GET", "", true),
            ("HEAD ", "HEAD", "", false),
            ("HEAD", "", "", false),
            ("HEAD\t/ HTTP/1.1\r\n", "", "", false),
            ("\u{16}\u{3}\u{1}", "", "", false),
            (" / HTTP/1.1", "", "", false),
            ("", "", "", false),
        ] {
            let head = glimpse(bytes.as_bytes());
            assert_eq!(head.method.of(bytes.as_bytes()), method.as_bytes(), "{bytes:?}");
            assert_eq!(head.target.of(bytes.as_bytes()), target.as_bytes(), "{bytes:?}");
            assert_eq!(head.length != 0, has_version, "{bytes:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000));
        assert_eq!(glimpse(long.as_bytes()).target.of(long.as_bytes()).len(), TARGET);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("GET"), Just(" "), Just("/"), Just(" HTTP/1.1"), Just("\r"), Just("\n"), Just(":"),
                ],
                0..9,
            ),
        ) {
            let text = pieces.concat();
            let head = glimpse(text.as_bytes());
            let (method, target) = (head.method.of(text.as_bytes()), head.target.of(text.as_bytes()));
            prop_assert!(method.iter().all(|byte| is_token(*byte)));
            prop_assert!(!target.contains(&b'\n') && !target.contains(&b'\r'));
        }
    }
}
