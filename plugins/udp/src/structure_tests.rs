//! What Python 3.11's `struct` gives on 64-bit Linux, little-endian.

use super::*;

fn pack(format: &str, values: &str) -> Result<Vec<u8>, String> {
    Format::parse(format)?.pack(&parse_values(values)?)
}

#[test]
fn the_bytes_are_pythons() {
    for (format, values, bytes) in [
        ("HH", "1, 2", &b"\x01\x00\x02\x00"[..]),
        ("!HH", "1,2", b"\x00\x01\x00\x02"),
        (">HH", "0x1234,65535", b"\x12\x34\xff\xff"),
        ("<h", "-2", b"\xfe\xff"),
        ("!h", "-2", b"\xff\xfe"),
        ("!H10sb5sb", "1,\"rabbit.jpg\",0,b'octet',0", b"\x00\x01rabbit.jpg\x00octet\x00"),
        ("bH", "1,2", b"\x01\x00\x02\x00"),
        ("=bH", "1,2", b"\x01\x02\x00"),
        ("bI", "1,2", b"\x01\x00\x00\x00\x02\x00\x00\x00"),
        ("!4s", "'ab'", b"ab\x00\x00"),
        ("!2s", "'abc'", b"ab"),
        ("!3x?c", "5,'z'", b"\x00\x00\x00\x01z"),
        ("!q", "-1", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("!Q", "18446744073709551615", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("!d", "1.5", b"\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        ("<f", "-2.5", b"\x00\x00\x20\xc0"),
        ("!2H", "1,2", b"\x00\x01\x00\x02"),
        ("", "", b""),
    ] {
        assert_eq!(pack(format, values).as_deref(), Ok(bytes), "{format} {values}");
        let parsed = Format::parse(format).unwrap();
        assert_eq!(parsed.size(), bytes.len(), "{format}");
        let again = parsed.pack(&parsed.unpack(bytes).unwrap());
        assert_eq!(again.as_deref(), Ok(bytes), "{format} and back");
        let drawn: usize = parsed.parts(bytes).iter().map(|(_, part)| part.len()).sum();
        assert_eq!(drawn, bytes.len(), "{format} in a picture");
    }
}

#[test]
fn what_python_refuses_is_refused() {
    for (format, values) in [
        ("H", "65536"),
        ("H", "-1"),
        ("b", "128"),
        ("HH", "1"),
        ("H", "1,2"),
        ("s", "1"),
        ("z", "1"),
        ("3", ""),
        ("H", "\"text\""),
        ("c", "'ab'"),
        ("9999999999999999999999H", "1"),
        ("2000x", ""),
        ("H", "x"),
        ("s", "'open"),
        ("HH", "1 2"),
    ] {
        assert!(pack(format, values).is_err(), "{format} {values}");
    }
    assert!(Format::parse("!HH").unwrap().unpack(b"\x00\x01\x00").is_err());
}

#[test]
fn values_are_shown_as_python_shows_them() {
    assert_eq!(python_bytes(b"\x00\x01it's\n\\\xff"), "b'\\x00\\x01it\\'s\\n\\\\\\xff'");
}
