//! How prices are shown: in dollars or in ratios, in 80 columns, quietly, at a terminal.

use lockstep_sim::{Gateway, Price};
use unicode_width::UnicodeWidthStr as _;

use super::{charged, in_the_shop, list, open, publish, shop, source};
use crate::tester::Shell;
use crate::world::start;

/// A shop whose models have long names, and prices that are billed in every way.
async fn long_shop() -> (Gateway, Shell) {
    let names = [
        "accounts/fireworks/models/deepseek-v3-0324-instruct-turbo-preview-with-a-long-name",
        "模型-通义千问-旗舰版-超长上下文-预览-2026-01-01",
        "tiered",
    ];
    let tiers = "len <= 200000 ? tier(\"0_200k\", p * 1.25 + c * 10 + cr * 0.125) : tier(\"200k_plus\", p * 2.5 + c * 15)";
    let mut spec = shop();
    spec.channels[0].models = format!("amber,birch,cedar,dune,odd,{}", names.join(","));
    let gateway = start(spec).await;
    let mut prices = list();
    prices.push(
        Price::tokens(names[0], 1.0, 2.0)
            .cache_read(0.123_456_7)
            .cache_write(1.25),
    );
    prices.push(Price::per_call(names[1], 0.04));
    prices.push(Price::expression(names[2], tiers));
    prices.push(Price::unset("odd"));
    publish(&gateway, "list", &prices);
    let shell = open(Shell::with_site(&gateway).await);
    let named =
        source(&gateway, "list").replace("name=list", "name=the price list of a far relative");
    shell.run(&["site", "source", "add", &named]).await.is(0);
    (gateway, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_prices_fits_80_columns() {
    let (_gateway, mut shell) = long_shop().await;
    shell.unset("LOCKSTEP_LOG");
    let mut lines = 0;
    for args in [
        &["plan", "prices", "--mode", "both"][..],
        &["plan", "prices", "--mode", "both", "--ratios", "-v"],
        &["sync", "prices", "--mode", "both"],
        &["diff"],
        &["diff", "--ratios"],
        &["unpriced"],
        &["held"],
        &["apply", "--yes"],
        &["runs"],
        &["price", "lock", "tiered", "birch"],
        &["price", "answers"],
        &["price", "show", "tiered"],
        &["price", "show", "cedar"],
        &["site", "source", "list"],
        &["site", "source", "test"],
        &["undo", "--yes"],
        &["plan", "both"],
        &["sync", "prices", "--yes", "--source", "nonsense"],
    ] {
        let said = shell.run(args).await;
        for line in said.out.lines().chain(said.err.lines()) {
            // A word that is longer than a line stays whole: it is there to be copied.
            let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
            assert!(
                line.width() <= 80 || longest > 60,
                "{args:?}: {} columns: {line}",
                line.width()
            );
            lines += 1;
        }
    }
    assert!(lines > 100, "only {lines} lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn dollars_or_the_gateways_ratios_are_shown_as_asked() {
    let (_gateway, shell) = in_the_shop().await;
    let plan = ["plan", "prices", "--mode", "both"];
    for unit in [&[][..], &["--dollars"]] {
        let said = shell.run(&[&plan, unit].concat()).await.is(2);
        let said = said
            .says("input $1.00 -> $1.50")
            .says("a call none -> $0.04");
        assert!(!said.out.contains("ratio"), "{}", said.out);
    }
    let said = shell.run(&[&plan[..], &["--ratios"]].concat()).await.is(2);
    let said = said
        .says("model ratio 0.5 -> 0.75")
        .says("fixed price none -> 0.04");
    assert!(!said.out.contains('$'), "{}", said.out);
    let (runs, _) = shell.json(&["runs", "--limit", "1"]).await;
    let id = runs["runs"][0]["run"].as_str().expect("an id");
    shell
        .run(&["runs", id])
        .await
        .is(0)
        .says("input $1.00 -> $1.50");
    shell
        .run(&["runs", id, "--ratios"])
        .await
        .is(0)
        .says("model ratio 0.5 -> 0.75");
    shell.run(&["diff"]).await.is(0).says("$1.50 in, $6.00 out");
    shell
        .run(&["diff", "--ratios"])
        .await
        .is(0)
        .says("model ratio 0.75");
    shell.run(&["diff", "--ratios", "--dollars"]).await.is(1);
    shell
        .run(&["unpriced"])
        .await
        .is(2)
        .says("$3.00 in, $15.00 out, $0.30 cache (list)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quiet_is_quiet_and_what_is_json_is_one_object() {
    let (_gateway, mut shell) = in_the_shop().await;
    shell.unset("LOCKSTEP_LOG");
    for args in [
        &["plan", "prices"][..],
        &["sync", "prices", "--yes"],
        &["plan", "both"],
        &["diff"],
        &["unpriced"],
        &["runs"],
        &["site", "source", "list"],
        &["site", "source", "test"],
        &["undo", "--yes"],
    ] {
        let said = shell.run(&[args, &["-q"]].concat()).await;
        assert_eq!(said.err, "", "{args:?}");
        let (told, _) = shell.json(args).await;
        assert!(told.is_object());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_tells_where_prices_come_from() {
    let shell = Shell::new();
    for args in [&["plan", "--help"][..], &["sync", "--help"]] {
        let said = shell.run(args).await.is(0);
        said.says("official, models.dev, litellm, channel:ID")
            .says("--mode")
            .says("--all-models");
    }
    // A model that is not priced at all is what the fixtures leave out.
    assert!(charged().iter().all(|price| price.model != "cedar"));
}
