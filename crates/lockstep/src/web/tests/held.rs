//! Prices that wait: they are counted, listed and answered in one place, and what is written waits no more.

use std::collections::BTreeMap;

use lockstep_core::change::Subject;
use lockstep_run::jobs::{Go, Job, Order};
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_sim::price::pricing_list;
use lockstep_sim::{Channel, Gateway, Page as Answer, Price, Provider, Spec};
use lockstep_store::sites::SiteEdit;

use super::models::begin;
use super::prices::{fetched, moving, own_source, reviewed, sent, settled, shop};
use super::tester::{PATIENCE, Tester};
use crate::api::orders;

const PRICES: &str = "/sites/main/prices";
const HELD: &str = "/sites/main/prices/held";
const UNPRICED: &str = "/sites/main/unpriced";

/// Plans prices as a schedule does, and waits for the plan.
pub(super) async fn unattended(tester: &Tester) {
    let (app, site) = (&tester.app, tester.site().await);
    let set = [("price-first-seen".to_owned(), Some("0".to_owned()))];
    let edit = SiteEdit {
        settings: Some(set.into_iter().collect()),
        ..SiteEdit::default()
    };
    app.store().edit_site(&site.id, edit).await.expect("edited");
    let site = tester.site().await;
    let laid = orders::settings(app, &site, &BTreeMap::new()).expect("settings");
    let request = orders::prices(app, &site, What::Sources, &laid, false).await;
    let request = PriceRequest {
        unattended: true,
        whole: true,
        ..request.expect("a request")
    };
    let job = Job {
        access: orders::access(app, site.clone()).await.expect("access"),
        settings: laid.settings,
        actor: "schedule".to_owned(),
        order: Order::Prices(Box::new(request), Go::Plans),
        verify: false,
    };
    app.jobs().start(job).await.expect("begun");
    let rest = async {
        while !app.jobs().all().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("a rest");
}

/// A figure of the overview, by its label.
async fn figure(tester: &Tester, label: &str) -> String {
    let page = tester.get("/").await;
    let (_, rest) = page
        .text
        .split_once(&format!("<dt>{label}</dt>"))
        .expect("it");
    let (figure, _) = rest.split_once("</dd>").expect("its end");
    let pieces = figure
        .split('<')
        .filter_map(|piece| piece.split('>').next_back());
    pieces.collect::<String>().trim().to_owned()
}

async fn waiting(tester: &Tester) -> u64 {
    let site = tester.site().await;
    let counts = tester.app.store().hold_counts(&site.id).await;
    counts.expect("counts").models
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_one_number_that_leads_to_a_list_with_its_answers() {
    let (gateway, tester) = moving().await;
    tester.get(HELD).await.says("No price waits for an answer");
    fetched(&tester).await;
    unattended(&tester).await;
    assert_eq!(waiting(&tester).await, 3);
    let page = settled(&tester, PRICES).await;
    page.says(&format!("<a class=\"count\" href=\"{HELD}\">3<"));
    page.says("3 prices wait for your answer.");
    let held = tester.get(HELD).await;
    for said in ["leaps", "falls", "shrinks"] {
        held.says(&format!("<b>{said}</b>"));
        held.says(&format!("value=\"keep/{said}\""));
    }
    held.says("it would rise by 188 %");
    held.says("1 to 3 of 3");
    held.never_says("<b>rises</b>");
    let one = tester.get(&format!("{HELD}?reason=large_fall")).await;
    one.says("1 to 1 of 1");
    let none = tester.post(HELD, &[("answer", "keep")]).await;
    assert!(
        none.location.ends_with("said=nothing-chosen"),
        "{}",
        none.location
    );
    let begun = tester.post(HELD, &[("answer", "apply/leaps")]).await;
    settled(&tester, &begun.location)
        .await
        .says("Written and read back: 1 model");
    let map = gateway.option("ModelRatio").expect("a map");
    assert!(map.contains("\"leaps\": 1.44"), "{map}");
    assert!(map.contains("\"falls\": 0.5"), "{map}");
    assert_eq!(waiting(&tester).await, 2);
    tester.post(HELD, &[("answer", "keep/shrinks")]).await;
    let held = tester.get(HELD).await;
    held.says("1 to 1 of 1");
    held.says("<b>falls</b>");
    // By another answer a plan would be another one: what waits is planned anew, and shown before it is written.
    let begun = tester.post(HELD, &[("answer", "apply/falls")]).await;
    let review = settled(&tester, &begun.location).await;
    review.says("Apply 1");
    let plan = review.value("plan");
    tester
        .post(&format!("{}/apply", begun.location), &[("plan", &plan)])
        .await;
    settled(&tester, &begun.location)
        .await
        .says("Written and read back: 1 model");
    assert_eq!(waiting(&tester).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_is_written_by_a_review_waits_no_more() {
    let (_gateway, tester) = moving().await;
    fetched(&tester).await;
    unattended(&tester).await;
    let page = settled(&tester, &format!("{PRICES}?column=-&q=leaps")).await;
    page.says("it would rise by 188 %");
    let ticked = sent(&page, &["$2.88 of list for leaps"]);
    let (path, review) = reviewed(&tester, &ticked).await;
    let plan = [("plan", review.value("plan"))];
    let plan: Vec<(&str, &str)> = plan.iter().map(|(name, to)| (*name, to.as_str())).collect();
    tester.post(&format!("{path}/apply"), &plan).await;
    settled(&tester, &path).await.says("Written and read back");
    assert_eq!(waiting(&tester).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_written_is_not_proposed_once_more() {
    let (_gateway, tester) = moving().await;
    let page = fetched(&tester).await;
    page.says("Review 2");
    let (path, review) = reviewed(&tester, &sent(&page, &[])).await;
    let plan = review.value("plan");
    tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    let site = tester.site().await;
    let over = async {
        loop {
            let run = tester
                .app
                .store()
                .latest_run(&site.id, Subject::Prices)
                .await;
            if run.expect("asked").expect("a run").state.ended() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("written");
    let page = tester.get(PRICES).await;
    page.never_says("Review 2");
    let page = settled(&tester, PRICES).await;
    page.says("Choose values first");
    page.says("3 models differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_in_trouble_are_told_whatever_the_last_run_looked_at() {
    let (gateway, tester) = moving().await;
    let list = pricing_list(&[Price::tokens("level", 1.0, 4.0)], &[("default", 1.0)]);
    gateway
        .provider("acme")
        .set_page("/api/pricing", Answer::json(list));
    let added = tester
        .post(
            "/sites/main/prices/sources/add",
            &own_source(&gateway, "acme"),
        )
        .await;
    assert_eq!(added.status, 303, "{}", added.text);
    gateway
        .provider("acme")
        .set_page("/api/pricing", Answer::html());
    let page = fetched(&tester).await;
    begin(&tester, "preview").await;
    assert_eq!(figure(&tester, "Sources in trouble").await, "1");
    reviewed(&tester, &sent(&page, &[])).await;
    assert_eq!(figure(&tester, "Sources in trouble").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_about_prices_is_told_in_the_words_of_its_review() {
    let (_gateway, tester) = moving().await;
    fetched(&tester).await;
    unattended(&tester).await;
    let site = tester.site().await;
    let run = tester
        .app
        .store()
        .latest_run(&site.id, Subject::Prices)
        .await;
    let run = run.expect("asked").expect("a run").id;
    let run_page = format!("/sites/main/history/{run}");
    for path in [&format!("{PRICES}/runs/{run}"), &run_page] {
        let page = tester.get(path).await;
        for chip in [
            "All <b>6</b>",
            "Ready <b>2</b>",
            "Held <b>3</b>",
            "Left alone <b>1</b>",
        ] {
            page.says(chip);
        }
        page.says("<span class=\"badge none\">Left alone</span>");
        page.never_says("Skipped");
        page.never_says("Success <b>");
    }
    let left = tester.get(&format!("{run_page}?show=skipped")).await;
    left.says("1 to 1 of 1");
    left.says("<b>level</b>");
    let ready = tester.get(&format!("{run_page}?show=planned")).await;
    ready.says("1 to 2 of 2");
}

/// A gateway with a model that is served without a price, and two that its provider has and the price gate holds back.
async fn gated() -> (Gateway, Tester) {
    let list = [
        Price::tokens("bare", 1.0, 2.0),
        Price::tokens("next", 3.0, 9.0),
    ];
    let spec = Spec::new()
        .provider(Provider::new("acme", ["old", "bare", "next", "nobody"]))
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list))
        .channel(Channel::new(1, "Acme").at("acme").models("old,bare"))
        .prices(&[Price::tokens("old", 1.0, 4.0)]);
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = shop(&gateway).await;
    begin(&tester, "preview").await;
    fetched(&tester).await;
    (gateway, tester)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_wait_for_a_price_are_unpriced_and_counted_once() {
    let (gateway, tester) = gated().await;
    let page = settled(&tester, UNPRICED).await;
    for said in ["<b>bare</b>", "<b>next</b>", "<b>nobody</b>", "1 to 3 of 3"] {
        page.says(said);
    }
    page.says("Waits to be listed on Acme");
    assert_eq!(figure(&tester, "Unpriced models").await, "3");
    // With nothing ticked whatever is proposed without a doubt is reviewed.
    page.says("Review all 2 proposals");
    let begun = tester.post(&format!("{UNPRICED}/review"), &[]).await;
    let review = settled(&tester, &begun.location).await;
    review.says("Apply 2");
    let plan = review.value("plan");
    tester
        .post(&format!("{}/apply", begun.location), &[("plan", &plan)])
        .await;
    settled(&tester, &begun.location)
        .await
        .says("Written and read back: 2 models");
    assert!(
        gateway
            .option("ModelRatio")
            .expect("a map")
            .contains("next")
    );
    let page = settled(&tester, UNPRICED).await;
    page.says("1 to 1 of 1");
    page.says("<b>nobody</b>");
    page.says("No source has a price");
    page.says(" disabled><span id=\"picked-said\"");
    assert_eq!(figure(&tester, "Unpriced models").await, "1");
    let ignore = [("take", "all"), ("answer", "ignore")];
    tester.post(&format!("{UNPRICED}/answers"), &ignore).await;
    assert_eq!(figure(&tester, "Unpriced models").await, "0");
}
