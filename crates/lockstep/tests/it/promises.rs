//! What holds for every verb: only four of them write, and each prints one JSON object.

use std::collections::BTreeSet;

use lockstep_sim::{Gateway, Manner};
use serde_json::json;

use crate::canary;
use crate::notices::place::Place;
use crate::tester::Shell;
use crate::world::{lists, mixed, names, priced, start, written};

/// Every verb but sync, apply, undo and `unpriced --apply`, in an order in which each has something to work on.
const HARMLESS: &[&[&str]] = &[
    &["config", "example"],
    &["config", "check"],
    &["completions", "bash"],
    &["site", "list"],
    &["site", "test"],
    &["site", "edit", "main", "--burst", "4"],
    &["doctor"],
    &["plan"],
    &["plan", "models"],
    &["plan", "--channel", "1"],
    &["plan", "--retry-failed"],
    &["plan", "--policy", "exact"],
    &["runs"],
    &["runs", "RUN"],
    &["runs", "--search", "gpt"],
    &["held"],
    &["held", "keep", "4"],
    &["held", "allow", "7"],
    &["held", "never", "8"],
    &["channel", "list"],
    &["channel", "show", "1"],
    &["channel", "set", "1", "--policy", "exact"],
    &["channel", "set", "--provider", "PROVIDER", "--exclude", "x"],
    &["site", "source", "add", "PRICES,name=list"],
    &[
        "site",
        "source",
        "add",
        "file:nowhere.json,name=later",
        "--untested",
    ],
    &["site", "source", "list"],
    &["site", "source", "test", "list"],
    &["site", "source", "accept", "list"],
    &["site", "source", "edit", "list", "--no-token", "--untested"],
    &["site", "source", "remove", "later"],
    &["plan", "prices", "--source", "PRICES"],
    &[
        "plan",
        "prices",
        "--mode",
        "both",
        "--all-models",
        "--ratios",
    ],
    &["plan", "both"],
    &["diff"],
    &["diff", "PRICES", "--search", "gpt"],
    &["diff", "--request", "request.json"],
    &["unpriced"],
    &["unpriced", "--source", "PRICES", "--ratios"],
    &["runs", "RUN", "--ratios"],
    &["held"],
    &["price", "lock", "gpt-5", "--field", "model_ratio"],
    &["price", "keep-kind", "gpt-5"],
    &["price", "ignore", "gpt-5-mini"],
    &["price", "answers"],
    &["price", "show", "gpt-5"],
    &["price", "unlock", "gpt-5"],
    &[
        "notice",
        "add",
        "hook",
        "webhook",
        "--allow-private",
        "127.0.0.0/8",
    ],
    &["notice", "list"],
    &["notice", "test", "hook"],
    &["notice", "log"],
    &["notice", "remove", "hook"],
    &["schedule", "show"],
    &["schedule", "set", "models", "--every", "6h"],
    &["schedule", "off", "models"],
    &["password", "reset"],
    &["token", "add", "program", "--scope", "read"],
    &["token", "list"],
    &["token", "remove", "program"],
    &["backup", "copy.db"],
    &["site", "remove", "main"],
    &["site", "remove", "main", "--yes"],
    &["demo", "--once", "--channels", "3"],
];

/// What writes, when there is no yes.
const UNASKED: &[&[&str]] = &[
    &["sync"],
    &["apply"],
    &["apply", "--held"],
    &["undo"],
    &["sync", "prices", "--source", "PRICES"],
    &["unpriced", "--apply", "--source", "PRICES"],
];

/// A row of the tables with real things in it.
async fn filled(shell: &Shell, gateway: &Gateway, args: &[&str]) -> Vec<String> {
    let mut filled = Vec::new();
    for text in args {
        filled.push(match *text {
            "PROVIDER" => gateway.provider("acme").base_url().to_owned(),
            text if text.starts_with("PRICES") => {
                text.replace("PRICES", gateway.provider("list").base_url())
            }
            "RUN" => {
                let (told, _) = shell.json(&["runs", "--limit", "1"]).await;
                told["runs"][0]["run"].as_str().expect("a run").to_owned()
            }
            text => text.to_owned(),
        });
    }
    filled
}

/// What the verbs about prices and notices need: a place that may be called, a request in a file, somebody who hears.
async fn prepared(shell: &mut Shell, gateway: &Gateway) {
    let place = Place::always(200, "").await;
    shell.set("LOCKSTEP_NOTICE_URL", &place.url());
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    let request = json!({"upstreams": [
        {"name": "list", "base_url": gateway.provider("list").base_url(), "endpoint": "/api/pricing"},
    ]});
    std::fs::write(shell.path("request.json"), request.to_string()).expect("written");
}

async fn verbs(shell: &Shell, above: &[&str]) -> BTreeSet<String> {
    let said = shell.run(&[above, &["--help"]].concat()).await.is(0);
    let list = said.out.split("Commands:").nth(1).unwrap_or_default();
    let lines = list
        .lines()
        .skip(1)
        .take_while(|line| !line.trim().is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_is_in_the_table_of_those_that_write_or_of_those_that_do_not() {
    let shell = Shell::new();
    let known = |depth: usize, above: &str| -> BTreeSet<String> {
        HARMLESS
            .iter()
            .chain(UNASKED)
            .filter(|args| depth == 0 || args[0] == above)
            .filter_map(|args| args.get(depth))
            .map(|verb| (*verb).to_owned())
            .collect()
    };
    let mut all = known(0, "");
    // It does not end by itself, so that it has tests of its own.
    all.insert("serve".to_owned());
    all.insert("health".to_owned());
    assert_eq!(verbs(&shell, &[]).await, all);
    for above in [
        "config", "channel", "price", "notice", "password", "schedule", "token",
    ] {
        assert_eq!(verbs(&shell, &[above]).await, known(1, above));
    }
    let of_sources = HARMLESS
        .iter()
        .filter(|args| args.get(1) == Some(&"source"));
    let of_sources: BTreeSet<String> = of_sources.map(|args| args[2].to_owned()).collect();
    assert_eq!(verbs(&shell, &["site", "source"]).await, of_sources);
    let mut site = known(1, "site");
    site.insert("add".to_owned());
    assert_eq!(verbs(&shell, &["site"]).await, site);
    assert_eq!(verbs(&shell, &["held"]).await, known(1, "held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_but_the_four_that_write_makes_no_write() {
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::new();
    prepared(&mut shell, &gateway).await;
    shell.add_site("main", &gateway).await.is(0);
    let config = shell.path("lockstep.toml").display().to_string();
    std::fs::write(&config, "[sync]\nburst = 5\n").expect("written");
    shell.set("LOCKSTEP_CONFIG", &config);
    let before = lists(&gateway);
    let prices = gateway.price_texts();
    for args in HARMLESS {
        let args = filled(&shell, &gateway, args).await;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = shell.run(&args).await;
        // All that is asked again fails again, and that is what this plan says.
        let expected = i32::from(args.contains(&"--retry-failed"));
        assert_eq!(
            said.code() % 2,
            expected,
            "{args:?} had nothing to work on: {}",
            said.words()
        );
        assert!(gateway.writes().is_empty(), "{args:?} wrote");
    }
    assert_eq!(lists(&gateway), before);
    assert_eq!(gateway.price_texts(), prices);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_writes_does_so_without_a_yes() {
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::at(&gateway);
    prepared(&mut shell, &gateway).await;
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes", "--only", "1"]).await;
    shell.run(&["plan"]).await.is(2);
    let before = written(&gateway);
    assert_eq!(before, [1]);
    for args in UNASKED {
        let args = filled(&shell, &gateway, args).await;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        for more in [&[][..], &["--json"], &["--quiet"], &["-v"]] {
            shell.run(&[&args, more].concat()).await.is(2);
            assert_eq!(gateway.writes().len(), 1, "{args:?} {more:?} wrote");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_prints_one_json_object_whether_it_succeeds_or_not() {
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::new();
    prepared(&mut shell, &gateway).await;
    shell.add_site("main", &gateway).await.is(0);
    let config = shell.path("lockstep.toml").display().to_string();
    std::fs::write(&config, "").expect("written");
    shell.set("LOCKSTEP_CONFIG", &config);
    let mistakes: &[&[&str]] = &[
        &["plan", "--site", "nobody"],
        &["plan", "--burst", "99"],
        &["runs", "zz"],
        &["held", "keep", "99"],
        &["channel", "show", "99"],
        &["site", "remove", "nobody", "--yes"],
        &["site", "edit", "main", "--reset", "speed"],
        &["config", "check", "--config", "nowhere"],
        &["backup", "/proc/nowhere"],
        &["token", "remove", "nobody"],
        &["password", "reset", "--public-url", "nowhere"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["plan", "prices"],
        &["plan", "prices", "--source", "nonsense"],
        &["plan", "prices", "--source", "channel:99"],
        &["diff", "--request", "nowhere.json"],
        &["site", "source", "remove", "nobody"],
        &["site", "source", "test"],
        &["price", "unlock", "nobody"],
        &["price", "keep-kind", "nobody"],
        &["held", "keep", "nobody"],
    ];
    shell.run(&["plan"]).await.is(2);
    let all = mistakes
        .iter()
        .chain(UNASKED.iter().filter(|args| **args != ["undo"]))
        .chain(HARMLESS);
    for args in all {
        let args = filled(&shell, &gateway, args).await;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (told, code) = shell.json(&args).await;
        if mistakes.contains(&args.as_slice()) {
            assert_eq!(code, 1, "{args:?}");
            assert!(told["error"]["message"].is_string(), "{args:?}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_ends_with_1_when_something_is_wrong_and_with_0_otherwise() {
    let gateway = start(mixed()).await;
    let mut shell = Shell::at(&gateway);
    let (told, code) = shell.json(&["doctor"]).await;
    assert_eq!((code, &told["ok"]), (0, &true.into()));
    let topics: Vec<&str> = told["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["topic"].as_str())
        .collect();
    for topic in [
        "address", "gateway", "version", "token", "role", "clock", "channels", "limits", "private",
    ] {
        assert!(topics.contains(&topic), "{topic} is not in {topics:?}");
    }
    shell.set("LOCKSTEP_TOKEN", canary::COMMON);
    shell.run(&["doctor"]).await.is(1).says("too low");
    shell.set("LOCKSTEP_TOKEN", canary::UNKNOWN);
    shell.run(&["doctor"]).await.is(1).says("401");
    shell.set("LOCKSTEP_TOKEN", canary::ADMIN);
    shell
        .run(&["doctor"])
        .await
        .is(0)
        .says("the token is user 2's");
    gateway.stop();
    shell.run(&["doctor"]).await.is(1).says("does not answer");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_fork_and_a_strange_gateway_are_recognised_and_never_written() {
    use lockstep_sim::Flavour;
    for (flavour, says) in [(Flavour::OldFork, "older fork"), (Flavour::Foreign, "")] {
        let gateway = start(mixed().flavour(flavour)).await;
        let shell = Shell::at(&gateway);
        for args in [&["plan"][..], &["sync", "--yes"], &["doctor"]] {
            shell.run(args).await.is(1).says(says);
        }
        assert!(gateway.writes().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_answers_429_at_first_is_asked_again_and_that_is_told() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    gateway.provider("beta").set_manner(Manner::RateLimited(1));
    gateway.provider("beta").set_models(names("claude", 2));
    let (run, _) = shell.json(&["plan", "--channel", "2"]).await;
    assert_eq!(run["items"][0]["attempts"], 2);
    assert_eq!(run["items"][0]["error"], serde_json::Value::Null);
}
