//! What is around every page: who is signed in, which site, which language, and what waits where.

use axum::extract::{FromRequestParts, Path};
use axum::http::header;
use axum::http::request::Parts;
use lockstep_store::holds::HoldCounts;
use lockstep_store::sites::Site;
use std::collections::HashMap;

use super::flash::{Flash, SAID};
use super::words::{Lang, Words, fill};
use super::{assets, place, refusal::Refusal};
use crate::server::App;
use crate::server::caller::{self, Caller, Reader, Scope, may_not};
use crate::words::Said;

/// The cookie that keeps a chosen language.
pub(super) const LANGUAGE: &str = "lockstep-language";

/// Where the address of a page that is of no site names the one that its reader came from.
const FROM: &str = "site";

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Models,
    Channels,
    Prices,
    Unpriced,
    History,
    Settings,
}

impl Here {
    /// Every page, in its order.
    pub(super) const ALL: [Self; 7] = [
        Self::Overview,
        Self::Models,
        Self::Channels,
        Self::Prices,
        Self::Unpriced,
        Self::History,
        Self::Settings,
    ];

    /// Its word in addresses.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Models => "models",
            Self::Channels => "channels",
            Self::Prices => "prices",
            Self::Unpriced => "unpriced",
            Self::History => "history",
            Self::Settings => "settings",
        }
    }

    /// The page of a word.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.code() == code)
    }

    /// What the navigation calls it.
    pub(super) fn label(self, t: &Words) -> &str {
        match self {
            Self::Overview => &t.frame.overview,
            Self::Models => &t.frame.models,
            Self::Channels => &t.frame.channels,
            Self::Prices => &t.frame.prices,
            Self::Unpriced => &t.frame.unpriced,
            Self::History => &t.frame.history,
            Self::Settings => &t.frame.settings,
        }
    }
}

/// What is around a page.
pub(crate) struct Frame {
    pub(crate) t: &'static Words,
    pub(crate) lang: Lang,
    pub(crate) caller: Caller,
    /// Every site, for the choice.
    pub(crate) sites: Vec<SiteChoice>,
    /// The site that the page is about.
    pub(crate) site: Option<Site>,
    pub(crate) here: Here,
    /// The page's own address, to come back to.
    pub(crate) path: String,
    /// What has just happened, or stands in the way.
    pub(crate) says: Vec<Say>,
    held: HoldCounts,
}

/// A site to choose.
pub(crate) struct SiteChoice {
    pub(crate) key: String,
    pub(crate) label: String,
}

/// An entry of the navigation.
pub(crate) struct Item {
    pub(crate) href: String,
    pub(crate) label: String,
    pub(crate) here: bool,
    /// What its number is known by in the page, where it has one: parts of a page that are shown anew bring it along.
    pub(crate) id: Option<&'static str>,
    /// What waits there, and where just that is shown.
    pub(crate) count: u64,
    pub(crate) waits: String,
}

/// A language to choose.
pub(crate) struct Tongue {
    pub(crate) tag: &'static str,
    /// Its own name for itself.
    pub(crate) name: &'static str,
    /// Whether the page speaks it.
    pub(crate) here: bool,
}

/// Something that is said above the page.
pub(crate) struct Say {
    pub(crate) kind: SayKind,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
    /// The fields that it is about.
    pub(crate) fields: Vec<Place>,
}

/// A field of the page, to be led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its word in the page.
    pub(crate) id: String,
    pub(crate) label: String,
}

impl Place {
    pub(crate) fn new(id: &str, label: &str) -> Self {
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
        }
    }
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SayKind {
    Good,
    Waits,
    Bad,
}

impl Say {
    pub(super) fn edge(&self) -> &'static str {
        match self.kind {
            SayKind::Good => "good-edge",
            SayKind::Waits => "wait-edge",
            SayKind::Bad => "bad-edge",
        }
    }
}

impl Frame {
    /// The same frame for a page of the navigation.
    #[must_use]
    pub(crate) fn at(mut self, here: Here) -> Self {
        self.here = here;
        self
    }

    /// The site of the page.
    ///
    /// # Errors
    ///
    /// Where none is stored yet: the page says how to add one.
    pub(crate) fn site(&self) -> Result<&Site, Refusal> {
        self.site.as_ref().ok_or(Refusal::NoSite)
    }

    /// Whoever asks, if he may write.
    ///
    /// # Errors
    ///
    /// Where he has a token that may look only.
    pub(crate) fn writer(&self) -> Result<&Caller, Refusal> {
        if self.caller.may(Scope::Apply) {
            Ok(&self.caller)
        } else {
            Err(may_not(Scope::Apply).into())
        }
    }

    /// Who looks at the page, if he is a person; programs are refused, whatever their token may.
    pub(crate) fn person(&self) -> Result<&Caller, Refusal> {
        self.writer()?;
        caller::person(&self.caller)?;
        Ok(&self.caller)
    }

    /// What the navigation calls whoever looks.
    pub(super) fn who(&self) -> String {
        self.caller.actor()
    }

    /// The address of a page that is of no site, which names the site that its reader comes from where there are several.
    pub(crate) fn beside(&self, path: &str) -> String {
        match &self.site {
            Some(site) if self.sites.len() > 1 => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair(FROM, key(site));
                format!("{path}?{}", query.finish())
            }
            _ => path.to_owned(),
        }
    }

    /// The address of the page of people and tokens.
    pub(super) fn access(&self) -> String {
        self.beside(super::access::AT)
    }

    /// Says something above the page.
    pub(crate) fn say(&mut self, kind: SayKind, text: impl Into<String>, hint: Option<String>) {
        self.says.push(Say {
            kind,
            text: text.into(),
            hint,
            fields: Vec::new(),
        });
    }

    /// Says above the page that a form is not taken, with ways to the fields that are wrong.
    pub(crate) fn refuse(&mut self, text: &str, fields: Vec<Place>) {
        self.says.push(Say {
            kind: SayKind::Bad,
            text: text.to_owned(),
            hint: None,
            fields,
        });
    }

    /// Says no more what was just done, once it is over.
    pub(super) fn unsay(&mut self, flash: Flash) {
        let (text, _) = flash.words(self.t);
        self.says.retain(|say| say.text != text);
    }

    /// Says above the page what went wrong, and what to do where something is known.
    pub(crate) fn trouble(&mut self, said: Said) {
        let hint = (!said.hint.is_empty()).then_some(said.hint);
        self.say(SayKind::Bad, said.message, hint);
    }

    /// The address of a file.
    pub(super) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// The address of a page of the site.
    pub(crate) fn href(&self, here: Here) -> String {
        match (&self.site, here) {
            (_, Here::Overview) | (None, _) => "/".to_owned(),
            (Some(site), here) => place::path(&["sites", key(site), here.code()]),
        }
    }

    /// What has to be stored before the site's gateway can be asked, in a sentence. A page that it blocks says so by
    /// `part/missing.html`.
    pub(super) async fn missing(&self, app: &App, site: &Site) -> Option<String> {
        let t = &self.t.settings;
        let has = has_token(app, site).await;
        (!has).then(|| fill(&t.missing, &[("what", &t.admin_token)]))
    }

    /// Where what waits of a page's subject is shown.
    fn held_at(&self, page: Here) -> String {
        match &self.site {
            Some(site) => held_of(site, page),
            None => self.href(page),
        }
    }

    pub(super) fn is_site(&self, wanted: &str) -> bool {
        self.site.as_ref().is_some_and(|site| key(site) == wanted)
    }

    /// Every language.
    pub(super) fn languages(&self) -> Vec<Tongue> {
        let tongue = |lang: Lang| Tongue {
            tag: lang.tag(),
            name: lang.own_name(),
            here: lang == self.lang,
        };
        Vec::from(Lang::ALL.map(tongue))
    }

    pub(super) fn items(&self) -> Vec<Item> {
        Here::ALL
            .into_iter()
            .filter(|page| *page == Here::Overview || self.site.is_some())
            .map(|page| Item {
                waits: self.held_at(page),
                href: self.href(page),
                label: page.label(self.t).to_owned(),
                here: page == self.here,
                id: match page {
                    Here::Models => Some("waits-models"),
                    Here::Prices => Some("waits-prices"),
                    _ => None,
                },
                count: match page {
                    Here::Models => self.held.channels,
                    Here::Prices => self.held.models,
                    _ => 0,
                },
            })
            .collect()
    }
}

/// Whether the site's gateway can be asked: there is a stored token, or the environment has one for it.
pub(super) async fn has_token(app: &App, site: &Site) -> bool {
    site.has_token || matches!(app.ordering().access(site.clone()).await, Ok(Some(_)))
}

/// Where what waits on a site, of a page's subject, is shown.
pub(super) fn held_of(site: &Site, page: Here) -> String {
    let path = |parts: &[&str]| place::path(&[&["sites", key(site), page.code()], parts].concat());
    match page {
        Here::Prices => path(&["held"]),
        _ => format!("{}?show=held", path(&[])),
    }
}

/// How a site is named in addresses. A name of dots would be taken for the way up.
pub(crate) fn key(site: &Site) -> &str {
    match site.name.as_deref() {
        None | Some("." | "..") => &site.id,
        Some(name) => name,
    }
}

/// The language of a request: the chosen one, or the browser's.
pub(crate) fn language(parts: &Parts) -> Lang {
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let chosen = cookie::Cookie::split_parse(header(header::COOKIE))
        .flatten()
        .find(|cookie| cookie.name() == LANGUAGE)
        .and_then(|cookie| Lang::of_tag(cookie.value()));
    chosen.unwrap_or_else(|| Lang::accepted(header(header::ACCEPT_LANGUAGE)))
}

impl FromRequestParts<App> for Frame {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let lang = language(parts);
        let Reader(caller) = Reader::from_request_parts(parts, app)
            .await
            .map_err(Refusal::Problem)?;
        let store = app.store();
        let all = store.sites().await?;
        let params = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        let wanted = params
            .ok()
            .and_then(|Path(params)| params.get("site").cloned());
        let site = match &wanted {
            Some(wanted) => Some(
                all.iter()
                    .find(|site| key(site) == wanted || site.id == *wanted)
                    .cloned()
                    .ok_or(Refusal::NotFound)?,
            ),
            None => {
                // A page of no site stays with the one that its reader came from.
                let query = parts.uri.query().unwrap_or_default();
                let mut pairs = url::form_urlencoded::parse(query.as_bytes());
                let from = pairs.find(|(name, _)| name == FROM).map(|(_, site)| site);
                let from = from.and_then(|from| all.iter().find(|site| key(site) == from));
                match from {
                    Some(site) => Some(site.clone()),
                    None => store.default_site().await?.or_else(|| all.first().cloned()),
                }
            }
        };
        let held = match &site {
            Some(site) => store.hold_counts(&site.id).await?,
            None => HoldCounts::default(),
        };
        let t = lang.words();
        let sites = all
            .iter()
            .map(|site| SiteChoice {
                key: key(site).to_owned(),
                label: format!(
                    "{} · {}",
                    site.name.as_deref().unwrap_or(&t.frame.site_known_by),
                    host(site.url.as_str())
                ),
            })
            .collect();
        let query = parts.uri.query().unwrap_or_default();
        let mut frame = Self {
            t,
            lang,
            caller,
            sites,
            site,
            here: Here::Overview,
            path: without_said(parts.uri.path(), query),
            says: Vec::new(),
            held,
        };
        if let Some(flash) = Flash::of_query(query) {
            let (text, hint) = flash.words(t);
            frame.say(flash.kind(), text, hint.map(str::to_owned));
        }
        Ok(frame)
    }
}

/// The page's address without what it says of what was just done.
pub(super) fn without_said(path: &str, query: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    kept.extend_pairs(pairs.filter(|(name, _)| name != SAID));
    match kept.finish().as_str() {
        "" => path.to_owned(),
        kept => format!("{path}?{kept}"),
    }
}

/// The host of an address, which tells gateways apart at a glance.
pub(crate) fn host(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}
