//! A sick provider never deletes.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::Pattern;
use lockstep_sim::{Fault, Manner, Matcher, Rule};

use crate::tester::{Tester, names, pairs, set};

/// How a list can be sick: by what the provider does, or by what comes of it on the way.
enum Sick {
    Provider(Manner),
    Reply(Fault),
}

fn body(text: &'static str) -> Sick {
    Sick::Reply(Fault::Body {
        content_type: "application/json".to_owned(),
        encoding: None,
        bytes: text.as_bytes().into(),
    })
}

fn sick_bodies() -> Vec<(&'static str, Sick)> {
    vec![
        ("an empty list", Sick::Provider(Manner::Empty)),
        (
            "an error with status 200",
            Sick::Provider(Manner::ErrorIn200),
        ),
        ("a web page", Sick::Provider(Manner::Html)),
        ("a truncated list", Sick::Provider(Manner::Truncated)),
        ("a server error", Sick::Provider(Manner::ServerError)),
        ("a refused key", Sick::Provider(Manner::WantsOtherKey)),
        ("no list at all", Sick::Provider(Manner::NoList)),
        (
            "a list at 49 percent",
            Sick::Provider(Manner::Shrinking {
                after: 0,
                percent: 49,
            }),
        ),
        ("no data", Sick::Reply(Fault::NullData)),
        ("a refusal", Sick::Reply(Fault::Refused("no".to_owned()))),
        (
            "another schema",
            body(r#"{"success":true,"data":{"models":["m0"]}}"#),
        ),
        (
            "half readable",
            body(r#"{"success":true,"data":["m0",{"id":"m1"},7,null]}"#),
        ),
        ("half a reply", Sick::Reply(Fault::HalfJson)),
        ("not UTF-8", Sick::Reply(Fault::InvalidUtf8)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn fourteen_sick_bodies_remove_nothing_and_say_so() {
    for policy in [Policy::Mirror, Policy::Exact, Policy::PruneOnly] {
        let list = names("m", 20);
        let mut tester = Tester::new(pairs(&[(&list, &list)])).await;
        tester.settings.policy = policy;
        assert_eq!(tester.sync().await.state, RunState::Done);
        let bodies = sick_bodies();
        assert_eq!(bodies.len(), 14);
        for (what, sick) in bodies {
            match sick {
                Sick::Provider(manner) => tester.gateway.provider("p1").set_manner(manner),
                Sick::Reply(fault) => {
                    let fetch = Matcher::get("/api/channel/fetch_models/");
                    tester.gateway.fault(Rule::once(fetch, fault));
                }
            }
            let run = tester.sync().await;
            let row = tester.row(&run, 1).await;
            assert!(
                matches!(row.state, State::Held | State::Unread),
                "{policy:?}, {what}: {row:?}"
            );
            assert!(
                row.hold.is_some() || row.failure.is_some(),
                "{policy:?}, {what}: it must be said"
            );
            assert_eq!(tester.models(1), list, "{policy:?}, {what}");
            assert_eq!(tester.puts(), 0, "{policy:?}, {what}");

            tester.gateway.provider("p1").set_manner(Manner::Well);
            let well = tester.sync().await;
            assert_eq!(tester.states(&well).await, [State::Same], "after {what}");
            assert!(tester.holds().await.is_empty(), "after {what}");
        }
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_instead_of_a_list_ends_the_asking_and_removes_nothing() {
    for fault in [
        Fault::Html,
        Fault::EmptyArray,
        Fault::EmptyObject,
        Fault::FirewallPage,
    ] {
        let tester = Tester::new(pairs(&[("a,b", "a"), ("a,b", "a"), ("a,b", "a")])).await;
        let fetch = Matcher::get("/api/channel/fetch_models/");
        tester.gateway.fault(Rule::always(fetch, fault.clone()));
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Failed, "{fault:?}");
        assert_eq!(tester.states(&run).await, [State::Unread; 3], "{fault:?}");
        assert!(tester.fetches() <= 2, "{fault:?}: it concerns all channels");
        assert_eq!(tester.puts(), 0);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_flaps_is_held_each_time_it_is_short() {
    let list = names("m", 20);
    let tester = Tester::new(pairs(&[(&list, &list)])).await;
    tester.sync().await;
    let short = vec!["m0".to_owned(), "m1".to_owned()];
    let provider = tester.gateway.provider("p1");
    provider.set_manner(Manner::Flapping(short));
    let mut held = 0;
    for _ in 0..6 {
        let run = tester.sync().await;
        held += usize::from(tester.row(&run, 1).await.state == State::Held);
    }
    assert_eq!(held, 3);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_that_was_to_be_expected_is_skipped() {
    let mut spec = pairs(&[("a", "a"), ("a", "a"), ("a", "a")]);
    // A type without a model list, and a channel that the gateway itself has switched off.
    spec.channels[1].kind = 36;
    spec.channels[2].status = 3;
    let tester = Tester::new(spec).await;
    for provider in ["p1", "p2", "p3"] {
        tester
            .gateway
            .provider(provider)
            .set_manner(Manner::ServerError);
    }
    let run = tester.sync().await;
    let rows = tester.rows(&run).await;
    let reasons: Vec<_> = rows
        .iter()
        .map(|row| row.skip.as_ref().map(|s| s.code))
        .collect();
    assert_eq!(
        reasons,
        [
            None,
            Some(ReasonCode::NoModelList),
            Some(ReasonCode::AutoDisabled)
        ]
    );
    assert_eq!(run.state, RunState::Failed);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_never_sent_whoever_approves_it() {
    for (what, policy, exclude, reason) in [
        (
            "nothing offered",
            Policy::Mirror,
            None,
            ReasonCode::EmptyList,
        ),
        (
            "nothing offered",
            Policy::Exact,
            None,
            ReasonCode::EmptyList,
        ),
        (
            "nothing passes",
            Policy::Exact,
            Some("*"),
            ReasonCode::WouldBeEmpty,
        ),
    ] {
        let mut tester = Tester::new(pairs(&[("a,b", "a,b")])).await.without_guards();
        tester.settings.policy = policy;
        match exclude {
            Some(pattern) => {
                let pattern = Pattern::parse(pattern).expect("a pattern");
                tester.settings.rules.exclude.push(pattern);
            }
            None => tester.offers(1, ""),
        }
        let run = tester.sync().await;
        let hold = tester.row(&run, 1).await.hold.expect("a hold");
        assert_eq!(hold.code, reason, "{what}");
        let forced = tester.apply_held().await.expect("a run");
        assert_eq!(tester.states(&forced).await, [State::Held], "{what}");
        tester.answer(&[1], Answer::AlwaysAllow).await;
        let allowed = tester.sync().await;
        assert_eq!(tester.states(&allowed).await, [State::Held], "{what}");
        assert_eq!(tester.puts(), 0, "{what}");
        assert_eq!(set(&tester.models(1)), set("a,b"));
        tester.done().await;
    }
}
