//! It tells the truth: over random runs, the counts that are reported are those that the gateway saw.

use lockstep_core::change::State;
use lockstep_core::models::policy::Policy;
use lockstep_run::{EngineError, Source};
use lockstep_sim::spec::{SplitMix, many};
use lockstep_sim::{Entry, Fault, Manner, Matcher, Rule};
use lockstep_store::runs::Run;

use crate::tester::{HOUR, Tester, soak};

const CHANNELS: usize = 6;
const RUNS: usize = 200;

/// Something happens out there before a run.
fn happens(tester: &mut Tester, random: &mut SplitMix) {
    let id = i64::try_from(random.below(CHANNELS) + 1).expect("small");
    let names = tester.gateway.provider_names();
    let provider = tester.gateway.provider(&names[random.below(names.len())]);
    match random.below(9) {
        0..=2 => {
            let mut models = provider.models();
            models.push(format!("new-{}", random.below(40)));
            models.remove(random.below(models.len()));
            models.sort();
            models.dedup();
            provider.set_models(models);
        }
        3 => provider.set_manner(Manner::ServerError),
        4 => provider.set_manner(Manner::Empty),
        5 => provider.set_manner(Manner::Well),
        6 => tester.edit(id, |channel| channel.models.push_str(",mine")),
        7 => {
            let put = Matcher::put("/api/channel/");
            let faults = [
                Fault::Refused("no".to_owned()),
                Fault::Status(500),
                Fault::ResetAfterApply,
                Fault::HalfJson,
                Fault::Ignore,
            ];
            let fault = faults[random.below(faults.len())].clone();
            tester
                .gateway
                .fault(Rule::once(put, fault).after(random.below(3)));
        }
        _ => {
            let fetch = Matcher::get("/api/channel/fetch_models/");
            let fault = Fault::Refused("status code: 403".to_owned());
            tester
                .gateway
                .fault(Rule::once(fetch, fault).after(random.below(3)));
        }
    }
    tester.settings.policy = Policy::ALL[random.below(5)];
    tester.settings.concurrency = 1 + u32::try_from(random.below(4)).expect("small");
}

async fn some_run(
    tester: &Tester,
    random: &mut SplitMix,
    earlier: &[Run],
) -> Result<Run, EngineError> {
    match random.below(8) {
        0 => tester.try_plan(Source::All).await,
        1 => {
            let plan = tester.plan().await;
            Ok(tester.apply(&plan).await)
        }
        2 => tester.go(Source::Selected(vec![1, 4])).await,
        3 => tester.retry_failed().await,
        4 => tester.apply_held().await,
        5 if !earlier.is_empty() => {
            let run = &earlier[random.below(earlier.len())];
            tester.try_undo(run, None).await
        }
        _ => Ok(tester.sync().await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_random_runs_are_those_of_the_gateway() {
    let mut tester = Tester::new(many(CHANNELS, 10, 4)).await;
    let mut random = SplitMix::new(20);
    let mut runs: Vec<Run> = Vec::new();
    let (mut changed, mut failed, mut held) = (0, 0, 0);
    for n in 0..RUNS * soak() as usize {
        happens(&mut tester, &mut random);
        let since = tester.requests();
        let run = match some_run(&tester, &mut random, &runs).await {
            Ok(run) => run,
            Err(
                EngineError::NothingFailed
                | EngineError::NothingHeld
                | EngineError::NothingToUndo(_)
                | EngineError::UndoneAlready { .. },
            ) => continue,
            Err(error) => panic!("run {n}: {error}"),
        };
        let log = &tester.gateway.log()[since..];
        let count = |of: fn(&&Entry) -> bool| log.iter().filter(of).count() as u64;
        assert_eq!(run.reads, count(|entry| entry.method == "GET"), "run {n}");
        assert_eq!(run.writes, count(|entry| entry.method == "PUT"), "run {n}");
        let effects = count(|entry| entry.write.as_ref().is_some_and(|write| write.effective));
        let rows = tester.rows(&run).await;
        let applied = rows
            .iter()
            .filter(|row| row.state == State::Applied)
            .count() as u64;
        let told = tester.store().counts(&run.id).await.expect("counts");
        assert_eq!(
            (told.changed, told.changed),
            (applied, effects),
            "run {n}: {rows:#?}"
        );
        changed += told.changed;
        failed += told.failed;
        held += told.held;
        runs.push(run);
        tester.clock.advance(HOUR);
    }
    assert!(
        changed > 50 && failed > 50 && held > 10,
        "the runs must have something to tell: {changed}, {failed}, {held}"
    );
    tester.done().await;
}
