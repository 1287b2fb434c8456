//! What proxies say of the client they speak for: Forwarded (RFC 7239) and the X-Forwarded fields.
//!
//! Only for requests of a proxy that the configuration trusts. Each proxy appends what it saw, so the
//! list is believed from its end up to the first address that is not itself a trusted proxy; what
//! stands before that is the client's own invention.

use std::net::{IpAddr, Ipv6Addr};

use super::characters::{is_text, is_token};
use super::target::check_authority;

/// What is known of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'b> {
    /// Address and port; the port is 0 if nobody said it.
    pub client: Option<(IpAddr, u16)>,
    pub is_https: Option<bool>,
    /// The host that the client asked for.
    pub host: Option<&'b [u8]>,
}

/// The fields cannot be understood: whom the request is from is not certain.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads Forwarded fields, in their order.
///
/// # Errors
/// One of them is not as RFC 7239 §4 says.
pub fn from_forwarded<'b>(
    values: impl Iterator<Item = &'b [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Told<'b>, Malformed> {
    let mut told = None;
    for value in values {
        let mut rest = value;
        loop {
            let (element, after) = element(rest)?;
            if let Some(element) = element {
                believe(&mut told, element, &is_trusted);
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
    Ok(told.unwrap_or_default())
}

/// Reads X-Forwarded-For fields in their order, and the values of the last X-Forwarded-Proto and
/// X-Forwarded-Host. These two are the nearest proxy's word.
///
/// # Errors
/// One of them is not an address, a scheme or a host.
pub fn from_x_forwarded<'b>(
    addresses: impl Iterator<Item = &'b [u8]>,
    scheme: Option<&'b [u8]>,
    host: Option<&'b [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Told<'b>, Malformed> {
    let mut told = None;
    for value in addresses {
        for address in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if !address.is_empty() {
                let client = node(address)?;
                believe(&mut told, Told { client, ..Told::default() }, &is_trusted);
            }
        }
    }
    let mut told = told.unwrap_or_default();
    let last = |value: &'b [u8]| value.rsplit(|byte| *byte == b',').next().map(<[u8]>::trim_ascii);
    told.is_https = scheme.and_then(last).map(is_https).transpose()?;
    told.host = host.and_then(last).map(checked_host).transpose()?;
    Ok(told)
}

/// Goes one step along the list: keeps what was told before a trusted proxy, else takes the new.
fn believe<'b>(told: &mut Option<Told<'b>>, next: Told<'b>, is_trusted: &impl Fn(IpAddr) -> bool) {
    let is_proxy = next.client.is_some_and(|(address, _)| is_trusted(address));
    if told.is_none() || !is_proxy {
        *told = Some(next);
    }
}

/// One element of a Forwarded field, and what follows its comma. An empty one is no element.
type Element<'b> = (Option<Told<'b>>, Option<&'b [u8]>);

fn element(text: &[u8]) -> Result<Element<'_>, Malformed> {
    let mut told = Told::default();
    let mut seen = 0;
    let mut is_empty = true;
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if !matches!(rest.first(), None | Some(b';' | b',')) {
            let (name, value, after) = pair(rest)?;
            let parameter = parameter(&mut told, name, value)?;
            if seen & parameter != 0 {
                // Each at most once (RFC 7239 §4).
                return Err(Malformed);
            }
            seen |= parameter;
            is_empty = false;
            rest = after.trim_ascii_start();
        }
        let told = (!is_empty).then_some(told);
        match rest {
            [] => return Ok((told, None)),
            [b',', after @ ..] => return Ok((told, Some(after))),
            [b';', after @ ..] => rest = after,
            _ => return Err(Malformed),
        }
    }
}

/// Takes a parameter in; gives a bit of its own to those that have a meaning here.
fn parameter<'b>(told: &mut Told<'b>, name: &[u8], value: &'b [u8]) -> Result<u8, Malformed> {
    if name.eq_ignore_ascii_case(b"for") {
        told.client = node(value)?;
        return Ok(1);
    }
    if name.eq_ignore_ascii_case(b"proto") {
        told.is_https = Some(is_https(value)?);
        return Ok(2);
    }
    if name.eq_ignore_ascii_case(b"host") {
        told.host = Some(checked_host(value)?);
        return Ok(4);
    }
    Ok(0)
}

/// Name, value without its quotation marks, and what follows.
type Pair<'b> = (&'b [u8], &'b [u8], &'b [u8]);

fn pair(text: &[u8]) -> Result<Pair<'_>, Malformed> {
    let equals = text.iter().position(|byte| !is_token(*byte)).ok_or(Malformed)?;
    let (name, rest) = text.split_at(equals);
    let rest = rest.strip_prefix(b"=").filter(|_| !name.is_empty()).ok_or(Malformed)?;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let end = quoted.iter().position(|byte| *byte == b'"').ok_or(Malformed)?;
        let (value, rest) = quoted.split_at(end);
        // Nothing that an address or a host is made of needs a backslash before it.
        if !value.iter().all(|byte| is_text(*byte) && *byte != b'\\') {
            return Err(Malformed);
        }
        return Ok((name, value, &rest[1..]));
    }
    let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
    let (value, rest) = rest.split_at(end);
    if value.is_empty() { Err(Malformed) } else { Ok((name, value, rest)) }
}

/// An address and maybe a port (RFC 7239 §6); `None` for one that is not told.
fn node(text: &[u8]) -> Result<Option<(IpAddr, u16)>, Malformed> {
    if text.eq_ignore_ascii_case(b"unknown") {
        return Ok(None);
    }
    if text.starts_with(b"_") {
        let is_name = text.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
        return if is_name { Ok(None) } else { Err(Malformed) };
    }
    let text = str::from_utf8(text).map_err(|_| Malformed)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Some((address.to_canonical(), 0)));
    }
    let (address, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, port)) => {
            (IpAddr::V6(address.parse::<Ipv6Addr>().map_err(|_| Malformed)?), port)
        }
        None => {
            let colon = text.rfind(':').ok_or(Malformed)?;
            let (address, port) = text.split_at(colon);
            (IpAddr::V4(address.parse().map_err(|_| Malformed)?), port)
        }
    };
    let port = match port.as_bytes() {
        [] => 0,
        // A port that is not told.
        [b':', b'_', ..] => 0,
        [b':', b'0'..=b'9', ..] => port[1..].parse().map_err(|_| Malformed)?,
        _ => return Err(Malformed),
    };
    Ok(Some((address.to_canonical(), port)))
}

fn is_https(text: &[u8]) -> Result<bool, Malformed> {
    if text.eq_ignore_ascii_case(b"https") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"http") {
        Ok(false)
    } else {
        Err(Malformed)
    }
}

fn checked_host(text: &[u8]) -> Result<&[u8], Malformed> {
    if text.is_empty() || check_authority(text).is_err() { Err(Malformed) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proxies have addresses in 10.0.0.0/8.
    fn trusted(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    fn client(told: Result<Told<'_>, Malformed>) -> Result<String, Malformed> {
        let client = told?.client;
        Ok(client.map_or("-".to_owned(), |(address, port)| format!("{address} {port}")))
    }

    fn forwarded(values: &[&str]) -> Result<String, Malformed> {
        client(from_forwarded(values.iter().map(|value| value.as_bytes()), trusted))
    }

    fn x_forwarded(values: &[&str]) -> Result<String, Malformed> {
        client(from_x_forwarded(values.iter().map(|v| v.as_bytes()), None, None, trusted))
    }

    #[test]
    fn the_nearest_that_is_no_proxy_is_the_client() {
        for (values, expected) in [
            (&["for=192.0.2.1"][..], "192.0.2.1 0"),
            (&["for=9.9.9.9, for=192.0.2.1"], "192.0.2.1 0"),
            (&["for=9.9.9.9", "for=192.0.2.1;proto=http;by=10.1.1.1, for=10.0.0.7"], "192.0.2.1 0"),
            (&["for=10.0.0.8, for=10.0.0.7"], "10.0.0.8 0"),
            (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1 4711"),
            (&["For=\"192.0.2.1:80\" ; secret=x"], "192.0.2.1 80"),
            (&["for=\"192.0.2.1:_x\""], "192.0.2.1 0"),
            (&["for=192.0.2.1, for=unknown"], "-"),
            (&["for=192.0.2.1, for=_hidden.1"], "-"),
            (&["for=\"[::ffff:192.0.2.1]\""], "192.0.2.1 0"),
            (&[", ,for=192.0.2.1,"], "192.0.2.1 0"),
            (&["proto=https"], "-"),
            (&[""], "-"),
        ] {
            assert_eq!(forwarded(values).as_deref(), Ok(expected), "{values:?}");
        }
        assert_eq!(x_forwarded(&["9.9.9.9, 192.0.2.1, 10.0.0.7"]).unwrap(), "192.0.2.1 0");
        assert_eq!(x_forwarded(&["9.9.9.9", "2001:db8::1,10.0.0.7"]).unwrap(), "2001:db8::1 0");
        assert_eq!(x_forwarded(&["192.0.2.1:99"]).unwrap(), "192.0.2.1 99");
    }

    #[test]
    fn what_cannot_be_understood_is_not_believed() {
        for bad in [
            "for",
            "for=",
            "=x",
            "for=\"192.0.2.1",
            "for=192.0.2.1 x",
            "for=[::1]",
            "for=\"::1:80x\"",
            "for=1.2.3",
            "for=\"1.2.3.4:99999\"",
            "for=\"1.2.3.4:+9\"",
            "for=a.example",
            "for=_a/b",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"a\\\"b\"",
            "proto=ftp",
            "host=\"a b\"",
            "host=\"\"",
            "for = 192.0.2.1",
            "for=\"192.0.2.1\"x",
            "for=192.0.2.1;;=",
        ] {
            assert_eq!(forwarded(&[bad]), Err(Malformed), "{bad:?}");
        }
        for bad in ["a.example", "1.2.3.4x", "[::1", "1.2.3.4:", "-"] {
            assert_eq!(x_forwarded(&[bad]), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn scheme_and_host_are_the_nearest_proxys_word() {
        let told = from_forwarded(
            [&b"for=9.9.9.9;proto=http;host=evil, for=192.0.2.1;proto=https;host=\"shop:81\""[..]]
                .into_iter(),
            trusted,
        );
        let told = told.unwrap();
        assert_eq!((told.is_https, told.host), (Some(true), Some(&b"shop:81"[..])));
        let none = std::iter::empty();
        let told =
            from_x_forwarded(none, Some(b"http, https"), Some(b"evil, shop"), trusted).unwrap();
        assert_eq!((told.is_https, told.host), (Some(true), Some(&b"shop"[..])));
        let none = std::iter::empty;
        assert!(from_x_forwarded(none(), Some(b"ws"), None, trusted).is_err());
        assert!(from_x_forwarded(none(), None, Some(b"a b"), trusted).is_err());
    }
}
