//! The model sync page over the real program: what its buttons write is what the gateway's log says.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Method;
use lockstep_sim::spec::many;
use lockstep_sim::{Fault, Gateway, Manner, Matcher, Provider, Rule};

use crate::server::{Answer, Server};
use crate::tester::Shell;
use crate::world::{channel, guarded, healthy, list, mixed, start, written};

const MODELS: &str = "/sites/main/models";
const SOON: Duration = Duration::from_secs(60);

async fn begin(server: &Server, what: &str) -> Answer {
    let path = format!("{MODELS}/run");
    let begun = server.form(&path, &[("what", what)]).await.is(303);
    assert_eq!(begun.header("location"), format!("{MODELS}?said=started"));
    rest(server).await
}

/// The page once no run is under way.
async fn rest(server: &Server) -> Answer {
    let at_rest = async {
        loop {
            let page = server.page(MODELS).await.is(200);
            if !page.text().contains("sse-connect") {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, at_rest).await.expect("a rest")
}

/// The yes to the plan that a page shows.
async fn apply(server: &Server, page: &Answer) -> Answer {
    let text = page.text();
    let (run, plan) = (value(&text, "run"), value(&text, "plan"));
    let fields = [("run", run.as_str()), ("plan", plan.as_str())];
    server.form(&format!("{MODELS}/apply"), &fields).await
}

#[track_caller]
fn value(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("no {name} in\n{page}"));
    rest.split('"').next().expect("its end").to_owned()
}

/// Where the events of the run under way come from.
#[track_caller]
fn stream(page: &str) -> String {
    let (_, rest) = page.split_once("sse-connect=\"").expect("a run under way");
    rest.split('"').next().expect("its end").to_owned()
}

fn sorted(gateway: &Gateway) -> Vec<i64> {
    let mut ids = written(gateway);
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_first_run_is_reviewed_applied_and_what_it_held_is_answered() {
    let gateway = start(guarded(mixed())).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    let shown = begin(&server, "all").await;
    shown.says("Apply 2 changes");
    assert!(gateway.effective_writes().is_empty());
    apply(&server, &shown).await.is(303);
    let page = rest(&server).await;
    assert_eq!(sorted(&gateway), [1, 3]);
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano");
    // What was applied is no plan any more: a second tab that still shows it writes nothing.
    apply(&server, &shown)
        .await
        .is(409)
        .says("class=\"say bad-edge\"");
    assert_eq!(sorted(&gateway), [1, 3]);
    page.says("id=\"show-held\"");
    let answer = async |answer: &str| {
        let fields = [("answer", answer)];
        let answered = server.form(&format!("{MODELS}/answer"), &fields).await;
        answered.is(303);
        rest(&server).await
    };
    answer("apply:8").await;
    assert_eq!(list(&gateway, 8), "old-0");
    answer("never:7").await;
    gateway.provider("acme").set_models(["gpt-5", "gpt-6"]);
    begin(&server, "all").await;
    assert_eq!(list(&gateway, 7), "market-0,market-1");
    assert!(list(&gateway, 1).contains("gpt-6"));
    gateway.provider("grok").set_manner(Manner::Well);
    begin(&server, "failed").await;
    assert_eq!(list(&gateway, 5), "grok-4");
    server.stop().await;
}

#[tokio::test]
async fn what_somebody_edits_after_the_plan_was_shown_is_left_as_it_is() {
    let gateway = start(guarded(healthy())).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    let page = begin(&server, "preview").await;
    gateway.edit_channel(1, |channel| channel.models = "mine".to_owned());
    apply(&server, &page).await.is(303);
    rest(&server).await;
    assert_eq!(written(&gateway), [3]);
    assert_eq!(list(&gateway, 1), "mine");
    server
        .page(&format!("{MODELS}?show=failed"))
        .await
        .says("id=\"row-1\"");
    // Another admin changed the policy meanwhile: the plan is shown anew before anything is written.
    gateway
        .provider("beta")
        .set_models(["claude-opus", "claude-haiku"]);
    let page = begin(&server, "preview").await;
    shell
        .run(&["channel", "set", "2", "--policy", "add-only"])
        .await
        .is(0);
    let led = apply(&server, &page).await.is(303);
    assert_eq!(led.header("location"), format!("{MODELS}?said=plan-moved"));
    let page = rest(&server).await;
    assert_eq!(written(&gateway), [3]);
    apply(&server, &page).await.is(303);
    rest(&server).await;
    assert!(list(&gateway, 2).contains("claude-sonnet"), "only added to");
    assert!(list(&gateway, 2).contains("claude-haiku"));
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_run_has_written_just_what_its_results_say() {
    let gateway = start(guarded(many(12, 12, 7))).await;
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        let mut models = provider.models();
        models.push("brand-new".to_owned());
        provider.set_models(models);
    }
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    let page = begin(&server, "preview").await;
    // Long enough for somebody to press a button while the first of them wait at the gateway.
    let slow = Fault::Delay(Duration::from_secs(2));
    gateway.fault(Rule::always(Matcher::put("/api/channel/"), slow));
    apply(&server, &page).await.is(303);
    let page = server.page(MODELS).await.is(200);
    let events = stream(&page.text());
    let cancel = format!("{}cancel", events.strip_suffix("live").expect("its end"));
    let led = server.form(&cancel, &[("back", MODELS)]).await.is(303);
    assert_eq!(led.header("location"), format!("{MODELS}?said=cancelling"));
    let page = rest(&server).await;
    let writes = written(&gateway);
    assert!(writes.len() < 12, "{writes:?}");
    let (_, chip) = {
        let text = page.text();
        let (before, after) = text.split_once("id=\"show-changed\"").expect("a chip");
        (before.len(), after.to_owned())
    };
    let (_, count) = chip.split_once("<b>").expect("a count");
    assert!(
        count.starts_with(&format!("{}<", writes.len())),
        "{writes:?} {count}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_run_is_followed_over_a_restart_of_the_server() {
    let silent = healthy()
        .provider(Provider::new("silent", ["x"]).manner(Manner::Silent))
        .channel(channel(9, "Silent", "silent", &["x"]));
    let gateway = start(guarded(silent)).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    let run = format!("{MODELS}/run");
    server.form(&run, &[("what", "preview")]).await.is(303);
    let page = server.page(MODELS).await.is(200);
    let events = stream(&page.text());
    let heard = server.send(Method::GET, &events, &[], None).await;
    assert_eq!(heard.status(), 200);
    let mut heard = heard.into_body();
    let first = heard.frame().await.expect("an event").expect("whole");
    let first = first.into_data().expect("data");
    assert!(first.starts_with(b"event: bar\n"), "{first:?}");
    server.stop().await;
    // The next one shows the same run, tells of it, and ends it.
    let server = Server::start(&shell).await.signed_in().await;
    let page = server.page(MODELS).await.is(200);
    assert_eq!(stream(&page.text()), events);
    let heard = server.send(Method::GET, &events, &[], None).await;
    let cancel = format!("{}cancel", events.strip_suffix("live").expect("its end"));
    server.form(&cancel, &[("back", MODELS)]).await.is(303);
    let whole = tokio::time::timeout(SOON, heard.into_body().collect()).await;
    let whole = whole.expect("it ends").expect("a whole body").to_bytes();
    let whole = String::from_utf8(whole.to_vec()).expect("UTF-8");
    assert!(whole.contains("event: done\n"), "{whole}");
    rest(&server).await;
    assert!(gateway.effective_writes().is_empty());
    server.stop().await;
}
