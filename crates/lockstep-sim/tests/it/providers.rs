//! How the gateway asks its providers, and how they behave.

use std::time::Duration;

use lockstep_sim::{Channel, Gateway, Manner, Protocol, Provider, Spec};
use serde_json::{Value, json};

use crate::client::get;

async fn fetch(gateway: &Gateway, id: i64) -> Value {
    get(gateway, &format!("/api/channel/fetch_models/{id}")).await
}

async fn with(provider: Provider, kind: i64) -> Gateway {
    let channel = Channel::new(1, "one").kind(kind).at(&provider.name);
    Gateway::start(Spec::new().provider(provider).channel(channel))
        .await
        .expect("it starts")
}

#[tokio::test]
async fn every_protocol_is_spoken_with_the_channels_key() {
    for (kind, protocol) in [
        (1, Protocol::OpenAi),
        (4, Protocol::Ollama),
        (14, Protocol::Anthropic),
        (17, Protocol::Ali),
        (20, Protocol::OpenRouter),
        (24, Protocol::Gemini),
        (26, Protocol::Zhipu),
    ] {
        let gateway = with(Provider::new("p", ["m-1", "m-2"]).protocol(protocol), kind).await;
        gateway.edit_channel(1, |channel| channel.key = "sk-secret\nsk-second".to_owned());
        let answer = fetch(&gateway, 1).await;
        assert_eq!(answer["data"], json!(["m-1", "m-2"]), "{protocol:?}");
        let provider = gateway.provider("p");
        assert_eq!(
            provider.last_key().as_deref(),
            Some("sk-secret"),
            "{protocol:?}"
        );
        assert_eq!(provider.asks(), 1);
        provider.set_models(["m-3"]);
        assert_eq!(fetch(&gateway, 1).await["data"], json!(["m-3"]));
    }
}

#[tokio::test]
async fn manners_show_as_the_gateway_words_them() {
    let failed =
        |reason: &str| json!({"message":format!("获取模型列表失败: {reason}"),"success":false});
    for inline in [false, true] {
        for (manner, expected) in [
            (
                Manner::Empty,
                json!({"data":[],"message":"","success":true}),
            ),
            (
                Manner::ErrorIn200,
                json!({"data":[],"message":"","success":true}),
            ),
            (
                Manner::Html,
                failed("invalid character '<' looking for beginning of value"),
            ),
            (Manner::WantsOtherKey, failed("status code: 401")),
            (Manner::NoList, failed("status code: 404")),
            (Manner::ServerError, failed("status code: 500")),
            (Manner::Truncated, failed("unexpected EOF")),
        ] {
            let provider = Provider::new("p", ["a", "b"]).manner(manner.clone());
            let mut spec = Spec::new()
                .provider(provider)
                .channel(Channel::new(1, "one").at("p"));
            if inline {
                spec = spec.inline(Duration::from_millis(1));
            }
            let gateway = Gateway::start(spec).await.expect("it starts");
            assert_eq!(
                fetch(&gateway, 1).await,
                expected,
                "{manner:?}, inline {inline}"
            );
        }
    }
}

#[tokio::test]
async fn a_dead_provider_refuses_the_connection() {
    let gateway = with(Provider::new("p", ["a"]).manner(Manner::Dead), 1).await;
    let answer = fetch(&gateway, 1).await;
    assert_eq!(answer["success"], false);
    assert!(
        answer["message"]
            .as_str()
            .expect("a text")
            .ends_with("connection refused"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_channel_without_an_address_of_its_own_reaches_nobody_outside() {
    let gateway = Gateway::start(Spec::new().channel(Channel::new(1, "one")))
        .await
        .expect("it starts");
    assert!(
        fetch(&gateway, 1).await["message"]
            .as_str()
            .expect("a text")
            .contains("no such host")
    );
}

#[tokio::test]
async fn lists_change_with_the_number_of_asks() {
    let gateway = with(
        Provider::new("p", ["a", "b", "c", "d"]).manner(Manner::RateLimited(2)),
        1,
    )
    .await;
    let provider = gateway.provider("p");
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(
            fetch(&gateway, 1).await["data"]
                .as_array()
                .map_or(0, Vec::len),
        );
    }
    assert_eq!(sizes, [0, 0, 4]);
    provider.set_manner(Manner::Flapping(vec!["x".to_owned()]));
    sizes.clear();
    for _ in 0..3 {
        sizes.push(
            fetch(&gateway, 1).await["data"]
                .as_array()
                .map_or(0, Vec::len),
        );
    }
    assert_eq!(sizes, [4, 1, 4]);
    provider.set_manner(Manner::Shrinking {
        after: 1,
        percent: 49,
    });
    sizes.clear();
    for _ in 0..3 {
        sizes.push(
            fetch(&gateway, 1).await["data"]
                .as_array()
                .map_or(0, Vec::len),
        );
    }
    assert_eq!(sizes, [4, 1, 1]);
    assert_eq!(provider.asks(), 9);
}

#[tokio::test]
async fn requests_in_progress_are_counted() {
    let provider = Provider::new("p", ["a"]).manner(Manner::Slow(Duration::from_millis(200)));
    let gateway = with(provider, 1).await;
    gateway.add_channel(Channel::new(0, "two").at("p"));
    let (one, two) = tokio::join!(fetch(&gateway, 1), fetch(&gateway, 2));
    assert_eq!((&one["data"], &two["data"]), (&json!(["a"]), &json!(["a"])));
    assert_eq!(gateway.max_concurrent(), 2);
    assert_eq!(gateway.provider("p").max_concurrent(), 2);
}
