//! Texts as bytes and back: UTF-8 and GBK, the two encodings of the lesson.
//!
//! What Python does with `errors="strict"`: a text that an encoding cannot say is an error, never a
//! silent question mark. Decoding a stranger's bytes must go on, so it marks what it cannot read.

use std::fmt;

use encoding_rs::{Encoding, GBK, UTF_8};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Charset {
    #[default]
    Utf8,
    Gbk,
}

/// A character that an encoding has no bytes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmappable {
    pub character: char,
    /// Its place in the text, counted in characters from 0.
    pub position: usize,
    pub charset: Charset,
}

impl std::error::Error for Unmappable {}

impl fmt::Display for Unmappable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (character, code) = (self.character, u32::from(self.character));
        let (charset, position) = (self.charset.name(), self.position);
        write!(
            formatter,
            "{charset} cannot encode '{character}' (U+{code:04X}) at position {position}: \
             send UTF-8, or leave it out"
        )
    }
}

/// What bytes say in an encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// With U+FFFD where the bytes say nothing.
    pub text: String,
    /// Every byte said something.
    pub is_valid: bool,
}

impl Charset {
    pub const ALL: [Self; 2] = [Self::Utf8, Self::Gbk];

    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gbk => "gbk",
        }
    }

    /// `utf-8`, `utf8` or `gbk`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "gbk" => Some(Self::Gbk),
            _ => None,
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Gbk => GBK,
        }
    }

    /// # Errors
    /// The first character that this encoding does not have.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, Unmappable> {
        let (bytes, _, has_unmappable) = self.encoding().encode(text);
        if !has_unmappable {
            return Ok(bytes.into_owned());
        }
        // The library writes such characters as HTML does; find the first instead.
        let is_lost =
            |character: char| self.encoding().encode(character.encode_utf8(&mut [0; 4])).2;
        let first = text.chars().enumerate().find(|(_, character)| is_lost(*character));
        let (position, character) = first.unwrap_or((0, char::REPLACEMENT_CHARACTER));
        Err(Unmappable { character, position, charset: self })
    }

    pub fn decode(self, bytes: &[u8]) -> Decoded {
        let (text, has_errors) = self.encoding().decode_without_bom_handling(bytes);
        Decoded { text: text.into_owned(), is_valid: !has_errors }
    }

    /// The encoding a stranger used: bytes that are valid UTF-8 are hardly ever meant as GBK.
    pub fn guess(bytes: &[u8]) -> Self {
        if std::str::from_utf8(bytes).is_ok() { Self::Utf8 } else { Self::Gbk }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that Python 3 gives for `"你好".encode(...)`.
    #[test]
    fn the_lessons_greeting_has_four_bytes_in_gbk_and_six_in_utf_8() {
        assert_eq!(Charset::Gbk.encode("你好").unwrap(), b"\xc4\xe3\xba\xc3");
        assert_eq!(Charset::Utf8.encode("你好").unwrap(), b"\xe4\xbd\xa0\xe5\xa5\xbd");
    }

    #[test]
    fn what_gbk_does_not_have_is_an_error_with_its_place() {
        let error = Charset::Gbk.encode("ok 😀").unwrap_err();
        assert_eq!((error.character, error.position), ('😀', 3));
        assert!(error.to_string().contains("U+1F600"));
        assert!(Charset::Utf8.encode("ok 😀").is_ok());
    }

    #[test]
    fn the_wrong_encoding_is_seen() {
        let gbk = Charset::Gbk.encode("你好").unwrap();
        assert!(!Charset::Utf8.decode(&gbk).is_valid);
        // Six bytes read as three GBK characters: the well-known 浣犲ソ.
        let utf8 = Charset::Utf8.encode("你好").unwrap();
        assert_eq!(Charset::Gbk.decode(&utf8).text, "浣犲ソ");
        assert_eq!(Charset::guess(&gbk), Charset::Gbk);
        assert_eq!(Charset::guess(&utf8), Charset::Utf8);
    }
}
