//! Ratio channels, effective prices and the log of changed options.

use lockstep_core::channel::Status;
use lockstep_core::failure::FailureKind as Kind;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind as Billed;
use lockstep_remote::gateway::{GatewayReader, Sent};
use lockstep_sim::Channel;
use serde_json::{Value, json};

use crate::options::{ODD, priced, put};
use crate::server::{Answer, Server, json, ok, reply};
use crate::simulated::simulated;

#[tokio::test]
async fn the_gateways_own_channels_and_presets_are_told() {
    let spec = priced().channel(Channel::new(2, "Off").status(2));
    let (simulated, gateway) = simulated(spec).await;
    let channels = GatewayReader::new(gateway).ratio_channels().await;
    let channels = channels.expect("channels");
    let acme = channels.iter().find(|channel| channel.id == 1);
    let acme = acme.expect("the channel");
    let stored = simulated.channel(1).expect("a channel");
    assert_eq!(Some(&acme.base_url), stored.base_url.as_ref());
    assert_eq!(
        (&*acme.name, acme.status, acme.kind),
        ("Acme", Status::Enabled, 1)
    );
    let presets: Vec<(i64, &str)> = channels
        .iter()
        .filter(|channel| channel.id < 0)
        .map(|channel| (channel.id, channel.base_url.as_str()))
        .collect();
    assert_eq!(
        presets,
        [
            (-100, "https://basellm.github.io"),
            (-101, "https://models.dev")
        ]
    );
}

#[tokio::test]
async fn effective_prices_show_what_counts_and_the_gateways_own_ratio() {
    let spec = priced().option("CompletionRatio", r#"{"gpt-5":2}"#);
    let (_running, gateway) = simulated(spec).await;
    let pricing = GatewayReader::new(gateway).pricing().await;
    let pricing = pricing.expect("prices");
    assert_eq!(pricing.group_ratios.get("default"), Some(&1.0));
    let of = |model: &str| {
        let mut found = pricing.prices.iter().filter(|price| price.model == model);
        found.next().expect(model)
    };
    let token = of("gpt-5");
    assert_eq!(token.values.kind(), Some(Billed::PerToken));
    assert_eq!(token.values.number(Field::ModelRatio), Some(0.625));
    assert_eq!(token.values.number(Field::CompletionRatio), Some(8.0));
    assert_eq!(token.values.number(Field::CacheRatio), Some(0.1));
    let call = of("dall-e-3");
    assert_eq!(
        (call.quota_type, call.values.kind()),
        (1, Some(Billed::PerCall))
    );
    assert_eq!(
        call.values.iter().collect::<Vec<_>>(),
        [(Field::ModelPrice, "0.04")]
    );
    let tiered = of("tiered");
    assert_eq!(tiered.values.kind(), Some(Billed::Expression));
    assert_eq!(tiered.values.get(Field::BillingExpr), Some("p * 2"));
    assert_eq!(of("unpriced").values.get(Field::ModelRatio), Some("37.5"));

    for (data, kind) in [
        (ok(r#"{"model_group":{}}"#), Kind::NotRecognised),
        (json(r#"{"success":false,"message":"off"}"#), Kind::Rejected),
        (reply(403, &[], r#"{"success":false}"#), Kind::Forbidden),
    ] {
        let server = Server::always(data).await;
        let failure = server.reader().pricing().await.expect_err("none");
        assert_eq!(failure.kind, kind);
    }
    let empty = Server::always(ok("null")).await.reader().pricing().await;
    assert_eq!(empty, Ok(lockstep_remote::gateway::Pricing::default()));
}

#[tokio::test]
async fn a_second_admins_write_shows_up_beside_ours() {
    let (simulated, gateway) = simulated(priced()).await;
    let reader = GatewayReader::new(gateway.clone());
    let since = reader.status().await.expect("a status").clock;
    let since = since.expect("a clock");
    assert_eq!(reader.option_writes_since(since).await, Ok(Vec::new()));
    simulated.set_option("ModelRatio", r#"{"a":9}"#);
    simulated.edit_channel(1, |channel| channel.models = "x".to_owned());
    let sent = put(&gateway, Field::ModelRatio, ODD).await;
    assert_eq!(sent, Sent::Stored(()));
    let sent = put(&gateway, Field::ModelPrice, ODD).await;
    assert_eq!(sent, Sent::Stored(()));
    let writes = reader.option_writes_since(since).await.expect("writes");
    let keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
    assert_eq!(keys, ["ModelPrice", "ModelRatio", "ModelRatio"]);
    for write in &writes {
        assert!(write.at_s >= since);
        assert_eq!((write.user_id, &*write.username), (Some(1), "root"));
    }
    assert_eq!(
        reader.option_writes_since(since + 3_600).await,
        Ok(Vec::new())
    );
}

/// A row of the log.
fn row(id: i64, other: Value) -> Value {
    json!({"id":id,"created_at":1_795_000_000 + id,"type":3,"user_id":5,"username":"eve","content":"","other":other})
}

fn update(id: i64, key: &str) -> Value {
    let other = json!({"op":{"action":"option.update","params":{"key":key}},"admin_info":{"admin_id":2,"admin_username":"ada"}});
    row(id, json!(other.to_string()))
}

fn log_page(rows: &[Value], total: usize) -> Vec<u8> {
    ok(&json!({"items":rows,"page":1,"page_size":100,"total":total}).to_string())
}

#[tokio::test]
async fn the_log_is_read_to_its_end_while_it_grows() {
    // Highest first; while page 1 was answered, two rows more came in, so page 2 begins with two that were seen.
    let rows: Vec<Value> = (1..=250)
        .rev()
        .map(|id| update(id, &format!("K{id}")))
        .collect();
    let server = Server::start(move |request| {
        assert!(request.path.starts_with("/api/log/?p="), "{}", request.path);
        assert_eq!(
            (request.number("type"), request.number("page_size")),
            (3, 100)
        );
        assert_eq!(request.number("start_timestamp"), 77);
        let (from, total) = match request.number("p") {
            1 => (0, 250),
            p => ((p - 1) * 100 - 2, 252),
        };
        let to = (from + 100).min(rows.len());
        Answer::Bytes(log_page(rows.get(from..to).unwrap_or_default(), total))
    })
    .await;
    let writes = server.reader().option_writes_since(77).await;
    let keys: Vec<String> = writes
        .expect("writes")
        .into_iter()
        .map(|write| write.key)
        .collect();
    let expected: Vec<String> = (1..=250).rev().map(|id| format!("K{id}")).collect();
    assert_eq!(keys, expected);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn rows_of_other_kinds_are_left_out_and_a_log_without_end_is_a_partial_picture() {
    let rows = [
        update(9, "ModelRatio"),
        row(
            8,
            json!(r#"{"op":{"action":"channel.update","params":{"key":"X"}}}"#),
        ),
        row(
            7,
            json!(r#"{"op":{"action":"option.update","params":{"key":"GroupRatio"}}}"#),
        ),
        row(
            6,
            json!(r#"{"op":{"action":"option.update","params":null}}"#),
        ),
        row(5, json!("")),
        row(4, json!("{")),
        row(3, Value::Null),
        row(2, json!({"op":7})),
    ];
    let server = Server::always(log_page(&rows, rows.len())).await;
    let writes = server.reader().option_writes_since(0).await;
    let told: Vec<(String, Option<i64>, String)> = writes
        .expect("writes")
        .into_iter()
        .map(|write| (write.key, write.user_id, write.username))
        .collect();
    assert_eq!(
        told,
        [
            ("ModelRatio".to_owned(), Some(2), "ada".to_owned()),
            ("GroupRatio".to_owned(), Some(5), "eve".to_owned()),
        ]
    );

    let empty = Server::always(ok(r#"{"items":null,"total":0}"#)).await;
    assert_eq!(empty.reader().option_writes_since(0).await, Ok(Vec::new()));
    let endless = Server::always(log_page(&rows, 1_000_000)).await;
    let failure = endless.reader().option_writes_since(0).await;
    assert_eq!(failure.expect_err("no end").kind, Kind::PartialPicture);
    assert_eq!(endless.requests().len(), 100);
}
