//! Files have the rows that their table shows, in its order.

use lockstep_core::change::Subject;
use serde_json::Value;

use super::held::unattended;
use super::models::{apply, begin, mixed, rows};
use super::prices::{fetched, moving, reviewed, sent, settled};
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
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
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
                apply(&tester).await;
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
    assert_eq!(items[0]["status"], Value::Null);
}

/// The names in the rows that a page shows, in their order.
fn names(page: &Page) -> Vec<String> {
    let cells = page.text.split("<td class=\"who\">").skip(1);
    let names = cells.filter_map(|cell| cell.split_once("<b>")?.1.split("</b>").next());
    names.map(str::to_owned).collect()
}

/// Both files that a page offers have what it shows: by the key of the rows and that of a name, whose rows come together.
/// Where nothing is shown there is no file.
async fn has_what_is_shown(tester: &Tester, path: &str, shown: &[String], (rows, name): Keys) {
    let page = look(tester, path).await;
    let csv = tester.csv(&page).await;
    let json = tester.json(&page, rows).await;
    let (Some(csv), Some(json)) = (csv, json) else {
        assert!(shown.is_empty(), "{path}: {shown:?}");
        return;
    };
    let column = csv[0].iter().position(|column| column == name);
    let column = column.expect("the column");
    let mut csv: Vec<String> = csv[1..].iter().map(|line| line[column].clone()).collect();
    let text = |row: &Value| row[name].as_str().expect("a text").to_owned();
    let mut json: Vec<String> = json.iter().map(text).collect();
    csv.dedup();
    json.dedup();
    assert_eq!(json, shown, "{path}");
    assert_eq!(csv, shown, "{path}");
}

type Keys = (&'static str, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn files_of_channels_and_of_a_list_over_time_have_what_is_shown() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    begin(&tester, "preview").await;
    apply(&tester).await;
    tester.rest().await;
    begin(&tester, "all").await;
    let channels = "/sites/main/channels";
    let own = [
        ("whose", "channel"),
        ("channel-policy", "add-only"),
        ("channel-keep", "old-1"),
    ];
    let saved = tester.post(&format!("{channels}/4"), &own).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    for (query, rows) in [
        ("", 5),
        ("show=own", 1),
        ("sort=-name", 5),
        ("sort=provider", 5),
        ("q=Gamma", 1),
        ("q=nobody", 0),
    ] {
        let path = format!("{channels}?{query}");
        // What is escaped in a page is not in a file.
        let shown: Vec<String> = names(&look(&tester, &path).await)
            .iter()
            .map(|name| name.replace("&#60;", "<").replace("&#62;", ">"))
            .collect();
        assert_eq!(shown.len(), rows, "{query}: {shown:?}");
        has_what_is_shown(&tester, &path, &shown, ("channels", "channel_name")).await;
    }
    let page = look(&tester, &format!("{channels}?show=own")).await;
    let own = tester.json(&page, "channels").await.expect("a file");
    assert_eq!(own[0]["policy"], "add-only");
    assert_eq!(own[0]["own"]["keep"], serde_json::json!(["old-1"]));
    for query in ["", "?sort=-when"] {
        let path = format!("/sites/main/history/channels/1{query}");
        let shown = runs(&look(&tester, &path).await);
        assert_eq!(shown.len(), 2, "{query}");
        has_what_is_shown(&tester, &path, &shown, ("changes", "run")).await;
    }
}

/// The runs that the rows of a page lead to.
fn runs(page: &Page) -> Vec<String> {
    let links = page
        .text
        .split("class=\"mono\" href=\"/sites/main/history/")
        .skip(1);
    let runs = links.filter_map(|link| link.split(['?', '"']).next());
    runs.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_price_run_and_of_what_waits_have_what_is_shown() {
    let (gateway, tester) = moving().await;
    fetched(&tester).await;
    unattended(&tester).await;
    for (query, rows) in [
        ("", 3),
        ("reason=large_fall", 1),
        ("q=LEA", 1),
        ("sort=-model", 3),
    ] {
        let path = format!("{PRICES}/held?{query}");
        let shown = names(&look(&tester, &path).await);
        assert_eq!(shown.len(), rows, "{query}: {shown:?}");
        has_what_is_shown(&tester, &path, &shown, ("holds", "model")).await;
    }
    for chip in ["waiting", "proposed", "ignored"] {
        for more in ["", "&q=fre", "&q=nobody", "&sort=-model"] {
            let path = format!("/sites/main/unpriced?show={chip}{more}");
            let shown = names(&look(&tester, &path).await);
            has_what_is_shown(&tester, &path, &shown, ("unpriced", "model")).await;
        }
    }
    let site = tester.site().await;
    let run = tester.app.store().latest_run(&site.id, Subject::Prices);
    let run = run.await.expect("asked").expect("a run").id;
    run_has_what_is_shown(&tester, &run, &["all", "ready", "held", "left"]).await;

    // Of what was reviewed one price moves before it is written.
    let page = settled(&tester, PRICES).await;
    let (path, review) = reviewed(&tester, &sent(&page, &[])).await;
    let edited = "{\"level\":0.5,\"rises\":7,\"leaps\":0.5,\"falls\":0.5,\"shrinks\":0.5}";
    gateway.set_option("ModelRatio", edited);
    let plan = review.value("plan");
    let apply = format!("{path}/apply");
    tester.post(&apply, &[("plan", &plan)]).await;
    settled(&tester, &path).await;
    let run = path.rsplit('/').next().expect("an id");
    run_has_what_is_shown(&tester, run, &["all", "written", "moved"]).await;
    for query in ["", "?sort=-when"] {
        let path = format!("/sites/main/history/prices/fresh{query}");
        let page = look(&tester, &path).await;
        let shown = runs(&page);
        assert!(!shown.is_empty(), "{query}");
        let file = tester.json(&page, "changes").await.expect("a file");
        assert_eq!(file.len(), shown.len(), "{query}");
        has_what_is_shown(&tester, &path, &[run.to_owned()], ("changes", "run")).await;
    }
}

/// Both tables of a run about prices have files of what they show, and each of these chips has a row.
async fn run_has_what_is_shown(tester: &Tester, run: &str, chips: &[&str]) {
    let (review, history) = (
        format!("{PRICES}/runs/{run}"),
        format!("/sites/main/history/{run}"),
    );
    for (page, codes, sorts) in [
        (
            &review,
            &["all", "ready", "held", "left", "written", "moved", "failed"][..],
            ["", "-odd", "model", "-model"],
        ),
        (
            &history,
            &["all", "planned", "held", "skipped", "changed", "moved"],
            ["", "-key", "status", "-status"],
        ),
    ] {
        let mut found = 0;
        for code in codes {
            for sort in sorts {
                let path = format!("{page}?show={code}&sort={sort}");
                let shown = names(&look(tester, &path).await);
                found += usize::from(!shown.is_empty() && sort.is_empty());
                has_what_is_shown(tester, &path, &shown, ("items", "model")).await;
            }
        }
        assert_eq!(found, chips.len(), "{page}");
        let all = names(&look(tester, page).await);
        let searched = format!("{page}?q={}", all[0]);
        has_what_is_shown(tester, &searched, &all[..1], ("items", "model")).await;
    }
    // The heads of its columns sort the review.
    let page = look(tester, &review).await;
    page.says("id=\"sort-model\"");
    let mut all = names(&look(tester, &format!("{review}?sort=model")).await);
    assert!(all.is_sorted(), "{all:?}");
    all.reverse();
    let turned = names(&look(tester, &format!("{review}?sort=-model")).await);
    assert_eq!(turned, all);
}
