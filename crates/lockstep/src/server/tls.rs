//! The certificate: read at the start, and again when its files change.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::signal::unix::{SignalKind, signal};

use super::App;
use super::options::TlsFiles;

/// How often the files are looked at. SIGHUP has them looked at at once.
const LOOK: Duration = Duration::from_secs(60);

/// A certificate with its key, as the files had them when they were last read whole.
pub(super) struct Certificate {
    files: TlsFiles,
    read: Pem,
    config: RustlsConfig,
}

/// The files' bytes.
#[derive(PartialEq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// The certificate of the files.
    pub(super) fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let read = read(&files)?;
        let config = RustlsConfig::from_config(Arc::new(config(&read, &files)?));
        Ok(Self {
            files,
            read,
            config,
        })
    }

    /// How to speak TLS; it changes with the certificate.
    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Takes the files' certificate where it is another one, for all who connect from now on. Files that cannot be
    /// used, as half written ones, change nothing.
    fn look(&mut self) -> anyhow::Result<bool> {
        let read = read(&self.files)?;
        if read == self.read {
            return Ok(false);
        }
        let config = config(&read, &self.files)?;
        self.config.reload_from_config(Arc::new(config));
        self.read = read;
        Ok(true)
    }

    /// Looks at the files until the server ends.
    pub(super) async fn keep(mut self, app: App) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut again = tokio::time::interval(LOOK);
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = app.stopping() => return,
                _ = again.tick() => {}
                _ = hangup => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let looked = self.look();
                (self, looked)
            });
            let looked = match looked.await {
                Ok((certificate, looked)) => {
                    self = certificate;
                    looked
                }
                Err(_ending) => return,
            };
            match looked {
                Ok(true) => tracing::info!("another certificate is in use"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!("the certificate stays as it is: {error:#}");
                }
            }
        }
    }
}

fn read(files: &TlsFiles) -> anyhow::Result<Pem> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    Ok(Pem {
        cert: read(&files.cert)?,
        key: read(&files.key)?,
    })
}

fn config(pem: &Pem, files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let cannot = || {
        format!(
            "the certificate {} and its key {} cannot be used",
            files.cert.display(),
            files.key.display()
        )
    };
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem.cert)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
        .with_context(cannot)?;
    let chain = chain.into_iter().map(CertificateDer::into_owned).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|_| anyhow::anyhow!("no private key is in the file"))
        .with_context(cannot)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .with_context(cannot)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(cannot)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
