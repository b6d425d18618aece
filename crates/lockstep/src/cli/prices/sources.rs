//! Sources: as they are typed, remembered, tested.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use lockstep_core::prices::source::{Cidr, Place, SourceSpec, SourceState};
use lockstep_run::Session;
use lockstep_run::prices::collect::Collecting;
use lockstep_run::prices::compare::compare;
use lockstep_store::prices::access::{SourceAccess, SourceEdit};
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::sites::Site;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::args::{PaceArgs, SourceOptionArgs, SourceTokenArgs, SourceVerb, Target};
use super::super::context::{Context, read_token};
use super::super::exit::Exit;
use super::super::run::paced_session;
use crate::deeds::Deed;
use crate::ordering::{self, Asked};
use crate::sourcing::{self, Typed};
use crate::view::json::time;
pub(crate) use crate::view::source::state_as_json;
use crate::view::{Screen, table};
use crate::words::en;

/// The sources that were typed, or else those that the site remembers, the preferred first.
pub(crate) async fn typed_or_stored(
    context: &Context,
    site: &Site,
    typed: &[String],
) -> anyhow::Result<Vec<Asked>> {
    let store = context.store();
    if typed.is_empty() {
        return Ok(ordering::remembered(store, site).await?);
    }
    let known = store.sources(&site.id).await?;
    let mut asked = Vec::with_capacity(typed.len());
    for text in typed {
        // An uploaded list is there under its name alone.
        let place = text.parse::<SourceSpec>().map(|spec| spec.place);
        let uploaded = match place {
            Ok(Place::Upload(name)) => known
                .iter()
                .find(|source| source.name == name && source.uploaded.is_some()),
            _ => None,
        };
        asked.push(match uploaded {
            Some(source) => Asked::remembered(store, source).await?,
            None => Asked::typed(text),
        });
    }
    Ok(asked)
}

/// Networks that are allowed for this command, beside those of the site.
pub(crate) fn allowed(context: &Context, target: &Target) -> anyhow::Result<Vec<Cidr>> {
    ordering::allowed(&context.file, &target.allow_private)
}

/// `lockstep site source`
pub(crate) async fn source(context: &Context, verb: &SourceVerb) -> anyhow::Result<Exit> {
    match verb {
        SourceVerb::Add {
            source,
            untested,
            token,
            target,
        } => add(context, source, *untested, token, target).await,
        SourceVerb::Edit {
            name,
            options,
            no_token,
            untested,
            token,
            target,
        } => {
            edit(
                context,
                name,
                options,
                (token, *no_token),
                *untested,
                target,
            )
            .await
        }
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
    token: &SourceTokenArgs,
    target: &Target,
) -> anyhow::Result<Exit> {
    let spec: SourceSpec = text.parse()?;
    if let Place::Upload(_) = spec.place {
        bail!("a list is uploaded on the page of the sources; on this machine write file:PATH");
    }
    let access = access(&spec, token, (false, &[]))?;
    let site = context.site(target).await?;
    let new = sourcing::new(&spec, access);
    if !untested {
        tried(context, target, Asked::new(&new)).await?;
    }
    let stored = context.store().remember_source(&site.id, new).await?;
    let deed = Deed::source_added(&stored.name);
    context.note(Some(&site), &deed).await;
    if context.screen.json {
        context
            .screen
            .data(&json!({ "source": as_json(&stored) }).to_string());
    } else {
        context.screen.says(&format!(
            "{} is remembered as source {}; `lockstep plan prices` uses it",
            stored.name,
            stored.position + 1
        ));
    }
    Ok(Exit::Done)
}

/// What lets us into the source: the token from stdin, where it is to be stored.
fn access(
    spec: &SourceSpec,
    given: &SourceTokenArgs,
    (keeps_token, keeps_headers): (bool, &[String]),
) -> anyhow::Result<SourceAccess> {
    let token = match given.token_stdin {
        true => read_token(true)?,
        false => None,
    };
    let typed = Typed {
        token: token.as_ref().map_or("", |token| token.expose_secret()),
        user_id: given.token_user.as_deref().unwrap_or(""),
        keeps_token,
        keeps_headers,
        ..Typed::default()
    };
    sourcing::access(spec, &typed).map_err(|mut bad| anyhow!(bad.swap_remove(0).message()))
}

/// Shows how a source stands, and refuses one whose list cannot be believed.
async fn tried(context: &Context, target: &Target, asked: Asked) -> anyhow::Result<()> {
    let has_token = asked.has_token();
    let told = look(context, target, &[asked]).await?;
    show(&context.screen, &told);
    let Some(bad) = told.iter().find(|source| !sourcing::is_believed(source)) else {
        return Ok(());
    };
    if sourcing::refused_token(bad, has_token) {
        bail!(
            "the source is not kept: {} (--untested keeps it all the same)",
            en::token_refused(bad)
        );
    }
    bail!("the source is not kept: its test failed (--untested keeps it all the same)")
}

async fn edit(
    context: &Context,
    name: &str,
    options: &SourceOptionArgs,
    (token, no_token): (&SourceTokenArgs, bool),
    untested: bool,
    target: &Target,
) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    let source = found(context, &site, name).await?;
    let spec: SourceSpec = source.spec.parse()?;
    let keeps_token = source.has_token && !token.token_stdin && !no_token;
    let after = spec
        .edited(&options.edit())
        .map_err(|mut bad| anyhow!(bad.swap_remove(0).1))?;
    let access = access(&after, token, (keeps_token, &source.headers))?;
    let edit = SourceEdit {
        spec: (after != spec).then(|| after.to_string()),
        token: (token.token_stdin || no_token).then_some(access.token),
        // Whose a token is goes with it.
        user_id: (token.token_user.is_some() || no_token).then_some(access.user_id),
        headers: None,
    };
    let fields = sourcing::fields(&source, &edit);
    if fields.is_empty() {
        bail!(
            "nothing is to be changed; give --endpoint, --multiplier, --recharge or --group, pipe a token in with \
             --token-stdin, or forget it with --no-token"
        );
    }
    if !untested && sourcing::is_asked_otherwise(&fields) {
        let asked = sourcing::changed(context.store(), &source, &edit).await?;
        tried(context, target, asked).await?;
    }
    let store = context.store();
    let stored = store.edit_source(&site.id, name, edit).await?;
    let deed = Deed::source_changed(name, &fields);
    context.note(Some(&site), &deed).await;
    if context.screen.json {
        context
            .screen
            .data(&json!({ "source": as_json(&stored) }).to_string());
    } else {
        context.screen.says(&format!("{name} is changed"));
    }
    Ok(Exit::Done)
}

/// The remembered source of a name.
async fn found(context: &Context, site: &Site, name: &str) -> anyhow::Result<StoredSource> {
    let all = context.store().sources(&site.id).await?;
    let found = all.into_iter().find(|source| source.name == name);
    found.with_context(|| {
        format!("there is no source `{name}`; `lockstep site source list` shows them")
    })
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
        let mut table = table::plain(screen, &["#", "NAME", "SOURCE", "TOKEN"]);
        for source in &sources {
            table.add_row(vec![
                (source.position + 1).to_string(),
                source.name.clone(),
                source.spec.clone(),
                if source.has_token { "stored" } else { "-" }.to_owned(),
            ]);
        }
        screen.data(&table::text(&table));
    }
    Ok(Exit::Done)
}

async fn test(context: &Context, name: Option<&str>, target: &Target) -> anyhow::Result<Exit> {
    let site = context.site(target).await?;
    let sources = context.store().sources(&site.id).await?;
    let mut chosen = Vec::new();
    for source in &sources {
        if name.is_none_or(|name| source.name == name) {
            chosen.push(Asked::remembered(context.store(), source).await?);
        }
    }
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
    let asked = match sources.iter().find(|source| source.name == name) {
        Some(source) => Asked::remembered(context.store(), source).await?,
        None => {
            let spec: SourceSpec = name.parse().with_context(|| {
                format!("there is no source `{name}`; `lockstep site source list` shows them")
            })?;
            Asked::typed(&spec.to_string())
        }
    };
    let (session, chosen) = paced_session(context, target, &PaceArgs::default()).await?;
    let (timeout, retries) = (chosen.settings.prices.timeout, chosen.settings.max_retries);
    let collecting = collecting(context, target, &[asked], timeout, retries)?;
    let all = session.accept_lists(&collecting).await?;
    let Some(one) = all.first() else {
        bail!("the gateway lists no such channel with an address");
    };
    if one.accepted {
        let deed = Deed::source_accepted(name);
        context.note(Some(&site), &deed).await;
    }
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
    let deed = Deed::source_removed(name);
    context.note(Some(&site), &deed).await;
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
    sources: &[Asked],
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
    sources: &[Asked],
    time_limit: Duration,
    max_retries: u32,
) -> anyhow::Result<Collecting> {
    let allow = allowed(context, target)?;
    ordering::collecting(sources, allow, time_limit, max_retries)
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
    json!({
        "name": source.name,
        "source": source.spec,
        "position": source.position + 1,
        "has_token": source.has_token,
        "user_id": source.user_id,
        "headers": source.headers,
        "uploaded": source.uploaded.map(|list| json!({ "at": time(list.at), "models": list.models })),
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
