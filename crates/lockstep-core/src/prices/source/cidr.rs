//! Networks that are allowed although they are private, written as CIDR.

use std::net::IpAddr;

use thiserror::Error;

/// A network: an address and how many of its first bits count.
pub type Cidr = ipnet::IpNet;

/// A text that is no network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a network; write it like 10.0.0.0/8, fd00::/8 or 192.168.1.20")]
pub struct BadCidr(String);

/// Reads a network. An address alone is the network of that one address; bits past the prefix are dropped.
///
/// # Errors
///
/// [`BadCidr`] for anything else.
pub fn parse_cidr(text: &str) -> Result<Cidr, BadCidr> {
    let text = text.trim();
    text.parse::<Cidr>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(Cidr::from))
        .map_err(|_| BadCidr(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses_are_read() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 10.1.2.3/8 ", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
        ] {
            let read = parse_cidr(text).map(|network| network.to_string());
            assert_eq!(read, Ok(network.to_owned()));
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8/8"] {
            assert!(parse_cidr(text).is_err(), "{text}");
        }
    }
}
