//! The head that a plugin gives with `start_response`. Most plugins give the same one again and again:
//! what was checked once is compared then, which costs a fraction of checking and encoding it. What lies
//! among the constants of the plugin's library need not even be compared.

use crate::http::response::{HeadError, ResponseHead};

/// Stands behind each text that is kept. No text that has passed the checks has it in it (RFC 9110 §5.5):
/// so the same number of texts with the same bytes are the same texts.
const END: u8 = b'\n';

/// The last head that was given, as it was given and as it is sent.
#[derive(Default)]
pub struct GivenHead {
    /// The status, and names and values one after the other; empty: there is none.
    texts: Vec<u8>,
    fields: usize,
    head: ResponseHead,
    /// Heads that were not the same as the one before.
    changes: u64,
    /// Where the plugin had it, if it is still the same there.
    constant: Option<Address>,
}

/// Where a plugin has the parts of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub status: usize,
    pub fields: usize,
    pub count: usize,
}

/// The name and the value of a field; `None`: the plugin has given a pointer to nothing.
type Field<'f> = Option<(&'f [u8], &'f [u8])>;

impl GivenHead {
    /// Checks a head, unless it is the same as last time. `constant` tells where it is, if it will be the
    /// same there for ever.
    ///
    /// # Errors
    /// The first of its mistakes. Nothing of it is kept.
    pub fn take<'f>(
        &mut self,
        status: &[u8],
        fields: impl ExactSizeIterator<Item = Field<'f>> + Clone,
        constant: impl FnOnce() -> Option<Address>,
    ) -> Result<&ResponseHead, HeadError> {
        if !self.is_same(status, fields.clone()) {
            self.changes += 1;
            self.constant = None;
            self.fields = fields.len();
            // Only what has passed stays.
            let mut texts = std::mem::take(&mut self.texts);
            texts.clear();
            self.head.start(status)?;
            keep(&mut texts, status);
            for field in fields {
                let (name, value) = field.ok_or(HeadError::Name)?;
                self.head.field(name, value)?;
                keep(&mut texts, name);
                keep(&mut texts, value);
            }
            self.texts = texts;
            self.constant = constant();
        }
        Ok(&self.head)
    }

    /// The last head was there, and still is.
    pub fn is_still_at(&self, address: Address) -> bool {
        self.constant == Some(address)
    }

    /// As long as this stays the same, so does the head. 0: there has been none.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    fn is_same<'f>(
        &self,
        status: &[u8],
        mut fields: impl ExactSizeIterator<Item = Field<'f>>,
    ) -> bool {
        let mut rest = &self.texts[..];
        fields.len() == self.fields
            && pass(&mut rest, status)
            && fields.all(|field| {
                field.is_some_and(|(name, value)| pass(&mut rest, name) && pass(&mut rest, value))
            })
    }
}

fn keep(texts: &mut Vec<u8>, text: &[u8]) {
    texts.extend_from_slice(text);
    texts.push(END);
}

/// Goes on behind a text, if it is the next one.
fn pass(rest: &mut &[u8], text: &[u8]) -> bool {
    match rest.split_at_checked(text.len()) {
        Some((next, [END, behind @ ..])) if are_equal(next, text) => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

/// Compares texts of the same length, which are short here: calling `memcmp` for each costs more than
/// comparing it.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    fn have_same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
    }
    match one.len() {
        16..=32 => have_same_ends::<16>(one, other),
        8..16 => have_same_ends::<8>(one, other),
        4..8 => have_same_ends::<4>(one, other),
        1 => one[0] == other[0],
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Given<'g> = &'g [(&'g [u8], &'g [u8])];

    fn take(given: &mut GivenHead, status: &[u8], fields: Given<'_>) -> Result<String, HeadError> {
        let head = given.take(status, fields.iter().map(|field| Some(*field)), || None)?;
        let mut out = Vec::new();
        head.encode_interim_into(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_given_is_what_is_sent_the_first_time_and_again() {
        let mut given = GivenHead::default();
        let fields: Given<'_> = &[(b"A", b" b"), (b"Cc", b"")];
        for _ in 0..3 {
            let sent = take(&mut given, b"200 OK", fields).unwrap();
            assert_eq!(sent, "HTTP/1.1 200 OK\r\nA: b\r\nCc: \r\n\r\n");
        }
        // The same bytes in other places are another head.
        for (status, fields, sent) in [
            (&b"200 OK"[..], &[(&b"A"[..], &b" bC"[..]), (b"c", b"")][..], "A: bC\r\nc: \r\n"),
            (b"200 OK", &[(b"A", b" b")], "A: b\r\n"),
            (b"200 O", &[(b"K", b"A"), (b"Cc", b"")], "K: A\r\nCc: \r\n"),
            (b"200 OK", &[], ""),
            (b"200 OK", &[(b"A", b"b"), (b"C", b"d")], "A: b\r\nC: d\r\n"),
        ] {
            for _ in 0..2 {
                let found = take(&mut given, status, fields).unwrap();
                let status = str::from_utf8(status).unwrap();
                assert_eq!(found, format!("HTTP/1.1 {status}\r\n{sent}\r\n"));
            }
        }
    }

    #[test]
    fn every_byte_of_a_text_is_compared() {
        for length in 0..40 {
            let text: Vec<_> = (b'a'..).take(length).collect();
            assert!(are_equal(&text, &text.clone()));
            for place in 0..length {
                let mut other = text.clone();
                other[place] ^= 1;
                assert!(!are_equal(&text, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn a_mistake_is_refused_each_time_and_nothing_is_kept() {
        let mut given = GivenHead::default();
        let bad: Given<'_> = &[(b"A", b"b"), (b"A", b"b\r\nC: d")];
        let good: Given<'_> = &[(b"A", b"b"), (b"A", b"b"), (b"C", b"d")];
        for _ in 0..2 {
            assert!(take(&mut given, b"200 OK", good).is_ok());
            assert_eq!(take(&mut given, b"200 OK", bad), Err(HeadError::Value));
            assert_eq!(take(&mut given, b"200 OK", bad), Err(HeadError::Value));
            assert_eq!(take(&mut given, b"2000", good), Err(HeadError::Status));
            assert!(given.take(b"200 OK", [None].into_iter(), || None).is_err());
        }
    }
}
