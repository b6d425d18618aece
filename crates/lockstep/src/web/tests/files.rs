//! Files have the rows that their table shows, in its order.

use super::models::{begin, mixed, rows};
use super::prices::{fetched, moving};
use super::tester::{Page, Tester};

const MODELS: &str = "/sites/main/models";
const PRICES: &str = "/sites/main/prices";

/// The page, wherever its address leads.
async fn look(tester: &Tester, path: &str) -> Page {
    let page = tester.get(path).await;
    match page.status.as_u16() {
        303 => tester.get(&page.location).await,
        _ => page,
    }
}

/// The models and fields whose differences a page shows, in their order.
fn differences(page: &Page) -> Vec<(String, String)> {
    let locks = page.text.split("name=\"answer\" value=\"lock/").skip(1);
    let locks = locks.filter_map(|rest| rest.split('"').next()?.split_once('/'));
    let fields = locks.filter(|(field, _)| !field.is_empty());
    fields
        .map(|(field, model)| (model.to_owned(), field.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_prices_has_the_rows_that_are_shown_whatever_narrows_them() {
    let (_gateway, tester) = moving().await;
    let all = differences(&fetched(&tester).await).len();
    for (query, narrows) in [
        ("", false),
        ("show=new", true),
        ("show=dearer", true),
        ("show=cheaper", true),
        ("show=suspicious", true),
        ("show=suspicious&sort=-price", true),
        ("show=dearer&reason=large_rise", true),
        ("show=suspicious&field=cache_ratio", true),
        ("source=list&sort=-move", false),
        ("q=LEA", true),
        ("sort=-model", false),
    ] {
        let page = look(&tester, &format!("{PRICES}?{query}")).await;
        let shown = differences(&page);
        assert!(!shown.is_empty(), "{query}");
        assert_eq!(shown.len() < all, narrows, "{query}: {shown:?}");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let json = tester.json(&page, "rows").await.expect("a file");
        let json: Vec<(String, String)> = json
            .iter()
            .map(|row| (text(&row["model"]), text(&row["field"])))
            .collect();
        assert_eq!(json, shown, "{query}");
        let csv = tester.csv(&page).await.expect("a file");
        let mut csv: Vec<(String, String)> = csv[1..]
            .iter()
            .map(|line| (line[0].clone(), line[1].clone()))
            .collect();
        // It has a line for each source.
        csv.dedup();
        assert_eq!(csv, shown, "{query}");
    }
}

/// The channels of both files that a page offers.
async fn channels(tester: &Tester, page: &Page) -> [Vec<i64>; 2] {
    let csv = tester.csv(page).await.expect("a file");
    let csv = csv[1..].iter().map(|line| line[0].parse().expect("an id"));
    let json = tester.json(page, "items").await.expect("a file");
    let json = json.iter().map(|row| row["channel_id"].as_i64());
    [csv.collect(), json.map(|id| id.expect("an id")).collect()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_channels_has_the_rows_that_are_shown_before_and_after_the_first_run() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    tester.get(MODELS).await;
    tester.until(MODELS, "Grok").await;
    // 1: nothing was read yet. 2: two channels were. 3: all were, and some were written.
    for stage in 1..=3 {
        match stage {
            1 => {}
            2 => {
                let chosen = [("what", "selected"), ("pick", "2"), ("pick", "5")];
                tester.post(&format!("{MODELS}/run"), &chosen).await;
                tester.rest().await;
            }
            _ => {
                begin(&tester, "preview").await;
                super::models::apply(&tester).await;
                tester.rest().await;
            }
        }
        for show in [
            "all", "success", "failed", "changed", "held", "skipped", "planned",
        ] {
            for more in [
                "",
                "&group=provider",
                "&group=provider&sort=-name",
                "&sort=-status",
                "&q=a",
            ] {
                let query = format!("{MODELS}?show={show}{more}");
                let page = look(&tester, &query).await;
                let shown = rows(&page);
                assert_eq!(
                    channels(&tester, &page).await,
                    [shown.clone(), shown],
                    "stage {stage}: {query}"
                );
            }
        }
        let all = look(&tester, &format!("{MODELS}?group=provider")).await;
        assert_eq!(rows(&all).len(), 5, "stage {stage}");
        let failed = look(&tester, &format!("{MODELS}?show=failed")).await;
        assert_eq!(rows(&failed).len(), usize::from(stage > 1), "stage {stage}");
    }
    // Channels of one provider come together, by its address, and the file tells that.
    let page = look(&tester, &format!("{MODELS}?group=provider&sort=-id")).await;
    let items = tester.json(&page, "items").await.expect("a file");
    let addresses: Vec<&str> = items
        .iter()
        .map(|item| item["provider"]["base_url"].as_str().expect("an address"))
        .collect();
    assert!(addresses.is_sorted(), "{addresses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_not_read_yet_is_in_the_file_with_the_size_of_its_list() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    tester.get(MODELS).await;
    let page = tester.until(MODELS, "Grok").await;
    let csv = tester.csv(&page).await.expect("a file");
    let place = |column: &str| csv[0].iter().position(|name| name == column);
    let size = place("listed_models").expect("the column");
    let sizes: Vec<&str> = csv[1..].iter().map(|line| line[size].as_str()).collect();
    assert_eq!(sizes, ["2", "2", "10", "6", "1"]);
    let items = tester.json(&page, "items").await.expect("a file");
    assert_eq!(items[0]["channel_name"], "Acme");
    assert_eq!(items[0]["status"], serde_json::Value::Null);
}
