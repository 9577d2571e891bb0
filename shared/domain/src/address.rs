//! Which servers of other people may be reached: the scheme, the port, the spelling of the host, and the addresses
//! that its name stands for.
//!
//! Whoever registers an endpoint chooses a host that this stack then calls from inside its operator's network. So
//! only public addresses are reached, by https and on few ports, unless the operator allows a network of their own.
//! One rule serves registration, test and delivery: [`Reach::url`] judges the text, [`Reach::dial`] what it resolved
//! to. Names can change what they stand for between two look-ups, so whoever dials must dial the addresses that were
//! judged and no others.
//!
//! What no list can hold: a network that translates IPv4 under a prefix of its own choice (RFC 6052, 2.2) makes
//! private IPv4 addresses look like public IPv6 ones.

mod forbidden;
mod special;
mod target;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net};

pub use forbidden::Forbidden;
pub use special::{Special, special};
pub use target::{Host, Target};

/// The ports that are reached if nothing else is said: that of https, and its usual other.
pub const DEFAULT_PORTS: &str = "443,8443";

/// The rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    networks: Vec<IpNet>,
    ports: Vec<RangeInclusive<u16>>,
}

/// Why a rule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// Not a network.
    #[error("`{0}` is no network: write 10.0.0.0/8, fd00::/8 or one address")]
    Network(String),
    /// An address inside a network, in the place of the network: one of the two was meant, and they differ widely.
    #[error("`{0}` has bits set beyond its prefix: write the network's first address")]
    Bits(String),
    /// Not a port or a range of ports.
    #[error("`{0}` is no port from 1 to 65535 and no range of them such as 9000-9100")]
    Port(String),
}

impl Default for Reach {
    fn default() -> Self {
        Self::public()
    }
}

impl Reach {
    /// Public addresses only, by https, on the ports 443 and 8443.
    #[must_use]
    pub fn public() -> Self {
        Self { networks: Vec::new(), ports: vec![443..=443, 8443..=8443] }
    }

    /// Public addresses by https, and besides them these networks, there also by plain http.
    ///
    /// `networks`: IPv4 and IPv6 networks or single addresses, with commas between; empty for none.
    /// `ports`: ports and ranges, with commas between (`443,8443,9000-9100`); empty for [`DEFAULT_PORTS`].
    ///
    /// # Errors
    /// An item that is no network, or no port.
    pub fn parse(networks: &str, ports: &str) -> Result<Self, ReachError> {
        let ports = if ports.trim().is_empty() { DEFAULT_PORTS } else { ports };
        Ok(Self {
            networks: items(networks).map(network).collect::<Result<_, _>>()?,
            ports: items(ports).map(port_range).collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is any network that may be reached by plain http.
    #[must_use]
    pub fn allows_plain(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Reads an absolute URL and judges what can be judged without a look-up: scheme, port, and how the host is
    /// spelled; an address in the place of a name is judged whole.
    ///
    /// # Errors
    /// [`Forbidden`], with what the rule is.
    pub fn url(&self, url: &str) -> Result<Target, Forbidden> {
        let target = Target::read(url)?;
        if !target.tls && !self.allows_plain() {
            return Err(Forbidden::Plain);
        }
        if !self.ports.iter().any(|range| range.contains(&target.port)) {
            return Err(Forbidden::Port);
        }
        match &target.host {
            Host::Address(address) => self.dial(&target, &[*address])?,
            // RFC 6761, 6.3: these names mean the machine itself, whatever a server of names says.
            Host::Name(name) if is_localhost(name) && !self.allows_loopback() => {
                return Err(Forbidden::Address(Special::Loopback));
            }
            Host::Name(_) => {}
        }
        Ok(target)
    }

    /// Judges addresses: each must be public or in an allowed network.
    ///
    /// One that may not be reached forbids all: a name that mixes public and inner addresses is either a mistake or
    /// an attempt, and a client that drops the bad ones hides which.
    ///
    /// # Errors
    /// [`Forbidden::Address`] for the first that may not be reached, [`Forbidden::NoAddress`] if there is none.
    pub fn addresses(&self, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        if addresses.is_empty() {
            return Err(Forbidden::NoAddress);
        }
        let refused = addresses.iter().filter(|address| !self.allows(**address)).find_map(|address| special(*address));
        refused.map_or(Ok(()), |special| Err(Forbidden::Address(special)))
    }

    /// Judges what a target resolved to: [`Self::addresses`], and plain http only where every address is in an
    /// allowed network.
    ///
    /// # Errors
    /// As [`Self::addresses`], and [`Forbidden::Plain`].
    pub fn dial(&self, target: &Target, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        self.addresses(addresses)?;
        let fits = target.tls || addresses.iter().all(|address| self.allows(*address));
        if fits { Ok(()) } else { Err(Forbidden::Plain) }
    }

    /// Whether an address is in a network that the operator allows. An IPv4 address is the same however the system
    /// hands it over (`::ffff:0:0/96`); behind a translator (`64:ff9b::/96`) it is another network's.
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    fn allows_loopback(&self) -> bool {
        self.allows(Ipv4Addr::LOCALHOST.into()) || self.allows(Ipv6Addr::LOCALHOST.into())
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn network(item: &str) -> Result<IpNet, ReachError> {
    let unreadable = || ReachError::Network(item.to_owned());
    let network: IpNet = match item.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => item.parse().map_err(|_| unreadable())?,
    };
    if network.trunc() != network {
        return Err(ReachError::Bits(item.to_owned()));
    }
    match (network, network.network().to_canonical()) {
        (IpNet::V6(mapped), IpAddr::V4(first)) if mapped.prefix_len() >= 96 => {
            Ipv4Net::new(first, mapped.prefix_len() - 96).map(IpNet::V4).map_err(|_| unreadable())
        }
        _ => Ok(network),
    }
}

fn port_range(item: &str) -> Result<RangeInclusive<u16>, ReachError> {
    let range = match item.split_once('-') {
        Some((first, last)) => target::port(first.trim()).zip(target::port(last.trim())),
        None => target::port(item).map(|port| (port, port)),
    };
    match range {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err(ReachError::Port(item.to_owned())),
    }
}
