//! You get exactly what you saw: whatever changes between plan and apply, nothing else is written.

use std::collections::BTreeSet;

use lockstep_core::change::{RunState, State};
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::Overrides;
use lockstep_run::EngineError;
use lockstep_sim::spec::{SplitMix, many};
use lockstep_sim::{Channel, Spec};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::SiteEdit;

use crate::tester::{DAY, Tester, lacking, set};

const SEEDS: u64 = 50;
const CHANNELS: usize = 6;

fn gateway() -> Spec {
    many(CHANNELS, 8, 11).inline(std::time::Duration::ZERO)
}

/// Gives every provider another list, so that the next plan has something to show.
fn turn(tester: &Tester, random: &mut SplitMix) {
    for name in tester.gateway.provider_names() {
        let offered: Vec<String> = (0..14)
            .filter(|_| random.below(3) > 0)
            .map(|n| format!("model-{n}"))
            .chain(["always".to_owned()])
            .collect();
        tester.gateway.provider(&name).set_models(offered);
    }
}

fn some_channel(random: &mut SplitMix) -> i64 {
    i64::try_from(random.below(CHANNELS) + 1).expect("small")
}

/// What was written in an apply: each just as it was shown, for a channel that was shown as ready.
fn nothing_but_what_was_shown(tester: &Tester, shown: &[ChangeRow], since: usize, seed: u64) {
    for entry in &tester.gateway.log()[since..] {
        let Some(write) = entry.write.as_ref().filter(|write| write.effective) else {
            continue;
        };
        let row = shown
            .iter()
            .find(|row| Some(row.channel_id) == write.channel && row.state == State::Ready)
            .unwrap_or_else(|| panic!("seed {seed}: written, but never shown: {entry:?}"));
        let after = row.after.as_deref().expect("shown");
        assert_eq!(set(&write.after), set(after), "seed {seed}: {row:?}");
        let removed = &set(&write.before) - &set(&write.after);
        let shown = &set(&row.before) - &set(after);
        assert!(
            removed.is_subset(&shown),
            "seed {seed}: gone unseen: {row:?}"
        );
    }
}

/// Plans, lets something change the gateway, applies. Answers how the rows ended.
async fn through_an_edit(
    tester: &mut Tester,
    seed: u64,
    edit: fn(&mut Channel, &mut SplitMix),
) -> Vec<State> {
    let mut random = SplitMix::new(seed);
    turn(tester, &mut random);
    let plan = tester.plan().await;
    let shown = tester.rows(&plan).await;
    let mut edited = BTreeSet::new();
    for _ in 0..=random.below(3) {
        let channel = some_channel(&mut random);
        edited.insert(channel);
        tester.edit(channel, |channel| edit(channel, &mut random));
    }
    let as_edited = tester.gateway.channels();
    let since = tester.requests();
    let run = tester.apply(&plan).await;
    nothing_but_what_was_shown(tester, &shown, since, seed);
    let rows = tester.rows(&run).await;
    for (before, row) in shown.iter().zip(&rows) {
        let channel = tester.gateway.channel(row.channel_id).expect("a channel");
        if before.state == State::Ready && !edited.contains(&row.channel_id) {
            assert_eq!(row.state, State::Applied, "seed {seed}: {row:?}");
        }
        if row.state == State::Moved {
            let left = as_edited.iter().find(|c| c.id == channel.id);
            assert_eq!(
                left,
                Some(&channel),
                "seed {seed}: what moved is left alone"
            );
        }
    }
    rows.into_iter().map(|row| row.state).collect()
}

/// Over all seeds: the oracle cannot count what is found, so that is counted here.
async fn fifty(edit: fn(&mut Channel, &mut SplitMix), must_move: bool) {
    let mut tester = Tester::new(gateway()).await.without_guards();
    let mut ends = Vec::new();
    for seed in 0..SEEDS {
        ends.extend(through_an_edit(&mut tester, seed, edit).await);
    }
    let count = |state| ends.iter().filter(|end| **end == state).count();
    assert!(count(State::Applied) > 50, "the seeds must write something");
    assert_eq!(
        count(State::Moved) > 10,
        must_move,
        "{}",
        count(State::Moved)
    );
    tester.expect.without_effect = count(State::Applied) - tester.gateway.effective_writes().len();
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_edited_between_plan_and_apply() {
    fifty(
        |channel, random| {
            let mut names: Vec<String> = channel
                .model_names()
                .iter()
                .map(|n| (*n).to_owned())
                .collect();
            match random.below(4) {
                0 => names.push(format!("model-{}", random.below(14))),
                1 => names.push(format!("mine-{}", random.below(9))),
                2 if names.len() > 1 => drop(names.remove(random.below(names.len()))),
                _ => names.reverse(),
            }
            channel.models = names.join(if random.below(2) == 0 { "," } else { " , " });
        },
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_fields_edited_between_plan_and_apply() {
    fifty(
        |channel, random| match random.below(5) {
            0 => {
                channel.model_mapping =
                    Some(format!(r#"{{"model-{}":"always"}}"#, random.below(14)))
            }
            1 => channel.model_mapping = Some(format!(r#"{{"x":"model-{}"}}"#, random.below(14))),
            2 => channel.base_url = Some("sim://p0".to_owned()),
            3 => channel.status = 3 - channel.status.min(2),
            _ => channel.priority = Some(i64::try_from(random.below(9)).expect("small")),
        },
        true,
    )
    .await;
}

/// Plans, changes something that makes the plan void, and sees it refused without a request.
async fn refused(tester: &Tester, plan: &Run, what: &str) -> EngineError {
    let before = tester.requests();
    let error = match tester.try_apply(plan).await {
        Ok(run) => panic!("{what}: applied as {:?}", run.state),
        Err(error) => error,
    };
    assert_eq!(tester.requests(), before, "{what}: nothing is sent");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changed_between_plan_and_apply_voids_the_plan() {
    let tester = Tester::new(gateway()).await.without_guards();
    let mut changed = 0;
    for seed in 0..SEEDS {
        let mut random = SplitMix::new(seed);
        turn(&tester, &mut random);
        let plan = tester.plan().await;
        let own = Overrides {
            policy: Some(Policy::ALL[random.below(Policy::ALL.len())]),
            keep: vec![format!("model-{seed}")],
            ..Overrides::default()
        };
        let (store, site) = (tester.store(), &tester.site);
        let done = match random.below(3) {
            0 => {
                let id = some_channel(&mut random);
                store.set_channel_overrides(site, id, &own).await
            }
            1 => {
                let provider = tester.row(&plan, some_channel(&mut random)).await.provider;
                store.set_provider_overrides(site, &provider, &own).await
            }
            _ => {
                let value = Some(format!("model-{seed}"));
                let edit = SiteEdit {
                    settings: Some([("keep".to_owned(), value)].into()),
                    ..SiteEdit::default()
                };
                store.edit_site(site, edit).await.map(drop)
            }
        };
        done.expect("stored");
        let error = refused(&tester, &plan, "policy").await;
        assert!(
            matches!(error, EngineError::PolicyChanged(_)),
            "seed {seed}: {error}"
        );
        changed += 1;
    }
    assert_eq!((changed, tester.puts()), (SEEDS, 0));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_plan_that_is_not_the_shown_one_is_refused() {
    let tester = Tester::new(gateway()).await.without_guards();
    let meddling = [
        "UPDATE change SET after_hash = before_hash WHERE state = 'ready' AND channel_id =
             (SELECT MAX(channel_id) FROM change WHERE state = 'ready')",
        "UPDATE change SET before_hash = after_hash WHERE state = 'ready'",
        "UPDATE change SET base = 'other' WHERE state = 'ready'",
        "DELETE FROM change WHERE channel_id = 3",
        "UPDATE change SET channel_id = 70 + channel_id WHERE channel_id = 5",
    ];
    let mut random = SplitMix::new(5);
    for seed in 0..SEEDS {
        turn(&tester, &mut random);
        // Each seed meddles with a run of its own, so that the journal is whole again afterwards.
        let plan = tester.plan().await;
        let kept = tester.rows(&plan).await;
        let ready = kept.iter().filter(|row| row.state == State::Ready).count();
        assert!(ready > 0, "seed {seed}");
        tester
            .sql(meddling[usize::try_from(seed).expect("small") % meddling.len()])
            .await;
        let error = refused(&tester, &plan, "plan row").await;
        assert!(
            matches!(error, EngineError::PlanChanged(_)),
            "seed {seed}: {error}"
        );
        tester.sql("DELETE FROM run").await;
    }
    assert_eq!(tester.puts(), 0);
    let mut tester = tester;
    // The meddled runs are gone, and their requests with them.
    tester.expect.other_counts = true;
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lives_a_day_and_not_a_moment_longer() {
    let tester = Tester::new(gateway()).await.without_guards();
    let mut applied = 0;
    for seed in 0..SEEDS {
        let mut random = SplitMix::new(seed);
        turn(&tester, &mut random);
        let plan = tester.plan().await;
        if random.below(2) == 0 {
            tester.clock.advance(DAY);
            let run = tester.apply(&plan).await;
            assert_eq!(run.state, RunState::Done, "seed {seed}");
            applied += 1;
        } else {
            tester.clock.advance(DAY + 1);
            let error = refused(&tester, &plan, "expiry").await;
            assert!(
                matches!(error, EngineError::Expired(_)),
                "seed {seed}: {error}"
            );
        }
    }
    assert!((5..45).contains(&applied));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_asks_no_provider_again() {
    let tester = Tester::new(lacking(4)).await;
    let plan = tester.plan().await;
    let fetches = tester.fetches();
    tester.offers(1, "a,b,c,d");
    tester.apply(&plan).await;
    assert_eq!(tester.fetches(), fetches);
    assert_eq!(tester.models(1), "a,b,c");
    tester.done().await;
}
