//! `lockstep site`: the gateways that are stored.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use lockstep_core::prices::source::parse_cidr;
use lockstep_core::settings::{FIELDS, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::SiteAccess;
use lockstep_run::doctor::{Finding, Level};
use lockstep_store::sites::{NewSite, Site, SiteEdit};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::args::{SiteAddArgs, SiteEditArgs, SiteVerb, Target, Tuning};
use super::context::{Context, read_token, seconds_at};
use super::doctor;
use super::exit::Exit;
use super::prices::sources::source;
use crate::connecting::fields;
use crate::deeds::Deed;
use crate::view::table;

pub(crate) async fn site(context: &Context, verb: &SiteVerb) -> anyhow::Result<Exit> {
    match verb {
        SiteVerb::Add(args) => add(context, args).await,
        SiteVerb::List => list(context).await,
        SiteVerb::Test { name } => {
            let default = context.store().default_site().await?;
            let target = Target {
                site: name.clone().or(default.and_then(|site| site.name)),
                ..Target::default()
            };
            let access = context.access(&target).await?;
            let site = access.site.clone();
            let findings = test(context, access).await?;
            doctor::tell(context, &site, &findings)
        }
        SiteVerb::Edit(args) => edit(context, args).await,
        SiteVerb::Source(verb) => source(context, verb).await,
        SiteVerb::Remove { name, yes } => remove(context, name, *yes).await,
    }
}

async fn add(context: &Context, args: &SiteAddArgs) -> anyhow::Result<Exit> {
    let url = GatewayUrl::parse(&args.url)?;
    check_user_id(&args.user_id)?;
    networks(&args.allow_private)?;
    let Some(token) = read_token(args.token.token_stdin)? else {
        bail!(
            "Configuration missing: the Admin Token. Pipe it in with --token-stdin, or put it in LOCKSTEP_TOKEN. \
             It is the system access token of the gateway's Personal Settings, not an sk- key."
        );
    };
    let mut settings = Settings::default();
    let mut stored = BTreeMap::new();
    for (key, value) in given(&args.tuning, &args.set)? {
        settings.set(&key, &value)?;
        stored.insert(key, value);
    }
    let store = context.store();
    if store.site_by_name(&args.name).await.is_ok() {
        bail!(
            "there is a site `{}` already; `lockstep site edit {0}` changes it",
            args.name
        );
    }
    let new = NewSite {
        name: Some(args.name.clone()),
        url: url.clone(),
        user_id: args.user_id.clone(),
        console_url: args.console_url.clone(),
        allow_private: args.allow_private.clone(),
        settings: stored,
        token: Some(token.clone()),
    };
    if !args.untested {
        let probe = Site {
            id: String::new(),
            name: Some(args.name.clone()),
            url,
            user_id: args.user_id.clone(),
            console_url: None,
            is_default: false,
            allow_private: Vec::new(),
            settings: BTreeMap::new(),
            first_write_done: false,
            created_at: 0,
            has_token: true,
        };
        let findings = test(
            context,
            SiteAccess {
                site: probe.clone(),
                token,
            },
        )
        .await?;
        if findings.iter().any(|finding| finding.level == Level::Wrong) {
            doctor::tell(context, &probe, &findings)?;
            context.screen.hint(
                "The site was not kept. Mend what is wrong above, or add it with --untested.",
            );
            return Ok(Exit::Nothing);
        }
    }
    // Ad hoc runs on this address belong to it: their memory tells what was edited by hand.
    let nameless = store
        .sites()
        .await?
        .into_iter()
        .find(|site| site.name.is_none() && site.url == new.url);
    let mut site = match nameless {
        Some(known) => adopt(context, &known, new).await?,
        None => store.add_site(new, context.engine.now()).await?,
    };
    let alone = store
        .sites()
        .await?
        .iter()
        .filter(|site| site.name.is_some())
        .count()
        == 1;
    if args.default || alone {
        site = make_default(context, &site).await?;
    }
    context.note(Some(&site), &Deed::site_added(&site)).await;
    said(context, &site, "is kept");
    context
        .screen
        .hint("Next: `lockstep plan` shows what would change.");
    Ok(Exit::Done)
}

/// Gives a site that was known by its address only a name, and what else was said of it.
async fn adopt(context: &Context, known: &Site, new: NewSite) -> anyhow::Result<Site> {
    let settings = new.settings.into_iter();
    let edit = SiteEdit {
        name: new.name,
        user_id: Some(new.user_id),
        console_url: Some(new.console_url),
        allow_private: Some(new.allow_private),
        settings: Some(settings.map(|(key, value)| (key, Some(value))).collect()),
        ..SiteEdit::default()
    };
    let site = context.store().edit_site(&known.id, edit).await?;
    context.store().set_token(&site.id, new.token).await?;
    Ok(context.store().site(&site.id).await?)
}

async fn make_default(context: &Context, site: &Site) -> anyhow::Result<Site> {
    let edit = SiteEdit {
        is_default: Some(true),
        ..SiteEdit::default()
    };
    Ok(context.store().edit_site(&site.id, edit).await?)
}

async fn test(context: &Context, access: SiteAccess) -> anyhow::Result<Vec<Finding>> {
    let settings = Settings {
        pace: lockstep_core::settings::PaceMode::Fixed,
        ..Settings::default()
    };
    let session = context.engine.session(access, &settings);
    Ok(session
        .doctor(|requests| seconds_at(&settings, requests))
        .await)
}

/// Settings that were given, by key: those with flags of their own, and those of `--set`. Lines of one key add up.
fn given(tuning: &Tuning, set: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let mut texts: Vec<(String, String)> = tuning
        .texts()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    for pair in set {
        let (key, value) = pair.split_once('=').with_context(|| {
            format!("--set {pair}: write KEY=VALUE; `lockstep config example` prints the keys")
        })?;
        match texts.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = format!("{known}\n{value}"),
            None => texts.push((key.to_owned(), value.to_owned())),
        }
    }
    Ok(texts)
}

/// Refuses what is no network.
fn networks(texts: &[String]) -> anyhow::Result<()> {
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        parse_cidr(text.trim())?;
    }
    Ok(())
}

async fn edit(context: &Context, args: &SiteEditArgs) -> anyhow::Result<Exit> {
    let store = context.store();
    let site = store.site_by_name(&args.name).await?;
    let mut check = Settings::default();
    let mut settings: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (key, value) in given(&args.tuning, &args.set)? {
        check.set(&key, &value)?;
        settings.insert(key, Some(value));
    }
    networks(&args.allow_private)?;
    for key in &args.reset {
        if !FIELDS.iter().any(|field| field.key == key) {
            bail!("there is no setting `{key}`");
        }
        settings.insert(key.clone(), None);
    }
    if let Some(user_id) = &args.user_id {
        check_user_id(user_id)?;
    }
    let edit = SiteEdit {
        name: args.rename.clone(),
        url: args.url.as_deref().map(GatewayUrl::parse).transpose()?,
        user_id: args.user_id.clone(),
        console_url: args
            .console_url
            .clone()
            .map(|url| (!url.is_empty()).then_some(url)),
        is_default: args.default.then_some(true),
        allow_private: (!args.allow_private.is_empty()).then(|| {
            args.allow_private
                .iter()
                .filter(|network| !network.is_empty())
                .cloned()
                .collect()
        }),
        settings: (!settings.is_empty()).then_some(settings),
    };
    let mut deeds = Vec::new();
    let changed = fields(&edit, args.token.token_stdin);
    if !changed.is_empty() {
        deeds.push(Deed::site_changed(&changed));
    }
    if let Some(settings) = &edit.settings {
        deeds.push(Deed::settings_changed(settings));
    }
    if args.default {
        deeds.push(Deed::site_default());
    }
    let site = store.edit_site(&site.id, edit).await?;
    if args.token.token_stdin {
        let token: Option<SecretString> = read_token(true)?;
        store.set_token(&site.id, token).await?;
    }
    for deed in &deeds {
        context.note(Some(&site), deed).await;
    }
    said(context, &site, "is changed");
    if args.url.is_some() {
        context.screen.hint(
            "What is remembered of its channels stays: this must be the same gateway at another address. For another gateway, add another site.",
        );
    }
    Ok(Exit::Done)
}

async fn remove(context: &Context, name: &str, yes: bool) -> anyhow::Result<Exit> {
    let store = context.store();
    let site = match GatewayUrl::parse(name) {
        // One that was only ever used ad hoc has no name.
        Ok(url) => store
            .sites()
            .await?
            .into_iter()
            .find(|site| site.url == url),
        Err(_) => None,
    };
    let site = match site {
        Some(site) => site,
        None => store.site_by_name(name).await?,
    };
    if !yes {
        if !context.screen.can_ask() {
            context.screen.hint(
                "Nothing was removed: nobody could be asked. --yes removes the site with its history.",
            );
            if context.screen.json {
                said(context, &site, "is still there");
            }
            return Ok(Exit::Waits);
        }
        let question = format!("Forget `{name}` ({}) with its history?", site.url);
        if !context.screen.asks(&question).await {
            return Ok(Exit::Waits);
        }
    }
    store.remove_site(&site.id).await?;
    context.note(Some(&site), &Deed::site_removed(&site)).await;
    said(context, &site, "is forgotten");
    Ok(Exit::Done)
}

async fn list(context: &Context) -> anyhow::Result<Exit> {
    let sites = context.store().sites().await?;
    if context.screen.json {
        let sites: Vec<Value> = sites.iter().map(as_json).collect();
        context.screen.data(&json!({ "sites": sites }).to_string());
        return Ok(Exit::Done);
    }
    if sites.is_empty() {
        context.screen.hint(
            "No gateway is stored. `lockstep site add NAME --url URL --user-id ID` adds one; `lockstep demo --once` shows what it does.",
        );
        return Ok(Exit::Done);
    }
    let mut table = table::plain(
        &context.screen,
        &["SITE", "ADDRESS", "USER ID", "TOKEN", "SETTINGS"],
    );
    for site in &sites {
        let mut name = site.name.clone().unwrap_or_else(|| "(ad hoc)".to_owned());
        if site.is_default {
            name.push_str(" *");
        }
        let settings: Vec<String> = site
            .settings
            .iter()
            .map(|(key, value)| format!("{key}={}", value.replace('\n', ",")))
            .collect();
        table.add_row(vec![
            name,
            site.url.to_string(),
            site.user_id.clone(),
            if site.has_token { "stored" } else { "-" }.to_owned(),
            settings.join(" "),
        ]);
    }
    context.screen.data(&table::text(&table));
    Ok(Exit::Done)
}

/// A site as JSON; the token is never in it.
fn as_json(site: &Site) -> Value {
    json!({
        "name": site.name,
        "url": site.url.as_str(),
        "user_id": site.user_id,
        "console_url": site.console_url,
        "default": site.is_default,
        "allow_private": site.allow_private,
        "settings": site.settings,
        "has_token": site.has_token,
    })
}

fn said(context: &Context, site: &Site, what: &str) {
    if context.screen.json {
        context
            .screen
            .data(&json!({ "site": as_json(site) }).to_string());
    } else {
        context.screen.data(&format!(
            "{} ({}) {what}",
            site.name.as_deref().unwrap_or("the site"),
            site.url
        ));
    }
}

/// The gateway's user ids are numbers.
fn check_user_id(text: &str) -> anyhow::Result<()> {
    if text.parse::<u64>().is_err() {
        bail!("the user id is the number shown under User Management, not `{text}`");
    }
    Ok(())
}
