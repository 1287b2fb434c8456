//! Preconditions (RFC 9110 §13): what a client already has, or insists on.
//!
//! `evaluate` keeps the order of §13.2.2. It is asked only when the answer without preconditions
//! would be 200 (§13.2.1).

use super::head::Head;

/// What identifies the present state of a representation.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'v> {
    /// An entity tag as it stands in the field: `"abc"`, or `W/"abc"`.
    pub etag: &'v str,
    /// In seconds since 1970.
    pub modified: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As if there were no preconditions.
    Perform,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// How two entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The same bytes.
    Strong,
    /// The same for all that matters.
    Weak,
}

/// Evaluates the preconditions of a GET or HEAD.
pub fn evaluate(head: &Head, bytes: &[u8], current: Validators<'_>) -> Outcome {
    if has(head, bytes, "if-match") {
        if !matches_any(head, bytes, "if-match", current.etag, Comparison::Strong) {
            return Outcome::Failed;
        }
    } else if let Some(since) = date(head, bytes, "if-unmodified-since")
        && current.modified > since
    {
        return Outcome::Failed;
    }
    if has(head, bytes, "if-none-match") {
        if matches_any(head, bytes, "if-none-match", current.etag, Comparison::Weak) {
            return Outcome::NotModified;
        }
    } else if let Some(since) = date(head, bytes, "if-modified-since")
        && current.modified <= since
    {
        return Outcome::NotModified;
    }
    Outcome::Perform
}

/// Whether a Range field counts (RFC 9110 §13.1.5): there is no If-Range, or what it names is the
/// present state. `now` is in seconds since 1970.
pub fn range_applies(head: &Head, bytes: &[u8], current: Validators<'_>, now: u64) -> bool {
    let mut values = head.fields_named(bytes, "if-range");
    let Some(value) = values.next() else { return true };
    if values.next().is_some() {
        return false;
    }
    if let Some((tag, rest)) = entity_tag(value) {
        return rest.is_empty() && is_same(tag, current.etag, Comparison::Strong);
    }
    // A date is as strong as a tag only if nothing can change any more within its second
    // (RFC 9110 §8.8.2.2), and it must be the very one.
    parse_date(value) == Some(current.modified) && current.modified < now
}

fn has(head: &Head, bytes: &[u8], name: &str) -> bool {
    head.fields_named(bytes, name).next().is_some()
}

/// Whether one of the lists in the fields of that name has the tag, or is `*`.
fn matches_any(head: &Head, bytes: &[u8], name: &str, etag: &str, how: Comparison) -> bool {
    head.fields_named(bytes, name).any(|list| list_has(list, etag, how))
}

/// A list is read up to where it is malformed.
fn list_has(mut list: &[u8], etag: &str, how: Comparison) -> bool {
    if list == b"*" {
        return true;
    }
    loop {
        list = list.trim_ascii_start();
        if let [b',', rest @ ..] = list {
            list = rest;
            continue;
        }
        let Some((tag, rest)) = entity_tag(list) else { return false };
        let rest = rest.trim_ascii_start();
        if !matches!(rest, [] | [b',', ..]) {
            return false;
        }
        if is_same(tag, etag, how) {
            return true;
        }
        list = rest;
    }
}

/// The entity tag that a text begins with, and what follows it. A tag may contain commas.
fn entity_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = if text.starts_with(b"W/") { 2 } else { 0 };
    let quoted = text[start..].strip_prefix(b"\"")?;
    let end = quoted.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
    (quoted[end] == b'"').then(|| text.split_at(start + 1 + end + 1))
}

fn is_same(tag: &[u8], etag: &str, how: Comparison) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    match how {
        Comparison::Strong => tag == etag.as_bytes() && !tag.starts_with(b"W/"),
        Comparison::Weak => opaque(tag) == opaque(etag.as_bytes()),
    }
}

/// The date in a field; one that is malformed or given twice is ignored (RFC 9110 §13.1.3).
fn date(head: &Head, bytes: &[u8], name: &str) -> Option<u64> {
    let mut values = head.fields_named(bytes, name);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    parse_date(value)
}

/// One of the three forms of RFC 9110 §5.6.7, in seconds since 1970.
fn parse_date(text: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(str::from_utf8(text).ok()?).ok()?;
    date.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::http::head;
    use proptest::prelude::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const CURRENT: Validators<'_> = Validators { etag: "\"abc\"", modified: 784_111_777 };

    fn with_head<T>(fields: &str, f: impl FnOnce(&Head, &[u8]) -> T) -> T {
        let mut bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes();
        let mut head = Head::default();
        head::parse(&mut bytes, &Limits::default(), &mut head).unwrap();
        f(&head, &bytes)
    }

    #[track_caller]
    fn check(fields: &str, expected: Outcome) {
        let fields = fields.replace("DATE", DATE).replace("BEFORE", BEFORE).replace("AFTER", AFTER);
        let outcome = with_head(&fields, |head, bytes| evaluate(head, bytes, CURRENT));
        assert_eq!(outcome, expected, "{fields}");
    }

    #[test]
    fn the_order_of_preconditions() {
        use Outcome::{Failed, NotModified, Perform};
        // RFC 9110 §13.1.1: strong comparison.
        check("If-Match: \"abc\"\r\n", Perform);
        check("If-Match: \"x\", \"abc\"\r\n", Perform);
        check("If-Match: \"x\"\r\nIf-Match: \"abc\"\r\n", Perform);
        check("If-Match: *\r\n", Perform);
        check("If-Match: W/\"abc\"\r\n", Failed);
        check("If-Match: \"x\"\r\n", Failed);
        check("If-Match: abc\r\n", Failed);
        // §13.1.2: weak comparison.
        check("If-None-Match: \"abc\"\r\n", NotModified);
        check("If-None-Match: W/\"abc\"\r\n", NotModified);
        check("If-None-Match: \"a,b\", \"abc\"\r\n", NotModified);
        check("If-None-Match: ,, \"x\" ,\"abc\",\r\n", NotModified);
        check("If-None-Match: *\r\n", NotModified);
        check("If-None-Match: \"x\"\r\nIf-None-Match: \"abc\"\r\n", NotModified);
        check("If-None-Match: \"ABC\"\r\n", Perform);
        check("If-None-Match: \"abc\r\n", Perform);
        check("If-None-Match: \"x\" \"abc\"\r\n", Perform);
        check("If-None-Match: w/\"abc\"\r\n", Perform);
        // §13.1.3 and §13.1.4, in the three forms of §5.6.7.
        check("If-Modified-Since: DATE\r\n", NotModified);
        check("If-Modified-Since: AFTER\r\n", NotModified);
        check("If-Modified-Since: BEFORE\r\n", Perform);
        check("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", NotModified);
        check("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", NotModified);
        check("If-Modified-Since: yesterday\r\n", Perform);
        check("If-Modified-Since: AFTER\r\nIf-Modified-Since: AFTER\r\n", Perform);
        check("If-Unmodified-Since: DATE\r\n", Perform);
        check("If-Unmodified-Since: BEFORE\r\n", Failed);
        check("If-Unmodified-Since: yesterday\r\n", Perform);
        // §13.2.2: which goes before which.
        check("If-Match: \"abc\"\r\nIf-Unmodified-Since: BEFORE\r\n", Perform);
        check("If-Match: \"x\"\r\nIf-None-Match: \"abc\"\r\n", Failed);
        check("If-Match: \"abc\"\r\nIf-None-Match: \"abc\"\r\n", NotModified);
        check("If-Unmodified-Since: DATE\r\nIf-None-Match: \"abc\"\r\n", NotModified);
        check("If-None-Match: \"x\"\r\nIf-Modified-Since: AFTER\r\n", Perform);
        check("If-Match: \"abc\"\r\nIf-Modified-Since: DATE\r\n", NotModified);
    }

    #[test]
    fn a_range_belongs_to_one_state() {
        let now = CURRENT.modified + 1;
        for (fields, expected) in [
            ("", true),
            ("If-Range: \"abc\"\r\n", true),
            ("If-Range: W/\"abc\"\r\n", false),
            ("If-Range: \"x\"\r\n", false),
            ("If-Range: \"abc\", \"x\"\r\n", false),
            ("If-Range: *\r\n", false),
            ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", true),
            ("If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", false),
            ("If-Range: Sun, 06 Nov 1994 08:49:36 GMT\r\n", false),
            ("If-Range: \"abc\"\r\nIf-Range: \"abc\"\r\n", false),
        ] {
            let applies = with_head(fields, |head, bytes| range_applies(head, bytes, CURRENT, now));
            assert_eq!(applies, expected, "{fields}");
        }
        // A weak tag is never the same bytes.
        let weak = Validators { etag: "W/\"abc\"", ..CURRENT };
        let fields = "If-Range: W/\"abc\"\r\n";
        assert!(!with_head(fields, |head, bytes| range_applies(head, bytes, weak, now)));
        // The file may still change in the second of its date.
        let fields = "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let fresh = CURRENT.modified;
        assert!(!with_head(fields, |head, bytes| range_applies(head, bytes, CURRENT, fresh)));
    }

    proptest! {
        /// A tag is found in a list wherever it stands, and only if it is there.
        #[test]
        fn a_tag_is_found_in_a_list(
            tags in prop::collection::vec("[!#-~]{0,5}", 1..8),
            spaces in prop::collection::vec("[ \t]{0,2}", 8),
            index in 0usize..8,
            other in "[!#-~]{0,5}",
        ) {
            let list: Vec<_> =
                tags.iter().zip(&spaces).map(|(tag, space)| format!("{space}\"{tag}\"")).collect();
            let list = list.join(",");
            let wanted = format!("\"{}\"", tags[index % tags.len()]);
            prop_assert!(list_has(list.as_bytes(), &wanted, Comparison::Strong));
            let found = list_has(list.as_bytes(), &format!("\"{other}\""), Comparison::Strong);
            prop_assert_eq!(found, tags.contains(&other));
        }

        #[test]
        fn any_bytes_are_read(list in prop::collection::vec(any::<u8>(), 0..60)) {
            // Ends, and finds nothing that is not there.
            let has_tag = list.windows(5).any(|part| part == b"\"abc\"");
            let found = list_has(&list, "\"abc\"", Comparison::Weak);
            prop_assert!(!found || has_tag || list == b"*");
        }
    }
}
