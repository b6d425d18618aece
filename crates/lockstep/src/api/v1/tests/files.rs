//! Lists as files: what the pages of a list have, whole.

use std::collections::BTreeMap;

use axum::http::{Method, header};
use lockstep_core::settings::PaceMode;
use lockstep_run::{Source, Watch};
use lockstep_sim::spec::many;
use lockstep_sim::{Channel, Gateway, Spec};
use serde_json::{Value, json};

use super::tester::{Tester, healthy, whole};
use crate::api::orders;

const RUNS: &str = "/api/v1/sites/main/runs";

/// A file's lines as its own format reads them, the heading first.
async fn lines(tester: &Tester, path: &str) -> Vec<Vec<String>> {
    let answer = tester.raw(Method::GET, path, vec![], &[]).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "text/csv; charset=utf-8"
    );
    let bytes = whole(answer).await;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(&*bytes);
    let lines = reader.records().map(|line| {
        let line = line.expect("a line");
        line.iter().map(str::to_owned).collect()
    });
    lines.collect()
}

/// All items of a list, page by page.
async fn paged(tester: &Tester, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tester.get(&format!("{path}&limit=200{cursor}")).await.body;
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

async fn planned(spec: Spec) -> (Gateway, Tester, String) {
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let run = tester
        .run(json!({"subject": "models", "what": "all", "plan_only": true}))
        .await;
    let path = format!("{RUNS}/{}", run["run"].as_str().expect("an id"));
    (gateway, tester, path)
}

/// The same at no pace, which no setting allows.
async fn unpaced(spec: Spec) -> (Gateway, Tester, String) {
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let site = orders::site(&tester.app, "main").await.expect("the site");
    let laid = orders::settings(&tester.app, &site, &BTreeMap::new()).expect("settings");
    let access = orders::access(&tester.app, site).await.expect("a token");
    let mut request = orders::models(Source::All, &laid, false);
    request.settings.pace = PaceMode::Unlimited;
    let session = tester.app.engine().session(access, &request.settings);
    let run = session.plan(&request, &Watch::default()).await;
    let run = run.expect("a plan");
    (gateway, tester, format!("{RUNS}/{}", run.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_every_item_that_the_pages_have_in_their_order() {
    let (_gateway, tester, run) = unpaced(many(620, 2, 1)).await;
    for filter in ["?sort=name&order=desc", "?search=1", "?status=failed,held"] {
        let items = paged(&tester, &format!("{run}/items{filter}")).await;
        let file = lines(&tester, &format!("{run}/items.csv{filter}&limit=3")).await;
        let (heading, rows) = file.split_first().expect("a heading");
        assert_eq!(heading[..3], ["channel_id", "channel_name", "status"]);
        let ids = items.iter().map(|item| item["channel_id"].to_string());
        let told: Vec<&String> = rows.iter().map(|row| &row[0]).collect();
        assert_eq!(told, ids.collect::<Vec<_>>().iter().collect::<Vec<_>>());
        let json = tester.get(&format!("{run}/items.json{filter}")).await.body;
        assert_eq!(json["items"], Value::Array(items), "{filter}");
    }
    let all = lines(&tester, &format!("{run}/items.csv")).await;
    assert_eq!(all.len(), 621, "more than are read at once");
    for wrong in ["?status=nonsense", "?colour=red"] {
        let path = format!("{run}/items.csv{wrong}");
        let refused = tester.raw(Method::GET, &path, vec![], &[]).await;
        assert_eq!(refused.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_name_that_is_a_formula_is_a_text_in_the_file() {
    let name = "=HYPERLINK(\"http://x\", \"伽玛\")";
    let channel = Channel::new(9, name).at("acme").models("gpt-5,gpt-5-mini");
    let (_gateway, tester, run) = planned(healthy().channel(channel)).await;
    let file = lines(&tester, &format!("{run}/items.csv?search=HYPER")).await;
    let column = |name: &str| {
        let place = file[0].iter().position(|column| column == name);
        file[1][place.expect("a column")].clone()
    };
    assert_eq!(file.len(), 2);
    assert_eq!(column("channel_name"), format!("'{name}"));
    assert_eq!(column("added"), "gpt-5-nano");
    assert_eq!(column("old_models.count"), "2");
}
