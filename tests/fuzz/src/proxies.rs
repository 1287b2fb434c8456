//! What proxies say of their clients.

use std::net::IpAddr;

use tenon::http::forwarded::{from_forwarded, from_x_forwarded};
use tenon::http::proxy_protocol::{Parsed, parse};

/// A PROXY header is known for what it is at its last byte, and for no header at all at the first
/// byte that is wrong; never later changes that.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = parse(bytes);
    let mut is_settled = false;
    for end in 0..bytes.len().min(600) {
        match parse(&bytes[..end]) {
            Parsed::Incomplete => assert!(!is_settled, "{end}"),
            settled => {
                assert_eq!(settled, whole, "{end}");
                is_settled = true;
            }
        }
        if let Parsed::Complete { length, .. } = whole {
            assert_eq!(is_settled, end >= length, "{end}");
        }
    }
}

fn is_trusted(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

/// Whatever a client puts in front of what its proxy says does not change who the client is.
pub fn forwarded(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, second) = (&bytes[..split], bytes.get(split + 1..).unwrap_or_default());
    let values = || [first, second].into_iter();
    let told = from_forwarded(values(), is_trusted);
    let forged = [&b"for=6.6.6.6;host=evil"[..]].into_iter();
    if let Ok(told) = told
        && told.client.is_some_and(|(address, _)| !is_trusted(address))
    {
        assert_eq!(from_forwarded(forged.chain(values()), is_trusted), Ok(told));
    }
    let told = from_x_forwarded(values(), Some(second), Some(first), is_trusted);
    let forged = [&b"6.6.6.6"[..]].into_iter();
    if let Ok(told) = told
        && told.client.is_some_and(|(address, _)| !is_trusted(address))
    {
        let again = from_x_forwarded(forged.chain(values()), Some(second), Some(first), is_trusted);
        assert_eq!(again, Ok(told));
    }
}
