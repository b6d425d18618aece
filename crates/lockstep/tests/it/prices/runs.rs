//! Price runs from the terminal: planned, reviewed, written, read back, taken back.

use lockstep_sim::{EffectivePrice, Fault, Matcher, Page, Price, Provider, Rule};
use serde_json::json;

use super::{
    SERVED, bills, in_the_shop, is_what_was_written, list, list_with, of_model, open, publish,
    remember, shop, tokens,
};
use crate::canary;
use crate::tester::Shell;
use crate::world::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_prices_writes_nothing_and_apply_writes_it_and_undo_gives_it_back() {
    let (gateway, shell) = in_the_shop().await;
    let before = gateway.price_texts();
    let said = shell.run(&["plan", "prices"]).await.is(2);
    let said = said
        .says("lockstep apply")
        .says("cedar")
        .says("input none -> $3.00");
    assert!(
        !said.out.contains("birch"),
        "only unpriced ones: {}",
        said.out
    );
    assert!(gateway.writes().is_empty());

    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!((code, &run["state"]), (0, &json!("done")), "{run:#}");
    is_what_was_written(&run, &gateway);
    assert_eq!(run["statistics"]["changed"], 2);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert_eq!(
        gateway.effective_price("dune"),
        EffectivePrice::PerCall(0.04)
    );
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
    let (again, code) = shell.json(&["plan", "prices"]).await;
    assert_eq!((code, &again["statistics"]["planned"]), (0, &json!(0)));

    shell.run(&["undo", "--yes"]).await.is(0);
    assert_eq!(gateway.price_texts(), before, "byte for byte");
    shell.run(&["plan", "prices"]).await.is(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_price_run_stops_for_review_once() {
    let (gateway, shell) = in_the_shop().await;
    for consent in ["--yes", "--unattended"] {
        let shell = open(Shell::at(&gateway));
        let source = super::source(&gateway, "list");
        let args = ["sync", "prices", "--source", &source, consent];
        shell
            .run(&args)
            .await
            .is(2)
            .says("first price run on this gateway, so it stops here, once");
        assert!(gateway.writes().is_empty(), "{consent}");
    }
    shell.run(&["sync", "prices", "--yes"]).await.is(2);
    let (run, code) = shell.json(&["sync", "prices", "--yes"]).await;
    assert_eq!((code, &run["state"]), (0, &json!("done")));
    is_what_was_written(&run, &gateway);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_yes_nothing_is_written_and_2_says_so() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    for args in [
        &["sync", "prices"][..],
        &["sync", "prices", "--mode", "both"],
        &["unpriced", "--apply"],
        &["apply"],
    ] {
        shell.run(args).await.is(2).says("nobody could be asked");
        let (run, code) = shell.json(args).await;
        assert_eq!((code, &run["state"]), (2, &json!("planned")), "{args:?}");
        assert!(gateway.writes().is_empty(), "{args:?}");
    }
    shell
        .run(&["apply", "--yes", "--only", "cedar"])
        .await
        .is(0);
    shell.run(&["undo"]).await.is(2);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_models_are_written_and_given_back() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    shell
        .run(&["apply", "--yes", "--only", "nobody"])
        .await
        .is(1);
    let (run, _) = shell.json(&["apply", "--yes", "--only", "cedar"]).await;
    is_what_was_written(&run, &gateway);
    assert_eq!(run["statistics"]["changed"], 1);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert!(matches!(
        gateway.effective_price("dune"),
        EffectivePrice::Refused(_)
    ));
    shell.run(&["sync", "prices", "--yes"]).await.is(0);
    let id = run["run"].as_str().expect("an id");
    shell
        .run(&["undo", id, "--yes", "--only", "dune"])
        .await
        .is(1);
    shell
        .run(&["undo", id, "--yes", "--only", "cedar"])
        .await
        .is(0);
    assert!(matches!(
        gateway.effective_price("cedar"),
        EffectivePrice::Refused(_)
    ));
    assert_eq!(
        gateway.effective_price("dune"),
        EffectivePrice::PerCall(0.04)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_say_which_models_are_touched() {
    let (gateway, shell) = in_the_shop().await;
    for (args, planned) in [
        (&["--mode", "add"][..], &["cedar", "dune"][..]),
        (&["--mode", "update"], &["birch"]),
        (&["--mode", "both"], &["birch", "cedar", "dune"]),
    ] {
        let (run, code) = shell.json(&[&["plan", "prices"], args].concat()).await;
        assert_eq!(code, 2);
        let ready: Vec<&str> = SERVED
            .into_iter()
            .filter(|model| {
                let items = run["items"].as_array().expect("items");
                items
                    .iter()
                    .any(|item| item["model"] == *model && item["status"] == "planned")
            })
            .collect();
        assert_eq!(ready, planned, "{args:?}");
    }
    shell
        .run(&["plan", "prices", "--mode", "some"])
        .await
        .is(1)
        .says("add, update or both");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lies_by_a_thousand_is_held_and_nothing_of_it_written() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
    let slipped: Vec<Price> = list()
        .into_iter()
        .map(|price| price.times(1000.0))
        .collect();
    publish(&gateway, "list", &slipped);
    let before = bills(&gateway);
    let sync = ["sync", "prices", "--mode", "update", "--yes"];
    let (run, code) = shell.json(&sync).await;
    assert_eq!(code, 2, "{run:#}");
    for model in ["amber", "birch"] {
        for item in of_model(&run, model) {
            assert_eq!(item["status"], "held", "{item}");
        }
    }
    // One is a thousand times what it was, the other fifteen hundred times.
    assert_eq!(of_model(&run, "amber")[0]["hold"]["reason"], "unit_slip");
    assert_eq!(of_model(&run, "birch")[0]["hold"]["reason"], "tenfold");
    assert_eq!(bills(&gateway), before);
    assert!(gateway.writes().is_empty());
    shell.run(&sync).await.is(2).says("a slip of units?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_source_is_told_and_the_others_are_used() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    gateway.add_provider(Provider::new("dead", ["x"]).page("/api/pricing", Page::html()));
    let dead = super::source(&gateway, "dead");
    shell
        .run(&["site", "source", "add", &dead, "--untested"])
        .await
        .is(0);
    let said = shell.run(&["sync", "prices", "--yes"]).await;
    // What could be done is done; that a source failed is no success of the whole.
    said.is(3).says("dead").says("no price list");
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    let sync = ["sync", "prices", "--yes", "--fail-on", "new"];
    shell.run(&sync).await.is(0);
    shell.run(&sync[..3]).await.is(3);
    // Without any source nothing can be planned, and the last good list is for looking at only.
    gateway
        .provider("list")
        .set_page("/api/pricing", Page::html());
    let writes = gateway.writes().len();
    let said = shell
        .run(&["sync", "prices", "--mode", "both", "--yes"])
        .await;
    said.is(1)
        .says("its last good one is shown, and nothing is planned from it");
    shell.run(&["plan", "prices"]).await.is(1);
    assert_eq!(gateway.writes().len(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_roots_and_another_role_is_told_so_while_lists_go_on() {
    let gateway = start(shop()).await;
    gateway
        .provider("acme")
        .set_models(["amber", "birch", "cedar", "dune", "ember"]);
    let mut shell = open(Shell::at(&gateway));
    shell.set("LOCKSTEP_TOKEN", canary::ADMIN);
    shell.set("LOCKSTEP_USER_ID", "2");
    let source = super::source(&gateway, "list");
    let said = shell.run(&["plan", "prices", "--source", &source]).await;
    said.is(1).says("role").says("root");
    let (both, code) = shell.json(&["plan", "both", "--source", &source]).await;
    assert_eq!(both["prices"]["error"]["kind"], "forbidden", "{both:#}");
    assert_eq!(both["models"]["statistics"]["planned"], 1, "{both:#}");
    assert_eq!(code, 3);
    let both = ["sync", "both", "--source", &source, "--yes"];
    shell.run(&both).await.is(3);
    let channel = gateway.channel(1).expect("the channel");
    assert!(channel.models.ends_with("ember"), "{}", channel.models);
    shell.run(&["diff", &source]).await.is(1).says("role");
    shell.run(&["unpriced"]).await.is(1).says("role");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_refuses_a_map_leaves_every_price_as_it_was() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    let before = gateway.price_texts();
    let refuse = Fault::Refused("no".to_owned());
    gateway.fault(Rule::always(Matcher::put("/api/option/"), refuse));
    let (run, code) = shell
        .json(&["sync", "prices", "--yes", "--max-retries", "0"])
        .await;
    assert_eq!((code, &run["state"]), (1, &json!("failed")), "{run:#}");
    let refused = |item: &&&serde_json::Value| item["error"]["kind"] == "rejected";
    assert_eq!(
        of_model(&run, "cedar").iter().filter(refused).count(),
        1,
        "{run:#}"
    );
    assert_eq!(gateway.price_texts(), before);
    gateway.clear_faults();
    // Some of it fails: the price per call arrives, the ratios do not.
    gateway.fault(
        Rule::always(
            Matcher::put("/api/option/"),
            Fault::Refused("no".to_owned()),
        )
        .times(1),
    );
    let (run, code) = shell
        .json(&["sync", "prices", "--yes", "--max-retries", "0"])
        .await;
    assert_eq!((code, &run["state"]), (3, &json!("partial")), "{run:#}");
    shell.run(&["sync", "prices", "--yes"]).await.is(0);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert_eq!(
        gateway.effective_price("dune"),
        EffectivePrice::PerCall(0.04)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_after_somebody_elses_edit_is_a_conflict_and_leaves_it() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    shell.run(&["apply", "--yes"]).await.is(0);
    let text = gateway.option("ModelRatio").expect("a map");
    gateway.set_option("ModelRatio", &text.replace("1.5", "1.75"));
    let (run, code) = shell.json(&["undo", "--yes"]).await;
    assert_eq!(code, 3, "{run:#}");
    assert_eq!(of_model(&run, "cedar")[0]["error"]["kind"], "moved");
    assert_eq!(tokens(&gateway, "cedar"), (3.5, 17.5));
    assert!(matches!(
        gateway.effective_price("dune"),
        EffectivePrice::Refused(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_somebody_overtook_is_not_written_over_his_price() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
    // The list says nothing of the cache, so the price would be one that nobody has seen.
    gateway.set_option("CacheRatio", "{\"birch\":0.5}");
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!(code, 3, "{run:#}");
    assert_eq!(of_model(&run, "birch")[0]["error"]["kind"], "moved");
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    // Another source: the plan rests on other ones now.
    shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
    gateway.add_provider(Provider::new("more", ["x"]).pricing_list(&list_with(1.4)));
    remember(&shell, &gateway, "more").await;
    let (told, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!(code, 1, "{told}");
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_starts_from_elsewhere_is_written_as_it_was_approved_and_told() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
    let text = gateway.option("ModelRatio").expect("a map");
    gateway.set_option("ModelRatio", &text.replace("0.5", "0.6"));
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!(code, 0, "{run:#}");
    let birch = of_model(&run, "birch")[0];
    assert_eq!((&birch["old"], &birch["new"]), (&json!(0.6), &json!(0.75)));
    assert_eq!(birch["usd_old"]["input"], 1.2);
    assert_eq!(tokens(&gateway, "birch"), (1.5, 6.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_on_new_counts_only_what_the_run_before_did_not_tell() {
    let (gateway, shell) = in_the_shop().await;
    publish(&gateway, "list", &list_with(20.0));
    let plan = ["plan", "prices", "--mode", "update", "--fail-on", "new"];
    shell.run(&plan).await.is(2);
    shell.run(&plan).await.is(0);
    shell.run(&plan[..4]).await.is(2);
    // Another reason is news, and what is ready always waits.
    publish(&gateway, "list", &list_with(0.0));
    shell.run(&plan).await.is(2);
    publish(&gateway, "list", &list_with(1.5));
    for _ in 0..2 {
        shell.run(&plan).await.is(2);
    }
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_can_be_asked_for_at_the_gateways_price_page() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    let said = shell.run(&["sync", "prices", "--yes", "--verify"]).await;
    said.is(0)
        .says("The gateway's price page bills by what was written.");
    // A list is asked for once more than without it.
    let update = ["sync", "prices", "--mode", "update", "--yes", "--verify"];
    let asked = gateway.count("GET", "/api/pricing");
    let (run, code) = shell.json(&update).await;
    assert_eq!((code, &run["state"]), (0, &json!("done")));
    assert_eq!(gateway.count("GET", "/api/pricing"), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_price_runs_from_others_and_finds_models() {
    let (_gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "both"]).await.is(2);
    shell.run(&["sync", "prices", "--yes"]).await.is(0);
    let said = shell.run(&["runs"]).await.is(0);
    said.says("sync prices").says("plan prices");
    let (told, _) = shell.json(&["runs"]).await;
    let subjects: Vec<&str> = told["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .filter_map(|run| run["subject"].as_str())
        .collect();
    assert_eq!(subjects, ["prices", "models", "prices"]);
    for (text, found) in [("cedar", 2), ("nobody", 0)] {
        let (told, _) = shell.json(&["runs", "--search", text]).await;
        assert_eq!(told["runs"].as_array().map(Vec::len), Some(found), "{text}");
    }
    let id = told["runs"][0]["run"].as_str().expect("an id");
    let (some, _) = shell.json(&["runs", id, "--search", "dune"]).await;
    assert_eq!(some["items"].as_array().map(Vec::len), Some(1), "{some:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_for_held_lists_says_that_prices_wait_too() {
    let (gateway, shell) = in_the_shop().await;
    gateway.provider("acme").set_models(["zinc"]);
    publish(&gateway, "list", &list_with(20.0));
    shell
        .run(&["plan", "prices", "--mode", "update"])
        .await
        .is(2);
    shell.run(&["plan"]).await.is(2);
    let (held, _) = shell.json(&["held"]).await;
    assert_eq!(held["held"].as_array().map(Vec::len), Some(1), "{held:#}");
    assert_eq!(held["prices"].as_array().map(Vec::len), Some(1), "{held:#}");
    let said = shell.run(&["apply", "--held", "--yes"]).await;
    said.says("birch").is(2);
    assert_eq!(gateway.channel(1).expect("a channel").models, "zinc");
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
    shell.run(&["apply", "--held", "--yes"]).await.is(0);
    assert_eq!(tokens(&gateway, "birch"), (20.0, 80.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_no_source_knows_is_said_to_be_without_a_price_only_when_it_is() {
    let (gateway, shell) = in_the_shop().await;
    // The list no longer knows amber, which has a price, nor dune, which has none.
    let known: Vec<Price> = list().into_iter().skip(1).take(2).collect();
    publish(&gateway, "list", &known);
    let said = shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
    said.says("Without a price, and no source that answered has one: dune")
        .says("for no source that answered has a price of them: amber");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_price_that_nobody_can_know_is_told_after_the_write_and_not_before() {
    let gateway = start(shop()).await;
    gateway.add_provider(
        Provider::new("new", ["o3-new"]).pricing_list(&[Price::tokens("o3-new", 2.0, 4.0)]),
    );
    let url = gateway.provider("new").base_url().to_owned();
    gateway.add_channel(
        lockstep_sim::Channel::new(2, "New")
            .models("o3-new")
            .base_url(&url),
    );
    let shell = open(Shell::with_site(&gateway).await);
    remember(&shell, &gateway, "new").await;
    let said = shell.run(&["plan", "prices"]).await.is(2);
    said.says("output price known after the first write");
    let (run, _) = shell.json(&["plan", "prices"]).await;
    let planned = of_model(&run, "o3-new")[0];
    assert_eq!(
        (&planned["output"], &planned["usd_new"]["output"]),
        (&json!("unknown"), &json!(null))
    );
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    let written = of_model(&run, "o3-new")[0];
    assert_eq!(code, 0, "{run:#}");
    assert_eq!(
        (&written["output"], &written["usd_new"]["output"]),
        (&json!("gateway"), &json!(8.0))
    );
    assert_eq!(tokens(&gateway, "o3-new"), (2.0, 8.0));
    let said = shell
        .run(&["runs", run["run"].as_str().expect("an id")])
        .await;
    said.says("the gateway's own ratio");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_list_and_a_held_price_named_together_are_two_runs() {
    let apply = ["apply", "--held", "--yes", "--only", "birch", "--only"];
    for json in [true, false] {
        let (gateway, shell) = in_the_shop().await;
        gateway.provider("acme").set_models(["zinc"]);
        publish(&gateway, "list", &list_with(20.0));
        let plan = ["plan", "prices", "--mode", "update"];
        shell.run(&plan).await.is(2);
        shell.run(&["plan"]).await.is(2);
        // A name that is neither stops both.
        let typed = [&apply[..], &["nobody"]].concat();
        shell.run(&typed).await.is(1).says("`nobody` is no channel");
        assert!(gateway.writes().is_empty());
        let typed = [&apply[..], &["1"]].concat();
        if json {
            let (told, code) = shell.json(&typed).await;
            assert_eq!(code, 0, "{told:#}");
            assert_eq!(told["prices"]["subject"], "prices");
            assert_eq!(told["prices"]["items"][0]["model"], "birch");
            assert_eq!(told["models"]["subject"], "models");
            assert_eq!(told["models"]["items"][0]["channel_id"], 1);
        } else {
            let said = shell.run(&typed).await.is(0);
            said.says("birch").says("Model lists").says("Acme");
        }
        assert_eq!(gateway.channel(1).expect("a channel").models, "zinc");
        assert_eq!(tokens(&gateway, "birch"), (20.0, 80.0));
        shell.run(&["held"]).await.is(0);
    }
}
