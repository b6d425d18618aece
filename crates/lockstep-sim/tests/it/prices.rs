//! Providers as places where prices are published.

use std::net::SocketAddr;
use std::time::Duration;

use lockstep_sim::{
    Channel, Fault, Gateway, LITELLM_PATH, Limit, Matcher, OFFICIAL_PATH, Page, Price, Provider,
    ProviderHandle, Rule, Spec,
};
use serde_json::json;

use crate::client::{Seen, get, send};

const PRICING: &str = "/api/pricing";

async fn with(provider: Provider) -> (Gateway, ProviderHandle) {
    let name = provider.name.clone();
    let gateway = Gateway::start(Spec::new().provider(provider))
        .await
        .expect("it starts");
    let handle = gateway.provider(&name);
    (gateway, handle)
}

async fn ask(provider: &ProviderHandle, path: &str, headers: &[(&str, &str)]) -> Seen {
    let url = provider.base_url();
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (addr, base) = rest.split_at(rest.find('/').expect("a path"));
    let addr: SocketAddr = addr.parse().expect("an address");
    send(addr, "GET", &format!("{base}{path}"), headers, "")
        .await
        .expect("it listens")
}

fn prices() -> Vec<Price> {
    vec![
        Price::tokens("gpt-4o", 2.5, 10.0).cache_read(1.25),
        Price::per_call("dall-e-3", 0.04),
    ]
}

#[tokio::test]
async fn a_page_is_any_text_by_path_with_or_without_a_query() {
    let (_gateway, provider) = with(
        Provider::new("p", ["m"])
            .page("/a", "{not json")
            .page("/a?x=1", Page::new(418, "text/plain", vec![0xff, 0x00]))
            .page("/slow", Page::json("[]").delay(Duration::from_millis(120))),
    )
    .await;
    let plain = ask(&provider, "/a", &[]).await;
    assert_eq!((plain.status(), plain.body()), (200, &b"{not json"[..]));
    let other = ask(&provider, "/a?x=2", &[]).await;
    assert_eq!(other.body(), b"{not json");
    let exact = ask(&provider, "/a?x=1", &[]).await;
    assert_eq!((exact.status(), exact.body()), (418, &[0xff, 0x00][..]));
    assert_eq!(exact.header("Content-Type").as_deref(), Some("text/plain"));
    assert_eq!(ask(&provider, "/b", &[]).await.status(), 404);
    let begun = tokio::time::Instant::now();
    ask(&provider, "/slow", &[]).await;
    assert!(begun.elapsed() >= Duration::from_millis(120));
    assert!(provider.remove_page("/a"));
    assert_eq!(ask(&provider, "/a", &[]).await.status(), 404);
}

#[tokio::test]
async fn requests_are_counted_by_path_with_their_headers() {
    let (gateway, provider) = with(Provider::new("p", ["m"]).pricing_list(&prices())).await;
    ask(&provider, PRICING, &[("X-One", "1")]).await;
    ask(&provider, "/api/pricing?group=vip", &[("X-Two", "2")]).await;
    ask(&provider, "/nowhere", &[]).await;
    ask(&provider, "/v1/models", &[("Authorization", "Bearer k")]).await;
    assert_eq!(provider.requests(PRICING), 2);
    assert_eq!(provider.requests("/api/pricing?group=vip"), 1);
    assert_eq!(provider.requests("/api/ratio_config"), 0);
    let last = provider.last_request(PRICING).expect("asked");
    assert_eq!(
        (last.header("x-two"), last.header("x-one")),
        (Some("2"), None)
    );
    assert_eq!(last.status, Some(200));
    let log: Vec<(String, Option<u16>)> = provider
        .request_log()
        .into_iter()
        .map(|asked| (asked.path, asked.status))
        .collect();
    assert_eq!(log.len(), 4);
    assert_eq!(log[2], ("/nowhere".to_owned(), Some(404)));
    assert_eq!(gateway.providers_max_concurrent(), 1);
    provider.clear_requests();
    assert_eq!(provider.requests(PRICING), 0);
}

#[tokio::test]
async fn a_page_behind_a_sign_in_wants_the_token_and_the_user() {
    let page = Page::json("{}").token("secret").user("7");
    let (_gateway, provider) = with(
        Provider::new("p", ["m"])
            .page(PRICING, page.clone())
            .page("/forbidden", page.refusing_with(403)),
    )
    .await;
    let bearer = ("Authorization", "Bearer secret");
    for (headers, status) in [
        (&[][..], 401),
        (
            &[("Authorization", "Bearer other"), ("New-Api-User", "7")],
            401,
        ),
        (&[("Authorization", "secret"), ("New-Api-User", "7")], 401),
        (&[bearer], 401),
        (&[bearer, ("New-Api-User", "8")], 401),
        (&[bearer, ("New-Api-User", "7")], 200),
    ] {
        let seen = ask(&provider, PRICING, headers).await;
        assert_eq!(seen.status(), status, "{headers:?}");
        if status == 401 {
            assert_eq!(seen.json()["success"], false);
            assert_eq!(seen.json()["code"], "AUTH_UNAUTHORIZED");
        }
    }
    assert_eq!(ask(&provider, "/forbidden", &[]).await.status(), 403);
}

#[tokio::test]
async fn an_etag_saves_the_body_until_the_page_changes() {
    let (_gateway, provider) =
        with(Provider::new("p", ["m"]).page(PRICING, Page::json("{\"a\":1}").etag())).await;
    let first = ask(&provider, PRICING, &[]).await;
    let tag = first.header("ETag").expect("an ETag");
    let known = [("If-None-Match", tag.as_str())];
    let same = ask(&provider, PRICING, &known).await;
    assert_eq!((same.status(), same.body().len()), (304, 0));
    assert_eq!(same.header("ETag").as_deref(), Some(tag.as_str()));
    let weak = format!("\"x\", W/{tag}");
    let same = ask(&provider, PRICING, &[("If-None-Match", &weak)]).await;
    assert_eq!(same.status(), 304);
    provider.set_page(PRICING, Page::json("{\"a\":2}").etag());
    let changed = ask(&provider, PRICING, &known).await;
    assert_eq!((changed.status(), changed.body()), (200, &b"{\"a\":2}"[..]));
}

#[tokio::test]
async fn a_page_can_send_its_reader_elsewhere() {
    let (_gateway, provider) = with(Provider::new("p", ["m"]).page(
        PRICING,
        Page::redirect(302, "http://169.254.169.254/latest"),
    ))
    .await;
    let seen = ask(&provider, PRICING, &[]).await;
    assert_eq!(seen.status(), 302);
    assert_eq!(
        seen.header("Location").as_deref(),
        Some("http://169.254.169.254/latest")
    );
}

#[tokio::test]
async fn the_limiter_of_ratio_config_lets_twenty_pass() {
    let (_gateway, provider) = with(
        Provider::new("p", ["m"])
            .page("/api/ratio_config", Page::ratio_config_off().critical())
            .page(
                "/once",
                Page::json("{}").limit(Limit::new(1, Duration::from_millis(200))),
            ),
    )
    .await;
    for _ in 0..20 {
        assert_eq!(ask(&provider, "/api/ratio_config", &[]).await.status(), 403);
    }
    let refused = ask(&provider, "/api/ratio_config", &[]).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.header("Retry-After").as_deref(), Some("1200"));
    assert!(refused.body().is_empty());
    assert_eq!(ask(&provider, "/once", &[]).await.status(), 200);
    assert_eq!(ask(&provider, "/once", &[]).await.status(), 429);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(ask(&provider, "/once", &[]).await.status(), 200);
}

#[tokio::test]
async fn faults_spoil_pages_and_lists_alike() {
    let (_gateway, provider) = with(
        Provider::new("p", ["m"])
            .pricing_list(&prices())
            .fault(Rule::once(Matcher::get(PRICING), Fault::Status(502))),
    )
    .await;
    assert_eq!(ask(&provider, PRICING, &[]).await.status(), 502);
    assert_eq!(ask(&provider, PRICING, &[]).await.status(), 200);
    provider.fault(Rule::once(Matcher::any(), Fault::HalfJson));
    let half = ask(&provider, PRICING, &[]).await;
    assert!(half.status() == 200 && half.json().is_null());
    provider.fault(Rule::once(Matcher::any(), Fault::ResetAfterApply));
    assert!(ask(&provider, "/v1/models", &[]).await.was_reset());
    assert_eq!(
        provider.last_request("/v1/models").expect("asked").status,
        None
    );
    provider.fault(Rule::always(Matcher::any(), Fault::GzipBomb(1 << 20)));
    let bomb = ask(&provider, PRICING, &[]).await;
    assert_eq!(bomb.header("Content-Encoding").as_deref(), Some("gzip"));
    provider.clear_faults();
    assert_eq!(ask(&provider, PRICING, &[]).await.json()["success"], true);
}

#[tokio::test]
async fn each_kind_of_list_is_where_its_site_has_it() {
    let sellers = [("openai", prices())];
    let (_gateway, provider) = with(
        Provider::new("p", Vec::<String>::new())
            .pricing_list(&prices())
            .ratio_config(&prices())
            .openrouter_prices(&[Price::tokens("openai/gpt-4o", 2.5, 10.0)])
            .models_dev(&sellers)
            .litellm(&sellers)
            .official(&prices()),
    )
    .await;
    let at = async |path: &str| ask(&provider, path, &[]).await.json();
    assert_eq!(at(PRICING).await["data"][0]["model_ratio"], 1.25);
    assert_eq!(
        at("/api/ratio_config").await["data"]["model_price"],
        json!({"dall-e-3":0.04})
    );
    let list = at("/v1/models").await;
    assert_eq!(list["data"][0]["id"], "openai/gpt-4o");
    assert_eq!(list["data"][0]["pricing"]["prompt"], "0.0000025");
    assert_eq!(
        at("/api.json").await["openai"]["models"]["gpt-4o"]["cost"]["input"],
        2.5
    );
    assert_eq!(at(LITELLM_PATH).await["gpt-4o"]["mode"], "chat");
    assert_eq!(
        at(OFFICIAL_PATH).await["data"]["cache_ratio"],
        json!({"gpt-4o":0.5})
    );
    provider.set_prices(&[Price::tokens("openai/gpt-4o", 5.0, 10.0)]);
    assert_eq!(
        at("/v1/models").await["data"][0]["pricing"]["prompt"],
        "0.000005"
    );
}

#[tokio::test]
async fn a_provider_apart_has_a_host_of_its_own_and_serves_its_channel() {
    let gateway = Gateway::start(
        Spec::new()
            .provider(Provider::new("a", ["m-1"]).apart())
            .provider(Provider::new("b", ["m-2"]).apart())
            .provider(Provider::new("c", ["m-3"]))
            .channel(Channel::new(1, "one").at("a"))
            .channel(Channel::new(2, "two").at("b")),
    )
    .await
    .expect("it starts");
    let host = |name: &str| {
        let url = gateway.provider(name).base_url().to_owned();
        url.split('/').nth(2).expect("a host").to_owned()
    };
    assert!(host("a") != host("b") && host("b") != host("c"));
    for (id, model) in [(1, "m-1"), (2, "m-2")] {
        let list = get(&gateway, &format!("/api/channel/fetch_models/{id}")).await;
        assert_eq!(list["data"], json!([model]));
    }
    assert!(gateway.provider("a").base_url().starts_with("http://127."));
}
