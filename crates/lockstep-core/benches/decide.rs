//! What deciding costs: one channel's plan, an alias chain, rules, a place in the pace.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lockstep_core::channel::{Channel, Status};
use lockstep_core::models::limits::Limits;
use lockstep_core::models::mapping::Mapping;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelInput, ChannelPlan, plan_channel};
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::pace::{Bucket, GATEWAY_CALLS, Pace, Window};

const NAMES: usize = 500;

/// `count` names that look like a provider's, from the number `first` on.
fn names(first: usize, count: usize) -> Vec<String> {
    const FAMILIES: [&str; 5] = ["gpt-5", "claude-sonnet-4", "gemini-2.5", "qwen3", "GLM-4.6"];
    (first..first + count)
        .zip(FAMILIES.iter().cycle())
        .map(|(n, family)| format!("vendor/{family}-{n:04}"))
        .collect()
}

fn channel(models: &[String]) -> Channel {
    Channel {
        id: 1,
        name: "bench".to_owned(),
        kind: 1,
        status: Status::Enabled,
        base_url: "https://provider.example".to_owned(),
        models: models.join(","),
        model_mapping: None,
        configured: Vec::new(),
        own_sync: false,
    }
}

fn plan(
    channel: &Channel,
    fetched: &[String],
    memory: &Memory,
    rules: &[&Rules],
    limits: &Limits,
) -> ChannelPlan {
    plan_channel(ChannelInput {
        channel,
        answer: Answered::List(fetched, 0),
        policy: Policy::Mirror,
        rules,
        keep: &BTreeSet::new(),
        allowed: &BTreeSet::new(),
        memory,
        limits,
        enabled_only: false,
        unattended: false,
        approved: false,
        gate: None,
        now: 0,
    })
}

fn planner(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan one channel, 500 names");
    let limits = Limits::default();
    let here = names(0, NAMES);
    let channel = channel(&here);
    let settled = plan(&channel, &here, &Memory::default(), &[], &limits).settled_memory();
    let moved_on = names(10, NAMES);
    for (name, fetched, memory) in [
        ("unchanged", &here, &settled),
        ("10 gone and 10 new", &moved_on, &settled),
        ("first plan", &here, &Memory::default()),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| plan(black_box(&channel), fetched, memory, &[], &limits));
        });
    }
    group.finish();
}

fn mapping(criterion: &mut Criterion) {
    let aliases: Vec<String> = (0..50)
        .map(|n| format!(r#""alias-{n}":"alias-{}""#, n + 1))
        .collect();
    let text = format!("{{{}}}", aliases.join(","));
    let mapping = Mapping::parse(Some(&text));
    criterion.bench_function("resolve an alias chain of 50", |bencher| {
        bencher.iter(|| mapping.resolve(black_box("alias-0")));
    });
}

/// Patterns of all three kinds, none of which refuses a name: each is asked for every name.
fn patterns() -> Vec<Pattern> {
    (0..20)
        .map(|n| match n % 3 {
            0 => format!("-preview-{n}"),
            1 => format!("*/internal-{n}-*"),
            _ => format!("regex:(?i)^azure/.*-{n}$"),
        })
        .filter_map(|text| Pattern::parse(&text).ok())
        .collect()
}

fn rules(criterion: &mut Criterion) {
    let rules = Rules {
        exclude: patterns(),
        ..Rules::default()
    };
    let names = names(0, NAMES);
    criterion.bench_function("20 patterns over 500 names", |bencher| {
        bencher.iter(|| {
            let refused = |name: &&String| rules.refuses(name).is_some();
            black_box(&names).iter().filter(refused).count()
        });
    });
}

fn pace(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reserve 1,000 requests");
    for (name, pace) in [
        ("fixed", Pace::Fixed(Bucket::new(20, 5))),
        ("auto", Pace::Auto(Window::new(GATEWAY_CALLS))),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut pace = pace.clone();
                (0..1_000).fold(Duration::ZERO, |now, _| pace.reserve(black_box(now)))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Enough to see a change of a tenth, short enough to be run often.
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = planner, mapping, rules, pace
}
criterion_main!(benches);
