//! `lockstep site source`: added once tested, listed, tested, forgotten; and what a source may not do.

use lockstep_sim::price::pricing_list;
use lockstep_sim::{Page, Provider};
use serde_json::{Value, json};

use super::{in_the_shop, list, open, publish, shop, source, tokens};
use crate::canary;
use crate::server::Server;
use crate::tester::Shell;
use crate::world::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_tested_kept_listed_tested_again_and_forgotten() {
    let gateway = start(shop()).await;
    let shell = open(Shell::with_site(&gateway).await);
    let typed = source(&gateway, "list");
    let said = shell.run(&["site", "source", "add", &typed]).await.is(0);
    said.says("list is remembered as source 1")
        .says("lockstep plan prices");
    let channel = ["site", "source", "add", "channel:1,name=shop", "--untested"];
    let (told, code) = shell.json(&channel).await;
    assert_eq!(code, 0);
    assert_eq!(
        told,
        json!({"source": {
            "name": "shop", "source": "channel:1,name=shop", "position": 2, "has_token": false, "user_id": null,
            "headers": [], "uploaded": null,
        }})
    );
    let (told, _) = shell.json(&["site", "source", "list"]).await;
    let names: Vec<&str> = told["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .filter_map(|source| source["name"].as_str())
        .collect();
    assert_eq!(names, ["list", "shop"]);
    shell
        .run(&["site", "source", "list"])
        .await
        .is(0)
        .says("channel:1");
    // The channel's provider publishes nothing.
    let (told, code) = shell.json(&["site", "source", "test"]).await;
    assert_eq!(code, 3, "{told:#}");
    assert_eq!(told["sources"][0]["state"], "ok");
    assert_eq!(told["sources"][0]["models"], 4);
    shell
        .run(&["site", "source", "test", "list"])
        .await
        .is(0)
        .says("list 4 ok");
    shell.run(&["site", "source", "test", "shop"]).await.is(1);
    shell
        .run(&["site", "source", "test", "nobody"])
        .await
        .is(1)
        .says("there is no source `nobody`");
    shell.run(&["site", "source", "remove", "shop"]).await.is(0);
    shell
        .run(&["site", "source", "remove", "shop"])
        .await
        .is(1)
        .says("lockstep site source list");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_test_fails_is_not_kept_and_the_reason_is_told() {
    let gateway = start(shop()).await;
    let wants = Page::json("{}").token("secret");
    for (name, page, says) in [
        (
            "page",
            Page::html(),
            "a web page came instead of a price list",
        ),
        ("wall", Page::firewall(), "a firewall's page"),
        ("club", wants, ",token-env=NAME,user-id=ID"),
        (
            "none",
            Page::json(r#"{"success":true,"data":[]}"#),
            "it lists no price",
        ),
    ] {
        gateway.add_provider(Provider::new(name, ["x"]).page("/api/pricing", page));
        let shell = open(Shell::with_site(&gateway).await);
        let typed = source(&gateway, name);
        shell
            .run(&["site", "source", "add", &typed])
            .await
            .is(1)
            .says(says)
            .says("--untested");
        let (told, code) = shell
            .json(&["site", "source", "add", &typed, "--untested"])
            .await;
        assert_eq!((code, &told["source"]["name"]), (0, &json!(name)));
    }
    let shell = open(Shell::with_site(&gateway).await);
    for (typed, says) in [
        ("nonsense", "nonsense"),
        ("channel:99", "99"),
        ("http://list.example,speed=9", "`speed` is not an option"),
        ("official,name=", "name="),
    ] {
        shell
            .run(&["site", "source", "add", typed])
            .await
            .is(1)
            .says(says);
    }
    let (told, _) = shell.json(&["site", "source", "list"]).await;
    assert_eq!(told["sources"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_with_the_command_that_allows_it() {
    let gateway = start(shop()).await;
    let shell = Shell::with_site(&gateway).await;
    // The gateway's own host is trusted with its own port only, so its neighbour is private.
    let apart = gateway.add_provider(Provider::new("apart", ["x"]).pricing_list(&list()).apart());
    let typed = source(&gateway, "apart");
    let asked = || apart.requests("/api/pricing");
    shell
        .run(&["site", "source", "add", &typed])
        .await
        .is(1)
        .says("lockstep site edit NAME --allow-private CIDR");
    shell
        .run(&["plan", "prices", "--source", &typed])
        .await
        .says("--allow-private");
    let (told, code) = shell.json(&["diff", &typed]).await;
    assert_eq!(code, 1);
    assert_eq!(told["data"]["sources"][0]["state"], "private_address");
    assert_eq!(asked(), 0, "nothing was sent");
    // For this command, by flag; then for the site.
    let with = ["diff", &typed, "--allow-private", "127.0.0.0/8"];
    shell.run(&with).await.is(0);
    shell.run(&["diff", &typed]).await.is(1);
    shell
        .run(&["site", "edit", "main", "--allow-private", "127.0.0.0/8"])
        .await
        .is(0);
    shell.run(&["site", "source", "add", &typed]).await.is(0);
    assert_eq!(asked(), 2);
    shell
        .run(&["diff", &typed, "--allow-private", "everywhere"])
        .await
        .is(1)
        .says("everywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_token_comes_from_its_variable_and_is_never_shown_or_stored() {
    let gateway = start(shop()).await;
    let text = lockstep_sim::price::pricing_list(&list(), &[("default", 1.0)]);
    let page = Page::json(text).token(canary::UNKNOWN).user("42");
    let club = gateway.add_provider(Provider::new("club", ["x"]).page("/api/pricing", page));
    let mut shell = open(Shell::with_site(&gateway).await);
    let typed = format!(
        "{},token-env=CLUB_TOKEN,user-id=42",
        source(&gateway, "club")
    );
    shell
        .run(&["site", "source", "add", &typed])
        .await
        .is(1)
        .says("CLUB_TOKEN, which is not set");
    // The shell looks for the token in all that is said and in every file.
    shell.set("CLUB_TOKEN", canary::UNKNOWN);
    shell.run(&["site", "source", "add", &typed]).await.is(0);
    for args in [
        &["site", "source", "list"][..],
        &["site", "source", "test"],
        &["plan", "prices", "-vv"],
        &["diff", &typed],
        &["runs"],
        &["backup", "copy.db"],
    ] {
        shell.run(args).await;
        shell.json(args).await;
    }
    let asked = club.last_request("/api/pricing").expect("asked");
    let bearer = format!("Bearer {}", canary::UNKNOWN);
    assert_eq!(asked.header("Authorization"), Some(bearer.as_str()));
    assert_eq!(asked.header("New-Api-User"), Some("42"));
    // A token that is typed in the source itself is refused, and not repeated.
    let typed = format!("{},token={}", source(&gateway, "club"), canary::UNKNOWN);
    shell
        .run(&["plan", "prices", "--source", &typed])
        .await
        .is(1);
    let typed = format!("{},token-env={}", source(&gateway, "club"), canary::UNKNOWN);
    shell
        .run(&["plan", "prices", "--source", &typed])
        .await
        .is(1);
    // Nobody else got it.
    for other in ["list", "acme"] {
        for asked in gateway.provider(other).request_log() {
            assert_eq!(asked.header("Authorization").filter(|h| *h == bearer), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_a_source_and_what_it_costs_here_is_reckoned() {
    let gateway = start(shop()).await;
    let shell = Shell::with_site(&gateway).await;
    let text = lockstep_sim::price::ratio_config(&list());
    std::fs::write(shell.path("prices.json"), text).expect("written");
    let file = shell.path("prices.json").display().to_string();
    let typed = format!("file:{file},name=own,recharge=0.5,multiplier=3");
    let (run, code) = shell.json(&["plan", "prices", "--source", &typed]).await;
    assert_eq!(code, 2, "{run:#}");
    let cedar = super::of_model(&run, "cedar");
    assert_eq!(
        (&cedar[0]["source"], &cedar[0]["new"]),
        (&json!("own"), &json!(2.25))
    );
    assert_eq!(
        cedar[0]["formula"],
        json!({"price": 3.0, "recharge": 0.5, "group": 1.0, "markup": 3.0, "result": 4.5})
    );
    assert_eq!(cedar[0]["usd_new"]["input"], 4.5);
    shell
        .run(&["diff", "file:nowhere.json"])
        .await
        .is(1)
        .says("nowhere.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_costs_and_where_it_is_asked_is_changed_without_forgetting_it() {
    let (_gateway, shell) = in_the_shop().await;
    let edit = ["site", "source", "edit", "list"];
    let changed = [&edit[..], &["--multiplier", "2", "--group", "vip"]].concat();
    let (told, code) = shell.json(&changed).await;
    let spec = told["source"]["source"].as_str().expect("a text");
    assert_eq!(code, 0, "{told:#}");
    assert!(spec.ends_with(",multiplier=2,group=vip"), "{spec}");
    let emptied = [&edit[..], &["--group", ""]].concat();
    let (told, _) = shell.json(&emptied).await;
    let spec = told["source"]["source"].as_str().expect("a text");
    assert!(spec.ends_with(",multiplier=2"), "{spec}");
    // Another page of it is asked before it is kept.
    let elsewhere = [&edit[..], &["--endpoint", "/nowhere"]].concat();
    shell.run(&elsewhere).await.is(1).says("--untested");
    let wrong = [&edit[..], &["--multiplier", "0"]].concat();
    shell.run(&wrong).await.is(1).says("multiplier=0");
    shell.run(&edit).await.is(1).says("--endpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_has_shrunk_for_good_is_believed_once_somebody_says_so() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    let (told, code) = shell.json(&["site", "source", "accept", "list"]).await;
    assert_eq!((code, &told["accepted"]), (0, &json!(false)), "{told:#}");
    let one = [lockstep_sim::Price::tokens("cedar", 2.0, 8.0)];
    publish(&gateway, "list", &one);
    for _ in 0..2 {
        // However often it comes.
        let (run, code) = shell.json(&["plan", "prices"]).await;
        assert_eq!((code, &run["sources"][0]["state"]), (1, &json!("shrunken")));
    }
    shell
        .run(&["site", "source", "test"])
        .await
        .says("lockstep site source accept NAME");
    // What is no list at all cannot be accepted.
    gateway
        .provider("list")
        .set_page("/api/pricing", Page::html());
    shell.run(&["site", "source", "accept", "list"]).await.is(1);
    publish(&gateway, "list", &one);
    let (told, code) = shell.json(&["site", "source", "accept", "list"]).await;
    assert_eq!((code, &told["accepted"]), (0, &json!(true)), "{told:#}");
    assert_eq!(
        (&told["models_before"], &told["sources"][0]["models"]),
        (&json!(4), &json!(1))
    );
    shell.run(&["sync", "prices", "--yes"]).await.is(0);
    assert_eq!(tokens(&gateway, "cedar"), (2.0, 8.0));
    shell
        .run(&["site", "source", "accept", "nobody"])
        .await
        .is(1)
        .says("lockstep site source list");
    // As typed, for a source that is not remembered; then as a person reads it.
    let typed = source(&gateway, "list");
    shell
        .run(&["site", "source", "accept", &typed])
        .await
        .is(0)
        .says("nothing to accept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_stored_from_stdin_used_and_forgotten() {
    let gateway = start(shop()).await;
    let list = lockstep_sim::price::pricing_list(&list(), &[("default", 1.0)]);
    let page = Page::json(list).token(canary::UNKNOWN).user("42");
    gateway.add_provider(Provider::new("club", ["x"]).page("/api/pricing", page));
    let shell = open(Shell::with_site(&gateway).await);
    let typed = source(&gateway, "club");
    let add = [
        "site",
        "source",
        "add",
        &typed,
        "--token-stdin",
        "--token-user",
        "42",
    ];
    shell
        .pipe(&add, "sk-0123456789")
        .await
        .is(1)
        .says("system access token");
    shell.pipe(&add, "mistyped").await.is(1).says("--untested");
    shell.pipe(&add, canary::UNKNOWN).await.is(0);
    let (told, _) = shell.json(&["site", "source", "list"]).await;
    assert_eq!(told["sources"][0]["has_token"], true);
    assert_eq!(told["sources"][0]["user_id"], "42");
    shell.run(&["site", "source", "test"]).await.is(0);
    let (run, _) = shell.json(&["plan", "prices"]).await;
    assert_eq!(run["sources"][0]["state"], "ok", "{run:#}");
    let name = told["sources"][0]["name"].as_str().expect("a name");
    let edit = ["site", "source", "edit", name];
    shell.run(&edit).await.is(1).says("--token-stdin");
    let wrong = [&edit[..], &["--token-stdin"]].concat();
    shell.pipe(&wrong, "mistyped").await.is(1).says("not kept");
    let forget = [&edit[..], &["--no-token", "--untested"]].concat();
    shell.run(&forget).await.is(0);
    let (told, code) = shell.json(&["site", "source", "test"]).await;
    assert_eq!(
        (code, &told["sources"][0]["state"]),
        (1, &json!("needs_sign_in"))
    );
    let both = format!("{typed},token-env=CLUB_TOKEN");
    let both = ["site", "source", "add", &both, "--token-stdin"];
    shell.pipe(&both, "token").await.is(1).says("keep one");
    shell
        .run(&["site", "source", "add", "upload:ours"])
        .await
        .is(1)
        .says("file:PATH");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_list_is_asked_for_by_its_name() {
    let gateway = start(shop()).await;
    let shell = Shell::with_site(&gateway).await;
    let typed = ["diff", "upload:ours"];
    let (told, _) = shell.json(&typed).await;
    assert_eq!(told["data"]["sources"][0]["state"], "failed", "{told:#}");
    let server = Server::start(&shell).await.signed_in().await;
    let list = pricing_list(&list(), &[("default", 1.0)]);
    let body: Value = serde_json::from_str(&list).expect("JSON");
    let path = "/api/v1/sites/main/sources/ours/list";
    server.put(path, &body).await.is(201);
    let (told, code) = shell.json(&typed).await;
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(told["data"]["sources"][0]["state"], "ok");
    let (told, _) = shell.json(&["site", "source", "list"]).await;
    assert!(told["sources"][0]["uploaded"]["at"].is_string(), "{told:#}");
    server.stop().await;
}
