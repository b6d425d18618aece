//! Calls of `/api/ratio_config`, which gateways count together with sign-ins: eighteen in twenty minutes, whoever asks.

use std::time::Duration;

use lockstep_core::failure::FailureKind;
use lockstep_core::prices::source::{CALLS, WINDOW_MS};
use lockstep_run::prices::collect::Collected;
use lockstep_run::{Session, SiteAccess};
use lockstep_sim::{Page, Price, price};
use tokio::task::JoinSet;

use super::shop::shop;
use crate::tester::Tester;

const RATIOS: &str = "/api/ratio_config";

/// A tester whose one source shows its ratios at the usual address.
async fn tester(page: impl FnOnce(Page) -> Page) -> Tester {
    let list = [Price::ratio("m", 1.0, 2.0)];
    let mut tester = shop("m", &list, &[&list]).await;
    tester.sources.clear();
    tester.add_source("A", "");
    let ratios = Page::json(price::ratio_config(&list));
    tester.gateway.provider("A").set_page(RATIOS, page(ratios));
    tester
}

async fn collected(session: &Session, tester: &Tester) -> Vec<Collected> {
    let request = tester.price_request(false);
    session.collect(&request.collecting).await.expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_two_processes_that_ask_at_once_make_no_more_than_eighteen_calls() {
    let tester = tester(|page| page).await;
    let access = SiteAccess {
        site: tester.stored_site().await,
        token: tester.token().into(),
    };
    let (one, two) = (tester.engine(), tester.another_engine().await);
    let mut asking = JoinSet::new();
    for place in 0..24 {
        let engine = if place % 2 == 0 { &one } else { &two };
        let session = engine.session(access.clone(), &tester.settings);
        let collecting = tester.price_request(false).collecting;
        asking.spawn(async move { session.collect(&collecting).await.expect("asked") });
    }
    let answers: Vec<Collected> = asking.join_all().await.into_iter().flatten().collect();
    let failures = answers.iter().filter_map(|one| one.page.as_ref().err());
    let limited = failures.filter(|failure| failure.kind == FailureKind::RateLimited);
    assert_eq!(limited.count(), 24 - CALLS as usize);
    let site = tester.gateway.provider("A");
    assert_eq!(site.requests(RATIOS), CALLS);
    // As each leaves the window another may be made.
    let session = tester.session().await;
    tester.clock.advance(WINDOW_MS - 1);
    let answer = collected(&session, &tester).await;
    let failure = answer[0].page.as_ref().expect_err("none is left");
    assert!(failure.detail.ends_with("free again in 1 s"), "{failure:?}");
    tester.clock.advance(1);
    assert!(collected(&session, &tester).await[0].page.is_ok());
    assert_eq!(site.requests(RATIOS), CALLS + 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_counts_although_nobody_waits_for_its_answer_any_more() {
    let tester = tester(|page| page.delay(Duration::from_secs(600))).await;
    let site = tester.gateway.provider("A");
    for calls in 1..=3 {
        let session = tester.session().await;
        let collecting = tester.price_request(false).collecting;
        let asking = tokio::spawn(async move { session.collect(&collecting).await });
        while site.requests(RATIOS) < calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        asking.abort();
        assert!(asking.await.is_err(), "it was given up");
    }
    let host = site.base_url().split('/').nth(2).expect("an address");
    let counted = tester.store().source_calls(host, 0).await.expect("asked");
    assert_eq!(counted.len(), 3);
    tester.done().await;
}
