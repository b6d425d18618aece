//! The history: runs, one in full with the way back, and what became of prices and lists over time.

use lockstep_core::change::RunState;
use lockstep_sim::{Channel, Gateway, Provider, Spec};
use lockstep_store::runs::Run;

use super::models::{apply, begin, chip, mixed, row, rows, written};
use super::prices;
use super::tester::{Page, Tester};
use crate::config::File;
use crate::server::caller::Scope;

const HISTORY: &str = "/sites/main/history";

/// A server on the gateway that has planned, and written what no guard holds.
async fn ran(gateway: &Gateway) -> (Tester, Run) {
    let tester = Tester::quick(gateway).await;
    begin(&tester, "preview").await;
    assert_eq!(apply(&tester).await.status, 303);
    let run = tester.rest().await;
    (tester, run)
}

/// The page once its run is at rest.
async fn at_rest(tester: &Tester, path: &str) -> Page {
    for _ in 0..3_000 {
        let page = tester.get(path).await;
        if !page.text.contains("sse-connect") {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{path} moves on and on");
}

/// Undoes what is chosen, and answers where its plan is shown, and that.
async fn planned(tester: &Tester, run: &str, fields: &[(&str, &str)]) -> (String, Page) {
    let undo = tester.post(&format!("{run}/undo"), fields).await;
    assert_eq!(undo.status, 303, "{}", undo.text);
    let page = at_rest(tester, &undo.location).await;
    (undo.location, page)
}

/// The yes to the plan that a page shows, and what came of it.
async fn say_yes(tester: &Tester, path: &str, page: &Page) -> Page {
    let plan = page.value("plan");
    let yes = tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    assert_eq!(yes.location, path, "{}", yes.text);
    at_rest(tester, path).await
}

#[tokio::test]
async fn before_any_run_the_page_says_how_runs_come() {
    let gateway = mixed().await;
    let tester = Tester::quick(&gateway).await;
    let page = tester.get(HISTORY).await;
    assert_eq!(page.status, 200);
    page.says("Nothing has run yet");
    page.never_says("class=\"spark\"");
    for path in ["0", "prices", "channels"] {
        let none = tester.get(&format!("{HISTORY}/{path}")).await;
        assert_eq!(none.status, 404, "{path}");
    }
}

#[tokio::test]
async fn runs_are_found_by_what_they_are_and_what_is_in_them() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    begin(&tester, "failed").await;
    let page = tester.get(HISTORY).await;
    for text in [
        "1 to 2 of 2",
        "Model lists",
        "Done in part",
        "Retry Failed Only",
        "admin",
        "<svg class=\"spark\"",
        &format!("{HISTORY}/{}?show=changed", run.id),
        "<option value=\"admin\">",
    ] {
        page.says(text);
    }
    assert_eq!(chip(&page, "all"), 2);
    assert_eq!(chip(&page, "partial"), 1);
    let found = async |query: &str| tester.get(&format!("{HISTORY}?{query}")).await;
    for (query, count) in [
        ("subject=models", "1 to 2 of 2"),
        ("trigger=plan", "1 to 1 of 1"),
        ("by=admin", "1 to 2 of 2"),
        ("show=partial", "1 to 1 of 1"),
        ("q=acme", "1 to 1 of 1"),
        ("q=GROK", "1 to 2 of 2"),
    ] {
        found(query).await.says(count);
    }
    for query in ["subject=prices", "by=nobody", "q=nothing"] {
        found(query).await.says("Nothing matches");
    }
    let turned = found("sort=-started").await;
    let place = |page: &Page, text: &str| page.text.find(text).expect("it is there");
    let first = "<td data-label=\"Started by\">Preview";
    let last = "<td data-label=\"Started by\">Retry";
    assert!(place(&turned, first) < place(&turned, last));
    assert!(place(&page, last) < place(&page, first));
    let csv = found("trigger=plan").await;
    csv.says("/sites/main/history.csv?trigger=plan");
    let csv = tester.get(&format!("{HISTORY}.csv?trigger=plan")).await;
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.text);
    assert!(lines[0].starts_with("run,parent,subject,state"));
    assert!(lines[1].starts_with(&run.id), "{}", lines[1]);
    let json = tester.get(&format!("{HISTORY}.json")).await;
    let json: serde_json::Value = serde_json::from_str(&json.text).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_run_tells_who_had_it_done_what_it_changed_and_by_which_settings() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/{}", run.id);
    let page = tester.get(&path).await;
    for text in [
        "Started by</dt><dd>Preview, then applied",
        "Approved</dt><dd>admin",
        "Requests that read",
        "Settings of this run",
        "<td>Pace</td><td>Automatic",
        "Events (",
        "<td>Writing</td>",
        "Undo the whole run",
        "Undo the chosen (0)",
        &format!("/api/v1/sites/{}/runs/{}/items.csv", run.site_id, run.id),
        "/sites/main/history/channels/1",
    ] {
        page.says(text);
    }
    assert_eq!(rows(&page), [1, 2, 3, 4, 5]);
    assert_eq!(chip(&page, "changed"), 2);
    let changed = tester.get(&format!("{path}?show=changed")).await;
    assert_eq!(rows(&changed), [1, 3]);
    changed.says("items.csv?changed=true");
    let held = tester.get(&format!("{path}?show=held")).await;
    assert_eq!(rows(&held), [4]);
    let found = tester.get(&format!("{path}?q=gamma&sort=-name")).await;
    assert_eq!(rows(&found), [3]);
    found.says("items.csv?search=gamma&#38;sort=name&#38;order=desc");
    let open = tester.get(&format!("{path}?open=1")).await;
    open.says("Old Model List");
    open.says("<li class=\"name add\">gpt-5-nano</li>");
    open.says("aria-expanded=\"true\"");
    // Only what was written can be ticked.
    for (id, can) in [(1, true), (2, false), (3, true), (4, false), (5, false)] {
        assert_eq!(!row(&page, id).contains(" disabled"), can, "{id}");
    }
    let gone = tester.get(&format!("{path}?page=9")).await;
    assert_eq!(gone.location, path);
}

#[tokio::test]
async fn a_chosen_row_is_undone_as_it_was_shown_and_no_other() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/{}", run.id);
    let none = tester
        .post(&format!("{path}/undo"), &[("what", "chosen")])
        .await;
    assert_eq!(none.location, format!("{path}?said=none-selected"));
    gateway.clear_log();
    let chosen = [("what", "chosen"), ("pick", "1"), ("pick", "2")];
    let (undo, page) = planned(&tester, &path, &chosen).await;
    for text in ["What undoing would change", "Apply 1 change", "From run"] {
        page.says(text);
    }
    assert_eq!(rows(&page), [1]);
    assert!(gateway.effective_writes().is_empty(), "only shown so far");
    let wrong = tester
        .post(&format!("{undo}/apply"), &[("plan", "another")])
        .await;
    assert_eq!(wrong.status, 409);
    wrong.says("Apply 1 change");
    assert!(gateway.effective_writes().is_empty());
    let done = say_yes(&tester, &undo, &page).await;
    done.says("Undo</dd>");
    done.says("badge good\">Done");
    assert_eq!(written(&gateway), [1]);
    assert_eq!(gateway.channel(1).expect("it").models, "gpt-5,gpt-5-mini");
    assert_eq!(
        gateway.channel(3).expect("it").models.matches(',').count(),
        8
    );
    tester.get(&path).await.says("Undone by run");
    // What is undone is not offered again, and says by which run it was.
    let page = tester.get(&path).await;
    let one = row(&page, 1);
    assert!(one.contains(" disabled"), "{one}");
    assert!(one.contains("Undone already, by run"), "{one}");
    assert!(one.contains(&format!("<a href=\"{undo}\">")), "{one}");
    assert!(!row(&page, 3).contains(" disabled"));
    let refused = tester
        .post(
            &format!("{path}/undo"),
            &[("what", "chosen"), ("pick", "1")],
        )
        .await;
    assert_eq!(refused.status, 409);
    refused.says("is undone already, by run");
    // An undo is a run, and can be taken back too.
    let (again, page) = planned(&tester, &undo, &[]).await;
    say_yes(&tester, &again, &page).await;
    assert_eq!(written(&gateway), [1, 1]);
}

#[tokio::test]
async fn a_run_that_is_undone_as_a_whole_offers_no_undo_any_more() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/{}", run.id);
    let (undo, page) = planned(&tester, &path, &[("what", "all")]).await;
    say_yes(&tester, &undo, &page).await;
    let page = tester.get(&path).await;
    page.says("Nothing of this run can be undone any more");
    page.never_says("Undo the");
    assert_eq!(page.text.matches("Undone already, by run").count(), 2);
    let refused = tester.post(&format!("{path}/undo"), &[]).await;
    assert_eq!(refused.status, 409);
    refused.says("is undone already, by run");
}

#[tokio::test]
async fn all_that_match_are_chosen_by_the_filter() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/{}", run.id);
    let all = tester.get(&format!("{path}?q=gamma&take=all")).await;
    let page = tester.get(&all.location).await;
    page.says("Undo the chosen (1)");
    let mut fields = page.fields("<form class=\"card sheet\"");
    fields.push(("what".to_owned(), "chosen".to_owned()));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let (_, page) = planned(&tester, &path, &fields).await;
    assert_eq!(rows(&page), [3]);
}

#[tokio::test]
async fn what_somebody_edited_since_stays_and_is_told() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/{}", run.id);
    gateway.edit_channel(1, |channel| channel.models.push_str(",mine"));
    gateway.clear_log();
    let (undo, page) = planned(&tester, &path, &[("what", "all")]).await;
    assert_eq!(rows(&page), [1, 3]);
    let done = say_yes(&tester, &undo, &page).await;
    assert!(row(&done, 1).contains("Moved"), "{}", row(&done, 1));
    assert_eq!(written(&gateway), [3]);
    assert!(gateway.channel(1).expect("it").models.ends_with(",mine"));
}

#[tokio::test]
async fn a_list_that_was_empty_cannot_be_undone_and_the_plan_says_why() {
    let spec = Spec::new()
        .provider(Provider::new("acme", ["a", "b"]))
        .channel(Channel::new(1, "Acme").at("acme").models("a"))
        .channel(Channel::new(2, "Empty").at("acme").models(""));
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let (tester, run) = ran(&gateway).await;
    assert_eq!(gateway.channel(2).expect("it").models, "a,b");
    let path = format!("{HISTORY}/{}", run.id);
    let page = tester.get(&path).await;
    assert!(row(&page, 2).contains(" disabled"));
    let (undo, page) = planned(&tester, &path, &[]).await;
    page.says("1 cannot be undone");
    page.says("Apply 1 change");
    let skipped = tester.get(&format!("{undo}?show=skipped")).await;
    assert_eq!(rows(&skipped), [2]);
    assert!(row(&skipped, 2).contains("empty"), "{}", row(&skipped, 2));
    say_yes(&tester, &undo, &page).await;
    assert_eq!(gateway.channel(1).expect("it").models, "a");
    assert_eq!(gateway.channel(2).expect("it").models, "a,b");
}

#[tokio::test]
async fn a_run_that_wrote_nothing_offers_no_way_back() {
    let gateway = mixed().await;
    let (tester, _) = ran(&gateway).await;
    assert_eq!(begin(&tester, "failed").await, RunState::Failed);
    let run = tester.rest().await;
    let path = format!("{HISTORY}/{}", run.id);
    let page = tester.get(&path).await;
    page.says("This run wrote nothing.");
    page.never_says("Undo the");
    let refused = tester.post(&format!("{path}/undo"), &[]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    refused.says("This run wrote nothing.");
}

#[tokio::test]
async fn a_channels_list_over_time_is_a_picture_with_a_table() {
    let gateway = mixed().await;
    let (tester, run) = ran(&gateway).await;
    let path = format!("{HISTORY}/channels/1");
    let page = tester.get(&path).await;
    for text in [
        "List of Acme over time",
        "<svg class=\"chart\"",
        "<path class=\"line0\" d=\"M",
        "Models at the provider",
        &format!("{HISTORY}/{}?q=Acme&#38;open=1", run.id),
        "<span class=\"good\">+1</span>",
        "1 to 1 of 1",
    ] {
        page.says(text);
    }
    let never = tester.get(&format!("{HISTORY}/channels/77")).await;
    never.says("Nothing was written for it yet");
    never.never_says("<svg class=\"chart\"");
    let channel = tester.get("/sites/main/channels/1").await;
    channel.says(&path);
    let models = tester.get("/sites/main/models?open=1").await;
    models.says(&path);
    models.says(&format!("{HISTORY}/{}", run.id));
    let overview = tester.get("/").await;
    overview.says(&format!("{HISTORY}/{}", run.id));
    overview.says(&format!("<a href=\"{HISTORY}\">"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_over_time_is_a_picture_with_a_table_and_one_model_is_undone() {
    let gateway = prices::gateway().await;
    let tester = prices::shop(&gateway).await;
    let page = prices::fetched(&tester).await;
    page.says(&format!("{HISTORY}/prices/birch"));
    let (path, review) = prices::reviewed(&tester, &prices::sent(&page, &[])).await;
    let plan = review.value("plan");
    tester
        .post(&format!("{path}/apply"), &[("plan", &plan)])
        .await;
    let done = prices::settled(&tester, &path).await;
    done.says("Written and read back: 2 models");
    let (_, id) = path.rsplit_once('/').expect("an id");
    let run = format!("{HISTORY}/{id}");
    done.says(&run);
    let price = tester.get(&format!("{HISTORY}/prices/cedar")).await;
    for text in [
        "Price of cedar over time",
        "<svg class=\"chart\"",
        "<path class=\"line1\" d=\"M",
        &run,
        "model ratio",
        "no price</del>",
        "$3 / $15",
    ] {
        price.says(text);
    }
    let page = tester.get(&format!("{run}?show=changed&q=ced")).await;
    page.says("1 to 1 of 1");
    let pick = page.value("pick");
    let undo = format!("{run}/undo");
    let undo = tester
        .post(&undo, &[("what", "chosen"), ("pick", &pick)])
        .await;
    let page = at_rest(&tester, &undo.location).await;
    page.says("Apply 1</button>");
    page.says("cedar");
    page.never_says("dune");
    say_yes(&tester, &undo.location, &page).await;
    let map = |key: &str| gateway.option(key).expect("a map");
    assert!(!map("ModelRatio").contains("cedar"));
    assert!(map("ModelPrice").contains("dune"));
    let price = tester.get(&format!("{HISTORY}/prices/cedar")).await;
    price.says(&undo.location);
    // Of the run that is left: one is undone already, the other a person locked.
    let answer = [("answer", "lock//dune")];
    let locked = tester.post("/sites/main/prices/answers", &answer).await;
    assert_eq!(locked.status, 303, "{}", locked.text);
    let page = tester.get(&run).await;
    page.says(&format!(
        "<a href=\"{}\">Undone already, by run",
        undo.location
    ));
    page.says("Cannot be undone: its price is locked");
    page.says("Unlock it to let it be written.");
    page.says("Nothing of this run can be undone any more");
    page.never_says("Undo the");
    let review = tester.get(&path).await;
    review.never_says(&format!("{path}/undo"));
    let (place, plan) = planned(&tester, &run, &[("what", "all")]).await;
    plan.says("2 cannot be undone");
    plan.says("Undone already, by run");
    plan.says("Skipped: you locked it");
    plan.never_says("Apply ");
    // An unlocked one goes back.
    let answer = [("answer", "unlock//dune")];
    tester.post("/sites/main/prices/answers", &answer).await;
    let (undo, page) = planned(&tester, &run, &[("what", "all")]).await;
    page.says("Apply 1</button>");
    page.says("1 cannot be undone");
    say_yes(&tester, &undo, &page).await;
    assert_eq!(
        gateway.option("ModelPrice"),
        Some("{}".to_owned()),
        "{place}"
    );
    tester.get(&run).await.never_says("Undo the");
}

#[tokio::test]
async fn whoever_may_look_only_takes_nothing_back() {
    let tester = Tester::with(File::default(), Scope::Read).await;
    let site = super::models::unreachable_site();
    let store = tester.app.store();
    let site = store.add_site(site, 0).await.expect("a site");
    let new = lockstep_store::runs::NewRun {
        parent: None,
        site_id: site.id.clone(),
        subject: lockstep_core::change::Subject::Models,
        trigger: "sync".to_owned(),
        actor: "admin".to_owned(),
        go_on: false,
        unattended: false,
        selection: None,
        settings: Vec::new(),
        policy_override: None,
        policy_hash: lockstep_core::hash::Digest::of(["policy"]),
        told: false,
    };
    let run = store.create_run(new, 0).await.expect("a run");
    let path = format!("{HISTORY}/{}", run.id);
    assert_eq!(tester.get(&path).await.status, 200);
    for act in ["undo", "apply"] {
        let refused = tester
            .post(&format!("{path}/{act}"), &[("plan", "x")])
            .await;
        assert_eq!(refused.status, 403, "{act}");
        refused.never_says("formaction");
    }
}

#[tokio::test]
async fn the_history_speaks_chinese() {
    let gateway = mixed().await;
    let (mut tester, run) = ran(&gateway).await;
    tester.language = "zh-CN";
    let list = tester.get(HISTORY).await;
    list.says("每次运行、它的更改");
    let page = tester.get(&format!("{HISTORY}/{}", run.id)).await;
    page.says("撤销整次运行");
    page.says("本次运行的设置");
    let channel = tester.get(&format!("{HISTORY}/channels/1")).await;
    channel.says("Acme 的列表变化");
}
