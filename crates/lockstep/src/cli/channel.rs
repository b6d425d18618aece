//! `lockstep channel`: what channels and providers have of their own.

use std::collections::BTreeMap;

use anyhow::bail;
use lockstep_core::change::Subject;
use lockstep_core::channel::Provider;
use lockstep_core::settings::{Overrides, parse_patterns, parse_policy};
use lockstep_store::changes::ChangeRow;
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::args::{ChannelSetArgs, ChannelVerb};
use super::context::Context;
use super::exit::Exit;
use crate::deeds::Deed;
use crate::view::{json as form, table};
use crate::words::en;

pub(crate) async fn channel(context: &Context, verb: &ChannelVerb) -> anyhow::Result<Exit> {
    match verb {
        ChannelVerb::List { target } => {
            let site = context.site(target).await?;
            list(context, &site).await
        }
        ChannelVerb::Show { id, target } => {
            let site = context.site(target).await?;
            show(context, &site, *id).await
        }
        ChannelVerb::Set(args) => {
            let site = context.site(&args.target).await?;
            set(context, &site, args).await
        }
    }
}

/// The channels of the last full run, each with its latest result.
async fn latest_rows(context: &Context, site: &Site) -> anyhow::Result<Vec<ChangeRow>> {
    let store = context.store();
    let mut latest: BTreeMap<i64, ChangeRow> = BTreeMap::new();
    for (run, _) in store.runs(&site.id, 50, None).await? {
        if run.subject != Subject::Models {
            continue;
        }
        for row in store.changes(&run.id).await? {
            latest.entry(row.channel_id).or_insert(row);
        }
        if run.selection.is_none() {
            break;
        }
    }
    Ok(latest.into_values().collect())
}

async fn list(context: &Context, site: &Site) -> anyhow::Result<Exit> {
    let rows = latest_rows(context, site).await?;
    let store = context.store();
    let own = store.channel_overrides(&site.id).await?;
    let providers = store.provider_overrides(&site.id).await?;
    let screen = &context.screen;
    let of_own = |row: &ChangeRow| -> Vec<String> {
        let mut parts = Vec::new();
        if let Some(overrides) = providers.get(&row.provider) {
            parts.extend(
                describe(overrides)
                    .into_iter()
                    .map(|part| format!("{part} (provider)")),
            );
        }
        if let Some(overrides) = own.get(&row.channel_id) {
            parts.extend(describe(overrides));
        }
        parts
    };
    if screen.json {
        let channels: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "channel_id": row.channel_id,
                    "channel_name": row.channel_name,
                    "type": row.provider.kind,
                    "base_url": row.provider.base_url,
                    "models": form::Lists::now(row),
                    "status": row.status().code(),
                    "finished_at": row.finished_at.map(form::time),
                    "own": own.get(&row.channel_id).map(form::overrides),
                })
            })
            .collect();
        screen.data(&json!({ "channels": channels }).to_string());
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        screen.hint("No channel was read yet. `lockstep plan` reads them.");
        return Ok(Exit::Done);
    }
    let mut table = table::plain(
        screen,
        &[
            "ID",
            "CHANNEL",
            "PROVIDER",
            "MODELS",
            "LATEST",
            "OF ITS OWN",
        ],
    );
    for row in &rows {
        let provider = if row.provider.base_url.is_empty() {
            format!("type {}", row.provider.kind)
        } else {
            row.provider.base_url.clone()
        };
        table.add_row(vec![
            row.channel_id.to_string(),
            row.channel_name.clone(),
            provider,
            form::Lists::now(row).len().to_string(),
            row.status().code().to_owned(),
            of_own(row).join("; "),
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

async fn show(context: &Context, site: &Site, id: i64) -> anyhow::Result<Exit> {
    let store = context.store();
    let history = store.channel_history(&site.id, id, 10).await?;
    let Some(row) = history.first() else {
        bail!("channel {id} was not read yet; `lockstep plan --channel {id}` reads it");
    };
    let own = store
        .channel_overrides(&site.id)
        .await?
        .remove(&id)
        .unwrap_or_default();
    let memory = store
        .memories(&site.id)
        .await?
        .remove(&id)
        .unwrap_or_default();
    let models = form::Lists::now(row);
    let screen = &context.screen;
    if screen.json {
        let history: Vec<Value> = history
            .iter()
            .map(|row| {
                let lists = form::Lists::of(row);
                json!({
                    "run": row.run_id,
                    "status": row.status().code(),
                    "state": row.state.code(),
                    "added": lists.added,
                    "removed": lists.removed,
                    "finished_at": row.finished_at.map(form::time),
                })
            })
            .collect();
        let object = json!({
            "channel_id": id,
            "channel_name": row.channel_name,
            "type": row.provider.kind,
            "base_url": row.provider.base_url,
            "models": models,
            "upstream_models": row.upstream,
            "own": form::overrides(&own),
            "yours": { "added": memory.yours, "taken_out": memory.taken_out },
            "history": history,
        });
        screen.data(&object.to_string());
        return Ok(Exit::Done);
    }
    let all = if screen.verbose { usize::MAX } else { 20 };
    screen.data(&format!("channel {id}  {}", row.channel_name));
    screen.data(&format!(
        "provider  type {} {}",
        row.provider.kind, row.provider.base_url
    ));
    screen.data(&format!(
        "models    {}: {}",
        models.len(),
        en::names(&models, all)
    ));
    if let Some(upstream) = &row.upstream {
        screen.data(&format!(
            "provider's {}: {}",
            upstream.len(),
            en::names(upstream, all)
        ));
    }
    for (word, names) in [
        ("yours, added by hand", &memory.yours),
        ("yours, taken out by hand", &memory.taken_out),
    ] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().cloned().collect();
            screen.data(&format!("{word}: {}", en::names(&names, all)));
            screen.hint(&format!(
                "  `lockstep channel set {id} --release NAME` gives a name back to the provider"
            ));
        }
    }
    let own = describe(&own);
    if !own.is_empty() {
        screen.data(&format!("of its own: {}", own.join("; ")));
    }
    if let Some(hold) = &row.hold {
        let said = en::reason(hold);
        // What is said of any channel is typed for this one.
        let hint = said.hint.replace(" ID", &format!(" {}", row.channel_id));
        screen.data(&format!("{}\n  {hint}", said.message));
    }
    let mut table = table::plain(screen, &["RUN", "FINISHED (UTC)", "STATE", "CHANGE"]);
    for row in &history {
        let lists = form::Lists::of(row);
        let mut change = format!("+{} -{}", lists.added.len(), lists.removed.len());
        if !row.held_add.is_empty() || !row.held_remove.is_empty() {
            let (more, less) = (row.held_add.len(), row.held_remove.len());
            change.push_str(&format!(", held +{more} -{less}"));
        }
        table.add_row(vec![
            table::short(&row.run_id).to_owned(),
            row.finished_at.map_or_else(String::new, |at| {
                form::time(at).get(..16).unwrap_or("").replace('T', " ")
            }),
            row.state.code().to_owned(),
            change,
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

async fn set(context: &Context, site: &Site, args: &ChannelSetArgs) -> anyhow::Result<Exit> {
    let store = context.store();
    match (args.id, &args.provider) {
        (Some(id), _) => {
            let mut own = store
                .channel_overrides(&site.id)
                .await?
                .remove(&id)
                .unwrap_or_default();
            let before = own.clone();
            change(&mut own, args)?;
            store.set_channel_overrides(&site.id, id, &own).await?;
            if own != before {
                context.note(Some(site), &Deed::channel_set(id, &own)).await;
            }
            if !args.release.is_empty() {
                release(context, site, id, &args.release).await?;
                let deed = Deed::names_released(id, &args.release);
                context.note(Some(site), &deed).await;
            }
            let seen = store.channel_history(&site.id, id, 1).await?;
            if seen.is_empty() {
                context.screen.hint(&format!(
                    "No run has seen a channel {id} on this gateway yet; `lockstep channel list` shows those it has."
                ));
            }
            told(context, &format!("channel {id}"), &own)
        }
        (None, Some(url)) => {
            let base_url = url.trim().trim_end_matches('/').to_lowercase();
            let kinds: std::collections::BTreeSet<i64> = latest_rows(context, site)
                .await?
                .iter()
                .filter(|row| row.provider.base_url == base_url)
                .map(|row| row.provider.kind)
                .collect();
            if kinds.is_empty() {
                bail!(
                    "no channel was read at {base_url} yet; `lockstep channel list` shows the providers"
                );
            }
            let mut all = store.provider_overrides(&site.id).await?;
            let mut last = Overrides::default();
            for kind in kinds {
                let provider = Provider {
                    kind,
                    base_url: base_url.clone(),
                };
                last = all.remove(&provider).unwrap_or_default();
                change(&mut last, args)?;
                store
                    .set_provider_overrides(&site.id, &provider, &last)
                    .await?;
            }
            let deed = Deed::provider_set(&base_url, None, &last);
            context.note(Some(site), &deed).await;
            told(context, &format!("all channels of {base_url}"), &last)
        }
        (None, None) => bail!("which channel? give its id, or --provider URL"),
    }
}

async fn release(context: &Context, site: &Site, id: i64, names: &[String]) -> anyhow::Result<()> {
    let store = context.store();
    let _alone = context.engine.alone(site).await?;
    let mut memory = store
        .memories(&site.id)
        .await?
        .remove(&id)
        .unwrap_or_default();
    for name in names {
        if !memory.release(name) {
            bail!(
                "`{name}` is not yours on channel {id}; `lockstep channel show {id}` shows what is"
            );
        }
    }
    store.set_memory(&site.id, id, &memory).await?;
    Ok(())
}

fn change(own: &mut Overrides, args: &ChannelSetArgs) -> anyhow::Result<()> {
    if args.reset {
        *own = Overrides::default();
    }
    if let Some(policy) = &args.policy {
        own.policy = match policy.as_str() {
            "" => None,
            policy => Some(parse_policy(policy)?),
        };
    }
    let lines = |values: &[String]| -> String { values.join("\n") };
    let names = |values: &[String]| -> Vec<String> {
        values
            .iter()
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect()
    };
    if !args.keep.is_empty() {
        own.keep = names(&args.keep);
    }
    if !args.allow.is_empty() {
        own.rules.allow = names(&args.allow);
    }
    if !args.include.is_empty() {
        own.rules.include = parse_patterns("include", &lines(&args.include))?;
    }
    if !args.exclude.is_empty() {
        own.rules.exclude = parse_patterns("exclude", &lines(&args.exclude))?;
    }
    Ok(())
}

fn describe(own: &Overrides) -> Vec<String> {
    let Overrides {
        policy,
        keep,
        rules,
        allowed,
    } = own;
    let mut parts = Vec::new();
    if let Some(policy) = policy {
        parts.push(format!("policy {}", policy.code()));
    }
    let patterns = |patterns: &[lockstep_core::models::rule::Pattern]| -> String {
        let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
        texts.join(", ")
    };
    for (word, text) in [
        ("keep", keep.join(", ")),
        ("allow", rules.allow.join(", ")),
        ("include", patterns(&rules.include)),
        ("exclude", patterns(&rules.exclude)),
        ("always allowed", allowed.join(", ")),
    ] {
        if !text.is_empty() {
            parts.push(format!("{word} {text}"));
        }
    }
    parts
}

fn told(context: &Context, what: &str, own: &Overrides) -> anyhow::Result<Exit> {
    if context.screen.json {
        context
            .screen
            .data(&json!({ "set": what, "own": form::overrides(own) }).to_string());
    } else {
        let parts = describe(own);
        let text = if parts.is_empty() {
            "nothing of its own; the site's settings hold".to_owned()
        } else {
            parts.join("; ")
        };
        context.screen.data(&format!("{what}: {text}"));
        context.screen.hint(
            "`lockstep plan` shows what that means. Plans made before are not written any more.",
        );
    }
    Ok(Exit::Done)
}
