//! Tables of addresses and URLs, and the promise that no spelling of a refused address passes.

use proptest::prelude::*;

use super::*;

fn class(ip: &str) -> Option<AddressClass> {
    check(ip.parse().unwrap(), &AllowList::default()).err().map(|refused| refused.class)
}

fn allow(text: &str) -> AllowList {
    text.parse().unwrap()
}

#[test]
fn each_special_network_is_refused_from_its_first_to_its_last_address() {
    use AddressClass as C;
    for (first, last, expected) in [
        ("0.0.0.0", "0.255.255.255", C::Unspecified),
        ("10.0.0.0", "10.255.255.255", C::Private),
        ("100.64.0.0", "100.127.255.255", C::CarrierGradeNat),
        ("127.0.0.0", "127.255.255.255", C::Loopback),
        ("169.254.0.0", "169.254.255.255", C::LinkLocal),
        ("169.254.169.254", "169.254.170.2", C::Metadata),
        ("100.100.100.200", "168.63.129.16", C::Metadata),
        ("172.16.0.0", "172.31.255.255", C::Private),
        ("192.0.0.0", "192.0.0.255", C::ProtocolAssignment),
        ("192.0.2.0", "192.0.2.255", C::Documentation),
        ("192.168.0.0", "192.168.255.255", C::Private),
        ("198.18.0.0", "198.19.255.255", C::Benchmarking),
        ("198.51.100.0", "203.0.113.255", C::Documentation),
        ("224.0.0.0", "239.255.255.255", C::Multicast),
        ("240.0.0.0", "255.255.255.254", C::Reserved),
        ("255.255.255.255", "255.255.255.255", C::Broadcast),
        ("::", "::", C::Unspecified),
        ("::1", "::1", C::Loopback),
        ("100::", "100::ffff:ffff:ffff:ffff", C::Discard),
        ("2001:1::1", "2001:1ff:ffff::1", C::ProtocolAssignment),
        ("2001:2::", "2001:2:0:ffff::1", C::Benchmarking),
        ("2001:db8::", "2001:db8:ffff::1", C::Documentation),
        ("3fff::", "3fff:fff:ffff::1", C::Documentation),
        ("fc00::", "fdff:ffff::1", C::UniqueLocal),
        ("fd00:ec2::254", "fd20:ce::254", C::Metadata),
        ("fe80::1", "febf:ffff::1", C::LinkLocal),
        ("fec0::1", "feff:ffff::1", C::SiteLocal),
        ("ff02::1", "ffff:ffff::1", C::Multicast),
        ("100:0:0:1::", "1fff::1", C::Reserved),
        ("4000::1", "fbff::1", C::Reserved),
        ("::1:0:0:0", "::2:0:0:1", C::Reserved),
        ("64:ff9b:2::1", "64:ff9b::1:0:0", C::Reserved),
    ] {
        assert_eq!(class(first), Some(expected), "{first}");
        assert_eq!(class(last), Some(expected), "{last}");
    }
}

#[test]
fn their_public_neighbours_pass() {
    for ip in [
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00::1",
        "3ffd::1",
        "3fff:1000::1",
    ] {
        assert_eq!(class(ip), None, "{ip}");
    }
}

#[test]
fn an_ipv4_address_is_judged_in_whatever_it_is_wrapped() {
    for (ip, expected) in [
        ("::ffff:127.0.0.1", Some(AddressClass::Loopback)),
        ("::127.0.0.1", Some(AddressClass::Loopback)),
        ("::ffff:0:127.0.0.1", Some(AddressClass::Loopback)),
        ("64:ff9b::10.0.0.1", Some(AddressClass::Private)),
        ("64:ff9b:1::169.254.169.254", Some(AddressClass::Metadata)),
        ("64:ff9b:1:a00:0:100::", Some(AddressClass::Private)),
        ("64:ff9b:1::", Some(AddressClass::Unspecified)),
        ("2002:7f00:1::", Some(AddressClass::Loopback)),
        ("2002:c0a8:101::1", Some(AddressClass::Private)),
        ("2001:0:a00:1::f7f7:f7f7", Some(AddressClass::Private)),
        ("2001:0:808:808::80ff:fffe", Some(AddressClass::Loopback)),
        ("2606:4700::5efe:10.0.0.1", Some(AddressClass::Private)),
        ("2606:4700::200:5efe:10.0.0.1", Some(AddressClass::Private)),
        ("fe80::5efe:8.8.8.8", Some(AddressClass::LinkLocal)),
        ("2606:4700::5efe:8.8.8.8", None),
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::8.8.8.8", None),
        ("64:ff9b:1::8.8.8.8", None),
        ("64:ff9b:1:808:8:800::", None),
        ("2002:808:808::1", None),
        ("2001:0:808:808::f7f7:f7f7", None),
    ] {
        assert_eq!(class(ip), expected, "{ip}");
    }
}

#[test]
fn the_allow_list_applies_to_the_address_and_to_what_is_inside_it() {
    for (list, ip, passes) in [
        ("127.0.0.0/8", "127.0.0.1", true),
        ("127.0.0.0/8", "::ffff:127.0.0.1", true),
        ("127.0.0.0/8", "64:ff9b::127.0.0.1", true),
        ("127.0.0.0/8", "::1", false),
        ("127.0.0.0/8", "10.0.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("10.1.2.3/8", "10.9.9.9", true),
        ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ("::ffff:10.0.0.1", "10.0.0.1", true),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", true),
        ("64:ff9b::/96", "10.0.0.1", false),
        ("::1", "::1", true),
        ("::/0", "fe80::1", true),
        ("::/0", "::ffff:10.0.0.1", false),
        ("10.0.0.0/8", "2001:0:a00:1::f5ff:fffe", true),
        ("10.0.0.0/8", "2001:0:a00:1::80ff:fffe", false),
        ("127.0.0.0/8, ::1 ,10.0.0.0/8", "10.0.0.1", true),
    ] {
        assert_eq!(check(ip.parse().unwrap(), &allow(list)).is_ok(), passes, "{ip} with {list}");
    }
    let both: AllowList = [allow("::1"), allow("10.0.0.0/8")].into_iter().collect();
    assert_eq!(both.networks().len(), 2);
    assert!(both.contains("10.0.0.1".parse().unwrap()) && both.contains("::1".parse().unwrap()));
}

#[test]
fn what_is_no_network_is_refused_with_an_example() {
    for bad in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "::1/129", "10.0.0.1,", "[::1]"] {
        let error = bad.parse::<AllowList>().unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
    }
}

#[test]
fn a_refusal_says_what_the_address_is_and_what_to_do() {
    let refused = check("::ffff:127.0.0.1".parse().unwrap(), &AllowList::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "::ffff:127.0.0.1 is a loopback address, which is not called; if it is meant, start the server with \
         `--allow-net ::ffff:127.0.0.1`"
    );
    // The advice works.
    assert_eq!(check(refused.ip, &allow(&refused.ip.to_string())), Ok(()));
}

fn host_passes(url: &str, list: &AllowList) -> bool {
    check_url_host(&parse_endpoint_url(url).unwrap(), list).is_ok()
}

#[test]
fn a_forbidden_host_is_refused_in_every_spelling() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://017700000001",
        "http://0x7f000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://127。0。0。1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://api.localhost:8080/",
        "https://localhost",
        "http:localhost",
        "http:\\\\localhost\\",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
    ] {
        assert!(!host_passes(url, &AllowList::default()), "{url}");
        assert!(host_passes(url, &allow("0.0.0.0/0,::/0")), "{url}");
    }
}

#[test]
fn names_and_public_addresses_may_be_registered() {
    for url in [
        "https://example.com/hook",
        "http://8.8.8.8:8080/",
        "https://[2606:4700::1111]/",
        "https://localhost.example.com/",
        "https://notlocalhost/",
        "https://bücher.example/",
    ] {
        assert!(host_passes(url, &AllowList::default()), "{url}");
    }
    assert!(host_passes("http://localhost:9000/", &allow("127.0.0.0/8")));
    assert!(host_passes("http://localhost:9000/", &allow("::1")));
    assert!(!host_passes("http://localhost:9000/", &allow("10.0.0.0/8")));
    // Unlike http, other schemes do not turn hosts into addresses; the guard still sees them.
    let opaque = ::url::Url::parse("other://127.0.0.1/").unwrap();
    assert!(check_url_host(&opaque, &AllowList::default()).is_err());
}

#[test]
fn an_endpoints_url_is_refused_for_one_clear_reason() {
    let long = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
    assert!(parse_endpoint_url(&long(MAX_URL_BYTES)).is_ok());
    let (too_long, grown) = (long(MAX_URL_BYTES + 1), format!("https://example.com/{}", "ü".repeat(400)));
    for (text, error) in [
        ("", InvalidUrl::Scheme),
        ("example.com/hook", InvalidUrl::Scheme),
        ("ftp://example.com/", InvalidUrl::Scheme),
        ("file:///etc/passwd", InvalidUrl::Scheme),
        ("javascript:alert(1)", InvalidUrl::Scheme),
        ("unix:/run/x.sock", InvalidUrl::Scheme),
        ("http://", InvalidUrl::NoHost),
        ("http://:80/", InvalidUrl::NoHost),
        ("https://user@example.com/", InvalidUrl::UserInfo),
        ("https://user:word@example.com/", InvalidUrl::UserInfo),
        ("https://:word@example.com/", InvalidUrl::UserInfo),
        ("https://example.com:0/", InvalidUrl::Port),
        ("https://example.com:65536/", InvalidUrl::Port),
        ("https://example.com:port/", InvalidUrl::Port),
        ("https://example.com/#top", InvalidUrl::Fragment),
        ("https://example.com/#", InvalidUrl::Fragment),
        (" https://example.com/", InvalidUrl::Blank),
        ("https://exa\nmple.com/", InvalidUrl::Blank),
        ("https://example.com/a b", InvalidUrl::Blank),
        ("https://example.com/\u{7f}", InvalidUrl::Blank),
        ("https://exa<mple.com/", InvalidUrl::Malformed),
        ("https://[::1/", InvalidUrl::Malformed),
        ("https://1.2.3.256/", InvalidUrl::Malformed),
        (&too_long, InvalidUrl::TooLong),
        (&grown, InvalidUrl::TooLong),
    ] {
        assert_eq!(parse_endpoint_url(text), Err(error), "{text}");
    }
    let url = parse_endpoint_url("HTTPS://Example.COM:443/a?b=c").unwrap();
    assert_eq!(url.as_str(), "https://example.com/a?b=c");
}

/// Every IPv6 address that leads to this IPv4 address, beside the public ones that the forms need to be complete.
fn wrapped(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let mut forms = vec![
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0x808, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, high, u16::from(c), u16::from(d) << 8, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0x800 | u16::from(a), u16::from(b), low, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0x808, u16::from(a), u16::from_be_bytes([b, c]), u16::from(d) << 8, 0),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0xf7f7, 0xf7f7),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
        Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
        Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0x200, 0x5efe, high, low),
    ];
    if high > 0 {
        // ::0.0.0.1 is ::1, another address altogether (and refused for itself).
        forms.push(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low));
    }
    forms
}

/// Addresses of the refused networks, each network as likely as the others. Without 0.0.0.0/8, because in the local
/// NAT64 prefix a reading that begins with 0 is no address; the table above covers that.
fn refused_v4() -> impl Strategy<Value = Ipv4Addr> {
    let networks = V4.into_iter().filter(|(network, _, _)| network[0] != 0).collect::<Vec<_>>();
    (proptest::sample::select(networks), any::<u32>()).prop_map(|((network, length, _), random)| {
        let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        Ipv4Addr::from_bits(u32::from_be_bytes(network) | (random & host))
    })
}

proptest! {
    #[test]
    fn every_wrapped_form_of_a_refused_address_is_refused(v4 in refused_v4()) {
        let none = AllowList::default();
        prop_assert!(check(v4.into(), &none).is_err());
        for form in wrapped(v4) {
            prop_assert!(check(form.into(), &none).is_err(), "{form} of {v4}");
        }
    }

    #[test]
    fn every_wrapped_form_of_an_allowed_address_passes(v4 in refused_v4()) {
        let listed = AllowList::new([IpNet::from(IpAddr::V4(v4))]);
        let wide = allow("0.0.0.0/0");
        prop_assert_eq!(check(v4.into(), &listed), Ok(()));
        for form in wrapped(v4) {
            prop_assert_eq!(check(form.into(), &wide), Ok(()), "{} of {}", form, v4);
            prop_assert_eq!(check(form.into(), &AllowList::new([IpNet::from(IpAddr::V6(form))])), Ok(()));
        }
    }

    #[test]
    fn the_standard_librarys_idea_of_private_is_refused(bits in any::<u32>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
            || v4.is_multicast() || v4.is_unspecified() || v4.is_documentation();
        prop_assert!(!special || check(v4.into(), &AllowList::default()).is_err());
    }

    #[test]
    fn nothing_outside_the_global_unicast_space_passes_but_nat64(bits in any::<u128>()) {
        let v6 = Ipv6Addr::from_bits(bits);
        let global = v6.segments()[0] >> 13 == 1;
        let passes = check(v6.into(), &AllowList::default()).is_ok();
        prop_assert!(global || !passes || embedded::transition(v6).is_some());
    }

    #[test]
    fn a_numeric_host_is_judged_as_the_address_it_spells(bits in any::<u32>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let expected = check(v4.into(), &AllowList::default()).is_ok();
        for host in [format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"), format!("[::ffff:{v4}]")] {
            let url = format!("http://{host}/");
            prop_assert_eq!(host_passes(&url, &AllowList::default()), expected, "{}", url);
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,60}") {
        if let Ok(url) = parse_endpoint_url(&text) {
            let again = parse_endpoint_url(url.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&url));
        }
        let _ = text.parse::<AllowList>();
    }
}
