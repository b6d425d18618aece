//! The model sync page: what it shows, begins, writes and answers.

use lockstep_core::change::RunState;
use lockstep_core::hold::Answer;
use lockstep_core::models::policy::Policy;
use lockstep_sim::{Channel, Gateway, Manner, Provider, Spec};

use secrecy::SecretString;

use super::tester::{Page, Tester};
use crate::config::File;
use crate::server::caller::Scope;

const MODELS: &str = "/sites/main/models";
const RUN: &str = "/sites/main/models/run";

/// 1 gains a name, 2 is in order, 3 loses one of ten, 4 lost most of its names, which is held, and 5 fails.
pub(super) async fn mixed() -> Gateway {
    let ten: Vec<String> = (0..10).map(|n| format!("gamma-{n}")).collect();
    let channel =
        |id, name: &str, at: &str, models: &str| Channel::new(id, name).at(at).models(models);
    let spec = Spec::new()
        .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini", "gpt-5-nano"]))
        .provider(Provider::new("beta", ["claude-opus", "claude-sonnet"]))
        .provider(Provider::new("gamma", &ten[..9]))
        .provider(Provider::new("cheap", ["old-0"]))
        .provider(Provider::new("grok", ["grok-4"]).manner(Manner::WantsOtherKey))
        .channel(channel(1, "Acme", "acme", "gpt-5,gpt-5-mini"))
        .channel(channel(2, "Beta <b>", "beta", "claude-opus,claude-sonnet"))
        .channel(channel(3, "Gamma 伽玛", "gamma", &ten.join(",")))
        .channel(channel(
            4,
            "Cheap",
            "cheap",
            "old-0,old-1,old-2,old-3,old-4,old-5",
        ))
        .channel(channel(5, "Grok", "grok", "grok-3"));
    Gateway::start(spec).await.expect("a gateway")
}

pub(super) fn written(gateway: &Gateway) -> Vec<i64> {
    let writes = gateway.effective_writes();
    let mut ids: Vec<i64> = writes.iter().filter_map(|entry| entry.channel).collect();
    ids.sort_unstable();
    ids
}

/// The ids of the rows that a page shows, in their order.
pub(super) fn rows(page: &Page) -> Vec<i64> {
    let rows = page.text.split("<tr id=\"row-").skip(1);
    rows.map(|row| {
        row.split('"')
            .next()
            .expect("an id")
            .parse()
            .expect("an id")
    })
    .collect()
}

/// The row of a channel.
pub(super) fn row(page: &Page, id: i64) -> &str {
    let (_, row) = page
        .text
        .split_once(&format!("<tr id=\"row-{id}\">"))
        .unwrap_or_else(|| panic!("no row {id} in\n{}", page.text));
    row.split("<tr id=").next().expect("a row")
}

/// The number on a chip.
pub(super) fn chip(page: &Page, code: &str) -> u64 {
    let (_, chip) = page
        .text
        .split_once(&format!("id=\"show-{code}\""))
        .unwrap_or_else(|| panic!("no chip {code} in\n{}", page.text));
    let (_, count) = chip.split_once("<b>").expect("a count");
    count
        .split('<')
        .next()
        .expect("it")
        .parse()
        .expect("a number")
}

/// Begins a run by a button, and waits until it is at rest.
pub(super) async fn begin(tester: &Tester, what: &str) -> RunState {
    let begun = tester.post(RUN, &[("what", what)]).await;
    assert_eq!(
        begun.location,
        format!("{MODELS}?said=started"),
        "{}",
        begun.text
    );
    tester.rest().await.state
}

/// Writes the plan that the page shows.
pub(super) async fn apply(tester: &Tester) -> Page {
    let page = tester.get(MODELS).await;
    let fields = page.fields("action=\"/sites/main/models/apply\"");
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    tester.post("/sites/main/models/apply", &fields).await
}

#[tokio::test]
async fn with_nothing_run_yet_the_channels_of_the_gateway_are_there_to_be_chosen() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    let first = tester.get(MODELS).await;
    assert_eq!(first.status, 200);
    let page = tester.until(MODELS, "Grok").await;
    assert_eq!(rows(&page), [1, 2, 3, 4, 5]);
    for text in [
        "Nothing has run yet",
        "not run yet",
        "directly modify the model list configuration",
        "Beta &#60;b&#62;",
        "2 models",
    ] {
        page.says(text);
    }
    let found = tester.get(&format!("{MODELS}?q=gamma")).await;
    assert_eq!(rows(&found), [3]);
    let turned = tester.get(&format!("{MODELS}?sort=-name")).await;
    assert_eq!(rows(&turned), [5, 3, 4, 2, 1]);
    let none = tester.get(&format!("{MODELS}?show=failed")).await;
    none.says("Nothing matches");
    let fields = [("what", "selected"), ("pick", "2"), ("pick", "1")];
    tester.post(RUN, &fields).await;
    let run = tester.rest().await;
    assert_eq!(run.selection, Some(vec![1, 2]));
    // A first run stops at its plan, and the others are still there to be chosen.
    assert_eq!(run.state, RunState::Planned);
    let page = tester.get(MODELS).await;
    assert_eq!(rows(&page), [1, 2, 3, 4, 5]);
    page.says("Apply 1 change");
    assert!(gateway.effective_writes().is_empty());
}

#[tokio::test]
async fn the_first_run_all_shows_its_plan_and_two_clicks_later_it_is_written() {
    let gateway = mixed().await;
    let mut tester = Tester::quick(&gateway).await;
    assert_eq!(begin(&tester, "all").await, RunState::Planned);
    assert!(gateway.effective_writes().is_empty());
    let page = tester.get(MODELS).await;
    for text in [
        "Apply 2 changes",
        "Nothing was written yet",
        "Please ensure you have backed up important configurations",
        "Total Channels",
        "Success Count",
        "Failure Count",
        "Skipped",
        "Duration",
        "Start Time",
        "End Time",
        "Next Scheduled Time",
        "Auto-sync is off",
        "Automatic pace",
    ] {
        page.says(text);
    }
    assert_eq!(
        rows(&tester.get(&format!("{MODELS}?show=planned")).await),
        [1, 3]
    );
    tester.language = "zh-CN";
    tester.get(MODELS).await.says("应用 2 项更改");
    tester.language = "en";
    assert_eq!(
        apply(&tester).await.location,
        format!("{MODELS}?said=started")
    );
    assert_eq!(tester.rest().await.state, RunState::Partial);
    assert_eq!(written(&gateway), [1, 3]);
    let page = tester.get(MODELS).await;
    page.never_says("Apply 2 changes");
    assert_eq!(chip(&page, "changed"), 2);
    assert!(row(&page, 1).contains("+1"), "{}", row(&page, 1));
    assert!(row(&page, 3).contains("&minus;1"), "{}", row(&page, 3));
    // From now on a run that somebody begins writes at once.
    gateway
        .provider("beta")
        .set_models(["claude-opus", "claude-sonnet", "claude-haiku"]);
    begin(&tester, "all").await;
    assert_eq!(written(&gateway), [1, 2, 3]);
}

#[tokio::test]
async fn of_a_plan_the_chosen_channels_alone_can_be_written() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    tester.get(MODELS).await.never_says("Apply Selected");
    begin(&tester, "preview").await;
    let page = tester.get(MODELS).await;
    page.says("Apply Selected</span>");
    // Only channels that the plan changes are counted.
    let page = tester.get(&format!("{MODELS}?pick=1%2C2")).await;
    page.says("2 selected");
    page.says("Apply Selected (1)");
    let all = tester.get(&format!("{MODELS}?take=all")).await.location;
    tester.get(&all).await.says("Apply Selected (2)");
    let send = async |picks: &[&str]| {
        let (run, plan) = (page.value("run"), page.value("plan"));
        let mut fields = vec![("run", run.as_str()), ("plan", &plan), ("chosen", "1")];
        fields.extend(picks.iter().map(|id| ("pick", *id)));
        tester.post("/sites/main/models/apply", &fields).await
    };
    // A choice of nothing is never taken for all, and one that the plan does not change is refused.
    let none = send(&[]).await;
    assert_eq!(none.location, format!("{MODELS}?said=none-selected"));
    assert_eq!(send(&["2"]).await.status, 409);
    assert!(gateway.effective_writes().is_empty());
    let led = send(&["1", "2"]).await;
    assert_eq!(led.location, format!("{MODELS}?said=started"));
    tester.rest().await;
    assert_eq!(written(&gateway), [1]);
}

#[tokio::test]
async fn a_preview_writes_nothing_however_often() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    for _ in 0..2 {
        assert_eq!(begin(&tester, "preview").await, RunState::Planned);
    }
    assert!(gateway.effective_writes().is_empty());
}

#[tokio::test]
async fn a_plan_that_rests_on_something_else_is_shown_again_and_not_written() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let before = tester.rest().await;
    let shown = tester.get(MODELS).await;
    tester
        .save(&[
            ("keep", "gamma-9\n"),
            (
                "seen",
                &tester.get("/sites/main/settings").await.value("seen"),
            ),
        ])
        .await;
    let fields = shown.fields("action=\"/sites/main/models/apply\"");
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let led = tester.post("/sites/main/models/apply", &fields).await;
    assert_eq!(led.location, format!("{MODELS}?said=plan-moved"));
    let again = tester.rest().await;
    assert_ne!(again.id, before.id);
    assert!(gateway.effective_writes().is_empty());
    let page = tester.get(&led.location).await;
    page.says("Something moved since this plan was made");
    page.says("Apply 1 change");
    apply(&tester).await;
    tester.rest().await;
    assert_eq!(written(&gateway), [1]);
}

#[tokio::test]
async fn a_channel_that_somebody_edits_meanwhile_is_not_overwritten() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    gateway.edit_channel(1, |channel| channel.models = "gpt-5,mine".to_owned());
    apply(&tester).await;
    tester.rest().await;
    assert_eq!(written(&gateway), [3]);
    let page = tester.get(&format!("{MODELS}?show=failed")).await;
    assert!(row(&page, 1).contains("Moved"), "{}", row(&page, 1));
    // It can be looked at again before it is written, or retried with whatever else failed.
    let fields = [("what", "preview-selected"), ("pick", "1")];
    tester.post(RUN, &fields).await;
    let run = tester.rest().await;
    assert_eq!(
        (run.state, run.selection),
        (RunState::Planned, Some(vec![1]))
    );
    assert_eq!(written(&gateway), [3]);
    gateway.edit_channel(1, |channel| channel.models = "gpt-5,ours".to_owned());
    apply(&tester).await;
    tester.rest().await;
    begin(&tester, "failed").await;
    assert_eq!(written(&gateway), [1, 3]);
}

#[tokio::test]
async fn chips_search_order_and_groups_are_asked_of_the_server() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let page = tester.get(MODELS).await;
    let counts = [
        "all", "success", "failed", "changed", "held", "skipped", "planned",
    ];
    let counts = counts.map(|code| chip(&page, code));
    assert_eq!(counts, [5, 1, 1, 0, 1, 0, 2]);
    for (query, found) in [
        ("?show=failed", vec![5]),
        ("?show=held", vec![4]),
        ("?show=success", vec![2]),
        ("?q=ACME", vec![1]),
        ("?q=401", vec![5]),
        ("?q=%E4%BC%BD", vec![3]),
        ("?q=no+such+thing", vec![]),
        ("?sort=name", vec![1, 2, 4, 3, 5]),
        ("?sort=-id", vec![5, 4, 3, 2, 1]),
        ("?sort=-http", vec![5, 4, 3, 2, 1]),
    ] {
        let page = tester.get(&format!("{MODELS}{query}")).await;
        assert_eq!(rows(&page), found, "{query}");
    }
    let page = tester.get(&format!("{MODELS}?group=provider")).await;
    assert_eq!(page.text.matches("<tr class=\"group\">").count(), 5);
    page.says("/acme");
    let led = tester
        .get(&format!("{MODELS}?show=all&q=&page=7&x=1"))
        .await;
    assert_eq!(led.location, format!("{MODELS}?page=7"));
    assert_eq!(tester.get(&led.location).await.location, MODELS);
}

#[tokio::test]
async fn what_is_shown_can_be_had_as_files() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let page = tester.get(&format!("{MODELS}?sort=-id&size=25")).await;
    page.says("href=\"/sites/main/models.csv?sort=-id\"");
    let csv = tester.get("/sites/main/models.csv?sort=-id").await.text;
    let ids: Vec<&str> = csv
        .split("\r\n")
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(ids, ["channel_id", "5", "4", "3", "2", "1", ""], "{csv}");
    let heading = csv.lines().next().expect("a heading");
    let gamma = csv.lines().find(|line| line.starts_with("3,"));
    let place = |column: &str| heading.split(',').position(|name| name == column);
    let cell = |column| gamma?.split(',').nth(place(column)?);
    assert_eq!(cell("old_models.count"), Some("10"), "{csv}");
    assert_eq!(cell("new_models.count"), Some("9"), "{csv}");
    assert_eq!(cell("removed"), Some("gamma-9"), "{csv}");
    assert!(
        !csv.contains("gamma-8"),
        "whole lists are in the JSON\n{csv}"
    );
    let json = tester.get("/sites/main/models.json?show=held").await.text;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let items = json["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{json}");
    assert_eq!(items[0]["channel_id"], 4);
    assert_eq!(items[0]["hold"]["reason"], "too_many_removed");
    assert_eq!(items[0]["old_models"].as_array().map(Vec::len), Some(6));
}

#[tokio::test]
async fn a_row_opens_to_both_lists_and_to_why_names_stay() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let page = tester.get(&format!("{MODELS}?open=3")).await;
    page.says("aria-expanded=\"true\"");
    // What the two numbers of a row mean stands at their columns, and in the row that is opened.
    for hint in [
        "The status of the API request; 200 means success.",
        "How often it was tried, retries included.",
    ] {
        page.says(&format!("title=\"{hint}\">"));
        page.says(&format!("<span class=\"hint\">{hint}</span>"));
    }
    let row = row(&page, 3);
    for text in [
        "Old Model List (10)",
        "New Model List (9)",
        "Removed (1)",
        "<li class=\"name drop\">gamma-9</li>",
    ] {
        assert!(row.contains(text), "{text}\n{row}");
    }
    let page = tester.get(&format!("{MODELS}?open=5")).await;
    let failed = self::row(&page, 5);
    for text in ["401", "No difference", "Old Model List (1)", "kept 1"] {
        assert!(failed.contains(text), "{text}\n{failed}");
    }
}

#[tokio::test]
async fn each_of_the_four_answers_to_a_hold_does_what_it_says() {
    for answer in Answer::ALL {
        let gateway = mixed().await;
        let tester = Tester::quick(&gateway).await;
        begin(&tester, "preview").await;
        let page = tester.get(&format!("{MODELS}?open=4")).await;
        for answer in Answer::ALL {
            page.says(&format!("name=\"answer\" value=\"{}:4\"", answer.code()));
        }
        let value = format!("{}:4", answer.code());
        let fields = [("answer", value.as_str()), ("open", "4")];
        let led = tester.post("/sites/main/models/answer", &fields).await;
        let said = match answer {
            Answer::ApplyAnyway => "started",
            _ => "saved",
        };
        assert_eq!(
            led.location,
            format!("{MODELS}?open=4&said={said}"),
            "{answer:?}"
        );
        tester.rest().await;
        let site = tester.site().await;
        let store = tester.app.store();
        assert!(store.holds(&site.id).await.expect("holds").is_empty());
        let writes = written(&gateway);
        let own = store.channel_overrides(&site.id).await.expect("overrides");
        let own = own.get(&4).cloned().unwrap_or_default();
        match answer {
            Answer::ApplyAnyway => {
                assert_eq!(writes, [4]);
                assert_eq!(gateway.channel(4).expect("it").models, "old-0");
            }
            Answer::KeepUntilItChanges => {
                begin(&tester, "preview").await;
                assert!(store.holds(&site.id).await.expect("holds").is_empty());
                gateway.provider("cheap").set_models(["old-1"]);
                begin(&tester, "preview").await;
                assert_eq!(store.holds(&site.id).await.expect("holds").len(), 1);
            }
            Answer::AlwaysAllow => assert_eq!(own.allowed, ["too_many_removed"]),
            Answer::NeverSync => assert_eq!(own.policy, Some(Policy::Exclude)),
        }
        if *answer != Answer::ApplyAnyway {
            assert!(writes.is_empty(), "{answer:?}");
            let again = tester
                .post("/sites/main/models/answer", &[("answer", "keep:1")])
                .await;
            assert_eq!(again.location, format!("{MODELS}?said=nothing-held"));
        }
    }
}

#[tokio::test]
async fn what_was_chosen_is_run_over_pages_and_by_the_filter() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let none = tester.post(RUN, &[("what", "selected")]).await;
    assert_eq!(none.location, format!("{MODELS}?said=none-selected"));
    tester
        .get(&none.location)
        .await
        .says("Please select at least one channel");
    // Boxes of this page, and what was chosen on another one, which the filter hides now.
    let fields = [
        ("what", "selected"),
        ("show", "success"),
        ("pick", "1,5"),
        ("pick", "2"),
    ];
    let led = tester.post(RUN, &fields).await;
    assert_eq!(led.location, format!("{MODELS}?show=success&said=started"));
    assert_eq!(tester.rest().await.selection, Some(vec![1, 2, 5]));
    let all = tester.get(&format!("{MODELS}?q=a&take=all")).await;
    let page = tester.get(&all.location).await;
    page.says("Run Selected (5)");
    page.says("5 selected");
    // All that match come beside what was ticked, and stay under another filter.
    let held = format!("{MODELS}?show=held&pick=2&take=all");
    let all = tester.get(&held).await;
    assert_eq!(all.location, format!("{MODELS}?show=held&pick=2%2C4"));
    tester.get(&all.location).await.says("Run Selected (2)");
    let other = all.location.replace("held", "failed");
    tester.get(&other).await.says("Run Selected (2)");
    let fields = [("what", "selected"), ("show", "held"), ("take", "all")];
    tester.post(RUN, &fields).await;
    assert_eq!(tester.rest().await.selection, Some(vec![4]));
}

#[tokio::test]
async fn one_channel_is_synced_and_what_failed_is_retried() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    // The row's button wins over the boxes of the same form.
    let fields = [("pick", "1"), ("pick", "2"), ("one", "3")];
    tester.post(RUN, &fields).await;
    assert_eq!(tester.rest().await.selection, Some(vec![3]));
    assert_eq!(written(&gateway), [3]);
    gateway.provider("grok").set_manner(Manner::Well);
    begin(&tester, "failed").await;
    assert_eq!(tester.rest().await.selection, Some(vec![5]));
    assert_eq!(written(&gateway), [3, 5]);
    // The others kept their results.
    let page = tester.get(MODELS).await;
    assert_eq!(rows(&page), [1, 2, 3, 4, 5]);
    assert_eq!(chip(&page, "failed"), 0);
    let none = tester.post(RUN, &[("what", "failed")]).await;
    assert_eq!(none.location, format!("{MODELS}?said=none-failed"));
}

#[tokio::test]
async fn a_policy_holds_for_all_channels_of_a_provider() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let page = tester.get(&format!("{MODELS}?group=provider")).await;
    let row = page
        .text
        .split("<tr class=\"group\">")
        .nth(1)
        .expect("a group");
    let (_, key) = row
        .split_once("name=\"provider-0\" value=\"")
        .expect("its key");
    let key = key.split('"').next().expect("it").to_owned();
    let set = async |policy: &str| {
        let fields = [
            ("provider-0", key.as_str()),
            ("policy-0", policy),
            ("set", "0"),
            ("back", "/sites/main/models?group=provider"),
        ];
        tester.post("/sites/main/models/provider", &fields).await
    };
    let led = set("add-only").await;
    assert_eq!(led.location, "/sites/main/models?group=provider&said=saved");
    let site = tester.site().await;
    let own = tester
        .app
        .store()
        .provider_overrides(&site.id)
        .await
        .expect("overrides");
    let own: Vec<_> = own.values().map(|own| own.policy).collect();
    assert_eq!(own, [Some(Policy::AddOnly)]);
    assert_eq!(
        set("add-only").await.location,
        "/sites/main/models?group=provider&said=unchanged"
    );
    tester
        .get(&led.location)
        .await
        .says("<option value=\"add-only\" selected>");
    assert_eq!(set("nothing").await.status, 404);
    set("").await;
    let own = tester
        .app
        .store()
        .provider_overrides(&site.id)
        .await
        .expect("overrides");
    assert!(own.values().all(|own| own.policy.is_none()));
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_on_the_page_with_the_way_on() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    // A run that fails as a whole says why.
    let site = tester.site().await;
    let wrong = Some(SecretString::from("another token"));
    tester
        .app
        .store()
        .set_token(&site.id, wrong)
        .await
        .expect("stored");
    begin(&tester, "all").await;
    let page = tester.get(MODELS).await;
    page.says("class=\"say bad-edge\"");
    page.says("system access token");
    // Without a token nothing can be begun, and the page leads to the field.
    tester
        .app
        .store()
        .set_token(&site.id, None)
        .await
        .expect("forgotten");
    let page = tester.get(MODELS).await;
    page.says("/sites/main/settings#token");
    page.says("value=\"preview\" disabled");
    let refused = tester.post(RUN, &[("what", "all")]).await;
    assert_eq!(refused.status, 409);
    refused.says("class=\"say bad-edge\"");
}

/// A site that nobody can reach.
pub(super) fn unreachable_site() -> lockstep_store::sites::NewSite {
    lockstep_store::sites::NewSite {
        name: Some("main".to_owned()),
        url: lockstep_core::site::GatewayUrl::parse("https://gateway.example").expect("an address"),
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: Default::default(),
        token: None,
    }
}

#[tokio::test]
async fn whoever_may_look_only_begins_and_writes_nothing() {
    let tester = Tester::with(File::default(), Scope::Read).await;
    let site = unreachable_site();
    tester.app.store().add_site(site, 0).await.expect("a site");
    for (path, fields) in [
        (RUN, [("what", "all")]),
        (RUN, [("what", "preview")]),
        ("/sites/main/models/apply", [("run", "1")]),
        ("/sites/main/models/answer", [("answer", "keep:1")]),
        ("/sites/main/models/provider", [("set", "0")]),
    ] {
        let refused = tester.post(path, &fields).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.location.is_empty());
    }
}
