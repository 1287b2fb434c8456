//! A name for every request, for logs on both sides of a proxy and for plugins: `X-Request-Id`.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The name of the field, in lower case.
pub const FIELD: &str = "x-request-id";
/// Bytes of one that is taken over from a proxy.
const LONGEST: usize = 64;

#[derive(Clone, Copy, Debug)]
pub struct RequestId {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Default for RequestId {
    /// None: empty.
    fn default() -> Self {
        Self { bytes: [0; LONGEST], length: 0 }
    }
}

impl RequestId {
    /// Takes one over; `None` if it is too long or could be misread in a log.
    pub fn accept(text: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
        if text.is_empty() || text.len() > LONGEST || !text.iter().all(is_plain) {
            return None;
        }
        let mut id = Self { length: text.len() as u8, ..Self::default() };
        id.bytes[..text.len()].copy_from_slice(text);
        Some(id)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Makes ids; each thread has one of its own.
#[derive(Debug)]
pub struct Source {
    /// Drawn anew by every thread of every process.
    begin: u64,
    count: u64,
}

impl Default for Source {
    fn default() -> Self {
        // The standard library seeds it from the system's random numbers.
        Self { begin: RandomState::new().build_hasher().finish(), count: 0 }
    }
}

impl Source {
    /// 32 hexadecimal digits that nobody else has made.
    pub fn make(&mut self) -> RequestId {
        self.count += 1;
        let mut id = RequestId { length: 32, ..RequestId::default() };
        let number = u128::from(self.begin) << 64 | u128::from(self.count);
        for (place, byte) in id.bytes.iter_mut().take(32).enumerate() {
            let digit = (number >> (4 * (31 - place)) & 15) as usize;
            *byte = b"0123456789abcdef"[digit];
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_once() {
        let (mut source, mut other) = (Source::default(), Source::default());
        let ids = [source.make(), source.make(), other.make()];
        assert!(ids.iter().all(|id| id.as_bytes().len() == 32));
        assert_ne!(ids[0].as_bytes(), ids[1].as_bytes());
        assert_ne!(ids[0].as_bytes()[..16], ids[2].as_bytes()[..16]);
    }

    #[test]
    fn what_could_be_misread_is_not_taken_over() {
        assert_eq!(RequestId::accept(b"a-1_b.c:d/e=").unwrap().as_bytes(), b"a-1_b.c:d/e=");
        for bad in [&b""[..], b"a b", b"a\"b", b"a\x1bb", &[b'x'; 65]] {
            assert!(RequestId::accept(bad).is_none(), "{bad:?}");
        }
    }
}
