//! The PROXY protocol, versions 1 and 2: who a load balancer connects for, in front of the first
//! request. Read only where the configuration says that every connection begins with it; nothing
//! here guesses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest version 1 line, with its CR LF.
const LONGEST_LINE: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const BINARY_HEAD: usize = 16;
/// Addresses and extensions of version 2 that are waited for; they may be 64 KiB by their format, but
/// nobody sends that.
const LONGEST_BINARY: usize = 4096;

/// Both ends of the connection that the balancer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub remote: SocketAddr,
    pub local: SocketAddr,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// So many bytes were the header. Without ends the connection is the balancer's own, as for a
    /// health check, or of a kind that has no addresses we know.
    Complete { length: usize, ends: Option<Ends> },
    /// It is not a PROXY header: the connection must end, without an answer.
    Invalid,
}

/// Reads the header at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let shared = bytes.len().min(SIGNATURE.len());
    if bytes[..shared] == SIGNATURE[..shared] {
        return if shared < SIGNATURE.len() { Parsed::Incomplete } else { parse_binary(bytes) };
    }
    parse_line(bytes)
}

fn parse_line(bytes: &[u8]) -> Parsed {
    let begin = b"PROXY ";
    let shared = bytes.len().min(begin.len());
    if bytes[..shared] != begin[..shared] {
        return Parsed::Invalid;
    }
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(newline) = memchr::memchr(b'\n', window) else {
        let is_full = window.len() == LONGEST_LINE;
        return if is_full { Parsed::Invalid } else { Parsed::Incomplete };
    };
    let line = window[..newline].strip_suffix(b"\r").and_then(|line| line.strip_prefix(begin));
    let ends = line.and_then(|line| str::from_utf8(line).ok()).and_then(line_ends);
    ends.map_or(Parsed::Invalid, |ends| Parsed::Complete { length: newline + 1, ends })
}

/// The inner option is `None` for UNKNOWN, whose addresses are to be passed over.
fn line_ends(line: &str) -> Option<Option<Ends>> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (remote, local) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let is_plain =
            word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        word.parse::<u16>().ok().filter(|_| is_plain)
    };
    let ends = Ends { remote: (remote, port()?).into(), local: (local, port()?).into() };
    words.next().is_none().then_some(Some(ends))
}

fn parse_binary(bytes: &[u8]) -> Parsed {
    let Some([version, family, high, low]) = bytes[SIGNATURE.len()..].first_chunk() else {
        return Parsed::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if version >> 4 != 2 || version & 15 > 1 || length > LONGEST_BINARY {
        return Parsed::Invalid;
    }
    let Some(block) = bytes.get(BINARY_HEAD..BINARY_HEAD + length) else {
        return Parsed::Incomplete;
    };
    let is_local = version & 15 == 0;
    let ends = match family {
        _ if is_local => None,
        // TCP over IPv4 and over IPv6; what follows the addresses are extensions.
        0x11 => match block.first_chunk::<12>() {
            Some(block) => Some(ends_v4(block)),
            None => return Parsed::Invalid,
        },
        0x21 => match block.first_chunk::<36>() {
            Some(block) => Some(ends_v6(block)),
            None => return Parsed::Invalid,
        },
        // Other families and transports: none of our business, to be taken as unknown.
        _ if family >> 4 <= 3 && family & 15 <= 2 => None,
        _ => return Parsed::Invalid,
    };
    Parsed::Complete { length: BINARY_HEAD + length, ends }
}

fn ends_v4(block: &[u8; 12]) -> Ends {
    let [a, b, c, d, e, f, g, h, ports @ ..] = *block;
    let [remote, local] = ports_of(ports);
    Ends {
        remote: (Ipv4Addr::new(a, b, c, d), remote).into(),
        local: (Ipv4Addr::new(e, f, g, h), local).into(),
    }
}

fn ends_v6(block: &[u8; 36]) -> Ends {
    let address = |begin: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&block[begin..begin + 16]);
        Ipv6Addr::from(octets)
    };
    let [remote, local] = ports_of([block[32], block[33], block[34], block[35]]);
    Ends { remote: (address(0), remote).into(), local: (address(16), local).into() }
}

fn ports_of([a, b, c, d]: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(bytes: &[u8]) -> (usize, Option<(String, String)>) {
        match parse(bytes) {
            Parsed::Complete { length, ends } => {
                (length, ends.map(|ends| (ends.remote.to_string(), ends.local.to_string())))
            }
            other => panic!("{other:?}: {bytes:?}"),
        }
    }

    fn binary(version: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = (block.len() as u16).to_be_bytes();
        [SIGNATURE, &[version, family][..], &length, block].concat()
    }

    #[test]
    fn lines() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\nGET";
        let ends = Some(("192.0.2.1:5000".to_owned(), "198.51.100.2:80".to_owned()));
        assert_eq!(complete(line), (line.len() - 3, ends));
        let line = b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n";
        let ends = Some(("[2001:db8::1]:65535".to_owned(), "[::1]:0".to_owned()));
        assert_eq!(complete(line), (line.len(), ends));
        assert_eq!(complete(b"PROXY UNKNOWN\r\n"), (15, None));
        assert_eq!(complete(b"PROXY UNKNOWN what ever\r\n").1, None);
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 5000\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 5000 80 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 05000 80\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +5 80\r\n",
            "PROXY TCP4 ::1 ::1 5000 80\r\n",
            "PROXY TCP6 192.0.2.1 ::1 5000 80\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.2 5000 80\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 5000 80\r\n",
            "proxy TCP4 192.0.2.1 198.51.100.2 5000 80\r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Parsed::Invalid, "{bad:?}");
        }
        assert_eq!(parse(&[&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat()), Parsed::Invalid);
    }

    #[test]
    fn blocks() {
        let block = [192, 0, 2, 1, 198, 51, 100, 2, 0x13, 0x88, 0, 80, 4, 0, 0];
        let bytes = binary(0x21, 0x11, &block);
        let ends = Some(("192.0.2.1:5000".to_owned(), "198.51.100.2:80".to_owned()));
        assert_eq!(complete(&[&bytes[..], b"GET"].concat()), (bytes.len(), ends));
        assert_eq!(complete(&binary(0x20, 0x11, &block)).1, None, "LOCAL");
        assert_eq!(complete(&binary(0x21, 0, b"")).1, None, "UNSPEC");
        assert_eq!(complete(&binary(0x21, 0x31, &[0; 216])).1, None, "a UNIX socket");
        assert_eq!(
            complete(&binary(0x21, 0x21, &[1; 36])).1.unwrap().0,
            "[101:101:101:101:101:101:101:101]:257"
        );
        for bad in [
            binary(0x11, 0x11, &block),
            binary(0x22, 0x11, &block),
            binary(0x21, 0x11, &block[..11]),
            binary(0x21, 0x21, &[0; 35]),
            binary(0x21, 0x41, &block),
            binary(0x21, 0x13, &block),
            binary(0x21, 0x11, &[0; 5000]),
        ] {
            assert_eq!(parse(&bad), Parsed::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn every_beginning_is_incomplete() {
        for bytes in [
            b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\n".to_vec(),
            binary(0x21, 0x21, &[1; 50]),
        ] {
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), Parsed::Incomplete, "{length}");
            }
        }
    }
}
