//! The head that a plugin gives with `start_response`. Most plugins give the same one again and again:
//! what was checked once is compared then, which costs a fraction of checking and encoding it.

use crate::http::response::{HeadError, ResponseHead};

/// The last head that was given, as it was given and as it is sent.
#[derive(Default)]
pub struct GivenHead {
    /// The status, and names and values one after the other.
    texts: Vec<u8>,
    /// How long each of them is.
    lengths: Vec<usize>,
    head: ResponseHead,
}

/// The name and the value of a field; `None`: the plugin has given a pointer to nothing.
type Field<'f> = Option<(&'f [u8], &'f [u8])>;

impl GivenHead {
    /// Checks a head, unless it is the same as last time.
    ///
    /// # Errors
    /// The first of its mistakes. Nothing of it is kept.
    pub fn take<'f>(
        &mut self,
        status: &[u8],
        fields: impl ExactSizeIterator<Item = Field<'f>> + Clone,
    ) -> Result<&ResponseHead, HeadError> {
        if !self.is_same(status, fields.clone()) {
            self.lengths.clear();
            self.texts.clear();
            self.head.start(status)?;
            self.texts.extend_from_slice(status);
            let mut lengths = std::mem::take(&mut self.lengths);
            lengths.push(status.len());
            for field in fields {
                let (name, value) = field.ok_or(HeadError::Name)?;
                self.head.field(name, value)?;
                self.texts.extend_from_slice(name);
                self.texts.extend_from_slice(value);
                lengths.extend([name.len(), value.len()]);
            }
            self.lengths = lengths;
        }
        Ok(&self.head)
    }

    fn is_same<'f>(&self, status: &[u8], fields: impl ExactSizeIterator<Item = Field<'f>>) -> bool {
        let Some((first, lengths)) = self.lengths.split_first() else { return false };
        if *first != status.len() || lengths.len() != 2 * fields.len() {
            return false;
        }
        let (mut is_same, mut rest) = match self.texts.split_at_checked(*first) {
            Some((known, rest)) => (known == status, rest),
            None => return false,
        };
        for (field, lengths) in fields.zip(lengths.chunks_exact(2)) {
            let Some((name, value)) = field else { return false };
            for (text, length) in [name, value].into_iter().zip(lengths) {
                let Some((known, behind)) = rest.split_at_checked(*length) else { return false };
                is_same &= known == text;
                rest = behind;
            }
            if !is_same {
                return false;
            }
        }
        is_same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Given<'g> = &'g [(&'g [u8], &'g [u8])];

    fn take(given: &mut GivenHead, status: &[u8], fields: Given<'_>) -> Result<String, HeadError> {
        let head = given.take(status, fields.iter().map(|field| Some(*field)))?;
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
        ] {
            for _ in 0..2 {
                let found = take(&mut given, status, fields).unwrap();
                let status = str::from_utf8(status).unwrap();
                assert_eq!(found, format!("HTTP/1.1 {status}\r\n{sent}\r\n"));
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
            assert!(given.take(b"200 OK", [None].into_iter()).is_err());
        }
    }
}
