//! Where a site's prices come from: what is remembered, how it stands, and what can be added.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lockstep_core::channel::Provider;
use lockstep_core::prices::source::{Endpoint, Place, SourceSpec, SourceState, Target};
use lockstep_store::known::{KnownFilter, KnownPage};
use lockstep_store::listing::ChannelHead;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;

use super::below;
use super::page::SourceView;
use super::sources_form::{Form, Forms, USUAL};
use crate::server::App;
use crate::sourcing::{refused_token, today};
use crate::web::frame::{Frame, Here};
use crate::web::refusal::{Refusal, html};
use crate::web::when::Moment;
use crate::web::words::{SourceWords, Words, fill};

/// The presets: what they are written as, and what they are called. Only New API's own has no name of its own.
fn presets(t: &'static SourceWords) -> [(&'static str, &'static str); 3] {
    [
        ("official", &t.official_preset),
        ("models.dev", "models.dev"),
        ("litellm", "LiteLLM"),
    ]
}

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
    forms: Forms,
    /// Whether they are: then one is named by its id.
    many: bool,
}

/// A source that is remembered.
struct Item {
    name: String,
    /// What it is called where prices are shown.
    label: String,
    /// Whether it is one of the gateway's own presets.
    official: bool,
    /// Where it is asked and what its prices cost, each with its word.
    facts: Vec<(String, String)>,
    /// What else is written of it, as it is on the command line: no page sets that.
    further: String,
    /// How it is asked and what its prices cost, to be changed; `None` of an uploaded list, which has that beside its file.
    edit: Option<Form>,
    /// How it stands; `None` where it was not looked at yet.
    view: Option<SourceView>,
    network: Option<String>,
    first: bool,
    last: bool,
    /// Its sign-in; `None` where it is sent none that is stored.
    access: Option<Access>,
    /// Whether its list is a file of the server's machine, which has no endpoint.
    of_file: bool,
    /// Its uploaded list, with how many models it has.
    uploaded: Option<(u64, Moment)>,
    /// What its prices cost us.
    costs: Costs,
}

/// What the prices of a source cost us, as it is typed.
#[derive(Default)]
struct Costs {
    multiplier: String,
    recharge: String,
    group: String,
}

impl Costs {
    fn of(spec: &str) -> Self {
        let Ok(spec) = spec.parse::<SourceSpec>() else {
            return Self::default();
        };
        let number = |number: Option<f64>| number.map(|number| number.to_string());
        Self {
            multiplier: number(spec.multiplier).unwrap_or_default(),
            recharge: number(spec.recharge).unwrap_or_default(),
            group: spec.group.unwrap_or_default(),
        }
    }
}

/// What lets us into a source, as far as it is shown.
struct Access {
    has_token: bool,
    form: Form,
}

impl SourcesPage {
    /// When a list was uploaded.
    fn uploaded(&self, at: &Moment) -> String {
        fill(&self.f.t.sources.uploaded, &[("when", &at.far)])
    }

    /// What a field of one of the sources is known by in the page.
    fn at(&self, field: &str, place: &usize) -> String {
        format!("{field}-{place}")
    }

    /// Whether a channel was chosen in the form that came to nothing.
    fn is_channel(&self, id: &i64) -> bool {
        self.forms.channel.text("channel") == id.to_string()
    }

    /// What the form of a source's sign-in is called.
    fn sign_in_of(&self, item: &Item) -> String {
        fill(&self.f.t.sources.sign_in_of, &[("name", &item.name)])
    }
}

/// `GET /sites/{site}/prices/sources`
pub(super) async fn show(State(app): State<App>, f: Frame) -> Result<Response, Refusal> {
    page(&app, f, Forms::default(), None).await
}

/// The page, with what was typed and what a test of the remembered sources told.
pub(super) async fn page(
    app: &App,
    f: Frame,
    mut forms: Forms,
    tested: Option<Vec<(String, RunSource)>>,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Prices);
    f.path = below(&f, &["sources"]);
    let site = f.site()?.clone();
    let stored = app.store().sources(&site.id).await?;
    let known = app.tables().known(app, &site).await?;
    let now = app.now();
    let tested = tested.unwrap_or_default();
    let told = |source: &StoredSource| -> Option<RunSource> {
        let found = tested.iter().find(|(name, _)| *name == source.name);
        let found = found.map(|(_, told)| told);
        found.or_else(|| known.told(source)).cloned()
    };
    let (all, page) = (KnownFilter::default(), KnownPage::first(CHOICE));
    let many = app.store().count_known(&site.id, &all).await? > u64::from(CHOICE);
    let heads = match many {
        true => Vec::new(),
        false => app.store().known_channels(&site.id, &all, page).await?,
    };
    let mut items = Vec::new();
    for (place, source) in stored.iter().enumerate() {
        let spec = source.spec.parse::<SourceSpec>().ok();
        let told = told(source);
        let view = told.as_ref().map(|told| {
            let mut view = SourceView::of(told, &f, now);
            if refused_token(told, source.has_token) {
                view.trouble = Some(f.lang.token_refused(told));
            }
            view
        });
        items.push(Item {
            network: told.as_ref().and_then(network),
            view,
            name: source.name.clone(),
            costs: Costs::of(&source.spec),
            label: told.map_or_else(|| source.name.clone(), |told| told.name),
            official: spec
                .as_ref()
                .is_some_and(|spec| matches!(spec.place, Place::Official | Place::ModelsDev)),
            of_file: spec
                .as_ref()
                .is_some_and(|spec| matches!(spec.place, Place::File(_))),
            facts: spec
                .as_ref()
                .map(|spec| facts(f.t, spec, &heads))
                .unwrap_or_default(),
            further: match &spec {
                Some(spec) => further(spec),
                None => source.spec.clone(),
            },
            edit: spec
                .as_ref()
                .filter(|_| source.uploaded.is_none())
                .map(|spec| forms.take_edit(source, spec)),
            first: place == 0,
            last: place + 1 == stored.len(),
            access: is_sent_a_token(source).then(|| Access {
                has_token: source.has_token,
                form: forms.take_access(source),
            }),
            uploaded: source
                .uploaded
                .map(|list| (list.models, Moment::new(list.at, now, f.lang))),
        });
    }
    let there = |spec: &str| {
        let mut specs = stored.iter().map(|source| source.spec.split(','));
        specs.any(|mut parts| parts.next() == Some(spec))
    };
    let presets = presets(&f.t.sources)
        .into_iter()
        .filter(|(spec, _)| !there(spec));
    let channels = heads.into_iter();
    let channels = channels.filter(|head| !there(&format!("channel:{}", head.channel_id)));
    let channels = channels.map(|head| (head.channel_id, head.channel_name));
    Ok(html(&SourcesPage {
        base: below(&f, &["sources"]),
        prices: f.href(Here::Prices),
        items,
        presets: presets.collect(),
        channels: channels.collect(),
        forms,
        many,
        f,
    }))
}

/// Where a source is asked and what its prices cost, each with its word.
fn facts(t: &'static Words, spec: &SourceSpec, heads: &[ChannelHead]) -> Vec<(String, String)> {
    let words = &t.sources;
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: String| facts.push((label.to_owned(), text));
    match &spec.place {
        Place::Channel(id) => fact(&t.channels.col_channel, id.to_string()),
        Place::File(path) => fact(&words.file, path.clone()),
        _ => {}
    }
    let target = spec.target(|id| {
        let head = heads.iter().find(|head| head.channel_id == id)?;
        let Provider { kind, base_url } = &head.provider;
        Target::of_channel(id, &head.channel_name, base_url, *kind)
    });
    match target.filter(|target| !target.base_url.is_empty()) {
        Some(target) => {
            let endpoint = target.endpoint.text().unwrap_or(USUAL);
            fact(&words.col_url, target.base_url.clone());
            fact(&words.col_endpoint, endpoint.to_owned());
        }
        // A channel that no run has read yet.
        None => {
            let endpoint = spec.endpoint.as_ref().and_then(Endpoint::text);
            if let Some(endpoint) = endpoint {
                fact(&words.col_endpoint, endpoint.to_owned());
            }
        }
    }
    let costs = [
        (
            &words.multiplier,
            spec.multiplier.map(|factor| factor.to_string()),
        ),
        (
            &words.recharge,
            spec.recharge.map(|factor| factor.to_string()),
        ),
        (&words.group, spec.group.clone()),
    ];
    for (label, text) in costs {
        if let Some(text) = text {
            fact(label, text);
        }
    }
    facts
}

/// What only the command line writes of a source, as it is written there.
fn further(spec: &SourceSpec) -> String {
    let rest = SourceSpec {
        name: None,
        endpoint: None,
        multiplier: None,
        recharge: None,
        group: None,
        ..spec.clone()
    };
    let place = SourceSpec::new(spec.place.clone()).to_string();
    let rest = rest.to_string();
    let rest = rest.strip_prefix(&place).unwrap_or_default();
    rest.trim_start_matches(',').to_owned()
}

/// Whether a stored token goes to it: to an address of one's own whose token is not in the environment.
fn is_sent_a_token(source: &StoredSource) -> bool {
    let spec = source.spec.parse::<SourceSpec>();
    spec.is_ok_and(|spec| matches!(spec.place, Place::Address(_)) && spec.token_env.is_none())
}

/// The network of an address that was refused, as narrow as it can be.
pub(super) fn network(told: &RunSource) -> Option<String> {
    let private = today(told) == Some(SourceState::PrivateAddress);
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
