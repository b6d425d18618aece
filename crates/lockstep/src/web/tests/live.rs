//! A run under way on a page: its bar, its events, its end.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use lockstep_core::change::RunState;
use lockstep_sim::{Channel, Fault, Gateway, Manner, Matcher, Provider, Rule, Spec};

use super::prices;
use super::tester::{PATIENCE, Tester};

const MODELS: &str = "/sites/main/models";

/// A gateway of which one channel's provider never answers, so that a run goes on until somebody ends it.
async fn silent() -> Gateway {
    let spec = Spec::new()
        .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini"]))
        .provider(Provider::new("silent", ["x"]).manner(Manner::Silent))
        .channel(Channel::new(1, "Acme").at("acme").models("gpt-5"))
        .channel(Channel::new(2, "Silent").at("silent").models("x"));
    Gateway::start(spec).await.expect("a gateway")
}

/// The events of a stream: each its kind and its data.
struct Events {
    stream: BodyDataStream,
    text: String,
}

impl Events {
    async fn of(tester: &Tester, path: &str) -> Self {
        let answer = tester.stream(path).await;
        assert_eq!(answer.status(), 200);
        Self {
            stream: answer.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let lines = |name: &str| -> Vec<String> {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::to_owned).collect()
                };
                let (kind, data) = (lines("event: ").pop(), lines("data: "));
                // What has no data is no event to a browser.
                let Some(kind) = kind.filter(|_| !data.is_empty()) else {
                    continue;
                };
                return Some((kind, data.join("\n")));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let chunk = chunk.expect("in time")?.expect("a chunk");
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// The next event of a kind.
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            let (kind, data) = self.next().await.expect("an event");
            if kind == wanted {
                return data;
            }
        }
    }
}

/// The address in an attribute of the page's bar.
fn attribute(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!(" {name}=\""))
        .expect("it is there");
    rest.split('"').next().expect("its end").to_owned()
}

#[tokio::test]
async fn a_run_shows_its_bar_tells_of_results_and_ends_when_it_is_cancelled() {
    let gateway = silent().await;
    let mut tester = Tester::quick(&gateway).await;
    let begun = tester
        .post("/sites/main/models/run", &[("what", "preview")])
        .await;
    let page = tester.get(&begun.location).await;
    page.says("<progress");
    page.says("value=\"preview\" disabled");
    // What shows the page anew once the run is over brings the numbers of the navigation along.
    let brought = attribute(&page.text, "hx-select-oob");
    assert_eq!(brought, "#waits-models,#waits-prices");
    for id in brought.split(',') {
        let number = format!("id=\"{}\"", id.trim_start_matches('#'));
        let (navigation, _) = page.text.split_once("</nav>").expect("the navigation");
        assert_eq!(navigation.matches(&number).count(), 1, "{number}");
    }
    let stream = attribute(&page.text, "sse-connect");
    let mut events = Events::of(&tester, &stream).await;
    let (kind, bar) = events.next().await.expect("an event");
    assert_eq!(kind, "bar");
    assert!(bar.contains("<progress"), "{bar}");
    // Somebody else sees it in another language.
    tester.language = "zh-CN";
    let mut other = Events::of(&tester, &stream).await;
    let bar = other.until("bar").await;
    assert!(bar.contains("正在"), "{bar}");
    tester.language = "en";
    // The results of the first channel are there while the second is waited for.
    tester.until(MODELS, "Now: Silent").await;
    tester
        .until(&format!("{MODELS}?show=planned"), "Acme")
        .await;
    let cancel = format!("{}cancel", stream.strip_suffix("live").expect("its end"));
    let cancelled = tester
        .post(&cancel, &[("back", "/sites/main/models?show=failed")])
        .await;
    assert_eq!(
        cancelled.location,
        "/sites/main/models?show=failed&said=cancelling"
    );
    events.until("done").await;
    assert!(events.next().await.is_none(), "nothing comes after the end");
    other.until("done").await;
    assert_eq!(tester.rest().await.state, RunState::Cancelled);
    assert!(gateway.effective_writes().is_empty());
    let page = tester.get(MODELS).await;
    page.never_says("sse-connect");
    // A stream of a run that is at rest ends at once: a page that was left open hears it.
    let mut late = Events::of(&tester, &stream).await;
    assert_eq!(
        late.next().await,
        Some(("done".to_owned(), "cancelled".to_owned()))
    );
    let again = tester.post(&cancel, &[]).await;
    assert_eq!(again.location, "/?said=ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_plan_that_is_written_shows_its_bar_and_its_end_in_the_same_page() {
    let gateway = prices::gateway().await;
    let tester = prices::shop(&gateway).await;
    let page = prices::fetched(&tester).await;
    let (path, review) = prices::reviewed(&tester, &prices::sent(&page, &[])).await;
    let writes = Matcher::put("/api/option/");
    // The gateway asks to wait for so long that nothing is written before the run is cancelled.
    gateway.fault(Rule::once(writes, Fault::too_many("600")));
    let plan = review.value("plan");
    let begun = tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    assert_eq!(begun.location, path);
    let page = tester.until(&path, "Writing 0 of").await;
    page.never_says("id=\"working\"");
    page.never_says("Apply 2");
    // At its end the part of the page is asked for that all pages have, with what the table is narrowed to.
    page.says(&format!(
        "<span hidden hx-get=\"{path}\" hx-trigger=\"sse:done\" hx-include=\"#table\" hx-target=\"#main\""
    ));
    let stream = attribute(&page.text, "sse-connect");
    let mut events = Events::of(&tester, &stream).await;
    assert!(events.until("bar").await.contains("<progress"));
    let cancel = attribute(
        &page.text[page.text.find("id=\"live\"").expect("it")..],
        "action",
    );
    let cancelled = tester.post(&cancel, &[("back", &path)]).await;
    assert_eq!(cancelled.location, format!("{path}?said=cancelling"));
    assert_eq!(events.until("done").await, "cancelled");
    let page = prices::settled(&tester, &path).await;
    page.says("Cancelled");
    assert!(gateway.effective_writes().is_empty());
}

#[tokio::test]
async fn a_second_run_is_refused_on_the_page_while_one_is_under_way() {
    let gateway = silent().await;
    let tester = Tester::quick(&gateway).await;
    tester
        .post("/sites/main/models/run", &[("what", "preview")])
        .await;
    let refused = tester
        .post(
            "/sites/main/models/run",
            &[("what", "all"), ("show", "failed")],
        )
        .await;
    assert_eq!(refused.status, 409);
    refused.says("class=\"say bad-edge\"");
    refused.says("sse-connect");
    refused.says("id=\"show-failed\" name=\"show\" value=\"failed\" hx-get=\"/sites/main/models\" aria-current=\"true\"");
    let site = tester.site().await;
    let runs = tester
        .app
        .store()
        .unfinished_runs(&site.id)
        .await
        .expect("runs");
    assert_eq!(runs.len(), 1);
    tester.app.jobs().cancel(&runs[0].id);
    tester.rest().await;
}

#[tokio::test]
async fn a_run_of_another_site_is_not_told() {
    let gateway = silent().await;
    let tester = Tester::quick(&gateway).await;
    let other = silent().await;
    tester.add("second", &other.url(), other.root_token()).await;
    tester
        .post("/sites/main/models/run", &[("what", "preview")])
        .await;
    let page = tester.get(MODELS).await;
    let stream = attribute(&page.text, "sse-connect");
    let elsewhere = stream.replace("/sites/main/", "/sites/second/");
    assert_eq!(tester.stream(&elsewhere).await.status(), 404);
    let cancel = elsewhere.replace("/live", "/cancel");
    assert_eq!(tester.post(&cancel, &[]).await.status, 404);
    let site = tester.site().await;
    let runs = tester
        .app
        .store()
        .unfinished_runs(&site.id)
        .await
        .expect("runs");
    tester.app.jobs().cancel(&runs[0].id);
    tester.rest().await;
}
