//! Which addresses may be called: everything public, nothing special but what is allowed, never what hands out
//! credentials to whoever asks from inside.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lockstep_core::prices::source::Cidr;
use lockstep_core::site::GatewayUrl;
use url::{Host, Origin, Url};

/// What of the inside may be called, and which addresses are trusted as they are configured.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allow: Vec<Cidr>,
    trusted: Vec<Origin>,
}

/// An address that is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

/// One special range of the IANA registries, with what it is for and the document that says so.
type Range = (&'static str, &'static str, &'static str);

/// The IPv4 ranges that are not the public internet's.
const SPECIAL_V4: &[Range] = &[
    ("0.0.0.0/8", "this network", "RFC 791"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared address space", "RFC 6598"),
    ("127.0.0.0/8", "loopback", "RFC 1122"),
    ("169.254.0.0/16", "link-local", "RFC 3927"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "protocol assignments", "RFC 6890"),
    ("192.0.2.0/24", "documentation", "RFC 5737"),
    ("192.31.196.0/24", "AS112", "RFC 7535"),
    ("192.52.193.0/24", "multicast tunnelling", "RFC 7450"),
    ("192.88.99.0/24", "6to4 relay", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("192.175.48.0/24", "AS112", "RFC 7534"),
    ("198.18.0.0/15", "benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "documentation", "RFC 5737"),
    ("203.0.113.0/24", "documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("240.0.0.0/4", "reserved, broadcast", "RFC 1112"),
];

/// The IPv6 ranges that are not the public internet's. `::/8` holds the unspecified address, loopback and the
/// deprecated and translated forms of IPv4; what maps IPv4 is judged as IPv4 before, and so is [`NAT64`].
const SPECIAL_V6: &[Range] = &[
    ("::/8", "unspecified, loopback, IPv4-compatible", "RFC 4291"),
    ("100::/64", "discard", "RFC 6666"),
    ("100:0:0:1::/64", "dummy prefix", "RFC 9780"),
    ("2001::/23", "protocol assignments, Teredo", "RFC 2928"),
    ("2001:db8::/32", "documentation", "RFC 3849"),
    ("2002::/16", "6to4", "RFC 3056"),
    ("2620:4f:8000::/48", "AS112", "RFC 7534"),
    ("3fff::/20", "documentation", "RFC 9637"),
    ("5f00::/16", "segment routing", "RFC 9602"),
    ("fc00::/7", "unique local", "RFC 4193"),
    ("fe80::/10", "link-local", "RFC 4291"),
    ("fec0::/10", "site-local", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291"),
];

/// What is never called, not even when a network around it is allowed: link-local networks, where clouds keep their
/// metadata, and the metadata addresses that are elsewhere.
const NEVER: &[Range] = &[
    ("169.254.0.0/16", "link-local", "RFC 3927"),
    ("fe80::/10", "link-local", "RFC 4291"),
    ("100.100.100.200/32", "metadata", "Alibaba Cloud"),
    ("168.63.129.16/32", "metadata", "Azure"),
    ("192.0.0.192/32", "metadata", "Oracle Cloud"),
    ("fd00:ec2::/32", "metadata", "AWS"),
    ("fd20:ce::254/128", "metadata", "Google Cloud"),
    ("fd00:42::42/128", "metadata", "Scaleway"),
];

/// IPv4 behind a translator: the way to the public internet for a machine with IPv6 alone (RFC 6052).
const NAT64: &str = "64:ff9b::/96";

/// Names that mean the machine that resolves them, or its cloud's metadata. They matter where a proxy resolves;
/// elsewhere the answer is judged.
const INSIDE_NAMES: &[&str] = &["localhost", "metadata", "metadata.google.internal"];

impl AddressPolicy {
    /// Allows these networks, and trusts these sites at exactly their scheme, host and port.
    pub fn new(allow: Vec<Cidr>, trusted: &[GatewayUrl]) -> Self {
        let origin = |site: &GatewayUrl| Url::parse(site.as_str()).map(|url| url.origin());
        Self {
            allow,
            trusted: trusted.iter().flat_map(origin).collect(),
        }
    }

    /// Whether this is a trusted site's own address.
    pub(crate) fn trusts(&self, url: &Url) -> bool {
        self.trusted.contains(&url.origin())
    }

    /// Judges an address that is about to be dialled.
    ///
    /// # Errors
    ///
    /// [`Refused`] says which range it is in.
    pub fn judge(&self, address: IpAddr) -> Result<(), Refused> {
        let plain = address.to_canonical();
        never(address)?;
        if self.allow.iter().any(|network| network.contains(&plain)) {
            return Ok(());
        }
        let reached = match plain {
            IpAddr::V6(six) if within(NAT64, plain) => IpAddr::V4(last_four(six)),
            other => other,
        };
        let special = match reached {
            IpAddr::V4(_) => SPECIAL_V4,
            IpAddr::V6(_) => SPECIAL_V6,
        };
        match special.iter().find(|range| within(range.0, reached)) {
            Some(range) => Err(Refused::range(address, range)),
            None => Ok(()),
        }
    }

    /// Judges what of an address can be judged before its name is resolved: scheme, user, and an IP literal in
    /// whatever spelling, all of which the parser has made one.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why it is not called.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused(format!(
                "{}: is neither http nor https",
                url.scheme()
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let host = url.host_str().unwrap_or_default();
            return Err(Refused(format!("an address with a user in it, at {host}")));
        }
        match url.host() {
            None => Err(Refused("an address without a host".to_owned())),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(four)) => self.judge(IpAddr::V4(four)),
            Some(Host::Ipv6(six)) => self.judge(IpAddr::V6(six)),
        }
    }

    /// Judges a trusted site's own address, which is called wherever it is but where nothing is ever called.
    pub(crate) fn check_trusted(url: &Url) -> Result<(), Refused> {
        match url.host() {
            Some(Host::Ipv4(four)) => never(IpAddr::V4(four)),
            Some(Host::Ipv6(six)) => never(IpAddr::V6(six)),
            _ => Ok(()),
        }
    }

    /// Judges a target that a proxy will resolve, of which only the name is known here.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why it is not called.
    pub fn check_behind_proxy(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let inside = INSIDE_NAMES.contains(&host) || host.ends_with(".localhost");
        if inside {
            return Err(Refused(format!("{host} is a name of the inside")));
        }
        self.check_url(url)
    }
}

/// Refuses what is never called: itself, or as IPv4 inside any of the forms of IPv6 that carry one.
pub(crate) fn never(address: IpAddr) -> Result<(), Refused> {
    let plain = address.to_canonical();
    let carried = match plain {
        IpAddr::V4(_) => Vec::new(),
        IpAddr::V6(six) => carried(six),
    };
    let reached = carried.into_iter().map(IpAddr::V4).chain([plain]);
    for reached in reached {
        if let Some(range) = NEVER.iter().find(|range| within(range.0, reached)) {
            return Err(Refused::range(address, range));
        }
    }
    Ok(())
}

fn within(range: &str, address: IpAddr) -> bool {
    range
        .parse::<Cidr>()
        .is_ok_and(|range| range.contains(&address))
}

/// Where in an IPv6 address of these ranges four bytes are an IPv4 address: translated, compatible, NAT64, 6to4, and
/// Teredo's server.
const CARRIERS: &[(&str, [usize; 4])] = &[
    ("::/96", [12, 13, 14, 15]),
    ("::ffff:0:0:0/96", [12, 13, 14, 15]),
    (NAT64, [12, 13, 14, 15]),
    ("64:ff9b:1::/48", [12, 13, 14, 15]),
    ("64:ff9b:1::/48", [6, 7, 9, 10]),
    ("2002::/16", [2, 3, 4, 5]),
    ("2001::/32", [4, 5, 6, 7]),
];

/// The IPv4 addresses that an IPv6 address carries.
fn carried(six: Ipv6Addr) -> Vec<Ipv4Addr> {
    let octets = six.octets();
    let at = |places: [usize; 4]| {
        Ipv4Addr::from(places.map(|place| octets.get(place).copied().unwrap_or_default()))
    };
    let mut carried: Vec<Ipv4Addr> = CARRIERS
        .iter()
        .filter(|(range, _)| within(range, IpAddr::V6(six)))
        .map(|(_, places)| at(*places))
        .collect();
    // Teredo's client is written with its bits turned, and ISATAP's is below any prefix.
    if within("2001::/32", IpAddr::V6(six)) {
        carried.push(!at([12, 13, 14, 15]));
    }
    if matches!(six.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]) {
        carried.push(at([12, 13, 14, 15]));
    }
    carried
}

fn last_four(six: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = six.octets();
    Ipv4Addr::new(a, b, c, d)
}

impl Refused {
    fn range(address: IpAddr, (range, what, document): &Range) -> Self {
        Self(format!("{address} is in {range} ({what}, {document})"))
    }

    /// The refusal of a name because of one of its addresses.
    pub(crate) fn named(self, name: &str) -> Self {
        Self(format!("{name}: {}", self.0))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}
