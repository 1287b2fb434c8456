//! Which proxies are believed, and in what. `ipnet` reads the networks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// Nothing is believed by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    pub trusted: Vec<Network>,
    pub fields: ForwardedBy,
    /// Every connection begins with a PROXY header, and comes from a trusted proxy.
    pub proxy_protocol: bool,
}

impl Proxies {
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.0.contains(&address))
    }
}

/// Which fields the trusted proxies set. Only one kind is read: a proxy passes on the other kind as
/// its client sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    #[default]
    XForwarded,
    Forwarded,
}

/// Who gets the id of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestIds {
    /// Only the access log, if it shows it.
    Off,
    /// Plugins too, as the field X-Request-Id.
    #[default]
    Plugin,
    /// And the client, in the answer.
    Answer,
}

/// An address, or a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network: IpNet| Self(network.trunc())).map_err(|_| {
            let expected = "expected an address or a network such as \"10.0.0.0/8\"";
            D::Error::custom(format!("found {text:?}, {expected}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        let networks = r#"["10.1.2.3/8", "127.0.0.1", "2001:db8::/32"]"#;
        let trusted = serde_json::from_str(networks).unwrap();
        let proxies = Proxies { trusted, ..Proxies::default() };
        for good in ["10.255.0.1", "127.0.0.1", "2001:db8::7", "::ffff:10.0.0.1"] {
            assert!(proxies.trusts(good.parse().unwrap()), "{good}");
        }
        for bad in ["11.0.0.1", "127.0.0.2", "2001:db9::7"] {
            assert!(!proxies.trusts(bad.parse().unwrap()), "{bad}");
        }
        for bad in [r#""10.0.0.0/33""#, r#""proxy""#, r#""""#] {
            assert!(serde_json::from_str::<Network>(bad).is_err(), "{bad}");
        }
    }
}
