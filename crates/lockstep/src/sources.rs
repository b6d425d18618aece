//! Sources of prices as they are written, for the command line and the server: what is asked, with which secrets, and
//! what is told of it.

use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::prices::source::{Cidr, SourceSpec, parse_cidr};
use lockstep_run::prices::collect::{Collecting, From, Wanted};
use lockstep_store::prices::run_sources::RunSource;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::cli::variable;
use crate::config::File;
use crate::view::json as form;
use crate::words::en;

/// A source as written, with the secrets that it names, from the environment.
pub(crate) fn wanted(text: &str) -> anyhow::Result<Wanted> {
    let spec: SourceSpec = text.parse()?;
    let secret = |name: &str| -> anyhow::Result<SecretString> {
        let value = variable(name)
            .with_context(|| format!("the source {text} names {name}, which is not set"))?;
        Ok(value.into())
    };
    Ok(Wanted {
        token: spec.token_env.as_deref().map(secret).transpose()?,
        headers: spec
            .headers
            .iter()
            .map(|header| Ok((header.name.clone(), secret(&header.env)?)))
            .collect::<anyhow::Result<_>>()?,
        from: From::Spec(spec),
    })
}

/// Networks that are allowed beside those of the site: the file's, those that were typed, the environment's.
pub(crate) fn allowed(file: &File, typed: &[String]) -> anyhow::Result<Vec<Cidr>> {
    let mut texts = file.allow_private.clone();
    texts.extend(typed.iter().cloned());
    if let Some(list) = variable("LOCKSTEP_ALLOW_PRIVATE") {
        texts.extend(list.split([',', ' ']).map(str::to_owned));
    }
    texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| parse_cidr(text).map_err(anyhow::Error::from))
        .collect()
}

/// What is to be collected.
pub(crate) fn collecting(
    sources: &[String],
    allow: Vec<Cidr>,
    time_limit: Duration,
    max_retries: u32,
) -> anyhow::Result<Collecting> {
    Ok(Collecting {
        wanted: sources
            .iter()
            .map(|text| wanted(text))
            .collect::<anyhow::Result<_>>()?,
        time_limit,
        allow,
        max_retries,
    })
}

/// The state of a source as JSON.
pub(crate) fn state_as_json(source: &RunSource) -> Value {
    let skipped: Vec<Value> = source
        .skipped
        .iter()
        .map(|(reason, count, names)| json!({"reason": reason, "count": count, "names": names}))
        .collect();
    json!({
        "name": source.name,
        "url": source.url,
        "state": source.state,
        "message": en::source_state(source),
        "models": source.models,
        "fetched_at": source.fetched_at.map(form::time),
        "skipped": skipped,
    })
}
