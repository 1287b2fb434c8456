//! The packets of TFTP (RFC 1350, RFC 2347): bytes to meaning and back.

use std::fmt;

/// Error codes (RFC 1350, appendix; 8 is RFC 2347's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    pub const UNDEFINED: Self = Self(0);
    pub const NOT_FOUND: Self = Self(1);
    pub const ACCESS_VIOLATION: Self = Self(2);
    pub const DISK_FULL: Self = Self(3);
    pub const ILLEGAL_OPERATION: Self = Self(4);
    pub const UNKNOWN_TID: Self = Self(5);
    pub const FILE_EXISTS: Self = Self(6);
    pub const BAD_OPTION: Self = Self(8);
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RRQ: the client downloads.
    Read,
    /// WRQ: the client uploads.
    Write,
}

/// How the file's bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they are.
    Octet,
    /// Lines end in CR LF on the way (RFC 764).
    Netascii,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// As sent: it need not be UTF-8.
    pub file: Vec<u8>,
    pub mode: Mode,
    /// Names in lower case.
    pub options: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Request(Request),
    Data { block: u16, data: Vec<u8> },
    Ack { block: u16 },
    Error { code: Code, message: String },
    OptionAck { options: Vec<(String, String)> },
}

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    Short,
    UnknownOperation(u16),
    /// A text without the zero byte at its end.
    Unterminated,
    UnknownMode,
    /// A name without a value.
    OddOptions,
}

impl std::error::Error for Malformed {}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => formatter.write_str("the packet is too short"),
            Self::UnknownOperation(number) => write!(formatter, "there is no operation {number}"),
            Self::Unterminated => formatter.write_str("a text has no zero byte at its end"),
            Self::UnknownMode => formatter.write_str("the mode is neither octet nor netascii"),
            Self::OddOptions => formatter.write_str("an option has no value"),
        }
    }
}

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACK: u16 = 6;

impl Packet {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let number = |bytes: &mut Vec<u8>, number: u16| bytes.extend(number.to_be_bytes());
        match self {
            Self::Request(request) => {
                let operation = if request.kind == Kind::Read { READ } else { WRITE };
                number(&mut bytes, operation);
                text(&mut bytes, &request.file);
                text(&mut bytes, request.mode.name().as_bytes());
                pairs(&mut bytes, &request.options);
            }
            Self::Data { block, data } => {
                number(&mut bytes, DATA);
                number(&mut bytes, *block);
                bytes.extend(data);
            }
            Self::Ack { block } => {
                number(&mut bytes, ACK);
                number(&mut bytes, *block);
            }
            Self::Error { code, message } => {
                number(&mut bytes, ERROR);
                number(&mut bytes, code.0);
                text(&mut bytes, message.as_bytes());
            }
            Self::OptionAck { options } => {
                number(&mut bytes, OPTION_ACK);
                pairs(&mut bytes, options);
            }
        }
        bytes
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (operation, rest) = take_number(bytes)?;
        match operation {
            READ | WRITE => {
                let kind = if operation == READ { Kind::Read } else { Kind::Write };
                Ok(Self::Request(parse_request(kind, rest)?))
            }
            DATA => {
                let (block, data) = take_number(rest)?;
                Ok(Self::Data { block, data: data.to_vec() })
            }
            ACK => take_number(rest).map(|(block, _)| Self::Ack { block }),
            ERROR => {
                let (code, rest) = take_number(rest)?;
                // Some senders forget the zero byte; the message is for people anyway.
                let message = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                let message = String::from_utf8_lossy(message).into_owned();
                Ok(Self::Error { code: Code(code), message })
            }
            OPTION_ACK => Ok(Self::OptionAck { options: parse_options(rest)? }),
            other => Err(Malformed::UnknownOperation(other)),
        }
    }

    /// As people write it: `DATA 7 (512)`.
    pub fn summary(&self) -> String {
        let listed = |options: &[(String, String)]| {
            options.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
        };
        match self {
            Self::Request(request) => {
                let name = if request.kind == Kind::Read { "RRQ" } else { "WRQ" };
                let file = String::from_utf8_lossy(&request.file);
                format!("{name} {file} {}{}", request.mode.name(), listed(&request.options))
            }
            Self::Data { block, data } => format!("DATA {block} ({})", data.len()),
            Self::Ack { block } => format!("ACK {block}"),
            Self::Error { code, message } => format!("ERROR {} {message}", code.0),
            Self::OptionAck { options } => format!("OACK{}", listed(options)),
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(text.iter().filter(|byte| **byte != 0));
    bytes.push(0);
}

fn pairs(bytes: &mut Vec<u8>, options: &[(String, String)]) {
    for (name, value) in options {
        text(bytes, name.as_bytes());
        text(bytes, value.as_bytes());
    }
}

fn take_number(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn take_text(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(Malformed::Unterminated)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

fn parse_request(kind: Kind, bytes: &[u8]) -> Result<Request, Malformed> {
    let (file, rest) = take_text(bytes)?;
    let (mode, rest) = take_text(rest)?;
    let mode = match mode.to_ascii_lowercase().as_slice() {
        b"octet" => Mode::Octet,
        b"netascii" => Mode::Netascii,
        _ => return Err(Malformed::UnknownMode),
    };
    Ok(Request { kind, file: file.to_vec(), mode, options: parse_options(rest)? })
}

fn parse_options(mut bytes: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let mut options = Vec::new();
    while !bytes.is_empty() {
        let (name, rest) = take_text(bytes)?;
        let (value, rest) = take_text(rest).map_err(|_| Malformed::OddOptions)?;
        let as_text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        options.push((as_text(name).to_ascii_lowercase(), as_text(value)));
        bytes = rest;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &[(&str, &str)]) -> Packet {
        let options = options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let file = b"rabbit.jpg".to_vec();
        Packet::Request(Request { kind: Kind::Read, file, mode: Mode::Octet, options })
    }

    /// The bytes of the lesson: `struct.pack("!H10sb5sb", 1, b"rabbit.jpg", 0, b"octet", 0)`.
    #[test]
    fn the_lessons_request_has_the_lessons_bytes() {
        assert_eq!(request(&[]).encode(), b"\x00\x01rabbit.jpg\x00octet\x00");
        assert_eq!(Packet::parse(b"\x00\x01rabbit.jpg\x00octet\x00"), Ok(request(&[])));
    }

    /// RFC 2347: the layout of a request with options; names in any case.
    #[test]
    fn options_follow_the_mode() {
        let packet = request(&[("blksize", "1432"), ("tsize", "0")]);
        let bytes = b"\x00\x01rabbit.jpg\x00OCTET\x00BlkSize\x001432\x00tsize\x000\x00";
        assert_eq!(Packet::parse(bytes), Ok(packet));
    }

    #[test]
    fn every_packet_survives_the_way() {
        let packets = [
            request(&[("timeout", "3")]),
            Packet::Data { block: 0xfffe, data: vec![0, 1, 255] },
            Packet::Data { block: 7, data: Vec::new() },
            Packet::Ack { block: 300 },
            Packet::Error { code: Code::NOT_FOUND, message: "File not found".to_owned() },
            Packet::OptionAck { options: vec![("blksize".to_owned(), "8".to_owned())] },
        ];
        for packet in packets {
            assert_eq!(Packet::parse(&packet.encode()), Ok(packet));
        }
        assert_eq!(Packet::Ack { block: 0x1234 }.encode(), [0, 4, 0x12, 0x34]);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (bytes, reason) in [
            (&b""[..], Malformed::Short),
            (b"\x00", Malformed::Short),
            (b"\x00\x03\x00", Malformed::Short),
            (b"\x00\x09\x00\x00", Malformed::UnknownOperation(9)),
            (b"\x00\x01file", Malformed::Unterminated),
            (b"\x00\x01file\x00octet", Malformed::Unterminated),
            (b"\x00\x01file\x00mail\x00", Malformed::UnknownMode),
            (b"\x00\x02f\x00octet\x00blksize\x008", Malformed::OddOptions),
        ] {
            assert_eq!(Packet::parse(bytes), Err(reason), "{bytes:?}");
        }
        // Every byte string has an answer.
        for length in 0..40 {
            for seed in 0..=255u8 {
                let bytes: Vec<u8> =
                    (0..length).map(|i| seed.wrapping_mul(i).wrapping_add(i)).collect();
                let _ = Packet::parse(&bytes);
            }
        }
    }
}
