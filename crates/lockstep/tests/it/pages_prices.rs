//! Prices in the browser, over the real binary: what the gateway's log says was written is what was reviewed.

use std::time::Duration;

use lockstep_sim::{EffectivePrice, Gateway, Matcher, When};
use serde_json::json;

use crate::prices::{bills, in_the_shop, tokens};
use crate::server::{Answer, Server};
use crate::tester::Shell;

const PRICES: &str = "/sites/main/prices";

async fn in_the_browser() -> (Gateway, Shell, Server) {
    let (gateway, mut shell) = in_the_shop().await;
    shell.set("LOCKSTEP_PACE", "auto");
    let server = Server::start(&shell).await.signed_in().await;
    (gateway, shell, server)
}

/// The page once nothing goes on behind it.
async fn settled(server: &Server, path: &str) -> Answer {
    for _ in 0..1_000 {
        let page = server.page(path).await.is(200);
        if !page.text().contains("id=\"working\"") {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} goes on and on");
}

/// What the form of the table sends as it is shown, with the box ticked whose label begins so.
fn sent(page: &Answer, tick: Option<&str>) -> Vec<(String, String)> {
    let text = page.text();
    let (_, form) = text
        .split_once("<form class=\"card sheet\"")
        .expect("the table");
    let (form, _) = form.split_once("</form>").expect("its end");
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    let inputs = form.split("<input ").skip(1);
    let tags = inputs.filter_map(|rest| Some(format!(" {}", rest.split('>').next()?)));
    tags.filter(|tag| {
        let ticked = tick.is_some_and(|tick| tag.contains(tick));
        tag.contains("type=\"hidden\"") || tag.contains(" checked") || ticked
    })
    .filter_map(|tag| Some((attribute(&tag, "name")?, attribute(&tag, "value")?)))
    .collect()
}

async fn post(server: &Server, path: &str, fields: &[(String, String)]) -> String {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = server.form(path, &fields).await.is(303);
    answer.header("location").to_owned()
}

fn plan(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once("name=\"plan\" value=\"")
        .expect("a plan to apply");
    rest.split('"').next().expect("it").to_owned()
}

/// Applies what a page shows and waits until it is through.
async fn apply(server: &Server, path: &str) -> Answer {
    let page = settled(server, path).await;
    let plan = [("plan".to_owned(), plan(&page))];
    let page = post(server, &format!("{path}/apply"), &plan).await;
    settled(server, &page).await
}

fn is_unpriced(gateway: &Gateway, model: &str) -> bool {
    !matches!(
        bills(gateway).get(model),
        Some(EffectivePrice::PerToken(_) | EffectivePrice::PerCall(_))
    )
}

#[tokio::test]
async fn prices_are_fetched_reviewed_applied_read_back_and_undone() {
    let (gateway, _shell, server) = in_the_browser().await;
    let page = post(&server, &format!("{PRICES}/fetch"), &[]).await;
    let page = settled(&server, &page).await;
    page.says("birch");
    page.says("Review 2");
    let before = gateway.options();
    let path = post(&server, &format!("{PRICES}/review"), &sent(&page, None)).await;
    let review = settled(&server, &path).await;
    review.says("Apply 2");
    assert!(gateway.option_writes().is_empty());
    apply(&server, &path)
        .await
        .says("Written and read back: 2 models");
    let writes = gateway.option_writes();
    assert!(!writes.is_empty());
    for write in &writes {
        assert!(write.effective, "{} was sent for nothing", write.key);
    }
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert!(!is_unpriced(&gateway, "dune"));
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0), "nobody chose it");
    let undo = post(&server, &format!("{path}/undo"), &[]).await;
    apply(&server, &undo)
        .await
        .says("Written and read back: 2 models");
    assert!(is_unpriced(&gateway, "cedar") && is_unpriced(&gateway, "dune"));
    for key in ["ModelRatio", "CompletionRatio", "CacheRatio", "ModelPrice"] {
        assert_eq!(gateway.option(key), before.get(key).cloned(), "{key}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_unpriced_model_gets_a_price_and_one_that_moved_meanwhile_is_left() {
    let (gateway, _shell, server) = in_the_browser().await;
    let unpriced = "/sites/main/unpriced";
    post(&server, &format!("{PRICES}/fetch"), &[]).await;
    let page = settled(&server, unpriced).await;
    page.says("cedar");
    let fields = sent(&page, Some("Choose cedar"));
    let path = post(&server, &format!("{unpriced}/review"), &fields).await;
    let review = settled(&server, &path).await;
    review.says("Apply 1");
    // Somebody gives it a price between the review and the yes.
    let map = gateway.option("ModelRatio").expect("a map");
    let edited = format!("{},\"cedar\":7}}", map.trim_end().trim_end_matches('}'));
    gateway.set_option("ModelRatio", &edited);
    apply(&server, &path).await.says("1 model moved meanwhile");
    assert!(gateway.option_writes().is_empty());
    assert_eq!(tokens(&gateway, "cedar").0, 14.0);
    gateway.set_option("ModelRatio", &map);
    let again = post(&server, &format!("{path}/again"), &[]).await;
    apply(&server, &again)
        .await
        .says("Written and read back: 1 model");
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    let page = settled(&server, unpriced).await;
    assert!(!page.text().contains("Choose cedar"), "{}", page.text());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_run_whose_process_was_killed_while_it_read_says_so_and_is_planned_again() {
    let (gateway, shell) = in_the_shop().await;
    let mut process = shell.start(&["plan", "prices"]);
    let read = Matcher::get("/api/option/");
    gateway.kill_at_match(read, process.pid, 1, When::BeforeApply);
    process.go().await;
    process.end().await;
    let (told, _) = shell.json(&["runs", "--limit", "1"]).await;
    assert_eq!(told["runs"][0]["state"], "reading", "{told:#}");
    let id = told["runs"][0]["run"].as_str().expect("an id").to_owned();

    let server = Server::start(&shell).await.signed_in().await;
    let path = format!("/api/v1/sites/main/runs/{id}");
    let run = loop {
        let run = server.get(&path).await.is(200).json();
        if !run["ended_at"].is_null() {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        (&run["state"], &run["error"]["kind"]),
        (&json!("cancelled"), &json!("interrupted"))
    );
    let typed = shell.run(&["runs", &id]).await.is(0);
    typed.says("Interrupted: its process was stopped or killed");
    let page = format!("/sites/main/prices/runs/{id}");
    let text = server.page(&page).await.is(200).text();
    assert!(text.contains("Plan again"), "{text}");
    let again = post(&server, &format!("{page}/again"), &[]).await;
    assert_ne!(again, page);
    server.page(&again).await.is(200);
    server.stop().await;
    assert!(gateway.writes().is_empty());
}
