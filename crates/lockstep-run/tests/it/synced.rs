//! Planning and syncing: what is written, and what it costs in requests.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::Overrides;
use lockstep_run::{EngineError, Source};
use lockstep_sim::spec::many;
use lockstep_sim::{Channel, Provider, Spec};

use crate::tester::{Tester, lacking, pairs, set};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_writes_nothing_however_often_it_is_made() {
    let tester = Tester::new(lacking(3)).await;
    for _ in 0..3 {
        let run = tester.plan().await;
        assert_eq!(run.state, RunState::Planned);
        assert_eq!(tester.states(&run).await, [State::Ready; 3]);
    }
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_writes_nothing() {
    let mut tester = Tester::new(lacking(3)).await;
    let findings = tester.session().await.doctor(|_| [0, 0]).await;
    assert!(findings.iter().all(|finding| finding.failure.is_none()));
    assert_eq!(tester.puts(), 0);
    // Doctor is no run, so nobody counts its requests.
    tester.expect.other_counts = true;
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_writes_just_what_was_ready_and_the_next_one_is_silent() {
    let tester = Tester::new(many(30, 20, 7)).await.without_guards();
    let plan = tester.plan().await;
    let ready: BTreeSet<i64> = tester
        .rows(&plan)
        .await
        .into_iter()
        .filter(|row| row.state == State::Ready)
        .map(|row| row.channel_id)
        .collect();
    assert!(ready.len() > 10, "the generated gateway has work to do");
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    let written: BTreeSet<i64> = tester
        .gateway
        .effective_writes()
        .iter()
        .filter_map(|entry| entry.channel)
        .collect();
    assert_eq!(written, ready);
    for channel in tester.gateway.channels() {
        let provider = format!("p{}", (channel.id - 1) % 10);
        let offered: BTreeSet<String> = tester
            .gateway
            .provider(&provider)
            .models()
            .into_iter()
            .collect();
        assert_eq!(set(&channel.models), offered, "channel {}", channel.id);
    }
    let puts = tester.puts();
    let again = tester.sync().await;
    assert_eq!(again.state, RunState::Done);
    assert_eq!(tester.states(&again).await, [State::Same; 30]);
    assert_eq!(tester.puts(), puts, "the second sync writes nothing");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_asks_once_for_each_hundred_channels_and_once_for_each_channel() {
    for channels in [0, 1, 60, 100, 101, 250] {
        let tester = Tester::new(many(channels, 12, 3).inline(Duration::ZERO)).await;
        let plan = tester.plan().await;
        let pages = channels.div_ceil(100).max(1);
        assert_eq!(tester.requests(), pages + channels, "{channels} channels");
        assert_eq!(tester.fetches(), channels);
        let ready = tester.states(&plan).await;
        let ready = ready.iter().filter(|s| **s == State::Ready).count();
        let run = tester.apply(&plan).await;
        assert_eq!(run.state, RunState::Done);
        assert_eq!(tester.puts(), ready);
        let to_write = tester.requests() - (pages + channels);
        assert!(
            to_write <= channels.div_ceil(100) + ready,
            "{channels} channels, {ready} written: {to_write} requests"
        );
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_survive_any_number_of_runs() {
    let spec = Spec::new()
        .provider(Provider::new("p1", ["gpt-5", "gpt-5-mini"]))
        .channel(
            Channel::new(1, "one")
                .at("p1")
                .models("latest,gone,gpt-5-nano")
                .mapping(r#"{"latest":"gpt-5","gone":"gpt-4"}"#),
        );
    let tester = Tester::new(spec).await;
    for _ in 0..4 {
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done);
        // The alias with a dead target stays too, and a mere target does not come.
        assert_eq!(set(&tester.models(1)), set("latest,gone,gpt-5-mini"));
        tester.clock.advance(1_000);
    }
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_spaces_alone_cause_no_write() {
    let tester = Tester::new(pairs(&[(" b , a,,b", "a,b"), ("b,a", "a,b")])).await;
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Same; 2]);
    assert_eq!(tester.models(1), " b , a,,b");
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_decide_what_comes_and_what_goes() {
    for (policy, becomes) in [
        (Policy::Mirror, "b,c"),
        (Policy::Exact, "b,c"),
        (Policy::AddOnly, "a,b,c"),
        (Policy::PruneOnly, "b"),
        (Policy::ReportOnly, "a,b"),
        (Policy::Exclude, "a,b"),
    ] {
        let mut tester = Tester::new(pairs(&[("a,b", "b,c")])).await;
        tester.policy = Some(policy);
        if policy == Policy::Exclude {
            // For one run alone a channel cannot be excluded; it is a setting.
            tester.policy = None;
            tester.settings.policy = policy;
        }
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done, "{policy:?}");
        assert_eq!(set(&tester.models(1)), set(becomes), "{policy:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_channel_is_neither_asked_nor_written() {
    let tester = Tester::new(lacking(2)).await;
    let own = Overrides {
        policy: Some(Policy::Exclude),
        ..Overrides::default()
    };
    tester
        .store()
        .set_channel_overrides(&tester.site, 1, &own)
        .await
        .expect("stored");
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Skipped, State::Applied]);
    assert_eq!(tester.gateway.provider("p1").asks(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_touches_no_other_channel_and_an_unknown_id_is_refused() {
    let tester = Tester::new(lacking(4)).await;
    let run = tester
        .go(Source::Selected(vec![2, 3]))
        .await
        .expect("a run");
    assert_eq!(run.total, 2);
    assert_eq!(tester.models(1), "a,b");
    assert_eq!(tester.models(2), "a,b,c");
    assert_eq!(tester.models(4), "a,b");
    let puts = tester.puts();
    let refused = tester.go(Source::Selected(vec![1, 77])).await;
    assert!(
        matches!(&refused, Err(EngineError::NoSuchChannel(ids)) if ids == &[77]),
        "{refused:?}"
    );
    let requests = tester.requests();
    let empty = tester.go(Source::Selected(Vec::new())).await;
    assert!(matches!(empty, Err(EngineError::EmptySelection)));
    assert_eq!(tester.requests(), requests, "nothing is asked for nothing");
    assert_eq!(tester.puts(), puts);
    assert_eq!(tester.models(1), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_some_channels_drops_the_others() {
    let tester = Tester::new(lacking(3)).await;
    let plan = tester.plan().await;
    let run = tester.apply_only(&plan, &[2]).await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(
        tester.states(&run).await,
        [State::Dropped, State::Applied, State::Dropped]
    );
    assert_eq!(tester.puts(), 1);
    let again = tester.try_apply(&plan).await;
    assert!(matches!(again, Err(EngineError::NotPlanned { .. })));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_gateway_cannot_hold_are_never_written() {
    let long = "n".repeat(256);
    let spec = Spec::new()
        .provider(Provider::new(
            "p1",
            [
                "a",
                "new\nline",
                "with,comma",
                "bell\u{7}",
                long.as_str(),
                " b ",
            ],
        ))
        .channel(Channel::new(1, "one").at("p1").models("a"));
    let tester = Tester::new(spec).await;
    // The line break goes through the database between plan and apply, and must not become two names there.
    let plan = tester.plan().await;
    tester.apply(&plan).await;
    assert_eq!(tester.models(1), "a,b");
    let row = tester.row(&plan, 1).await;
    assert_eq!(row.dropped.len(), 4);
    tester.done().await;
}
