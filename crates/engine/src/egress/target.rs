//! A URL made ready to be sent to: parsed once, with its receiver's pool at hand.

use std::fmt;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, header};
use rustls_pki_types::ServerName;
use url::{Position, Url};

use super::host::{Host, HostKey, Hosts, Pool, Transport};

/// Why a URL cannot be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("the URL cannot be parsed: it needs to look like https://example.com/hook")]
    Unparsable,
    /// Another scheme.
    #[error("the URL's scheme needs to be http or https")]
    Scheme,
    /// `user:password@`.
    #[error("the URL must not carry a user name or password: use a header")]
    UserInfo,
    /// A host that is neither a name nor an address.
    #[error("the URL's host is neither a name nor an address")]
    Host,
    /// A path or query that HTTP cannot carry.
    #[error("the URL's path or query has characters that HTTP does not carry: percent-encode them")]
    Path,
}

/// A URL to send to: made once for each revision of an endpoint by `Egress::prepare`, so that a request parses,
/// formats and looks up nothing. Cheap to hold; the connections to its receiver live while any URL of it does.
pub struct PreparedUrl {
    host: Arc<Host>,
    origin_form: Uri,
    absolute_form: Uri,
    host_header: HeaderValue,
}

impl PreparedUrl {
    pub(super) fn parse(text: &str, hosts: &Hosts, pool: &Arc<Pool>) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::Unparsable)?;
        let transport = match url.scheme() {
            "http" => Transport::Plain,
            "https" => Transport::Tls,
            _ => return Err(UrlError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        let name = match url.host().ok_or(UrlError::Host)? {
            url::Host::Domain(name) => name.to_owned(),
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        };
        let server_name = match transport {
            Transport::Plain => None,
            Transport::Tls => Some(ServerName::try_from(name.clone()).map_err(|_| UrlError::Host)?),
        };
        let port = url.port_or_known_default().ok_or(UrlError::Host)?;
        // The port is part of it only where it is not the scheme's usual one.
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let path = &url[Position::BeforePath..Position::AfterQuery];
        let path = PathAndQuery::try_from(path).map_err(|_| UrlError::Path)?;
        let absolute_form = Uri::builder()
            .scheme(url.scheme())
            .authority(authority)
            .path_and_query(path.clone())
            .build()
            .map_err(|_| UrlError::Host)?;
        let key = HostKey { name, port, transport };
        Ok(Self {
            origin_form: Uri::from(path),
            absolute_form,
            host_header: HeaderValue::from_str(authority).map_err(|_| UrlError::Host)?,
            host: hosts.intern(&key, || Host::new(key.clone(), server_name, Arc::clone(pool))),
        })
    }

    /// A map for the headers of a request to this URL. It begins with `Host`, where receivers like to find it; room is
    /// made for `expected` more.
    pub fn headers(&self, expected: usize) -> HeaderMap {
        // And for what is added later: user agent and length.
        let mut headers = HeaderMap::with_capacity(expected.saturating_add(3));
        headers.insert(header::HOST, self.host_header.clone());
        headers
    }

    /// The path with the query, as it stands in the request line.
    pub fn path_and_query(&self) -> &str {
        self.origin_form.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// The host, with the port if that is not the usual one: the value of the `Host` header.
    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    pub(super) fn origin_form(&self) -> &Uri {
        &self.origin_form
    }

    pub(super) fn absolute_form(&self) -> &Uri {
        &self.absolute_form
    }

    pub(super) fn host(&self) -> &Arc<Host> {
        &self.host
    }
}

/// Without path and query: some receivers keep their secrets there.
impl fmt::Debug for PreparedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedUrl").field(&self.host_header).finish()
    }
}
