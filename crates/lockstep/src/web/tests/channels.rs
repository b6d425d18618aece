//! The pages of channels: what each has of its own, what that hits, and what is given back.

use lockstep_core::models::memory::Memory;

use super::tester::{Tester, gateway};

const CHANNEL: &str = "/sites/main/channels/1";

/// A server whose first plan has read the one channel.
async fn planned(gateway: &lockstep_sim::Gateway) -> Tester {
    let tester = Tester::with_site(gateway).await;
    tester.save(&[("pace", "auto")]).await;
    let begun = tester
        .post("/sites/main/models/run", &[("what", "preview")])
        .await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    for _ in 0..1_000 {
        if tester.get(CHANNEL).await.status == 200 {
            return tester;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the channel was never read");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_any_run_the_page_says_how_channels_come_to_be_known() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    tester
        .get("/sites/main/channels")
        .await
        .says("No channel is known yet");
    assert_eq!(tester.get(CHANNEL).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_tried_on_the_last_list_before_they_are_kept() {
    let gateway = gateway().await;
    let tester = planned(&gateway).await;
    tester
        .get("/sites/main/channels")
        .await
        .says(&format!("href=\"{CHANNEL}\""));
    let typed = [
        ("whose", "channel"),
        ("channel-exclude", "*-mini\nnothing-*"),
        ("channel-keep", "house-model"),
        ("channel-policy", "add-only"),
    ];
    let tried = [&typed[..], &[("preview", "1")]].concat();
    let page = tester.post(CHANNEL, &tried).await;
    assert_eq!(page.status, 200);
    page.says("1 of 2 names of the last list");
    page.says("hits nothing");
    page.says("1 of 2 names of the last list pass all rules");
    let stored = || async {
        let site = tester
            .app
            .store()
            .default_site()
            .await
            .expect("asked")
            .expect("a site");
        tester
            .app
            .store()
            .channel_overrides(&site.id)
            .await
            .expect("overrides")
    };
    assert!(stored().await.is_empty(), "a preview keeps nothing");
    let kept = tester.post(CHANNEL, &typed).await;
    assert_eq!(
        kept.location,
        format!("{CHANNEL}?said=saved"),
        "{}",
        kept.text
    );
    assert_eq!(stored().await[&1].keep, ["house-model"]);
    assert_eq!(stored().await[&1].rules.exclude.len(), 2);
    let again = tester.post(CHANNEL, &typed).await;
    assert_eq!(again.location, format!("{CHANNEL}?said=unchanged"));
    let own = tester.get("/sites/main/channels?show=own").await;
    own.says("Exclude rules: 2");
    tester
        .post(CHANNEL, &[("whose", "channel"), ("reset", "1")])
        .await;
    tester
        .get("/sites/main/channels?show=own")
        .await
        .says("Nothing matches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_taken_is_beside_its_field_and_nothing_is_kept() {
    let gateway = gateway().await;
    let tester = planned(&gateway).await;
    let fields = [("whose", "provider"), ("provider-include", "regex:(")];
    let page = tester.post(CHANNEL, &fields).await;
    assert_eq!(page.status, 422);
    page.says("id=\"provider-include-wrong\"");
    page.says("regex:(</textarea>");
    let fields = [("whose", "provider"), ("provider-include", "gpt-*")];
    assert_eq!(tester.post(CHANNEL, &fields).await.status, 303);
    tester.get(CHANNEL).await.says("The only channel of");
    let site = tester
        .app
        .store()
        .default_site()
        .await
        .expect("asked")
        .expect("a site");
    let kept = tester
        .app
        .store()
        .provider_overrides(&site.id)
        .await
        .expect("overrides");
    assert_eq!(kept.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_by_hand_is_yours_until_it_is_released() {
    let gateway = gateway().await;
    let tester = planned(&gateway).await;
    let site = tester
        .app
        .store()
        .default_site()
        .await
        .expect("asked")
        .expect("a site");
    let memory = Memory {
        settled: Some(vec!["gpt-5".to_owned()]),
        yours: ["house-model".to_owned()].into(),
        taken_out: ["gpt-5-mini".to_owned()].into(),
        ..Memory::default()
    };
    tester
        .app
        .store()
        .set_memory(&site.id, 1, &memory)
        .await
        .expect("kept");
    let page = tester.get(CHANNEL).await;
    page.says("value=\"house-model\"");
    page.says("value=\"gpt-5-mini\"");
    let release = format!("{CHANNEL}/release");
    let nothing = tester.post(&release, &[]).await;
    assert_eq!(nothing.location, format!("{CHANNEL}?said=nothing-chosen"));
    let done = tester.post(&release, &[("name", "gpt-5-mini")]).await;
    assert_eq!(done.location, format!("{CHANNEL}?said=saved"));
    let page = tester.get(CHANNEL).await;
    page.says("value=\"house-model\"");
    page.never_says("value=\"gpt-5-mini\"");
    assert_eq!(
        tester.post(&release, &[("name", "stranger")]).await.status,
        400
    );
}
