//! The client against the simulated gateway, which knows what was really stored.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind as Kind};
use lockstep_core::models::list::NonEmptyModels;
use lockstep_core::pace::Pace;
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::{
    Connection, Fence, Gateway, GatewayKind, GatewayReader, GatewayWriter, Sent, TimeLimits,
};
use lockstep_remote::http::Client;
use lockstep_remote::pace::Pacer;
use lockstep_remote::retry::read_with_retries;
use lockstep_sim::spec::many;
use lockstep_sim::{Fault, Flavour, Manner, Matcher, Provider, Rule, Spec};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Open;

impl Fence for Open {
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }
}

pub(crate) async fn simulated(spec: Spec) -> (lockstep_sim::Gateway, Gateway) {
    let simulated = lockstep_sim::Gateway::start(spec).await.expect("a gateway");
    let client = client_of(&simulated, simulated.root_token());
    (simulated, client)
}

pub(crate) fn client_of(simulated: &lockstep_sim::Gateway, token: &str) -> Gateway {
    let connection = Connection {
        url: GatewayUrl::parse(&simulated.url()).expect("an address"),
        token: token.into(),
        user_id: "1".into(),
    };
    let limits = TimeLimits {
        read: Duration::from_secs(5),
        write: Duration::from_secs(1),
    };
    Gateway::new(
        connection,
        Client::new().expect("a client"),
        Pacer::new(Pace::Unlimited),
    )
    .with_time_limits(limits)
}

fn one_channel() -> Spec {
    Spec::new()
        .provider(Provider::new("acme", ["a", "b"]))
        .channel(
            lockstep_sim::Channel::new(1, "Acme")
                .at("acme")
                .models("old"),
        )
}

async fn put(gateway: &Gateway, models: &str) -> Sent<Channel> {
    let models = NonEmptyModels::new(models).expect("a list");
    GatewayWriter::new(gateway.clone(), Arc::new(Open))
        .put_models(1, &models)
        .await
}

#[tokio::test]
async fn a_gateway_is_read_whole_below_a_prefix_and_written() {
    let (simulated, gateway) = simulated(many(250, 5, 1).prefix("/gate")).await;
    let reader = GatewayReader::new(gateway.clone());
    let listing = reader.all_channels().await.expect("a list");
    assert_eq!(listing.kind, GatewayKind::NewApi);
    let channels: Vec<Channel> = listing.pages.into_iter().flatten().collect();
    assert_eq!(channels.len(), 250);
    assert_eq!(simulated.log().len(), 3);

    let before = reader.channel(1).await.expect("a channel");
    assert!(channels.contains(&before));
    let Sent::Stored(after) = put(&gateway, "x,y").await else {
        panic!("not stored");
    };
    assert_eq!(after.models, "x,y");
    assert!(before.configured_differences(&after).is_empty());
    assert_eq!(simulated.effective_writes().len(), 1);

    let who = reader.who_am_i().await.expect("a user");
    assert_eq!((who.id, who.role), (1, 100));
    assert_eq!(reader.status().await.expect("a status").version, "v0.0.0");
    let gone = reader.channel(9_999).await.expect_err("none");
    assert_eq!(gone.kind, Kind::Gone);
}

#[tokio::test]
async fn tokens_are_told_apart() {
    let (simulated, _) = simulated(one_channel()).await;
    for (token, kind) in [
        ("nonsense", Kind::Unauthorized),
        (simulated.common_token(), Kind::Forbidden),
    ] {
        let gateway = client_of(&simulated, token);
        let failure = GatewayReader::new(gateway.clone()).page(1).await;
        assert_eq!(failure.expect_err("refused").kind, kind);
        let sent = put(&gateway, "x").await;
        assert!(
            matches!(&sent, Sent::Refused(failure) if failure.kind == kind),
            "{sent:?}"
        );
    }
    let admin = client_of(&simulated, simulated.admin_token());
    let who = GatewayReader::new(admin).who_am_i().await.expect("a user");
    assert!(who.channels.write && !who.channels.sensitive_write);
}

#[tokio::test]
async fn other_programs_are_not_taken_for_a_gateway() {
    for (flavour, kinds) in [
        (Flavour::OldFork, [Kind::OldFork, Kind::OldFork]),
        (Flavour::Foreign, [Kind::NotRecognised, Kind::NotFound]),
    ] {
        let (_running, gateway) = simulated(one_channel().flavour(flavour)).await;
        let failure = GatewayReader::new(gateway).all_channels().await;
        let kind = failure.expect_err("another program").kind;
        assert!(kinds.contains(&kind), "{flavour:?}: {kind:?}");
    }
}

#[tokio::test]
async fn sick_providers_have_names() {
    for (manner, expected) in [
        (Manner::Well, Ok(2)),
        (Manner::Empty, Ok(0)),
        (Manner::ErrorIn200, Ok(0)),
        (Manner::Html, Err((Kind::ProviderError, None))),
        (Manner::Dead, Err((Kind::ProviderError, None))),
        (
            Manner::WantsOtherKey,
            Err((Kind::ProviderStatus, Some(401))),
        ),
        (Manner::NoList, Err((Kind::ProviderStatus, Some(404)))),
        (
            Manner::RateLimited(9),
            Err((Kind::ProviderStatus, Some(429))),
        ),
    ] {
        let spec = Spec::new()
            .provider(Provider::new("acme", ["a", "b"]).manner(manner.clone()))
            .channel(lockstep_sim::Channel::new(1, "Acme").at("acme"));
        let (_running, gateway) = simulated(spec).await;
        let fetched = GatewayReader::new(gateway).fetch_models(1, MINUTE).await;
        let fetched = fetched
            .map(|fetched| fetched.names.len())
            .map_err(|failure| (failure.kind, failure.http_status));
        assert_eq!(fetched, expected, "{manner:?}");
    }
}

#[tokio::test]
async fn bombs_and_odd_bodies_are_refused() {
    for (fault, kind) in [
        (Fault::GzipBomb(1 << 30), Kind::TooLarge),
        (Fault::BrotliBomb(1 << 30), Kind::TooLarge),
        (Fault::UnknownEncoding, Kind::Broken),
        (Fault::HalfJson, Kind::Broken),
        (Fault::InvalidUtf8, Kind::Broken),
        (Fault::WrongCharset, Kind::Broken),
        (Fault::DuplicateKeys, Kind::NotRecognised),
        (Fault::ContentLengthTooLong, Kind::Broken),
        (Fault::ContentLengthTooShort, Kind::Broken),
        (Fault::ChunkedWithoutEnd, Kind::Broken),
        (Fault::ManyHeaders(150), Kind::TooLarge),
        (Fault::LongHeader(1_000_000), Kind::TooLarge),
        (Fault::ResetBeforeRead, Kind::Broken),
        (Fault::ResetMidReply, Kind::Broken),
        (Fault::Empty, Kind::Broken),
        (Fault::EmptyArray, Kind::NotRecognised),
        (Fault::EmptyObject, Kind::NotRecognised),
        (Fault::NullData, Kind::NotRecognised),
        (Fault::FirewallPage, Kind::Firewall),
        (Fault::Html, Kind::WrongAddress),
        (Fault::Silence(MINUTE), Kind::Timeout),
        (Fault::Drip(Duration::from_millis(100)), Kind::Timeout),
    ] {
        let name = fault.name();
        let (simulated, gateway) = simulated(one_channel()).await;
        let limits = TimeLimits {
            read: Duration::from_secs(2),
            ..TimeLimits::default()
        };
        simulated.fault(Rule::always(Matcher::get("/api/channel/"), fault));
        let reader = GatewayReader::new(gateway.with_time_limits(limits));
        let failure = reader.page(1).await.expect_err(name);
        assert_eq!(failure.kind, kind, "{name}: {}", failure.detail);
    }
}

#[tokio::test]
async fn what_a_write_is_called_is_never_better_than_what_was_stored() {
    for fault in [
        Fault::Status(400),
        Fault::Status(403),
        Fault::Status(500),
        Fault::Status(504),
        Fault::FirewallPage,
        Fault::too_many("1"),
        Fault::Unavailable { retry_after: None },
        Fault::Refused("abilities".to_owned()),
        Fault::Html,
        Fault::Empty,
        Fault::EmptyObject,
        Fault::NullData,
        Fault::GzipBomb(1 << 26),
        Fault::HalfJson,
        Fault::Bom,
        Fault::InvalidUtf8,
        Fault::WrongCharset,
        Fault::DuplicateKeys,
        Fault::Silence(MINUTE),
        Fault::ResetBeforeRead,
        Fault::ResetBeforeApply,
        Fault::ResetMidReply,
        Fault::ResetAfterApply,
        Fault::Drip(Duration::from_millis(100)),
        Fault::ContentLengthTooLong,
        Fault::ContentLengthTooShort,
        Fault::ChunkedWithoutEnd,
        Fault::ManyHeaders(150),
        Fault::LongHeader(1_000_000),
        Fault::Ignore,
        Fault::StaleReads(MINUTE),
        Fault::Redirect {
            status: 307,
            location: "/api/channel".to_owned(),
        },
        Fault::Redirect {
            status: 302,
            location: "http://127.0.0.1:9/login".to_owned(),
        },
    ] {
        let name = fault.name();
        let throttled = matches!(&fault, Fault::TooMany { .. });
        // The gateway's own router sends the corrected path straight back, and then it is enough.
        let corrected = matches!(&fault, Fault::Redirect { status: 307, .. });
        let (simulated, gateway) = simulated(one_channel()).await;
        simulated.fault(Rule::once(Matcher::put("/api/channel"), fault));
        let sent = put(&gateway, "new").await;
        let stored = simulated.channel(1).expect("a channel").models;
        match &sent {
            Sent::Stored(channel) => assert_eq!(channel.models, stored, "{name}"),
            Sent::NotSent(_) | Sent::Refused(_) => assert_eq!(stored, "old", "{name}: {sent:?}"),
            Sent::Unknown(_) => {}
        }
        if throttled {
            assert!(matches!(sent, Sent::Stored(_)), "{name}: {sent:?}");
        }
        let requests = if throttled || corrected { 2 } else { 1 };
        assert_eq!(simulated.writes().len(), requests, "{name}: {sent:?}");
        assert!(simulated.effective_writes().len() <= 1, "{name}");
    }
}

#[tokio::test]
async fn every_call_can_run_in_a_task_of_its_own() {
    let (_running, gateway) = simulated(one_channel()).await;
    let reading = tokio::spawn({
        let reader = GatewayReader::new(gateway.clone()).with_page_retries(1);
        async move {
            let tried = read_with_retries(1, || reader.fetch_models(1, MINUTE)).await;
            (tried.attempts, reader.all_channels().await)
        }
    });
    let writing = tokio::spawn(async move { put(&gateway, "new").await });
    let (attempts, listing) = reading.await.expect("no panic");
    assert_eq!((attempts, listing.is_ok()), (1, true));
    assert!(matches!(writing.await, Ok(Sent::Stored(_))));
}
