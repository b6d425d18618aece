//! Sources: as they are typed, remembered, tested.

use std::time::Duration;

use anyhow::{Context as _, bail};
use lockstep_core::prices::source::{Cidr, SourceSpec, SourceState, parse_cidr};
use lockstep_run::Session;
use lockstep_run::prices::collect::{Collecting, From, Wanted};
use lockstep_run::prices::compare::compare;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::sites::Site;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::args::{PaceArgs, SourceVerb, Target};
use super::super::context::{Context, variable};
use super::super::exit::Exit;
use super::super::run::paced_session;
use crate::view::{Screen, json as form, table};
use crate::words::en;

/// A source as typed, with the secrets that it names, from the environment.
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

/// The sources that were typed, or else those that the site remembers, the preferred first.
pub(crate) async fn typed_or_stored(
    context: &Context,
    site: &Site,
    typed: &[String],
) -> anyhow::Result<Vec<String>> {
    if !typed.is_empty() {
        return Ok(typed.to_vec());
    }
    let stored = context.store().sources(&site.id).await?;
    Ok(stored.into_iter().map(|source| source.spec).collect())
}

/// Networks that are allowed for this command, beside those of the site.
pub(crate) fn allowed(context: &Context, target: &Target) -> anyhow::Result<Vec<Cidr>> {
    let mut texts = context.file.allow_private.clone();
    texts.extend(target.allow_private.iter().cloned());
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

/// `lockstep site source`
pub(crate) async fn source(context: &Context, verb: &SourceVerb) -> anyhow::Result<Exit> {
    match verb {
        SourceVerb::Add {
            source,
            untested,
            target,
        } => add(context, source, *untested, target).await,
        SourceVerb::List { target } => list(context, target).await,
        SourceVerb::Test { name, target } => test(context, name.as_deref(), target).await,
        SourceVerb::Accept { name, target } => accept(context, name, target).await,
        SourceVerb::Remove { name, target } => remove(context, name, target).await,
    }
}

async fn add(
    context: &Context,
    text: &str,
    untested: bool,
    target: &Target,
) -> anyhow::Result<Exit> {
    let spec: SourceSpec = text.parse()?;
    let site = context.site(target).await?;
    let mut exit = Exit::Done;
    if !untested {
        let told = look(context, target, &[text.to_owned()]).await?;
        show(&context.screen, &told);
        let good = told
            .iter()
            .all(|told| SourceState::from_code(&told.state).is_some_and(SourceState::is_believed));
        if !good {
            bail!("the source is not kept: its test failed (--untested keeps it all the same)");
        }
        exit = Exit::Done;
    }
    let name = match &spec.name {
        Some(name) => name.clone(),
        None => text.split(',').next().unwrap_or(text).to_owned(),
    };
    let stored = context
        .store()
        .add_source(&site.id, &name, &spec.to_string())
        .await?;
    if context.screen.json {
        context
            .screen
            .data(&json!({ "source": as_json(&stored) }).to_string());
    } else {
        context.screen.says(&format!(
            "{name} is remembered as source {}; `lockstep plan prices` uses it",
            stored.position + 1
        ));
    }
    Ok(exit)
}

async fn list(context: &Context, target: &Target) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    let sources = context.store().sources(&site.id).await?;
    let screen = &context.screen;
    if screen.json {
        let sources: Vec<Value> = sources.iter().map(as_json).collect();
        screen.data(&json!({ "sources": sources }).to_string());
    } else if sources.is_empty() {
        screen.hint("No source of prices is remembered. `lockstep site source add official` adds the first.");
    } else {
        let mut table = table::plain(screen, &["#", "NAME", "SOURCE"]);
        for source in &sources {
            table.add_row(vec![
                (source.position + 1).to_string(),
                source.name.clone(),
                source.spec.clone(),
            ]);
        }
        screen.data(&table::text(&table));
    }
    Ok(Exit::Done)
}

async fn test(context: &Context, name: Option<&str>, target: &Target) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    let sources = context.store().sources(&site.id).await?;
    let chosen: Vec<String> = sources
        .iter()
        .filter(|source| name.is_none_or(|name| source.name == name))
        .map(|source| source.spec.clone())
        .collect();
    if chosen.is_empty() {
        match name {
            Some(name) => {
                bail!("there is no source `{name}`; `lockstep site source list` shows them")
            }
            None => bail!(
                "no source of prices is remembered; `lockstep site source add official` adds the first"
            ),
        }
    }
    let told = look(context, target, &chosen).await?;
    if context.screen.json {
        let sources: Vec<Value> = told.iter().map(state_as_json).collect();
        context
            .screen
            .data(&json!({ "sources": sources }).to_string());
    } else {
        show(&context.screen, &told);
    }
    Ok(exit_of(&told))
}

async fn accept(context: &Context, name: &str, target: &Target) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    let sources = context.store().sources(&site.id).await?;
    let spec = match sources.into_iter().find(|source| source.name == name) {
        Some(source) => source.spec,
        None => name
            .parse::<SourceSpec>()
            .with_context(|| {
                format!("there is no source `{name}`; `lockstep site source list` shows them")
            })?
            .to_string(),
    };
    let (session, chosen) = paced_session(context, target, &PaceArgs::default()).await?;
    let (timeout, retries) = (chosen.settings.prices.timeout, chosen.settings.max_retries);
    let collecting = collecting(context, target, &[spec], timeout, retries)?;
    let all = session.accept_lists(&collecting).await?;
    let Some(one) = all.first() else {
        bail!("the gateway lists no such channel with an address");
    };
    let screen = &context.screen;
    let text = en::list_accepted(one);
    if screen.json {
        screen.data(
            &json!({
                "accepted": one.accepted,
                "models_before": one.before,
                "sources": [state_as_json(&one.source)],
            })
            .to_string(),
        );
        screen.hint(&text);
    } else {
        screen.says(&text);
    }
    let good = SourceState::from_code(&one.source.state).is_some_and(SourceState::is_believed);
    Ok(if one.accepted || good {
        Exit::Done
    } else {
        Exit::Nothing
    })
}

async fn remove(context: &Context, name: &str, target: &Target) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    context
        .store()
        .remove_source(&site.id, name)
        .await
        .with_context(|| {
            format!("there is no source `{name}`; `lockstep site source list` shows them")
        })?;
    if context.screen.json {
        context.screen.data(&json!({ "removed": name }).to_string());
    } else {
        context.screen.says(&format!("{name} is forgotten"));
    }
    Ok(Exit::Done)
}

/// Fetches sources and says what became of each.
async fn look(
    context: &Context,
    target: &Target,
    sources: &[String],
) -> anyhow::Result<Vec<RunSource>> {
    let (session, chosen) = paced_session(context, target, &PaceArgs::default()).await?;
    let collecting = collecting(
        context,
        target,
        sources,
        chosen.settings.prices.timeout,
        chosen.settings.max_retries,
    )?;
    told(&session, &collecting).await
}

/// What is to be collected.
pub(crate) fn collecting(
    context: &Context,
    target: &Target,
    sources: &[String],
    time_limit: Duration,
    max_retries: u32,
) -> anyhow::Result<Collecting> {
    Ok(Collecting {
        wanted: sources
            .iter()
            .map(|text| wanted(text))
            .collect::<anyhow::Result<_>>()?,
        time_limit,
        allow: allowed(context, target)?,
        max_retries,
    })
}

async fn told(session: &Session, collecting: &Collecting) -> anyhow::Result<Vec<RunSource>> {
    let local = session.local_prices(collecting.max_retries).await?;
    let collected = session.collect(collecting).await?;
    let compared = compare(&local, &collected);
    Ok(compared
        .sources
        .iter()
        .map(|source| source.told())
        .collect())
}

fn as_json(source: &StoredSource) -> Value {
    json!({"name": source.name, "source": source.spec, "position": source.position + 1})
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

/// The states of sources as a table.
pub(crate) fn show(screen: &Screen, sources: &[RunSource]) {
    if sources.is_empty() || screen.json {
        return;
    }
    let mut table = table::plain(screen, &["SOURCE", "MODELS", "STATE"]);
    for source in sources {
        let mut lines = vec![en::source_state(source)];
        for (reason, count, names) in &source.skipped {
            lines.push(en::skipped(reason, *count, names, screen.verbose));
        }
        table.add_row(vec![
            source.name.clone(),
            source.models.to_string(),
            lines.join("\n"),
        ]);
    }
    screen.data(&table::text(&table));
    screen.data("");
}

/// The exit status that sources deserve: all answered, some did not, none did.
pub(crate) fn exit_of(sources: &[RunSource]) -> Exit {
    let answered = |source: &&RunSource| {
        SourceState::from_code(&source.state).is_some_and(|state| {
            matches!(
                state,
                SourceState::Ok | SourceState::Partial | SourceState::Empty | SourceState::Shrunken
            )
        })
    };
    match sources.iter().filter(answered).count() {
        all if all == sources.len() => Exit::Done,
        0 => Exit::Nothing,
        _ => Exit::Part,
    }
}
