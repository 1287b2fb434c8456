//! Which bytes may stand where: in the lines of a head, requests and responses alike, and in a quoted
//! text of the access log.

const TOKEN: u8 = 1;
const TEXT: u8 = 2;
const PLAIN: u8 = 4;

/// What each byte may be part of.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let is_token = matches!(c, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
            || matches!(c, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
            || matches!(c, b'^' | b'_' | b'`' | b'|' | b'~');
        let is_text = matches!(c, b'\t' | b' '..=b'~' | 0x80..);
        let is_plain = matches!(c, b' '..=b'~') && c != b'"' && c != b'\\';
        table[byte] = if is_token { TOKEN } else { 0 }
            | if is_text { TEXT } else { 0 }
            | if is_plain { PLAIN } else { 0 };
        byte += 1;
    }
    table
};

/// A character of a token (RFC 9110 §5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// A character of a field value or a reason phrase (RFC 9110 §5.5, RFC 9112 §4).
pub(super) fn is_text(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TEXT != 0
}

/// Looks at every byte, whatever it finds: that takes half the time of stopping at the first.
pub(super) fn all_tokens(bytes: &[u8]) -> bool {
    bytes.iter().fold(TOKEN, |all, byte| all & CLASSES[usize::from(*byte)]) != 0
}

/// It means itself between quotation marks, to every reader and on every terminal.
pub fn is_plain(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & PLAIN != 0
}

/// The same of all bytes; looks at every one, as `all_tokens`.
pub fn all_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(PLAIN, |all, byte| all & CLASSES[usize::from(*byte)]) != 0
}

/// How many bytes at the front may stand in a field value or a reason phrase: all but control
/// characters other than the tab. Looks at eight at a time.
pub(super) fn text_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let controls = controls(u64::from_le_bytes(*eight));
        if controls == 0 {
            at += 8;
            continue;
        }
        at += controls.trailing_zeros() as usize / 8;
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    at + bytes[at..].iter().position(|byte| !is_text(*byte)).unwrap_or(bytes.len() - at)
}

/// The highest bit of the first byte of the word that is a control character, and maybe of others
/// behind it; 0: there is none.
fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | is_delete) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_text_or_not_at_every_place() {
        for byte in 0..=255u8 {
            let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            for place in 0..20 {
                let mut bytes = [b'\xe4'; 20];
                bytes[place] = byte;
                let expected = if is_text { 20 } else { place };
                assert_eq!(text_length(&bytes), expected, "{byte:#x} at {place}");
                // A second one behind it changes nothing.
                bytes[19] = 0;
                let expected = if is_text || place == 19 { 19 } else { place };
                assert_eq!(text_length(&bytes), expected, "{byte:#x} at {place}, then NUL");
            }
        }
    }
}
