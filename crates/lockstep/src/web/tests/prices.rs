//! The pages of prices: what they show, take and refuse.

use std::time::Duration;

use lockstep_core::change::{RunState, Subject};
use lockstep_core::hash::Digest;
use lockstep_core::settings::Settings;
use lockstep_run::jobs::{Job, Order};
use lockstep_sim::price::pricing_list;
use lockstep_sim::{Channel, Gateway, Page as Answer, Price, Provider, Spec};
use lockstep_store::runs::{NewRun, Run};

use super::models::begin;
use super::tester::{Page, Tester};

const PRICES: &str = "/sites/main/prices";
const SOURCES: &str = "/sites/main/prices/sources";

/// What the list says: one price agrees, one is dearer, two models have none yet, one looks like a slip of units, and one
/// is billed in another way.
fn list() -> Vec<Price> {
    vec![
        Price::tokens("amber", 2.0, 8.0),
        Price::tokens("birch", 1.5, 6.0),
        Price::tokens("cedar", 3.0, 15.0).cache_read(0.3),
        Price::per_call("dune", 0.04),
        Price::tokens("elm", 2_000.0, 8_000.0),
        Price::per_call("fir", 0.5),
    ]
}

pub(super) async fn gateway() -> Gateway {
    let served = ["amber", "birch", "cedar", "dune", "elm", "fir"];
    let spec = Spec::new()
        .provider(Provider::new("acme", served))
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list()))
        .channel(
            Channel::new(1, "Acme <1>")
                .at("acme")
                .models(&served.join(",")),
        )
        .prices(&[
            Price::tokens("amber", 2.0, 8.0),
            Price::tokens("birch", 1.0, 4.0),
            Price::tokens("elm", 2.0, 8.0),
            Price::tokens("fir", 1.0, 2.0),
        ]);
    Gateway::start(spec).await.expect("a gateway")
}

/// A server that knows the gateway, may call this machine, plans fast, and takes prices from the list.
pub(super) async fn shop(gateway: &Gateway) -> Tester {
    let tester = Tester::with_site(gateway).await;
    tester.save(&[("pace", "auto")]).await;
    allow(&tester).await;
    let added = tester.post(&format!("{SOURCES}/add"), &own(gateway)).await;
    assert_eq!(
        added.location,
        format!("{SOURCES}?said=saved"),
        "{}",
        added.text
    );
    tester
}

async fn allow(tester: &Tester) {
    let path = format!("{SOURCES}/allow");
    let allowed = tester.post(&path, &[("network", "127.0.0.0/8")]).await;
    assert_eq!(allowed.status, 303, "{}", allowed.text);
}

fn own(gateway: &Gateway) -> Vec<(&'static str, &'static str)> {
    own_source(gateway, "list")
}

/// What the form sends that adds one of the gateway's providers as a source.
pub(super) fn own_source(
    gateway: &Gateway,
    name: &'static str,
) -> Vec<(&'static str, &'static str)> {
    // Forms live as long as a test.
    let url: &'static str = gateway.provider(name).base_url().to_owned().leak();
    vec![
        ("place", "own"),
        ("url", url),
        ("endpoint", "/api/pricing"),
        ("name", name),
    ]
}

/// The page, wherever its address leads.
async fn look(tester: &Tester, path: &str) -> Page {
    let page = tester.get(path).await;
    match page.status.as_u16() {
        303 => tester.get(&page.location).await,
        _ => page,
    }
}

/// The page once nothing goes on behind it.
pub(super) async fn settled(tester: &Tester, path: &str) -> Page {
    for _ in 0..1_000 {
        let page = look(tester, path).await;
        let moves = ["id=\"working\"", "sse-connect"];
        if !moves.iter().any(|sign| page.text.contains(sign)) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it goes on and on");
}

pub(super) async fn fetched(tester: &Tester) -> Page {
    tester.get(PRICES).await;
    let begun = tester.post(&format!("{PRICES}/fetch"), &[]).await;
    assert_eq!(begun.status, 303);
    settled(tester, PRICES).await
}

/// What the form of the table sends, with some boxes ticked by the labels of their values.
pub(super) fn sent(page: &Page, ticked: &[&str]) -> Vec<(String, String)> {
    let mut fields = page.fields("<form class=\"card sheet\"");
    for label in ticked {
        fields.push(("cell".to_owned(), id(page, label)));
    }
    fields
}

/// What a value is chosen by, by the beginning of its label.
fn id(page: &Page, label: &str) -> String {
    let (before, _) = page
        .text
        .split_once(&format!("aria-label=\"Choose {label}"))
        .unwrap_or_else(|| panic!("no {label}\n{}", page.text));
    let (_, value) = before.rsplit_once("value=\"").expect("a value");
    value.split('"').next().expect("it").to_owned()
}

async fn post(tester: &Tester, path: &str, fields: &[(String, String)]) -> Page {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    tester.post(path, &fields).await
}

pub(super) async fn reviewed(tester: &Tester, fields: &[(String, String)]) -> (String, Page) {
    let begun = post(tester, &format!("{PRICES}/review"), fields).await;
    assert!(begun.location.contains("/prices/runs/"), "{}", begun.text);
    let page = tester.get(&begun.location).await;
    (begun.location, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_the_page_says_how_to_choose_one() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    for path in [PRICES, "/sites/main/unpriced"] {
        let page = tester.get(path).await;
        page.says("No price source is chosen yet");
        page.says(&format!("href=\"{SOURCES}\""));
    }
    let page = tester.get(SOURCES).await;
    page.says("value=\"official\"");
    page.says("value=\"models.dev\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_never_waits_and_opens_on_what_is_known() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    gateway
        .provider("list")
        .set_page("/api/pricing", lockstep_sim::Page::html());
    let first = tester.get(PRICES).await;
    first.says("id=\"working\"");
    let page = fetched(&tester).await;
    page.says("its last good one is shown");
    gateway.provider("list").set_page(
        "/api/pricing",
        lockstep_sim::Page::json(lockstep_sim::price::pricing_list(
            &list(),
            &[("default", 1.0)],
        )),
    );
    let page = fetched(&tester).await;
    page.says("5 models differ; 4 have a price");
    page.says("Served by #1");
    let before = gateway.log().len();
    tester.get(PRICES).await.says("birch");
    assert_eq!(gateway.log().len(), before, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_shown_in_dollars_or_ratios_with_what_looks_wrong_and_what_the_policy_proposes()
{
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let page = fetched(&tester).await;
    for said in [
        "$1.5",
        "Not Set",
        "unit slip?",
        "bills per call instead of per token",
        "from list",
    ] {
        page.says(said);
    }
    let ratios = look(&tester, &format!("{PRICES}?unit=ratios")).await;
    ratios.says("<span>0.75</span>");
    ratios.never_says("$1.5");
    // Only models without a price are the policy's to change, and what looks wrong never is.
    page.says("Review 2");
    page.never_says("amber</b>");
    page.says("/differences.csv?sort=model\"");
    let suspicious = look(&tester, &format!("{PRICES}?show=suspicious")).await;
    suspicious.says("elm");
    suspicious.never_says("<b>birch</b>");
    let dearer = look(&tester, &format!("{PRICES}?show=dearer")).await;
    dearer.says("<b>birch</b>");
    dearer.never_says("<b>cedar</b>");
    let one = tester
        .get(&format!("{PRICES}?field=cache_ratio&q=CED"))
        .await;
    one.says("1 to 1 of 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_are_two_clicks_from_the_gateway_and_undone_by_two_more() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let page = fetched(&tester).await;
    let (path, review) = reviewed(&tester, &sent(&page, &[])).await;
    review.says("Apply 2");
    review.says("cedar");
    review.never_says("<b>birch</b>");
    review.says("at group ratio 1");
    assert_eq!(gateway.effective_writes().len(), 0);
    let plan = review.value("plan");
    let done = tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    assert_eq!(done.location, path);
    let page = settled(&tester, &path).await;
    page.says("Written and read back: 2 models");
    let map = gateway.option("ModelRatio").expect("a map");
    assert!(
        map.contains("cedar") && !map.contains("\"birch\":0.75"),
        "{map}"
    );
    let undo = tester.post(&format!("{path}/undo"), &[]).await;
    let review = settled(&tester, &undo.location).await;
    review.says("Review the undo");
    let plan = review.value("plan");
    tester
        .post(&format!("{}/apply", undo.location), &[("plan", &plan)])
        .await;
    settled(&tester, &undo.location)
        .await
        .says("Written and read back: 2 models");
    assert!(
        !gateway
            .option("ModelRatio")
            .expect("a map")
            .contains("cedar")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_price_page_is_asked_afterwards_where_that_is_ticked() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let page = fetched(&tester).await;
    let (path, review) = reviewed(&tester, &sent(&page, &[])).await;
    review.says("<input type=\"checkbox\" name=\"verify\" aria-describedby=\"verify-hint\">");
    let plan = review.value("plan");
    let yes = [("plan", plan.as_str()), ("verify", "on")];
    tester.post(&format!("{path}/apply"), &yes).await;
    let said = "price page bills by what was written";
    let page = tester.until(&path, said).await;
    page.says("class=\"say good-edge\" id=\"billed\"");
    page.says("Written and read back: 2 models");
    page.never_says("hx-trigger=\"every 2s\"");
    // Of a run that did not want it nobody is asked.
    while !tester.app.jobs().all().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.clear_log();
    let undo = tester.post(&format!("{path}/undo"), &[]).await;
    let review = settled(&tester, &undo.location).await;
    let plan = review.value("plan");
    tester
        .post(&format!("{}/apply", undo.location), &[("plan", &plan)])
        .await;
    settled(&tester, &undo.location)
        .await
        .never_says("id=\"billed\"");
    let log = gateway.log();
    let asked = |path: &str| log.iter().any(|entry| entry.path.starts_with(path));
    assert!(asked("/api/option/") && !asked("/api/pricing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_is_chosen_by_hand_and_stays_chosen_in_the_address() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let page = fetched(&tester).await;
    // All proposals unticked, one value of birch ticked.
    let mut fields = sent(&page, &[]);
    fields.retain(|(name, _)| name != "cell");
    fields.push(("cell".to_owned(), id(&page, "$1.5 of list for birch")));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&fields);
    let moved = tester.get(&format!("{PRICES}?{}", query.finish())).await;
    assert_eq!(moved.status, 303);
    assert!(moved.location.contains("column=-"), "{}", moved.location);
    let page = look(&tester, &moved.location).await;
    page.says("Review 1");
    let elsewhere = look(&tester, &format!("{}&q=cedar", moved.location)).await;
    elsewhere.says("Review 1");
    let (_, review) = reviewed(&tester, &sent(&page, &[])).await;
    review.says("<b>birch</b>");
    review.says("Apply 1");
    review.never_says("<b>cedar</b>");
    review.says("model ratio");
    review.never_says("completion ratio");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_chosen_over_the_whole_filter_without_what_looks_wrong() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    fetched(&tester).await;
    let page = look(&tester, &format!("{PRICES}?column=list&size=25")).await;
    page.says("suspicious ones were left out");
    page.says("Review 3");
    let (_, review) = reviewed(&tester, &sent(&page, &[])).await;
    for model in ["birch", "cedar", "dune"] {
        review.says(&format!("<b>{model}</b>"));
    }
    review.never_says("<b>elm</b>");
    let fewer = look(&tester, &format!("{PRICES}?column=list&q=birch")).await;
    fewer.says("Review 1");
    let nothing = look(&tester, &format!("{PRICES}?column=-")).await;
    // A press that chooses as a whole does so whatever was ticked where it was pressed.
    for (from, base, leads) in [
        (&page, "-", "?size=25&column=-"),
        (&nothing, "list", "?column=list"),
        (&nothing, "", ""),
    ] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .extend_pairs(sent(from, &[]))
            .append_pair("base", base);
        let moved = tester.get(&format!("{PRICES}?{}", query.finish())).await;
        assert_eq!(moved.location, format!("{PRICES}{leads}"));
    }
    let refused = post(&tester, &format!("{PRICES}/review"), &sent(&nothing, &[])).await;
    assert!(
        refused.location.ends_with("said=nothing-chosen"),
        "{}",
        refused.location
    );
}

/// A gateway whose list has prices that moved: a little, by far, by very far, and one of a model that is new.
pub(super) async fn moving() -> (Gateway, Tester) {
    let served = ["level", "rises", "leaps", "falls", "shrinks", "fresh"];
    let list = [
        Price::tokens("level", 1.0, 4.0),
        Price::tokens("rises", 1.2, 4.8),
        Price::tokens("leaps", 2.88, 11.52),
        Price::tokens("falls", 0.33, 1.32),
        Price::tokens("shrinks", 0.01, 0.04).cache_read(0.001),
        Price::tokens("fresh", 5.0, 10.0),
    ];
    let spec = Spec::new()
        .provider(Provider::new("acme", served))
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list))
        .channel(Channel::new(1, "Acme").at("acme").models(&served.join(",")))
        .prices(&[
            Price::tokens("level", 1.0, 4.0),
            Price::tokens("rises", 1.0, 4.0),
            Price::tokens("leaps", 1.0, 4.0),
            Price::tokens("falls", 1.0, 4.0),
            Price::tokens("shrinks", 1.0, 2.0),
        ]);
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = shop(&gateway).await;
    tester.save(&[("price-mode", "both")]).await;
    (gateway, tester)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_would_hold_is_marked_and_never_chosen_for_anybody() {
    let (_gateway, tester) = moving().await;
    let page = fetched(&tester).await;
    page.says("Review 2");
    page.says("large rise");
    page.says("it would rise by 188 %");
    page.says("large fall");
    page.says("ten times off");
    let (_, review) = reviewed(&tester, &sent(&page, &[])).await;
    for model in ["rises", "fresh"] {
        review.says(&format!("<b>{model}</b>"));
    }
    review.says("+20 %");
    for model in ["leaps", "falls", "shrinks"] {
        review.never_says(&format!("<b>{model}</b>"));
    }
    let suspicious = look(&tester, &format!("{PRICES}?show=suspicious")).await;
    suspicious.says("<b>leaps</b>");
    suspicious.never_says("<b>rises</b>");
    // Who ticks it all the same is told in the review what a schedule would have minded.
    let none = look(&tester, &format!("{PRICES}?column=-&q=leaps")).await;
    let (_, review) = reviewed(&tester, &sent(&none, &["$2.88 of list for leaps"])).await;
    review.says("+188 %");
    review.says("large rise");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_leaves_out_what_would_be_held_and_counts_it() {
    let (_gateway, tester) = moving().await;
    let page = fetched(&tester).await;
    // Two values of what is new, one of what rises a little.
    page.says("Select 3");
    let column = look(&tester, &format!("{PRICES}?column=list")).await;
    column.says("Review 2");
    column.says("3 chosen");
    column.says("5 suspicious ones were left out");
    column.says("ten times off");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_wrong_is_held_in_the_review_until_it_is_ticked_there() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    fetched(&tester).await;
    let page = look(&tester, &format!("{PRICES}?column=-&q=fir")).await;
    let (path, review) = reviewed(&tester, &sent(&page, &["$0.5 of list for fir"])).await;
    review.never_says("name=\"plan\"");
    review.says("it would be billed in another way");
    review.says("Confirm Billing Conflicts");
    review.says("Current Billing: <del>");
    review.says("Change To: <ins>");
    let allow = review.value("allow");
    let again = tester
        .post(&format!("{path}/again"), &[("allow", &allow)])
        .await;
    let review = look(&tester, &again.location).await;
    review.says("Apply 1");
    review.says("Confirm Billing Conflicts");
    assert_eq!(gateway.effective_writes().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_since_the_review_is_not_written_and_can_be_reviewed_again() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let page = fetched(&tester).await;
    let (path, review) = reviewed(&tester, &sent(&page, &[])).await;
    let map = gateway.option("ModelPrice").unwrap_or_default();
    let edited = match map.trim() {
        "" | "{}" => "{\"dune\":0.9}".to_owned(),
        map => format!("{},\"dune\":0.9}}", map.trim_end_matches('}')),
    };
    gateway.set_option("ModelPrice", &edited);
    let plan = review.value("plan");
    tester
        .post(&format!("{path}/apply"), &[("plan", "another")])
        .await
        .says("Apply 2");
    tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    let page = settled(&tester, &path).await;
    page.says("1 model moved meanwhile");
    page.says("Written and read back: 1 model");
    assert!(gateway.option("ModelPrice").expect("a map").contains("0.9"));
    let again = tester.post(&format!("{path}/again"), &[]).await;
    let review = look(&tester, &again.location).await;
    review.says("<b>dune</b>");
    review.never_says("<b>cedar</b>");
    review.says("$0.9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_while_it_read_says_so_and_is_planned_again() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let (store, site) = (tester.app.store(), tester.site().await);
    // Somebody's run whose process is gone, and one of values that were chosen.
    let mut paths = Vec::new();
    for trigger in ["sync", "review"] {
        let new = NewRun {
            parent: None,
            site_id: site.id.clone(),
            subject: Subject::Prices,
            trigger: trigger.to_owned(),
            actor: "ann".to_owned(),
            go_on: trigger == "sync",
            unattended: false,
            selection: None,
            settings: vec![("price-mode".to_owned(), "both".to_owned())],
            policy_override: None,
            policy_hash: Digest::of(["policy"]),
            told: false,
        };
        let run = store.create_run(new, 1).await.expect("a run");
        store.start_reading(&run.id, 1, 1).await.expect("reading");
        let run = resumed(&tester, &run.id).await;
        assert_eq!(run.state, RunState::Cancelled);
        paths.push(format!("{PRICES}/runs/{}", run.id));
    }
    for path in &paths {
        let page = look(&tester, path).await;
        page.says("Interrupted: its process was stopped or killed while it still read");
    }
    look(&tester, &paths[1]).await.never_says("Plan again");
    look(&tester, &paths[0]).await.says("Plan again");
    let again = tester.post(&format!("{}/again", paths[0]), &[]).await;
    let review = settled(&tester, &again.location).await;
    // By the settings that it had: the site's own would only add prices.
    review.says("<b>birch</b>");
    review.says("<b>cedar</b>");
    assert_eq!(gateway.effective_writes().len(), 0);
}

/// The run, after whoever found it has taken it over.
async fn resumed(tester: &Tester, run: &str) -> Run {
    let site = tester.site().await;
    let access = tester.app.ordering().access(site).await.expect("asked");
    let job = Job {
        access: access.expect("a token"),
        settings: Settings::default(),
        actor: "ann".to_owned(),
        order: Order::Resume(run.to_owned()),
        verify: false,
    };
    tester.app.jobs().finish(job).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_locked_kept_ignored_and_let_go() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    fetched(&tester).await;
    let path = format!("{PRICES}/answers");
    for (answer, said) in [
        ("lock//birch", "the price stays as it is (admin"),
        ("keep//fir", "stays billed per token"),
        ("ignore//elm", "Stop ignoring"),
        ("lock/cache_ratio/cedar", "the cache ratio stays as it is"),
    ] {
        let done = tester.post(&path, &[("answer", answer), ("q", "x")]).await;
        assert_eq!(done.location, format!("{PRICES}?q=x"), "{}", done.text);
        settled(&tester, PRICES).await.says(said);
    }
    let page = look(&tester, &format!("{PRICES}?column=list")).await;
    let (_, review) = reviewed(&tester, &sent(&page, &[])).await;
    review.says("Skipped: you locked it");
    // The plan is there a moment before the gateway is let go.
    tester.idle().await;
    let unlocked = tester.post(&path, &[("answer", "unlock//birch")]).await;
    assert_eq!(unlocked.status, 303, "{}", unlocked.text);
    settled(&tester, PRICES)
        .await
        .never_says("the price stays as it is (admin");
    assert_eq!(
        tester.post(&path, &[("answer", "eat//birch")]).await.status,
        400
    );
    assert_eq!(
        tester
            .post(&path, &[("answer", "unlock//nobody")])
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_tested_before_they_are_kept_and_their_networks_allowed() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let add = format!("{SOURCES}/add");
    let refused = tester.post(&add, &own(&gateway)).await;
    assert_eq!(refused.status, 422);
    refused.says("Allow this network for this site");
    assert_eq!(refused.value("network"), "127.0.0.1/32");
    assert_eq!(refused.value("url"), gateway.provider("list").base_url());
    // Allowing the network keeps what was typed; what is secret has to be typed again.
    let mut typed = own(&gateway);
    typed.extend([
        ("token", "canary-token"),
        ("user_id", "7"),
        ("multiplier", "1.5"),
    ]);
    let refused = tester.post(&add, &typed).await;
    refused.says("What is secret is not shown again");
    let form = refused.fields(&format!("action=\"{SOURCES}/allow\""));
    let form: Vec<(&str, &str)> = form
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let allowed = tester.post(&format!("{SOURCES}/allow"), &form).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    allowed.says("127.0.0.1/32 is allowed for sources of this site");
    allowed.says("What is secret is not shown again");
    let (_, own_form) = allowed.text.split_once("id=\"own\"").expect("the form");
    for (name, text) in typed
        .iter()
        .filter(|(name, _)| !["place", "token"].contains(name))
    {
        let shown = format!("name=\"{name}\" value=\"{text}\"");
        assert!(own_form.contains(&shown), "{shown}");
    }
    let mut wrong = form;
    wrong.retain(|(name, _)| *name != "network");
    wrong.push(("network", "everything"));
    let wrong = tester.post(&format!("{SOURCES}/allow"), &wrong).await;
    assert_eq!(wrong.status, 422);
    wrong.says("name=\"multiplier\" value=\"1.5\"");
    for page in [refused, allowed, wrong] {
        page.never_says("canary");
    }
    assert_eq!(tester.site().await.allow_private, ["127.0.0.1/32"]);
    assert_eq!(tester.post(&add, &own(&gateway)).await.status, 303);
    let again = tester.post(&add, &own(&gateway)).await;
    again.says("Another source has this name");
    for (field, value) in [
        ("url", "file:/etc/passwd"),
        ("endpoint", "no slash #"),
        ("multiplier", "-1"),
        ("recharge", "much"),
    ] {
        let mut fields = own(&gateway);
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let page = tester.post(&add, &fields).await;
        assert_eq!(page.status, 422, "{field}");
        page.says(&format!("id=\"{field}-wrong\""));
    }
    let mut second = own(&gateway);
    second.retain(|(name, _)| !["name", "url"].contains(name));
    second.extend([
        ("name", "second, list"),
        ("url", "http://127.0.0.1:9"),
        ("untested", "on"),
    ]);
    assert_eq!(tester.post(&add, &second).await.status, 303);
    let change = format!("{SOURCES}/change");
    tester.post(&change, &[("up", "second, list")]).await;
    let names = |page: &Page| {
        let (list, second) = (
            page.text.find("<b>list</b>"),
            page.text.find("<b>second, list</b>"),
        );
        (list.expect("one"), second.expect("the other"))
    };
    let (list, second) = names(&tester.get(SOURCES).await);
    assert!(second < list);
    // How each stands goes with it, however they are ordered.
    let page = settled(&tester, PRICES).await;
    page.says("second, list");
    let states = |page: &Page| {
        let (list, second) = names(page);
        let badge = |end: usize| {
            let (before, _) = page.text.split_at(end);
            let at = before.rfind("<span class=\"badge").expect("a badge");
            before[at..].to_owned()
        };
        (badge(list), badge(second))
    };
    let before = states(&tester.get(SOURCES).await);
    assert_ne!(before.0, before.1, "one was never asked");
    tester.post(&change, &[("up", "list")]).await;
    assert_eq!(states(&tester.get(SOURCES).await), before);
    let tested = tester.post(&format!("{SOURCES}/test"), &[]).await;
    tested.says("<span class=\"badge good\">ok</span>");
    tester.post(&change, &[("remove", "second, list")]).await;
    tester.get(SOURCES).await.never_says("second, list");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpriced_model_is_chosen_reviewed_and_priced_or_ignored() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    fetched(&tester).await;
    let path = "/sites/main/unpriced";
    let page = settled(&tester, path).await;
    for said in [
        "cedar",
        "dune",
        "$3 / $15 / $0.3",
        "#1",
        "Calls of these models are refused",
    ] {
        page.says(said);
    }
    page.never_says("birch");
    let form = "<form class=\"card sheet\"";
    let mut fields = page.fields(form);
    let (before, _) = page
        .text
        .split_once("aria-label=\"Choose cedar")
        .expect("it");
    let (_, id) = before.rsplit_once("value=\"").expect("its value");
    let id = id.split('"').next().expect("it").to_owned();
    fields.push(("pick".to_owned(), id));
    let mut ignored = fields.clone();
    let begun = post(&tester, &format!("{path}/review"), &fields).await;
    let review = settled(&tester, &begun.location).await;
    review.says("Apply 1");
    let plan = review.value("plan");
    tester
        .post(&format!("{}/apply", begun.location), &[("plan", &plan)])
        .await;
    settled(&tester, &begun.location)
        .await
        .says("Written and read back: 1 model");
    let page = settled(&tester, path).await;
    page.never_says("cedar");
    page.says("dune");
    ignored.retain(|(name, _)| name != "pick");
    ignored.push(("take".to_owned(), "all".to_owned()));
    ignored.push(("answer".to_owned(), "ignore".to_owned()));
    post(&tester, &format!("{path}/answers"), &ignored).await;
    settled(&tester, path)
        .await
        .says("Every served model has a price");
    settled(&tester, &format!("{path}?show=ignored"))
        .await
        .says("dune");
}

/// The source that a member alone is shown.
async fn for_members(gateway: &Gateway) -> &'static str {
    let list = pricing_list(&list(), &[("default", 1.0)]);
    let page = lockstep_sim::Page::json(list).token("the-token").user("7");
    let club = Provider::new("club", Vec::<String>::new()).page("/api/pricing", page);
    let club = gateway.add_provider(club);
    // Forms live as long as a test.
    club.base_url().to_owned().leak()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_wants_a_sign_in_is_added_and_its_token_changed_and_forgotten() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    allow(&tester).await;
    let url = for_members(&gateway).await;
    let add = format!("{SOURCES}/add");
    let with = |token: &'static str, user: &'static str| {
        vec![
            ("place", "own"),
            ("url", url),
            ("endpoint", "/api/pricing"),
            ("name", "club"),
            ("token", token),
            ("user_id", user),
        ]
    };
    let refused = tester.post(&add, &with("", "")).await;
    assert_eq!(refused.status, 422);
    refused.says("wants a sign-in");
    for (token, user, said) in [
        ("sk-canary", "7", "This is an sk- key"),
        ("can ary", "7", "id=\"token-wrong\""),
        ("canary", "me", "id=\"user_id-wrong\""),
        ("", "7", "A user ID alone lets nobody in"),
        ("canary", "7", "did not take the token"),
    ] {
        let refused = tester.post(&add, &with(token, user)).await;
        assert_eq!(refused.status, 422, "{said}");
        refused.says(said);
        refused.never_says("canary");
        assert_eq!(refused.value("user_id"), user, "it is there to be mended");
    }
    // What was typed is not kept without its token, which no page shows again.
    let mut lost = with("", "7");
    lost.extend([("token_again", "on"), ("untested", "on")]);
    let refused = tester.post(&add, &lost).await;
    assert_eq!(refused.status, 422);
    refused.says("type it once more");
    let kept = tester.post(&add, &with("the-token", "7")).await;
    assert_eq!(kept.status, 303, "{}", kept.text);
    let page = tester.get(SOURCES).await;
    page.says("token stored");
    page.never_says("the-token");

    let access = format!("{SOURCES}/access");
    let wrong = [("source", "club"), ("token", "canary"), ("user_id", "7")];
    let refused = tester.post(&access, &wrong).await;
    assert_eq!(refused.status, 422);
    refused.says("did not take the token");
    refused.says("type it once more");
    refused.never_says("canary");
    let same = [("source", "club"), ("token", ""), ("user_id", "7")];
    let unchanged = tester.post(&access, &same).await;
    assert!(
        unchanged.location.ends_with("said=unchanged"),
        "{}",
        unchanged.location
    );
    let tested = tester.post(&format!("{SOURCES}/test"), &[]).await;
    tested.says("<span class=\"badge good\">ok</span>");
    let forget = [("source", "club"), ("forget", "on")];
    assert_eq!(tester.post(&access, &forget).await.status, 303);
    tester.get(SOURCES).await.never_says("token stored");
    let tested = tester.post(&format!("{SOURCES}/test"), &[]).await;
    tested.says("needs sign-in");
    tested.says("asked in vain");
    let nobody = [("source", "nobody"), ("token", "x")];
    assert_eq!(tester.post(&access, &nobody).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_uploaded_as_a_file_and_its_prices_are_seen() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    tester.save(&[("pace", "auto")]).await;
    let path = format!("{SOURCES}/upload");
    let text = pricing_list(&[Price::tokens("birch", 5.0, 6.0)], &[("default", 1.0)]);
    for (fields, file, said) in [
        (&[][..], "", "Choose a file first"),
        (&[], "{\n\"data\": nope}", "line 2"),
        (
            &[("multiplier", "-1")],
            &text,
            "id=\"list-multiplier-wrong\"",
        ),
    ] {
        let refused = tester.upload(&path, fields, ("ours.json", file)).await;
        assert_eq!(refused.status, 422, "{said}");
        refused.says(said);
    }
    let kept = tester.upload(&path, &[], ("our prices.json", &text)).await;
    assert_eq!(kept.status, 303, "{}", kept.text);
    let page = tester.get(SOURCES).await;
    page.says("<b>our prices</b>");
    page.says("1 Models");
    settled(&tester, PRICES).await.says("$5");
    let broken = r#"{"data": {"model_ratio": {"birch": 2.5, "oak": "dear"}}}"#;
    let part = tester
        .upload(&path, &[("name", "in part")], ("x.json", broken))
        .await;
    assert_eq!(part.status, 303, "{}", part.text);
    settled(&tester, PRICES).await;
    let page = tester.get(SOURCES).await;
    page.says("Left out of the list: 1");
    page.says("1 left out, not a number: oak");
    let newer = pricing_list(&[Price::tokens("birch", 7.0, 6.0)], &[("default", 1.0)]);
    let same = [("name", "our prices")];
    let replaced = tester.upload(&path, &same, ("x.json", &newer)).await;
    assert_eq!(replaced.status, 303, "{}", replaced.text);
    settled(&tester, PRICES).await.says("$7");
    // What its prices cost is shown beside it, stays with a newer list, and can be changed or emptied there.
    let shown = async || tester.get(SOURCES).await.text;
    let upload = async |fields: &[(&str, &str)]| {
        let done = tester.upload(&path, fields, ("x.json", &newer)).await;
        assert_eq!(done.status, 303, "{}", done.text);
    };
    upload(&[
        ("name", "our prices"),
        ("multiplier", "2"),
        ("group", "vip"),
    ])
    .await;
    let costs = [
        "Multiplier: <span class=\"mono\">2<",
        "Group there: <span class=\"mono\">vip<",
    ];
    for cost in costs {
        assert!(shown().await.contains(cost));
    }
    upload(&same).await;
    let page = tester.get(SOURCES).await;
    for cost in costs {
        page.says(cost);
    }
    let beside = page.fields("aria-label=\"Upload a newer list: our prices\"");
    let mut beside: Vec<(&str, &str)> = beside
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .filter(|(name, _)| *name != "list")
        .collect();
    assert!(beside.contains(&("multiplier", "2")), "{beside:?}");
    upload(&beside).await;
    for cost in costs {
        assert!(shown().await.contains(cost));
    }
    beside.retain(|(name, _)| !["multiplier", "group"].contains(name));
    beside.extend([("multiplier", "0.5"), ("group", "")]);
    upload(&beside).await;
    let page = shown().await;
    assert!(page.contains("Multiplier: <span class=\"mono\">0.5<"));
    assert!(!page.contains("Group there: <span"));
    let deeds = tester.app.store().deeds(&Default::default(), 1).await;
    let changed = &deeds.expect("deeds")[0].data["changed"];
    assert_eq!(changed, &serde_json::json!(["list", "multiplier", "group"]));
    assert_eq!(tester.post(&path, &[]).await.status, 400, "no such form");
    let change = format!("{SOURCES}/change");
    tester.post(&change, &[("remove", "our prices")]).await;
    tester.get(SOURCES).await.never_says("our prices");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_has_shrunk_for_good_is_accepted_at_a_button_beside_it() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let button = "aria-label=\"Accept the list as it is: list\"";
    fetched(&tester).await;
    tester.get(SOURCES).await.never_says(button);
    let one = pricing_list(&[Price::tokens("birch", 1.5, 6.0)], &[("default", 1.0)]);
    gateway
        .provider("list")
        .set_page("/api/pricing", Answer::json(one));
    let tested = tester.post(&format!("{SOURCES}/test"), &[]).await;
    tested.says("If it has shrunk for good, accept this list.");
    tested.says(button);
    // It says so too where its last good list stands in for it.
    let (app, site) = (&tester.app, tester.site().await);
    let renewed = app.tables().renew(app, site, "tests").await;
    renewed.expect("a table");
    let shown = tester.get(SOURCES).await;
    shown.says("If it has shrunk for good, accept this list.");
    shown.says(button);
    let accept = format!("{SOURCES}/accept");
    let accepted = tester.post(&accept, &[("accept", "list")]).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    accepted.says("its 1 model (before: 6)");
    for page in [accepted, tester.get(SOURCES).await] {
        page.says("<span class=\"badge good\">ok</span>");
        page.never_says(button);
    }
    let nothing = tester.post(&accept, &[("accept", "list")]).await;
    nothing.says("there is nothing to accept");
    assert_eq!(tester.post(&accept, &[]).await.status, 404);
}

/// What the site's source of a name is, as it is stored.
async fn stored(tester: &Tester, name: &str) -> String {
    let site = tester.site().await;
    let all = tester.app.store().sources(&site.id).await.expect("sources");
    let found = all.into_iter().find(|source| source.name == name);
    found.expect("the source").spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_source_shows_where_it_is_asked_and_is_changed_without_being_forgotten() {
    let gateway = gateway().await;
    let tester = shop(&gateway).await;
    let list = gateway.provider("list");
    let url = list.base_url().to_owned();
    let page = tester.get(SOURCES).await;
    page.says(&format!("Base URL: <span class=\"mono\">{url}<"));
    page.says("Sync Endpoint: <span class=\"mono\">/api/pricing<");
    let edit = async |endpoint: (&str, &str), multiplier: &str, untested: bool| {
        let mut fields = vec![
            ("source", "list"),
            ("endpoint", endpoint.0),
            ("custom", endpoint.1),
            ("multiplier", multiplier),
            ("recharge", ""),
            ("group", ""),
        ];
        fields.extend(untested.then_some(("untested", "on")));
        tester.post(&format!("{SOURCES}/edit"), &fields).await
    };
    let saved = format!("{SOURCES}?said=saved");
    // What its prices cost says nothing of how it is asked: nobody is.
    let before = list.requests("/api/pricing");
    let done = edit(("/api/pricing", ""), "2", false).await;
    assert_eq!(done.location, saved, "{}", done.text);
    assert_eq!(list.requests("/api/pricing"), before);
    let is = format!("{url},name=list,endpoint=/api/pricing,multiplier=2");
    assert_eq!(stored(&tester, "list").await, is);
    let page = tester.get(SOURCES).await;
    page.says("Multiplier: <span class=\"mono\">2<");
    page.says("<option value=\"/api/pricing\" selected>pricing");
    let same = edit(("/api/pricing", ""), "2", false).await;
    assert!(same.location.ends_with("said=unchanged"), "{}", same.text);
    for (endpoint, multiplier, wrong) in [
        (("/api/pricing", ""), "-1", "edit-multiplier-1-wrong"),
        (("custom", ""), "2", "endpoint-1-wrong"),
        (("custom", "a b"), "2", "endpoint-1-wrong"),
    ] {
        let refused = edit(endpoint, multiplier, false).await;
        assert_eq!(refused.status, 422, "{wrong}");
        refused.says(&format!("id=\"{wrong}\""));
    }
    // Another endpoint is tested first, and kept as it is typed where that is wanted all the same.
    let refused = edit(("custom", "/nowhere"), "2", false).await;
    assert_eq!(refused.status, 422);
    refused.says("Keep it although the test fails");
    refused.says("name=\"custom\" value=\"/nowhere\"");
    refused.says("<option value=\"custom\" selected>");
    assert_eq!(stored(&tester, "list").await, is);
    let done = edit(("custom", "/nowhere"), "2", true).await;
    assert_eq!(done.location, saved, "{}", done.text);
    let is = format!("{url},name=list,endpoint=/nowhere,multiplier=2");
    assert_eq!(stored(&tester, "list").await, is);
    let deeds = tester.app.store().deeds(&Default::default(), 1).await;
    let changed = &deeds.expect("deeds")[0].data["changed"];
    assert_eq!(changed, &serde_json::json!(["endpoint"]));
    // A token of the server's machine goes nowhere else by what somebody types into a page.
    let (store, site) = (tester.app.store(), tester.site().await);
    let spec = "https://prices.example,token-env=HOME";
    let added = store.add_source(&site.id, "env", spec).await;
    added.expect("added");
    let fields = [
        ("source", "env"),
        ("endpoint", "custom"),
        ("custom", "https://elsewhere.example/list"),
        ("untested", "on"),
    ];
    let refused = tester.post(&format!("{SOURCES}/edit"), &fields).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(stored(&tester, "env").await, spec);
    tester
        .get(SOURCES)
        .await
        .says("<span class=\"mono\">token-env=HOME<");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_token_is_not_led_to_another_host_by_another_endpoint() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let add = [
        ("place", "own"),
        ("url", "https://prices.example"),
        ("name", "club"),
        ("token", "the-token"),
        ("untested", "on"),
    ];
    let added = tester.post(&format!("{SOURCES}/add"), &add).await;
    assert_eq!(added.status, 303, "{}", added.text);
    let edit = |custom| {
        let mut fields = vec![
            ("source", "club"),
            ("endpoint", "custom"),
            ("untested", "on"),
        ];
        fields.push(("custom", custom));
        fields
    };
    let path = format!("{SOURCES}/edit");
    let refused = tester
        .post(&path, &edit("https://elsewhere.example/list"))
        .await;
    assert_eq!(refused.status, 422);
    refused.says("The endpoint is on another host");
    assert_eq!(tester.post(&path, &edit("/list")).await.status, 303);
    assert_eq!(
        stored(&tester, "club").await,
        "https://prices.example,name=club,endpoint=/list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_added_with_its_endpoint_and_a_preset_is_marked_as_official() {
    let gateway = gateway().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    let page = tester.get(SOURCES).await;
    for endpoint in [
        "<option value=\"\" selected>Default: /api/ratio_config, /api/pricing",
        "<option value=\"/api/pricing\">pricing",
        "<option value=\"/api/ratio_config\">ratio_config",
        "<option value=\"openrouter\">OpenRouter",
        "<option value=\"custom\">custom",
        "placeholder=\"/your/endpoint\"",
        "<option value=\"openrouter\"></option></datalist>",
    ] {
        page.says(endpoint);
    }
    let path = format!("{SOURCES}/add");
    let add = async |custom: &str| {
        let fields = [
            ("place", "channel"),
            ("channel", "1"),
            ("endpoint", "custom"),
            ("custom", custom),
            ("untested", "on"),
        ];
        tester.post(&path, &fields).await
    };
    let refused = add("").await;
    assert_eq!(refused.status, 422);
    refused.says("id=\"channel-endpoint-wrong\"");
    refused.says("href=\"#channel-endpoint\"");
    refused.says("<option value=\"1\" selected>");
    let added = add("/my/list").await;
    assert_eq!(added.status, 303, "{}", added.text);
    assert_eq!(
        stored(&tester, "channel:1").await,
        "channel:1,endpoint=/my/list"
    );
    let official = [("place", "official"), ("untested", "on")];
    assert_eq!(tester.post(&path, &official).await.status, 303);
    let page = tester.get(SOURCES).await;
    let acme = gateway.provider("acme").base_url().to_owned();
    for text in [
        "Channel: <span class=\"mono\">1<",
        &format!("Base URL: <span class=\"mono\">{acme}<"),
        "Sync Endpoint: <span class=\"mono\">/my/list<",
        "Base URL: <span class=\"mono\">https://basellm.github.io<",
    ] {
        page.says(text);
    }
    assert_eq!(page.text.matches(">Official</span>").count(), 1);
}
