//! Where a request comes from, and whether it is meant for here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use ipnet::IpNet;
use url::Url;

use crate::server::Options;

/// Where proxies say whom a request comes from.
const FORWARDED: &str = "x-forwarded-for";

/// The address that a request comes from, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().copied();
        Ok(known.unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into())))
    }
}

/// Whom a request comes from: the neighbour, unless it is a proxy that is trusted. Then the rightmost address that no
/// trusted proxy has, for what stands left of it anybody can write.
pub(crate) fn client(parts: &Parts, trusted: &[IpNet]) -> Client {
    let neighbour = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let neighbour = neighbour.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip());
    Client(behind(neighbour, &parts.headers, trusted))
}

fn behind(neighbour: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut address = neighbour.to_canonical();
    let lines: Vec<&str> = headers
        .get_all(FORWARDED)
        .iter()
        .map(|line| line.to_str().unwrap_or("?"))
        .collect();
    let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    while trusts(address) {
        let Some(hop) = hops.next().and_then(|hop| address_of(hop.trim())) else {
            break;
        };
        address = hop;
    }
    address
}

/// An address as proxies write it, with a port or without.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The host that a request names, with its port.
pub(crate) fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// Whether the host is ours. A page of another site can have its own name lead here and then ask as if it were ours,
/// so that a name must be the one that was set; an address in numbers leads nowhere else.
pub(crate) fn is_ours(host: &Authority, options: &Options) -> bool {
    let named = host.host().trim_end_matches('.');
    if let Some(url) = &options.public_url {
        let url = Url::parse(url).ok();
        return url
            .as_ref()
            .and_then(Url::host_str)
            .is_some_and(|ours| ours.eq_ignore_ascii_case(named));
    }
    let bare = named.trim_start_matches('[').trim_end_matches(']');
    named.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// The origin of our own pages, as browsers write it.
pub(crate) fn our_origin(host: Option<&Authority>, options: &Options) -> Option<String> {
    let url = match (&options.public_url, host) {
        (Some(url), _) => Url::parse(url).ok()?,
        (None, Some(host)) => {
            let scheme = if options.tls.is_some() {
                "https"
            } else {
                "http"
            };
            Url::parse(&format!("{scheme}://{host}")).ok()?
        }
        (None, None) => return None,
    };
    Some(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("a value");
            headers.append(FORWARDED, value);
        }
        headers
    }

    fn seen(neighbour: &str, lines: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        let neighbour = neighbour.parse().expect("an address");
        behind(neighbour, &headers(lines), &trusted).to_string()
    }

    #[test]
    fn what_a_stranger_says_of_himself_is_not_believed() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.1"], &[]), "192.0.2.1");
        assert_eq!(
            seen("192.0.2.1", &["198.51.100.1"], &["10.0.0.0/8"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_stranger_asks() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        for (neighbour, lines, who) in [
            ("10.0.0.1", &["198.51.100.1"][..], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["1.1.1.1", "198.51.100.1", "10.9.9.9"],
                "198.51.100.1",
            ),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // What cannot be read ends the way there.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
        ] {
            assert_eq!(
                seen(neighbour, lines, &proxies),
                who,
                "{neighbour} {lines:?}"
            );
        }
    }

    #[test]
    fn a_name_is_ours_only_when_it_was_set() {
        let named = |public_url: Option<&str>| Options {
            public_url: public_url.map(str::to_owned),
            ..Options::default()
        };
        let ours = |host: &str, options: &Options| is_ours(&host.parse().expect("a host"), options);
        let none = named(None);
        for host in [
            "localhost",
            "LOCALHOST:7878",
            "127.0.0.1:1",
            "[::1]:7878",
            "10.1.2.3",
        ] {
            assert!(ours(host, &none), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "1.2.3.4.example",
            "lockstep:7878",
        ] {
            assert!(!ours(host, &none), "{host}");
        }
        let set = named(Some("https://lockstep.example:8443"));
        for host in [
            "lockstep.example",
            "Lockstep.Example:8443",
            "lockstep.example.",
        ] {
            assert!(ours(host, &set), "{host}");
        }
        for host in ["127.0.0.1", "localhost", "evil.example"] {
            assert!(!ours(host, &set), "{host}");
        }
        let origin = our_origin(None, &named(Some("https://Lockstep.example:443")));
        assert_eq!(origin.as_deref(), Some("https://lockstep.example"));
        let host = "127.0.0.1:7878".parse().expect("a host");
        let origin = our_origin(Some(&host), &none);
        assert_eq!(origin.as_deref(), Some("http://127.0.0.1:7878"));
    }
}
