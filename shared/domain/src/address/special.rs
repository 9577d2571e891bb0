//! Addresses that are not public.
//!
//! Sources: IANA IPv4 Special-Purpose Address Registry, IANA IPv6 Special-Purpose Address Registry (both by
//! RFC 6890), IANA IPv4 and IPv6 Multicast, IANA Internet Protocol Version 6 Address Space. Ranges that the
//! registries call "globally reachable" but that no server of a customer can be in (AS112, AMT, anycast of
//! protocols) are refused too.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address that is not public is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// 0.0.0.0/8, `::`.
    Unspecified,
    /// 127.0.0.0/8, `::1`, and names under `localhost`.
    Loopback,
    /// RFC 1918, and RFC 4193 for IPv6.
    Private,
    /// 100.64.0.0/10.
    Shared,
    /// 169.254.0.0/16 and fe80::/10; the metadata services of clouds are here.
    LinkLocal,
    /// fec0::/10.
    SiteLocal,
    /// Blocks that protocols were given.
    Protocol,
    /// Blocks for examples.
    Documentation,
    /// Blocks for measuring networks.
    Benchmarking,
    /// Addresses that lead through relays or tunnels: 6to4, Teredo, AMT, ISATAP.
    Tunnel,
    /// IPv6 spellings of IPv4 addresses that no route leads to: `::/96` and others under `::/8`.
    Embedded,
    /// 64:ff9b:1::/48.
    Translation,
    /// 100::/64.
    Discard,
    /// 224.0.0.0/4 and ff00::/8.
    Multicast,
    /// 240.0.0.0/4, and IPv6 outside 2000::/3.
    Reserved,
    /// 255.255.255.255.
    Broadcast,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an address that stands for no host (RFC 791, RFC 4291)",
            Self::Loopback => "the machine itself (RFC 1122, RFC 4291)",
            Self::Private => "a private network (RFC 1918, RFC 4193)",
            Self::Shared => "address space shared inside a provider's network (RFC 6598)",
            Self::LinkLocal => "an address valid on one link only (RFC 3927, RFC 4291)",
            Self::SiteLocal => "an address valid in one site only (RFC 3879)",
            Self::Protocol => "a block kept for protocols (RFC 6890)",
            Self::Documentation => "a block for documentation (RFC 5737, RFC 3849, RFC 9637)",
            Self::Benchmarking => "a block for benchmarks (RFC 2544, RFC 5180)",
            Self::Tunnel => "an address that leads through a relay or tunnel (6to4, Teredo, AMT, ISATAP)",
            Self::Embedded => "an IPv6 spelling of an IPv4 address (RFC 4291, RFC 7915)",
            Self::Translation => "an address for translation inside one network (RFC 8215)",
            Self::Discard => "an address that discards what it is sent (RFC 6666)",
            Self::Multicast => "a multicast address (RFC 5771, RFC 4291)",
            Self::Reserved => "a reserved address (RFC 1112, RFC 4291)",
            Self::Broadcast => "the broadcast address (RFC 919)",
        })
    }
}

/// What an address is for, if it is not public.
#[must_use]
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, special)| *special)
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    if MAPPED.contains(&address) || TRANSLATED.contains(&address) {
        return special_v4(embedded(address));
    }
    let listed = V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, special)| *special);
    match listed {
        None if !GLOBAL.contains(&address) => Some(Special::Reserved),
        // RFC 5214, 6.1: the last 64 bits hold an IPv4 address, the prefix the router that unpacks it.
        None if matches!(address.segments(), [_, _, _, _, 0 | 0x0200, 0x5efe, _, _]) => Some(Special::Tunnel),
        listed => listed,
    }
}

/// The IPv4 address in the last 32 bits.
fn embedded(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// All that can be public in IPv6.
const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// An IPv4 address as IPv6 sockets show it: the same host.
const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);

/// An IPv4 address behind a translator (RFC 6052). On a network with IPv6 only every IPv4 host looks like this, so
/// the block is not refused as such.
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

/// The first that fits counts.
const V4: &[(Ipv4Net, Special)] = &[
    (v4(0, 0, 0, 0, 8), Special::Unspecified),
    (v4(10, 0, 0, 0, 8), Special::Private),
    (v4(100, 64, 0, 0, 10), Special::Shared),
    (v4(127, 0, 0, 0, 8), Special::Loopback),
    (v4(169, 254, 0, 0, 16), Special::LinkLocal),
    (v4(172, 16, 0, 0, 12), Special::Private),
    (v4(192, 0, 0, 0, 24), Special::Protocol),
    (v4(192, 0, 2, 0, 24), Special::Documentation),
    (v4(192, 31, 196, 0, 24), Special::Protocol),
    (v4(192, 52, 193, 0, 24), Special::Tunnel),
    (v4(192, 88, 99, 0, 24), Special::Tunnel),
    (v4(192, 168, 0, 0, 16), Special::Private),
    (v4(192, 175, 48, 0, 24), Special::Protocol),
    (v4(198, 18, 0, 0, 15), Special::Benchmarking),
    (v4(198, 51, 100, 0, 24), Special::Documentation),
    (v4(203, 0, 113, 0, 24), Special::Documentation),
    (v4(224, 0, 0, 0, 4), Special::Multicast),
    (v4(255, 255, 255, 255, 32), Special::Broadcast),
    (v4(240, 0, 0, 0, 4), Special::Reserved),
];

/// The first that fits counts; what is in none is public only inside [`GLOBAL`].
const V6: &[(Ipv6Net, Special)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Special::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Special::Loopback),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Special::Translation),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 8), Special::Embedded),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Special::Discard),
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), Special::Protocol),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Special::Tunnel),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), Special::Benchmarking),
    (v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32), Special::Tunnel),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Special::Protocol),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Special::Documentation),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Special::Tunnel),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), Special::Protocol),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Special::Documentation),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), Special::Protocol),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Special::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Special::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Special::SiteLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Special::Multicast),
];
