//! The configuration file: TOML, every key known, every mistake told with its line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lockstep_core::settings::Settings;
use serde::Deserialize;

use crate::server::{network, public_url};

/// The file as it is read. Each field names the environment variable and flag that win over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct File {
    /// The database file: `--database`, `LOCKSTEP_DATABASE`.
    pub(crate) database: Option<PathBuf>,
    /// The key file: `--key-file`, `LOCKSTEP_KEY_FILE`.
    pub(crate) key_file: Option<PathBuf>,
    /// The site that is meant when none is named: `--site`, `LOCKSTEP_SITE`.
    pub(crate) site: Option<String>,
    /// Private networks that price sources may be in: `--allow-private`, `LOCKSTEP_ALLOW_PRIVATE`.
    #[serde(default)]
    pub(crate) allow_private: Vec<String>,
    /// How the server is reached: the flags of `lockstep serve`.
    #[serde(default)]
    pub(crate) serve: Serve,
    /// Settings of model sync: the flags of `lockstep sync`.
    #[serde(default)]
    pub(crate) sync: toml::Table,
}

/// How the server is reached. Each field has the name of its flag; of its variable too, behind `LOCKSTEP_`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Serve {
    /// The address to listen on.
    pub(crate) listen: Option<SocketAddr>,
    /// The address that people type.
    pub(crate) public_url: Option<String>,
    /// Networks whose proxies are believed.
    pub(crate) trusted_proxy: Vec<String>,
    /// The certificate.
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key.
    pub(crate) tls_key: Option<PathBuf>,
    /// An address for metrics alone.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Whether plain http beyond this machine is accepted.
    pub(crate) insecure_http: Option<bool>,
    /// A file with the admin's password.
    pub(crate) admin_password_file: Option<PathBuf>,
}

impl File {
    /// Reads the file that was named, or none. Every mistake is told at once.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
        let file: Self = toml::from_str(&text)
            .with_context(|| format!("the configuration file {}", path.display()))?;
        let mut settings = Settings::default();
        let mut mistakes = file.apply(&mut settings);
        mistakes.extend(file.serve.mistakes());
        if !mistakes.is_empty() {
            let lines: Vec<String> = mistakes
                .iter()
                .map(|(key, mistake)| match line_of(&text, key) {
                    Some(line) => format!("line {line}: {mistake}"),
                    None => mistake.clone(),
                })
                .collect();
            anyhow::bail!(
                "the configuration file {}:\n  {}",
                path.display(),
                lines.join("\n  ")
            );
        }
        Ok(file)
    }

    /// Puts the file's settings over `settings`. Returns the keys that cannot be taken, each with why.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Vec<(String, String)> {
        let mut mistakes = Vec::new();
        for (key, value) in &self.sync {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(values) => {
                    let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
                    match texts {
                        Some(texts) => texts.join("\n"),
                        None => {
                            mistakes.push((key.clone(), format!("{key} is a list of texts")));
                            continue;
                        }
                    }
                }
                other => other.to_string(),
            };
            if let Err(error) = settings.set(key, &text) {
                mistakes.push((key.clone(), error.to_string()));
            }
        }
        mistakes
    }
}

impl Serve {
    /// The keys that cannot be taken, each with why.
    fn mistakes(&self) -> Vec<(String, String)> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &str, why: String| {
            // The words name the flag.
            let why = why.trim_start_matches("--").to_owned();
            mistakes.push((key.to_owned(), why));
        };
        if let Some(Err(error)) = self.public_url.as_deref().map(public_url) {
            wrong("public-url", error.to_string());
        }
        for text in &self.trusted_proxy {
            if let Err(error) = network(text.trim()) {
                wrong("trusted-proxy", error.to_string());
            }
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => wrong("tls-cert", "tls-cert needs tls-key beside it".to_owned()),
            (None, Some(_)) => wrong("tls-key", "tls-key needs tls-cert beside it".to_owned()),
            _ => {}
        }
        mistakes
    }
}

/// The line of a key in its table, for a message.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            line.trim_start()
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        })
        .map(|index| index + 1)
}

/// A file with every key and its default.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Lockstep's configuration. Flags and environment variables win over it; it wins over what is stored.\n\
         # Every key may be left out.\n\n\
         #database = \"/var/lib/lockstep/lockstep.db\"   # LOCKSTEP_DATABASE\n\
         #key-file = \"/var/lib/lockstep/lockstep.key\"  # LOCKSTEP_KEY_FILE\n\
         #site = \"main\"                                # LOCKSTEP_SITE\n\
         #allow-private = []                           # LOCKSTEP_ALLOW_PRIVATE: networks of price sources, e.g. \"10.0.0.0/8\"\n\n\
         [serve]\n\
         #listen = \"127.0.0.1:7878\"                    # LOCKSTEP_LISTEN\n\
         #public-url = \"https://lockstep.example\"      # LOCKSTEP_PUBLIC_URL: the address that people type\n\
         #trusted-proxy = []                           # LOCKSTEP_TRUSTED_PROXY: networks of proxies, e.g. \"10.0.0.0/8\"\n\
         #tls-cert = \"/etc/lockstep/cert.pem\"          # LOCKSTEP_TLS_CERT\n\
         #tls-key = \"/etc/lockstep/key.pem\"            # LOCKSTEP_TLS_KEY\n\
         #metrics-listen = \"127.0.0.1:9178\"            # LOCKSTEP_METRICS_LISTEN\n\
         #insecure-http = false                        # LOCKSTEP_INSECURE_HTTP\n\
         #admin-password-file = \"/etc/lockstep/password\" # LOCKSTEP_ADMIN_PASSWORD_FILE\n\n\
         [sync]\n",
    );
    let settings = Settings::default();
    for (key, value) in settings.to_texts() {
        let value = match key {
            "keep" | "allow" | "include" | "exclude" | "price-markup" => "[]".to_owned(),
            _ if value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok() => value,
            _ => format!("\"{value}\""),
        };
        text.push_str(&format!("#{key} = {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_reads_back_with_every_key_set() {
        let text: String = example()
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let file: File = toml::from_str(&text).expect("reads");
        let Serve {
            listen,
            public_url,
            trusted_proxy,
            tls_cert,
            tls_key,
            metrics_listen,
            insecure_http,
            admin_password_file,
        } = &file.serve;
        assert!(listen.is_some() && public_url.is_some() && trusted_proxy.is_empty());
        assert!(tls_cert.is_some() && tls_key.is_some() && metrics_listen.is_some());
        assert!(*insecure_http == Some(false) && admin_password_file.is_some());
        assert!(file.serve.mistakes().is_empty());
        let mut settings = Settings::default();
        assert!(file.apply(&mut settings).is_empty());
        assert_eq!(settings, Settings::default());
        assert_eq!(file.sync.len(), Settings::default().to_texts().len());
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lockstep.toml");
        std::fs::write(&path, "[sync]\nconcurrency = 9\npace = \"fast\"\n").expect("written");
        let error = File::read(Some(&path)).expect_err("mistakes").to_string();
        assert!(
            error.contains("line 2: concurrency is 9; it can be 1 to 8"),
            "{error}"
        );
        assert!(error.contains("line 3: pace is `fast`"), "{error}");
        let serve = "[serve]\npublic-url = \"lockstep.example\"\ntrusted-proxy = [\"all\"]\ntls-key = \"key\"\n";
        std::fs::write(&path, serve).expect("written");
        let error = File::read(Some(&path)).expect_err("mistakes").to_string();
        for says in [
            "line 2: public-url lockstep.example is not an address",
            "line 3: trusted-proxy all is no network",
            "line 4: tls-key needs tls-cert beside it",
        ] {
            assert!(error.contains(says), "{error}");
        }
        std::fs::write(&path, "[serve]\nlisten = 7878\n").expect("written");
        let error = format!("{:#}", File::read(Some(&path)).expect_err("no address"));
        assert!(error.contains("line 2"), "{error}");
        std::fs::write(&path, "[snyc]\n").expect("written");
        let error = format!("{:#}", File::read(Some(&path)).expect_err("unknown key"));
        assert!(error.contains("snyc"), "{error}");
    }
}
