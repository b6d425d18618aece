//! Price options read and written.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::failure::{Failure, FailureKind as Kind};
use lockstep_core::prices::field::Field;
use lockstep_remote::gateway::{
    BilledCompletion, Fence, Gateway, GatewayKind, GatewayReader, GatewayWriter, OptionText, Sent,
    TimeLimits,
};
use lockstep_sim::{Channel, Fault, Flavour, Matcher, Provider, Rule, Spec, When};
use serde_json::{Value, json};

use crate::server::{CANARY, Server, json, ok, reply};
use crate::simulated::{Open, client_of, simulated};

const MINUTE: Duration = Duration::from_secs(60);
/// A map with everything in it that a careless rewrite would change.
pub(crate) const ODD: &str = "{ \"b\": 1.50,\n\t\"a\" :1e-7,\"模型\":2.0, \"<&>\":0, \"a\":3E+0 }";

fn map(field: Field, text: &str) -> OptionText {
    OptionText::new(field, text).expect("a map")
}

pub(crate) async fn put(gateway: &Gateway, field: Field, text: &str) -> Sent<()> {
    GatewayWriter::new(gateway.clone(), Arc::new(Open))
        .put_option(&map(field, text))
        .await
}

pub(crate) fn priced() -> Spec {
    Spec::new()
        .provider(Provider::new("acme", ["a"]))
        .channel(
            Channel::new(1, "Acme")
                .at("acme")
                .models("gpt-5,dall-e-3,tiered,unpriced"),
        )
        .option(
            "billing_setting.billing_mode",
            r#"{"tiered":"tiered_expr"}"#,
        )
        .option("billing_setting.billing_expr", r#"{"tiered":"p * 2"}"#)
}

#[tokio::test]
async fn every_map_comes_back_as_it_was_sent_byte_for_byte() {
    let (simulated, gateway) = simulated(priced()).await;
    let reader = GatewayReader::new(gateway.clone());
    for field in Field::ALL {
        let text = if field.is_number() {
            ODD
        } else {
            "{ \"m\" : \"tier(\\\"base\\\", p * 1.50)\",\n\"n\":\"\\u6a21\" }"
        };
        assert_eq!(put(&gateway, *field, text).await, Sent::Stored(()));
        let options = reader.options().await.expect("options");
        assert_eq!(options.text(*field), Some(text));
        assert_eq!(simulated.option(field.option_key()).as_deref(), Some(text));
    }
    assert_eq!(simulated.effective_writes().len(), Field::COUNT);
    assert_eq!(simulated.live_prices("ModelRatio").get("a"), Some(&3.0));
}

#[tokio::test]
async fn a_write_is_exactly_key_and_text_and_a_slash_redirect_keeps_it() {
    let redirect = reply(307, &[("Location", "/api/option")], "");
    let done = json(r#"{"message":"","success":true}"#);
    let server = Server::script(vec![redirect, done]).await;
    let text = r#"{"m":1.50}"#;
    let sent = put(&server.gateway(), Field::CacheRatio, text).await;
    assert_eq!(sent, Sent::Stored(()));
    let requests = server.requests();
    let [first, second] = requests.as_slice() else {
        panic!("{} requests", requests.len());
    };
    assert_eq!((&*first.method, &*first.path), ("PUT", "/api/option/"));
    assert_eq!(first.body, r#"{"key":"CacheRatio","value":"{\"m\":1.50}"}"#);
    assert_eq!((&*second.method, &*second.path), ("PUT", "/api/option"));
    assert_eq!(second.body, first.body);
}

#[tokio::test]
async fn what_counts_besides_the_maps_is_read_and_odd_values_are_unknown() {
    let (_running, gateway) = simulated(priced().option("SelfUseModeEnabled", "true")).await;
    let options = GatewayReader::new(gateway).options().await;
    let options = options.expect("options");
    assert_eq!(options.kind, GatewayKind::NewApi);
    assert!(options.self_use_mode && !options.ratios_exposed);
    assert_eq!(options.usd_exchange_rate, Some(7.3));
    let groups = options.group_ratios.as_ref().expect("groups");
    assert_eq!(groups.get("vip"), Some(&1.0));
    let locked = BilledCompletion {
        ratio: 8.0,
        locked: true,
    };
    assert_eq!(options.completion_ratio("gpt-5"), Some(locked));
    let free = options.completion_ratio("gpt-4o").expect("told");
    assert!(!free.locked);
    assert_eq!(options.completion_ratio("nobody's"), None);

    let server = Server::always(reply(
        200,
        &[("Content-Type", "application/json")],
        r#"{"success":true,"data":[{"key":"ModelRatio","value":"{"},{"key":"GroupRatio","value":"{\"a\":\"1\"}"},
        {"key":"CompletionRatioMeta","value":"{\"a\":{\"ratio\":1}}"},{"key":"USDExchangeRate","value":"-1"},
        {"key":"SelfUseModeEnabled","value":"yes"},{"key":"ExposeRatioEnabled","value":true},{"key":"X","value":null}]}"#,
    ))
    .await;
    let options = server.reader().options().await.expect("options");
    assert_eq!(options.text(Field::ModelRatio), Some("{"));
    assert_eq!(options.text(Field::ModelPrice), None);
    assert_eq!(options.group_ratios, None);
    assert_eq!(options.completion_ratios, None);
    assert_eq!(options.usd_exchange_rate, None);
    assert!(!options.self_use_mode);
    assert_eq!(options.kind, GatewayKind::Unrecognised);
}

#[tokio::test]
async fn an_admin_who_is_not_root_may_neither_read_nor_write_prices() {
    let (simulated, _) = simulated(priced()).await;
    let admin = client_of(&simulated, simulated.admin_token());
    let reader = GatewayReader::new(admin.clone());
    let refused = reader.options().await.expect_err("refused");
    assert_eq!(refused.kind, Kind::Forbidden);
    let refused = reader.ratio_channels().await.expect_err("refused");
    assert_eq!(refused.kind, Kind::Forbidden);
    let sent = put(&admin, Field::ModelRatio, "{}").await;
    assert!(
        matches!(&sent, Sent::Refused(failure) if failure.kind == Kind::Forbidden),
        "{sent:?}"
    );
    assert!(reader.option_writes_since(0).await.is_ok());
    assert!(simulated.effective_writes().is_empty());
}

#[tokio::test]
async fn a_refusal_after_the_text_was_stored_is_unknown() {
    let (simulated, gateway) = simulated(priced()).await;
    let path = Matcher::put("/api/option/");
    simulated.on_match(path.clone(), 1, When::BeforeApply, |simulated| {
        simulated.set_option("ModelRatio", ODD);
    });
    simulated.fault(Rule::once(path, Fault::Refused("kept all the same".into())));
    match put(&gateway, Field::ModelRatio, ODD).await {
        Sent::Unknown(failure) => {
            assert_eq!(
                (failure.kind, &*failure.detail),
                (Kind::Rejected, "kept all the same")
            );
        }
        other => panic!("{other:?}"),
    }
    let options = GatewayReader::new(gateway).options().await;
    assert_eq!(options.expect("options").text(Field::ModelRatio), Some(ODD));
    assert_eq!(simulated.writes().len(), 1);
}

#[tokio::test]
async fn what_an_options_write_is_called_is_never_better_than_what_was_stored() {
    const OLD: &str = r#"{"m":1}"#;
    const NEW: &str = r#"{"m":2}"#;
    for (fault, names) in [
        (Fault::Status(400), "refused"),
        (Fault::Status(401), "refused"),
        (Fault::Status(403), "refused"),
        (Fault::Status(404), "refused"),
        (Fault::FirewallPage, "refused"),
        (Fault::redirect(302, "http://127.0.0.1:9/login"), "refused"),
        (Fault::Status(500), "unknown"),
        (Fault::Status(504), "unknown"),
        (Fault::Unavailable { retry_after: None }, "unknown"),
        (Fault::Html, "unknown"),
        (Fault::Empty, "unknown"),
        (Fault::EmptyObject, "unknown"),
        (Fault::HalfJson, "unknown"),
        (Fault::InvalidUtf8, "unknown"),
        (Fault::DuplicateKeys, "unknown"),
        (Fault::Silence(MINUTE), "unknown"),
        (Fault::ResetBeforeApply, "unknown"),
        (Fault::ResetMidReply, "unknown"),
        (Fault::ResetAfterApply, "unknown"),
        (Fault::ContentLengthTooLong, "unknown"),
        (Fault::too_many("1"), "stored"),
        (Fault::Bom, "stored"),
        (Fault::redirect(307, "/api/option"), "refused"),
    ] {
        let name = fault.name();
        let twice = matches!(
            &fault,
            Fault::TooMany { .. } | Fault::Redirect { status: 307, .. }
        );
        let (simulated, gateway) = simulated(priced().option("ModelRatio", OLD)).await;
        simulated.fault(Rule::once(Matcher::put("/api/option"), fault));
        let sent = put(&gateway, Field::ModelRatio, NEW).await;
        let called = match &sent {
            Sent::Stored(()) => "stored",
            Sent::NotSent(_) => "not sent",
            Sent::Refused(_) => "refused",
            Sent::Unknown(_) => "unknown",
        };
        assert_eq!(called, names, "{name}: {sent:?}");
        let stored = simulated.option("ModelRatio").expect("a text");
        match called {
            "stored" => assert_eq!(stored, NEW, "{name}"),
            "refused" => assert_eq!(stored, OLD, "{name}"),
            _ => {}
        }
        assert_eq!(
            simulated.writes().len(),
            if twice { 2 } else { 1 },
            "{name}"
        );
    }
    let (simulated, gateway) = simulated(priced()).await;
    simulated.stop();
    assert!(
        simulated
            .until(MINUTE, |_| std::net::TcpStream::connect(simulated.addr())
                .is_err())
            .await
    );
    let sent = put(&gateway, Field::ModelRatio, NEW).await;
    assert!(matches!(sent, Sent::NotSent(_)), "{sent:?}");
}

#[tokio::test]
async fn a_fence_that_refuses_lets_no_option_through() {
    struct Closed;
    impl Fence for Closed {
        fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
            async { Err(Failure::new(Kind::Record, "the lease is lost")) }.boxed()
        }
    }
    let (simulated, gateway) = simulated(priced()).await;
    let writer = GatewayWriter::new(gateway.clone(), Arc::new(Closed));
    let sent = writer.put_option(&map(Field::ModelRatio, "{}")).await;
    assert!(
        matches!(&sent, Sent::NotSent(failure) if failure.kind == Kind::Record),
        "{sent:?}"
    );
    assert_eq!((simulated.log().len(), gateway.requests().writes), (0, 0));
}

#[tokio::test]
async fn a_reset_after_the_write_was_applied_is_unknown_and_sent_once() {
    let (simulated, gateway) = simulated(priced()).await;
    simulated.fault(Rule::once(
        Matcher::put("/api/option/"),
        Fault::ResetAfterApply,
    ));
    let sent = put(&gateway, Field::ImageRatio, ODD).await;
    assert!(matches!(sent, Sent::Unknown(_)), "{sent:?}");
    assert_eq!(simulated.writes().len(), 1);
    assert_eq!(simulated.option("ImageRatio").as_deref(), Some(ODD));
    assert_eq!(gateway.requests().writes, 1);
}

#[tokio::test]
async fn bad_answers_to_a_read_have_names_and_a_429_is_waited_out() {
    for (fault, kind) in [
        (Fault::Html, Kind::WrongAddress),
        (Fault::FirewallPage, Kind::Firewall),
        (Fault::HalfJson, Kind::Broken),
        (Fault::ResetMidReply, Kind::Broken),
        (Fault::Empty, Kind::Broken),
        (Fault::EmptyArray, Kind::NotRecognised),
        (Fault::EmptyObject, Kind::NotRecognised),
        (Fault::NullData, Kind::NotRecognised),
        (Fault::Refused("no".into()), Kind::Unauthorized),
        (Fault::Status(401), Kind::Unauthorized),
        (Fault::Status(403), Kind::Forbidden),
        (Fault::Status(404), Kind::NotFound),
        (Fault::Status(500), Kind::ServerError),
        (Fault::GzipBomb(1 << 26), Kind::TooLarge),
        (Fault::Silence(MINUTE), Kind::Timeout),
    ] {
        let name = fault.name();
        let (simulated, gateway) = simulated(priced()).await;
        let gateway = gateway.with_time_limits(TimeLimits {
            read: Duration::from_secs(2),
            ..TimeLimits::default()
        });
        simulated.fault(Rule::always(Matcher::get("/api/option/"), fault));
        let failure = GatewayReader::new(gateway).options().await;
        assert_eq!(failure.expect_err(name).kind, kind, "{name}");
    }
    let (simulated, gateway) = simulated(priced()).await;
    simulated.fault(Rule::once(
        Matcher::get("/api/option/"),
        Fault::too_many("1"),
    ));
    let reader = GatewayReader::new(gateway);
    assert!(reader.options().await.is_ok());
    assert_eq!(reader.gateway().requests().throttled, 1);
}

#[tokio::test]
async fn older_forks_have_fewer_maps_and_no_ratio_channels() {
    let (_running, gateway) = simulated(priced().flavour(Flavour::OldFork)).await;
    let reader = GatewayReader::new(gateway);
    let options = reader.options().await.expect("options");
    assert!(options.text(Field::ModelPrice).is_some());
    assert_eq!(options.text(Field::ImageRatio), None);
    assert_eq!(options.text(Field::BillingMode), None);
    assert_eq!(options.completion_ratios, None);
    assert_eq!(options.kind, GatewayKind::Unrecognised);
    let absent = reader.ratio_channels().await.expect_err("none");
    assert_eq!(absent.kind, Kind::NotFound);
    assert_eq!(reader.option_writes_since(0).await, Ok(Vec::new()));
    assert_eq!(reader.pricing().await.expect("prices").prices.len(), 4);
}

#[tokio::test]
async fn secrets_of_other_options_show_up_nowhere() {
    const SECRET: &str = "smtp-password-0123";
    let (_running, gateway) = simulated(
        priced()
            .option("SMTPAccount", SECRET)
            .option("WorkerValidKeys", SECRET),
    )
    .await;
    let reader = GatewayReader::new(gateway);
    let mut said = vec![format!("{:?}", reader.options().await.expect("options"))];
    let rows = |row: Value| json!([{"key":"ModelRatio","value":"{}"}, row]);
    for data in [
        rows(json!({"key":"SMTPAccount","value":SECRET})),
        rows(json!({"key":"ModelPrice","value":[SECRET]})),
        rows(json!({"key":"SelfUseModeEnabled","value":SECRET})),
        rows(json!({"key":"CompletionRatioMeta","value":SECRET})),
        rows(json!({"key":[SECRET],"value":""})),
        rows(json!({"value":SECRET})),
        rows(json!(SECRET)),
        rows(json!([SECRET, 1])),
        json!({"SMTPAccount":SECRET}),
        json!([SECRET]),
        json!(SECRET),
    ] {
        let text = data.to_string();
        let cut = text.get(..text.len() - 2).unwrap_or_default();
        for bytes in [ok(&text), json(format!(r#"{{"success":true,"data":{cut}"#))] {
            let server = Server::always(bytes).await;
            said.push(format!("{:?}", server.reader().options().await));
        }
    }
    for text in &said {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn an_echoed_token_reaches_no_failure_of_these_calls_either() {
    let refusal = format!(r#"{{"success":false,"message":"Bearer {CANARY}"}}"#);
    for bytes in [
        json(&refusal),
        reply(403, &[], &refusal),
        reply(500, &[], &refusal),
        ok(&format!("\"{CANARY}\"")),
        ok(&format!("[\"{CANARY}\"]")),
    ] {
        let server = Server::always(bytes).await;
        let reader = server.reader();
        for said in [
            format!("{:?}", reader.options().await),
            format!("{:?}", reader.ratio_channels().await),
            format!("{:?}", reader.pricing().await),
            format!("{:?}", reader.option_writes_since(0).await),
            format!(
                "{:?}",
                put(&server.gateway(), Field::ModelRatio, "{}").await
            ),
        ] {
            assert!(!said.contains(CANARY), "{said}");
        }
    }
}

#[tokio::test]
async fn recorded_answers_read_as_they_were_meant() {
    let recording = |name: &str| {
        let path = format!(
            "{}/../../../shared/golden/gateway/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).ok()
    };
    let (Some(options), Some(ratio_sync)) =
        (recording("options.json"), recording("ratio_sync.json"))
    else {
        println!("../shared is absent: no recordings to read");
        return;
    };
    let answer = |text: &str, what: &str| {
        let recording: Value = serde_json::from_str(text).expect("JSON");
        let steps = recording["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["what"] == what).expect(what);
        json(step["body"].to_string())
    };
    let reader = Server::always(answer(&options, "all options")).await;
    let read = reader.reader().options().await.expect("options");
    assert_eq!(read.text(Field::ModelRatio), Some(r#"{"a":"15","b":2}"#));
    assert_eq!(read.text(Field::BillingExpr), Some(r#"{"m":"nonsense("}"#));
    assert!(Field::ALL.iter().all(|field| read.text(*field).is_some()));
    assert_eq!(
        (read.usd_exchange_rate, read.self_use_mode),
        (Some(7.3), false)
    );
    assert_eq!(
        read.group_ratios.as_ref().map(|groups| groups.len()),
        Some(3)
    );
    let locked = read.completion_ratio("claude-3-5-haiku-20241022");
    assert!(locked.expect("told").locked);

    let reader = Server::always(answer(&ratio_sync, "channels")).await;
    let channels = reader.reader().ratio_channels().await.expect("channels");
    assert_eq!(channels.len(), 13);
    let reader = Server::always(answer(&ratio_sync, "price list")).await;
    let pricing = reader.reader().pricing().await.expect("prices");
    assert_eq!((pricing.prices.len(), pricing.group_ratios.len()), (7, 2));
}
