//! Bytes for people: pairs of hexadecimal digits, and the rows of a hex dump.

use std::fmt::Write;

/// `c4 e3 ba c3`.
pub fn pairs(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let separator = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{separator}{byte:02x}"); // a String takes everything
    }
    text
}

/// As [`pairs`], but no more than `limit` bytes, and how many were left out.
pub fn some_pairs(bytes: &[u8], limit: usize) -> String {
    match bytes.len().checked_sub(limit) {
        Some(more @ 1..) => format!("{} … (+{more})", pairs(&bytes[..limit])),
        _ => pairs(bytes),
    }
}

/// Printable ASCII; a dot for every other byte, as analysers show it.
pub fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
    bytes.iter().map(shown).collect()
}

/// Rows of sixteen: offset, pairs, ASCII.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, part) in bytes.chunks(16).enumerate() {
        let offset = row * 16;
        // A String takes everything.
        let _ = writeln!(text, "{offset:04x}  {:<47}  {}", pairs(part), ascii(part));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_dump_shows_offset_pairs_and_text() {
        let bytes: Vec<u8> = (0x38..0x4a).collect();
        assert_eq!(
            super::dump(&bytes),
            "0000  38 39 3a 3b 3c 3d 3e 3f 40 41 42 43 44 45 46 47  89:;<=>?@ABCDEFG\n\
             0010  48 49                                            HI\n"
        );
        assert_eq!(super::some_pairs(&bytes, 2), "38 39 … (+16)");
        assert_eq!(super::ascii(b"a\n\xff"), "a..");
    }
}
