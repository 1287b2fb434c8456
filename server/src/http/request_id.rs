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
    /// Half of it is drawn anew by every thread of every process, half of it counts.
    last: RequestId,
}

impl Default for Source {
    fn default() -> Self {
        // The standard library seeds it from the system's random numbers.
        let begin = RandomState::new().build_hasher().finish();
        let mut last = RequestId { length: 32, ..RequestId::default() };
        last.bytes[..32].copy_from_slice(format!("{begin:016x}{:016x}", 0).as_bytes());
        Self { last }
    }
}

impl Source {
    /// 32 hexadecimal digits that nobody else has made.
    pub fn make(&mut self) -> &RequestId {
        for digit in self.last.bytes[16..32].iter_mut().rev() {
            *digit = match *digit {
                b'f' => b'0',
                b'9' => b'a',
                digit => digit + 1,
            };
            if *digit != b'0' {
                break;
            }
        }
        &self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_once() {
        let (mut source, mut other) = (Source::default(), Source::default());
        let ids = [*source.make(), *source.make(), *other.make()];
        assert!(ids.iter().all(|id| id.as_bytes().len() == 32));
        assert_ne!(ids[0].as_bytes(), ids[1].as_bytes());
        assert_ne!(ids[0].as_bytes()[..16], ids[2].as_bytes()[..16]);
        let counted = |id: &RequestId| str::from_utf8(&id.as_bytes()[16..]).unwrap().to_owned();
        let more: Vec<_> = (3..=0x1234).map(|number| (number, *source.make())).collect();
        assert!(more.iter().all(|(number, id)| counted(id) == format!("{number:016x}")));
    }

    #[test]
    fn what_could_be_misread_is_not_taken_over() {
        assert_eq!(RequestId::accept(b"a-1_b.c:d/e=").unwrap().as_bytes(), b"a-1_b.c:d/e=");
        for bad in [&b""[..], b"a b", b"a\"b", b"a\x1bb", &[b'x'; 65]] {
            assert!(RequestId::accept(bad).is_none(), "{bad:?}");
        }
    }
}
