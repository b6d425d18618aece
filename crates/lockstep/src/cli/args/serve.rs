//! `lockstep serve` as it is typed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::config::Serve;

/// The address that is listened on where nobody names one.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

/// How the server is reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen on [default: 127.0.0.1:7878]
    #[arg(long, env = "LOCKSTEP_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The address that people type, where a proxy stands before this server
    #[arg(long, env = "LOCKSTEP_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A network whose proxies may say whom a request comes from
    #[arg(
        long,
        env = "LOCKSTEP_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub(crate) trusted_proxy: Vec<String>,
    /// The certificate and what signed it, as PEM
    #[arg(long, env = "LOCKSTEP_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, env = "LOCKSTEP_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// An address for metrics alone, where nobody is asked who he is; without it /metrics wants a token
    #[arg(long, env = "LOCKSTEP_METRICS_LISTEN", value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Listen beyond this machine without TLS: whoever is on the way reads the password and every token
    #[arg(
        long,
        env = "LOCKSTEP_INSECURE_HTTP",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    insecure_http: Option<bool>,
    /// A file with the admin's password, taken at the start where it differs
    #[arg(long, env = "LOCKSTEP_ADMIN_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) admin_password_file: Option<PathBuf>,
}

/// Which server is looked at.
#[derive(Clone, Debug, Args)]
pub(crate) struct HealthArgs {
    /// The address that it listens on [default: 127.0.0.1:7878]
    #[arg(long, env = "LOCKSTEP_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The server has a certificate, this one: then it is asked by https
    #[arg(long, env = "LOCKSTEP_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
}

impl ServeArgs {
    /// What was typed, or else what the environment says, over what the file says.
    pub(crate) fn over(self, file: &Serve) -> Self {
        let trusted_proxy = if self.trusted_proxy.is_empty() {
            file.trusted_proxy.clone()
        } else {
            self.trusted_proxy
        };
        // A certificate and its key are of one place.
        let (tls_cert, tls_key) = match (self.tls_cert, self.tls_key) {
            (None, None) => (file.tls_cert.clone(), file.tls_key.clone()),
            typed => typed,
        };
        Self {
            listen: self.listen.or(file.listen),
            public_url: self.public_url.or_else(|| file.public_url.clone()),
            trusted_proxy,
            tls_cert,
            tls_key,
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            insecure_http: self.insecure_http.or(file.insecure_http),
            admin_password_file: self
                .admin_password_file
                .or_else(|| file.admin_password_file.clone()),
        }
    }

    /// The address to listen on.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(LISTEN)
    }

    /// Whether plain http beyond this machine was accepted.
    pub(crate) fn accepts_plain_http(&self) -> bool {
        self.insecure_http == Some(true)
    }
}

impl HealthArgs {
    /// The address that the server listens on.
    pub(crate) fn listen(&self, file: &Serve) -> SocketAddr {
        self.listen.or(file.listen).unwrap_or(LISTEN)
    }

    /// Whether it speaks TLS itself.
    pub(crate) fn has_tls(&self, file: &Serve) -> bool {
        self.tls_cert.is_some() || file.tls_cert.is_some()
    }
}
