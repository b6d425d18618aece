//! Where a site's prices come from: what is remembered, how it stands, and what can be added.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lockstep_core::prices::source::SourceState;
use lockstep_store::known::{KnownFilter, KnownPage};
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;

use super::below;
use super::page::SourceView;
use crate::server::App;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::{Refusal, html};
use crate::words::Said;

/// The presets: what they are written as, and what they are called. These are names, the same in every language.
const PRESETS: [(&str, &str); 3] = [
    ("official", "Official Ratio Preset"),
    ("models.dev", "models.dev"),
    ("litellm", "LiteLLM"),
];

/// The most channels that are offered to choose from: nobody looks through more, and each is in the page.
const CHOICE: u32 = 200;

#[derive(Template)]
#[template(path = "price_sources.html")]
struct SourcesPage {
    f: Frame,
    base: String,
    prices: String,
    items: Vec<Item>,
    presets: Vec<(&'static str, &'static str)>,
    /// The channels to choose from, where they are not too many.
    channels: Vec<(i64, String)>,
    /// Whether they are: then one is named by its id.
    many: bool,
    form: Form,
}

/// A source that is remembered.
struct Item {
    name: String,
    spec: String,
    /// How it stands; `None` where it was not looked at yet.
    view: Option<SourceView>,
    network: Option<String>,
    first: bool,
    last: bool,
}

/// What was typed to add a source, with what is wrong with it.
#[derive(Default)]
pub(super) struct Form {
    typed: BTreeMap<&'static str, String>,
    pub(super) wrong: BTreeMap<&'static str, String>,
    /// Why its test failed.
    pub(super) failed: Option<Said>,
    /// The network of a private address.
    pub(super) network: Option<String>,
}

/// The fields of an address of one's own.
pub(super) const FIELDS: [&str; 8] = [
    "place",
    "channel",
    "url",
    "name",
    "endpoint",
    "multiplier",
    "recharge",
    "group",
];

impl Form {
    pub(super) fn typed(fields: &Fields) -> Self {
        let typed = FIELDS.map(|name| (name, fields.trimmed(name).to_owned()));
        Self {
            typed: BTreeMap::from(typed),
            ..Self::default()
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    fn wrong(&self, name: &str) -> Option<&str> {
        self.wrong.get(name).map(String::as_str)
    }

    /// Whether the further fields are to be seen.
    fn is_open(&self) -> bool {
        ["name", "multiplier", "recharge", "group"]
            .iter()
            .any(|name| !self.text(name).is_empty() || self.wrong.contains_key(name))
    }

    /// Whether it can be kept although its test failed.
    fn can_be_kept(&self) -> bool {
        self.failed.is_some()
    }
}

/// `GET /sites/{site}/prices/sources`
pub(super) async fn show(State(app): State<App>, f: Frame) -> Result<Response, Refusal> {
    page(&app, f, Form::default(), None).await
}

/// The page, with what was typed and what a test of the remembered sources told.
pub(super) async fn page(
    app: &App,
    f: Frame,
    form: Form,
    tested: Option<Vec<(String, RunSource)>>,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Prices);
    f.path = below(&f, &["sources"]);
    let site = f.site()?.clone();
    let stored = app.store().sources(&site.id).await?;
    let known = app.tables().known(app, &site).await?.table;
    let known = known
        .as_deref()
        .map_or(&[][..], |table| table.told.as_slice());
    let now = app.now();
    let tested = tested.unwrap_or_default();
    let told = |place: usize, source: &StoredSource| -> Option<RunSource> {
        let found = tested.iter().find(|(name, _)| *name == source.name);
        let found = found.map(|(_, told)| told);
        // What is known is told of all that were remembered then, in their order.
        let known = || known.get(place).filter(|_| known.len() == stored.len());
        found.or_else(known).cloned()
    };
    let items = stored.iter().enumerate().map(|(place, source)| {
        let told = told(place, source);
        Item {
            network: told.as_ref().and_then(network),
            view: told.map(|told| SourceView::of(&told, &f, now)),
            name: source.name.clone(),
            spec: source.spec.clone(),
            first: place == 0,
            last: place + 1 == stored.len(),
        }
    });
    let there = |spec: &str| {
        let mut specs = stored.iter().map(|source| source.spec.split(','));
        specs.any(|mut parts| parts.next() == Some(spec))
    };
    let presets = PRESETS.into_iter().filter(|(spec, _)| !there(spec));
    let (all, page) = (KnownFilter::default(), KnownPage::first(CHOICE));
    let many = app.store().count_known(&site.id, &all).await? > u64::from(CHOICE);
    let channels = match many {
        true => Vec::new(),
        false => app.store().known_channels(&site.id, &all, page).await?,
    };
    let channels = channels.into_iter();
    let channels = channels.filter(|head| !there(&format!("channel:{}", head.channel_id)));
    let channels = channels.map(|head| (head.channel_id, head.channel_name));
    Ok(html(&SourcesPage {
        base: below(&f, &["sources"]),
        prices: f.href(Here::Prices),
        items: items.collect(),
        presets: presets.collect(),
        channels: channels.collect(),
        many,
        form,
        f,
    }))
}

/// The network of an address that was refused, as narrow as it can be.
pub(super) fn network(told: &RunSource) -> Option<String> {
    let private = SourceState::from_code(&told.state) == Some(SourceState::PrivateAddress);
    let words = told.detail.split([' ', ',', ';', '(', ')']);
    let mut addresses = words.filter_map(|word| {
        let word = word.trim_end_matches(['.', ':']).trim_matches(['[', ']']);
        word.parse::<std::net::IpAddr>().ok()
    });
    let address = addresses.next().filter(|_| private)?;
    Some(match address {
        std::net::IpAddr::V4(address) => format!("{address}/32"),
        std::net::IpAddr::V6(address) => format!("{address}/128"),
    })
}
