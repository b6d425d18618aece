//! `lockstep serve` as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// How the server is reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen on
    #[arg(
        long,
        env = "LOCKSTEP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7878"
    )]
    pub(crate) listen: SocketAddr,
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
    #[arg(
        long,
        env = "LOCKSTEP_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(
        long,
        env = "LOCKSTEP_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// Listen beyond this machine without TLS: whoever is on the way reads the password and every token
    #[arg(
        long,
        env = "LOCKSTEP_INSECURE_HTTP",
        conflicts_with = "tls_cert",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub(crate) insecure_http: bool,
    /// A file with the admin's password, taken at the start where it differs
    #[arg(long, env = "LOCKSTEP_ADMIN_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) admin_password_file: Option<PathBuf>,
}
