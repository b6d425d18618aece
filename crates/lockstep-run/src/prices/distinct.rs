//! Each source once, under a name of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{Collected, Collecting, Wanted};

impl Collecting {
    /// The sources, each once: what is named twice is one voice, and does not agree with itself.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Wanted> {
        let all = self.wanted.iter().enumerate();
        all.filter(|(place, one)| {
            let before = self.wanted.iter().take(*place);
            let mut before = before.filter(|before| before.id == one.id);
            !before.any(|before| before.from == one.from)
        })
        .map(|(_, one)| one)
    }
}

/// Tells different sources of one name apart, for answers are keyed by it: the first keeps it, the second is `name#2`.
pub(super) fn told_apart(mut all: Vec<Collected>) -> Vec<Collected> {
    let mut taken: BTreeSet<String> = all.iter().map(|one| one.name.clone()).collect();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for one in &mut all {
        let last = last.entry(one.name.clone()).or_default();
        *last += 1;
        while *last > 1 {
            let name = format!("{}#{last}", one.name);
            if taken.insert(name.clone()) {
                one.name = name;
                break;
            }
            *last += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_core::prices::source::Target;

    use super::super::collect::{From, Given, unlisted};
    use super::*;

    fn wanted(from: From) -> Wanted {
        Wanted::open(from)
    }

    fn upstream(name: &str, base: &str) -> Wanted {
        let target = Target::of_upstream(0, name, base, "").expect("an upstream");
        wanted(From::Target(target))
    }

    fn spec(text: &str) -> Wanted {
        wanted(From::Spec(text.parse().expect("a source")))
    }

    #[test]
    fn what_is_named_twice_is_asked_once() {
        let stored = Wanted {
            id: Some("s1".to_owned()),
            ..spec("official")
        };
        let all = [
            wanted(From::Id(1)),
            wanted(From::Id(2)),
            wanted(From::Id(1)),
            spec("official"),
            spec("official,multiplier=2"),
            spec("official"),
            upstream("x", "http://a"),
            upstream("x", "http://b"),
            upstream("x", "http://a"),
            stored.clone(),
            stored,
        ];
        let collecting = Collecting {
            wanted: all.to_vec(),
            time_limit: std::time::Duration::from_secs(1),
            allow: Vec::new(),
            max_retries: 0,
        };
        let places: Vec<usize> = collecting
            .distinct()
            .filter_map(|one| collecting.wanted.iter().position(|w| std::ptr::eq(w, one)))
            .collect();
        assert_eq!(places, [0, 1, 3, 4, 6, 7, 9]);
    }

    #[test]
    fn sources_of_one_name_are_numbered_from_the_second_on() {
        let given = Given {
            body: Arc::new(String::new()),
            at: 0,
        };
        let collected = |name: &&str| {
            let one = Wanted {
                given: Some(given.clone()),
                ..spec(&format!("upload:{name}"))
            };
            unlisted(&one, 0).expect("a list")
        };
        let names = ["x", "y", "x", "x#2", "x", "y"];
        let all = told_apart(names.iter().map(collected).collect());
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["x", "y", "x#3", "x#2", "x#4", "y#2"]);
    }
}
