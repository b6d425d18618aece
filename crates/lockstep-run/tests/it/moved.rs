//! A second admin edits while Lockstep works.

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind as Kind;
use lockstep_run::Source;
use lockstep_sim::{Channel, Matcher, Provider, When};

use crate::tester::{MINUTE, Tester, lacking, names, pairs, set};

fn list() -> Matcher {
    Matcher::get("/api/channel/")
}

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

/// Channels that were synced once, and whose providers now offer one more name.
async fn settled(channels: usize) -> Tester {
    let tester = Tester::new(pairs(&vec![("a,b", "a,b"); channels])).await;
    tester.sync().await;
    for channel in 1..=channels {
        tester.offers(i64::try_from(channel).expect("small"), "a,b,c");
    }
    tester
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_would_now_come_out_otherwise_is_not_written() {
    let mut tester = Tester::new(lacking(3)).await;
    let plan = tester.plan().await;
    tester.edit(2, |channel| channel.models = "a,b,mine".to_owned());
    let run = tester.apply(&plan).await;
    assert_eq!(run.state, RunState::Partial);
    assert_eq!(
        tester.states(&run).await,
        [State::Applied, State::Moved, State::Applied]
    );
    let failure = tester.row(&run, 2).await.failure.expect("a failure");
    assert_eq!(failure.kind, Kind::Moved);
    assert_eq!(tester.models(2), "a,b,mine");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_leads_to_the_same_list_is_written_over_the_new_text() {
    let mut tester = Tester::new(pairs(&[("a", "a,b,c"), ("a,x", "a,b")])).await;
    let plan = tester.plan().await;
    tester.edit(1, |channel| channel.models = "b , a".to_owned());
    tester.edit(2, |channel| channel.models = "x,b,a".to_owned());
    let run = tester.apply(&plan).await;
    assert_eq!(tester.states(&run).await, [State::Applied; 2]);
    let row = tester.row(&run, 1).await;
    assert_eq!(row.before, "b , a", "undo gives back what was there last");
    assert_eq!(tester.models(1), "b,a,c");
    assert_eq!(tester.models(2), "b,a");
    tester.undo(&run).await;
    assert_eq!(tester.models(1), "b , a");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_wrote_already_is_found_and_not_written() {
    let mut tester = Tester::new(lacking(2)).await;
    let plan = tester.plan().await;
    tester.edit(1, |channel| channel.models = "c,b,a".to_owned());
    let run = tester.apply(&plan).await;
    let states = tester.states(&run).await;
    assert_eq!(states, [State::Same, State::Applied], "not by this run");
    assert_eq!(tester.models(1), "c,b,a");
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_plans_again_from_what_is_there_when_it_writes() {
    let mut tester = settled(3).await;
    tester.expect.edited.insert(2);
    // One list, three providers, then the list again.
    tester
        .gateway
        .on_match(list(), 5, When::BeforeApply, |gateway| {
            gateway.edit_channel(2, |channel| channel.models = "mine,a,b".to_owned());
        });
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.models(2), "mine,a,b,c");
    assert_eq!(tester.row(&run, 2).await.before, "mine,a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_behind_the_channel_makes_the_plan_void() {
    let mut tester = Tester::new(lacking(3)).await;
    let plan = tester.plan().await;
    tester.edit(1, |channel| channel.base_url = Some("sim://p2".to_owned()));
    tester.edit(2, |channel| channel.kind = 14);
    let run = tester.apply(&plan).await;
    assert_eq!(
        tester.states(&run).await,
        [State::Moved, State::Moved, State::Applied]
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_set_after_the_plan_is_respected() {
    let mut tester = Tester::new(pairs(&[("a,old", "a"), ("a", "a,b")])).await;
    let plan = tester.plan().await;
    // The name that was to go is an alias now; the name that was to come is a mere target.
    tester.edit(1, |channel| {
        channel.model_mapping = Some(r#"{"old":"a"}"#.to_owned());
    });
    tester.edit(2, |channel| {
        channel.model_mapping = Some(r#"{"x":"b"}"#.to_owned());
    });
    let run = tester.apply(&plan).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.states(&run).await, [State::Moved; 2]);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_of_a_minute_ago_is_read_again_before_its_turn() {
    let mut tester = settled(3).await;
    tester.settings.concurrency = 1;
    tester.expect.edited.insert(2);
    let clock = tester.clock.clone();
    tester
        .gateway
        .on_match(put(), 1, When::AfterApply, move |gateway| {
            clock.advance(MINUTE + 1);
            gateway.edit_channel(2, |channel| channel.models = "a,b,mine".to_owned());
        });
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.models(2), "a,b,mine,c");
    assert_eq!(tester.gateway.count("GET", "/api/channel/2"), 1);
    assert_eq!(tester.gateway.count("GET", "/api/channel/3"), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_another_field_in_the_gap_is_reported() {
    let mut tester = settled(2).await;
    tester.settings.concurrency = 1;
    tester.expect.edited.insert(2);
    tester
        .gateway
        .on_match(put().channel(2), 1, When::BeforeApply, |gateway| {
            gateway.edit_channel(2, |channel| channel.tag = Some("new".to_owned()));
        });
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Partial);
    let failure = tester.row(&run, 2).await.failure.expect("a failure");
    assert_eq!(
        (failure.kind, failure.detail.as_str()),
        (Kind::FieldsChanged, "tag")
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_list_in_the_gap_cannot_be_seen_for_the_gateway_compares_nothing() {
    let mut tester = settled(1).await;
    tester.expect.edited_in_the_gap.insert(1);
    tester
        .gateway
        .on_match(put(), 1, When::BeforeApply, |gateway| {
            gateway.edit_channel(1, |channel| channel.models = "a,b,mine".to_owned());
        });
    let run = tester.sync().await;
    // Not what anybody wants, but all that there is: the journal says what was read, and what was written.
    assert_eq!(tester.row(&run, 1).await.before, "a,b");
    assert_eq!(tester.models(1), "a,b,c");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_gone_is_told_and_the_others_are_written() {
    let mut tester = Tester::new(lacking(3)).await;
    let plan = tester.plan().await;
    tester.expect.edited.insert(2);
    tester.gateway.remove_channel(2);
    let run = tester.apply(&plan).await;
    assert_eq!(
        tester.states(&run).await,
        [State::Applied, State::Moved, State::Applied]
    );
    let failure = tester.row(&run, 2).await.failure.expect("a failure");
    assert_eq!(failure.kind, Kind::Gone);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_slipped_to_another_page_is_read_alone() {
    let offered = names("m", 3);
    let mut spec = pairs(&vec![(offered.as_str(), offered.as_str()); 100]);
    spec.channels[0].models = "m0,m1".to_owned();
    spec.channels[99].models = "m0,m1".to_owned();
    let mut tester = Tester::new(spec.inline(std::time::Duration::ZERO)).await;
    let plan = tester.plan().await;
    tester.gateway.add_provider(Provider::new("new", ["m0"]));
    let new = tester
        .gateway
        .add_channel(Channel::new(0, "new").at("new").models("m0"));
    tester.expect.edited.insert(new);
    let run = tester.apply(&plan).await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set(&offered));
    assert_eq!(tester.gateway.count("GET", "/api/channel/1"), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_of_what_sync_had_planned_writes_what_was_shown_or_nothing() {
    let mut tester = Tester::new(lacking(1)).await;
    let session = tester.session().await;
    let request = tester.request(Source::All, true);
    let plan = session
        .plan(&request, &tester.watch)
        .await
        .expect("planned, and declined");
    let before = tester.models(1);
    tester.edit(1, |channel| {
        channel.models = format!("{before},my-hand-model")
    });
    let run = tester.apply(&plan).await;
    assert_eq!(tester.states(&run).await, [State::Moved]);
    assert!(tester.models(1).contains("my-hand-model"));
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_channel_never_settled_a_name_that_came_since_the_plan_stays() {
    let mut tester = Tester::new(pairs(&[("a,gone", "a,b")])).await;
    tester.expect.edited.insert(1);
    tester
        .gateway
        .on_match(list(), 2, When::BeforeApply, |gateway| {
            gateway.edit_channel(1, |channel| channel.models = "a,gone,mine".to_owned());
        });
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied]);
    assert_eq!(tester.models(1), "a,mine,b");
    tester.done().await;
}
