//! URLs of endpoints: what may be registered at all, before anything is resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, ParseError, Url};

use super::{AddressClass, AllowList, Refused, check};

/// The longest URL, in bytes, as given and as normalised.
pub const MAX_URL_BYTES: usize = 2_048;

/// Reads the URL of an endpoint: http or https, a host, no user info, no fragment, at most 2048 bytes.
///
/// The answer is normalised as browsers do it (WHATWG): a host in any numeric spelling is a plain address, names are
/// lower case and punycode. Whether it may be called is another question: [`check_url_host`].
pub fn parse_endpoint_url(text: &str) -> Result<Url, InvalidUrl> {
    // Browsers drop tabs and line ends from the middle of a URL, so that what is read is not what is called.
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(InvalidUrl::Blank);
    }
    if text.len() > MAX_URL_BYTES {
        return Err(InvalidUrl::TooLong);
    }
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::EmptyHost => InvalidUrl::NoHost,
        ParseError::InvalidPort => InvalidUrl::Port,
        ParseError::RelativeUrlWithoutBase => InvalidUrl::Scheme,
        _ => InvalidUrl::Malformed,
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidUrl::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidUrl::UserInfo);
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(InvalidUrl::NoHost);
    }
    if url.port() == Some(0) {
        return Err(InvalidUrl::Port);
    }
    if url.fragment().is_some() {
        return Err(InvalidUrl::Fragment);
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(InvalidUrl::TooLong);
    }
    Ok(url)
}

/// Whether the host of a URL of [`parse_endpoint_url`] may be registered: an address is checked now, in any spelling; a
/// name passes and is checked at each connect, but for `localhost` and what is below it, which need an allow-list that
/// contains a loopback address.
pub fn check_url_host(url: &Url, allow: &AllowList) -> Result<(), Refused> {
    match url.host() {
        Some(Host::Ipv4(ip)) => check(IpAddr::V4(ip), allow),
        Some(Host::Ipv6(ip)) => check(IpAddr::V6(ip), allow),
        Some(Host::Domain(name)) => check_name(name, allow),
        None => Ok(()),
    }
}

fn check_name(name: &str, allow: &AllowList) -> Result<(), Refused> {
    // Of other schemes than http the url crate leaves addresses as they are written.
    if let Ok(ip) = name.parse() {
        return check(ip, allow);
    }
    // RFC 6761: these names mean the machine itself whatever a resolver says. A final dot changes nothing.
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let local = name == "localhost" || name.ends_with(".localhost");
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    if local && !allow.contains(v4) && !allow.contains(v6) {
        return Err(Refused { ip: v4, class: AddressClass::Loopback });
    }
    Ok(())
}

/// Why a text is no endpoint's URL. The text is not part of the message, as it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It cannot be parsed.
    #[error("not a URL: write one such as https://example.com/hooks")]
    Malformed,
    /// Neither http nor https, or no scheme.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// There is no host.
    #[error("the URL has no host: write one such as https://example.com/hooks")]
    NoHost,
    /// There is a user name or a password.
    #[error("the URL must not contain a user name or password: put credentials into the endpoint's `headers`")]
    UserInfo,
    /// The port is 0 or above 65535.
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    /// There is a `#`.
    #[error("the URL must not have a fragment, which is never sent: cut it off at the `#`, or write that as %23")]
    Fragment,
    /// More than 2048 bytes.
    #[error("the URL is too long: at most 2048 bytes, counted after escaping")]
    TooLong,
    /// White space or a control character.
    #[error("the URL must not contain spaces, line ends or control characters: write a space as %20")]
    Blank,
}
