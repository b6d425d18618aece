//! What comparing price lists costs: decoding the lists of all sources and the gateway's own maps, and their differences.
//! Beside it the floor: the same bodies read into plain rows and nothing done with them. `make bench` tells the ratio.

mod lists;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use lists::{SIZES, World};

fn compare(criterion: &mut Criterion) {
    for (sources, models) in SIZES {
        let world = World::new(sources, models);
        let mut group = criterion.benchmark_group(format!("{sources} lists of {models} models"));
        group.bench_function("floor: into rows", |bencher| bencher.iter(|| world.floor()));
        group.bench_function("decode and diff", |bencher| {
            bencher.iter(|| world.compare())
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Enough to see a change of a tenth, short enough to be run often.
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = compare
}

criterion_main!(benches);
