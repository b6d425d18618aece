//! The history over the real program: what is undone from its pages is what the gateway's log says.

use std::time::Duration;

use lockstep_sim::Gateway;

use crate::server::{Answer, Server};
use crate::tester::Shell;
use crate::world::{list, mixed, start};

const MODELS: &str = "/sites/main/models";
const HISTORY: &str = "/sites/main/history";

/// The channels that were written since the log began, in order.
fn written(gateway: &Gateway) -> Vec<i64> {
    let mut ids = crate::world::written(gateway);
    ids.sort_unstable();
    ids
}

/// The page once no run is under way.
async fn rest(server: &Server, path: &str) -> Answer {
    let mut page = server.page(path).await.is(200);
    for _ in 0..600 {
        if !page.text().contains("sse-connect") {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        page = server.page(path).await.is(200);
    }
    panic!("{path} moves on and on\n{}", page.text());
}

#[track_caller]
fn value(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("no {name} in\n{page}"));
    rest.split('"').next().expect("its end").to_owned()
}

/// Where the newest run is shown.
async fn newest(server: &Server) -> String {
    let page = server.page(HISTORY).await.is(200).text();
    let (_, row) = page
        .split_once("<td class=\"title\"><a href=\"")
        .expect("a run");
    let href = row.split('"').next().expect("its end");
    href.split('?').next().expect("a path").to_owned()
}

/// Says yes to what a page shows, and answers what came of it.
async fn say_yes(server: &Server, path: &str, page: &Answer) -> Answer {
    let plan = value(&page.text(), "plan");
    let yes = format!("{path}/apply");
    server.form(&yes, &[("plan", &plan)]).await.is(303);
    rest(server, path).await
}

#[tokio::test]
async fn a_run_is_undone_from_its_page_one_channel_first_and_then_the_rest() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let before: Vec<String> = [1, 3].map(|id| list(&gateway, id)).to_vec();
    let server = Server::start(&shell).await.signed_in().await;
    let begin = format!("{MODELS}/run");
    server.form(&begin, &[("what", "preview")]).await.is(303);
    let page = rest(&server, MODELS).await.text();
    let fields = [("run", value(&page, "run")), ("plan", value(&page, "plan"))];
    let fields = fields
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let apply = format!("{MODELS}/apply");
    server.form(&apply, &fields).await.is(303);
    rest(&server, MODELS).await;
    let after: Vec<String> = [1, 3].map(|id| list(&gateway, id)).to_vec();
    assert_eq!(written(&gateway), [1, 3]);
    assert!(before[0] != after[0] && before[1] != after[1]);
    gateway.clear_log();

    let run = newest(&server).await;
    let undo = format!("{run}/undo");
    let chosen = [("what", "chosen"), ("pick", "3")];
    let led = server.form(&undo, &chosen).await.is(303);
    let plan = led.header("location").to_owned();
    let page = rest(&server, &plan).await;
    page.says("Apply 1 change");
    assert!(gateway.effective_writes().is_empty(), "it is only shown");
    say_yes(&server, &plan, &page)
        .await
        .says("badge good\">Done");
    assert_eq!(written(&gateway), [3]);
    assert_eq!(list(&gateway, 3), before[1]);
    assert_eq!(list(&gateway, 1), after[0]);

    let led = server.form(&undo, &[("what", "all")]).await.is(303);
    let plan = led.header("location").to_owned();
    let page = rest(&server, &plan).await;
    page.says("Apply 1 change");
    page.says("1 cannot be undone");
    page.says("Undone already, by run");
    say_yes(&server, &plan, &page).await;
    assert_eq!(list(&gateway, 1), before[0]);
    assert_eq!(list(&gateway, 3), before[1]);
    // What had its list back already was not written again.
    assert_eq!(written(&gateway), [1, 3]);
    server.page(&run).await.says("Undone by run");
    server.stop().await;
}
