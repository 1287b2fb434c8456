//! The path of a request into the path of a file, by its text alone.
//!
//! It is decoded exactly once. What could be read in two ways, or could lead somewhere else than it
//! says, names no file: an encoded slash, a backslash, control characters, empty segments, `.` and
//! `..`. Names that begin with a dot are hidden, but for `/.well-known/` (RFC 8615).

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The path below the root that `sent`, a path as it stands in a request, leads to. It ends in a
/// slash if `sent` does, and is empty for the root itself. `None`: no file has such a path.
pub fn decode(sent: &[u8]) -> Option<Cow<'_, [u8]>> {
    let sent = sent.strip_prefix(b"/")?;
    // An encoded slash is not a slash: RFC 3986 §2.2.
    if memchr::memchr(b'%', sent).is_some()
        && sent.windows(3).any(|part| part.eq_ignore_ascii_case(b"%2f"))
    {
        return None;
    }
    let path: Cow<'_, [u8]> = percent_decode(sent).into();
    is_plain(&path).then_some(path)
}

/// Every segment is the name of something that may be shown.
fn is_plain(path: &[u8]) -> bool {
    if path.iter().any(|byte| matches!(byte, b'\\' | ..b' ' | 0x7f)) {
        return false;
    }
    let mut rest = path;
    let mut is_first = true;
    while !rest.is_empty() {
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let segment = &rest[..end];
        let is_hidden = segment.starts_with(b".") && !(is_first && segment == b".well-known");
        if segment.is_empty() || is_hidden {
            return false;
        }
        is_first = false;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_decoded_once() {
        for (sent, expected) in [
            ("/", ""),
            ("/a", "a"),
            ("/a/b/", "a/b/"),
            ("/a%20b", "a b"),
            ("/%E6%A6%AB.html", "榫.html"),
            ("/%252e%252e/a", "%2e%2e/a"),
            ("/.well-known/acme-challenge/x", ".well-known/acme-challenge/x"),
            ("/a..b/...c", ""),
            ("/a/b..", "a/b.."),
        ] {
            let path = decode(sent.as_bytes());
            if expected.is_empty() && sent != "/" {
                assert_eq!(path, None, "{sent}");
            } else {
                assert_eq!(path.as_deref(), Some(expected.as_bytes()), "{sent}");
            }
        }
    }

    #[test]
    fn what_leads_elsewhere_names_no_file() {
        for sent in [
            "",
            "a",
            "*",
            "//",
            "//evil",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/..",
            "/%2e%2e/a",
            "/%2E%2e/a",
            "/.%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%00",
            "/a%0a",
            "/a%7f",
            "/.git/config",
            "/a/.htpasswd",
            "/a/.well-known/x",
            "/%2ehidden",
            "/.well-known/.x",
        ] {
            assert_eq!(decode(sent.as_bytes()), None, "{sent}");
        }
    }

    proptest! {
        /// However a text is encoded: what comes out cannot leave its root.
        #[test]
        fn no_path_climbs(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("/"), Just("."), Just(".."), Just("%2e"), Just("%2E%2e"), Just("%2f"),
                    Just("%5c"), Just("\\"), Just("%00"), Just("a"), Just("%"), Just("%25"),
                ],
                0..12,
            ),
        ) {
            let sent = format!("/{}", pieces.concat());
            if let Some(path) = decode(sent.as_bytes()) {
                prop_assert!(!path.starts_with(b"/") && !path.contains(&0) && !path.contains(&b'\\'));
                for segment in path.split(|byte| *byte == b'/') {
                    prop_assert!(!segment.starts_with(b"."), "{}", sent);
                }
                // An address made from it stays on this host.
                prop_assert!(!sent.starts_with("//"));
            }
        }

        #[test]
        fn any_bytes_are_read(sent in prop::collection::vec(any::<u8>(), 0..80)) {
            let with_slash = [b"/", &sent[..]].concat();
            for sent in [&sent, &with_slash] {
                if let Some(path) = decode(sent) {
                    prop_assert!(!path.contains(&0) && !path.starts_with(b"/"));
                }
            }
        }
    }
}
