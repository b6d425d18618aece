//! What pages weigh on the way at 10,000 channels and thousands of prices, with every file that they need.

use axum::body::to_bytes;
use lockstep_core::change::{State, Subject};
use lockstep_core::channel::Provider as Behind;
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_sim::{Channel, Gateway, Price, Provider, Spec};
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::{PriceDetail, PriceRow};
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned, Requests};

use super::prices::{fetched, own_source, settled};
use super::tester::Tester;
use crate::server::door::{DEMO, LINK, SIGN_IN};
use crate::server::routed::routed;

/// The most of a page and its files, packed, in bytes.
const MOST: usize = 100_000;

const CHANNELS: i64 = 10_000;
const MODELS: usize = 2_000;
const SOURCES: [&str; 4] = ["list", "other", "third", "fourth"];

fn name(model: usize) -> String {
    const FAMILIES: [&str; 4] = ["gpt-5", "claude-sonnet-4", "gemini-2.5", "qwen3"];
    format!("vendor/{}-{model:05}", FAMILIES[model % FAMILIES.len()])
}

/// A gateway with prices that every source says otherwise.
async fn gateway() -> Gateway {
    let prices = |times: f64| -> Vec<Price> {
        let price = |model| {
            let input = times * (model + 1) as f64 / 100.0;
            Price::tokens(&name(model), input, 4.0 * input)
        };
        (0..MODELS).map(price).collect()
    };
    let served: Vec<String> = (0..50).map(name).collect();
    let mut spec = Spec::new()
        .provider(Provider::new("acme", &served))
        .channel(Channel::new(1, "Acme").at("acme").models(&served.join(",")))
        .prices(&prices(1.0));
    for (place, source) in SOURCES.into_iter().enumerate() {
        let list = prices(1.1 + place as f64 / 10.0);
        spec = spec.provider(Provider::new(source, Vec::<String>::new()).pricing_list(&list));
    }
    Gateway::start(spec).await.expect("a gateway")
}

/// A channel of a long run: one in ten waits, one in ten failed, some would change.
fn channel(id: i64, now: i64) -> ChangeRow {
    let before: Vec<String> = (0..20).map(|model| name(model + id as usize)).collect();
    let more = format!("{},new-{id}", before.join(","));
    let held = id % 10 == 0;
    ChangeRow {
        run_id: String::new(),
        channel_id: id,
        channel_name: format!("channel {id} of somebody"),
        provider: Behind {
            kind: 1,
            base_url: format!("https://provider-{}.example", id % 300),
        },
        page: 0,
        base: Digest::of(["base"]),
        before: before.join(","),
        after: (id % 10 == 1).then_some(more),
        upstream: Some(before.clone()),
        state: match id % 10 {
            0 => State::Held,
            1 => State::Ready,
            2 => State::Unread,
            _ => State::Same,
        },
        hold: held.then(|| Reason::counted(ReasonCode::TooManyRemoved, 9, 20, 30)),
        skip: None,
        failure: None,
        held_add: Vec::new(),
        held_remove: before.into_iter().filter(|_| held).take(9).collect(),
        kept: Vec::new(),
        dropped: Vec::new(),
        notes: Vec::new(),
        attempts: 1,
        http_status: Some(200),
        read_at: now,
        finished_at: Some(now),
    }
}

/// A price of a long run: one in ten waits.
fn price(model: usize, now: i64) -> PriceRow {
    let held = model % 10 == 3;
    PriceRow {
        run_id: String::new(),
        model: name(model),
        field: Field::ModelRatio,
        old: Some(format!("{model}.25")),
        new: Some(format!("{model}.75")),
        source: Some("list".to_owned()),
        state: if held { State::Held } else { State::Ready },
        hold: held.then(|| Reason::plain(ReasonCode::NoMajority)),
        skip: None,
        failure: None,
        usd_old: None,
        usd_new: None,
        detail: PriceDetail {
            others: vec![("other".to_owned(), format!("{model}.5"))],
            ..PriceDetail::default()
        },
        read_at: now,
        finished_at: Some(now),
    }
}

/// A planned run with all of these rows.
async fn planned(tester: &Tester, channels: Vec<ChangeRow>, prices: Vec<PriceRow>) -> Run {
    let (store, now) = (tester.app.store(), tester.app.now());
    let subject = match prices.is_empty() {
        true => Subject::Models,
        false => Subject::Prices,
    };
    let new = NewRun {
        parent: None,
        site_id: tester.site().await.id,
        subject,
        trigger: "command".to_owned(),
        actor: "root".to_owned(),
        go_on: true,
        unattended: false,
        selection: None,
        settings: Vec::new(),
        policy_override: None,
        policy_hash: Digest::of(["policy"]),
        told: false,
    };
    let run = store.create_run(new, now).await.expect("a run");
    let begun = store.start_reading(&run.id, 1, now).await;
    begun.expect("reading");
    let plan = Planned {
        hash: Digest::of(["plan"]),
        total: (channels.len() + prices.len()) as u64,
        holds: Holds::Renew,
    };
    let none = Requests::default();
    let made = if subject == Subject::Models {
        let recorded = store.record_read(&run.id, 1, channels, Vec::new(), none);
        recorded.await.expect("recorded");
        store.mark_planned(&run.id, 1, Vec::new(), plan, now).await
    } else {
        let recorded = store.record_prices(&run.id, 1, prices, none).await;
        recorded.expect("recorded");
        store
            .mark_prices_planned(&run.id, 1, Vec::new(), plan, now)
            .await
    };
    made.expect("planned");
    store.run(&run.id).await.expect("the run")
}

/// The addresses that a browser asks for by itself.
fn files(page: &str) -> Vec<&str> {
    let mut files = Vec::new();
    for (tag, attribute) in [("<link ", "href"), ("<script ", "src"), ("<img ", "src")] {
        for rest in page.split(tag).skip(1) {
            let tag = rest.split('>').next().expect("a tag");
            let (_, value) = tag
                .split_once(&format!("{attribute}=\""))
                .unwrap_or_default();
            files.extend(value.split('"').next().filter(|value| !value.is_empty()));
        }
    }
    files.sort_unstable();
    files.dedup();
    files
}

async fn packed(tester: &Tester, path: &str) -> usize {
    let answer = tester.packed(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    let body = to_bytes(answer.into_body(), usize::MAX).await;
    body.expect("a body").len()
}

/// The addresses of pages that the ids of runs are part of.
struct Pages {
    review: String,
    of_run: String,
}

impl Pages {
    /// Every page, some with more of it shown, and what each says.
    fn all(&self) -> [(&str, &str); 21] {
        [
            (SIGN_IN, "type=\"password\""),
            (LINK, "type=\"password\""),
            ("/", "10000"),
            ("/sites/add", "name=\"user_id\""),
            ("/sites/main/models", "channel 7 of somebody"),
            ("/sites/main/models?open=7", "aria-expanded=\"true\""),
            ("/sites/main/models?group=provider", "class=\"group\""),
            ("/sites/main/channels", "channel 7 of somebody"),
            ("/sites/main/channels/7", "channel 7 of somebody"),
            ("/sites/main/prices", "1 to 50 of 2000"),
            (
                "/sites/main/prices/sources",
                "type=\"number\" name=\"channel\"",
            ),
            ("/sites/main/prices/held", "1 to 50 of 200"),
            (&self.review, "vendor/claude-sonnet-4-00013"),
            ("/sites/main/unpriced", "</html>"),
            ("/sites/main/history", "</html>"),
            (&self.of_run, "channel 7 of somebody"),
            ("/sites/main/history/channels/7", "<svg"),
            (
                "/sites/main/history/prices/vendor%2Fgpt-5-00000",
                "vendor/gpt-5-00000",
            ),
            ("/sites/main/settings", "</html>"),
            ("/settings/notices", "</html>"),
            ("/settings/access", "</html>"),
        ]
    }
}

/// Routes that are asked for and are no page: parts of pages, and what leads on to a page.
const NO_PAGES: [&str; 5] = [
    DEMO,
    "/go",
    "/static/{name}",
    "/sites/{site}/prices/working",
    "/sites/{site}/runs/{run}/live",
];

/// Whether an address is of a route.
fn is_of(address: &str, route: &str) -> bool {
    let path = address.split('?').next().unwrap_or_default();
    let (path, route): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    let parts = || path.iter().zip(&route);
    path.len() == route.len() && parts().all(|(part, of)| of.starts_with('{') || part == of)
}

#[tokio::test]
async fn every_page_that_there_is_is_weighed() {
    let tester = Tester::new().await;
    let pages = Pages {
        review: "/sites/main/prices/runs/1".to_owned(),
        of_run: "/sites/main/history/1".to_owned(),
    };
    let routes = routed(&crate::web::routes(&tester.app));
    let mut shown: Vec<&str> = Vec::new();
    for (route, methods) in &routes {
        let gets = methods.as_ref().is_none_or(|all| all.contains("GET"));
        let file = [".csv", ".json"].iter().any(|form| route.ends_with(form));
        if gets && !file && !NO_PAGES.contains(&route.as_str()) {
            shown.push(route);
        }
    }
    for route in NO_PAGES {
        assert!(routes.contains_key(route), "{route} is not there");
    }
    let all = pages.all();
    let weighed = |route: &str| all.iter().any(|(path, _)| is_of(path, route));
    let missing: Vec<_> = shown.iter().filter(|route| !weighed(route)).collect();
    assert!(missing.is_empty(), "not weighed: {missing:?}");
    assert!(shown.len() > 15, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_load_of_every_page_stays_small_and_asks_nobody_else() {
    let gateway = gateway().await;
    let tester = Tester::quick(&gateway).await;
    let network = [("network", "127.0.0.0/8")];
    tester
        .post("/sites/main/prices/sources/allow", &network)
        .await;
    for source in SOURCES {
        let form = own_source(&gateway, source);
        let added = tester.post("/sites/main/prices/sources/add", &form).await;
        assert_eq!(added.status, 303, "{}", added.text);
    }
    fetched(&tester).await;
    let now = tester.app.now();
    let prices = (0..MODELS).map(|model| price(model, now)).collect();
    let prices = planned(&tester, Vec::new(), prices).await;
    let channels = (1..=CHANNELS).map(|id| channel(id, now)).collect();
    let run = planned(&tester, channels, Vec::new()).await;
    // The run about prices is newer than the differences, so those are made anew.
    settled(&tester, "/sites/main/prices").await;
    let pages = Pages {
        review: format!("/sites/main/prices/runs/{}", prices.id),
        of_run: format!("/sites/main/history/{}", run.id),
    };
    let stranger = tester.stranger();
    for (path, says) in pages.all() {
        // Whoever is signed in is led on from the way in.
        let tester = match path.starts_with(SIGN_IN) {
            true => &stranger,
            false => &tester,
        };
        let page = tester.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.location);
        page.says(says);
        let files = files(&page.text);
        assert!(files.len() > 1, "{path}: {files:?}");
        let mut all = packed(tester, path).await;
        for file in files {
            let ours = file.starts_with('/') && !file.starts_with("//");
            assert!(ours, "{path} asks for {file}");
            all += packed(tester, file).await;
        }
        assert!(all < MOST, "{path}: {all} bytes");
    }
}
