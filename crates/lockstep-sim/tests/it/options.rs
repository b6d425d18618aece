//! Writing options while others do, and what becomes of prices.

use std::time::Duration;

use lockstep_sim::{
    Billing, Channel, Edit, EffectivePrice, Fault, Gateway, Matcher, Price, Refusal, Rule, Spec,
    When,
};
use serde_json::{Value, json};

use crate::client::{call, get, put_models, put_option};

const KEY: &str = "ModelRatio";

async fn gateway() -> Gateway {
    Gateway::start(
        Spec::new()
            .prices(&[Price::tokens("a", 2.0, 4.0)])
            .channel(Channel::new(1, "one").models("a,b")),
    )
    .await
    .expect("it starts")
}

async fn seen(gateway: &Gateway, key: &str) -> String {
    let options = get(gateway, "/api/option/").await;
    let rows = options["data"].as_array().expect("rows").clone();
    let row = rows.iter().find(|row| row["key"] == key).expect("the key");
    row["value"].as_str().expect("a text").to_owned()
}

async fn audited(gateway: &Gateway, query: &str) -> Vec<Value> {
    let log = get(gateway, &format!("/api/log/?type=3{query}")).await;
    let rows = log["data"]["items"].as_array().expect("rows").clone();
    rows.iter()
        .map(|row| serde_json::from_str(row["other"].as_str().expect("a text")).expect("JSON"))
        .collect()
}

fn ratio(price: &EffectivePrice) -> f64 {
    match price {
        EffectivePrice::PerToken(rates) => rates.ratio,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_admin_writes_an_option_before_and_after_a_request() {
    let gateway = gateway().await;
    let read = || Matcher::get("/api/option/");
    gateway.edit_at(
        read(),
        1,
        When::AfterApply,
        Edit::option_with(KEY, |text| text.replace('1', "3")),
    );
    gateway.edit_at(
        Matcher::put("/api/option/"),
        1,
        When::BeforeApply,
        Edit::option("CacheRatio", "{\"a\":0.5}"),
    );
    gateway.edit_at(
        Matcher::put("/api/option/"),
        1,
        When::AfterApply,
        Edit::channel(1, |channel| channel.models.push_str(",c")),
    );
    assert_eq!(seen(&gateway, KEY).await, "{\n  \"a\": 1\n}");
    assert_eq!(seen(&gateway, KEY).await, "{\n  \"a\": 3\n}");
    assert_eq!(gateway.option("CacheRatio").as_deref(), Some("{}"));
    put_option(&gateway, KEY, "{\"a\":4}").await;
    assert_eq!(gateway.option("CacheRatio").as_deref(), Some("{\"a\":0.5}"));
    assert_eq!(gateway.channel(1).expect("there").models, "a,b,c");
    let rows = audited(&gateway, "").await;
    let told: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            let key = row["op"]["params"]["key"].as_str().unwrap_or("-");
            (
                key,
                row["admin_info"]["auth_method"].as_str().expect("told"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("-", "session"),
            ("ModelRatio", "access_token"),
            ("CacheRatio", "session"),
            ("ModelRatio", "session"),
        ]
    );
    // What he did is not in the log of requests: only ours is.
    assert_eq!(gateway.option_writes().len(), 1);
}

#[tokio::test]
async fn a_write_can_be_refused_after_it_was_stored_or_before() {
    for (fault, stored) in [
        (Fault::RefusedAfterApply("no".to_owned()), true),
        (Fault::RefusedUnseen("no".to_owned(), Duration::ZERO), true),
        (Fault::Refused("no".to_owned()), false),
    ] {
        let gateway = gateway().await;
        gateway.fault(Rule::once(Matcher::put("/api/option/"), fault));
        let answer = put_option(&gateway, KEY, "{\"a\":7}").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json(), json!({"message":"no","success":false}));
        let writes = gateway.option_writes();
        assert_eq!(
            (writes[0].key.as_str(), writes[0].sent.as_str()),
            (KEY, "{\"a\":7}")
        );
        assert_eq!(writes[0].effective, stored);
        assert_eq!(writes[0].after.is_some(), stored);
        assert_eq!(
            ratio(&gateway.effective_price("a")),
            if stored { 7.0 } else { 1.0 }
        );
    }
}

#[tokio::test]
async fn a_write_can_be_ignored_lost_on_the_way_back_or_seen_late() {
    let gateway = gateway().await;
    let rule = |fault| Rule::once(Matcher::put("/api/option/"), fault);
    gateway.fault(rule(Fault::Ignore));
    let answer = put_option(&gateway, KEY, "{\"a\":5}").await;
    assert_eq!(answer.json()["success"], true);
    assert_eq!(ratio(&gateway.effective_price("a")), 1.0);

    gateway.fault(rule(Fault::ResetAfterApply));
    assert!(put_option(&gateway, KEY, "{\"a\":6}").await.was_reset());
    assert_eq!(ratio(&gateway.effective_price("a")), 6.0);

    gateway.fault(rule(Fault::StaleReads(Duration::from_secs(60))));
    gateway.fault(rule(Fault::RefusedUnseen(
        "no".to_owned(),
        Duration::from_secs(60),
    )));
    put_option(&gateway, KEY, "{\"a\":7}").await;
    put_option(&gateway, KEY, "{\"a\":8}").await;
    assert_eq!(seen(&gateway, KEY).await, "{\"a\":6}");
    assert_eq!(gateway.option(KEY).as_deref(), Some("{\"a\":8}"));
    gateway.clear_faults();
    assert_eq!(seen(&gateway, KEY).await, "{\"a\":8}");
    let effective: Vec<bool> = gateway
        .option_writes()
        .iter()
        .map(|write| write.effective)
        .collect();
    assert_eq!(effective, [false, true, true, true]);
}

#[tokio::test]
async fn a_write_can_bring_a_change_of_another_option_and_of_itself() {
    let gateway = gateway().await;
    gateway.fault(Rule::once(
        Matcher::put("/api/option/"),
        Fault::also_option("ModelPrice", |_| "{\"a\":0.5}".to_owned()),
    ));
    gateway.fault(Rule::once(
        Matcher::put("/api/option/"),
        Fault::also_option(KEY, |text| text.replace('}', ",\"b\":9}")),
    ));
    put_option(&gateway, KEY, "{\"a\":2}").await;
    assert_eq!(gateway.effective_price("a"), EffectivePrice::PerCall(0.5));
    put_option(&gateway, KEY, "{\"a\":3}").await;
    assert_eq!(gateway.option(KEY).as_deref(), Some("{\"a\":3,\"b\":9}"));
    assert_eq!(ratio(&gateway.effective_price("b")), 9.0);
    gateway.fault(Rule::once(
        Matcher::put("/api/channel/"),
        Fault::also_option(KEY, |_| "{}".to_owned()),
    ));
    put_models(&gateway, 1, "a").await;
    assert_eq!(
        gateway.effective_price("b"),
        EffectivePrice::Refused(Refusal::Unpriced)
    );
}

#[tokio::test]
async fn every_prefix_of_the_writes_can_be_played_again() {
    let gateway = gateway().await;
    let mut replay = Billing::new(&gateway.options());
    put_option(&gateway, "ModelPrice", "{\"a\":0.5}").await;
    put_option(&gateway, KEY, "{\"a\":\"2\"}").await;
    put_option(&gateway, "ModelPrice", "{}").await;
    let mut seen = Vec::new();
    for write in gateway.option_writes() {
        // A complaint is a part of what is played.
        let _ = replay.write(&write.key, &write.sent);
        seen.push(replay.price("a"));
    }
    assert_eq!(
        seen,
        [
            EffectivePrice::PerCall(0.5),
            EffectivePrice::PerCall(0.5),
            EffectivePrice::Free
        ]
    );
    assert_eq!(gateway.effective_price("a"), EffectivePrice::Free);
    assert_eq!(gateway.price_texts()[KEY], "{\"a\":\"2\"}");
    assert_eq!(gateway.price_texts().len(), 10);
}

#[tokio::test]
async fn the_audit_log_comes_in_pages_and_from_a_time_on() {
    let gateway = gateway().await;
    for n in 0..5 {
        put_option(&gateway, KEY, &format!("{{\"a\":{n}}}")).await;
    }
    let log = get(&gateway, "/api/log/?type=3&p=2&page_size=2").await;
    assert_eq!(log["data"]["total"], 5);
    let ids: Vec<i64> = log["data"]["items"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["id"].as_i64())
        .collect();
    assert_eq!(ids, [3, 2]);
    let written = log["data"]["items"][0]["created_at"]
        .as_i64()
        .expect("a time");
    assert_eq!(
        audited(&gateway, &format!("&start_timestamp={}", written - 60))
            .await
            .len(),
        5
    );
    assert!(
        audited(&gateway, &format!("&start_timestamp={}", written + 60))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn the_price_page_lags_unless_a_billing_mode_is_written() {
    let gateway = Gateway::start(
        Spec::new()
            .prices(&[Price::tokens("a", 2.0, 4.0)])
            .pricing_cache(Duration::from_secs(60))
            .channel(Channel::new(1, "one").models("a")),
    )
    .await
    .expect("it starts");
    let shown = async || get(&gateway, "/api/pricing").await["data"][0]["model_ratio"].clone();
    assert_eq!(shown().await, 1);
    put_option(&gateway, KEY, "{\"a\":2}").await;
    assert_eq!(shown().await, 1);
    put_option(&gateway, "billing_setting.billing_mode", "{}").await;
    assert_eq!(shown().await, 2);
}

#[tokio::test]
async fn a_restart_reads_the_stored_texts() {
    let gateway = gateway().await;
    put_option(&gateway, "ImageRatio", "{\"a\":3}").await;
    put_option(&gateway, "ImageRatio", "{").await;
    put_option(&gateway, KEY, "{").await;
    let image = |gateway: &Gateway| gateway.live_prices("ImageRatio").get("a").copied();
    assert_eq!(image(&gateway), None);
    gateway.restart(Duration::ZERO);
    assert_eq!(image(&gateway), Some(3.0));
    assert_eq!(
        gateway.effective_price("a"),
        EffectivePrice::Refused(Refusal::Unpriced)
    );
    // The port is open again before long.
    for _ in 0..100 {
        if let Ok(answer) = crate::client::send(gateway.addr(), "GET", "/api/status", &[], "").await
            && answer.status() == 200
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", call(&gateway, "GET", "/api/status", "").await);
}
