//! Request bodies: the same bytes are the same body, and end at the same place, however they arrive.

use tenon::http::body::BodyDecoder;
use tenon::http::head::Framing;
use tenon::http::request_error::RequestError;

/// A limit that short inputs can reach.
const LIMIT: u64 = 300;

/// The body and how many bytes it took on the wire, or that it is not complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    pub body: Vec<u8>,
    pub used: usize,
    pub is_whole: bool,
}

/// Decodes `bytes` as they arrive in pieces that end at `ends`.
///
/// # Errors
/// The decoder's own, and what of the body came before.
pub fn decode_in_pieces(
    framing: Framing,
    bytes: &[u8],
    ends: &[usize],
) -> Result<Decoded, (RequestError, Vec<u8>)> {
    let mut decoder = BodyDecoder::new(framing, LIMIT);
    let mut body = Vec::new();
    let mut used = 0;
    for end in ends {
        loop {
            let step = match decoder.step(&bytes[used..*end]) {
                Ok(step) => step,
                Err(error) => return Err((error, body)),
            };
            used += step.consumed;
            body.extend_from_slice(step.data);
            assert!(step.data.len() <= step.consumed && body.len() as u64 <= LIMIT);
            if step.done {
                return Ok(Decoded { body, used, is_whole: true });
            }
            if step.consumed == 0 {
                break;
            }
        }
        assert_eq!(used, *end, "everything that has arrived is used");
    }
    Ok(Decoded { body, used, is_whole: false })
}

pub fn fuzz(bytes: &[u8]) {
    let (ends, bytes) = crate::pieces(bytes);
    for framing in [Framing::Chunked, Framing::Length(7)] {
        let whole = decode_in_pieces(framing, bytes, &[bytes.len()]);
        let split = decode_in_pieces(framing, bytes, &ends);
        assert_eq!(whole, split, "{framing:?} split at {ends:?}");
        let Ok(whole) = whole else { continue };
        if framing == Framing::Chunked && whole.is_whole {
            assert!(bytes[..whole.used].ends_with(b"\r\n"));
            assert!(bytes[..whole.used].iter().filter(|byte| **byte == b'\n').count() >= 2);
        }
    }
}
