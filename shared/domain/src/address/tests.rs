use proptest::prelude::*;

use super::*;

/// The special-purpose ranges, copied from the registries themselves and not from the code, with the blocks that
/// this project refuses besides them. `64:ff9b::/96` and `::ffff:0:0/96` are judged by the IPv4 address inside.
const SPECIAL: &str = "
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
    192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    ::1/128 ::/128 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
    2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
    2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fd00:ec2::254/128 fe80::/10 fec0::/10
    ff00::/8 200::/7 400::/6 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4 f000::/5 f800::/6 fe00::/9";

fn networks() -> Vec<IpNet> {
    SPECIAL.split_whitespace().map(|text| text.parse().unwrap()).collect()
}

fn within(network: IpNet, low_bits: u128) -> IpAddr {
    match network {
        IpNet::V4(network) => {
            let mask = u32::from(network.hostmask());
            #[expect(clippy::cast_possible_truncation, reason = "any 32 of the random bits do")]
            Ipv4Addr::from(u32::from(network.network()) | (low_bits as u32 & mask)).into()
        }
        IpNet::V6(network) => {
            Ipv6Addr::from(u128::from(network.network()) | (low_bits & u128::from(network.hostmask()))).into()
        }
    }
}

fn any_of(networks: Vec<IpNet>) -> impl Strategy<Value = IpAddr> {
    (prop::sample::select(networks), any::<u128>()).prop_map(|(network, bits)| within(network, bits))
}

/// Every IPv6 address that means, or may mean, this IPv4 address.
fn disguises(address: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0, 0, !high, !low),
        Ipv6Addr::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
        Ipv6Addr::new(0x2a00, 1, 2, 3, 0x200, 0x5efe, high, low),
    ]
}

/// How readers of different age and taste would let this IPv4 address be written.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let number = u32::from(address);
    let [a, b, c, d] = address.octets();
    let low = u32::from_be_bytes([0, b, c, d]);
    vec![
        address.to_string(),
        format!("{address}."),
        format!("{number}"),
        format!("{number:#x}"),
        format!("0X{number:X}"),
        format!("0{number:o}"),
        format!("{a}.{low}"),
        format!("{a}.{b}.{}", u16::from_be_bytes([c, d])),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("00{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d:#x}"),
        format!("%3{a}.{b}.{c}.{d}"),
        format!("[::ffff:{address}]"),
        format!("[::FFFF:{:x}:{:x}]", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        format!("[0:0:0:0:0:ffff:{address}]"),
        format!("[::ffff:{address}%eth0]"),
        format!("[64:ff9b::{address}]"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_address_of_a_special_range_passes(address in any_of(networks())) {
        prop_assert!(Reach::public().addresses(&[address]).is_err(), "{address}");
        let good = IpAddr::from([8, 8, 8, 8]);
        prop_assert!(Reach::public().addresses(&[good, address]).is_err(), "{address} behind a public one");
        prop_assert!(Reach::public().addresses(&[address, good]).is_err(), "{address} before a public one");
    }

    #[test]
    fn no_special_ipv4_address_passes_inside_an_ipv6_address_or_in_any_spelling(address in any_of(networks())) {
        if let IpAddr::V4(address) = address {
            for disguise in disguises(address) {
                prop_assert!(Reach::public().addresses(&[disguise.into()]).is_err(), "{disguise}");
                prop_assert!(Reach::public().url(&format!("https://[{disguise}]/")).is_err(), "{disguise}");
            }
            for spelling in spellings(address) {
                prop_assert!(Reach::public().url(&format!("https://{spelling}/hook")).is_err(), "{spelling}");
                prop_assert!(Reach::public().url(&format!("https://{spelling}:8443")).is_err(), "{spelling}");
            }
        }
    }

    #[test]
    fn no_special_ipv6_address_passes_in_brackets(address in any_of(networks()), zone in "(%25|%)[a-z0-9]{0,4}") {
        if let IpAddr::V6(address) = address {
            let (plain, zoned) = (format!("https://[{address}]/"), format!("https://[{address}{zone}]/"));
            prop_assert!(Reach::public().url(&plain).is_err(), "{plain}");
            prop_assert_eq!(Reach::public().url(&zoned), Err(Forbidden::Zone), "{}", zoned);
        }
    }

    #[test]
    fn an_ipv4_address_is_judged_alike_by_itself_mapped_and_behind_a_translator(bits in any::<u32>()) {
        let plain = Ipv4Addr::from(bits);
        let disguises = disguises(plain);
        let verdict = Reach::public().addresses(&[plain.into()]);
        prop_assert_eq!(Reach::public().addresses(&[disguises[0].into()]), verdict);
        prop_assert_eq!(Reach::public().addresses(&[disguises[3].into()]), verdict);
    }

    #[test]
    fn every_allowed_address_passes_also_mapped_and_by_plain_http(address in any_of(networks())) {
        let reach = Reach::parse(&SPECIAL.split_whitespace().collect::<Vec<_>>().join(","), "").unwrap();
        prop_assert_eq!(reach.addresses(&[address]), Ok(()));
        let target = Target { host: Host::Name("receiver.internal".to_owned()), port: 443, tls: false };
        prop_assert_eq!(reach.dial(&target, &[address]), Ok(()));
        if let IpAddr::V4(address) = address {
            prop_assert_eq!(reach.addresses(&[disguises(address)[0].into()]), Ok(()));
        }
    }

    #[test]
    fn no_text_makes_the_rule_panic(url in ".{0,60}", networks in ".{0,30}", ports in ".{0,30}") {
        let _ = Reach::public().url(&url);
        let _ = Reach::public().url(&format!("https://{url}"));
        let _ = Reach::public().url(&format!("http://[{url}"));
        let _ = Reach::parse(&networks, &ports);
    }

    #[test]
    fn almost_urls_do_not_make_the_rule_panic(url in "(https?:/{0,3})?[0-9a-fx.:%@\\[\\]_-]{0,40}[/?#]?") {
        let _ = Reach::parse("0.0.0.0/0,::/0", "1-65535").unwrap().url(&url);
    }
}

#[test]
fn what_is_public_passes() {
    for address in ["8.8.8.8", "100.63.255.255", "172.32.0.1", "198.17.0.1", "223.255.255.255", "2a00:1450::1"] {
        assert_eq!(Reach::public().addresses(&[address.parse().unwrap()]), Ok(()), "{address}");
    }
    for address in
        ["64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2001:200::1", "2003::1", "3ffe::1", "2606:4700:1:2:3:5efe:0:1"]
    {
        assert_eq!(Reach::public().addresses(&[address.parse().unwrap()]), Ok(()), "{address}");
    }
}

#[test]
fn a_url_says_whom_it_calls() {
    let named = |name: &str, port| Ok(Target { host: Host::Name(name.to_owned()), port, tls: true });
    assert_eq!(Reach::public().url("https://Example.ORG/hook?a=b@c"), named("example.org", 443));
    assert_eq!(
        Reach::public().url("HTTPS://my_app.xn--80ak6aa92e.example:8443"),
        named("my_app.xn--80ak6aa92e.example", 8443)
    );
    assert_eq!(Reach::public().url("https://1.example.org"), named("1.example.org", 443));
    let literal = Reach::public().url("https://[2A00:1450:0::1]:443/").unwrap();
    assert_eq!(literal.host.to_string(), "[2a00:1450::1]");
    assert_eq!(Reach::public().url("https://8.8.8.8").unwrap().host.to_string(), "8.8.8.8");
}

#[test]
fn a_url_is_refused_with_the_rule_that_it_breaks() {
    let long = format!("https://{}.example", "a".repeat(64));
    let longer = format!("https://{}example", "abcdefg.".repeat(32));
    for (url, why) in [
        ("", Forbidden::Form),
        ("example.org", Forbidden::Form),
        ("ftp://example.org", Forbidden::Form),
        ("https:/example.org", Forbidden::Form),
        ("https://[2a00::1]x", Forbidden::Form),
        ("http://example.org", Forbidden::Plain),
        ("https://me@example.org", Forbidden::Credentials),
        ("https://example.org@127.0.0.1", Forbidden::Credentials),
        ("https://example.org:80", Forbidden::Port),
        ("https://example.org:", Forbidden::Port),
        ("https://example.org:+443", Forbidden::Port),
        ("https://example.org:0443", Forbidden::Port),
        ("https://example.org:65979", Forbidden::Port),
        ("https://example.org:443:443", Forbidden::Port),
        ("https://", Forbidden::Name),
        ("https:///hook", Forbidden::Name),
        ("https://.", Forbidden::Name),
        ("https://example.org.", Forbidden::Name),
        ("https://example..org", Forbidden::Name),
        ("https://.example.org", Forbidden::Name),
        ("https://-example.org", Forbidden::Name),
        ("https://exa%6dple.org", Forbidden::Name),
        ("https://exa\u{301}mple.org", Forbidden::Name),
        ("https://１２７.0.0.one", Forbidden::Name),
        ("https://example.org\\@evil.example", Forbidden::Credentials),
        ("https://example.org\\evil.example", Forbidden::Name),
        ("https://exa\tmple.org", Forbidden::Name),
        (&long, Forbidden::Name),
        (&longer, Forbidden::Name),
        ("https://127.1", Forbidden::Spelling),
        ("https://0x7f000001", Forbidden::Spelling),
        ("https://0x", Forbidden::Spelling),
        ("https://2130706433", Forbidden::Spelling),
        ("https://017700000001", Forbidden::Spelling),
        ("https://127.0.0.1.", Forbidden::Spelling),
        ("https://08.8.8.8", Forbidden::Spelling),
        ("https://8.8.8.256", Forbidden::Spelling),
        ("https://example.1", Forbidden::Spelling),
        ("https://[fe80::1%25eth0]", Forbidden::Zone),
        ("https://[::1", Forbidden::Brackets),
        ("https://[example.org]", Forbidden::Brackets),
        ("https://[v1.fe80]", Forbidden::Brackets),
        ("https://[]", Forbidden::Brackets),
        ("https://localhost", Forbidden::Address(Special::Loopback)),
        ("https://LocalHost", Forbidden::Address(Special::Loopback)),
        ("https://a.localhost", Forbidden::Address(Special::Loopback)),
        ("https://169.254.169.254", Forbidden::Address(Special::LinkLocal)),
        ("https://[::ffff:10.0.0.1]", Forbidden::Address(Special::Private)),
        ("https://[::1]", Forbidden::Address(Special::Loopback)),
    ] {
        assert_eq!(Reach::public().url(url), Err(why), "{url}");
    }
}

#[test]
fn an_allowed_network_is_reached_by_name_and_by_address_with_and_without_tls() {
    let reach = Reach::parse("127.0.0.0/8, ::1/128, 10.1.2.3", "80,443,9000-9100").unwrap();
    for url in
        ["http://127.0.0.1:9000/", "https://[::1]:9100", "http://localhost", "http://10.1.2.3", "https://a.localhost"]
    {
        assert!(reach.url(url).is_ok(), "{url}");
    }
    assert_eq!(reach.url("http://127.0.0.1:8999/"), Err(Forbidden::Port));
    assert_eq!(reach.url("http://10.1.2.4/"), Err(Forbidden::Address(Special::Private)));
    assert_eq!(reach.url("http://[64:ff9b::127.0.0.1]/"), Err(Forbidden::Address(Special::Loopback)));
}

#[test]
fn plain_http_never_leaves_the_allowed_networks() {
    let reach = Reach::parse("10.0.0.0/8", "80,443").unwrap();
    let (plain, tls) = (reach.url("http://name.example").unwrap(), reach.url("https://name.example").unwrap());
    let (inner, public) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([8, 8, 8, 8]));
    assert_eq!(reach.dial(&plain, &[inner]), Ok(()));
    assert_eq!(reach.dial(&plain, &[inner, public]), Err(Forbidden::Plain));
    assert_eq!(reach.url("http://8.8.8.8"), Err(Forbidden::Plain));
    assert_eq!(reach.dial(&tls, &[inner, public]), Ok(()));
    assert_eq!(reach.dial(&tls, &[]), Err(Forbidden::NoAddress));
}

#[test]
fn a_rule_is_read_from_its_two_lists() {
    assert_eq!(Reach::parse("", ""), Ok(Reach::public()));
    assert_eq!(Reach::parse(" , ", " 443, 8443 "), Ok(Reach::public()));
    assert_eq!(Reach::parse("::ffff:10.0.0.0/104", ""), Reach::parse("10.0.0.0/8", ""));
    for (networks, ports, error) in [
        ("10.0.0.0/33", "", ReachError::Network("10.0.0.0/33".to_owned())),
        ("everything", "", ReachError::Network("everything".to_owned())),
        ("10.0.0.1/8", "", ReachError::Bits("10.0.0.1/8".to_owned())),
        ("", "0", ReachError::Port("0".to_owned())),
        ("", "443,9100-9000", ReachError::Port("9100-9000".to_owned())),
        ("", "65536", ReachError::Port("65536".to_owned())),
        ("", "-", ReachError::Port("-".to_owned())),
    ] {
        assert_eq!(Reach::parse(networks, ports), Err(error));
    }
}

#[test]
fn what_a_refusal_says_names_the_rule() {
    let text = Reach::public().url("https://10.0.0.1").unwrap_err().to_string();
    assert_eq!(text, "the host has an address that is not public: a private network (RFC 1918, RFC 4193)");
}
