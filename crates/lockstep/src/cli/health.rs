//! `lockstep health`: whether a server on this machine answers, for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::exit::Exit;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than any answer to it has.
const ANSWER: u64 = 4096;

/// Asks a server that listens there, by TLS if it has a certificate.
pub(crate) async fn health(listen: SocketAddr, tls: bool) -> anyhow::Result<Exit> {
    let address = reachable(listen);
    let asked = tokio::time::timeout(PATIENCE, ask(address, tls)).await;
    let status = asked.with_context(|| format!("{address} does not answer"))??;
    if status != "200" {
        bail!("{address} answers with {status}: it cannot work just now");
    }
    Ok(Exit::Done)
}

/// Where a server that listens everywhere is reached from here.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of `/readyz`.
async fn ask(address: SocketAddr, tls: bool) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("{address} cannot be reached; is `lockstep serve` running?"))?;
    if !tls {
        return told(stream, address).await;
    }
    let name = ServerName::from(address.ip());
    let stream = TlsConnector::from(Arc::new(trusting()?)).connect(name, stream);
    let stream = stream.await.with_context(|| {
        format!("{address} does not answer by https; was it started with --tls-cert?")
    })?;
    told(stream, address).await
}

/// A request this small needs no client.
async fn told<S>(mut stream: S, address: SocketAddr) -> anyhow::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!(
        "GET /readyz HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        address.port()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Where it is cut off, what came of it tells enough.
    let _cut = stream.take(ANSWER).read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    match status {
        Some(status) => Ok(status.to_owned()),
        None => bail!(
            "{address} does not answer by http; a server with TLS is asked with --tls-cert or LOCKSTEP_TLS_CERT, as it has it itself"
        ),
    }
}

/// TLS with whoever is there.
fn trusting() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone());
    let config = config
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    Ok(config.with_no_client_auth())
}

/// Takes every certificate for right: it names the server as others reach it and not as this machine does, and nothing
/// that is asked or answered here is a secret.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
