//! The demo's price world.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use lockstep_sim::{EffectivePrice, Gateway, PRICE_KEYS, Refusal, demo};
use serde_json::{Value, json};

use crate::client::{Seen, get, send};

async fn start() -> Gateway {
    Gateway::start(demo::spec(demo::CHANNELS))
        .await
        .expect("it starts")
}

async fn fetch(url: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (addr, base) = rest.split_at(rest.find('/').expect("a path"));
    let addr: SocketAddr = addr.parse().expect("an address");
    send(addr, "GET", &format!("{base}{path}"), headers, "")
        .await
        .expect("it listens")
}

fn served(gateway: &Gateway) -> BTreeSet<String> {
    gateway
        .channels()
        .iter()
        .filter(|channel| channel.status == 1)
        .flat_map(|channel| channel.models.split(',').map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_gateway_bills_in_every_way_and_refuses_some() {
    let gateway = start().await;
    for key in PRICE_KEYS {
        let text = gateway.option(key).expect("set");
        assert!(
            serde_json::from_str::<Value>(&text)
                .expect("JSON")
                .is_object()
        );
    }
    let billing = gateway.billing();
    let served = served(&gateway);
    let prices = billing.prices(served.iter().map(String::as_str));
    let count = |fits: &dyn Fn(&EffectivePrice) -> bool| {
        prices.values().filter(|price| fits(price)).count()
    };
    let refused = count(&|price| *price == EffectivePrice::Refused(Refusal::Unpriced));
    assert!((3..=10).contains(&refused), "{prices:?}");
    assert!(count(&|price| matches!(price, EffectivePrice::Expression(_))) == 1);
    assert!(count(&|price| matches!(price, EffectivePrice::PerCall(_))) >= 3);
    assert!(count(&|price| matches!(price, EffectivePrice::PerToken(_))) > 30);
    assert_eq!(
        count(&|price| *price == EffectivePrice::Refused(Refusal::NoExpression)),
        0
    );
    let all = gateway.live_prices("ModelRatio");
    assert!(all.values().any(|ratio| *ratio == 37.5), "{all:?}");
    assert!(all.keys().any(|model| !served.contains(model)));
}

#[tokio::test]
async fn every_stand_in_answers_at_its_endpoint() {
    let gateway = start().await;
    let sources = demo::sources(&gateway);
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["official", "models.dev", "litellm", "silicon"]);
    for source in &sources {
        let bearer = format!("Bearer {}", source.token.as_deref().unwrap_or_default());
        let mut headers = Vec::new();
        if source.token.is_some() {
            assert_eq!(
                fetch(&source.url, &source.endpoint, &[]).await.status(),
                401
            );
            headers.push(("Authorization", bearer.as_str()));
        }
        if let Some(user) = &source.user_id {
            headers.push(("New-Api-User", user.as_str()));
        }
        let seen = fetch(&source.url, &source.endpoint, &headers).await;
        assert_eq!(seen.status(), 200, "{}", source.name);
        assert!(seen.json().is_object(), "{}", source.name);
    }
}

#[tokio::test]
async fn relays_agree_disagree_lie_and_fail() {
    let gateway = start().await;
    let channels = get(&gateway, "/api/ratio_sync/channels").await;
    let ask =
        async |name: &str, path: &str| fetch(gateway.provider(name).base_url(), path, &[]).await;
    let ratio = |list: &Value, model: &str| {
        let items = list["data"].as_array().expect("items");
        let item = items.iter().find(|item| item["model_name"] == model);
        item.expect("listed")["model_ratio"]
            .as_f64()
            .expect("a number")
    };
    let billed = gateway.live_prices("ModelRatio");

    let agreeing = ask("relay-beijing", "/api/ratio_config").await.json();
    assert_eq!(
        agreeing["data"]["model_ratio"]["gpt-5"].as_f64(),
        Some(billed["gpt-5"])
    );
    let dear = ask("zhipu-relay", "/api/pricing").await.json();
    assert!(ratio(&dear, "glm-4.5") > billed["glm-4.5"]);
    assert_eq!(ratio(&dear, "gpt-4"), 37.5);
    let absurd = ask("cheap-relay", "/api/pricing").await.json();
    assert_eq!(ratio(&absurd, "gpt-5"), billed["gpt-5"] * 1000.0);
    let grouped = ask("market", "/api/pricing").await.json();
    assert_eq!(grouped["group_ratio"], json!({"default":0.5,"vip":2}));
    assert_eq!(ask("silicon", "/api/pricing").await.status(), 401);
    assert_eq!(
        ask("xai", "/api/pricing")
            .await
            .header("Content-Type")
            .as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(ask("perplexity", "/api/pricing").await.status(), 403);
    assert_eq!(ask("mistral", "/api/pricing").await.status(), 500);
    assert_eq!(ask("openai", "/api/pricing").await.status(), 404);
    let open = ask("openrouter", "/v1/models").await.json();
    assert_eq!(open["data"][2]["pricing"]["prompt"], "0.00000125");
    let gone = channels["data"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| {
            row["base_url"]
                .as_str()
                .is_some_and(|url| url.ends_with("/p/gone"))
        })
        .expect("there");
    assert_eq!(gone["base_url"], "http://127.0.0.1:1/p/gone");
}

#[tokio::test]
async fn weeks_change_prices_at_the_sources_and_nothing_on_the_gateway() {
    let gateway = start().await;
    let texts = gateway.options();
    let official = &demo::sources(&gateway)[0];
    let read = async || fetch(&official.url, &official.endpoint, &[]).await;
    let mut before = read().await;
    assert_eq!(before.json()["data"]["model_ratio"]["gpt-5-mini"], 0.125);
    for week in 1..=6 {
        let lists = models(&gateway);
        assert_eq!(demo::next_week(&gateway), week);
        let tag = before.header("ETag").expect("an ETag");
        let after = fetch(
            &official.url,
            &official.endpoint,
            &[("If-None-Match", &tag)],
        )
        .await;
        assert_eq!(after.status(), 200, "week {week}");
        assert_ne!(before.json(), after.json());
        assert_ne!(lists, models(&gateway), "week {week}");
        before = after;
    }
    assert_eq!(before.json()["data"]["model_ratio"]["gpt-5-mini"], 0.1);
    assert_eq!(gateway.options(), texts);
    let market = fetch(gateway.provider("market").base_url(), "/api/pricing", &[]).await;
    assert_eq!(market.json()["group_ratio"]["default"], 0.6);
    assert_eq!(
        fetch(gateway.provider("xai").base_url(), "/api/pricing", &[])
            .await
            .json()["success"],
        true
    );
}

fn models(gateway: &Gateway) -> Vec<Vec<String>> {
    gateway
        .provider_names()
        .iter()
        .map(|name| gateway.provider(name).models())
        .collect()
}

#[tokio::test]
async fn a_small_demo_and_a_big_one_have_prices_too() {
    for channels in [1, 60] {
        let gateway = Gateway::start(demo::spec(channels))
            .await
            .expect("it starts");
        let sources = demo::sources(&gateway);
        assert_eq!(sources.len(), if channels == 1 { 3 } else { 4 });
        demo::next_week(&gateway);
        if channels == 60 {
            let relay = gateway.provider("relay-40");
            let list = fetch(relay.base_url(), "/api/pricing", &[]).await;
            assert_eq!(list.json()["success"], true);
        }
    }
}
