//! IPv4 addresses inside IPv6 ones: what a packet to such an address reaches in the end.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 addresses inside an address of a transition mechanism that is told by its prefix; `None` for every other
/// address, an empty list if it is one but holds nothing that can be reached.
///
/// `::` and `::1` are not IPv4-compatible addresses but themselves. IPv4-mapped ones are listed for completeness; the
/// guard has turned them into IPv4 before.
pub(super) fn transition(ip: Ipv6Addr) -> Option<Vec<Ipv4Addr>> {
    let octets = ip.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| octets[place]));
    let last = at([12, 13, 14, 15]);
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible (::a.b.c.d) and mapped (::ffff:a.b.c.d); translated (::ffff:0:a.b.c.d); NAT64 (64:ff9b::a.b.c.d).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Some(vec![last])
        }
        // NAT64 inside one network, RFC 8215: its operator chooses how long the prefix is, so the address is read in
        // each layout of RFC 6052 (octet 8 is always skipped). A wrong layout usually reads zeros; no translator can
        // forward to 0.0.0.0/8, so those readings are left out. Another wrong reading can only refuse too much.
        [0x64, 0xff9b, 1, ..] => {
            let layouts = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];
            Some(layouts.map(at).into_iter().filter(|v4| v4.octets()[0] != 0).collect())
        }
        // 6to4: the router of the site.
        [0x2002, ..] => Some(vec![at([2, 3, 4, 5])]),
        // Teredo: the server, and the client with every bit turned over.
        [0x2001, 0, ..] => Some(vec![at([4, 5, 6, 7]), Ipv4Addr::from_bits(!last.to_bits())]),
        _ => None,
    }
}

/// The IPv4 address of an ISATAP interface: the lower half of the address is `[02]00:5efe:a.b.c.d`.
pub(super) fn isatap(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = ip.octets();
    // The two lowest bits of octet 8 say "unique" and "group" and may be set or not.
    let marked = octets[8] & 0b1111_1100 == 0 && octets[9..12] == [0, 0x5e, 0xfe];
    marked.then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
}
