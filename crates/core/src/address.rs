//! The address guard's pure part: which addresses are never called, and which URLs may be registered.
//!
//! A webhook sender calls whatever URL a stranger wrote down, so without a guard it is a way into the network it stands
//! in. The guard refuses every address that is not plainly on the public internet, unless an allow-list names it. It is
//! asked about each address that a name resolves to, at each connect; what a name resolves to at registration proves
//! nothing about later.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates).

mod embedded;
mod url;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

pub use self::url::{InvalidUrl, MAX_URL_BYTES, check_url_host, parse_endpoint_url};

/// Whether this address may be called: `Ok` if it is public, or if the allow-list names it.
///
/// An IPv6 address with an IPv4 address inside (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is judged
/// by every IPv4 address in it. The allow-list is asked for the address as it stands and for those inside. One leak is
/// known: a network's own NAT64 prefix, which nothing in an address tells from an ordinary one.
pub fn check(ip: IpAddr, allow: &AllowList) -> Result<(), Refused> {
    let class = match ip.to_canonical() {
        canonical if allow.contains(canonical) => None,
        IpAddr::V4(v4) => class_of_v4(v4),
        IpAddr::V6(v6) => refusal_of_v6(v6, allow),
    };
    class.map_or(Ok(()), |class| Err(Refused { ip, class }))
}

/// Why an IPv6 address that the allow-list does not name is refused.
fn refusal_of_v6(ip: Ipv6Addr, allow: &AllowList) -> Option<AddressClass> {
    let refused = |v4: Ipv4Addr| if allow.contains(IpAddr::V4(v4)) { None } else { class_of_v4(v4) };
    // ISATAP sits in the lower half of any prefix, so its prefix is judged as well.
    if let Some(class) = embedded::isatap(ip).and_then(refused) {
        return Some(class);
    }
    match embedded::transition(ip) {
        Some(inside) if inside.is_empty() => Some(AddressClass::Unspecified),
        Some(inside) => inside.into_iter().find_map(refused),
        None => class_of_v6(ip),
    }
}

/// Addresses that are called although they are not public, as the operator's `--allow-net` names them. By default none.
///
/// A network of IPv6 opens all that lies in it: `::/0` contains `64:ff9b::/96`, hence every IPv4 address behind NAT64.
/// Mapped addresses are the exception; they count as IPv4 alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Vec<IpNet>);

impl AllowList {
    /// A list of these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical_network).collect())
    }

    /// Whether a network of the list contains this address. An IPv4-mapped address is the IPv4 address in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The networks, for showing them.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }
}

/// `::ffff:10.0.0.0/104` means `10.0.0.0/8`: the system connects to mapped addresses over IPv4, and the guard compares
/// them as such.
fn canonical_network(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped.map(|(addr, length)| Ipv4Net::new(addr, length)) {
        Some(Ok(v4)) => IpNet::V4(v4.trunc()),
        _ => network.trunc(),
    }
}

impl FromStr for AllowList {
    type Err = InvalidNetwork;

    /// One network (`10.0.0.0/8`) or address (`127.0.0.1`), or several separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let network = |item: &str| {
            let item = item.trim();
            let bare = || item.parse::<IpAddr>().map(IpNet::from);
            item.parse::<IpNet>().or_else(|_| bare()).map_err(|_| InvalidNetwork { text: item.to_owned() })
        };
        Ok(Self::new(text.split(',').map(network).collect::<Result<Vec<_>, _>>()?))
    }
}

impl FromIterator<Self> for AllowList {
    /// All of several lists, as repeated options give them.
    fn from_iter<I: IntoIterator<Item = Self>>(lists: I) -> Self {
        Self(lists.into_iter().flat_map(|list| list.0).collect())
    }
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a network: write one such as 10.0.0.0/8 or fd00::/8, or a single address such as 127.0.0.1")]
pub struct InvalidNetwork {
    /// What was given.
    pub text: String,
}

/// An address that is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ip} is {class}, which is not called; if it is meant, start the server with `--allow-net {ip}`")]
pub struct Refused {
    /// The address as it was given.
    pub ip: IpAddr,
    /// What it is, or the IPv4 address inside it.
    pub class: AddressClass,
}

/// Why an address is not on the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// `0.0.0.0/8`, `::`: "this host".
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`.
    Private,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// `fc00::/7`.
    UniqueLocal,
    /// `fec0::/10`, deprecated.
    SiteLocal,
    /// `100.64.0.0/10`, between a provider and its customers.
    CarrierGradeNat,
    /// Where a cloud hands credentials to its machines.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `192.0.2.0/24` and others that stand in books.
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48`.
    Benchmarking,
    /// `192.0.0.0/24`, `2001::/23`: used by protocols themselves.
    ProtocolAssignment,
    /// `100::/64`, where packets are thrown away.
    Discard,
    /// Everything else that nobody is assigned.
    Reserved,
}

impl AddressClass {
    /// The phrase of messages, with its article.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::UniqueLocal => "a unique local address",
            Self::SiteLocal => "a site-local address",
            Self::CarrierGradeNat => "an address of carrier-grade NAT",
            Self::Metadata => "a cloud's metadata address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::ProtocolAssignment => "an address that protocols use themselves",
            Self::Discard => "an address whose packets are discarded",
            Self::Reserved => "a reserved address",
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is not public of IPv4: network, prefix length, class. The first that fits names the class, so the narrow ones
/// come before the wide ones that contain them.
const V4: [([u8; 4], u8, AddressClass); 26] = [
    ([169, 254, 169, 254], 32, AddressClass::Metadata), // most clouds
    ([169, 254, 170, 2], 32, AddressClass::Metadata),   // Amazon ECS tasks
    ([169, 254, 170, 23], 32, AddressClass::Metadata),  // Amazon EKS pods
    ([100, 100, 100, 200], 32, AddressClass::Metadata), // Alibaba
    ([168, 63, 129, 16], 32, AddressClass::Metadata),   // Azure's wire server, although it looks public
    ([192, 0, 0, 192], 32, AddressClass::Metadata),     // Oracle
    ([0, 0, 0, 0], 8, AddressClass::Unspecified),
    ([10, 0, 0, 0], 8, AddressClass::Private),
    ([100, 64, 0, 0], 10, AddressClass::CarrierGradeNat),
    ([127, 0, 0, 0], 8, AddressClass::Loopback),
    ([169, 254, 0, 0], 16, AddressClass::LinkLocal),
    ([172, 16, 0, 0], 12, AddressClass::Private),
    ([192, 0, 0, 0], 24, AddressClass::ProtocolAssignment),
    ([192, 0, 2, 0], 24, AddressClass::Documentation),
    ([192, 31, 196, 0], 24, AddressClass::ProtocolAssignment), // AS112
    ([192, 52, 193, 0], 24, AddressClass::ProtocolAssignment), // automatic multicast tunnelling
    ([192, 88, 99, 0], 24, AddressClass::Reserved),            // relays of 6to4, withdrawn
    ([192, 168, 0, 0], 16, AddressClass::Private),
    ([192, 175, 48, 0], 24, AddressClass::ProtocolAssignment), // AS112
    ([198, 18, 0, 0], 15, AddressClass::Benchmarking),
    ([198, 51, 100, 0], 24, AddressClass::Documentation),
    ([203, 0, 113, 0], 24, AddressClass::Documentation),
    ([233, 252, 0, 0], 24, AddressClass::Documentation),
    ([224, 0, 0, 0], 4, AddressClass::Multicast),
    ([255, 255, 255, 255], 32, AddressClass::Broadcast),
    ([240, 0, 0, 0], 4, AddressClass::Reserved),
];

/// What is not public of IPv6, where no IPv4 address is inside.
const V6: [([u16; 8], u8, AddressClass); 18] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, AddressClass::Unspecified),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, AddressClass::Loopback),
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, AddressClass::Metadata), // Amazon
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128, AddressClass::Metadata),  // Amazon EKS pods
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, AddressClass::Metadata),  // Google
    ([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, AddressClass::Metadata),   // Scaleway
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, AddressClass::Discard),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, AddressClass::Benchmarking),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, AddressClass::Documentation),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, AddressClass::ProtocolAssignment),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, AddressClass::ProtocolAssignment), // AS112
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, AddressClass::Documentation),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, AddressClass::ProtocolAssignment), // segment routing
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, AddressClass::UniqueLocal),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::LinkLocal),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::SiteLocal),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, AddressClass::Multicast),
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, AddressClass::Reserved), // the 6bone, returned
];

fn class_of_v4(ip: Ipv4Addr) -> Option<AddressClass> {
    let within = |network: [u8; 4], length: u8| {
        let differing = ip.to_bits() ^ u32::from_be_bytes(network);
        differing.leading_zeros() >= u32::from(length)
    };
    V4.into_iter().find(|&(network, length, _)| within(network, length)).map(|(_, _, class)| class)
}

fn class_of_v6(ip: Ipv6Addr) -> Option<AddressClass> {
    let within = |network: [u16; 8], length: u8| {
        let differing = ip.to_bits() ^ Ipv6Addr::from(network).to_bits();
        differing.leading_zeros() >= u32::from(length)
    };
    let special = V6.into_iter().find(|&(network, length, _)| within(network, length)).map(|(_, _, class)| class);
    // Only 2000::/3 is handed out for the internet; the rest may mean anything some day.
    special.or(if within([0x2000, 0, 0, 0, 0, 0, 0, 0], 3) { None } else { Some(AddressClass::Reserved) })
}

#[cfg(test)]
mod tests;
