//! The configuration file: TOML, every key known, every mistake told with its line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use lockstep_core::settings::Settings;
use serde::Deserialize;

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
    /// Settings of model sync: the flags of `lockstep sync`.
    #[serde(default)]
    pub(crate) sync: toml::Table,
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
        let mistakes = file.apply(&mut settings);
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

/// The line of a key in its `[sync]` table, for a message.
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
        std::fs::write(&path, "[snyc]\n").expect("written");
        let error = format!("{:#}", File::read(Some(&path)).expect_err("unknown key"));
        assert!(error.contains("snyc"), "{error}");
    }
}
