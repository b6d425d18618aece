//! The whole list or none, by as few requests as there are pages.

use std::sync::{Arc, Mutex};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_remote::gateway::{GatewayKind, Listing};

use crate::server::{Answer, Server, channel, json, ok, reply};

/// A gateway's channels: ids from highest to lowest, and the number that it claims to have beside the true one.
struct Fleet {
    ids: Vec<i64>,
    claims: i64,
    page_size: usize,
}

impl Fleet {
    fn of(channels: i64) -> Self {
        Self {
            ids: (1..=channels).rev().collect(),
            claims: 0,
            page_size: 100,
        }
    }

    fn page(&self, p: usize) -> String {
        let items: Vec<String> = self
            .ids
            .iter()
            .skip((p - 1) * self.page_size)
            .take(self.page_size)
            .map(|id| channel(*id, "a"))
            .collect();
        let total = self.ids.len() as i64 + self.claims;
        format!(
            r#"{{"items":[{}],"page":{p},"page_size":100,"total":{total},"type_counts":{{}}}}"#,
            items.join(",")
        )
    }
}

/// Reads all channels while `before` may edit the fleet before each request, which are counted from 1.
async fn read(
    fleet: Fleet,
    before: impl Fn(usize, &mut Fleet) + Send + Sync + 'static,
) -> (Result<Listing, Failure>, usize) {
    let state = Arc::new(Mutex::new((0, fleet)));
    let server = Server::start(move |request| {
        let mut state = state.lock().expect("no poison");
        let (count, fleet) = &mut *state;
        *count += 1;
        before(*count, fleet);
        assert_eq!(request.number("page_size"), 100);
        assert!(request.path.contains("id_sort=true"));
        Answer::Bytes(ok(&fleet.page(request.number("p"))))
    })
    .await;
    let listing = server.reader().all_channels().await;
    let requests = server.requests().len();
    (listing, requests)
}

fn ids(listing: &Listing) -> Vec<i64> {
    let channels = listing.pages.iter().flatten();
    channels.map(|channel| channel.id).collect()
}

#[tokio::test]
async fn every_hundred_channels_cost_one_request() {
    for (channels, requests) in [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (250, 3)] {
        let (listing, sent) = read(Fleet::of(channels), |_, _| {}).await;
        let listing = listing.expect("a list");
        assert_eq!(ids(&listing), (1..=channels).rev().collect::<Vec<_>>());
        assert_eq!(sent, requests, "{channels} channels");
        assert_eq!(listing.pages.len(), requests);
        assert_eq!(listing.kind, GatewayKind::NewApi);
    }
}

#[tokio::test]
async fn a_channel_added_meanwhile_shifts_pages_and_comes_once() {
    let (listing, sent) = read(Fleet::of(250), |request, fleet| {
        if request == 2 {
            fleet.ids.insert(0, 251);
        }
    })
    .await;
    assert_eq!(
        ids(&listing.expect("a list")),
        (1..=251).rev().collect::<Vec<_>>()
    );
    assert!(sent <= 7, "{sent} requests");
}

#[tokio::test]
async fn a_channel_removed_meanwhile_hides_none() {
    let (listing, sent) = read(Fleet::of(250), |request, fleet| {
        if request == 2 {
            fleet.ids.remove(0);
        }
    })
    .await;
    assert_eq!(
        ids(&listing.expect("a list")),
        (1..=249).rev().collect::<Vec<_>>()
    );
    assert_eq!(sent, 2 + 3);
}

#[tokio::test]
async fn a_list_that_never_stands_still_is_no_list() {
    let (listing, _) = read(Fleet::of(250), |request, fleet| {
        if request % 2 == 0 {
            fleet.ids.remove(0);
        }
    })
    .await;
    let kind = listing.expect_err("no list").kind;
    assert_eq!(kind, FailureKind::PartialPicture);
}

#[tokio::test]
async fn a_total_that_does_not_fit_is_no_list() {
    for claims in [1, 50, 300, -30] {
        let fleet = Fleet {
            claims,
            ..Fleet::of(250)
        };
        let (listing, sent) = read(fleet, |_, _| {}).await;
        let failure = listing.expect_err("no list");
        assert_eq!(failure.kind, FailureKind::PartialPicture, "{claims}");
        assert!(sent <= 8, "{sent} requests");
    }
}

#[tokio::test]
async fn a_gateway_with_smaller_pages_is_read_whole() {
    let fleet = Fleet {
        page_size: 40,
        ..Fleet::of(250)
    };
    let (listing, sent) = read(fleet, |_, _| {}).await;
    assert_eq!(ids(&listing.expect("a list")).len(), 250);
    assert_eq!(sent, 7);
}

#[tokio::test]
async fn a_gateway_that_shows_one_page_for_ever_is_left() {
    let page = Fleet::of(250).page(1);
    let server = Server::always(ok(&page)).await;
    let failure = server.reader().all_channels().await.expect_err("no list");
    assert_eq!(failure.kind, FailureKind::PartialPicture);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn one_failed_page_fails_the_list_unless_it_is_tried_again() {
    let failing_once = || async {
        let failed = Mutex::new(false);
        Server::start(move |request| {
            let p = request.number("p");
            let mut failed = failed.lock().expect("no poison");
            if p == 2 && !std::mem::replace(&mut *failed, true) {
                return Answer::Bytes(reply(502, &[], "no"));
            }
            Answer::Bytes(ok(&Fleet::of(250).page(p)))
        })
        .await
    };
    let server = failing_once().await;
    let failure = server.reader().all_channels().await.expect_err("no list");
    assert_eq!(failure.kind, FailureKind::ServerError);
    assert_eq!(server.requests().len(), 2);

    let server = failing_once().await;
    let reader = server.reader().with_page_retries(1);
    let listing = reader.all_channels().await.expect("a list");
    assert_eq!(ids(&listing).len(), 250);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn one_page_without_the_mark_makes_the_gateway_unrecognised() {
    let server = Server::start(|request| {
        let p = request.number("p");
        let body = format!(r#"{{"success":true,"data":{}}}"#, Fleet::of(150).page(p));
        Answer::Bytes(match p {
            1 => json(body),
            _ => reply(200, &[("Content-Type", "application/json")], body),
        })
    })
    .await;
    let listing = server.reader().all_channels().await.expect("a list");
    assert_eq!(listing.kind, GatewayKind::Unrecognised);
}
