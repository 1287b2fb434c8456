//! Python's `struct`: values to bytes and back, by a format such as `!H10sb5sb`.
//!
//! Byte order and size as Python has them on 64-bit Linux: `@` (and nothing) is native with
//! alignment, `=` native without, `<` little and `>` or `!` big.

use std::fmt;

/// Bytes of one result at most.
const SIZE_LIMIT: usize = 1024;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(i128),
    Float(f64),
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    /// As Python shows it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Float(number) => write!(formatter, "{number:?}"),
            Self::Bytes(bytes) => formatter.write_str(&python_bytes(bytes)),
        }
    }
}

/// `b'\x01\x00rabbit'`.
pub fn python_bytes(bytes: &[u8]) -> String {
    let shown: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\t' => "\\t".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\'' => "\\'".to_owned(),
            0x20..0x7f => char::from(*byte).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect();
    format!("b'{shown}'")
}

/// One letter of a format and how often it comes; of `s` the count is the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    letter: char,
    count: usize,
}

/// A format that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    is_big: bool,
    is_aligned: bool,
    items: Vec<Item>,
}

impl Format {
    /// # Errors
    /// What in it is no format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (order, rest) = match text.chars().next() {
            Some(first @ ('@' | '=' | '<' | '>' | '!')) => (first, &text[1..]),
            _ => ('@', text),
        };
        let is_big = matches!(order, '>' | '!') || (order != '<' && cfg!(target_endian = "big"));
        let mut items = Vec::new();
        let mut digits = String::new();
        for letter in rest.chars().filter(|letter| !letter.is_whitespace()) {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            if size(letter).is_none() {
                return Err(format!("bad char in struct format: '{letter}'"));
            }
            let count = if digits.is_empty() { Ok(1) } else { digits.parse() };
            let count = count.ok().filter(|count| *count <= SIZE_LIMIT);
            let count = count.ok_or_else(|| format!("{digits} is more than {SIZE_LIMIT}"))?;
            items.push(Item { letter, count });
            digits.clear();
        }
        if !digits.is_empty() {
            return Err("repeat count given without format specifier".to_owned());
        }
        let format = Self { is_big, is_aligned: order == '@', items };
        let size = format.size();
        if size > SIZE_LIMIT {
            Err(format!("{size} bytes are more than {SIZE_LIMIT}"))
        } else {
            Ok(format)
        }
    }

    /// `struct.calcsize`.
    pub fn size(&self) -> usize {
        self.items.iter().fold(0, |end, item| {
            let size = size(item.letter).unwrap_or(1);
            self.start(end, item.letter) + size * item.count
        })
    }

    /// Where a value begins: native values lie at a multiple of their size.
    fn start(&self, end: usize, letter: char) -> usize {
        if self.is_aligned { end.next_multiple_of(size(letter).unwrap_or(1)) } else { end }
    }

    /// The values that are wanted.
    pub fn value_count(&self) -> usize {
        let counts = self.items.iter().map(|item| match item.letter {
            'x' => 0,
            's' => 1,
            _ => item.count,
        });
        counts.sum()
    }

    /// # Errors
    /// There are more or fewer values, or one that does not fit.
    pub fn pack(&self, values: &[Value]) -> Result<Vec<u8>, String> {
        if values.len() != self.value_count() {
            let (wanted, given) = (self.value_count(), values.len());
            return Err(format!("pack expected {wanted} items for packing (got {given})"));
        }
        let mut values = values.iter();
        let mut bytes = Vec::new();
        for item in &self.items {
            bytes.resize(self.start(bytes.len(), item.letter), 0);
            match item.letter {
                'x' => bytes.resize(bytes.len() + item.count, 0),
                's' => match values.next() {
                    Some(Value::Bytes(text)) => {
                        let end = bytes.len() + item.count;
                        bytes.extend(&text[..text.len().min(item.count)]);
                        bytes.resize(end, 0);
                    }
                    _ => return Err("argument for 's' must be a bytes object".to_owned()),
                },
                letter => {
                    for value in values.by_ref().take(item.count) {
                        self.pack_one(letter, value, &mut bytes)?;
                    }
                }
            }
        }
        Ok(bytes)
    }

    fn pack_one(&self, letter: char, value: &Value, bytes: &mut Vec<u8>) -> Result<(), String> {
        let size = size(letter).unwrap_or(1);
        let little = match (letter, value) {
            ('c', Value::Bytes(text)) if text.len() == 1 => text.clone(),
            ('c', _) => return Err("char format requires a bytes object of length 1".to_owned()),
            ('f', Value::Float(number)) => (*number as f32).to_le_bytes().to_vec(),
            ('d', Value::Float(number)) => number.to_le_bytes().to_vec(),
            ('f', Value::Integer(number)) => (*number as f32).to_le_bytes().to_vec(),
            ('d', Value::Integer(number)) => (*number as f64).to_le_bytes().to_vec(),
            ('?', Value::Integer(number)) => vec![u8::from(*number != 0)],
            (_, Value::Integer(number)) => {
                let (least, most) = range(letter, size);
                if !(least..=most).contains(number) {
                    return Err(format!("'{letter}' format requires {least} <= number <= {most}"));
                }
                number.to_le_bytes()[..size].to_vec()
            }
            _ => return Err("required argument is not an integer".to_owned()),
        };
        if self.is_big {
            bytes.extend(little.iter().rev())
        } else {
            bytes.extend(little)
        }
        Ok(())
    }

    /// # Errors
    /// There are more or fewer bytes.
    pub fn unpack(&self, bytes: &[u8]) -> Result<Vec<Value>, String> {
        if bytes.len() != self.size() {
            return Err(format!("unpack requires a buffer of {} bytes", self.size()));
        }
        let mut values = Vec::new();
        let mut end = 0;
        for item in &self.items {
            let size = size(item.letter).unwrap_or(1);
            let start = self.start(end, item.letter);
            end = start + size * item.count;
            match item.letter {
                'x' => {}
                's' => values.push(Value::Bytes(bytes[start..end].to_vec())),
                letter => values.extend(
                    bytes[start..end].chunks_exact(size).map(|part| self.unpack_one(letter, part)),
                ),
            }
        }
        Ok(values)
    }

    fn unpack_one(&self, letter: char, part: &[u8]) -> Value {
        let mut little = [0; 16];
        for (place, byte) in part.iter().enumerate() {
            little[if self.is_big { part.len() - 1 - place } else { place }] = *byte;
        }
        let unsigned = u128::from_le_bytes(little);
        match letter {
            'c' => Value::Bytes(part.to_vec()),
            '?' => Value::Integer(i128::from(unsigned != 0)),
            'f' => Value::Float(f64::from(f32::from_bits(unsigned as u32))),
            'd' => Value::Float(f64::from_bits(unsigned as u64)),
            letter if letter.is_lowercase() => {
                let unused = 128 - 8 * part.len() as u32;
                Value::Integer(((unsigned << unused) as i128) >> unused)
            }
            _ => Value::Integer(unsigned as i128),
        }
    }

    /// The bytes of each value, for a picture.
    pub fn parts(&self, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut parts = Vec::new();
        let mut end = 0;
        for item in &self.items {
            let size = size(item.letter).unwrap_or(1);
            let start = self.start(end, item.letter);
            if start > end {
                parts.push(("padding / 填充".to_owned(), bytes[end..start].to_vec()));
            }
            end = start + size * item.count;
            let Item { letter, count } = *item;
            match letter {
                's' | 'x' => {
                    let shown = format!("{count}{letter}: {}", python_bytes(&bytes[start..end]));
                    parts.push((shown, bytes[start..end].to_vec()));
                }
                _ => parts.extend(bytes[start..end].chunks_exact(size).map(|part| {
                    (format!("{letter}: {}", self.unpack_one(letter, part)), part.to_vec())
                })),
            }
        }
        parts
    }
}

/// Of one value. `l` and `L` are 8 bytes only natively, which this leaves out: they are refused.
fn size(letter: char) -> Option<usize> {
    Some(match letter {
        'x' | 'c' | 'b' | 'B' | '?' | 's' => 1,
        'h' | 'H' => 2,
        'i' | 'I' | 'f' => 4,
        'q' | 'Q' | 'd' => 8,
        _ => return None,
    })
}

fn range(letter: char, size: usize) -> (i128, i128) {
    let bits = 8 * size as u32;
    if letter.is_lowercase() {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// Values as people write them: `1, 0x1234, "rabbit.jpg", b'octet', 2.5`.
///
/// # Errors
/// The first that is none.
pub fn parse_values(text: &str) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let bare = rest.strip_prefix('b').unwrap_or(rest);
        let quote = bare.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => {
                let inner = &bare[1..];
                let end =
                    inner.find(quote).ok_or_else(|| format!("{rest}: the quote has no end"))?;
                (Value::Bytes(inner.as_bytes()[..end].to_vec()), &inner[end + 1..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (parse_number(rest[..end].trim())?, &rest[end..])
            }
        };
        values.push(value);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => "",
            None => return Err(format!("a comma is missing before {after}")),
        };
    }
    Ok(values)
}

fn parse_number(text: &str) -> Result<Value, String> {
    let hexadecimal = text.strip_prefix("0x").map(|digits| i128::from_str_radix(digits, 16));
    if let Some(Ok(number)) = hexadecimal {
        return Ok(Value::Integer(number));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::Integer(number.into()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(Value::Integer(number.into()));
    }
    let float = text.parse::<f64>().map(Value::Float);
    float.map_err(|_| format!("{text} is neither a number nor a text in quotes"))
}

#[cfg(test)]
#[path = "structure_tests.rs"]
mod tests;
