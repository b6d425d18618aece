//! Price lists decoded and compared, beside their floor: the same bodies read into plain rows.

use crate::lists::{SIZES, World};
use crate::measure::{Pairs, milliseconds, timed};
use crate::report::{Report, Row};

/// Turns of ours and of the floor; the first is not counted.
const TURNS: usize = 15;

/// The names of the rows, in the order of the sizes.
const NAMES: [&str; SIZES.len()] = [
    "lists: 8 x 500, decode and compare",
    "lists: 8 x 5,000",
    "lists: 8 x 20,000",
    "lists: 50 x 5,000",
];

pub(crate) fn measure(report: &mut Report) {
    let mut each = Vec::new();
    for ((sources, models), name) in SIZES.into_iter().zip(NAMES) {
        let world = World::new(sources, models);
        let pairs = compare(&world);
        report.add(Row::beside(name, &pairs, "ms", Some(1.5)));
        let models = (sources * models) as f64;
        each.push((pairs.ours() * 1e6 / models, pairs.floor() * 1e6 / models));
    }
    let growth = |(ours, floor): (f64, f64)| Row {
        floor: Some(floor),
        ratio: Some(ours / floor),
        ..Row::alone("", Some(ours), "ns")
    };
    report.add(Row {
        name: "lists: each model, at 20,000 by 500",
        goal: Some(1.0),
        ..growth((each[2].0, each[0].0))
    });
    report.add(Row {
        name: "lists: each model, 50 lists by 8",
        goal: Some(1.0),
        ..growth((each[3].0, each[1].0))
    });
    report.add(Row {
        name: "lists: the floor's, at 20,000 by 500",
        ..growth((each[2].1, each[0].1))
    });
    report.note(
        "Lists: sources x models. Each model: of each list; the floor grows as well, for a list of\n\
         20,000 models is larger than the caches.",
    );
}

/// Ours and the floor, in milliseconds.
pub(crate) fn compare(world: &World) -> Pairs {
    let mut pairs = Pairs::default();
    for turn in 0..=TURNS {
        let (_, floor) = timed(|| world.floor());
        let (_, ours) = timed(|| world.compare());
        if turn > 0 {
            pairs.add(milliseconds(ours), milliseconds(floor));
        }
    }
    pairs
}
