//! The planner over a gateway with ten thousand channels, and whether it grows with their number alone.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use lockstep_core::brake::{RunBrake, removes};
use lockstep_core::channel::{Channel, Status};
use lockstep_core::models::limits::Limits;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelInput, ChannelPlan, plan_channel};
use lockstep_core::models::policy::Policy;
use lockstep_sim::spec::SplitMix;

use crate::measure::{Pairs, median, milliseconds, timed};
use crate::report::{Report, Row};

const FEW: usize = 1_000;
const MANY: usize = 10_000;
const NAMES: usize = 500;
/// One channel in so many changed since it was settled: 2 %.
const CHANGED: usize = 50;
/// Channels made at a time, so that only these are in memory, as in a run.
const BATCH: usize = 100;
const ROUNDS: usize = 3;

/// A channel, its memory, and what its provider answers.
struct Case {
    channel: Channel,
    memory: Memory,
    fetched: Vec<String>,
}

pub(crate) fn measure(report: &mut Report) {
    let mut growth = Pairs::default();
    let mut unchanged = Vec::new();
    let mut changed = Vec::new();
    for _ in 0..ROUNDS {
        let few = milliseconds(plan_all(FEW, None));
        let many = milliseconds(plan_all(MANY, None));
        growth.add(many, few * MANY as f64 / FEW as f64);
        unchanged.push(many);
        changed.push(milliseconds(plan_all(MANY, Some(CHANGED))));
    }
    let unchanged = median(unchanged);
    report.add(Row::alone(
        "plan 10,000 x 500, unchanged",
        Some(unchanged),
        "ms",
    ));
    report.add(Row::alone(
        "plan 10,000 x 500, 2 % changed",
        Some(median(changed)),
        "ms",
    ));
    report.add(Row::alone(
        "plan: each name, unchanged",
        Some(unchanged * 1e6 / (MANY * NAMES) as f64),
        "ns",
    ));
    report.add(Row::beside(
        "plan: growth, 10,000 by 10 x 1,000",
        &growth,
        "ms",
        Some(1.0),
    ));
}

/// Plans so many channels as a run does, brakes of the whole run included, and returns how long that alone took.
fn plan_all(channels: usize, changed: Option<usize>) -> Duration {
    let limits = Limits::default();
    let mut brake = RunBrake::default();
    let mut to_judge: Vec<(Channel, ChannelPlan)> = Vec::new();
    let mut took = Duration::ZERO;
    for first in (0..channels).step_by(BATCH) {
        let cases: Vec<Case> = (first..channels.min(first + BATCH))
            .map(|index| case(index, changed.is_some_and(|every| index % every == 0)))
            .collect();
        let ((), time) = timed(|| {
            for case in &cases {
                let plan = plan(case, &limits);
                brake.planned(&case.channel, &plan);
                if removes(&plan) {
                    to_judge.push((case.channel.clone(), plan));
                } else {
                    black_box(plan.settled_memory());
                }
            }
        });
        took += time;
    }
    let ((), time) = timed(|| {
        for (channel, plan) in &mut to_judge {
            brake.judge(channel, plan, &limits, false, &BTreeSet::new());
            black_box(plan.after());
        }
    });
    took + time
}

fn plan(case: &Case, limits: &Limits) -> ChannelPlan {
    plan_channel(ChannelInput {
        channel: &case.channel,
        answer: Answered::List(&case.fetched, 0),
        policy: Policy::Mirror,
        rules: &[],
        keep: &BTreeSet::new(),
        allowed: &BTreeSet::new(),
        memory: &case.memory,
        limits,
        enabled_only: false,
        unattended: false,
        approved: false,
        gate: None,
        now: 0,
    })
}

/// A settled channel. Three share a provider, and providers share names, as they do in life. A changed one lost five
/// names and gained five.
fn case(index: usize, changed: bool) -> Case {
    const FAMILIES: [&str; 8] = [
        "gpt-5",
        "claude-sonnet-4",
        "gemini-2.5",
        "deepseek-v3",
        "qwen3",
        "glm-4.6",
        "grok-4",
        "llama-4",
    ];
    let provider = index / 3;
    let mut random = SplitMix::new(provider as u64);
    let mut names: Vec<String> = (0..NAMES)
        .map(|n| format!("{}-{}-{n:04}", FAMILIES[random.below(8)], random.below(5)))
        .collect();
    let channel = Channel {
        id: index as i64 + 1,
        name: format!("channel {index}"),
        kind: 1,
        status: Status::Enabled,
        base_url: format!("https://p{provider}.example"),
        models: names.join(","),
        model_mapping: None,
        configured: Vec::new(),
        own_sync: false,
    };
    let memory = Memory {
        settled: Some(names.clone()),
        left: names.clone(),
        good_size: NAMES,
        ..Memory::default()
    };
    if changed {
        names.drain(..5);
        names.extend((0..5).map(|n| format!("new-{n}")));
    }
    Case {
        channel,
        memory,
        fetched: names,
    }
}
