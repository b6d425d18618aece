//! How the server is reached, checked once.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use url::Url;

use crate::cli::ServeArgs;

/// How the server is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The address that people type, without a trailing slash.
    pub(crate) public_url: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted: Vec<IpNet>,
    /// The certificate, where this server speaks TLS itself.
    pub(crate) tls: Option<TlsFiles>,
    /// Where metrics are served without asking who it is.
    pub(crate) metrics: Option<SocketAddr>,
    /// Whether plain http beyond this machine was accepted.
    pub(crate) insecure_http: bool,
    /// The digest of the word that lets its bearer in without a password: in the demo alone.
    pub(crate) demo: Option<String>,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Options {
    /// What was typed, or what is wrong with it.
    pub(crate) fn of(args: &ServeArgs) -> anyhow::Result<Self> {
        let public_url = match &args.public_url {
            Some(text) => Some(public_url(text)?),
            None => None,
        };
        let trusted = args
            .trusted_proxy
            .iter()
            .map(|text| network(text.trim()))
            .collect::<anyhow::Result<_>>()?;
        let tls = match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
            }),
            (None, None) => None,
            _ => bail!("--tls-cert and --tls-key belong together: the certificate and its key"),
        };
        if tls.is_some() && args.accepts_plain_http() {
            bail!("--insecure-http cannot be used with --tls-cert: there is TLS or there is none");
        }
        Ok(Self {
            public_url,
            trusted,
            tls,
            metrics: args.metrics_listen,
            insecure_http: args.accepts_plain_http(),
            demo: None,
        })
    }

    /// Whether nobody on the way can read what is sent, or that was accepted.
    pub(crate) fn shielded(&self) -> bool {
        let behind_a_proxy = !self.trusted.is_empty()
            && self
                .public_url
                .as_ref()
                .is_some_and(|url| url.starts_with("https://"));
        self.tls.is_some() || behind_a_proxy || self.insecure_http
    }

    /// Whether browsers reach it by https: then cookies can be kept to it.
    pub(crate) fn secure(&self) -> bool {
        match &self.public_url {
            Some(url) => url.starts_with("https://"),
            None => self.tls.is_some(),
        }
    }

    /// The address that people type.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        match (&self.public_url, &self.tls) {
            (Some(url), _) => url.clone(),
            (None, Some(_)) => format!("https://{address}"),
            (None, None) => format!("http://{address}"),
        }
    }
}

/// An address that people type, without a trailing slash, or what is wrong with it.
pub(crate) fn public_url(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text).with_context(|| format!("--public-url {text} is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("--public-url {text}: it begins with http:// or https://");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.path().trim_matches('/').is_empty()
    {
        bail!("--public-url {text}: give the address without a path, `?` or `#`");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A network, or one address as one, or what is wrong with it.
pub(crate) fn network(text: &str) -> anyhow::Result<IpNet> {
    if let Ok(network) = text.parse::<IpNet>() {
        return Ok(network);
    }
    let address = text.parse::<std::net::IpAddr>().with_context(|| {
        format!("--trusted-proxy {text} is no network; write it as 10.0.0.0/8 or 10.0.0.7")
    })?;
    Ok(address.into())
}
