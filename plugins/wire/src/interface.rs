//! The one network interface that a lab may use: the loopback, unless the configuration names
//! another.

use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub index: u32,
    pub address: Ipv4Addr,
    pub mask: Ipv4Addr,
    pub is_loopback: bool,
}

impl Interface {
    /// # Errors
    /// There is none of that name with an IPv4 address, or it is down.
    pub fn named(name: &str) -> Result<Self, String> {
        let index = if_nametoindex(name).map_err(|error| {
            format!(
                "cannot use the interface \"{name}\": {error}; `ip address` lists those there are"
            )
        })?;
        let addresses = getifaddrs()
            .map_err(|error| format!("cannot read the addresses of the interfaces: {error}"))?;
        for entry in addresses.filter(|entry| entry.interface_name == name) {
            let address = entry.address.as_ref().and_then(|address| address.as_sockaddr_in());
            let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in());
            let (Some(address), Some(mask)) = (address, mask) else { continue };
            if !entry.flags.contains(InterfaceFlags::IFF_UP) {
                return Err(format!("the interface \"{name}\" is down: ip link set {name} up"));
            }
            return Ok(Self {
                name: name.to_owned(),
                index,
                address: address.ip(),
                mask: mask.ip(),
                is_loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            });
        }
        Err(format!("the interface \"{name}\" has no IPv4 address"))
    }

    /// The one that a plugin's configuration names with the key `interface`, else the loopback.
    ///
    /// # Errors
    /// As [`Interface::named`].
    pub fn configured(config: &serde_json::Value) -> Result<Self, String> {
        Self::named(config.get("interface").and_then(|name| name.as_str()).unwrap_or("lo"))
    }

    /// Where a datagram for everybody on this network goes.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask.to_bits())
    }

    /// Is this an address on this network? Nothing else is ever sent to.
    pub fn reaches(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask.to_bits() == self.address.to_bits() & self.mask.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_what_there_is_without_a_configuration() {
        let interface = Interface::configured(&serde_json::Value::Null).unwrap();
        assert_eq!(interface.address, Ipv4Addr::LOCALHOST);
        assert!(interface.is_loopback);
        assert_eq!(interface.broadcast(), Ipv4Addr::new(127, 255, 255, 255));
        assert!(interface.reaches(Ipv4Addr::new(127, 8, 9, 10)));
        assert!(!interface.reaches(Ipv4Addr::new(128, 0, 0, 1)));
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let error = Interface::named("nosuch0").unwrap_err();
        assert!(error.contains("nosuch0"), "{error}");
    }
}
