//! Whether a plugin's answer is compressed, and what its head then says.
//!
//! Asked once for each answer, when its head is about to be sent. An answer that is known to be
//! short costs one comparison.

use super::exchange::Exchange;
use crate::config::Compression;
use crate::http::coding::{Accepted, Choice, Coding};
use crate::http::response::{ResponseHead, status_has_body};
use crate::static_files::media_type;
use crate::worker::event_loop::Thread;

impl Exchange {
    /// The coding for a body of `length` bytes, or of a length that nobody knows yet. Says in the
    /// head that it was chosen by Accept-Encoding, if it was.
    pub(super) fn choose_coding(&mut self, thread: &Thread, length: Option<u64>) -> Option<Coding> {
        let config = thread.worker.config();
        let rules = &config.compression;
        if rules.codings.is_empty() || length.is_some_and(|length| length < rules.min_size as u64) {
            return None;
        }
        let plugin = config.plugin.get(&self.call.plugin().name);
        if plugin.and_then(|plugin| plugin.compress) == Some(false) {
            return None;
        }
        let fields = || self.head.fields_named(&self.bytes, "accept-encoding");
        if self.call.head().status() == 304 {
            // The answer it stands for may have been compressed, and had a weak tag then.
            weaken(self.call.change_head());
            return None;
        }
        if !may_be_coded(self.call.head(), rules) {
            return None;
        }
        vary(self.call.change_head());
        match Accepted::read(fields()).choose(rules.codings.iter().copied()) {
            Choice::Coded(coding) => Some(coding),
            Choice::Identity | Choice::Nothing => None,
        }
    }

    /// What the head says of a body that is coded.
    pub(super) fn mark_coded(&mut self, coding: Coding) {
        let head = self.call.change_head();
        head.forget_length();
        head.remove("accept-ranges");
        weaken(head);
        add(head, "Content-Encoding", coding.name());
    }
}

/// The body is whole, of a kind that is worth it, and nobody has said that it must stay as it is.
fn may_be_coded(head: &ResponseHead, rules: &Compression) -> bool {
    let is_whole = status_has_body(head.status()) && !matches!(head.status(), 101 | 206);
    let must_stay = || {
        // Digests are of the bytes as they are (RFC 9530).
        let fixed =
            ["content-encoding", "content-range", "content-digest", "repr-digest", "digest"];
        let no_transform = |value: &[u8]| {
            value
                .split(|byte| *byte == b',')
                .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
        };
        fixed.iter().any(|name| head.has(name)) || head.values("cache-control").any(no_transform)
    };
    is_whole
        && head
            .values("content-type")
            .next()
            .is_some_and(|value| media_type::matches_any(value, &rules.types))
        && !must_stay()
}

/// Two forms of a response may not share a strong entity tag (RFC 9110 §8.8.3.3).
fn weaken(head: &mut ResponseHead) {
    let strong = head.values("etag").next().filter(|tag| tag.starts_with(b"\""));
    if let Some(weak) = strong.map(|tag| [b"W/", tag].concat()) {
        head.remove("etag");
        // It was a valid value before.
        let _ = head.field(b"ETag", &weak);
    }
}

fn vary(head: &mut ResponseHead) {
    let names = |value: &[u8]| {
        value.split(|byte| *byte == b',').any(|name| {
            let name = name.trim_ascii();
            name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")
        })
    };
    if !head.values("vary").any(names) {
        add(head, "Vary", "Accept-Encoding");
    }
}

fn add(head: &mut ResponseHead, name: &str, value: &str) {
    head.field(name.as_bytes(), value.as_bytes()).expect("the field is well-formed");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(status);
        fields.iter().for_each(|(name, value)| add(&mut head, name, value));
        head
    }

    #[test]
    fn what_must_stay_as_it_is_does() {
        let rules = Compression::default();
        let html = ("Content-Type", "text/html");
        for (status, field, expected) in [
            (200, ("X", "y"), true),
            (404, ("X", "y"), true),
            (206, ("Content-Range", "bytes 0-1/2"), false),
            (204, ("X", "y"), false),
            (200, ("Content-Encoding", "gzip"), false),
            (200, ("Cache-Control", "max-age=1, No-Transform"), false),
            (200, ("Cache-Control", "no-transforms"), true),
            (200, ("Content-Digest", "sha-256=:x:"), false),
        ] {
            let found = may_be_coded(&head(status, &[html, field]), &rules);
            assert_eq!(found, expected, "{status} {field:?}");
        }
        assert!(!may_be_coded(&head(200, &[("Content-Type", "image/png")]), &rules));
        assert!(!may_be_coded(&head(200, &[("Content-Type", "text/event-stream")]), &rules));
        assert!(!may_be_coded(&head(200, &[]), &rules));
    }

    #[test]
    fn tags_are_weakened_and_vary_is_said_once() {
        let mut coded = head(200, &[("ETag", "\"a\""), ("Vary", "Cookie")]);
        weaken(&mut coded);
        weaken(&mut coded);
        vary(&mut coded);
        vary(&mut coded);
        assert_eq!(coded.values("etag").collect::<Vec<_>>(), [b"W/\"a\""]);
        let names: Vec<_> = coded.values("vary").collect();
        assert_eq!(names, [&b"Cookie"[..], b"Accept-Encoding"]);
        let mut all = head(200, &[("Vary", "*")]);
        vary(&mut all);
        assert_eq!(all.values("vary").count(), 1);
    }
}
