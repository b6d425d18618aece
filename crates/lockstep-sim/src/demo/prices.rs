//! The demo's prices: what the gateway charges, and who publishes what.

use crate::demo::market::{self, Made};
use crate::gateway::Gateway;
use crate::price::{self, Price};
use crate::provider::{LITELLM_PATH, OFFICIAL_PATH, Page, Provider};
use crate::spec::Spec;

/// Names of the stand-ins for lists that are published for everybody.
const STAND_INS: [(&str, &str, &str); 3] = [
    ("official", "official", OFFICIAL_PATH),
    ("models.dev", "models-dev", "/api.json"),
    ("litellm", "litellm", LITELLM_PATH),
];

/// What the relay asks for that shows its prices to its customers only.
const CUSTOMER: (&str, &str) = ("simCustomerToken0123456789abcdef", "42");

/// A price list that can be reached on this machine while the demo runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSource {
    /// What to call it. The first three stand in for the lists of these names.
    pub name: String,
    /// The address, without a slash at the end.
    pub url: String,
    /// The endpoint below it.
    pub endpoint: String,
    /// The access token it asks for, if it does.
    pub token: Option<String>,
    /// The user id it asks for, if it does.
    pub user_id: Option<String>,
}

/// The stand-ins for the published lists, and the relay that wants a sign-in.
pub type DemoSources = Vec<DemoSource>;

/// Where the lists are that stand in for those published for everybody, and the one that wants a sign-in.
/// The last is left out of a demo that is too small to have it.
pub fn sources(gateway: &Gateway) -> DemoSources {
    let running = gateway.provider_names();
    let mut sources: DemoSources = STAND_INS
        .into_iter()
        .filter(|(_, provider, _)| running.iter().any(|name| name == provider))
        .map(|(name, provider, endpoint)| DemoSource {
            name: name.to_owned(),
            url: gateway.provider(provider).base_url().to_owned(),
            endpoint: endpoint.to_owned(),
            token: None,
            user_id: None,
        })
        .collect();
    if running.iter().any(|name| name == "silicon") {
        sources.push(DemoSource {
            name: "silicon".to_owned(),
            url: gateway.provider("silicon").base_url().to_owned(),
            endpoint: "/api/pricing".to_owned(),
            token: Some(CUSTOMER.0.to_owned()),
            user_id: Some(CUSTOMER.1.to_owned()),
        });
    }
    sources
}

/// Puts prices on the gateway and on everybody around it, and adds the stand-ins.
pub(super) fn priced(mut spec: Spec) -> Spec {
    spec = spec.prices(&charged());
    for (_, provider, _) in STAND_INS {
        spec = spec.provider(Provider::new(provider, Vec::<String>::new()).apart());
    }
    for provider in &mut spec.providers {
        for (path, page) in pages(&provider.name, &provider.models, 0) {
            provider.pages.insert(path.to_owned(), page);
        }
        if provider.name == "openrouter" {
            provider.prices = openrouter(0);
        }
    }
    spec
}

/// Shows everywhere what the prices are after this many weeks.
pub(super) fn publish(gateway: &Gateway, week: usize) {
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        for (path, page) in pages(&name, &provider.models(), week) {
            provider.set_page(path, page);
        }
        if name == "openrouter" {
            provider.set_prices(&openrouter(week));
        }
    }
}

/// What the gateway charges at the start: mostly what the makers do, with the marks that years leave.
fn charged() -> Vec<Price> {
    // Served and never priced, or not served at all yet.
    const LEFT_OUT: [&str; 8] = [
        "codestral-latest",
        "MiniMaxAI/MiniMax-M1",
        "gemini-2.5-flash-lite",
        "qwen3-coder-plus",
        "gpt-5.1",
        "gemini-3-pro-preview",
        "glm-4.6",
        "claude-opus-4-5",
    ];
    let mut prices = market::prices(0);
    prices.retain(|price| !LEFT_OUT.contains(&price.model.as_str()));
    for price in &mut prices {
        let model = price.model.clone();
        *price = match model.as_str() {
            // Older prices that nobody brought up to date.
            "gpt-4o" => Price::tokens(&model, 5.0, 15.0).cache_read(2.5),
            "claude-haiku-4-5-20251001" => Price::tokens(&model, 0.8, 4.0),
            "qwen-plus" => Price::tokens(&model, 0.8, 2.0),
            "deepseek-reasoner" => Price::tokens(&model, 0.55, 2.19).cache_read(0.14),
            // The placeholder, saved as if it were a price.
            "glm-4.5-air" => Price::unset(&model),
            "gemini-2.5-pro" => Price::expression(
                &model,
                "len <= 200000 ? tier(\"0_200k\", p * 1.25 + c * 10 + cr * 0.125) : \
                 tier(\"200k_plus\", p * 2.5 + c * 15 + cr * 0.25)",
            ),
            _ => continue,
        };
    }
    prices.extend([
        Price::tokens("llama3.3:70b", 0.2, 0.2),
        Price::tokens("gemma3:27b", 0.1, 0.1),
        Price::tokens("anthropic/claude-sonnet-4.5", 3.0, 15.0),
        Price::tokens("openai/gpt-5", 1.25, 10.0),
        Price::tokens("x-ai/grok-4", 3.0, 15.0),
        Price::tokens("gpt-4-gizmo-*", 30.0, 60.0),
        Price::per_call("suno_lyrics", 0.01),
    ]);
    prices
}

/// The pages of one provider, by the part it plays.
fn pages(provider: &str, models: &[String], week: usize) -> Vec<(&'static str, Page)> {
    const PRICING: &str = "/api/pricing";
    const RATIOS: &str = "/api/ratio_config";
    const ONE_GROUP: [(&str, f64); 1] = [("default", 1.0)];
    let list = |prices: &[Price]| Page::json(price::pricing_list(prices, &ONE_GROUP));
    let own = || offered(models, week);
    let off = || (RATIOS, Page::ratio_config_off());
    match provider {
        "official" => vec![(
            OFFICIAL_PATH,
            Page::json(price::official(&market::prices(week))).etag(),
        )],
        "models-dev" => vec![(
            "/api.json",
            Page::json(price::models_dev(&sellers(week))).etag(),
        )],
        "litellm" => vec![(
            LITELLM_PATH,
            Page::json(price::litellm(&by_maker(week))).etag(),
        )],
        // Agrees but for two models. For the second the gateway has a ratio of its own, whatever anybody writes.
        "relay-beijing" => {
            let mut prices = own();
            for price in &mut prices {
                match price.model.as_str() {
                    "gpt-4o-mini" => price.input = Some(0.14),
                    "gpt-5-nano" => price.output = Some(0.3),
                    _ => {}
                }
            }
            vec![
                (
                    RATIOS,
                    Page::json(price::ratio_config(&prices)).etag().critical(),
                ),
                (PRICING, list(&prices)),
            ]
        }
        // Disagrees, and shows the placeholder for what it has not priced.
        "zhipu-relay" => {
            let mut prices: Vec<Price> = own().into_iter().map(|price| price.times(1.2)).collect();
            prices.push(Price::unset("gpt-4"));
            vec![off(), (PRICING, list(&prices))]
        }
        // Publishes USD per million tokens as if they were per thousand.
        "cheap-relay" => {
            let prices: Vec<Price> = market::prices(week)
                .into_iter()
                .filter(|price| price.model.starts_with("gpt-"))
                .map(|price| price.times(1000.0))
                .collect();
            vec![off(), (PRICING, list(&prices))]
        }
        // Charges half to some and twice to others, and changes that too.
        "market" => {
            let half = if week == 0 { 0.5 } else { 0.6 };
            let groups = [("default", half), ("vip", 2.0)];
            vec![
                off(),
                (PRICING, Page::json(price::pricing_list(&own(), &groups))),
            ]
        }
        "silicon" => vec![
            off(),
            (PRICING, list(&own()).token(CUSTOMER.0).user(CUSTOMER.1)),
        ],
        // Its address is a web page's, until it moves.
        "xai" if week < 3 => vec![(RATIOS, Page::html()), (PRICING, Page::html())],
        "xai" => vec![off(), (PRICING, list(&own()))],
        "perplexity" => vec![(RATIOS, Page::firewall()), (PRICING, Page::firewall())],
        "mistral" => {
            let broken = || Page::json("{\"success\":false,\"message\":\"database is locked\"}");
            vec![
                (RATIOS, broken().status(500)),
                (PRICING, broken().status(500)),
            ]
        }
        relay if relay.starts_with("relay-") => vec![off(), (PRICING, list(&own()))],
        _ => Vec::new(),
    }
}

/// The makers' prices of what a provider offers.
fn offered(models: &[String], week: usize) -> Vec<Price> {
    let mut prices = market::prices(week);
    prices.retain(|price| models.contains(&price.model));
    prices
}

fn openrouter(week: usize) -> Vec<Price> {
    const NAMES: [(&str, &str); 4] = [
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5"),
        ("gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gpt-5", "openai/gpt-5"),
        ("grok-4", "x-ai/grok-4"),
    ];
    let mut prices = market::prices(week);
    prices.retain_mut(|price| {
        let name = NAMES.iter().find(|(model, _)| *model == price.model);
        if let Some((_, name)) = name {
            (*name).clone_into(&mut price.model);
        }
        name.is_some()
    });
    prices
}

/// The makers with what they charge by tokens.
fn by_maker(week: usize) -> Vec<(&'static str, Vec<Price>)> {
    let mut makers: Vec<(&'static str, Vec<Price>)> = Vec::new();
    for Made { maker, price } in market::makers(week) {
        match makers.iter_mut().find(|(known, _)| *known == maker) {
            Some((_, prices)) => prices.push(price),
            None => makers.push((maker, vec![price])),
        }
    }
    makers
}

/// The makers and two who sell on: one cheaper, one dearer, both with something for nothing.
fn sellers(week: usize) -> Vec<(&'static str, Vec<Price>)> {
    let mut sellers = by_maker(week);
    for (seller, factor) in [("bargain", 0.6), ("premium", 1.15)] {
        let prices = market::makers(week)
            .into_iter()
            .filter(|made| ["openai", "google", "deepseek"].contains(&made.maker))
            .map(|made| made.price.times(factor))
            .chain([Price::tokens("glm-4.5-flash", 0.0, 0.0)])
            .collect();
        sellers.push((seller, prices));
    }
    sellers
}
